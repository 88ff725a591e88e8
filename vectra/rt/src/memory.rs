//! Mapped addresses seen as words, and words that others may write copied in few instructions.
#![expect(unsafe_code, reason = "an address becomes a reference here, and only here")]

use core::sync::atomic::AtomicU64;

use vectra_abi::{PAGE_BYTES, WINDOW_END, WINDOW_START};

use crate::ring::{SLOT, SLOT_WORDS};

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

/// Reads a slot's payload, 16 bytes at a time.
#[cfg(target_arch = "x86_64")]
#[inline]
pub(crate) fn read_payload(slot: &[AtomicU64; SLOT], message: &mut [u64; SLOT_WORDS]) {
    // WHY: word by word a message costs twice the instructions, and atomics come no larger.
    // SAFETY: it reads 56 bytes of the slot behind its first word and writes all of the message. The
    // peer may write the slot meanwhile: instructions have no data races, only torn values, which
    // the trait allows.
    unsafe {
        core::arch::asm!(
            "movups {a}, [{from} + 8]",
            "movups {b}, [{from} + 24]",
            "movups {c}, [{from} + 40]",
            "mov {last}, [{from} + 56]",
            "movups [{to}], {a}",
            "movups [{to} + 16], {b}",
            "movups [{to} + 32], {c}",
            "mov [{to} + 48], {last}",
            from = in(reg) slot.as_ptr(),
            to = in(reg) message.as_mut_ptr(),
            a = out(xmm_reg) _,
            b = out(xmm_reg) _,
            c = out(xmm_reg) _,
            last = out(reg) _,
            options(nostack, preserves_flags)
        );
    }
}

/// Writes a slot's payload, 16 bytes at a time.
#[cfg(target_arch = "x86_64")]
#[inline]
pub(crate) fn write_payload(slot: &[AtomicU64; SLOT], message: &[u64; SLOT_WORDS]) {
    // WHY: as in `read_payload`.
    // SAFETY: it writes 56 bytes of the slot behind its first word, which atomics let anybody with
    // a reference do; a peer that reads them meanwhile reads torn values.
    unsafe {
        core::arch::asm!(
            "movups {a}, [{from}]",
            "movups {b}, [{from} + 16]",
            "movups {c}, [{from} + 32]",
            "mov {last}, [{from} + 48]",
            "movups [{to} + 8], {a}",
            "movups [{to} + 24], {b}",
            "movups [{to} + 40], {c}",
            "mov [{to} + 56], {last}",
            from = in(reg) message.as_ptr(),
            to = in(reg) slot.as_ptr(),
            a = out(xmm_reg) _,
            b = out(xmm_reg) _,
            c = out(xmm_reg) _,
            last = out(reg) _,
            options(nostack, preserves_flags)
        );
    }
}
