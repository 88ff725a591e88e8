//! The advisory record of files that have not changed since they were last added.
//!
//! Drawn in `docs/format/store.md`. It saves reading; it is never the reason to believe something
//! about bytes: an entry counts only if device, inode, size, modification and change time all agree,
//! the file was last changed well before it was read, and the store still has the blob.

use std::collections::HashMap;

use vigil_base::Vcid;
use vigil_base::world::{Disk, DiskError, DiskFault, Lock, Moment, OpenMode, replace_file};

use crate::folder::{Known, Stamp};

const PATH: &str = "cache/files";
const LOCK: &str = "cache/lock";
const MAGIC: [u8; 8] = *b"vigfiles";
const HEADER_LEN: usize = 48;
const ENTRY_LEN: usize = 72;

/// Most entries: 288 MB of file, and as much memory while adding.
const ENTRIES_MAX: usize = 4 << 20;

/// A file that was changed within this time before it was read is not recorded: a clock that ticks
/// coarsely (ext4 has 4 ms, FAT has 2 s) could hide a later change.
pub(crate) const SETTLED_NANOS: i64 = 2_000_000_000;

/// What was known when the record was loaded.
#[derive(Default)]
pub(crate) struct Changes {
    known: HashMap<(u64, u64), Known>,
}

impl Changes {
    /// Loads the record; one that is absent or damaged is empty, since it only saves time.
    pub fn load(disk: &dyn Disk) -> Result<Self, DiskError> {
        let file = match disk.open(PATH, OpenMode::Read) {
            Ok(file) => file,
            Err(error) if error.fault == DiskFault::Absent => return Ok(Self::default()),
            Err(error) => return Err(error),
        };
        let len = file.len()?.min((HEADER_LEN + ENTRIES_MAX * ENTRY_LEN) as u64) as usize;
        let mut bytes = vec![0; len];
        let read = file.read_at(0, &mut bytes)?;
        Ok(Self::decode(&bytes[..read]).unwrap_or_default())
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (header, body) = bytes.split_at_checked(HEADER_LEN)?;
        let is_sound = header.starts_with(&MAGIC)
            && header[16..48] == *Vcid::of(body).as_bytes()
            && body.len().is_multiple_of(ENTRY_LEN);
        if !is_sound {
            return None;
        }
        let known = body.chunks_exact(ENTRY_LEN).map(|entry| {
            let word = |at: usize| {
                let mut eight = [0; 8];
                eight.copy_from_slice(&entry[at..at + 8]);
                u64::from_le_bytes(eight)
            };
            let stamp = Stamp {
                device: word(0),
                inode: word(8),
                size: word(16),
                modified: word(24) as i64,
                changed: word(32) as i64,
            };
            let mut digest = [0; 32];
            digest.copy_from_slice(&entry[40..]);
            ((stamp.device, stamp.inode), Known { stamp, vcid: Vcid::from_bytes(digest) })
        });
        Some(Self { known: known.collect() })
    }

    /// Returns what is stored for a file of exactly this state.
    pub fn find(&self, stamp: &Stamp) -> Option<Vcid> {
        let known = self.known.get(&(stamp.device, stamp.inode))?;
        (known.stamp == *stamp).then_some(known.vcid)
    }

    /// Adds what was read at `now` and later, and saves the record.
    pub fn save(
        mut self,
        disk: &dyn Disk,
        fresh: Vec<Known>,
        now: Moment,
    ) -> Result<(), DiskError> {
        let settled_before = now.0.saturating_sub(SETTLED_NANOS);
        for known in fresh {
            let key = (known.stamp.device, known.stamp.inode);
            if known.stamp.modified.max(known.stamp.changed) < settled_before {
                self.known.insert(key, known);
            } else {
                self.known.remove(&key);
            }
        }
        let mut known: Vec<&Known> = self.known.values().collect();
        known.sort_unstable_by_key(|known| (known.stamp.device, known.stamp.inode));
        known.truncate(ENTRIES_MAX);
        let mut bytes = vec![0; HEADER_LEN];
        bytes.reserve_exact(known.len() * ENTRY_LEN);
        for Known { stamp, vcid } in known {
            for word in [stamp.device, stamp.inode, stamp.size] {
                bytes.extend(word.to_le_bytes());
            }
            bytes.extend(stamp.modified.to_le_bytes());
            bytes.extend(stamp.changed.to_le_bytes());
            bytes.extend(vcid.as_bytes());
        }
        bytes[..8].copy_from_slice(&MAGIC);
        let check = Vcid::of(&bytes[HEADER_LEN..]);
        bytes[16..48].copy_from_slice(check.as_bytes());
        disk.create_folder("cache")?;
        // Of several processes that save at once, the last one's record stays: it is advice.
        let lock = disk.open(LOCK, OpenMode::Create)?;
        lock.lock(Lock::Exclusive, true)?;
        replace_file(disk, PATH, &bytes)
    }
}
