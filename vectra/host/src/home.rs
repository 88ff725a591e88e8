use std::collections::HashMap;
use std::fs::File;
use std::io::Error;

use vectra_abi::{Access, PAGE_BYTES};
use vectra_core::{Answer, Frame, Object, Page, Platform};

use crate::outside::Outside;
use crate::pool::Pool;
use crate::process::Process;

/// The supervisor as a home of the core: each Task is a process.
pub struct Home<'a> {
    objects: Vec<Option<Box<Object>>>,
    pool: Pool,
    program: File,
    /// Console, typing, power.
    pub outside: Outside<'a>,
    /// The processes of Tasks.
    pub processes: HashMap<Frame, Process>,
}

impl<'a> Home<'a> {
    /// Makes an empty home.
    pub fn new(frames: u32, outside: Outside<'a>) -> Result<Self, Error> {
        Ok(Self {
            outside,
            objects: (0..frames).map(|_| None).collect(),
            pool: Pool::new(frames)?,
            program: crate::pool::program(&crate::stub::file())?,
            processes: HashMap::new(),
        })
    }

    /// Does something with a Task's process, and notes if Linux refuses.
    pub fn with(&mut self, task: Frame, act: impl FnOnce(&mut Process) -> Result<(), Error>) {
        let result = match self.processes.get_mut(&task) {
            Some(process) => act(process),
            None => Err(Error::other("a Task has no process")),
        };
        if let Err(error) = result {
            self.outside.broke(error);
        }
    }

    /// Lets a Task's process carry out a Linux call, stopping it for that time if it runs.
    fn carry_out(&mut self, task: Frame, call: libc::c_long, words: [u64; 6]) {
        self.with(task, |process| {
            let running = process.running;
            process.stop()?;
            process.carry_out(call, words)?;
            if running && process.pending.is_none() { process.resume() } else { Ok(()) }
        });
    }
}

impl Platform for Home<'_> {
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
        match Process::new(&self.program, self.pool.descriptor()) {
            Ok(process) => {
                self.processes.insert(task, process);
            }
            Err(error) => self.outside.broke(error),
        }
    }

    fn space_destroy(&mut self, task: Frame) {
        if let Some(mut process) = self.processes.remove(&task)
            && let Err(error) = process.kill()
        {
            self.outside.broke(error);
        }
    }

    fn table_add(&mut self, _task: Frame, _table: usize, _block: u16) {}

    fn table_remove(&mut self, _task: Frame, _table: usize, _block: u16) {}

    fn map(&mut self, task: Frame, page: Page, first: Frame, count: u32, access: Access) {
        let protection = match access {
            Access::Read => libc::PROT_READ,
            Access::Write => libc::PROT_READ | libc::PROT_WRITE,
            Access::Execute => libc::PROT_READ | libc::PROT_EXEC,
        };
        let flags = libc::MAP_SHARED | libc::MAP_FIXED;
        let words = [
            u64::from(page.0) * PAGE_BYTES,
            u64::from(count) * PAGE_BYTES,
            protection as u64,
            flags as u64,
            self.pool.descriptor() as u64,
            Pool::offset(first),
        ];
        self.carry_out(task, libc::SYS_mmap, words);
    }

    fn unmap(&mut self, task: Frame, page: Page, count: u32) {
        let words = [u64::from(page.0) * PAGE_BYTES, u64::from(count) * PAGE_BYTES, 0, 0, 0, 0];
        self.carry_out(task, libc::SYS_munmap, words);
    }

    fn enter(&mut self, task: Frame, entry: u64, stack: u64) {
        self.with(task, |process| {
            let mut registers = process.registers()?;
            (registers.rip, registers.rsp, registers.orig_rax) = (entry, stack, u64::MAX);
            process.set_registers(&registers)
        });
    }

    fn jump(&mut self, task: Frame, program_counter: u64) {
        self.with(task, |process| {
            let mut registers = process.registers()?;
            registers.rip = program_counter;
            process.set_registers(&registers)
        });
    }

    fn answer(&mut self, task: Frame, answer: Answer) {
        self.with(task, |process| process.answer(answer));
    }

    fn stop(&mut self, task: Frame) {
        self.with(task, Process::stop);
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
