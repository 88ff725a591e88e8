//! Unpacking what is packed with gzip or Zstandard, within a bound.

use std::io::{self, Read};

use bytes::Bytes;
use vigil_store::{Blob, Store};

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

/// Unpacks a blob; more than `bytes_max` bytes are an error, as is what is cut short.
pub fn unpack(store: &Store, blob: &Blob, packing: Packing, bytes_max: usize) -> io::Result<Bytes> {
    let packed = io::BufReader::with_capacity(1 << 18, BlobReader { store, blob, at: 0 });
    match packing {
        Packing::Gzip => take(flate2::bufread::MultiGzDecoder::new(packed), bytes_max),
        Packing::Zstandard => take(zstd::stream::read::Decoder::with_buffer(packed)?, bytes_max),
    }
}

fn take(unpacked: impl Read, bytes_max: usize) -> io::Result<Bytes> {
    let mut bytes = Vec::new();
    unpacked.take(bytes_max as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > bytes_max {
        let text = format!("it unpacks to more than the {bytes_max} bytes that a query may hold");
        return Err(io::Error::new(io::ErrorKind::OutOfMemory, text));
    }
    Ok(bytes.into())
}
