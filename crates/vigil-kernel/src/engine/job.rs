//! Jobs: computations that are under way, and what they have read.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use vigil_base::world::Moment;

use super::failure::Failure;
use super::graph::{NodeId, Seen};
use super::key::{Key, Running};
use super::{Cx, Shared};

/// One computation of one node.
pub struct Job {
    pub node: NodeId,
    pub shared: Arc<Shared>,
    seen: Mutex<Vec<Seen>>,
    is_transient: AtomicBool,
    /// Whether it stands in the row of what is ready, so that it does not stand there twice.
    is_queued: AtomicBool,
    /// When it took its thread, or last said that it is at work.
    since: AtomicI64,
    place: Mutex<Place>,
}

thread_local! {
    /// The job that runs on this thread, where patience has an end.
    static AT_WORK: RefCell<Option<Arc<Job>>> = const { RefCell::new(None) };
}

/// Says that the computation on this thread is at work and not stuck. What goes through much without
/// yielding, such as a stream, says so from time to time.
pub fn at_work() {
    AT_WORK.with_borrow(|job| job.iter().for_each(|job| job.touch()));
}

/// Where a job's future is.
enum Place {
    /// Not made yet.
    Fresh,
    /// Here, waiting to be woken.
    Parked(Running),
    /// With the thread that runs it.
    Out { was_woken: bool, is_cancelled: bool },
    /// Gone.
    Done,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // No lock of a job is held while foreign code runs, so nothing is half done in a poisoned one.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Job {
    /// Makes a job that stands in the row of what is ready.
    pub fn new(node: NodeId, shared: Arc<Shared>) -> Self {
        Self {
            node,
            shared,
            seen: Mutex::default(),
            is_transient: AtomicBool::new(false),
            is_queued: AtomicBool::new(true),
            since: AtomicI64::new(0),
            place: Mutex::new(Place::Fresh),
        }
    }

    /// Notes what was read.
    pub fn see(&self, seen: impl IntoIterator<Item = Seen>) {
        locked(&self.seen).extend(seen);
    }

    /// Gives what was read.
    pub fn take_seen(&self) -> Vec<Seen> {
        std::mem::take(&mut locked(&self.seen))
    }

    /// Returns what `judge` says of what was read.
    pub fn judge_seen(&self, judge: impl Fn(&[Seen]) -> bool) -> bool {
        judge(&locked(&self.seen))
    }

    /// Returns whether the computation called its own result transient.
    pub fn is_transient(&self) -> bool {
        self.is_transient.load(Ordering::Relaxed)
    }

    /// Calls the result transient.
    pub fn set_transient(&self) {
        self.is_transient.store(true, Ordering::Relaxed);
    }

    /// Notes that it is at work now.
    pub fn touch(&self) {
        if let Some((_, clock)) = &self.shared.options.patience {
            self.since.store(clock.now().0, Ordering::Relaxed);
        }
    }

    /// Returns when it was last known to be at work.
    pub fn since(&self) -> Moment {
        Moment(self.since.load(Ordering::Relaxed))
    }

    /// Runs the computation until it waits or ends, known to its thread.
    pub fn run_watched(self: &Arc<Self>) {
        self.touch();
        let before = AT_WORK.replace(Some(self.clone()));
        self.run();
        AT_WORK.set(before);
    }

    /// Runs the computation until it waits or ends.
    pub fn run(self: &Arc<Self>) {
        self.is_queued.store(false, Ordering::Release);
        let Some(mut future) = self.take_out() else { return };
        let waker = Waker::from(self.clone());
        let mut context = Context::from_waker(&waker);
        let polled = catch_unwind(AssertUnwindSafe(|| {
            let polled = future.as_mut().poll(&mut context);
            (polled, future)
        }));
        match polled {
            Ok((Poll::Pending, future)) => self.park(future),
            Ok((Poll::Ready(()), future)) => {
                *locked(&self.place) = Place::Done;
                bury(future);
            }
            Err(panic) => {
                *locked(&self.place) = Place::Done;
                let mut core = self.shared.lock();
                let key = core.describe(self.node);
                let failure = Failure::Panicked { key, message: panic_message(&*panic) };
                core.conclude_failed(self, failure, &self.shared);
            }
        }
    }

    /// Takes the future, making it the first time.
    fn take_out(self: &Arc<Self>) -> Option<Running> {
        let out = Place::Out { was_woken: false, is_cancelled: false };
        let mut place = locked(&self.place);
        match std::mem::replace(&mut *place, out) {
            Place::Parked(future) => return Some(future),
            Place::Fresh => {}
            Place::Out { is_cancelled, .. } => {
                *place = Place::Out { was_woken: true, is_cancelled };
                return None;
            }
            Place::Done => {
                *place = Place::Done;
                return None;
            }
        }
        drop(place);
        let mut core = self.shared.lock();
        if !core.is_current(self) {
            *locked(&self.place) = Place::Done;
            return None;
        }
        core.statistics.started += 1;
        let (family, slot) = core.graph.place(self.node);
        Some(core.tables[usize::from(family)].start(slot, Cx { job: self.clone() }))
    }

    fn park(self: &Arc<Self>, future: Running) {
        let mut place = locked(&self.place);
        let Place::Out { was_woken, is_cancelled } = *place else { return };
        if is_cancelled {
            *place = Place::Done;
            drop(place);
            return bury(future);
        }
        *place = Place::Parked(future);
        drop(place);
        if was_woken {
            self.wake_by_ref();
        }
    }

    /// Gives up the computation; its future is dropped now, or when it next yields.
    pub fn cancel(&self) {
        let mut place = locked(&self.place);
        match std::mem::replace(&mut *place, Place::Done) {
            Place::Parked(future) => {
                drop(place);
                bury(future);
            }
            Place::Out { was_woken, .. } => *place = Place::Out { was_woken, is_cancelled: true },
            Place::Fresh | Place::Done => {}
        }
    }

    /// Takes in the value, comparing it with the one before while the engine is free.
    pub fn finish<K: Key>(&self, value: K::Value) {
        let before = {
            let mut core = self.shared.lock();
            if !core.is_current(self) {
                return;
            }
            let (_, slot) = core.graph.place(self.node);
            core.table::<K>().1.value(slot).cloned()
        };
        let same = before.map(|before| K::same(&before, &value));
        self.shared.lock().conclude::<K>(self, value, same, &self.shared);
    }
}

impl Wake for Job {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.is_queued.swap(true, Ordering::AcqRel) {
            self.shared.lock().make_ready(self.clone());
        }
    }
}

/// Returns what a panic said.
pub fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "it said nothing that is text".to_owned())
}

thread_local! {
    static GRAVES: RefCell<Vec<Running>> = const { RefCell::new(Vec::new()) };
    static IS_BURYING: Cell<bool> = const { Cell::new(false) };
}

/// Drops a future. Dropping one may leave others without a waiter, which are dropped in turn: not
/// from within, or a chain of a hundred thousand would overflow the stack, but one after another.
fn bury(future: Running) {
    GRAVES.with_borrow_mut(|graves| graves.push(future));
    if IS_BURYING.replace(true) {
        return;
    }
    while let Some(future) = GRAVES.with_borrow_mut(Vec::pop) {
        // A computation that panics while it is dropped has been given up already.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(future)));
    }
    IS_BURYING.set(false);
}
