//! The first Task: what a machine is before anybody calls.
//!
//! The pool begins with the machine's own objects and the first Task's, which belong to no Reticle
//! and are never freed; all that follows is the root Reticle, in the first Task's Bundle.

use vectra_abi::{Kind, Name, PAGE_BYTES, Rights, TASK_FRAMES, TaskState, WINDOW_END};

use crate::archive::Archive;
use crate::elf::{Elf, ElfError};
use crate::label::{Label, Tags};
use crate::machine::Machine;
use crate::object::{Body, Frame, Link, Object, Page, Slot};
use crate::perform::empty_task;
use crate::platform::Platform;

/// Pages of the first Task's stack.
const STACK_PAGES: u32 = 8;

/// Tags that the first Task may hand out.
const TAGS: u64 = 8;

/// Interrupt lines that the first Task may hand out: keyboard, serial, clock.
const LINES: [u32; 3] = [1, 4, 8];

/// What a home gives its machine.
#[derive(Clone, Copy, Debug)]
pub struct Config<'a> {
    /// Pages of the pool.
    pub frames: u32,
    /// The boot archive.
    pub archive: &'a [u8],
    /// The file in it that becomes the first Task.
    pub first: &'a str,
}

/// Why a machine cannot start.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BootError {
    /// The archive is broken.
    Archive,
    /// The archive has no such file.
    NoFirst,
    /// The first Task's file is broken.
    First(ElfError),
    /// The pool is too small for the first Task and the archive.
    NoMemory,
}

impl core::fmt::Display for BootError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Archive => f.write_str("the boot archive is broken"),
            Self::NoFirst => f.write_str("the boot archive has no file of that name"),
            Self::First(error) => write!(f, "the first Task's file is broken ({error:?})"),
            Self::NoMemory => {
                f.write_str("there is too little memory for the first Task and the archive")
            }
        }
    }
}

/// Hands out the pool's first pages.
struct Builder {
    next: u32,
    frames: u32,
}

impl Builder {
    fn take(&mut self, count: u32) -> Result<Frame, BootError> {
        let frame = Frame(self.next);
        self.next = self
            .next
            .checked_add(count)
            .filter(|&next| next < self.frames)
            .ok_or(BootError::NoMemory)?;
        Ok(frame)
    }
}

impl<P: Platform> Machine<P> {
    /// Builds the first Task and makes it ready.
    pub fn boot(&mut self, config: &Config<'_>) -> Result<Frame, BootError> {
        let archive = Archive::parse(config.archive).map_err(|_| BootError::Archive)?;
        let file = archive.find(config.first).ok_or(BootError::NoFirst)?;
        let elf = Elf::parse(file).map_err(BootError::First)?;
        let mut pool = Builder { next: 0, frames: config.frames };
        let task = pool.take(TASK_FRAMES as u32)?;
        let mut body = empty_task(Name::new(config.first));
        (body.priority, body.clearance) = ((crate::run::PRIORITIES - 1) as u8, Tags::MAX);
        let label = Label { secrecy: 0, integrity: Tags::MAX };
        body.birth = label;
        self.platform.install(task, Object::new(label, Body::Task(body)));
        self.platform.space_create(task);
        self.tasks = task;
        self.insert_self(task, Link::NONE);
        self.give_devices(task, &mut pool)?;
        self.load(task, &elf, &mut pool)?;
        let pages = config.archive.len().div_ceil(PAGE_BYTES as usize) as u32;
        let base = self.memory_for(task, &mut pool, "archive", pages, Rights::READ)?;
        self.fill(base, 0, config.archive);
        let reticle = pool.take(1)?;
        let base = Frame(pool.next);
        let body = Body::Reticle { base, pages: config.frames - pool.next, used: 0 };
        let rights = Rights::ALLOCATE.or(Rights::REVOKE).or(Rights::INSPECT);
        self.furnish(task, "memory", Kind::Reticle, rights, reticle, body);
        self.platform.enter(task, elf.entry(), WINDOW_END - PAGE_BYTES);
        self.task_mut(task).state = TaskState::Ready;
        self.enqueue(task);
        Ok(task)
    }

