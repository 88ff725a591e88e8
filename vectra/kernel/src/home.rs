//! The kernel as a home of the core: pool frames are pages of memory, objects lie in them.
#![expect(unsafe_code, reason = "pages are seen as objects here, and only here")]

use vectra_abi::{Access, PAGE_BYTES, TASK_TABLES};
use vectra_core::{Answer, Body, Frame, Object, Page, Platform};

use crate::Arch;
use crate::run::{CPUS_MAX, flush_others};
use crate::seams::{Console, Context, Interrupts, MemoryModel, Paging, Physical, Power, Timer};

/// The pool, and what each processor is doing. It exists once, inside the lock.
pub struct Home {
    first: Physical,
    /// Where the kernel sees the first frame.
    base: *mut u8,
    frames: u32,
    /// The Task on each processor.
    pub current: [Frame; CPUS_MAX],
    /// Processors that sleep.
    pub idle: [bool; CPUS_MAX],
    /// The Irq object of each line.
    pub lines: [Frame; 16],
    /// Tasks that this kernel entry has unmapped from: whether processors must be flushed.
    stale: bool,
}

// WHY: a pointer into the direct map is no processor's own.
// SAFETY: what it points to is reached through the one `Home` only, which is behind the lock.
unsafe impl Send for Home {}

impl Home {
    /// Takes over a run of pages that nothing else uses.
    pub fn new(first: Physical, frames: u32) -> Self {
        Self {
            first,
            base: Arch::page(first),
            frames,
            current: [Frame::NONE; CPUS_MAX],
            idle: [false; CPUS_MAX],
            lines: [Frame::NONE; 16],
            stale: false,
        }
    }

    /// Returns the page behind a frame of the pool.
    #[inline]
    pub fn physical(&self, frame: Frame) -> Physical {
        assert!(frame.0 < self.frames, "a frame outside the pool");
        Physical(self.first.0 + u64::from(frame.0))
    }

    #[inline]
    fn page(&self, frame: Frame) -> *mut u8 {
        assert!(frame.0 < self.frames, "a frame outside the pool");
        self.base.wrapping_add(frame.0 as usize * PAGE_BYTES as usize)
    }

    /// Returns the lower table that translates a page of a Task.
    fn table(&self, task: Frame, page: Page) -> usize {
        let Body::Task(body) = &self.object(task).body else {
            unreachable!("maps belong to Tasks")
        };
        let block = (page.0 / 512) as u16;
        let found = body.tables.iter().position(|&other| other == block);
        found.unwrap_or_else(|| unreachable!("the core adds tables before it maps"))
    }

    /// Says whether processors may remember what was unmapped.
    #[inline]
    pub fn is_stale(&self) -> bool {
        self.stale
    }

    /// The same, and forgets it.
    #[inline]
    pub fn take_stale(&mut self) -> bool {
        self.stale && core::mem::take(&mut self.stale)
    }

    fn runs_elsewhere(&self, task: Frame) -> bool {
        let this = <Arch as crate::seams::Processors>::this();
        self.current.iter().enumerate().any(|(cpu, &other)| cpu != this && other == task)
    }
}

const _: () = assert!(align_of::<Object>() as u64 <= PAGE_BYTES);

impl Platform for Home {
    fn object(&self, frame: Frame) -> &Object {
        // WHY: objects live in pages that Tasks have given, so no Rust value owns them.
        // SAFETY: the core asks only for frames that it has installed and not yet reset, and
        // nothing else reads or writes a header page: no Task maps one. `self` is borrowed, so
        // `object_mut` cannot have a reference now.
        unsafe { &*self.page(frame).cast::<Object>() }
    }

    fn object_mut(&mut self, frame: Frame) -> &mut Object {
        // WHY: as in `object`.
        // SAFETY: as in `object`; `self` is borrowed mutably, so this is the only reference.
        unsafe { &mut *self.page(frame).cast::<Object>() }
    }

