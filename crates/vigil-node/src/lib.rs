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
mod endpoints;
mod host;
mod node;
#[cfg(test)]
mod sources;

pub use endpoints::{Content, Data, Files, Names, TREE_TYPE, Text, Unzstd};
pub use host::{HostError, StoreHost};
pub use node::{Node, NodeError, SCOPE};
