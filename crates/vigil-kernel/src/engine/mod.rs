//! The engine: values that are computed from other values, each once, and again only when needed.
//!
//! A [`Key`] says how to compute its value from others. The engine records what was read, computes
//! each key once however many ask, and after an edit computes again only what was asked for and has
//! an input that changed: where a value comes out as before, nothing above it is touched. It knows no
//! names, no bytes and no disk. The reasons for its shape are in `docs/design/kernel.md`.
//!
//! It has no threads of its own. Whoever has a thread calls [`Engine::step`], [`Engine::block_on`],
//! or starts a [`Pool`]; a test picks the next step by a seed and owns every interleaving.
//!
//! Invariants:
//! - a value that is handed out is what computing it from scratch would give, at a moment between the
//!   question and the answer;
//! - a computation runs only while somebody waits for it, and at most once for one state of its inputs;
//! - nothing recurses along dependencies: depth costs memory, not stack.

mod core;
mod crew;
mod cycle;
mod demand;
mod edit;
mod failure;
mod graph;
mod image;
mod job;
mod key;
mod lists;
mod pool;
mod walk;

use std::collections::HashMap;
use std::future::Future;
use std::hash::Hash;
use std::ops::{Deref, DerefMut};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::ThreadId;
use std::time::Duration;

use vigil_base::world::{Clock, Moment};

pub use self::crew::{Alone, Crew, Threads};
pub use self::demand::Demand;
pub use self::failure::{Failed, Failure};
pub use self::image::{ImageError, Stored};
pub use self::job::at_work;
pub use self::key::Key;
pub use self::pool::Pool;

use self::core::{Core, Effects};
use self::demand::Asker;
use self::job::Job;
pub(crate) use self::job::panic_message;

/// How an engine behaves.
#[derive(Clone)]
pub struct EngineOptions {
    /// Most bytes of values ([`Key::weight`]) to keep. Values beyond it are dropped and computed again
    /// when somebody asks.
    pub memory_bytes_max: usize,
    /// Hands for work on the graph itself that can be split.
    pub crew: Arc<dyn Crew>,
    /// How long a computation may hold a thread without yielding, and the clock that says so.
    pub patience: Option<(Duration, Arc<dyn Clock>)>,
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self { memory_bytes_max: usize::MAX, crew: Arc::new(Alone), patience: None }
    }
}

/// What an engine has done since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Computations that were begun.
    pub started: u64,
    /// Computations that ended and whose end counted.
    pub computed: u64,
    /// Those that gave another value than before, or the first.
    pub changed: u64,
    /// Computations that were given up because nobody waited any longer.
    pub cancelled: u64,
    /// Computations that were begun anew because what they had read changed under them.
    pub restarted: u64,
    /// Values that were dropped to save memory.
    pub evicted: u64,
}

/// How much memory an engine takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Footprint {
    /// Keys that it knows.
    pub nodes: usize,
    /// Bytes of the graph and of the tables of keys and values; what keys and values point at is not
    /// counted here.
    pub graph_bytes: usize,
    /// The sum of [`Key::weight`] over all values.
    pub value_bytes: usize,
}

/// What one step did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// It ran a computation until that waited or ended.
    Ran,
    /// There was nothing to run.
    Idle,
    /// What it ran held the thread too long and was given up meanwhile: the thread has been replaced.
    Replaced,
}

/// What all handles of one engine share.
pub struct Shared {
    core: Mutex<Core>,
    /// Rung when there is work for who sleeps.
    work: Condvar,
    /// Who sleeps. Changed only under the core's lock.
    sleepers: Mutex<usize>,
    polling: Mutex<Polling>,
    pub(self) options: EngineOptions,
}

/// Who is running what since when, where patience has an end.
#[derive(Default)]
struct Polling {
    last: u64,
    jobs: HashMap<u64, (Arc<Job>, ThreadId)>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    fn lock(&self) -> Locked<'_> {
        // User code under the lock (see `Key`) is called before anything is changed.
        Locked { shared: self, core: Some(locked(&self.core)) }
    }
}

