//! Ids, URIs, canonical bytes, limits, and the traits through which the world comes in.
//!
//! Every other crate stands on this one. It does no I/O, reads no clock, and needs only `alloc`.
//!
//! Invariants:
//! - a [`Vcid`] is the plain SHA-256 of the bytes it names, nothing added;
//! - what the strict decoders accept, the encoders reproduce byte for byte;
//! - no input, however hostile, makes a decoder panic, recurse without bound, or allocate more than
//!   a constant times the input's length.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod blame;
pub mod cbor;
pub mod limits;
mod name;
mod path;
mod tree;
mod uri;
mod vcid;
pub mod world;

pub use blame::{Blame, Blamed};
pub use name::{Name, NameError};
pub use path::{EntryName, EntryNameError, TreePath, TreePathError, percent_decode};
pub use tree::{Entry, EntryKind, References, Tree, TreeError, TreeReferences};
pub use uri::{Root, Uri, UriError};
pub use vcid::{Hasher, Vcid, VcidError};
