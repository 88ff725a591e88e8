//! The composition root: a kernel over a store, with its first endpoints.
//!
//! It joins what does not know each other. It decides nothing that the kernel, the store or an
//! endpoint could decide, and reads no environment and no wall clock of its own.
//!
//! Invariants:
//! - what is kept beside the store's blobs, traces of what was made from what, can be lost or damaged
//!   without making an answer wrong;
//! - no endpoint reaches a file outside of the folder that it was given.

#[cfg(unix)]
pub mod agent;
pub mod attest;
mod blob;
mod checks;
mod description;
mod endpoints;
mod files;
mod folders;
mod host;
mod nearest;
mod node;
pub mod shared_names;
mod traces;
mod vouched;
mod watch;
mod whole;
mod worktree;

pub use blob::{BlobReader, Lost};
pub use description::{
    Asked, Described, Description, Given, choice, kept_as, misuse, needed, optional, takes, world,
};
pub use endpoints::{BYTES_TYPE, JSON_LINES_TYPE, JSON_TYPE, TEXT_TYPE, TREE_TYPE};
pub use files::Files;
pub use host::{HostError, StoreHost};
pub use node::{Node, NodeError, NodeOptions, SCOPE};
pub use traces::{CollectedTraces, TRACES_BYTES_MAX, collect_traces};
pub use vouched::Vouched;
pub use watch::Watcher;
pub use worktree::{
    Changed, Intake, RecordDamaged, Refreshed, Watching, WorkTree, WorkTreeError, WorkTreeRoots,
};
