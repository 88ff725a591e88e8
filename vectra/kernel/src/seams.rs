//! The eleven seams: all that the kernel knows of a processor.
//!
//! A new architecture implements these and nothing else; a twelfth seam would mean that the
//! specification is wrong (`spec/seams.md`). The functions are safe to call as their sentences say:
//! the promises that only the kernel can keep (one lock, one owner per page) are stated there.
//!
//! 1. [`MemoryModel`]: where physical pages are seen.
//! 2. [`Paging`]: address spaces inside the Task's own frames.
//! 3. [`Traps`]: every way from a Task into the kernel, in words that no processor owns.
//! 4. [`Interrupts`]: lines from devices, nudges between processors.
//! 5. [`Timer`]: time that never goes back, and a tick.
//! 6. [`Boot`]: what the loader left.
//! 7. [`Processors`]: which one this is, and starting the others.
//! 8. [`Context`]: a Task's registers, on the processor and off it.
//! 9. [`Fences`]: how a processor waits for another.
//! 10. [`Console`]: bytes out and in.
//! 11. [`Power`]: sleeping until an interrupt, and off.

use vectra_abi::{Access, FaultCode};
use vectra_core::{Answer, Page};

/// A physical page, by number.
#[derive(Clone, Copy, PartialEq, Eq, Debug, PartialOrd, Ord)]
pub struct Physical(pub u64);

/// Why the kernel was entered, when it was not by a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Trap {
    /// A Task did what the processor refuses.
    Fault { code: FaultCode, address: u64 },
    /// The timer ticked.
    Tick,
    /// A device's line.
    Line(u32),
    /// Another processor wants this one to look around.
    Nudge,
    /// Nothing to do.
    Spurious,
}

/// Seam 1.
pub trait MemoryModel {
    /// Returns where the kernel sees a physical page, which it may read and write as one.
    fn page(page: Physical) -> *mut u8;
}

/// Seam 2. A Task's frames are its header, its context, and then its tables.
pub trait Paging {
    /// Builds an empty address space in a Task's frames; the kernel itself is part of it.
    fn create(task: Physical);
    /// Makes the table-th lower table translate a block of 2 MiB.
    fn add_table(task: Physical, table: usize, block: u16);
    /// Makes the table of a block, which translates nothing any more, unknown.
    fn remove_table(task: Physical, block: u16);
    /// Maps one page whose block has that table.
    fn map(task: Physical, table: usize, page: Page, to: Physical, access: Access);
    /// Unmaps one page; processors may still remember it until they are flushed.
    fn unmap(task: Physical, table: usize, page: Page);
    /// Makes a Task's address space the one of this processor.
    fn activate(task: Physical);
    /// Makes this processor forget what it remembers, in an address space that always exists.
    fn flush_to_kernel();
    /// Does what the kernel's own address space forbids, by the name of the attempt: it returns only
    /// if it was allowed.
    fn attempt(what: &[u8]);
}

/// Seam 3.
pub trait Traps {
    /// The registers that a Task had when it entered.
    type Frame;
    /// Makes this processor enter the kernel through the one way in.
    fn prepare(processor: usize);
    /// Reads number and words of a call. Calls have an entry of their own, which need not keep more
    /// registers than a function does.
    fn call(frame: &Self::Frame) -> (u64, [u64; 6]);
    /// Reads why the kernel was entered otherwise.
    fn cause(frame: &Self::Frame) -> Trap;
}

/// Seam 4.
pub trait Interrupts {
    /// Readies the controller of this processor; the first also silences all lines.
    fn prepare(processor: usize);
    /// Lets a line interrupt, or not.
    fn enable(line: u32, enabled: bool);
    /// Says that an interrupt has been seen.
    fn seen(trap: Trap);
    /// Interrupts another processor.
    fn nudge(processor: usize);
}

/// Seam 5.
pub trait Timer {
    /// Starts this processor's tick.
    fn start(processor: usize);
    /// Returns nanoseconds since start; the same on every processor.
    fn now_ns() -> u64;
}

/// What the loader left: a run of free pages, and the archive.
pub struct Loaded {
    /// First free page.
    pub first: Physical,
    /// Free pages.
    pub pages: u64,
    /// The boot archive.
    pub archive: &'static [u8],
    /// The command line.
    pub words: &'static [u8],
}

/// Seam 6.
pub trait Boot {
    /// Reads what the loader left, once.
    fn loaded(information: u64) -> Option<Loaded>;
}

/// Seam 7.
pub trait Processors {
    /// Returns the number of this processor.
    fn this() -> usize;
    /// Starts all others; they come by themselves, whenever they are ready.
    fn start_others();
}

/// Seam 8. A Task's context page follows its header.
pub trait Context {
    /// The registers, as on entry.
    type Frame;
    /// Sets where a new Task begins.
    fn enter(task: Physical, entry: u64, stack: u64);
    /// Moves a Task that is not running.
    fn jump(task: Physical, program_counter: u64);
    /// Sets the result registers of a Task that is not running.
    fn answer(task: Physical, answer: Answer);
    /// Sets the result registers of a Task that has just entered.
    fn answer_now(frame: &mut Self::Frame, answer: Answer);
    /// Returns the instruction that a Task was at.
    fn program_counter(frame: &Self::Frame) -> u64;
    /// Puts the registers away that are not there already.
    fn save(task: Physical, frame: &Self::Frame);
    /// Puts the registers away after a call: vector registers count as clear.
    fn save_called(task: Physical, frame: &Self::Frame);
    /// Takes the registers out, for a return to this Task.
    fn load(task: Physical, frame: &mut Self::Frame);
}

/// Seam 9.
pub trait Fences {
    /// Passes a moment while waiting for another processor.
    fn relax();
}

/// Seam 10.
pub trait Console {
    /// Readies the console.
    fn prepare();
    /// Writes one byte.
    fn put(byte: u8);
    /// Reads one byte that has arrived.
    fn get() -> Option<u8>;
}

/// Seam 11.
pub trait Power {
    /// Sleeps until an interrupt has been taken.
    fn idle();
    /// Switches off.
    fn off(code: u64) -> !;
}
