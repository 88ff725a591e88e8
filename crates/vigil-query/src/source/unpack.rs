//! Unpacking what is packed with gzip or Zstandard, within the query's memory.

use std::io::{self, Read};

use bytes::Bytes;
use datafusion::common::DataFusionError;
use vigil_store::{Blob, Store};

use crate::budget::Budget;

/// How bytes are packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packing {
    /// RFC 1952.
    Gzip,
    /// RFC 8878.
    Zstandard,
}

impl Packing {
    /// Tells by how bytes begin.
    pub fn of_bytes(front: &[u8]) -> Option<Self> {
        match front {
            [0x1f, 0x8b, 8, ..] => Some(Self::Gzip),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Self::Zstandard),
            _ => None,
        }
    }
}

/// Reads a blob from its start to its end.
struct BlobReader<'a> {
    store: &'a Store,
    blob: &'a Blob,
    at: u64,
}

impl Read for BlobReader<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let left = self.blob.len() - self.at;
        let count = (into.len() as u64).min(left) as usize;
        self.store.read_range(self.blob, self.at, &mut into[..count]).map_err(io::Error::other)?;
        self.at += count as u64;
        Ok(count)
    }
}

/// Largest window of Zstandard, as a power of two: what its own program unpacks without being asked to.
const WINDOW_LOG_MAX: u32 = 27;

/// Bytes that are unpacked at once.
const STEP_BYTES: usize = 64 << 10;

/// Unpacks a blob. What is cut short is an error, and so is what does not fit into memory.
pub fn unpack(
    store: &Store,
    blob: &Blob,
    packing: Packing,
    budget: &Budget,
) -> Result<Bytes, DataFusionError> {
    let packed = io::BufReader::with_capacity(1 << 18, BlobReader { store, blob, at: 0 });
    match packing {
        Packing::Gzip => take(flate2::bufread::MultiGzDecoder::new(packed), budget),
        Packing::Zstandard => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(packed)?;
            decoder.window_log_max(WINDOW_LOG_MAX)?;
            take(decoder, budget)
        }
    }
}

fn take(mut unpacked: impl Read, budget: &Budget) -> Result<Bytes, DataFusionError> {
    let mut room = budget.growing("what was unpacked");
    let mut step = vec![0; STEP_BYTES];
    loop {
        match unpacked.read(&mut step) {
            Ok(0) => return Ok(room.shared()),
            Ok(count) => room.push(&step[..count])?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
}
