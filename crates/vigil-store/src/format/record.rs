//! A record: a payload, a directory of the items in it, and a trailer that describes both.
//!
//! The description comes last, so that a file of unknown length can be written as one contiguous
//! run, and so that a crash in the middle leaves bytes that nothing describes.

use super::item::DIRECTORY_ENTRY_LEN;
use super::{ArenaKey, Check, array_at, check_of, u32_at, u64_at};

/// Records start, and trailers lie, at multiples of this: a cache line, and the alignment that Arrow
/// asks of its buffers.
pub const ALIGN: u64 = 64;

/// Bytes of a trailer.
pub const TRAILER_LEN: usize = 64;

/// What a trailer starts with.
pub const TRAILER_MAGIC: [u8; 4] = *b"vrec";

/// Longest payload of one record: what the 32-bit offsets inside it can reach.
pub const RECORD_PAYLOAD_MAX: u64 = u32::MAX as u64;

/// Longest directory: 1.8 million items, far beyond what one record of ours lists.
const DIRECTORY_BYTES_MAX: u32 = 64 << 20;

const KIND_AT: usize = TRAILER_MAGIC.len();
const CODEC_AT: usize = KIND_AT + 1;
const PAYLOAD_LEN_AT: usize = CODEC_AT + 3; // 2 bytes kept zero
const RAW_LEN_AT: usize = PAYLOAD_LEN_AT + 8;
const DIRECTORY_LEN_AT: usize = RAW_LEN_AT + 8;
const PAYLOAD_CHECK_AT: usize = DIRECTORY_LEN_AT + 8; // 4 bytes kept zero
const CHECK_AT: usize = PAYLOAD_CHECK_AT + size_of::<Check>();
const _: () = assert!(CHECK_AT + size_of::<Check>() == TRAILER_LEN);

/// How a record's items are protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum RecordKind {
    /// Many items in one payload with a checksum of its own.
    Frame = 1,
    /// Raw items of one large blob, one after another, each proven by its id alone.
    Extent = 2,
}

/// How a payload is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Codec {
    /// As it is.
    Raw = 0,
    /// One Zstandard frame (RFC 8878).
    Zstd = 1,
}

/// The last 64 bytes of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trailer {
    /// How the items are protected.
    pub kind: RecordKind,
    /// How the payload is encoded.
    pub codec: Codec,
    /// Bytes of the payload as stored.
    pub payload_len: u64,
    /// Bytes of the payload when decoded: the sum of the items' lengths.
    pub raw_len: u64,
    /// Bytes of the directory.
    pub directory_len: u32,
    /// The stored payload's checksum; zero for an extent.
    pub payload_check: [u8; 16],
}

/// Why bytes are not a trailer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no record's trailer here")]
pub struct TrailerError;

/// Rounds up to [`ALIGN`].
pub fn align(len: u64) -> u64 {
    len.next_multiple_of(ALIGN)
}

/// Bytes from a record's start to its trailer.
pub fn record_body_len(payload_len: u64, directory_len: u64) -> u64 {
    align(payload_len + directory_len)
}

/// Returns the checksum of a stored payload.
pub fn payload_check(payload: &[u8]) -> [u8; 16] {
    check_of(payload)
}

impl Trailer {
    /// Returns the bytes of a trailer that lies at `offset` of an arena and follows `directory`.
    pub fn encode(&self, key: &ArenaKey, offset: u64, directory: &[u8]) -> [u8; TRAILER_LEN] {
        let mut bytes = [0; TRAILER_LEN];
        let mut put = |at: usize, field: &[u8]| bytes[at..at + field.len()].copy_from_slice(field);
        put(0, &TRAILER_MAGIC);
        put(KIND_AT, &[self.kind as u8, self.codec as u8]);
        put(PAYLOAD_LEN_AT, &self.payload_len.to_le_bytes());
        put(RAW_LEN_AT, &self.raw_len.to_le_bytes());
        put(DIRECTORY_LEN_AT, &self.directory_len.to_le_bytes());
        put(PAYLOAD_CHECK_AT, &self.payload_check);
        let check = keyed_check(key, offset, &bytes[..CHECK_AT], directory);
        bytes[CHECK_AT..].copy_from_slice(&check);
        bytes
    }

    /// Reads the fields without believing them: what they say must be proven by the items' ids.
    pub fn decode(bytes: &[u8; TRAILER_LEN]) -> Result<Self, TrailerError> {
        if !bytes.starts_with(&TRAILER_MAGIC) {
            return Err(TrailerError);
        }
        let kind = match bytes[KIND_AT] {
            1 => RecordKind::Frame,
            2 => RecordKind::Extent,
            _ => return Err(TrailerError),
        };
        let codec = match bytes[CODEC_AT] {
            0 => Codec::Raw,
            1 => Codec::Zstd,
            _ => return Err(TrailerError),
        };
        let trailer = Self {
            kind,
            codec,
            payload_len: u64_at(bytes, PAYLOAD_LEN_AT),
            raw_len: u64_at(bytes, RAW_LEN_AT),
            directory_len: u32_at(bytes, DIRECTORY_LEN_AT),
            payload_check: array_at(bytes, PAYLOAD_CHECK_AT),
        };
        if trailer.is_plausible() { Ok(trailer) } else { Err(TrailerError) }
    }

    fn is_plausible(&self) -> bool {
        let raw_fits = self.codec == Codec::Zstd || (self.payload_len == self.raw_len);
        let kind_fits = self.kind == RecordKind::Frame
            || (self.codec == Codec::Raw && self.payload_check == [0; 16]);
        raw_fits
            && kind_fits
            && self.payload_len <= RECORD_PAYLOAD_MAX
            && self.raw_len <= RECORD_PAYLOAD_MAX
            && self.directory_len <= DIRECTORY_BYTES_MAX
            && (self.directory_len as usize).is_multiple_of(DIRECTORY_ENTRY_LEN)
    }

    /// Returns whether `bytes`, found at `offset` after `directory`, are this arena's own.
    pub fn is_genuine(
        bytes: &[u8; TRAILER_LEN],
        key: &ArenaKey,
        offset: u64,
        directory: &[u8],
    ) -> bool {
        keyed_check(key, offset, &bytes[..CHECK_AT], directory) == bytes[CHECK_AT..]
    }

    /// Returns how many bytes lie between the record's start and its trailer.
    pub fn body_len(&self) -> u64 {
        record_body_len(self.payload_len, u64::from(self.directory_len))
    }
}

fn keyed_check(key: &ArenaKey, offset: u64, fields: &[u8], directory: &[u8]) -> Check {
    let mut hasher = blake3::Hasher::new_keyed(&key.0);
    hasher.update(&offset.to_le_bytes());
    hasher.update(fields);
    hasher.update(directory);
    array_at(hasher.finalize().as_bytes(), 0)
}