    #[inline(always)]
    fn install(&mut self, frame: Frame, object: Object) {
        // WHY: the page holds no value yet that could be assigned over.
        // SAFETY: the page is the core's to give, large enough and aligned (checked above and in
        // the core), and a mere write does not drop what was there.
        unsafe { self.page(frame).cast::<Object>().write(object) }
    }

    fn zero(&mut self, first: Frame, count: u32) {
        for at in 0..count {
            // WHY: pages of memory have no owner in Rust.
            // SAFETY: the core clears pages that it has just taken from a Reticle.
            unsafe { self.page(first.plus(at)).write_bytes(0, PAGE_BYTES as usize) }
        }
    }

    fn copy(&mut self, from: Frame, to: Frame) {
        // WHY: pages of memory have no owner in Rust.
        // SAFETY: two different pages of Memory objects; Tasks may write them meanwhile on another
        // processor, which changes what is copied and nothing else: no reference is made.
        unsafe { self.page(from).copy_to(self.page(to), PAGE_BYTES as usize) }
    }

    fn write(&mut self, frame: Frame, offset: usize, bytes: &[u8]) {
        assert!(offset + bytes.len() <= PAGE_BYTES as usize);
        // WHY: pages of memory have no owner in Rust.
        // SAFETY: inside one page, by the line above; before any Task runs.
        unsafe { self.page(frame).add(offset).copy_from(bytes.as_ptr(), bytes.len()) }
    }

    fn space_create(&mut self, task: Frame) {
        Arch::create(self.physical(task));
    }

    fn space_destroy(&mut self, _task: Frame) {}

    fn table_add(&mut self, task: Frame, table: usize, block: u16) {
        assert!(table < TASK_TABLES);
        Arch::add_table(self.physical(task), table, block);
    }

    fn table_remove(&mut self, task: Frame, _table: usize, block: u16) {
        Arch::remove_table(self.physical(task), block);
        self.stale = true;
        if self.runs_elsewhere(task) {
            flush_others();
        }
    }

    fn map(&mut self, task: Frame, page: Page, first: Frame, count: u32, access: Access) {
        for at in 0..count {
            let page = Page(page.0 + at);
            let (table, to) = (self.table(task, page), self.physical(first.plus(at)));
            Arch::map(self.physical(task), table, page, to, access);
        }
    }

    fn unmap(&mut self, task: Frame, page: Page, count: u32) {
        for at in 0..count {
            let page = Page(page.0 + at);
            Arch::unmap(self.physical(task), self.table(task, page), page);
        }
        self.stale = true;
        if self.runs_elsewhere(task) {
            flush_others();
        }
    }

    fn enter(&mut self, task: Frame, entry: u64, stack: u64) {
        <Arch as Context>::enter(self.physical(task), entry, stack);
    }

    fn jump(&mut self, task: Frame, program_counter: u64) {
        Arch::jump(self.physical(task), program_counter);
    }

    fn answer(&mut self, task: Frame, answer: Answer) {
        <Arch as Context>::answer(self.physical(task), answer);
    }

    fn stop(&mut self, task: Frame) {
        if !self.runs_elsewhere(task) {
            return;
        }
        for current in &mut self.current {
            if *current == task {
                *current = Frame::NONE;
            }
        }
        // Whoever ran it is in the kernel's own address space when this returns, waits for the
        // lock, and will find that it has no Task.
        flush_others();
    }

    fn ready(&mut self, _task: Frame) {
        if let Some(sleeper) = self.idle.iter().position(|&idle| idle) {
            self.idle[sleeper] = false;
            Arch::nudge(sleeper);
        }
    }

    fn now_ns(&self) -> u64 {
        Arch::now_ns()
    }

    fn console_write(&mut self, bytes: &[u8]) {
        bytes.iter().copied().for_each(Arch::put);
    }

    fn console_read(&mut self) -> Option<u8> {
        Arch::get()
    }

    fn irq_enable(&mut self, line: u32, enabled: bool) {
        <Arch as Interrupts>::enable(line, enabled);
    }

    fn power_off(&mut self, code: u64) {
        Arch::off(code)
    }
}
