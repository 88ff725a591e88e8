//! A machine with a disk in memory, that loses power and kills processes where a test says so.
//!
//! It is stricter than a real file system: the content of a file is durable only after the file's
//! `sync`, and an entry of a folder only after the folder's `sync_folder`, each independently of the
//! other and of every write before it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use vigil_base::world::{Disk, DiskError, DiskFault, DiskFile, Lock, Mapped, OpenMode};

use crate::world::noise;

/// Where power is lost inside a write: disks write whole sectors.
const SECTOR_LEN: usize = 512;

/// A change to a file's content that no sync has covered yet.
#[derive(Clone)]
enum Change {
    Write { at: usize, bytes: Vec<u8> },
    Length(usize),
}

#[derive(Clone, Default)]
struct Inode {
    /// What processes see.
    content: Vec<u8>,
    /// What certainly survives.
    durable: Vec<u8>,
    changes: Vec<Change>,
    /// Handle and process of those that hold a lock.
    locks: BTreeMap<u64, (u64, Lock)>,
}

/// A change to a folder that no `sync_folder` has covered yet.
#[derive(Clone)]
enum Entry {
    Folder(String),
    Link(String, usize),
    Unlink(String),
    Rename(String, String, usize),
}

impl Entry {
    fn folder(&self) -> &str {
        match self {
            Self::Folder(path) | Self::Link(path, _) | Self::Unlink(path) => parent(path),
            Self::Rename(_, to, _) => parent(to),
        }
    }
}

#[derive(Clone, Default)]
struct Names {
    folders: BTreeSet<String>,
    files: BTreeMap<String, usize>,
}

impl Names {
    fn apply(&mut self, entry: &Entry) {
        match entry {
            Entry::Folder(path) => _ = self.folders.insert(path.clone()),
            Entry::Link(path, inode) => _ = self.files.insert(path.clone(), *inode),
            Entry::Unlink(path) => _ = self.files.remove(path),
            Entry::Rename(from, to, inode) => {
                if self.files.get(from) == Some(inode) {
                    self.files.remove(from);
                }
                self.files.insert(to.clone(), *inode);
            }
        }
    }
}

fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// What a process is told to do at one of its operations.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Life {
    Alive,
    /// Its calls fail, its locks are gone.
    Killed,
    /// Its calls fail, its locks stay: as if it waited for its turn for ever.
    Frozen,
}

#[derive(Clone)]
struct Process {
    life: Life,
    operations: u64,
    /// After this operation, the process meets this end.
    end: Option<(u64, Life)>,
}

#[derive(Clone, Default)]
struct Machine {
    inodes: Vec<Inode>,
    visible: Names,
    durable: Names,
    entries: Vec<Entry>,
    processes: Vec<Process>,
    handles: u64,
    operations: u64,
    /// After this operation the power is gone.
    power_ends: Option<u64>,
    is_dark: bool,
    /// From this operation on nothing more fits.
    full_from: Option<u64>,
}

type Hook = Box<dyn FnOnce() + Send>;

#[derive(Default)]
struct Shared {
    machine: Mutex<Machine>,
    unlocked: Condvar,
    /// Run once, before the file is next opened by anybody.
    hooks: Mutex<Vec<(String, Hook)>>,
}

/// The machine. Cheap to clone; all clones are one machine.
#[derive(Clone, Default)]
pub struct Sim {
    shared: Arc<Shared>,
}

impl Sim {
    fn machine(&self) -> MutexGuard<'_, Machine> {
        self.shared.machine.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts a process and returns the disk as it sees it.
    pub fn process(&self) -> Arc<SimDisk> {
        let mut machine = self.machine();
        machine.processes.push(Process { life: Life::Alive, operations: 0, end: None });
        Arc::new(SimDisk { sim: self.clone(), process: machine.processes.len() - 1 })
    }

    /// Returns how many operations have changed the disk.
    pub fn operations(&self) -> u64 {
        self.machine().operations
    }

    /// The power goes in the middle of operation `number`, counted from 1.
    pub fn lose_power_at(&self, number: u64) {
        self.machine().power_ends = Some(number);
    }

    /// From operation `number` on, the disk is full; `None` for room again.
    pub fn fill_at(&self, number: Option<u64>) {
        self.machine().full_from = number;
    }

