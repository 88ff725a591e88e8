//! Deterministic CBOR (RFC 8949 §4.2.1), the bytes of every structured record.
//!
//! The profile, drawn in `docs/format/cbor.md`: unsigned and negative integers, byte strings, text,
//! arrays, maps, `false`, `true` and `null`; no floats, no tags, no indefinite lengths, shortest
//! heads, and map keys in the bytewise order of their encodings. A record is an array whose first
//! item is its type tag, such as `"vigil.tree/1"`.

mod decode;
mod encode;

pub use decode::{DecodeError, Decoder, Fault, validate};
pub use encode::Encoder;

/// The major types of RFC 8949 §3.1 that the profile uses.
mod major {
    pub const UNSIGNED: u8 = 0;
    pub const NEGATIVE: u8 = 1;
    pub const BYTES: u8 = 2;
    pub const TEXT: u8 = 3;
    pub const ARRAY: u8 = 4;
    pub const MAP: u8 = 5;
    pub const SIMPLE: u8 = 7;
}

/// The simple values of RFC 8949 §3.3 that the profile uses.
mod simple {
    pub const FALSE: u64 = 20;
    pub const TRUE: u64 = 21;
    pub const NULL: u64 = 22;
}
