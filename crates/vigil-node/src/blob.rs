//! Blobs of the store as streams that can be sought in.
//!
//! Invariant: every byte that is handed on has been compared with an id; one piece is in memory at a time.

use std::io::{self, Read, Seek, SeekFrom};

use vigil_kernel::HostFault;
use vigil_store::{Blob, Depth, ItemBytes, Store};

use crate::host::fault;

/// A blob that is being read.
pub struct BlobReader {
    store: Store,
    blob: Blob,
    at: u64,
    /// The piece that was read last, and where it starts.
    piece: Option<(u64, ItemBytes)>,
}

/// Why a stream could not be kept.
pub enum Lost {
    /// The store could not take it.
    Store(HostFault),
    /// It could not be read on.
    Source(io::Error),
}

/// The store failed below a stream that is made of a blob.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.what)]
struct Below(HostFault);

impl BlobReader {
    /// Reads a blob from its start.
    pub fn new(store: Store, blob: Blob) -> Self {
        Self { store, blob, at: 0, piece: None }
    }

    /// Returns how many bytes there are.
    pub fn size(&self) -> u64 {
        self.blob.len()
    }

    /// Returns the fault of the store that an error of a stream above comes from, if it does.
    pub fn fault_in(error: &io::Error) -> Option<HostFault> {
        let mut next: Option<&(dyn std::error::Error + 'static)> = error.get_ref().map(|e| e as _);
        while let Some(error) = next {
            if let Some(Below(fault)) = error.downcast_ref::<Below>() {
                return Some(fault.clone());
            }
            let inside = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
            next = inside.map(|e| e as _).or_else(|| error.source());
        }
        None
    }

    /// Returns the piece that holds byte `at`.
    fn piece_at(&mut self, at: u64) -> io::Result<&[u8]> {
        let holds =
            |(start, bytes): &(u64, ItemBytes)| (*start..start + bytes.len() as u64).contains(&at);
        if !self.piece.as_ref().is_some_and(holds) {
            let count = self.blob.piece_count();
            // The last piece that starts at or before the byte.
            let mut range = 0..count;
            while range.len() > 1 {
                let middle = range.start + range.len() / 2;
                if self.blob.piece_range(middle).0 <= at {
                    range.start = middle;
                } else {
                    range.end = middle;
                }
            }
            let bytes = self.store.piece(&self.blob, range.start, Depth::Full);
            let bytes = bytes.map_err(|error| io::Error::other(Below(fault(&error))))?;
            self.piece = Some((self.blob.piece_range(range.start).0, bytes));
        }
        let (start, bytes) = self.piece.as_ref().expect("it has just been read");
        Ok(&bytes[(at - start) as usize..])
    }
}

impl Read for BlobReader {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let at = self.at;
        if at >= self.size() || into.is_empty() {
            return Ok(0);
        }
        let bytes = self.piece_at(at)?;
        let count = bytes.len().min(into.len());
        into[..count].copy_from_slice(&bytes[..count]);
        self.at += count as u64;
        Ok(count)
    }
}

impl Seek for BlobReader {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let wanted = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.size().checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        let before = || io::Error::new(io::ErrorKind::InvalidInput, "sought before the start");
        self.at = wanted.ok_or_else(before)?;
        Ok(self.at)
    }
}
