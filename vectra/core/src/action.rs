use vectra_abi::{Access, Side};

use crate::label::{Label, Tags};
use crate::object::{Budget, Frame, Link, Page, Slot};
use crate::platform::Answer;

/// A call that has been found legal. Performing one cannot fail.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Action {
    /// Nothing is left to do but to answer.
    Answer(Answer),
    Wait {
        mask: u64,
        deadline_ns: u64,
    },
    Yield,
    Exit {
        code: u64,
    },
    PowerOff {
        code: u64,
    },
    Start {
        task: Frame,
        entry: u64,
        stack: u64,
        priority: u8,
    },
    Halt {
        task: Frame,
    },
    Resume {
        task: Frame,
        program_counter: u64,
    },
    /// Derive a slot; the rights in `moved` leave the source.
    Derive {
        source: Link,
        target: Link,
        slot: Slot,
        moved: u16,
    },
    /// Replace what an inner slot holds by a derived capability.
    Replace {
        source: Link,
        target: Link,
        slot: Slot,
        effect: ReplaceEffect,
    },
    Move {
        source: Link,
        target: Link,
        slot: Slot,
    },
    Delete {
        at: Link,
    },
    Revoke {
        at: Link,
    },
    Reset {
        at: Link,
    },
    Retype {
        reticle: Link,
        target: Link,
        slot: Slot,
        make: Make,
        frames: u32,
        label: Label,
    },
    SetBudget {
        budget: Frame,
        new: Budget,
    },
    Map {
        at: Link,
        page: Page,
        access: Access,
    },
    Unmap {
        at: Link,
    },
    Bind {
        at: Link,
        side: Side,
        page: Page,
        bits: u64,
    },
    Raise {
        target: Frame,
        bits: u64,
    },
    Bell {
        peer: Option<(Frame, u64)>,
        mask: u64,
        deadline_ns: u64,
    },
    Relabel {
        task: Frame,
        add: Tags,
        drop: Tags,
    },
    Clear {
        task: Frame,
        clearance: Tags,
    },
    CopyDown {
        source: Frame,
        target: Frame,
        pages: u32,
        label: Link,
    },
    IrqDone {
        line: u32,
    },
    ConsoleWrite {
        bytes: [u8; 32],
        length: usize,
    },
    ConsoleRead,
}

/// What a replaced inner slot means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ReplaceEffect {
    Watch,
    Budget,
    Irq { line: u32 },
}

/// What retyping makes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Make {
    Reticle { pages: u32 },
    Memory { pages: u32 },
    Task,
    Ring { data_pages: u32, upward: bool },
    Budget,
}