    /// Calls `hook` once, before the file `path` is opened the next time.
    pub fn before_open(&self, path: &str, hook: impl FnOnce() + Send + 'static) {
        let mut hooks = self.shared.hooks.lock().unwrap_or_else(PoisonError::into_inner);
        hooks.push((path.into(), Box::new(hook)));
    }

    /// Returns the machine after a power failure, all processes gone. Of what was not synced, `seed`
    /// decides what is there; with `None`, nothing is.
    pub fn reboot(&self, seed: Option<u64>) -> Self {
        let mut machine = self.machine().clone();
        let mut dice = Dice(seed.map(|seed| Box::new(noise(seed)) as Box<dyn FnMut() -> u8>));
        let mut names = machine.durable.clone();
        for entry in machine.entries.drain(..) {
            if dice.roll(2) == 1 {
                names.apply(&entry);
            }
        }
        // What lies in a folder that is gone is gone with it.
        while let Some(orphan) = names.orphan() {
            names.folders.remove(&orphan);
            names.files.remove(&orphan);
        }
        for inode in &mut machine.inodes {
            let changes = std::mem::take(&mut inode.changes);
            let mut content = std::mem::take(&mut inode.durable);
            changes.into_iter().for_each(|change| dice.survive(&mut content, change));
            *inode = Inode { content: content.clone(), durable: content, ..Inode::default() };
        }
        let machine = Machine {
            inodes: machine.inodes,
            visible: names.clone(),
            durable: names,
            ..Machine::default()
        };
        Self { shared: Arc::new(Shared { machine: Mutex::new(machine), ..Shared::default() }) }
    }

    /// Returns a copy of the machine as it is, all processes gone.
    pub fn copy(&self) -> Self {
        let mut machine = self.machine().clone();
        machine.inodes.iter_mut().for_each(|inode| inode.locks.clear());
        (machine.processes, machine.is_dark) = (Vec::new(), false);
        (machine.power_ends, machine.full_from) = (None, None);
        Self { shared: Arc::new(Shared { machine: Mutex::new(machine), ..Shared::default() }) }
    }

    /// Returns whether anybody, living or frozen, holds a lock on a file.
    pub fn is_locked(&self, path: &str) -> bool {
        let machine = self.machine();
        let inode = machine.visible.files.get(path);
        inode.is_some_and(|inode| !machine.inodes[*inode].locks.is_empty())
    }

    /// Returns the paths of all files.
    pub fn paths(&self) -> Vec<String> {
        self.machine().visible.files.keys().cloned().collect()
    }

    /// Returns the content of a file.
    pub fn content(&self, path: &str) -> Option<Vec<u8>> {
        let machine = self.machine();
        Some(machine.inodes[*machine.visible.files.get(path)?].content.clone())
    }

    /// Changes a file behind everybody's back, durably.
    pub fn tamper(&self, path: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let mut machine = self.machine();
        let inode = machine.visible.files[path];
        let inode = &mut machine.inodes[inode];
        change(&mut inode.content);
        inode.durable = inode.content.clone();
        inode.changes.clear();
    }

    /// Removes every file whose path starts so, behind everybody's back, durably.
    pub fn wipe(&self, prefix: &str) {
        let mut machine = self.machine();
        machine.visible.files.retain(|path, _| !path.starts_with(prefix));
        machine.durable.files.retain(|path, _| !path.starts_with(prefix));
        machine.entries.retain(|entry| !entry.folder().starts_with(prefix.trim_end_matches('/')));
    }
}

impl Names {
    fn orphan(&self) -> Option<String> {
        let has_parent = |path: &&String| {
            let folder = parent(path);
            folder.is_empty() || self.folders.contains(folder)
        };
        self.folders.iter().chain(self.files.keys()).find(|path| !has_parent(path)).cloned()
    }
}

