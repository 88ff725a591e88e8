//! The kernel's own address space: its image as the linker laid it out, all memory as data, devices.
//!
//! Nothing here is both written and executed: text is seen where it runs, read-only, and once more
//! among all memory, read-only and not executable. The boot code's tables, which know no such
//! difference, are left as soon as these are complete; a processor that starts comes through them.

use core::arch::asm;
use core::cell::UnsafeCell;
use core::ops::Range;

use super::{DIRECT_MAP, KERNEL_BASE};

const PRESENT: u64 = 1;
const WRITE: u64 = 2;
const UNCACHED: u64 = 0x18;
const LARGE: u64 = 0x80;
const NO_EXECUTE: u64 = 1 << 63;
const DATA: u64 = PRESENT | WRITE | NO_EXECUTE;

const PAGE: u64 = 4096;
const BLOCK: u64 = 2 << 20;
const GIB: u64 = 1 << 30;

/// One upper table sees this much: where the direct map ends.
pub const MEMORY_END: u64 = 512 * GIB;

/// The APICs and the clock.
const DEVICES: Range<u64> = 0xfec0_0000..0xff00_0000;

/// The image lies in the first blocks of memory; the linker script sees to it.
const IMAGE_BLOCKS: usize = 2;

type Table = [u64; 512];

/// Tables of the kernel itself. They are filled once, before another processor runs.
#[repr(C, align(4096))]
struct Tables {
    top: Table,
    direct: Table,
    direct_first: Table,
    direct_image: [Table; IMAGE_BLOCKS],
    high: Table,
    high_last: Table,
    image: [Table; IMAGE_BLOCKS],
}

struct Shared(UnsafeCell<Tables>);
// WHY: the processors read these tables behind Rust's back.
// SAFETY: only `build` writes them, on the first processor, before any other runs.
unsafe impl Sync for Shared {}

const CLEAR: Table = [0; 512];
static TABLES: Shared = Shared(UnsafeCell::new(Tables {
    top: CLEAR,
    direct: CLEAR,
    direct_first: CLEAR,
    direct_image: [CLEAR; IMAGE_BLOCKS],
    high: CLEAR,
    high_last: CLEAR,
    image: [CLEAR; IMAGE_BLOCKS],
}));

unsafe extern "C" {
    static text_start: u8;
    static rodata_start: u8;
    static data_start: u8;
    static kernel_end: u8;
}

/// Returns where the image's parts lie in memory: text, read-only data, data.
fn parts() -> [Range<u64>; 3] {
    let at = |symbol: *const u8| symbol as u64 - KERNEL_BASE;
    let (text, rodata) = (at(&raw const text_start), at(&raw const rodata_start));
    let (data, end) = (at(&raw const data_start), at(&raw const kernel_end));
    [text..rodata, rodata..data, data..end]
}

/// Returns where the image ends in memory.
pub fn end() -> u64 {
    parts()[2].end
}

/// Returns the physical address of one of these tables.
fn physical(table: *const Table) -> u64 {
    table as u64 - KERNEL_BASE
}

