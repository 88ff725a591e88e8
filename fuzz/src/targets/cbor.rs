//! Canonical CBOR against a naive model.
//!
//! Invariant: every error points into the input.

use super::cbor_model;
use vigil_base::cbor::validate;

/// Heads at the edges of the shortest form, containers, and what the profile forbids.
pub const WORDS: &[&[u8]] = &[
    b"\x17",
    b"\x18\x18",
    b"\x18\xff",
    b"\x19\x01\x00",
    b"\x1a\x00\x01\x00\x00",
    b"\x1b\x00\x00\x00\x01\x00\x00\x00\x00",
    b"\x20",
    b"\x41a",
    b"\x61a",
    b"\x62\xc3\xa9",
    b"\x80",
    b"\x81",
    b"\x82",
    b"\xa0",
    b"\xa1",
    b"\xa2",
    b"\x9f",
    b"\xbf",
    b"\xc0",
    b"\xf4",
    b"\xf5",
    b"\xf6",
    b"\xf7",
    b"\xf8\x20",
    b"\xf9\x00\x00",
    b"\xff",
    b"\x9b\xff\xff\xff\xff\xff\xff\xff\xff",
    b"\x5b\x7f\xff\xff\xff\xff\xff\xff\xff",
];

/// Checks one input.
pub fn run(input: &[u8]) {
    let valid = validate(input);
    assert_eq!(valid.is_ok(), cbor_model::is_canonical(input), "the decoder says {valid:?}");
    if let Err(error) = valid {
        assert!(error.offset <= input.len(), "the offset {} is outside", error.offset);
    }
}