/// Decides what survives; without a seed, nothing does.
struct Dice(Option<Box<dyn FnMut() -> u8>>);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        match &mut self.0 {
            None => 0,
            Some(noise) => {
                let wide = [noise(), noise(), noise(), noise()];
                u32::from_le_bytes(wide) as usize % sides
            }
        }
    }

    fn survive(&mut self, content: &mut Vec<u8>, change: Change) {
        let (at, bytes) = match change {
            Change::Length(len) => {
                if self.roll(2) == 1 {
                    content.resize(len, 0);
                }
                return;
            }
            Change::Write { at, bytes } => (at, bytes),
        };
        let sector = |index: usize| (at + index) / SECTOR_LEN;
        match self.roll(6) {
            0 => {}
            1 | 2 => overwrite(content, at, &bytes),
            // The file has grown, and its bytes never came.
            3 => content.resize(content.len().max(at + bytes.len()), 0),
            // Only the front came.
            4 => {
                let sectors = sector(bytes.len().saturating_sub(1)) - sector(0) + 1;
                let last = sector(0) + self.roll(sectors + 1);
                let len = (last * SECTOR_LEN).saturating_sub(at).min(bytes.len());
                overwrite(content, at, &bytes[..len]);
            }
            // Some sectors came, in whatever order.
            _ => {
                let mut start = 0;
                while start < bytes.len() {
                    let end = ((sector(start) + 1) * SECTOR_LEN - at).min(bytes.len());
                    if self.roll(2) == 1 {
                        overwrite(content, at + start, &bytes[start..end]);
                    }
                    start = end;
                }
            }
        }
    }
}

fn overwrite(content: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    if bytes.is_empty() {
        return;
    }
    content.resize(content.len().max(at + bytes.len()), 0);
    content[at..at + bytes.len()].copy_from_slice(bytes);
}

/// The disk as one process sees it.
pub struct SimDisk {
    sim: Sim,
    process: usize,
}

impl SimDisk {
    /// Kills the process now: its calls fail, its locks are gone, its writes stay.
    pub fn kill(&self) {
        self.end_with(Life::Killed);
    }

    /// Kills the process in the middle of its operation `number`, counted from 1.
    pub fn kill_at(&self, number: u64) {
        self.sim.machine().processes[self.process].end = Some((number, Life::Killed));
    }

    /// Stops the process in the middle of its operation `number`; it keeps its locks.
    pub fn freeze_at(&self, number: u64) {
        self.sim.machine().processes[self.process].end = Some((number, Life::Frozen));
    }

    /// Returns how many operations of this process have changed the disk.
    pub fn operations(&self) -> u64 {
        self.sim.machine().processes[self.process].operations
    }

    fn end_with(&self, life: Life) {
        self.sim.machine().end(self.process, life);
        self.sim.shared.unlocked.notify_all();
    }

    /// Performs an operation that changes the disk: counts it, and meets the end that is due.
    fn change<T>(
        &self,
        action: &'static str,
        path: &str,
        needs_room: bool,
        perform: impl FnOnce(&mut Machine) -> Result<T, DiskError>,
    ) -> Result<T, DiskError> {
        let mut machine = self.sim.machine();
        machine.check(self.process, action, path)?;
        machine.operations += 1;
        machine.processes[self.process].operations += 1;
        if needs_room && machine.full_from.is_some_and(|from| machine.operations >= from) {
            return Err(error(DiskFault::Full, action, path, "the simulated disk is full"));
        }
        let own = machine.processes[self.process].operations;
        let end = machine.processes[self.process].end.filter(|(at, _)| own >= *at);
        let power_ends = machine.power_ends.is_some_and(|at| machine.operations >= at);
        if end.is_none() && !power_ends {
            return perform(&mut machine);
        }
        // In the middle of it: a write may have happened, a sync has not been answered.
        if !action.starts_with("sync") {
            perform(&mut machine)?;
        }
        machine.is_dark |= power_ends;
        if let Some((_, life)) = end {
            machine.end(self.process, life);
        }
        drop(machine);
        self.sim.shared.unlocked.notify_all();
        Err(error(DiskFault::Other, action, path, "the simulated process has ended"))
    }
}

impl Machine {
    fn end(&mut self, process: usize, life: Life) {
        self.processes[process].life = life;
        if life == Life::Killed {
            for inode in &mut self.inodes {
                inode.locks.retain(|_, (owner, _)| *owner != process as u64);
            }
        }
    }

    fn check(&self, process: usize, action: &'static str, path: &str) -> Result<(), DiskError> {
        let is_alive = self.processes.get(process).is_some_and(|one| one.life == Life::Alive);
        if self.is_dark || !is_alive {
            return Err(error(DiskFault::Other, action, path, "the simulated process has ended"));
        }
        Ok(())
    }

