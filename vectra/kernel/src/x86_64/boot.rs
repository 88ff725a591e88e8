//! What a PVH loader leaves: a page of addresses of memory map, archive and command line.

use core::ops::Range;

use super::{DIRECT_MAP, X86, context, image};
use crate::seams::{Boot, Loaded, Physical};

const MAGIC: u32 = 0x336e_c578;
const RAM: u32 = 1;
/// What the boot code's tables show: whatever is read before the kernel has its own lies there.
const FIRST_END: u64 = 1 << 30;
/// More entries than any loader's map has.
const ENTRIES_MAX: u64 = 64;

/// Reads a little-endian number from the loader's memory.
fn read<const N: usize>(physical: u64) -> u64 {
    assert!(physical < FIRST_END - 8, "the loader points outside the first GiB");
    let mut bytes = [0; 8];
    // WHY: the loader's structures are memory without an owner.
    // SAFETY: inside the direct map, by the line above; nothing writes there now.
    unsafe {
        let from = (DIRECT_MAP + physical) as *const u8;
        from.copy_to_nonoverlapping(bytes.as_mut_ptr(), N);
    }
    u64::from_le_bytes(bytes)
}

fn bytes(physical: u64, length: u64, end: u64) -> Option<&'static [u8]> {
    let last = physical.checked_add(length)?;
    // WHY: as in `read`.
    // SAFETY: inside what is mapped; the pool leaves these pages out, so they never change.
    (last <= end).then(|| unsafe {
        core::slice::from_raw_parts((DIRECT_MAP + physical) as *const u8, length as usize)
    })
}

/// The loader's map of memory.
#[derive(Clone, Copy)]
struct Map {
    at: u64,
    entries: u64,
}

impl Map {
    /// Returns the runs of memory, in bytes.
    fn runs(self) -> impl Iterator<Item = Range<u64>> {
        (0..self.entries.min(ENTRIES_MAX)).filter_map(move |entry| {
            let at = self.at + entry * 24;
            let (start, length) = (read::<8>(at), read::<8>(at + 8));
            let end = start.saturating_add(length).min(image::MEMORY_END);
            (read::<4>(at + 16) == u64::from(RAM) && start < end).then_some(start..end)
        })
    }

    /// Returns the largest run of whole pages below `limit` that has none of the holes in it.
    fn largest(self, limit: u64, holes: &[Range<u64>]) -> Range<u64> {
        let mut best = 0..0;
        for run in self.runs() {
            for start in holes.iter().map(|hole| hole.end).chain([run.start]) {
                if !run.contains(&start) || holes.iter().any(|hole| hole.contains(&start)) {
                    continue;
                }
                let ahead = holes.iter().filter(|hole| !hole.is_empty() && hole.start >= start);
                let next = ahead.map(|hole| hole.start).min();
                let end = next.unwrap_or(run.end).min(run.end).min(limit);
                let (first, last) = (start.next_multiple_of(4096), end & !4095);
                if last.saturating_sub(first) > best.end - best.start {
                    best = first..last;
                }
            }
        }
        best
    }
}

impl Boot for X86 {
    fn loaded(information: u64) -> Option<Loaded> {
        if read::<4>(information) != u64::from(MAGIC) || read::<4>(information + 12) == 0 {
            return None;
        }
        let module = read::<8>(information + 16);
        let (start, length) = (read::<8>(module), read::<8>(module + 8));
        let line = read::<8>(information + 24);
        let map = Map { at: read::<8>(information + 40), entries: read::<4>(information + 48) };
        let end = map.runs().map(|run| run.end).max()?;
        let taken = [0..image::end(), start..start.checked_add(length)?];
        let low = map.largest(FIRST_END, &taken);
        let mut spare = low.start;
        image::build(
            end,
            |range| map.runs().any(|run| run.start < range.end && range.start < run.end),
            || {
                assert!(spare < low.end, "no room for the kernel's own tables");
                spare += 4096;
                spare - 4096
            },
        );
        let archive = bytes(start, length, end)?;
        let count = (0..256).take_while(|&at| line != 0 && read::<1>(line + at) != 0).count();
        let words = if line == 0 { &[][..] } else { bytes(line, count as u64, end)? };
        let [kernel, archive_at] = taken;
        let pool = map.largest(image::MEMORY_END, &[kernel, archive_at, low.start..spare]);
        let pages = (pool.end - pool.start) / 4096;
        (pages > 0).then_some(Loaded { first: Physical(pool.start / 4096), pages, archive, words })
    }
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
    // The boot tables show the first GiB alone, and what this processor looks at first may lie anywhere.
    image::enter();
    let mut frame = context::empty();
    crate::run::other(number, &mut frame);
    // WHY: as in `kernel_first`.
    // SAFETY: as in `kernel_first`.
    unsafe { leave_first(&mut frame) }
}
