//! What a PVH loader leaves: a page of addresses of memory map, archive and command line.

use super::{DIRECT_MAP, KERNEL_BASE, X86, context};
use crate::seams::{Boot, Loaded, Physical};

const MAGIC: u32 = 0x336e_c578;
const RAM: u32 = 1;
/// What the direct map shows.
const MEMORY_END: u64 = 1 << 30;

unsafe extern "C" {
    static kernel_end: u8;
}

/// Reads a little-endian number from the loader's memory.
fn read<const N: usize>(physical: u64) -> u64 {
    assert!(physical < MEMORY_END - 8, "the loader points outside the first GiB");
    let mut bytes = [0; 8];
    // WHY: the loader's structures are memory without an owner.
    // SAFETY: inside the direct map, by the line above; nothing writes there now.
    unsafe {
        let from = (DIRECT_MAP + physical) as *const u8;
        from.copy_to_nonoverlapping(bytes.as_mut_ptr(), N);
    }
    u64::from_le_bytes(bytes)
}

fn bytes(physical: u64, length: u64) -> Option<&'static [u8]> {
    let end = physical.checked_add(length)?;
    // WHY: as in `read`.
    // SAFETY: inside the direct map; the pool leaves these pages out, so they never change.
    (end <= MEMORY_END).then(|| unsafe {
        core::slice::from_raw_parts((DIRECT_MAP + physical) as *const u8, length as usize)
    })
}

impl Boot for X86 {
    fn loaded(information: u64) -> Option<Loaded> {
        if read::<4>(information) != u64::from(MAGIC) || read::<4>(information + 12) == 0 {
            return None;
        }
        let module = read::<8>(information + 16);
        let (start, length) = (read::<8>(module), read::<8>(module + 8));
        let archive = bytes(start, length)?;
        let line = read::<8>(information + 24);
        let count = (0..256).take_while(|&at| line != 0 && read::<1>(line + at) != 0).count();
        let words = if line == 0 { &[][..] } else { bytes(line, count as u64)? };
        let (first, pages) = largest_free(information, start, start + length)?;
        Some(Loaded { first: Physical(first), pages, archive, words })
    }
}

/// Returns the largest run of pages that neither the kernel nor the archive is in.
fn largest_free(information: u64, start: u64, end: u64) -> Option<(u64, u64)> {
    let kernel = &raw const kernel_end as u64 - KERNEL_BASE;
    let map = read::<8>(information + 40);
    let entries = read::<4>(information + 48);
    let mut best = None;
    for entry in 0..entries.min(64) {
        let at = map + entry * 24;
        if read::<4>(at + 16) != u64::from(RAM) {
            continue;
        }
        let low = read::<8>(at).max(kernel);
        let high = (read::<8>(at) + read::<8>(at + 8)).min(MEMORY_END);
        for (low, high) in [(low, high.min(start)), (low.max(end), high)] {
            let (first, last) = (low.div_ceil(4096), high / 4096);
            let pages = last.saturating_sub(first);
            if best.is_none_or(|(_, most)| pages > most) {
                best = Some((first, pages));
            }
        }
    }
    best.filter(|&(_, pages)| pages > 0)
}

unsafe extern "C" {
    /// Leaves the kernel for the Task in a frame.
    fn leave_first(frame: *mut context::Frame) -> !;
}

core::arch::global_asm!(
    ".global leave_first",
    "leave_first:",
    "mov %rdi, %rsp",
    "xor %eax, %eax",
    "jmp leave_to_task",
    options(att_syntax)
);

/// The boot code's way into Rust, on the first processor.
// WHY: assembly finds it by name.
// SAFETY: no other symbol has this name.
#[unsafe(no_mangle)]
extern "C" fn kernel_first(information: u64) -> ! {
    let mut frame = context::empty();
    crate::run::first(information, &mut frame);
    // WHY: leaving needs the stack to be the frame.
    // SAFETY: `first` has put a Task into it, and its address space is active.
    unsafe { leave_first(&mut frame) }
}

/// The boot code's way into Rust, on the others.
// WHY: assembly finds it by name.
// SAFETY: no other symbol has this name.
#[unsafe(no_mangle)]
extern "C" fn kernel_other(number: usize) -> ! {
    let mut frame = context::empty();
    crate::run::other(number, &mut frame);
    // WHY: as in `kernel_first`.
    // SAFETY: as in `kernel_first`.
    unsafe { leave_first(&mut frame) }
}
