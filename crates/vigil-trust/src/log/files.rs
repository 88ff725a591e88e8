//! A log's files on a disk, as readers see them.
//!
//! Invariant: no file is read that is longer than its kind allows.

use alloc::string::String;
use alloc::vec::Vec;

use vigil_base::world::{Disk, DiskError, DiskFault, DiskFile, read_file};

use super::note::NOTE_BYTES_MAX;
use super::tile::{BUNDLE_BYTES_MAX, TileId, Tiles};

/// The file that says what the log holds.
pub(crate) const CHECKPOINT: &str = "checkpoint";

/// Reads a whole file, which may have at most so many bytes; `None` if it is not there.
pub(crate) fn read_whole(
    disk: &dyn Disk,
    path: &str,
    bytes_max: usize,
) -> Result<Option<Vec<u8>>, DiskError> {
    let Some(start) = read_file(disk, path, bytes_max)? else { return Ok(None) };
    let len = start.len;
    start.whole().map(Some).ok_or_else(|| DiskError {
        fault: DiskFault::Other,
        action: "read",
        path: String::from(path),
        reason: alloc::format!("it has {len} bytes, and at most {bytes_max} make sense"),
    })
}

/// Reads so many bytes from an offset on, fewer only at the end of the file.
pub(crate) fn read_at(file: &dyn DiskFile, offset: u64, len: usize) -> Result<Vec<u8>, DiskError> {
    let mut bytes = alloc::vec![0; len];
    let count = file.read_at(offset, &mut bytes)?;
    bytes.truncate(count);
    Ok(bytes)
}

/// Reads the checkpoint; `None` if there is no log.
pub(crate) fn read_checkpoint(disk: &dyn Disk) -> Result<Option<Vec<u8>>, DiskError> {
    read_whole(disk, CHECKPOINT, NOTE_BYTES_MAX)
}

/// The tiles of a log on a disk.
#[derive(Clone, Copy)]
pub struct DiskTiles<'a>(pub &'a dyn Disk);

impl Tiles for DiskTiles<'_> {
    type Error = DiskError;

    fn tile(&mut self, id: TileId) -> Result<Option<Vec<u8>>, DiskError> {
        read_whole(self.0, &id.path(), BUNDLE_BYTES_MAX)
    }
}
