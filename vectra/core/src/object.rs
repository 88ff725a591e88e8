//! What lives in an object's header page: plain data, no behaviour but access.

use vectra_abi::{Access, BUNDLE_SLOTS, Kind, Name, Rights, TASK_TABLES, TaskState};

use crate::label::{Label, Tags};

/// A page of the pool that the machine divides, counted from the pool's start.
#[derive(Clone, Copy, PartialEq, Eq, Debug, PartialOrd, Ord, Hash)]
pub struct Frame(pub u32);

impl Frame {
    /// No frame.
    pub const NONE: Self = Self(u32::MAX);

    /// Returns the frame `count` further on.
    pub const fn plus(self, count: u32) -> Self {
        Self(self.0 + count)
    }
}

/// A page of a Task's addresses.
#[derive(Clone, Copy, PartialEq, Eq, Debug, PartialOrd, Ord)]
pub struct Page(pub u32);

/// The place of one slot: a frame and an index. As a tree link it may also point *up*, from the
/// ends of a list of siblings to their parent, which makes every splice a constant number of steps.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct Link(u32);

const INDEX_BITS: u32 = 6;
const UP: u32 = 1 << 31;
const _: () = assert!(TASK_SLOTS <= 1 << INDEX_BITS);

impl Link {
    /// No slot.
    pub const NONE: Self = Self(u32::MAX);

    /// Names a slot.
    pub const fn new(frame: Frame, index: usize) -> Self {
        Self(frame.0 << INDEX_BITS | index as u32)
    }

    /// Returns the frame of the object that holds the slot.
    pub const fn frame(self) -> Frame {
        Frame((self.0 & !UP) >> INDEX_BITS)
    }

    /// Returns the place inside that object.
    pub const fn index(self) -> usize {
        (self.0 & ((1 << INDEX_BITS) - 1)) as usize
    }

    /// Returns this link marked as leading to the parent.
    pub const fn up(self) -> Self {
        Self(self.0 | UP)
    }

    /// Says whether this leads to a parent. [`Link::NONE`] does not.
    pub const fn is_up(self) -> bool {
        self.0 & UP != 0 && self.0 != u32::MAX
    }

    /// Returns the slot without the mark.
    pub const fn plain(self) -> Self {
        if self.0 == u32::MAX { self } else { Self(self.0 & !UP) }
    }

    /// Says whether there is a slot.
    pub const fn is_some(self) -> bool {
        self.0 != u32::MAX
    }

    /// Returns the link as a number for digests.
    pub const fn word(self) -> u64 {
        self.0 as u64
    }
}

/// One place for a capability, with its links in the derivation tree.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Slot {
    /// What the Bundle calls it.
    pub name: Name,
    /// What it refers to; `Empty` makes the rest void.
    pub kind: Kind,
    /// What it allows.
    pub rights: Rights,
    /// The object.
    pub object: Frame,
    /// Where it is mapped or bound, and as what.
    pub mapped: Option<(Page, Mapping)>,
    /// Signal: the bits. Label: the tag.
    pub word: u64,
    /// Label: bytes that may still be declassified. Bound Ring: bits that the peer sets here.
    pub extra: u64,
    /// Something was derived from this once. It stays set: whether it still is, others decide.
    pub derived: bool,
    /// Its holder has risen since it derived: revoking would tell lower holders.
    pub frozen: bool,
    pub(crate) prev: Link,
    pub(crate) next: Link,
    pub(crate) first: Link,
    pub(crate) last: Link,
}

impl Slot {
    /// A place without a capability.
    pub const EMPTY: Self = Self {
        name: Name::from_bytes([0; 16]),
        kind: Kind::Empty,
        rights: Rights::NONE,
        object: Frame::NONE,
        mapped: None,
        word: 0,
        extra: 0,
        derived: false,
        frozen: false,
        prev: Link::NONE,
        next: Link::NONE,
        first: Link::NONE,
        last: Link::NONE,
    };

    /// Says whether there is no capability.
    pub fn is_empty(&self) -> bool {
        self.kind == Kind::Empty
    }

    /// Says whether nothing derives from this.
    pub fn is_leaf(&self) -> bool {
        !self.first.is_some()
    }
}

/// What a slot's address means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mapping {
    /// Memory, all of it.
    Memory(Access),
    /// The producer's end of a Ring.
    Producer,
    /// The consumer's end of a Ring.
    Consumer,
}

/// Slot of a Task, behind its Bundle, that holds whom to signal at its end.
pub const WATCH: usize = BUNDLE_SLOTS;
/// Slot of a Task, behind its Bundle, that holds its Budget.
pub const BUDGET: usize = BUNDLE_SLOTS + 1;
/// All slots of a Task.
pub const TASK_SLOTS: usize = BUNDLE_SLOTS + 2;

/// A header page.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Object {
    /// Capabilities that keep it alive.
    pub refs: u32,
    /// Set by the first copy of a capability to it, and never cleared: only what was never shared
    /// may rise with its holder. A count would tell a low holder when a high one lets go.
    pub shared: bool,
    /// Its label.
    pub label: Label,
    /// The next in the list of objects whose last capability is gone.
    pub(crate) next_dead: Frame,
    /// What it is.
    pub body: Body,
}

