//! The words that cross between a Task and whoever runs it: call numbers, statuses, kinds, rights.
//!
//! It is one description ([`table`]) and what is generated from it. It decides nothing.
//!
//! Invariants: no call takes a pointer; every argument and result is a 64-bit word; a number, once
//! released, keeps its meaning (the golden file in `golden/` freezes the table).
#![no_std]
#![forbid(unsafe_code)]

mod doc;
mod name;
mod random;
mod table;
mod words;

pub use doc::{CallDoc, TABLE, write_table};
pub use name::Name;
pub use random::{Random, random_call};
pub use table::Call;
pub use words::{Access, FaultCode, Kind, Rights, Side, Status, TaskState};

/// The version that `machine_version` answers. It grows when the golden file changes.
pub const ABI_VERSION: u64 = 3;

/// Slots of a Bundle that calls may name. Slot 0 is always the Task itself.
pub const BUNDLE_SLOTS: usize = 48;

/// The slot in which every Task finds itself.
pub const SELF: u64 = 0;

/// Bytes of one page in every home.
pub const PAGE_BYTES: u64 = 4096;

/// Lowest address that a Task may map: the first 4 MiB stay empty, so that small integers fault.
pub const WINDOW_START: u64 = 0x40_0000;

/// First address behind the Task's window.
pub const WINDOW_END: u64 = 0x1000_0000;

/// Frames of one Task object: header, saved context, three upper translation tables and
/// [`TASK_TABLES`] lower ones.
pub const TASK_FRAMES: u64 = 5 + TASK_TABLES as u64;

/// Blocks of 2 MiB in which one Task may have mappings at a time.
pub const TASK_TABLES: usize = 11;

/// Pages that one call may make, map or clear: what bounds the time of a call.
pub const PAGES_PER_CALL_MAX: u64 = 1024;

/// Bytes of one Ring slot: a sequence number and seven words.
pub const RING_SLOT_BYTES: u64 = 64;
