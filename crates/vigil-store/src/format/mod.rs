//! The bytes of an arena, as drawn in `docs/format/arena.md`. Encoding and decoding, no I/O.

mod header;
mod item;
mod record;
mod seal;

pub use header::{ArenaKey, Class, ClassError, HEADER_LEN, Header, HeaderError, Site};
pub use item::{
    DIRECTORY_ENTRY_LEN, ITEM_BYTES_MAX, Item, ItemId, ItemKind, LOCATED_LEN, Located, Location,
    decode_directory, encode_directory,
};
pub use record::{
    ALIGN, Codec, RECORD_PAYLOAD_MAX, RecordKind, TRAILER_LEN, TRAILER_MAGIC, Trailer,
    TrailerError, align, payload_check, record_body_len,
};
pub use seal::{SEAL_LEN, Seal, SealError, merkle_root};

/// Reads a little-endian `u32` at `at`; the caller knows that it is there.
pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut four = [0; 4];
    four.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(four)
}

/// Reads a little-endian `u64` at `at`; the caller knows that it is there.
pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut eight = [0; 8];
    eight.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(eight)
}

/// Copies the `N` bytes at `at`; the caller knows that they are there.
pub(crate) fn array_at<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(&bytes[at..at + N]);
    array
}

/// A checksum of 128 bits: BLAKE3 cut to its first half. It finds damage; it names nothing.
pub(crate) type Check = [u8; 16];

/// Returns the unkeyed checksum of `bytes`.
pub(crate) fn check_of(bytes: &[u8]) -> Check {
    array_at(blake3::hash(bytes).as_bytes(), 0)
}
