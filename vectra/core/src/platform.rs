//! What the semantics need from whoever carries them out: bare pages, address spaces, time.
//!
//! Nothing here may refuse. The machine asks only for what it has checked.

use vectra_abi::Access;

use crate::object::{Frame, Object, Page};

/// The home of a machine: the kernel, the hosted supervisor, or a test.
pub trait Platform {
    /// Returns the object whose header is in this frame.
    fn object(&self, frame: Frame) -> &Object;
    /// Returns the object whose header is in this frame, to be changed.
    fn object_mut(&mut self, frame: Frame) -> &mut Object;
    /// Makes a frame the header of an object.
    fn install(&mut self, frame: Frame, object: Object);

    /// Clears pages.
    fn zero(&mut self, first: Frame, count: u32);
    /// Copies one page.
    fn copy(&mut self, from: Frame, to: Frame);
    /// Writes bytes inside one page; only used to build the first Task.
    fn write(&mut self, frame: Frame, offset: usize, bytes: &[u8]);

    /// Builds the address space and the context of a Task in the frames behind its header.
    fn space_create(&mut self, task: Frame);
    /// Takes note that a Task is gone for good.
    fn space_destroy(&mut self, task: Frame);
    /// Makes one of the Task's lower tables translate a block of 2 MiB.
    fn table_add(&mut self, task: Frame, table: usize, block: u16);
    /// Takes a lower table, which translates nothing any more, out of use.
    fn table_remove(&mut self, task: Frame, table: usize, block: u16);
    /// Maps pages whose table is present.
    fn map(&mut self, task: Frame, page: Page, first: Frame, count: u32, access: Access);
    /// Unmaps pages; afterwards no processor can reach them through this Task.
    fn unmap(&mut self, task: Frame, page: Page, count: u32);

    /// Sets where a new Task begins.
    fn enter(&mut self, task: Frame, entry: u64, stack: u64);
    /// Moves a stopped Task to another instruction.
    fn jump(&mut self, task: Frame, program_counter: u64);
    /// Sets what a Task will find in its result registers.
    fn answer(&mut self, task: Frame, answer: Answer);
    /// Takes a Task off every processor.
    fn stop(&mut self, task: Frame);
    /// Says that a Task has become able to run.
    fn ready(&mut self, task: Frame);

    /// Returns the time since start.
    fn now_ns(&self) -> u64;
    /// Writes to the console.
    fn console_write(&mut self, bytes: &[u8]);
    /// Reads one byte that has arrived.
    fn console_read(&mut self) -> Option<u8>;
    /// Lets a line interrupt, or not.
    fn irq_enable(&mut self, line: u32, enabled: bool);
    /// Switches off when this call has been performed.
    fn power_off(&mut self, code: u64);
}

/// A status and four words: what a call leaves in registers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Answer {
    /// A [`vectra_abi::Status`].
    pub status: u64,
    /// Result words, or the parts of a refusal.
    pub words: [u64; 4],
}

impl Answer {
    /// A performed call.
    pub const fn ok(words: [u64; 4]) -> Self {
        Self { status: 0, words }
    }
}
