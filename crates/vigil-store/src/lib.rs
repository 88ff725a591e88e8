//! Arenas of verified, deduplicated, compressed bytes.
//!
//! The store keeps blobs by their Vcid. It does not know what a blob means: what refers to what comes
//! through [`vigil_base::References`]. Time, disk and randomness come in as arguments.
//!
//! Invariants:
//! - bytes that are returned have been compared with an id; wrong bytes are an error that names it;
//! - what has been acknowledged survives a crash at any moment;
//! - no byte of an arena is written twice, and a sealed arena never changes;
//! - the index is a cache: everything in it can be rebuilt from the arenas.

mod append;
mod arena;
mod cache;
mod checked;
mod collect;
mod cut;
mod disk;
pub mod format;
mod index;
mod layout;
mod mapping;
mod names;
mod paths;
mod pending;
mod put;
mod read;
mod read_error;
mod remote;
mod repair;
mod sink;
mod store;
mod transfer;
mod tuning;
mod verify;

pub use append::AppendError;
pub use arena::{Arena, ArenaError, Described, Record, Scan};
pub use cache::ItemBytes;
pub use collect::{CollectError, CollectOptions, CollectReport, Keep};
pub use disk::FolderDisk;
pub use index::IndexError;
pub use layout::{LAYOUT_CHUNKS_MAX, Layout};
pub use names::{NamesError, Version};
pub use put::{Batch, PutError, Stored, Writer};
pub use read::{Blob, Depth, MappedRange};
pub use read_error::ReadError;
pub use remote::{Moved, Remote};
pub use repair::{ArenaSupply, NoSupply, RepairReport, Supply};
pub use store::{Hold, OpenError, Options, Store, World};
pub use transfer::{ArenaInfo, ArenaState, TransferError};
pub use tuning::{ChunkBytes, Tuning};
pub use verify::{Stray, VerifyError, VerifyOptions, VerifyReport};
