//! The doors through which the world comes in: clock, randomness, disk.
//!
//! Logic takes these as arguments, so that a test can own them: a clock that stands still, a disk
//! that dies after the n-th write. The program passes the real ones.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use crate::blame::{Blame, Blamed};

/// A moment: nanoseconds since 1970-01-01T00:00:00Z, leap seconds not counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(pub i64);

/// Tells the time.
pub trait Clock: Send + Sync {
    /// Returns the current moment. It may go back when somebody sets the clock.
    fn now(&self) -> Moment;
}

/// Gives random bytes.
pub trait Randomness: Send + Sync {
    /// Fills `bytes` from a cryptographically secure source.
    fn fill(&self, bytes: &mut [u8]) -> Result<(), RandomnessError>;
}

/// Why there are no random bytes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the system gave no random bytes: {reason}")]
pub struct RandomnessError {
    /// What the system said.
    pub reason: String,
}

/// A file system below one folder. Paths are relative to it, use `/`, and never contain `..`.
pub trait Disk: Send + Sync {
    /// Opens a file.
    fn open(&self, path: &str, mode: OpenMode) -> Result<Box<dyn DiskFile>, DiskError>;
    /// Lists the names directly below the folder `path`, in no order; a folder that is absent is empty.
    fn list(&self, path: &str) -> Result<Vec<String>, DiskError>;
    /// Creates the folder `path` and its parents where they are absent.
    fn create_folder(&self, path: &str) -> Result<(), DiskError>;
    /// Gives the file `from` the name `to`, replacing what was there, atomically.
    fn rename(&self, from: &str, to: &str) -> Result<(), DiskError>;
    /// Removes a file; one that is absent is no error.
    fn remove(&self, path: &str) -> Result<(), DiskError>;
    /// Makes creations, renames and removals directly below the folder `path` durable.
    fn sync_folder(&self, path: &str) -> Result<(), DiskError>;
    /// Returns what people call the folder.
    fn describe(&self) -> String;
    /// Returns how many bytes can still be written, where that is known.
    fn free_bytes(&self) -> Result<Option<u64>, DiskError>;
}

/// What to open a file for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenMode {
    /// Reading a file that exists.
    Read,
    /// Reading and writing a file that exists.
    Write,
    /// Reading and writing a file that must not exist yet.
    CreateNew,
    /// Reading and writing a file that is created where it is absent.
    Create,
}

/// How a file is locked. Locks are advisory and hold between open files, also of other processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lock {
    /// Many may hold it at once.
    Shared,
    /// One may hold it, and nobody the other.
    Exclusive,
}

/// An open file. Positions are bytes from its start.
pub trait DiskFile: Send + Sync {
    /// Returns the length in bytes.
    fn len(&self) -> Result<u64, DiskError>;
    /// Returns whether the file has no bytes.
    fn is_empty(&self) -> Result<bool, DiskError> {
        Ok(self.len()? == 0)
    }
    /// Reads up to `into.len()` bytes at `offset`; fewer only at the end of the file.
    fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<usize, DiskError>;
    /// Writes all `bytes` at `offset`.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<(), DiskError>;
    /// Cuts or extends (with zeros) the file.
    fn set_len(&self, len: u64) -> Result<(), DiskError>;
    /// Makes everything written so far durable.
    fn sync(&self) -> Result<(), DiskError>;
    /// Returns when the file was last written to, where that is known.
    fn written_at(&self) -> Result<Option<Moment>, DiskError> {
        Ok(None)
    }
    /// Takes a lock on the file, released when the file is dropped. Returns whether it was taken:
    /// always after waiting, and without waiting only if no other open file's lock stands against it.
    fn lock(&self, lock: Lock, wait: bool) -> Result<bool, DiskError>;
    /// Returns whether `map` works; it does not for files that lie elsewhere.
    fn can_map(&self) -> bool {
        true
    }
    /// Maps the file's first `len` bytes, which must exist and must not change while mapped.
    fn map(&self, len: u64) -> Result<Arc<dyn Mapped>, DiskError>;
}

/// Bytes of a file that are addressed as memory.
pub trait Mapped: Send + Sync {
    /// Returns the bytes.
    fn bytes(&self) -> &[u8];
}

impl fmt::Debug for dyn Mapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} mapped bytes", self.bytes().len())
    }
}

/// What kind of trouble a disk reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DiskFault {
    /// The file or folder is not there.
    Absent,
    /// A file that must be new is there already.
    Exists,
    /// The disk or the quota is full.
    Full,
    /// Something is there, and it is no file: a folder, a pipe, a link that leads nowhere.
    NotAFile,
    /// Writing is not permitted.
    Denied,
    /// Something else; the text says what.
    Other,
}

/// What a disk could not do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("could not {action} {path}: {reason}")]
pub struct DiskError {
    /// What kind of trouble it is.
    pub fault: DiskFault,
    /// What was tried, as a verb.
    pub action: &'static str,
    /// The file or folder.
    pub path: String,
    /// What the system said.
    pub reason: String,
}

impl Blamed for DiskError {
    fn blame(&self) -> Blame {
        Blame::World
    }
}

/// How a file begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileStart {
    /// The first bytes, as many as were asked for.
    pub bytes: Vec<u8>,
    /// How many bytes the file has.
    pub len: u64,
}

impl FileStart {
    /// Returns the bytes if the file has no others.
    pub fn whole(self) -> Option<Vec<u8>> {
        (self.bytes.len() as u64 == self.len).then_some(self.bytes)
    }
}

/// Reads the first `bytes_max` bytes of the file at `path`, fewer if it has fewer; `None` if it is absent.
///
/// What is to be done about a file that is longer, the caller decides.
pub fn read_file(
    disk: &dyn Disk,
    path: &str,
    bytes_max: usize,
) -> Result<Option<FileStart>, DiskError> {
    let file = match disk.open(path, OpenMode::Read) {
        Ok(file) => file,
        Err(error) if error.fault == DiskFault::Absent => return Ok(None),
        Err(error) => return Err(error),
    };
    let len = file.len()?;
    let wanted = usize::try_from(len).map_or(bytes_max, |len| len.min(bytes_max));
    let mut bytes = alloc::vec![0; wanted];
    let count = file.read_at(0, &mut bytes)?;
    bytes.truncate(count);
    // One that was cut meanwhile ends where reading did.
    let len = if count < wanted { count as u64 } else { len };
    Ok(Some(FileStart { bytes, len }))
}

/// Writes `bytes` to a new file beside `path`, makes them durable, and gives them its name.
///
/// The caller holds a lock under which nobody else replaces the same file.
pub fn replace_file(disk: &dyn Disk, path: &str, bytes: &[u8]) -> Result<(), DiskError> {
    let beside = alloc::format!("{path}.new");
    let file = disk.open(&beside, OpenMode::Create)?;
    file.set_len(0)?;
    file.write_at(0, bytes)?;
    file.sync()?;
    drop(file);
    disk.rename(&beside, path)?;
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    disk.sync_folder(folder)
}
