//! What both homes on Linux have alike: objects, the pool, the outside.

use std::io::Error;

use vectra_abi::Access;
use vectra_core::{Answer, Frame, Object, Page, Platform};

use crate::outside::Outside;
use crate::pool::Pool;

/// Address spaces and registers of Tasks: where the homes differ. What Linux refuses ends the machine.
pub trait Spaces {
    /// Makes the place in which a Task will run.
    fn create(&mut self, pool: &mut Pool, task: Frame) -> Result<(), Error>;
    /// Takes it down.
    fn destroy(&mut self, task: Frame) -> Result<(), Error>;
    /// Maps frames.
    fn map(
        &mut self,
        pool: &mut Pool,
        task: Frame,
        page: Page,
        frames: (Frame, u32),
        access: Access,
    ) -> Result<(), Error>;
    /// Unmaps pages; afterwards nobody can reach them through this Task.
    fn unmap(&mut self, pool: &mut Pool, task: Frame, page: Page, count: u32) -> Result<(), Error>;
    /// Sets where a new Task begins.
    fn enter(&mut self, task: Frame, entry: u64, stack: u64) -> Result<(), Error>;
    /// Moves a stopped Task to another instruction.
    fn jump(&mut self, task: Frame, program_counter: u64) -> Result<(), Error>;
    /// Sets what a Task will find in its result registers.
    fn answer(&mut self, task: Frame, answer: Answer) -> Result<(), Error>;
    /// Takes a Task off its processor.
    fn stop(&mut self, task: Frame) -> Result<(), Error>;
}

/// A home of the core on Linux.
pub struct Home<'a, S> {
    objects: Vec<Option<Box<Object>>>,
    /// The machine's memory.
    pub pool: Pool,
    /// Console, typing, power.
    pub outside: Outside<'a>,
    /// Where its Tasks run.
    pub spaces: S,
}

/// Returns what Linux calls an access.
pub fn protection(access: Access) -> libc::c_int {
    match access {
        Access::Read => libc::PROT_READ,
        Access::Write => libc::PROT_READ | libc::PROT_WRITE,
        Access::Execute => libc::PROT_READ | libc::PROT_EXEC,
    }
}

impl<'a, S> Home<'a, S> {
    /// Makes a home of so many frames around its spaces.
    pub fn new(frames: u32, pool: Pool, outside: Outside<'a>, spaces: S) -> Self {
        Self { objects: (0..frames).map(|_| None).collect(), pool, outside, spaces }
    }

    /// Does something with the spaces, and notes if Linux refuses.
    pub fn with(&mut self, act: impl FnOnce(&mut S, &mut Pool) -> Result<(), Error>) {
        if let Err(error) = act(&mut self.spaces, &mut self.pool) {
            self.outside.broke(error);
        }
    }
}

impl<S: Spaces> Platform for Home<'_, S> {
    fn object(&self, frame: Frame) -> &Object {
        match &self.objects[frame.0 as usize] {
            Some(object) => object,
            None => unreachable!("the core asks for objects that it has installed"),
        }
    }

    fn object_mut(&mut self, frame: Frame) -> &mut Object {
        match &mut self.objects[frame.0 as usize] {
            Some(object) => object,
            None => unreachable!("the core asks for objects that it has installed"),
        }
    }

    fn install(&mut self, frame: Frame, object: Object) {
        self.objects[frame.0 as usize] = Some(Box::new(object));
    }

    fn zero(&mut self, first: Frame, count: u32) {
        for at in 0..count {
            self.objects[first.plus(at).0 as usize] = None;
            self.pool.zero(first.plus(at));
        }
    }

    fn copy(&mut self, from: Frame, to: Frame) {
        self.pool.copy(from, to);
    }

    fn write(&mut self, frame: Frame, offset: usize, bytes: &[u8]) {
        self.pool.write(frame, offset, bytes);
    }

    fn space_create(&mut self, task: Frame) {
        self.with(|spaces, pool| spaces.create(pool, task));
    }

    fn space_destroy(&mut self, task: Frame) {
        self.with(|spaces, _| spaces.destroy(task));
    }

    fn table_add(&mut self, _task: Frame, _table: usize, _block: u16) {}

    fn table_remove(&mut self, _task: Frame, _table: usize, _block: u16) {}

    fn map(&mut self, task: Frame, page: Page, first: Frame, count: u32, access: Access) {
        self.with(|spaces, pool| spaces.map(pool, task, page, (first, count), access));
    }

    fn unmap(&mut self, task: Frame, page: Page, count: u32) {
        self.with(|spaces, pool| spaces.unmap(pool, task, page, count));
    }

    fn enter(&mut self, task: Frame, entry: u64, stack: u64) {
        self.with(|spaces, _| spaces.enter(task, entry, stack));
    }

    fn jump(&mut self, task: Frame, program_counter: u64) {
        self.with(|spaces, _| spaces.jump(task, program_counter));
    }

    fn answer(&mut self, task: Frame, answer: Answer) {
        self.with(|spaces, _| spaces.answer(task, answer));
    }

    fn stop(&mut self, task: Frame) {
        self.with(|spaces, _| spaces.stop(task));
    }

    fn ready(&mut self, _task: Frame) {}

    fn now_ns(&self) -> u64 {
        self.outside.now_ns()
    }

    fn console_write(&mut self, bytes: &[u8]) {
        self.outside.write(bytes);
    }

    fn console_read(&mut self) -> Option<u8> {
        self.outside.typed()
    }

    fn irq_enable(&mut self, line: u32, enabled: bool) {
        self.outside.enable(line, enabled);
    }

    fn power_off(&mut self, code: u64) {
        self.outside.off = Some(code);
    }
}
