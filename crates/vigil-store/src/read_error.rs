//! What can go wrong with reading a blob.

use vigil_base::limits::RECORD_BYTES_MAX;
use vigil_base::{Blame, Blamed, Vcid};

use crate::arena::ArenaError;
use crate::index::IndexError;

/// Why a blob could not be read back.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// Nothing of that name is stored here.
    #[error("no blob named {vcid}")]
    Absent {
        /// The name.
        vcid: Vcid,
    },
    /// The bytes that are stored are not the ones that the name stands for.
    #[error(
        "the bytes of {vcid} in arena {arena:08} are damaged at byte {offset}; `vigil repair` can mend them from a tier or another arena"
    )]
    Corrupt {
        /// The blob that was asked for.
        vcid: Vcid,
        /// The number of the arena.
        arena: u32,
        /// The offset of the record's trailer in it.
        offset: u64,
    },
    /// A part of the blob is missing.
    #[error("a part of {vcid} is missing; `vigil repair` can mend it from a tier or another arena")]
    Incomplete {
        /// The blob that was asked for.
        vcid: Vcid,
    },
    /// The range ends behind the blob's end.
    #[error("{vcid} has {len} bytes, so bytes {start} to {end} are not all in it")]
    Range {
        /// The blob.
        vcid: Vcid,
        /// Its length.
        len: u64,
        /// Where the range starts.
        start: u64,
        /// Where the range ends.
        end: u64,
    },
    /// The blob is too long to be read into memory as a record.
    #[error("{vcid} has {len} bytes, and no record has more than {RECORD_BYTES_MAX}")]
    TooLong {
        /// The blob.
        vcid: Vcid,
        /// Its length.
        len: u64,
    },
    /// The arena could not be read.
    #[error("could not read {vcid}")]
    Arena {
        /// The blob that was asked for.
        vcid: Vcid,
        /// What went wrong.
        source: Box<ArenaError>,
    },
    /// The index could not be read.
    #[error("could not look up {vcid}")]
    Index {
        /// The blob that was asked for.
        vcid: Vcid,
        /// What went wrong.
        source: Box<IndexError>,
    },
}

impl Blamed for ReadError {
    fn blame(&self) -> Blame {
        match self {
            Self::Absent { .. } | Self::Range { .. } | Self::TooLong { .. } => Blame::Caller,
            _ => Blame::World,
        }
    }
}