/// The core, locked. When it is released, what must happen outside the lock happens.
struct Locked<'a> {
    shared: &'a Shared,
    core: Option<MutexGuard<'a, Core>>,
}

impl Locked<'_> {
    /// Sleeps until there is work, unless `is_up` or there is some already.
    fn sleep(mut self, is_up: impl Fn() -> bool) {
        let core = self.core.take().expect("it is taken once");
        if is_up() || !core.ready.is_empty() {
            return;
        }
        *locked(&self.shared.sleepers) += 1;
        let core = self.shared.work.wait(core).unwrap_or_else(PoisonError::into_inner);
        *locked(&self.shared.sleepers) -= 1;
        drop(core);
    }
}

impl Deref for Locked<'_> {
    type Target = Core;

    fn deref(&self) -> &Core {
        self.core.as_ref().expect("it is there until it is dropped")
    }
}

impl DerefMut for Locked<'_> {
    fn deref_mut(&mut self) -> &mut Core {
        self.core.as_mut().expect("it is there until it is dropped")
    }
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        let Some(mut core) = self.core.take() else { return };
        let Effects { wakers, cancelled, is_work_new } = std::mem::take(&mut core.effects);
        if is_work_new && *locked(&self.shared.sleepers) > 0 {
            self.shared.work.notify_all();
        }
        drop(core);
        wakers.into_iter().for_each(Waker::wake);
        cancelled.iter().for_each(|job| job.cancel());
    }
}

/// What a computation reads through.
pub struct Cx {
    job: Arc<Job>,
}

impl Cx {
    /// Reads a value, and records that the computation depends on it.
    pub async fn get<K: Key>(&self, key: &K) -> Result<K::Value, Failed> {
        let mut values = self.get_all([key.clone()]).await;
        values.pop().expect("one key has one value")
    }

    /// Reads values that are all needed, so that they may be computed at once.
    pub fn get_all<K: Key>(&self, keys: impl IntoIterator<Item = K>) -> Demand<K> {
        let asker = Asker { shared: self.job.shared.clone(), job: Some(self.job.clone()) };
        Demand::new(asker, keys.into_iter().collect())
    }

    /// Returns a value if it is known to be sound right now, computing nothing and recording nothing:
    /// for those who watch, and not for what a result follows from.
    pub fn peek<K: Key>(&self, key: &K) -> Option<Result<K::Value, Failed>> {
        self.job.shared.lock().peek(key)
    }

    /// Returns the keys of type `B` nearest below a key: what its value was made of through keys of other
    /// types. Records that the computation depends on all that it passes, so it costs as much as lies
    /// between.
    pub fn nearest_below<K: Key, B: Key>(&self, key: &K) -> Vec<B> {
        let (keys, seen) = self.job.shared.lock().below(key, false);
        self.job.see(seen);
        keys
    }

    /// Says that the result is of use in this run only, whatever [`Key::is_transient`] says.
    pub fn set_transient(&self) {
        self.job.set_transient();
    }

    fn finish<K: Key>(&self, value: K::Value) {
        self.job.finish::<K>(value);
    }
}

/// Edits that become visible together.
pub struct Edit<'a> {
    core: Locked<'a>,
    shared: &'a Arc<Shared>,
}

impl Edit<'_> {
    /// Injects a value: what the key's computation says does not matter any longer.
    pub fn set<K: Key>(&mut self, key: &K, value: K::Value) {
        self.core.set(key, value);
    }

    /// Says that the key must be computed again when it is next needed, and an injected value is void.
    pub fn invalidate<K: Key>(&mut self, key: &K) {
        self.core.invalidate(key, self.shared);
    }
}

impl Drop for Edit<'_> {
    fn drop(&mut self) {
        self.core.finish_edit(self.shared);
    }
}

/// Computes values of keys, and remembers them.
///
/// Cheap to clone; when the last clone is dropped, what is under way is given up.
#[derive(Clone)]
pub struct Engine {
    alive: Arc<Alive>,
}

struct Alive {
    shared: Arc<Shared>,
}