/// The kinds of object.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(clippy::large_enum_variant, reason = "every object has a page of its own anyhow")]
pub enum Body {
    /// An extent of untyped pages, taken from its low end.
    Reticle {
        /// First page.
        base: Frame,
        /// How many.
        pages: u32,
        /// How many are taken.
        used: u32,
    },
    /// Pages that can be mapped.
    Memory {
        /// First page.
        base: Frame,
        /// How many.
        pages: u32,
    },
    /// A Task. Its context and tables follow its header.
    Task(Task),
    /// A Ring: head page, tail page and data follow its header.
    Ring(Ring),
    /// A share of processor time.
    Budget(Budget),
    /// An interrupt line and the slot of the signal that it sets.
    Irq {
        /// The line.
        line: u32,
        /// Whom to signal.
        route: Slot,
    },
    /// The console or the machine itself.
    Device,
}

/// A Ring's binding state.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ring {
    /// Data pages, a power of two.
    pub data_pages: u32,
    /// Nothing flows back to the producer.
    pub upward: bool,
    /// The bound slots: producer, consumer.
    pub ends: [Link; 2],
    /// A capability on its way.
    pub parcel: Slot,
}

/// Processor time.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Budget {
    /// Nanoseconds per period.
    pub quota_ns: u64,
    /// The period.
    pub period_ns: u64,
    /// What is left now.
    pub(crate) left_ns: u64,
    /// What was used beyond that, before anybody noticed: later periods pay for it.
    pub(crate) owed_ns: u64,
    /// When the period began.
    pub(crate) since_ns: u64,
}

impl Budget {
    /// Gives so much in each period; the first begins now.
    pub(crate) const fn new(quota_ns: u64, period_ns: u64, now_ns: u64) -> Self {
        Self { quota_ns, period_ns, left_ns: quota_ns, owed_ns: 0, since_ns: now_ns }
    }

    /// Begins another period if the last is over; returns whether there is time left.
    pub(crate) fn has_time(&mut self, now_ns: u64) -> bool {
        if now_ns.saturating_sub(self.since_ns) >= self.period_ns {
            self.since_ns = now_ns;
            let paid = self.owed_ns.min(self.quota_ns);
            self.owed_ns -= paid;
            self.left_ns = self.quota_ns - paid;
        }
        self.left_ns > 0
    }

    /// Takes what was used.
    pub(crate) fn spend(&mut self, spent_ns: u64) {
        self.owed_ns = self.owed_ns.saturating_add(spent_ns.saturating_sub(self.left_ns));
        self.left_ns = self.left_ns.saturating_sub(spent_ns);
    }
}

/// Why a Task stopped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stop {
    /// Fault code or exit code.
    pub code: u64,
    /// The address that faulted.
    pub address: u64,
    /// The instruction that faulted.
    pub program_counter: u64,
}

/// A Task: one Bundle, one signal mask, one window of addresses.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Task {
    /// The name under which it was made.
    pub name: Name,
    /// What it is doing.
    pub state: TaskState,
    /// Higher runs first.
    pub priority: u8,
    /// Secrecy tags that it may come to carry.
    pub clearance: Tags,
    /// The label with which it started: what others may tell it is judged by this, since its
    /// label may rise for reasons that they must not learn.
    pub birth: Label,
    /// Signals set and not yet taken.
    pub signals: u64,
    /// Signals waited for.
    pub awaited: u64,
    /// When waiting ends, or zero.
    pub deadline_ns: u64,
    /// Why it stopped.
    pub stop: Stop,
    /// It runs only on its Budget.
    pub budgeted: bool,
    /// Blocks of 2 MiB that have a translation table; zero is none.
    pub tables: [u16; TASK_TABLES],
    /// Every Task is in one list.
    pub(crate) next_task: Frame,
    pub(crate) next_ready: Frame,
    pub(crate) queued: bool,
    /// The Bundle, then [`WATCH`] and [`BUDGET`].
    pub slots: [Slot; TASK_SLOTS],
}

impl Object {
    /// Makes an object that nobody refers to yet.
    #[inline(always)]
    pub fn new(label: Label, body: Body) -> Self {
        Self { refs: 0, shared: false, label, next_dead: Frame::NONE, body }
    }

    /// Returns the slots inside this object.
    pub fn slots(&self) -> &[Slot] {
        match &self.body {
            Body::Task(task) => &task.slots,
            Body::Ring(ring) => core::slice::from_ref(&ring.parcel),
            Body::Irq { route, .. } => core::slice::from_ref(route),
            _ => &[],
        }
    }

    /// Returns the slots inside this object, to be changed.
    pub fn slots_mut(&mut self) -> &mut [Slot] {
        match &mut self.body {
            Body::Task(task) => &mut task.slots,
            Body::Ring(ring) => core::slice::from_mut(&mut ring.parcel),
            Body::Irq { route, .. } => core::slice::from_mut(route),
            _ => &mut [],
        }
    }
}

const _: () = assert!(size_of::<Object>() <= vectra_abi::PAGE_BYTES as usize);