/// Builds the address space and enters it. `is_memory` says whether any byte of a range is memory;
/// `spare` gives clear pages of the first GiB, one for each further GiB with memory in it.
pub fn build(
    memory_end: u64,
    is_memory: impl Fn(Range<u64>) -> bool,
    mut spare: impl FnMut() -> u64,
) {
    // WHY: the tables are the processor's, and one value here.
    // SAFETY: the first processor alone runs, once; no other reference is ever made.
    let tables = unsafe { &mut *TABLES.0.get() };
    let [text, rodata, data] = parts();
    for at in 0..512 * IMAGE_BLOCKS {
        let page = at as u64 * PAGE;
        let (here, there) = if text.contains(&page) {
            (page | PRESENT, page | PRESENT | NO_EXECUTE)
        } else if rodata.contains(&page) {
            (page | PRESENT | NO_EXECUTE, page | PRESENT | NO_EXECUTE)
        } else if data.contains(&page) {
            (page | DATA, page | DATA)
        } else {
            (0, page | DATA)
        };
        tables.image[at / 512][at % 512] = here;
        tables.direct_image[at / 512][at % 512] = there;
    }
    for (at, entry) in tables.direct_first.iter_mut().enumerate() {
        *entry = (at as u64 * BLOCK) | DATA | LARGE;
    }
    for block in 0..IMAGE_BLOCKS {
        // Below a table, what its own entries forbid stays forbidden.
        tables.direct_first[block] = physical(&raw const tables.direct_image[block]) | DATA;
        tables.high_last[block] = physical(&raw const tables.image[block]) | PRESENT | WRITE;
    }
    tables.direct[0] = physical(&raw const tables.direct_first) | DATA;
    let gibs = memory_end.max(DEVICES.end).div_ceil(GIB).min(MEMORY_END / GIB);
    for gib in 1..gibs {
        if let Some(page) = build_gib(gib * GIB, &is_memory, &mut spare) {
            tables.direct[gib as usize] = page | DATA;
        }
    }
    tables.high[510] = physical(&raw const tables.high_last) | PRESENT | WRITE;
    tables.top[256] = physical(&raw const tables.direct) | DATA;
    tables.top[511] = physical(&raw const tables.high) | PRESENT | WRITE;
    enter();
}

/// Fills a table for one GiB, if there is anything in it.
fn build_gib(
    start: u64,
    is_memory: impl Fn(Range<u64>) -> bool,
    spare: &mut impl FnMut() -> u64,
) -> Option<u64> {
    let entry = |at: u64| match start + at * BLOCK {
        block if DEVICES.contains(&block) => block | DATA | LARGE | UNCACHED,
        block if is_memory(block..block + BLOCK) => block | DATA | LARGE,
        _ => 0,
    };
    if (0..512).all(|at| entry(at) == 0) {
        return None;
    }
    let page = spare();
    for at in 0..512 {
        let place = (DIRECT_MAP + page + at * 8) as *mut u64;
        // WHY: the page is memory without an owner.
        // SAFETY: `spare` gives whole pages of the first GiB, which the boot tables show and nobody
        // else uses.
        unsafe { place.write_volatile(entry(at)) }
    }
    Some(page)
}

/// Returns the entries of the top table that every address space shares.
pub fn shared() -> [(usize, u64); 2] {
    // WHY: the tables are behind a cell for `build` alone.
    // SAFETY: `build` is done before the first Task is made; from then on they are only read.
    let top = unsafe { &(*TABLES.0.get()).top };
    [256, 511].map(|index| (index, top[index]))
}

/// Makes the kernel's own address space the one of this processor.
pub fn enter() {
    let top = physical(TABLES.0.get().cast());
    // WHY: the address space is this register.
    // SAFETY: the tables show the kernel where it runs, its stacks, and all memory.
    unsafe { asm!("mov cr3, {}", in(reg) top, options(nostack)) }
}

/// One byte of the image's data, which is an instruction, too: a return.
static RETURN: core::sync::atomic::AtomicU8 = core::sync::atomic::AtomicU8::new(0xc3);

/// Does what these tables forbid. If they do, this never returns.
pub fn attempt(what: &[u8]) {
    let [text, rodata, _] = parts();
    let write = |address: u64| {
        // WHY: what is tried is what safe code cannot do.
        // SAFETY: none is meant if the tables are wrong: the machine is switched off right after.
        unsafe { (address as *mut u8).write_volatile(0x90) }
    };
    let run = |address: u64| {
        // WHY: as above.
        // SAFETY: as above.
        unsafe { asm!("call {}", in(reg) address, clobber_abi("sysv64")) }
    };
    match what {
        b"write-text" => write(KERNEL_BASE + text.start),
        b"write-rodata" => write(KERNEL_BASE + rodata.start),
        b"write-text-as-data" => write(DIRECT_MAP + text.start),
        b"run-data" => run(RETURN.as_ptr() as u64),
        b"run-text-as-data" => run(DIRECT_MAP + text.start),
        b"run-below" => run(0x10_0000),
        _ => {}
    }
}
