//! Threads that run an engine's computations.

use std::collections::HashSet;
use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{Builder, Thread, ThreadId};
use std::time::Duration;

use super::{Engine, Step};

/// How often the threads look whether one of them is stuck, as a part of the engine's patience.
const LOOKS_PER_PATIENCE: u32 = 4;

/// Most threads that are replaced because their computation does not yield, as a multiple of those that
/// were started: each keeps its stack until it ends, which may be never.
const REPLACED_PER_THREAD_MAX: usize = 4;

/// The stack of a thread: as much as a program's first thread has. What is not used costs nothing.
const STACK_BYTES: usize = 8 << 20;

/// Threads that run computations until they are dropped.
///
/// A thread whose computation does not yield within the engine's patience is replaced; it cannot be
/// killed, so it ends when that computation returns, and dropping the pool waits for none. There is a
/// most to that: beyond it the pool goes on with fewer threads, and when none is left, what is asked
/// for fails instead of waiting for ever.
pub struct Pool {
    crew: Arc<Hands>,
}

struct Hands {
    engine: Engine,
    is_over: AtomicBool,
    started: usize,
    staff: Mutex<Staff>,
    /// The one that looks for those that are stuck.
    watcher: OnceLock<Thread>,
}

/// The threads that there are.
#[derive(Default)]
struct Staff {
    /// That run computations and have not been given up.
    working: HashSet<ThreadId>,
    /// That were given up and have not come back.
    stuck: HashSet<ThreadId>,
}

impl Pool {
    /// Starts `count` threads.
    pub fn start(engine: &Engine, count: usize) -> io::Result<Self> {
        let crew = Arc::new(Hands {
            engine: engine.clone(),
            is_over: AtomicBool::new(false),
            started: count,
            staff: Mutex::default(),
            watcher: OnceLock::new(),
        });
        let pool = Self { crew: crew.clone() };
        for _ in 0..count {
            crew.hire()?;
        }
        if let Some((patience, _)) = &engine.shared().options.patience {
            let pause = *patience / LOOKS_PER_PATIENCE;
            let watcher = spawn(move || crew.watch(pause))?;
            // Nobody else sets it.
            let _ = pool.crew.watcher.set(watcher);
        }
        Ok(pool)
    }

    /// Waits for a future without lending this thread to computations: so that one that does not yield
    /// holds a thread of the pool, and whoever waits for it is told at its deadline.
    pub fn wait<F: Future>(&self, future: F) -> F::Output {
        struct Unpark(Thread);
        impl Wake for Unpark {
            fn wake(self: Arc<Self>) {
                self.0.unpark();
            }
        }
        let mut future = pin!(future);
        let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
        loop {
            if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
                return output;
            }
            std::thread::park();
        }
    }

    /// Returns how many threads there are, those that were given up and hold on among them.
    pub fn threads(&self) -> usize {
        let staff = self.crew.staff();
        staff.working.len() + staff.stuck.len()
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.crew.is_over.store(true, Ordering::Release);
        // Under the lock, so that it cannot fall between a look at the flag and the sleep.
        self.crew.engine.shared().lock().effects.is_work_new = true;
        if let Some(watcher) = self.crew.watcher.get() {
            watcher.unpark();
        }
    }
}

fn spawn(job: impl FnOnce() + Send + 'static) -> io::Result<Thread> {
    let thread =
        Builder::new().name("vigil-engine".to_owned()).stack_size(STACK_BYTES).spawn(job)?;
    Ok(thread.thread().clone())
}

impl Hands {
    fn staff(&self) -> MutexGuard<'_, Staff> {
        self.staff.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hire(self: &Arc<Self>) -> io::Result<()> {
        let hands = self.clone();
        let mut staff = self.staff();
        let thread = spawn(move || hands.work())?;
        staff.working.insert(thread.id());
        Ok(())
    }

    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Acquire)
    }

    fn work(self: Arc<Self>) {
        let own = std::thread::current().id();
        while !self.is_over() {
            match self.engine.step() {
                Step::Ran => {}
                Step::Idle => self.engine.shared().lock().sleep(|| self.is_over()),
                Step::Replaced => {
                    let mut staff = self.staff();
                    staff.stuck.remove(&own);
                    staff.working.remove(&own);
                    // In the place of one that was not hired for it, perhaps.
                    if staff.working.len() >= self.started {
                        return;
                    }
                    staff.working.insert(own);
                }
            }
        }
        let mut staff = self.staff();
        staff.working.remove(&own);
        staff.stuck.remove(&own);
    }

    fn watch(self: Arc<Self>, pause: Duration) {
        while !self.is_over() {
            for thread in self.engine.give_up_stuck() {
                let mut staff = self.staff();
                // One from outside, that lent a hand, is not ours to replace.
                if staff.working.remove(&thread) {
                    staff.stuck.insert(thread);
                }
            }
            let (working, stuck) = {
                let staff = self.staff();
                (staff.working.len(), staff.stuck.len())
            };
            let missing = self.started.saturating_sub(working);
            for _ in 0..missing.min(self.threads_max().saturating_sub(working + stuck)) {
                // Where no thread is to be had, the others go on without it.
                let _ = self.hire();
            }
            if stuck >= self.threads_max() {
                self.engine.give_up_ready(stuck);
            }
            std::thread::park_timeout(pause);
        }
    }

    fn threads_max(&self) -> usize {
        self.started * (1 + REPLACED_PER_THREAD_MAX)
    }
}
