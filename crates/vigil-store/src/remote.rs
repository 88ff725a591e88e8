//! Arenas that have been moved elsewhere, and how they are reached.

use std::sync::{Arc, PoisonError};

use vigil_base::Vcid;
use vigil_base::cbor::{Decoder, Encoder};
use vigil_base::world::{DiskError, DiskFault, DiskFile, OpenMode};

use crate::arena::ArenaError;
use crate::paths;
use crate::store::{Inner, Store};

/// A place that keeps sealed arenas, such as an object store. What it returns is never believed:
/// every item is compared with its id.
pub trait Remote: Send + Sync {
    /// Opens the arena file named `vcid`, of `len` bytes, for reading by ranges.
    fn open_arena(&self, vcid: Vcid, len: u64) -> Result<Arc<dyn DiskFile>, DiskError>;
}

/// What stays of an arena whose file has been moved away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moved {
    /// The SHA-256 of the arena's file.
    pub vcid: Vcid,
    /// Its length in bytes.
    pub len: u64,
}

const TAG: &str = "vigil.moved/1";

impl Store {
    /// Says where moved arenas are to be read from.
    pub fn attach_remote(&self, remote: Arc<dyn Remote>) {
        *self.inner.remote.lock().unwrap_or_else(PoisonError::into_inner) = Some(remote);
    }

    /// Returns what stays of arena `number` if its file has been moved away.
    pub fn moved(&self, number: u32) -> Result<Option<Moved>, DiskError> {
        self.inner.moved(number)
    }
}

fn path(number: u32) -> String {
    format!("{}/{number:08}.moved", paths::ARENAS)
}

impl Inner {
    pub(crate) fn moved(&self, number: u32) -> Result<Option<Moved>, DiskError> {
        let file = match self.world.disk.open(&path(number), OpenMode::Read) {
            Ok(file) => file,
            Err(error) if error.fault == DiskFault::Absent => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut bytes = [0; 128];
        let read = file.read_at(0, &mut bytes)?;
        let decode = || {
            let mut decoder = Decoder::record(&bytes[..read], TAG, 3)?;
            let vcid = Vcid::from_bytes(decoder.byte_array()?);
            let len = decoder.unsigned()?;
            decoder.finish().map(|()| Moved { vcid, len })
        };
        decode().map(Some).map_err(|error| DiskError {
            fault: DiskFault::Other,
            action: "read",
            path: path(number),
            reason: error.to_string(),
        })
    }

    /// Notes that arena `number` has been moved, and removes its file.
    pub(crate) fn move_away(&self, number: u32, moved: Moved) -> Result<(), DiskError> {
        let mut encoder = Encoder::record(TAG, 3);
        encoder.bytes(moved.vcid.as_bytes());
        encoder.unsigned(moved.len);
        let disk = &*self.world.disk;
        crate::replace::replace_file(disk, &path(number), &encoder.finish())?;
        disk.remove(&paths::arena(number))?;
        disk.sync_folder(paths::ARENAS)?;
        self.forget_arenas();
        Ok(())
    }

    pub(crate) fn remote_file(
        &self,
        number: u32,
        absent: DiskError,
    ) -> Result<Arc<dyn DiskFile>, ArenaError> {
        let Some(moved) = self.moved(number)? else { return Err(absent.into()) };
        let remote = self.remote.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match remote {
            Some(remote) => Ok(remote.open_arena(moved.vcid, moved.len)?),
            None => Err(ArenaError::Away { number, vcid: moved.vcid }),
        }
    }
}
