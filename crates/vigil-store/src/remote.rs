//! Arenas that have been moved elsewhere, and how they are reached.
//!
//! Of a moved arena, header, table and seal stay here, so that looking something up needs no network.

use std::sync::{Arc, PoisonError};

use vigil_base::Vcid;
use vigil_base::cbor::{Decoder, Encoder};
use vigil_base::world::{Disk, DiskError, DiskFault, DiskFile, Lock, Mapped, OpenMode};

use crate::arena::{Arena, ArenaError};
use crate::checked::{self, Loaded};
use crate::format::HEADER_LEN;
use crate::paths;
use crate::store::{Inner, Store};

/// A place that keeps sealed arenas, such as an object store. What it returns is never believed:
/// every item is compared with its id.
pub trait Remote: Send + Sync {
    /// Opens the arena file named `vcid`, of `len` bytes, for reading by ranges.
    fn open_arena(&self, vcid: Vcid, len: u64) -> Result<Arc<dyn DiskFile>, DiskError>;
}

/// What is known of an arena whose file has been moved away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moved {
    /// The SHA-256 of the arena's file.
    pub vcid: Vcid,
    /// Its length in bytes.
    pub len: u64,
    /// Where its table starts; everything from there on has stayed here.
    pub table_at: u64,
}

const TAG: &str = "vigil.moved/1";

/// The record has some 80 bytes.
const MOVED_BYTES_MAX: usize = 4096;

fn record_path(number: u32) -> String {
    format!("{}/{number:08}.moved", paths::ARENAS)
}

fn tail_path(number: u32) -> String {
    format!("{}/{number:08}.tail", paths::ARENAS)
}

impl Store {
    /// Says where moved arenas are to be read from.
    pub fn attach_remote(&self, remote: Arc<dyn Remote>) {
        *self.inner.remote.lock().unwrap_or_else(PoisonError::into_inner) = Some(remote);
        self.inner.forget_arenas();
    }

    /// Returns what is known of arena `number` if its file has been moved away.
    pub fn moved(&self, number: u32) -> Result<Option<Moved>, DiskError> {
        load(&*self.inner.world.disk, number)
    }

    /// Removes the file of a sealed arena that is now kept elsewhere under the name `vcid`. The
    /// caller has read it back from there and compared the hash.
    pub fn move_away(&self, arena: &Arena, vcid: Vcid) -> Result<(), ArenaError> {
        let damaged = |offset| ArenaError::Damaged { number: arena.number, offset };
        let len = arena.file().len()?;
        let seal = arena.seal()?.map_err(|_| damaged(len))?;
        let moved = Moved { vcid, len, table_at: seal.table_at };
        let disk = &*self.inner.world.disk;
        let mut tail = vec![0; HEADER_LEN + (len - seal.table_at) as usize];
        let read = arena.file().read_at(0, &mut tail[..HEADER_LEN])?
            + arena.file().read_at(seal.table_at, &mut tail[HEADER_LEN..])?;
        if read != tail.len() {
            return Err(damaged(len));
        }
        vigil_base::world::replace_file(disk, &tail_path(arena.number), &tail)?;
        checked::save(disk, &record_path(arena.number), moved.encode())?;
        disk.remove(&paths::arena(arena.number))?;
        disk.sync_folder(paths::ARENAS)?;
        self.inner.forget_arenas();
        Ok(())
    }

    /// Forgets that arena `number` was moved, because its file is here again or not needed any more.
    pub(crate) fn forget_moved(&self, number: u32) -> Result<(), DiskError> {
        let disk = &*self.inner.world.disk;
        disk.remove(&record_path(number))?;
        disk.remove(&tail_path(number))?;
        disk.sync_folder(paths::ARENAS)
    }
}

impl Moved {
    fn encode(&self) -> Vec<u8> {
        let mut encoder = Encoder::record(TAG, 4);
        encoder.bytes(self.vcid.as_bytes());
        encoder.unsigned(self.len);
        encoder.unsigned(self.table_at);
        encoder.finish()
    }
}

