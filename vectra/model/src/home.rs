use std::collections::{BTreeMap, VecDeque};

use vectra_abi::{Access, PAGE_BYTES, TASK_TABLES};
use vectra_core::{Answer, Archive, Config, Frame, Machine, Object, Page, Platform};

/// Pages of a model's pool unless a test says otherwise: what every home gives the lockstep test.
pub const FRAMES: u32 = 4096;

/// A [`Platform`] of plain collections.
pub struct Model {
    objects: Vec<Option<Box<Object>>>,
    bytes: BTreeMap<Frame, Vec<u8>>,
    /// Which page of which Task leads where.
    pub maps: BTreeMap<(Frame, Page), (Frame, Access)>,
    tables: BTreeMap<Frame, [u16; TASK_TABLES]>,
    /// What Tasks that waited were answered.
    pub answers: BTreeMap<Frame, Answer>,
    /// The clock, which only a test moves.
    pub now_ns: u64,
    /// What was written to the console.
    pub console: Vec<u8>,
    /// What can be read from it.
    pub input: VecDeque<u8>,
    /// Interrupt lines that may interrupt.
    pub lines: BTreeMap<u32, bool>,
    /// The exit code, once switched off.
    pub off: Option<u64>,
}

impl Model {
    /// Makes a model of that many pages.
    pub fn new(frames: u32) -> Self {
        Self {
            objects: (0..frames).map(|_| None).collect(),
            bytes: BTreeMap::new(),
            maps: BTreeMap::new(),
            tables: BTreeMap::new(),
            answers: BTreeMap::new(),
            now_ns: 1,
            console: Vec::new(),
            input: VecDeque::new(),
            lines: BTreeMap::new(),
            off: None,
        }
    }

    /// Returns the bytes of a page.
    pub fn page(&mut self, frame: Frame) -> &mut Vec<u8> {
        assert!((frame.0 as usize) < self.objects.len(), "{frame:?} is outside the pool");
        self.bytes.entry(frame).or_insert_with(|| vec![0; PAGE_BYTES as usize])
    }
}

impl Platform for Model {
    fn object(&self, frame: Frame) -> &Object {
        self.objects[frame.0 as usize].as_ref().expect("only objects are asked for")
    }

    fn object_mut(&mut self, frame: Frame) -> &mut Object {
        self.objects[frame.0 as usize].as_mut().expect("only objects are asked for")
    }

    fn install(&mut self, frame: Frame, object: Object) {
        self.objects[frame.0 as usize] = Some(Box::new(object));
    }

    fn zero(&mut self, first: Frame, count: u32) {
        for at in 0..count {
            // A page of payload is no object any more: asking for it would be caught.
            self.objects[first.plus(at).0 as usize] = None;
            self.bytes.remove(&first.plus(at));
        }
    }

    fn copy(&mut self, from: Frame, to: Frame) {
        let bytes = self.page(from).clone();
        *self.page(to) = bytes;
    }

    fn write(&mut self, frame: Frame, offset: usize, bytes: &[u8]) {
        self.page(frame)[offset..offset + bytes.len()].copy_from_slice(bytes);
    }

    fn space_create(&mut self, task: Frame) {
        self.tables.insert(task, [0; TASK_TABLES]);
    }

    fn space_destroy(&mut self, task: Frame) {
        self.tables.remove(&task);
        assert!(!self.maps.keys().any(|&(owner, _)| owner == task), "a dead Task is mapped");
    }

    fn table_add(&mut self, task: Frame, table: usize, block: u16) {
        let tables = self.tables.get_mut(&task).expect("the Task has tables");
        assert_eq!(tables[table], 0, "a table is used twice");
        tables[table] = block;
    }

    fn table_remove(&mut self, task: Frame, table: usize, block: u16) {
        let tables = self.tables.get_mut(&task).expect("the Task has tables");
        assert_eq!(tables[table], block, "another table is removed");
        tables[table] = 0;
        let used = |&(owner, page): &(Frame, Page)| owner == task && page.0 / 512 == block.into();
        assert!(!self.maps.keys().any(used), "a table in use is removed");
    }

    fn map(&mut self, task: Frame, page: Page, first: Frame, count: u32, access: Access) {
        for at in 0..count {
            let page = Page(page.0 + at);
            assert!(self.tables[&task].contains(&((page.0 / 512) as u16)), "no table for {page:?}");
            let old = self.maps.insert((task, page), (first.plus(at), access));
            assert_eq!(old, None, "{page:?} was mapped already");
        }
    }

    fn unmap(&mut self, task: Frame, page: Page, count: u32) {
        for at in 0..count {
            self.maps.remove(&(task, Page(page.0 + at)));
        }
    }

    fn enter(&mut self, _task: Frame, _entry: u64, _stack: u64) {}

    fn jump(&mut self, _task: Frame, _program_counter: u64) {}

    fn answer(&mut self, task: Frame, answer: Answer) {
        self.answers.insert(task, answer);
    }

    fn stop(&mut self, _task: Frame) {}

    fn ready(&mut self, _task: Frame) {}

    fn now_ns(&self) -> u64 {
        self.now_ns
    }

    fn console_write(&mut self, bytes: &[u8]) {
        self.console.extend_from_slice(bytes);
    }

    fn console_read(&mut self) -> Option<u8> {
        self.input.pop_front()
    }

    fn irq_enable(&mut self, line: u32, enabled: bool) {
        self.lines.insert(line, enabled);
    }

    fn power_off(&mut self, code: u64) {
        self.off = Some(code);
    }
}

/// Returns the smallest Task file: one executable page that is never executed.
pub fn tiny_elf() -> Vec<u8> {
    let mut elf = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    for half in [2u16, 62] {
        elf.extend(half.to_le_bytes());
    }
    elf.extend(1u32.to_le_bytes());
    for word in [0x40_0000u64, 64, 0] {
        elf.extend(word.to_le_bytes());
    }
    elf.extend(0u32.to_le_bytes());
    for half in [64u16, 56, 1, 0, 0, 0] {
        elf.extend(half.to_le_bytes());
    }
    for half in [1u32, 5] {
        elf.extend(half.to_le_bytes());
    }
    for word in [0u64, 0x40_0000, 0x40_0000, 120, 120, 4096] {
        elf.extend(word.to_le_bytes());
    }
    elf
}

/// Boots a model from an archive; its first Task is running.
pub fn boot(frames: u32, archive: &[u8], first: &str) -> (Machine<Model>, Frame) {
    let mut machine = Machine::new(Model::new(frames));
    let task = machine.boot(&Config { frames, archive, first }).expect("the archive is good");
    assert_eq!(machine.pick(), Some(task));
    (machine, task)
}

/// Boots a model whose first Task is [`tiny_elf`].
pub fn booted() -> (Machine<Model>, Frame) {
    let elf = tiny_elf();
    let mut archive = Vec::new();
    Archive::header(&[("init", elf.len())], &mut |bytes| archive.extend_from_slice(bytes));
    archive.extend(&elf);
    boot(FRAMES, &archive, "init")
}
