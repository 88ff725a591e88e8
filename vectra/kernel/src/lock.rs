//! The one lock.
#![expect(unsafe_code, reason = "a lock hands out what several processors share")]

use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicU32, Ordering};

/// A value that one processor at a time may touch; they get it in the order in which they came.
pub struct Lock<T> {
    next: AtomicU32,
    served: AtomicU32,
    value: UnsafeCell<T>,
}

// WHY: a safe cell would need a second, hidden lock.
// SAFETY: `with` runs one closure at a time, whatever processor it is on.
unsafe impl<T: Send> Sync for Lock<T> {}

impl<T> Lock<T> {
    /// Makes a lock around a value.
    pub const fn new(value: T) -> Self {
        Self { next: AtomicU32::new(0), served: AtomicU32::new(0), value: UnsafeCell::new(value) }
    }

    /// Runs a closure alone. While others are served, `waiting` is called.
    pub fn with<R>(&self, waiting: impl Fn(), run: impl FnOnce(&mut T) -> R) -> R {
        let ticket = self.next.fetch_add(1, Ordering::Relaxed);
        while self.served.load(Ordering::Acquire) != ticket {
            waiting();
        }
        // WHY: `UnsafeCell` is how a lock is built.
        // SAFETY: this ticket is served, and no other is until `served` grows. A processor cannot
        // come here twice: the kernel runs with interrupts off, and a fault in it is the end.
        let result = run(unsafe { &mut *self.value.get() });
        self.served.store(ticket.wrapping_add(1), Ordering::Release);
        result
    }
}