impl Drop for Alive {
    fn drop(&mut self) {
        let mut core = self.shared.lock();
        let jobs = std::mem::take(&mut core.entries).into_values();
        let jobs = jobs.filter_map(|entry| match entry.work {
            core::Work::Job(job) => Some(job),
            core::Work::Walk(_) => None,
        });
        core.effects.cancelled.extend(jobs);
        core.ready.clear();
    }
}

impl Default for Engine {
    fn default() -> Self {
        Self::new(EngineOptions::default())
    }
}

impl Engine {
    /// Makes an engine that knows nothing yet.
    pub fn new(options: EngineOptions) -> Self {
        let shared = Shared {
            core: Mutex::new(Core::new(options.crew.clone(), options.memory_bytes_max)),
            work: Condvar::new(),
            sleepers: Mutex::new(0),
            polling: Mutex::default(),
            options,
        };
        Self { alive: Arc::new(Alive { shared: Arc::new(shared) }) }
    }

    fn shared(&self) -> &Arc<Shared> {
        &self.alive.shared
    }

    /// Reads a value.
    pub fn get<K: Key>(&self, key: &K) -> impl Future<Output = Result<K::Value, Failed>> + use<K> {
        let demand = self.get_all([key.clone()]);
        async move { demand.await.pop().expect("one key has one value") }
    }

    /// Reads values.
    pub fn get_all<K: Key>(&self, keys: impl IntoIterator<Item = K>) -> Demand<K> {
        let asker = Asker { shared: self.shared().clone(), job: None };
        Demand::new(asker, keys.into_iter().collect())
    }

    /// Returns a value if it is known to be sound right now, computing nothing.
    pub fn peek<K: Key>(&self, key: &K) -> Option<Result<K::Value, Failed>> {
        self.shared().lock().peek(key)
    }

    /// As [`Engine::peek`], for the key that `is` accepts and that hashes as `like` does: so that what is
    /// only looked at need not be made into a key first.
    pub fn peek_like<K: Key>(
        &self,
        like: &impl Hash,
        is: impl Fn(&K) -> bool,
    ) -> Option<Result<K::Value, Failed>> {
        // Nothing follows from a look, so nothing must happen when the lock is free again.
        let mut core = locked(&self.shared().core);
        let (node, slot) = core.table::<K>().1.find_like(like, is)?;
        core.is_at_hand(node).then(|| core.take_up::<K>(node, slot))
    }

    /// Returns all keys of a type that have a value in memory, sound or not, with that value.
    pub fn values<K: Key>(&self) -> Vec<(K, K::Value)> {
        self.shared().lock().table::<K>().1.values()
    }

    /// Returns the keys that a value was computed from, as text, in the order in which they were read.
    pub fn dependencies<K: Key>(&self, key: &K) -> Option<Vec<String>> {
        let mut core = self.shared().lock();
        let (node, _) = core.table::<K>().1.find(key)?;
        Some(core.graph.dependencies(node).map(|below| core.describe(below)).collect())
    }

    /// Returns the keys of type `B` that a value was made of, however far below, itself among them where it
    /// is one, whether they are sound or not; in the order in which they were read, each once.
    pub fn all_below<K: Key, B: Key>(&self, key: &K) -> Vec<B> {
        self.shared().lock().below(key, true).0
    }

