//! Address spaces: one upper path of tables to the first GiB, and the Task's lower tables.
//!
//! A Task's frames: header, context, PML4, PDPT, PD, then the lower tables.

use core::arch::asm;

use vectra_abi::{Access, TASK_TABLES};
use vectra_core::Page;

use super::{X86, image};
use crate::seams::{MemoryModel, Paging, Physical};

const PRESENT: u64 = 1;
const WRITE: u64 = 2;
const USER: u64 = 4;
const NO_EXECUTE: u64 = 1 << 63;

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

impl Paging for X86 {
    fn create(task: Physical) {
        (1..vectra_abi::TASK_FRAMES).for_each(|index| clear(frame(task, index)));
        let [top, middle, low] = [2, 3, 4].map(|index| frame(task, index));
        for (index, entry) in image::shared() {
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
        // WHY: the address space is this register.
        // SAFETY: `create` has made this top table, which shows the kernel where it runs.
        unsafe { asm!("mov cr3, {}", in(reg) frame(task, 2).0 << 12, options(nostack)) }
    }

    fn flush_to_kernel() {
        image::enter();
    }

    fn attempt(what: &[u8]) {
        image::attempt(what);
    }
}
