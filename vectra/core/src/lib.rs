//! What Vectra means: Tasks, capabilities, Rings, signals, Bundles, Reticles and labels as one
//! sequential state machine.
//!
//! It knows no processor, no trap and no host; it owns no memory and keeps no heap. Whoever runs it
//! (the kernel under one lock, the hosted supervisor, a test) is a [`Platform`].
//!
//! Invariants:
//! - every call is decoded, which may refuse and changes nothing, then performed, which may not
//!   refuse;
//! - every object's page belongs to exactly one Reticle, up to the root;
//! - every mapping, bound Ring and Signal in a Bundle is a flow that the labels allow now.
#![no_std]
#![forbid(unsafe_code)]

mod action;
mod archive;
mod boot;
mod decode;
mod decode_caps;
mod decode_objects;
mod digest;
mod edges;
mod elf;
mod inspect;
mod label;
mod machine;
mod object;
mod perform;
mod platform;
mod refusal;
mod revoke;
mod run;
mod tree;

pub use archive::{Archive, ArchiveError, Entry};
pub use boot::{BootError, Config};
pub use elf::{Elf, ElfError, Segment};
pub use label::{Label, Tags, tags_from_words, tags_words};
pub use machine::{Machine, Outcome};
pub use object::{
    BUDGET, Body, Budget, Frame, Link, Mapping, Object, Page, Ring, Slot, Stop, TASK_SLOTS, Task,
    WATCH,
};
pub use platform::{Answer, Platform};
pub use refusal::Refusal;
pub use run::PRIORITIES;
