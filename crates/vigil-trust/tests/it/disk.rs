//! A disk in memory that loses power: what was not synced is gone, or there in part.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use vigil_base::world::{
    Disk, DiskError, DiskFault, DiskFile, Lock, Mapped, OpenMode, Randomness, RandomnessError,
};

#[derive(Clone, Default)]
struct Stored {
    content: Vec<u8>,
    durable: Vec<u8>,
}

#[derive(Default)]
struct State {
    files: BTreeMap<String, Stored>,
    /// What a `sync_folder` has covered.
    names: BTreeMap<String, Vec<u8>>,
    steps_left: Option<u64>,
    /// Which open files hold a lock on a file, and whether alone.
    locks: BTreeMap<String, BTreeMap<u64, bool>>,
    opened: u64,
}

/// The disk. Clones are the same disk.
#[derive(Clone, Default)]
pub struct MemoryDisk(Arc<Mutex<State>>);

fn failed(fault: DiskFault, path: &str) -> DiskError {
    DiskError { fault, action: "use", path: path.into(), reason: format!("{fault:?}") }
}

impl MemoryDisk {
    fn step(&self, path: &str) -> Result<std::sync::MutexGuard<'_, State>, DiskError> {
        let mut state = self.0.lock().expect("no test panics while it holds it");
        match &mut state.steps_left {
            Some(0) => Err(failed(DiskFault::Other, path)),
            Some(left) => {
                *left -= 1;
                Ok(state)
            }
            None => Ok(state),
        }
    }

    /// Lets so many changes through, and fails whatever comes after them.
    pub fn die_after(&self, steps: u64) {
        self.0.lock().expect("free").steps_left = Some(steps);
    }

    /// Lets all changes through again, as for the next process after one that died.
    pub fn revive(&self) {
        self.0.lock().expect("free").steps_left = None;
    }

    /// Comes back after power was lost: of what was not synced, `kept` bytes at the end of each file stay.
    pub fn after_power_loss(&self, kept: usize) -> Self {
        let state = self.0.lock().expect("free");
        let files = state.names.keys().map(|name| {
            let found = state.files.get(name).cloned().unwrap_or_default();
            let mut content = found.durable.clone();
            if found.content.starts_with(&found.durable) {
                let more = &found.content[found.durable.len()..];
                content.extend(&more[..kept.min(more.len())]);
            }
            (name.clone(), Stored { durable: content.clone(), content })
        });
        let files: BTreeMap<String, Stored> = files.collect();
        let names = files.keys().map(|name| (name.clone(), Vec::new())).collect();
        Self(Arc::new(Mutex::new(State { files, names, ..State::default() })))
    }

    /// Copies everything, as a backup or a clone does.
    pub fn copied(&self) -> Self {
        let state = self.0.lock().expect("free");
        let (files, names) = (state.files.clone(), state.names.clone());
        Self(Arc::new(Mutex::new(State { files, names, ..State::default() })))
    }

    /// Changes a file's bytes behind everybody's back.
    pub fn meddle(&self, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let mut state = self.0.lock().expect("free");
        let stored = state.files.get_mut(name).expect("there is such a file");
        change(&mut stored.content);
        stored.durable = stored.content.clone();
    }
}

struct MemoryFile {
    disk: MemoryDisk,
    name: String,
    /// Which open file it is.
    number: u64,
}

impl Drop for MemoryFile {
    fn drop(&mut self) {
        // A test that has failed meanwhile has nothing more to learn from locks.
        let Ok(mut state) = self.disk.0.lock() else { return };
        if let Some(holders) = state.locks.get_mut(&self.name) {
            holders.remove(&self.number);
        }
    }
}

impl Disk for MemoryDisk {
    fn open(&self, path: &str, mode: OpenMode) -> Result<Box<dyn DiskFile>, DiskError> {
        let is_there = self.0.lock().expect("free").files.contains_key(path);
        match (mode, is_there) {
            (OpenMode::Read | OpenMode::Write, false) => {
                return Err(failed(DiskFault::Absent, path));
            }
            (OpenMode::CreateNew, true) => return Err(failed(DiskFault::Exists, path)),
            (OpenMode::Create | OpenMode::CreateNew, false) => {
                self.step(path)?.files.insert(path.into(), Stored::default());
            }
            _ => {}
        }
        let mut state = self.0.lock().expect("free");
        state.opened += 1;
        let number = state.opened;
        Ok(Box::new(MemoryFile { disk: self.clone(), name: path.into(), number }))
    }

