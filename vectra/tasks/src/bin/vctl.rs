//! Shows every Task's whole authority by name, whose memory lies in whose, and how a refusal explains
//! itself.
#![no_std]
#![no_main]

use vectra_tasks::rt::abi::{BUNDLE_SLOTS, Kind, Name, PAGE_BYTES, Rights, TASK_FRAMES, TaskState};
use vectra_tasks::rt::{LogRing, call, find};
use vectra_tasks::{log::log, note, task};

task!(main);

/// More objects than the first Tasks have.
const EXTENTS_MAX: usize = 256;

fn main() -> u64 {
    let log = &mut log();
    let Ok(machine) = find("machine") else { return 1 };
    let mut tree = Tree { extents: [Extent::NONE; EXTENTS_MAX], count: 0 };
    let mut index = 0;
    while let Ok([low, high, state, secrecy]) = call::machine_task(machine.0, index) {
        let name = Name::from_words(low, high);
        let state = TaskState::from_word(state).map_or("?", |state| match state {
            TaskState::Embryo => "embryo",
            TaskState::Ready | TaskState::Running => "ready",
            TaskState::Waiting => "waiting",
            TaskState::Faulted => "faulted",
            TaskState::Halted => "halted",
        });
        note!(*log, "task {} {state} secrecy {secrecy:#x}", name.as_str());
        show(machine.0, index, name, log, &mut tree);
        index += 1;
    }
    tree.show(log);
    // What a refusal says: this Task may look at the machine and not switch it off.
    if let Err(refused) = call::machine_power(machine.0, 0) {
        note!(*log, "why: {refused}");
    }
    0
}

fn show(machine: u64, index: u64, task: Name, log: &mut Option<LogRing>, tree: &mut Tree) {
    for slot in 0..BUNDLE_SLOTS as u64 {
        let Ok([low, high, words, detail]) = call::machine_slot(machine, index, slot) else {
            continue;
        };
        let kind = Kind::from_word(words & 0xff).unwrap_or(Kind::Empty);
        let name = Name::from_words(low, high);
        tree.add(Extent { first: words >> 32, pages: pages(kind, detail), kind, name, task });
        let rights = Shown(Rights((words >> 8) as u16));
        note!(*log, "  {slot:2} {:16} {kind:?} {detail} {rights}", name.as_str());
    }
}

/// Rights by name.
struct Shown(Rights);

impl core::fmt::Display for Shown {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        for (bit, name) in Rights::NAMES.iter().enumerate() {
            if self.0.has(Rights(1 << bit)) {
                write!(f, "{name} ")?;
            }
        }
        Ok(())
    }
}

/// Pages that an object takes from its Reticle (`spec/primitives.md`); none if it takes none.
fn pages(kind: Kind, detail: u64) -> u64 {
    match kind {
        Kind::Reticle | Kind::Memory => 1 + detail / PAGE_BYTES,
        Kind::Ring | Kind::UpRing => 3 + detail / 64,
        Kind::Task => TASK_FRAMES,
        Kind::Budget => 1,
        _ => 0,
    }
}

/// Where an object lies.
#[derive(Clone, Copy)]
struct Extent {
    first: u64,
    pages: u64,
    kind: Kind,
    /// What its holder calls it.
    name: Name,
    task: Name,
}

impl Extent {
    const NONE: Self = Self {
        first: 0,
        pages: 0,
        kind: Kind::Empty,
        name: Name::from_bytes([0; 16]),
        task: Name::from_bytes([0; 16]),
    };

    fn contains(&self, other: &Self) -> bool {
        let inside = other.first > self.first && other.first < self.first + self.pages;
        self.kind == Kind::Reticle && inside
    }
}

/// Objects in the order in which they lie in memory.
struct Tree {
    extents: [Extent; EXTENTS_MAX],
    count: usize,
}

impl Tree {
    /// Adds an object, unless it is known through another capability.
    fn add(&mut self, extent: Extent) {
        let known = &self.extents[..self.count];
        let at = known.partition_point(|other| other.first < extent.first);
        let is_known = known.get(at).is_some_and(|other| other.first == extent.first);
        if extent.pages == 0 || is_known || self.count == EXTENTS_MAX {
            return;
        }
        self.extents.copy_within(at..self.count, at + 1);
        self.extents[at] = extent;
        self.count += 1;
    }

    /// Draws every Reticle below the one that it was made from, and says what is made of it.
    fn show(&self, log: &mut Option<LogRing>) {
        let all = &self.extents[..self.count];
        for reticle in all.iter().filter(|extent| extent.kind == Kind::Reticle) {
            let above = |extent: &Extent| all.iter().filter(|other| other.contains(extent)).count();
            let depth = above(reticle);
            let inside = all.iter().filter(|e| reticle.contains(e) && above(e) == depth + 1);
            let (objects, used) = inside.fold((0, 0), |(n, used), e| (n + 1, used + e.pages));
            note!(
                *log,
                "memory {:indent$}{} of {}: {} pages, {used} used by {objects} objects",
                "",
                reticle.name.as_str(),
                reticle.task.as_str(),
                reticle.pages - 1,
                indent = depth * 2
            );
        }
    }
}