    fn link(&mut self, entry: Entry) {
        self.visible.apply(&entry);
        self.entries.push(entry);
    }
}

fn error(fault: DiskFault, action: &'static str, path: &str, reason: &str) -> DiskError {
    DiskError { fault, action, path: path.into(), reason: reason.into() }
}

impl Disk for SimDisk {
    fn open(&self, path: &str, mode: OpenMode) -> Result<Box<dyn DiskFile>, DiskError> {
        let due = {
            let mut hooks = self.sim.shared.hooks.lock().unwrap_or_else(PoisonError::into_inner);
            hooks.iter().position(|(of, _)| of == path).map(|index| hooks.remove(index).1)
        };
        if let Some(hook) = due {
            hook();
        }
        let found = {
            let machine = self.sim.machine();
            machine.check(self.process, "open", path)?;
            machine.visible.files.get(path).copied()
        };
        let inode = match (found, mode) {
            (Some(_), OpenMode::CreateNew) => {
                return Err(error(DiskFault::Exists, "create", path, "it exists"));
            }
            (Some(inode), _) => inode,
            (None, OpenMode::Read | OpenMode::Write) => {
                return Err(error(DiskFault::Absent, "open", path, "it is not there"));
            }
            (None, _) => self.change("create", path, true, |machine| {
                let folder = parent(path);
                if !folder.is_empty() && !machine.visible.folders.contains(folder) {
                    return Err(error(DiskFault::Absent, "create", path, "no such folder"));
                }
                machine.inodes.push(Inode::default());
                let inode = machine.inodes.len() - 1;
                machine.link(Entry::Link(path.into(), inode));
                Ok(inode)
            })?,
        };
        let mut machine = self.sim.machine();
        machine.handles += 1;
        Ok(Box::new(SimFile {
            disk: Self { sim: self.sim.clone(), process: self.process },
            inode,
            handle: machine.handles,
            path: path.into(),
            is_writable: mode != OpenMode::Read,
        }))
    }

    fn list(&self, path: &str) -> Result<Vec<String>, DiskError> {
        let machine = self.sim.machine();
        machine.check(self.process, "list", path)?;
        let names = machine.visible.files.keys().chain(&machine.visible.folders);
        let here = names.filter(|name| parent(name) == path && !name.is_empty());
        Ok(here.map(|name| name.rsplit('/').next().unwrap_or(name).to_owned()).collect())
    }

    fn create_folder(&self, path: &str) -> Result<(), DiskError> {
        let steps: Vec<&str> = path.split('/').filter(|step| !step.is_empty()).collect();
        for count in 1..=steps.len() {
            let folder = steps[..count].join("/");
            if !self.sim.machine().visible.folders.contains(&folder) {
                self.change("create the folder", &folder, true, |machine| {
                    machine.link(Entry::Folder(folder.clone()));
                    Ok(())
                })?;
            }
        }
        Ok(())
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), DiskError> {
        assert!(parent(from) == parent(to) || parent(to) == "damaged", "{from} to {to}");
        self.change("rename", to, false, |machine| match machine.visible.files.get(from) {
            None => Err(error(DiskFault::Absent, "rename", from, "it is not there")),
            Some(&inode) => {
                machine.link(Entry::Rename(from.into(), to.into(), inode));
                Ok(())
            }
        })
    }

    fn remove(&self, path: &str) -> Result<(), DiskError> {
        if !self.sim.machine().visible.files.contains_key(path) {
            return Ok(());
        }
        self.change("remove", path, false, |machine| {
            machine.link(Entry::Unlink(path.into()));
            Ok(())
        })
    }

    fn sync_folder(&self, path: &str) -> Result<(), DiskError> {
        self.change("sync the folder", path, false, |machine| {
            if !path.is_empty() && !machine.visible.folders.contains(path) {
                return Err(error(DiskFault::Absent, "sync the folder", path, "no such folder"));
            }
            let (here, elsewhere) =
                machine.entries.drain(..).partition(|entry: &Entry| entry.folder() == path);
            machine.entries = elsewhere;
            let here: Vec<Entry> = here;
            here.iter().for_each(|entry| machine.durable.apply(entry));
            Ok(())
        })
    }

    fn describe(&self) -> String {
        "the simulated disk".into()
    }