fn load(disk: &dyn Disk, number: u32) -> Result<Option<Moved>, DiskError> {
    let path = record_path(number);
    let record = match checked::load(disk, &path, MOVED_BYTES_MAX)? {
        Loaded::Absent => return Ok(None),
        Loaded::Damaged => return Err(not_a_record(path, "its checksum is wrong".into())),
        Loaded::Record(record) => record,
    };
    let decode = || {
        let mut decoder = Decoder::record(&record, TAG, 4)?;
        let vcid = Vcid::from_bytes(decoder.byte_array()?);
        let (len, table_at) = (decoder.unsigned()?, decoder.unsigned()?);
        decoder.finish().map(|()| Moved { vcid, len, table_at })
    };
    match decode() {
        Ok(moved) if (HEADER_LEN as u64..=moved.len).contains(&moved.table_at) => Ok(Some(moved)),
        Ok(_) => Err(not_a_record(path, "its table is not between header and end".into())),
        Err(error) => Err(not_a_record(path, error.to_string())),
    }
}

fn not_a_record(path: String, reason: String) -> DiskError {
    DiskError { fault: DiskFault::Other, action: "read", path, reason }
}

/// Opens the file of arena `number`, or what has stayed of it here.
pub(crate) fn open_arena_file(
    disk: &dyn Disk,
    number: u32,
    remote: Option<&Arc<dyn Remote>>,
) -> Result<Arc<dyn DiskFile>, DiskError> {
    let absent = match disk.open(&paths::arena(number), OpenMode::Read) {
        Ok(file) => return Ok(Arc::from(file)),
        Err(error) if error.fault == DiskFault::Absent => error,
        Err(error) => return Err(error),
    };
    let Some(moved) = load(disk, number)? else { return Err(absent) };
    let tail = Arc::from(disk.open(&tail_path(number), OpenMode::Read)?);
    let body = remote.map(|remote| remote.open_arena(moved.vcid, moved.len)).transpose()?;
    Ok(Arc::new(MovedFile { number, moved, tail, body }))
}

impl Inner {
    pub(crate) fn attached_remote(&self) -> Option<Arc<dyn Remote>> {
        self.remote.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A moved arena: its ends are here, its records elsewhere.
struct MovedFile {
    number: u32,
    moved: Moved,
    tail: Arc<dyn DiskFile>,
    body: Option<Arc<dyn DiskFile>>,
}

impl MovedFile {
    fn refuse(&self, action: &'static str) -> DiskError {
        DiskError {
            fault: DiskFault::Denied,
            action,
            path: paths::arena(self.number),
            reason: "it has been moved to a tier".into(),
        }
    }
}

impl DiskFile for MovedFile {
    fn len(&self) -> Result<u64, DiskError> {
        Ok(self.moved.len)
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<usize, DiskError> {
        let end = offset.saturating_add(into.len() as u64);
        if end <= HEADER_LEN as u64 {
            return self.tail.read_at(offset, into);
        }
        if offset >= self.moved.table_at {
            return self.tail.read_at(offset - self.moved.table_at + HEADER_LEN as u64, into);
        }
        match &self.body {
            Some(body) => body.read_at(offset, into),
            None => Err(DiskError {
                fault: DiskFault::Other,
                action: "read",
                path: paths::arena(self.number),
                reason: format!(
                    "it has been moved to a tier as {}; add that tier with `vigil tier add`",
                    self.moved.vcid
                ),
            }),
        }
    }

    fn write_at(&self, _: u64, _: &[u8]) -> Result<(), DiskError> {
        Err(self.refuse("write"))
    }

    fn set_len(&self, _: u64) -> Result<(), DiskError> {
        Err(self.refuse("resize"))
    }

    fn sync(&self) -> Result<(), DiskError> {
        Ok(())
    }

    fn lock(&self, _: Lock, _: bool) -> Result<bool, DiskError> {
        Err(self.refuse("lock"))
    }

    fn can_map(&self) -> bool {
        false
    }

    fn map(&self, _: u64) -> Result<Arc<dyn Mapped>, DiskError> {
        Err(self.refuse("map"))
    }
}
