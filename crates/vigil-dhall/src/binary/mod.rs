//! The binary form of expressions (`standard/binary.md`), in CBOR.
//!
//! Encoding is canonical: one expression has one encoding, with fields sorted and numbers as short
//! as they go. Decoding accepts numbers of any width, as the standard asks, and refuses everything
//! that is not an expression, bytes after the end included.

mod decode;
mod encode;
mod parts;
mod write;

pub(crate) use decode::decode_resolved;
pub use decode::{DecodeError, decode};
pub use encode::encode;
pub(crate) use encode::operator_code;
pub(crate) use parts::{is_one_item, record_parts};
pub(crate) use write::{Sink, Writer};

#[cfg(test)]
mod tests;
