//! An allocator that counts, so that a decoder which believes a claimed length is caught.
//!
//! It wraps the system's allocator and changes nothing until a limit is set.
//!
//! Invariant: what is counted is what is allocated and not yet freed.
#![allow(unsafe_code, reason = "only an allocator can count allocations")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// The counting allocator.
pub struct Counted;

static USED: AtomicUsize = AtomicUsize::new(0);
static LIMIT: AtomicUsize = AtomicUsize::new(usize::MAX);

/// Runs something that may allocate so many bytes beyond what is allocated now.
///
/// An allocation beyond that is refused, which ends the process unless the code can do without.
pub fn limited<T>(bytes_max: usize, run: impl FnOnce() -> T) -> T {
    LIMIT.store(USED.load(Relaxed).saturating_add(bytes_max), Relaxed);
    let result = run();
    lift();
    result
}

/// Lifts the limit: whoever reports a failure needs memory of its own.
pub fn lift() {
    LIMIT.store(usize::MAX, Relaxed);
}

fn fits(bytes: usize) -> bool {
    USED.load(Relaxed).saturating_add(bytes) <= LIMIT.load(Relaxed)
}

// WHY: the trait is unsafe, and no safe interface sees each allocation.
// SAFETY: every call goes to the system's allocator unchanged, or is refused with null, as the trait
// allows.
unsafe impl GlobalAlloc for Counted {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if !fits(layout.size()) {
            return std::ptr::null_mut();
        }
        USED.fetch_add(layout.size(), Relaxed);
        // WHY: the system's allocator has no safe interface.
        // SAFETY: the caller keeps the promises of this same function.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        USED.fetch_sub(layout.size(), Relaxed);
        // WHY: the system's allocator has no safe interface.
        // SAFETY: the pointer came from the system's allocator with this layout.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if !fits(size.saturating_sub(layout.size())) {
            return std::ptr::null_mut();
        }
        // WHY: the system's allocator has no safe interface.
        // SAFETY: the pointer came from the system's allocator with this layout.
        let moved = unsafe { System.realloc(pointer, layout, size) };
        if !moved.is_null() {
            USED.fetch_add(size, Relaxed);
            USED.fetch_sub(layout.size(), Relaxed);
        }
        moved
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // One test, because the count and the limit are the process's own.
    #[test]
    fn beyond_the_limit_allocations_are_refused() {
        let refused = limited(1 << 20, || Vec::<u8>::new().try_reserve_exact(64 << 20));
        assert!(refused.is_err());
        assert!(Vec::<u8>::new().try_reserve_exact(64 << 20).is_ok());
    }
}
