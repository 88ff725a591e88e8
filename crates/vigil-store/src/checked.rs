//! Small files that are replaced as a whole: a record, then a checksum over it.
//!
//! A record that lost a bit could still be one, of another meaning; the checksum tells. It is 16 bytes
//! of BLAKE3, and guards against accidents, not against people: whoever may write here may write both.

use vigil_base::world::{Disk, DiskError, read_file, replace_file};

use crate::format::check_of;

/// What a file was found to be.
pub(crate) enum Loaded {
    /// There is none.
    Absent,
    /// Its checksum is wrong, or it is longer than it may be.
    Damaged,
    /// The record in it.
    Record(Vec<u8>),
}

/// Reads the file at `path`, of at most `bytes_max` bytes.
pub(crate) fn load(disk: &dyn Disk, path: &str, bytes_max: usize) -> Result<Loaded, DiskError> {
    let Some(start) = read_file(disk, path, bytes_max)? else { return Ok(Loaded::Absent) };
    let Some(mut bytes) = start.whole() else { return Ok(Loaded::Damaged) };
    Ok(match bytes.split_last_chunk::<16>() {
        Some((record, check)) if check_of(record) == *check => {
            let len = record.len();
            bytes.truncate(len);
            Loaded::Record(bytes)
        }
        _ => Loaded::Damaged,
    })
}

/// Replaces the file at `path`, durably.
pub(crate) fn save(disk: &dyn Disk, path: &str, mut record: Vec<u8>) -> Result<(), DiskError> {
    let check = check_of(&record);
    record.extend(check);
    replace_file(disk, path, &record)
}
