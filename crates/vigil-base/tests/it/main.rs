//! The crate from outside.

mod cbor;
mod tree;
mod uri;
mod vcid;
