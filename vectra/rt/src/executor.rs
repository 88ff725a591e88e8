//! A cooperative executor: futures that wait for signals, one wait for all of them.

use core::cell::Cell;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};

use crate::calls::call;
use crate::refusal::Refused;

/// Signals that have come and that nobody has taken, and those that somebody waits for.
#[derive(Default)]
pub struct Signals {
    set: Cell<u64>,
    awaited: Cell<u64>,
}

impl Signals {
    /// Makes an empty set.
    pub const fn new() -> Self {
        Self { set: Cell::new(0), awaited: Cell::new(0) }
    }
}

/// Waits until any of these bits is set, and takes them.
pub async fn signal(signals: &Signals, bits: u64) -> u64 {
    core::future::poll_fn(|_| {
        let taken = signals.set.get() & bits;
        signals.set.set(signals.set.get() & !taken);
        if taken != 0 {
            return Poll::Ready(taken);
        }
        signals.awaited.set(signals.awaited.get() | bits);
        Poll::Pending
    })
    .await
}

/// Runs up to N futures in one Task. Each is polled when any awaited signal has come.
pub struct Executor<'a, const N: usize> {
    signals: &'a Signals,
    futures: [Option<Pin<&'a mut dyn Future<Output = ()>>>; N],
}

impl<'a, const N: usize> Executor<'a, N> {
    /// Takes the futures.
    pub fn new(signals: &'a Signals, futures: [Pin<&'a mut dyn Future<Output = ()>>; N]) -> Self {
        Self { signals, futures: futures.map(Some) }
    }

    /// Runs until all are done.
    pub fn run(&mut self) -> Result<(), Refused> {
        let mut context = Context::from_waker(Waker::noop());
        loop {
            self.signals.awaited.set(0);
            for place in &mut self.futures {
                if let Some(future) = place
                    && future.as_mut().poll(&mut context).is_ready()
                {
                    *place = None;
                }
            }
            if self.futures.iter().all(Option::is_none) {
                return Ok(());
            }
            // What one future set aside may be what another waits for: then there is no need to wait.
            if self.signals.set.get() & self.signals.awaited.get() == 0 {
                let bits = call::signal_wait(self.signals.awaited.get(), 0)?[0];
                self.signals.set.set(self.signals.set.get() | bits);
            }
        }
    }
}