    fn give_devices(&mut self, task: Frame, pool: &mut Builder) -> Result<(), BootError> {
        let control = Rights::CONTROL.or(Rights::COPY);
        let rights = control.or(Rights::INSPECT);
        let frame = pool.take(1)?;
        self.furnish(task, "machine", Kind::Machine, rights, frame, Body::Device);
        let rights = Rights::READ.or(Rights::WRITE).or(Rights::COPY);
        let frame = pool.take(1)?;
        self.furnish(task, "console", Kind::Console, rights, frame, Body::Device);
        for line in LINES {
            let frame = pool.take(1)?;
            let body = Body::Irq { line, route: Slot::EMPTY };
            let name = match line {
                1 => "irq1",
                4 => "irq4",
                _ => "irq8",
            };
            self.furnish(task, name, Kind::Irq, control, frame, body);
        }
        for tag in 0..TAGS {
            let mut name = *b"tag0";
            name[3] += tag as u8;
            let slot = Slot {
                name: Name::new(core::str::from_utf8(&name).unwrap_or("tag")),
                kind: Kind::Label,
                rights: Rights::PLUS.or(Rights::MINUS).or(Rights::COPY),
                object: task,
                word: tag,
                extra: u64::MAX,
                ..Slot::EMPTY
            };
            let at = self.first_free(task);
            self.insert(at, slot, Link::NONE);
        }
        Ok(())
    }

    fn first_free(&self, task: Frame) -> Link {
        let free = self.task(task).slots.iter().position(Slot::is_empty);
        Link::new(task, free.unwrap_or(0))
    }

    fn furnish(
        &mut self,
        task: Frame,
        name: &str,
        kind: Kind,
        rights: Rights,
        frame: Frame,
        body: Body,
    ) -> Link {
        let label = self.object(task).label;
        self.platform.install(frame, Object::new(label, body));
        let at = self.first_free(task);
        let slot = Slot { name: Name::new(name), kind, rights, object: frame, ..Slot::EMPTY };
        self.insert(at, slot, Link::NONE);
        at
    }

    /// Makes a Memory object for the first Task and returns its first page.
    fn memory_for(
        &mut self,
        task: Frame,
        pool: &mut Builder,
        name: &str,
        pages: u32,
        rights: Rights,
    ) -> Result<Frame, BootError> {
        let frame = pool.take(pages + 1)?;
        let base = frame.plus(1);
        self.platform.zero(base, pages);
        let rights = rights.or(Rights::COPY);
        self.furnish(task, name, Kind::Memory, rights, frame, Body::Memory { base, pages });
        Ok(base)
    }

    fn load(&mut self, task: Frame, elf: &Elf<'_>, pool: &mut Builder) -> Result<(), BootError> {
        for segment in elf.segments() {
            let (name, rights) = (segment_name(segment.access), segment.access.rights());
            let at = self.first_free(task);
            let base = self.memory_for(task, pool, name, segment.pages as u32, rights)?;
            self.fill(base, segment.skip, segment.bytes);
            self.map(at, Page((segment.address / PAGE_BYTES) as u32), segment.access);
        }
        let at = self.first_free(task);
        let access = vectra_abi::Access::Write;
        self.memory_for(task, pool, "stack", STACK_PAGES, access.rights())?;
        // One page above the stack stays empty, so that running past its end faults.
        let page = (WINDOW_END / PAGE_BYTES) as u32 - 1 - STACK_PAGES;
        self.map(at, Page(page), access);
        Ok(())
    }

    /// Writes bytes from an offset on.
    fn fill(&mut self, base: Frame, skip: usize, mut bytes: &[u8]) {
        let page_bytes = PAGE_BYTES as usize;
        let (mut page, mut offset) = (0, skip);
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(page_bytes - offset));
            self.platform.write(base.plus(page), offset, now);
            (bytes, offset) = (later, 0);
            page += 1;
        }
    }
}

/// Returns what a Bundle calls a loaded segment.
fn segment_name(access: vectra_abi::Access) -> &'static str {
    match access {
        vectra_abi::Access::Execute => "text",
        vectra_abi::Access::Write => "data",
        vectra_abi::Access::Read => "rodata",
    }
}