    fn list(&self, path: &str) -> Result<Vec<String>, DiskError> {
        let state = self.0.lock().expect("free");
        let prefix = if path.is_empty() { String::new() } else { format!("{path}/") };
        let below = state.files.keys().filter_map(|name| name.strip_prefix(&prefix));
        Ok(below.filter(|name| !name.contains('/')).map(str::to_owned).collect())
    }

    fn create_folder(&self, _: &str) -> Result<(), DiskError> {
        Ok(())
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), DiskError> {
        let mut state = self.step(from)?;
        let stored = state.files.remove(from).ok_or_else(|| failed(DiskFault::Absent, from))?;
        state.files.insert(to.into(), stored);
        Ok(())
    }

    fn remove(&self, path: &str) -> Result<(), DiskError> {
        self.step(path)?.files.remove(path);
        Ok(())
    }

    fn sync_folder(&self, _: &str) -> Result<(), DiskError> {
        let mut state = self.step("folder")?;
        state.names = state.files.keys().map(|name| (name.clone(), Vec::new())).collect();
        Ok(())
    }

    fn describe(&self) -> String {
        "memory".into()
    }

    fn free_bytes(&self) -> Result<Option<u64>, DiskError> {
        Ok(None)
    }
}

impl DiskFile for MemoryFile {
    fn len(&self) -> Result<u64, DiskError> {
        let state = self.disk.0.lock().expect("free");
        Ok(state.files.get(&self.name).map_or(0, |stored| stored.content.len() as u64))
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<usize, DiskError> {
        let state = self.disk.0.lock().expect("free");
        let Some(stored) = state.files.get(&self.name) else { return Ok(0) };
        let from = stored.content.get(offset as usize..).unwrap_or_default();
        let count = from.len().min(into.len());
        into[..count].copy_from_slice(&from[..count]);
        Ok(count)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<(), DiskError> {
        let mut state = self.disk.step(&self.name)?;
        let stored = state.files.entry(self.name.clone()).or_default();
        let end = offset as usize + bytes.len();
        stored.content.resize(stored.content.len().max(end), 0);
        stored.content[offset as usize..end].copy_from_slice(bytes);
        Ok(())
    }

    fn set_len(&self, len: u64) -> Result<(), DiskError> {
        let mut state = self.disk.step(&self.name)?;
        state.files.entry(self.name.clone()).or_default().content.resize(len as usize, 0);
        Ok(())
    }

    fn sync(&self) -> Result<(), DiskError> {
        let mut state = self.disk.step(&self.name)?;
        if let Some(stored) = state.files.get_mut(&self.name) {
            stored.durable = stored.content.clone();
        }
        Ok(())
    }

    /// Whoever would have to wait is refused: tests do one thing at a time, so it would be for ever.
    fn lock(&self, lock: Lock, _: bool) -> Result<bool, DiskError> {
        let is_exclusive = lock == Lock::Exclusive;
        let mut state = self.disk.0.lock().expect("free");
        let holders = state.locks.entry(self.name.clone()).or_default();
        let others = holders.iter().filter(|(number, _)| **number != self.number);
        if others.into_iter().any(|(_, is_alone)| is_exclusive || *is_alone) {
            return Ok(false);
        }
        holders.insert(self.number, is_exclusive);
        Ok(true)
    }

    fn map(&self, _: u64) -> Result<Arc<dyn Mapped>, DiskError> {
        Err(failed(DiskFault::Other, &self.name))
    }
}

/// Bytes that never come twice.
#[derive(Default)]
pub struct Counting(Mutex<u64>);

impl Randomness for Counting {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), RandomnessError> {
        for chunk in bytes.chunks_mut(8) {
            let mut count = self.0.lock().expect("free");
            *count += 1;
            chunk.copy_from_slice(&count.to_be_bytes()[..chunk.len()]);
        }
        Ok(())
    }
}
