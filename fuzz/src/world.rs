//! A world in memory for the store: files, a clock that stands still, bytes that repeat.
//!
//! Invariant: a copy of a disk shares nothing with it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use vigil_base::world::{
    Clock, Disk, DiskError, DiskFault, DiskFile, Lock, Mapped, Moment, OpenMode, Randomness,
    RandomnessError,
};

type Bytes = Arc<Mutex<Vec<u8>>>;

/// Files in memory.
#[derive(Default)]
pub struct MemoryDisk(Mutex<BTreeMap<String, Bytes>>);

/// One of them, open.
pub struct MemoryFile(Bytes);

struct Copied(Vec<u8>);

impl MemoryFile {
    /// Opens bytes as a file.
    pub fn of(bytes: Vec<u8>) -> MemoryFile {
        MemoryFile(Arc::new(Mutex::new(bytes)))
    }

    fn with<T>(&self, act: impl FnOnce(&mut Vec<u8>) -> T) -> T {
        // A poisoned lock means that a panic is on its way out already.
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl MemoryDisk {
    fn with<T>(&self, act: impl FnOnce(&mut BTreeMap<String, Bytes>) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Returns the paths and contents of all files.
    pub fn files(&self) -> Vec<(String, Vec<u8>)> {
        let copy = |(path, bytes): (&String, &Bytes)| {
            (path.clone(), MemoryFile(bytes.clone()).with(|bytes| bytes.clone()))
        };
        self.with(|files| files.iter().map(copy).collect())
    }

    /// Makes a disk of files.
    pub fn of(files: Vec<(String, Vec<u8>)>) -> MemoryDisk {
        let files = files.into_iter().map(|(path, bytes)| (path, Arc::new(Mutex::new(bytes))));
        MemoryDisk(Mutex::new(files.collect()))
    }
}

fn fault(fault: DiskFault, action: &'static str, path: &str) -> DiskError {
    DiskError { fault, action, path: path.to_owned(), reason: "the disk is in memory".to_owned() }
}

impl Disk for MemoryDisk {
    fn open(&self, path: &str, mode: OpenMode) -> Result<Box<dyn DiskFile>, DiskError> {
        self.with(|files| {
            let found = files.get(path).cloned();
            let bytes = match (found, mode) {
                (Some(_), OpenMode::CreateNew) => {
                    return Err(fault(DiskFault::Exists, "create", path));
                }
                (Some(bytes), _) => bytes,
                (None, OpenMode::Read | OpenMode::Write) => {
                    return Err(fault(DiskFault::Absent, "open", path));
                }
                (None, _) => files.entry(path.to_owned()).or_default().clone(),
            };
            Ok(Box::new(MemoryFile(bytes)) as Box<dyn DiskFile>)
        })
    }

    fn list(&self, path: &str) -> Result<Vec<String>, DiskError> {
        let folder = if path.is_empty() { String::new() } else { format!("{path}/") };
        self.with(|files| {
            let below = files.keys().filter_map(|file| file.strip_prefix(folder.as_str()));
            let mut names: Vec<String> =
                below.filter_map(|rest| rest.split('/').next()).map(str::to_owned).collect();
            names.dedup();
            Ok(names)
        })
    }

    fn create_folder(&self, _path: &str) -> Result<(), DiskError> {
        Ok(())
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), DiskError> {
        self.with(|files| {
            let bytes =
                files.remove(from).ok_or_else(|| fault(DiskFault::Absent, "rename", from))?;
            files.insert(to.to_owned(), bytes);
            Ok(())
        })
    }

    fn remove(&self, path: &str) -> Result<(), DiskError> {
        self.with(|files| files.remove(path));
        Ok(())
    }

    fn sync_folder(&self, _path: &str) -> Result<(), DiskError> {
        Ok(())
    }

    fn describe(&self) -> String {
        "memory".to_owned()
    }

    fn free_bytes(&self) -> Result<Option<u64>, DiskError> {
        Ok(None)
    }
}

impl DiskFile for MemoryFile {
    fn len(&self) -> Result<u64, DiskError> {
        Ok(self.with(|bytes| bytes.len() as u64))
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<usize, DiskError> {
        self.with(|bytes| {
            let offset = usize::try_from(offset).unwrap_or(usize::MAX);
            let rest = bytes.get(offset..).unwrap_or_default();
            let count = rest.len().min(into.len());
            into[..count].copy_from_slice(&rest[..count]);
            Ok(count)
        })
    }

    fn write_at(&self, offset: u64, what: &[u8]) -> Result<(), DiskError> {
        let end = usize::try_from(offset).ok().and_then(|at| at.checked_add(what.len()));
        let Some(end) = end else { return Err(fault(DiskFault::Full, "write", "a file")) };
        self.with(|bytes| {
            bytes.resize(bytes.len().max(end), 0);
            bytes[end - what.len()..end].copy_from_slice(what);
        });
        Ok(())
    }

    fn set_len(&self, len: u64) -> Result<(), DiskError> {
        let len = usize::try_from(len).map_err(|_| fault(DiskFault::Full, "resize", "a file"))?;
        self.with(|bytes| bytes.resize(len, 0));
        Ok(())
    }

    fn sync(&self) -> Result<(), DiskError> {
        Ok(())
    }

    fn lock(&self, _lock: Lock, _wait: bool) -> Result<bool, DiskError> {
        Ok(true)
    }

    fn map(&self, len: u64) -> Result<Arc<dyn Mapped>, DiskError> {
        let copy = self.with(|bytes| bytes.get(..usize::try_from(len).ok()?).map(<[u8]>::to_vec));
        let copy = copy.ok_or_else(|| fault(DiskFault::Other, "map", "a file"))?;
        Ok(Arc::new(Copied(copy)))
    }
}

impl Mapped for Copied {
    fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// A clock that stands still.
pub struct StoppedClock;

impl Clock for StoppedClock {
    fn now(&self) -> Moment {
        Moment(1_700_000_000_000_000_000)
    }
}

/// Bytes that differ from call to call and not from run to run.
#[derive(Default)]
pub struct CountedBytes(AtomicU8);

impl Randomness for CountedBytes {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), RandomnessError> {
        bytes.fill(self.0.fetch_add(1, Ordering::Relaxed));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_kept_renamed_and_listed() {
        let disk = MemoryDisk::default();
        assert!(disk.open("a/b", OpenMode::Read).is_err());
        let file = disk.open("a/b", OpenMode::CreateNew).unwrap();
        file.write_at(2, b"xy").unwrap();
        assert!(disk.open("a/b", OpenMode::CreateNew).is_err());
        disk.rename("a/b", "a/c").unwrap();
        assert_eq!(disk.list("a").unwrap(), ["c"]);
        assert_eq!(disk.list("").unwrap(), ["a"]);
        assert_eq!(disk.files(), [("a/c".to_owned(), b"\0\0xy".to_vec())]);
        let mut bytes = [9; 4];
        assert_eq!((file.read_at(3, &mut bytes).unwrap(), bytes[0]), (1, b'y'));
        assert_eq!(file.read_at(9, &mut bytes).unwrap(), 0);
        assert!(file.map(5).is_err());
        assert_eq!(file.map(3).unwrap().bytes(), b"\0\0x");
    }
}