    fn free_bytes(&self) -> Result<Option<u64>, DiskError> {
        Ok(None)
    }
}

struct SimFile {
    disk: SimDisk,
    inode: usize,
    handle: u64,
    path: String,
    is_writable: bool,
}

impl SimFile {
    fn change(
        &self,
        action: &'static str,
        needs_room: bool,
        perform: impl FnOnce(&mut Inode),
    ) -> Result<(), DiskError> {
        let is_write = action != "sync";
        if is_write && !self.is_writable {
            return Err(error(DiskFault::Denied, action, &self.path, "opened for reading"));
        }
        self.disk.change(action, &self.path, needs_room, |machine| {
            perform(&mut machine.inodes[self.inode]);
            Ok(())
        })
    }

    fn look<T>(&self, look: impl FnOnce(&Inode) -> T) -> Result<T, DiskError> {
        let machine = self.disk.sim.machine();
        machine.check(self.disk.process, "read", &self.path)?;
        Ok(look(&machine.inodes[self.inode]))
    }
}

impl DiskFile for SimFile {
    fn len(&self) -> Result<u64, DiskError> {
        self.look(|inode| inode.content.len() as u64)
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<usize, DiskError> {
        self.look(|inode| {
            let rest = inode.content.get(offset as usize..).unwrap_or(&[]);
            let count = rest.len().min(into.len());
            into[..count].copy_from_slice(&rest[..count]);
            count
        })
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<(), DiskError> {
        self.change("write", true, |inode| {
            let at = offset as usize;
            overwrite(&mut inode.content, at, bytes);
            inode.changes.push(Change::Write { at, bytes: bytes.to_vec() });
        })
    }

    fn set_len(&self, len: u64) -> Result<(), DiskError> {
        self.change("resize", true, |inode| {
            inode.content.resize(len as usize, 0);
            inode.changes.push(Change::Length(len as usize));
        })
    }

    fn sync(&self) -> Result<(), DiskError> {
        self.change("sync", false, |inode| {
            if !inode.changes.is_empty() {
                inode.durable.clone_from(&inode.content);
                inode.changes.clear();
            }
        })
    }

    fn lock(&self, lock: Lock, wait: bool) -> Result<bool, DiskError> {
        let mut machine = self.disk.sim.machine();
        loop {
            machine.check(self.disk.process, "lock", &self.path)?;
            let mut others = machine.inodes[self.inode]
                .locks
                .iter()
                .filter(|(handle, _)| **handle != self.handle);
            let is_free =
                others.all(|(_, (_, held))| (*held, lock) == (Lock::Shared, Lock::Shared));
            if is_free {
                let owner = (self.disk.process as u64, lock);
                machine.inodes[self.inode].locks.insert(self.handle, owner);
                return Ok(true);
            }
            if !wait {
                return Ok(false);
            }
            let patience = Duration::from_secs(20);
            let (next, timeout) = self
                .disk
                .sim
                .shared
                .unlocked
                .wait_timeout(machine, patience)
                .unwrap_or_else(PoisonError::into_inner);
            assert!(!timeout.timed_out(), "nobody unlocks {}", self.path);
            machine = next;
        }
    }

    fn map(&self, len: u64) -> Result<Arc<dyn Mapped>, DiskError> {
        self.look(|inode| {
            let bytes = inode.content.get(..len as usize).map(<[u8]>::to_vec);
            let bytes = bytes.ok_or_else(|| error(DiskFault::Other, "map", &self.path, "short"))?;
            Ok(Arc::new(SimMap(bytes)) as Arc<dyn Mapped>)
        })?
    }
}

impl Drop for SimFile {
    fn drop(&mut self) {
        let mut machine = self.disk.sim.machine();
        // A frozen process has not come to this line yet, and keeps its lock.
        let is_frozen =
            machine.processes.get(self.disk.process).is_some_and(|p| p.life == Life::Frozen);
        if !is_frozen {
            machine.inodes[self.inode].locks.remove(&self.handle);
        }
        drop(machine);
        self.disk.sim.shared.unlocked.notify_all();
    }
}

/// A copy of the file at the time of mapping: files that are mapped do not change.
struct SimMap(Vec<u8>);

impl Mapped for SimMap {
    fn bytes(&self) -> &[u8] {
        &self.0
    }
}
