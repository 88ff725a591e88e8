//! Threads that run an engine's computations.

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle, ThreadId};
use std::time::Duration;

use super::{Engine, Step};

/// How often the threads look whether one of them is stuck, as a part of the engine's patience.
const LOOKS_PER_PATIENCE: u32 = 4;

/// The stack of a thread: as much as a program's first thread has. What is not used costs nothing.
const STACK_BYTES: usize = 8 << 20;

/// Threads that run computations until they are dropped.
///
/// A thread whose computation does not yield within the engine's patience is replaced; it cannot be
/// killed, so it ends when that computation returns, and dropping the pool does not wait for it.
pub struct Pool {
    crew: Arc<Hands>,
}

struct Hands {
    engine: Engine,
    is_over: AtomicBool,
    threads: Mutex<HashMap<ThreadId, JoinHandle<()>>>,
}

impl Pool {
    /// Starts `count` threads.
    pub fn start(engine: &Engine, count: usize) -> io::Result<Self> {
        let crew = Arc::new(Hands {
            engine: engine.clone(),
            is_over: AtomicBool::new(false),
            threads: Mutex::default(),
        });
        let pool = Self { crew: crew.clone() };
        for _ in 0..count {
            crew.hire(Hands::work)?;
        }
        if let Some((patience, _)) = &engine.shared().options.patience {
            let pause = *patience / LOOKS_PER_PATIENCE;
            crew.hire(move |hands| hands.watch(pause))?;
        }
        Ok(pool)
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.crew.is_over.store(true, Ordering::Release);
        self.crew.engine.shared().lock().effects.is_work_new = true;
        let threads = std::mem::take(&mut *self.crew.threads());
        for (id, thread) in threads {
            thread.thread().unpark();
            if id != std::thread::current().id() {
                // A computation's panic never reaches the end of its thread.
                let _ = thread.join();
            }
        }
    }
}

impl Hands {
    fn threads(&self) -> MutexGuard<'_, HashMap<ThreadId, JoinHandle<()>>> {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hire(self: &Arc<Self>, job: impl FnOnce(Arc<Self>) + Send + 'static) -> io::Result<()> {
        let hands = self.clone();
        let thread = Builder::new().name("vigil-engine".to_owned()).stack_size(STACK_BYTES);
        let thread = thread.spawn(move || job(hands))?;
        self.threads().insert(thread.thread().id(), thread);
        Ok(())
    }

    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Acquire)
    }

    fn work(self: Arc<Self>) {
        while !self.is_over() {
            match self.engine.step() {
                Step::Ran => {}
                Step::Idle => self.engine.shared().lock().sleep(|| self.is_over()),
                Step::Replaced => return,
            }
        }
    }

    fn watch(self: Arc<Self>, pause: Duration) {
        while !self.is_over() {
            for stuck in self.engine.give_up_stuck() {
                self.threads().remove(&stuck);
                // Where no thread is to be had, the others go on without it.
                let _ = self.hire(Self::work);
            }
            std::thread::park_timeout(pause);
        }
    }
}
