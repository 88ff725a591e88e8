//! The advisory record of files that have not changed since they were last added.
//!
//! Drawn in `docs/format/store.md`. It saves reading; it is never the reason to believe something
//! about bytes: an entry counts only if device, inode, size, modification and change time all agree,
//! the file was last changed well before it was read, and the store still has the blob.

use vigil_base::world::{Disk, DiskError, DiskFault, DiskFile, Lock, Moment, OpenMode};
use vigil_base::{Hasher, Vcid};

use crate::folder::{Known, Stamp};

const PATH: &str = "cache/files";
const PATH_NEW: &str = "cache/files.new";
const LOCK: &str = "cache/lock";
const MAGIC: [u8; 8] = *b"vigfiles";
const HEADER_LEN: usize = 48;
const ENTRY_LEN: usize = 72;

/// Most entries: 72 MiB of file, and as much memory while adding. Beyond them files are read again.
pub(crate) const CHANGES_MAX: usize = 1 << 20;

/// The record is read and written in pieces of so many entries.
const ENTRIES_AT_ONCE: usize = 8 << 10;

/// A file that was changed within this time before it was read is not recorded: a clock that ticks
/// coarsely (ext4 has 4 ms, FAT has 2 s) could hide a later change.
pub(crate) const SETTLED_NANOS: i64 = 2_000_000_000;

/// What was known when the record was loaded.
#[derive(Default)]
pub(crate) struct Changes {
    /// Sorted by device and inode, each once.
    known: Vec<Known>,
}

fn key(known: &Known) -> (u64, u64) {
    (known.stamp.device, known.stamp.inode)
}

impl Changes {
    /// Loads the record; one that is absent or damaged is empty, since it only saves time.
    pub fn load(disk: &dyn Disk) -> Result<Self, DiskError> {
        let file = match disk.open(PATH, OpenMode::Read) {
            Ok(file) => file,
            Err(error) if error.fault == DiskFault::Absent => return Ok(Self::default()),
            Err(error) => return Err(error),
        };
        Ok(Self::read(&*file)?.unwrap_or_default())
    }

    fn read(file: &dyn DiskFile) -> Result<Option<Self>, DiskError> {
        let mut header = [0; HEADER_LEN];
        let body = file.len()?.saturating_sub(HEADER_LEN as u64);
        let is_sound = file.read_at(0, &mut header)? == HEADER_LEN
            && header.starts_with(&MAGIC)
            && body.is_multiple_of(ENTRY_LEN as u64)
            && body <= (CHANGES_MAX * ENTRY_LEN) as u64;
        if !is_sound {
            return Ok(None);
        }
        let mut known = Vec::with_capacity(body as usize / ENTRY_LEN);
        let mut hasher = Hasher::new();
        let mut piece = vec![0; ENTRIES_AT_ONCE * ENTRY_LEN];
        let mut at = HEADER_LEN as u64;
        while known.len() < known.capacity() {
            let read = file.read_at(at, &mut piece)?;
            if read == 0 || !read.is_multiple_of(ENTRY_LEN) {
                return Ok(None);
            }
            hasher.update(&piece[..read]);
            known.extend(piece[..read].chunks_exact(ENTRY_LEN).map(decode));
            at += read as u64;
        }
        let is_sound = header[16..48] == *hasher.finish().as_bytes()
            && known.is_sorted_by(|a, b| key(a) < key(b));
        Ok(is_sound.then_some(Self { known }))
    }

    /// Returns what is stored for a file of exactly this state.
    pub fn find(&self, stamp: &Stamp) -> Option<Vcid> {
        let wanted = (stamp.device, stamp.inode);
        let known = &self.known[self.known.binary_search_by_key(&wanted, key).ok()?];
        (known.stamp == *stamp).then_some(known.vcid)
    }

    /// Adds what was read at `now` and later, and saves the record.
    pub fn save(
        self,
        disk: &dyn Disk,
        mut fresh: Vec<Known>,
        now: Moment,
    ) -> Result<(), DiskError> {
        let settled_before = now.0.saturating_sub(SETTLED_NANOS);
        // The last that was read of a file counts, so the sort keeps the order of equals.
        fresh.sort_by_key(key);
        disk.create_folder("cache")?;
        // Of several processes that save at once, the last one's record stays: it is advice.
        let lock = disk.open(LOCK, OpenMode::Create)?;
        lock.lock(Lock::Exclusive, true)?;
        let file = disk.open(PATH_NEW, OpenMode::Create)?;
        file.set_len(0)?;
        let mut saving = Saving { file: &*file, entries: 0, hasher: Hasher::new(), piece: vec![] };
        let mut known = self.known.into_iter().peekable();
        let mut fresh = fresh.into_iter().peekable();
        while let Some(entry) = fresh.next() {
            if fresh.peek().is_some_and(|next| key(next) == key(&entry)) {
                continue;
            }
            while let Some(older) = known.next_if(|older| key(older) < key(&entry)) {
                saving.push(&older)?;
            }
            known.next_if(|older| key(older) == key(&entry));
            if entry.stamp.modified.max(entry.stamp.changed) < settled_before {
                saving.push(&entry)?;
            }
        }
        known.try_for_each(|older| saving.push(&older))?;
        saving.finish()?;
        disk.rename(PATH_NEW, PATH)?;
        disk.sync_folder("cache")
    }
}

/// Writes the record piece by piece.
struct Saving<'a> {
    file: &'a dyn DiskFile,
    entries: usize,
    hasher: Hasher,
    piece: Vec<u8>,
}

impl Saving<'_> {
    fn push(&mut self, known: &Known) -> Result<(), DiskError> {
        if self.entries == CHANGES_MAX {
            return Ok(());
        }
        encode(known, &mut self.piece);
        self.entries += 1;
        if self.piece.len() >= ENTRIES_AT_ONCE * ENTRY_LEN { self.write() } else { Ok(()) }
    }

    fn write(&mut self) -> Result<(), DiskError> {
        let end = HEADER_LEN + self.entries * ENTRY_LEN;
        self.hasher.update(&self.piece);
        self.file.write_at((end - self.piece.len()) as u64, &self.piece)?;
        self.piece.clear();
        Ok(())
    }

    fn finish(mut self) -> Result<(), DiskError> {
        self.write()?;
        let mut header = [0; HEADER_LEN];
        header[..8].copy_from_slice(&MAGIC);
        header[16..48].copy_from_slice(self.hasher.finish().as_bytes());
        self.file.write_at(0, &header)?;
        self.file.sync()
    }
}

fn encode(known: &Known, into: &mut Vec<u8>) {
    let Known { stamp, vcid } = known;
    for word in [stamp.device, stamp.inode, stamp.size] {
        into.extend(word.to_le_bytes());
    }
    into.extend(stamp.modified.to_le_bytes());
    into.extend(stamp.changed.to_le_bytes());
    into.extend(vcid.as_bytes());
}

fn decode(entry: &[u8]) -> Known {
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
    Known { stamp, vcid: Vcid::from_bytes(digest) }
}