    /// Makes edits; they become visible together. The closure may not call the engine.
    pub fn edit<R>(&self, edits: impl FnOnce(&mut Edit<'_>) -> R) -> R {
        edits(&mut Edit { core: self.shared().lock(), shared: self.shared() })
    }

    /// Begins a run: what was transient is computed anew when it is next needed.
    pub fn begin_run(&self) {
        self.shared().lock().expire();
    }

    /// Runs one ready computation on this thread until it waits or ends.
    pub fn step(&self) -> Step {
        self.step_by(|_| 0)
    }

    /// As [`Engine::step`]; `pick` chooses among so many ready computations, the newest first.
    pub fn step_by(&self, pick: impl FnOnce(usize) -> usize) -> Step {
        let mut core = self.shared().lock();
        while core.ready.is_empty() && cycle::break_one(&mut core, self.shared()) {
            // Whoever waited for the circle is woken when the lock is released.
            drop(core);
            core = self.shared().lock();
        }
        let count = core.ready.len();
        if count == 0 {
            return Step::Idle;
        }
        let picked = pick(count).min(count - 1);
        let job = core.ready.remove(count - 1 - picked);
        drop(core);
        if self.shared().options.patience.is_none() {
            job.run();
            return Step::Ran;
        }
        let ticket = {
            let mut polling = locked(&self.shared().polling);
            polling.last += 1;
            let ticket = polling.last;
            let thread = std::thread::current().id();
            job.touch();
            polling.jobs.insert(ticket, (job.clone(), thread));
            ticket
        };
        job.run_watched();
        match locked(&self.shared().polling).jobs.remove(&ticket) {
            Some(_) => Step::Ran,
            None => Step::Replaced,
        }
    }

    /// Fails every computation that has held a thread for longer than the engine's patience, and
    /// returns the threads: they need replacing, since none can be killed.
    pub fn give_up_stuck(&self) -> Vec<ThreadId> {
        let Some((limit, clock)) = &self.shared().options.patience else { return Vec::new() };
        let now = clock.now();
        let is_over = |since: Moment| {
            let held = u64::try_from(now.0.saturating_sub(since.0)).unwrap_or(0);
            Duration::from_nanos(held) > *limit
        };
        let stuck: Vec<(Arc<Job>, ThreadId)> = {
            let mut polling = locked(&self.shared().polling);
            let stuck = polling.jobs.extract_if(|_, (job, _)| is_over(job.since()));
            stuck.map(|(_, found)| found).collect()
        };
        for (job, _) in &stuck {
            let mut core = self.shared().lock();
            let key = core.describe(job.node);
            let limit_ms = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
            core.conclude_failed(job, Failure::Stuck { key, limit_ms }, self.shared());
            core.effects.cancelled.push(job.clone());
        }
        stuck.into_iter().map(|(_, thread)| thread).collect()
    }

    /// Fails whatever is ready to run, because nobody is left to run it.
    fn give_up_ready(&self, stuck: usize) {
        let mut core = self.shared().lock();
        for job in std::mem::take(&mut core.ready) {
            let key = core.describe(job.node);
            core.conclude_failed(&job, Failure::Crowded { key, stuck }, self.shared());
            core.effects.cancelled.push(job);
        }
    }

    /// Waits for a future on this thread, running computations meanwhile. One that does not yield holds
    /// this thread too: who must not be held asks [`Pool::wait`].
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        let mut future = pin!(future);
        // Most of what is asked for is at hand, and needs no waking.
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return output;
        }
        let alarm = Arc::new(Alarm { shared: self.shared().clone(), rang: AtomicBool::new(true) });
        let waker = Waker::from(alarm.clone());
        let mut context = Context::from_waker(&waker);
        loop {
            if alarm.rang.swap(false, Ordering::AcqRel) {
                if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
                    return output;
                }
            } else if self.step() == Step::Idle {
                self.shared().lock().sleep(|| alarm.rang.load(Ordering::Acquire));
            }
        }
    }

    /// Returns what was done so far.
    pub fn statistics(&self) -> Statistics {
        self.shared().lock().statistics
    }

    /// Returns how much memory is taken.
    pub fn footprint(&self) -> Footprint {
        let core = self.shared().lock();
        let tables: usize = core.tables.iter().map(|table| table.bytes()).sum();
        Footprint {
            nodes: core.graph.len(),
            graph_bytes: core.graph.bytes() + tables,
            value_bytes: core.bytes_held,
        }
    }

    /// Returns how many keys are under way.
    pub fn under_way(&self) -> usize {
        self.shared().lock().entries.len()
    }
}

/// Wakes a thread that waits in [`Engine::block_on`].
struct Alarm {
    shared: Arc<Shared>,
    rang: AtomicBool,
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.rang.store(true, Ordering::Release);
        // Under the lock, so that it cannot fall between a look at the flag and the sleep.
        self.shared.lock().effects.is_work_new = true;
    }
}
