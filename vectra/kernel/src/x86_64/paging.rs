//! Address spaces: one upper path of tables to the first GiB, and the Task's lower tables.
//!
//! A Task's frames: header, context, PML4, PDPT, PD, then the lower tables.

use core::arch::asm;

use vectra_abi::{Access, TASK_TABLES};
use vectra_core::Page;

use super::{KERNEL_BASE, X86};
use crate::seams::{MemoryModel, Paging, Physical};

const PRESENT: u64 = 1;
const WRITE: u64 = 2;
const USER: u64 = 4;
const NO_EXECUTE: u64 = 1 << 63;

/// Entries of the top table that every address space shares: the direct map and the kernel.
const SHARED: [usize; 2] = [256, 511];

unsafe extern "C" {
    static boot_pml4: [u64; 512];
}

fn frame(task: Physical, index: u64) -> Physical {
    Physical(task.0 + index)
}

fn set(table: Physical, index: usize, entry: u64) {
    assert!(index < 512);
    let place = X86::page(table).cast::<u64>().wrapping_add(index);
    // WHY: the processor reads tables behind Rust's back.
    // SAFETY: a table frame of a Task object, which only the kernel sees; inside the page.
    unsafe { place.write_volatile(entry) }
}

fn clear(table: Physical) {
    (0..512).for_each(|index| set(table, index, 0));
}

fn lower(task: Physical, table: usize) -> Physical {
    assert!(table < TASK_TABLES);
    frame(task, 5 + table as u64)
}

fn load(physical: u64) {
    // WHY: the address space is this register.
    // SAFETY: both callers name a top table that maps the kernel.
    unsafe { asm!("mov cr3, {}", in(reg) physical, options(nostack)) }
}

impl Paging for X86 {
    fn create(task: Physical) {
        (1..vectra_abi::TASK_FRAMES).for_each(|index| clear(frame(task, index)));
        let [top, middle, low] = [2, 3, 4].map(|index| frame(task, index));
        for index in SHARED {
            // WHY: the boot code's tables are assembly's.
            // SAFETY: they are complete before Rust runs and never change; seen where they lie.
            let entry = unsafe { boot_table().add(index).read() };
            set(top, index, entry);
        }
        set(top, 0, middle.0 << 12 | PRESENT | WRITE | USER);
        set(middle, 0, low.0 << 12 | PRESENT | WRITE | USER);
    }

    fn add_table(task: Physical, table: usize, block: u16) {
        let entry = lower(task, table).0 << 12 | PRESENT | WRITE | USER;
        set(frame(task, 4), usize::from(block), entry);
    }

    fn remove_table(task: Physical, block: u16) {
        set(frame(task, 4), usize::from(block), 0);
    }

    fn map(task: Physical, table: usize, page: Page, to: Physical, access: Access) {
        let flags = match access {
            Access::Read => NO_EXECUTE,
            Access::Write => NO_EXECUTE | WRITE,
            Access::Execute => 0,
        };
        let entry = to.0 << 12 | PRESENT | USER | flags;
        set(lower(task, table), page.0 as usize % 512, entry);
    }

    fn unmap(task: Physical, table: usize, page: Page) {
        set(lower(task, table), page.0 as usize % 512, 0);
    }

    fn activate(task: Physical) {
        load(frame(task, 2).0 << 12);
    }

    fn flush_to_kernel() {
        load(&raw const boot_pml4 as u64);
    }
}

/// The boot tables lie at their physical address; the kernel's window shows them too.
fn boot_table() -> *const u64 {
    (&raw const boot_pml4 as u64 + KERNEL_BASE) as *const u64
}
