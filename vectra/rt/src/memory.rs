//! Mapped addresses seen as words.
#![expect(unsafe_code, reason = "an address becomes a reference here, and only here")]

use core::sync::atomic::AtomicU64;

use vectra_abi::{PAGE_BYTES, WINDOW_END, WINDOW_START};

/// Sees mapped pages as words that others may change at any time.
///
/// Panics if the range is outside the window. Reading what is not mapped ends in a fault, which is
/// this Task's own end and nobody else's.
pub fn words(address: u64, pages: u64) -> &'static [AtomicU64] {
    assert!(address.is_multiple_of(PAGE_BYTES) && pages <= 1 << 16);
    assert!(address >= WINDOW_START && address + pages * PAGE_BYTES <= WINDOW_END);
    // WHY: memory that was mapped by a call has no Rust owner.
    // SAFETY: aligned, inside the window, where nothing of Rust's lies but what the loader put
    // there; every access is atomic, so that sharing with other Tasks is defined. A page that is
    // not mapped faults, and does not become something else.
    unsafe { core::slice::from_raw_parts(address as *const AtomicU64, (pages * 512) as usize) }
}

/// Sees pages that no Task can write as bytes.
///
/// Panics if the range is outside the window.
pub fn bytes(address: u64, length: usize) -> &'static [u8] {
    assert!(address >= WINDOW_START && address + length as u64 <= WINDOW_END);
    // WHY: as above.
    // SAFETY: inside the window; the one caller's pages are the boot archive, to which no
    // capability gives the right to write.
    unsafe { core::slice::from_raw_parts(address as *const u8, length) }
}
