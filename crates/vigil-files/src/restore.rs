//! Restoring: trees back to files.
//!
//! Everything is created below the folder that was given, by descriptor, without following a link, in
//! a place where nothing was before. So no tree, whatever it says, gets a byte written elsewhere.

use std::collections::HashMap;
use std::collections::hash_map::Entry as MapEntry;
use std::ffi::OsStr;
use std::fs::File;
use std::io::Write;
use std::ops::ControlFlow;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;
use vigil_base::limits::SYMLINK_TARGET_BYTES_MAX;
use vigil_base::{Blame, Blamed, Entry, EntryKind, EntryName, TreePath, Vcid};
use vigil_store::{Depth, ReadError, Store};

use crate::attributes::{apply_to_file, apply_to_folder, apply_to_link};
use crate::folder::os_name;
use crate::note::{Note, NoteKind};
use crate::snapshot::{Attributes, Snapshot};
use crate::trees::{ResolveError, Resolved, walk};

/// How to restore.
#[derive(Clone, Copy, Debug)]
pub struct RestoreOptions {
    /// How many threads decode and write.
    pub threads: usize,
    /// Whether to restore times, owners, modes, extended attributes and hard links too.
    pub metadata: bool,
    /// Whether a file that is there already is replaced. Folders are never replaced.
    pub overwrites: bool,
}

/// How far restoring has come.
#[derive(Clone, Copy, Debug, Default)]
pub struct RestoreProgress {
    /// Files written.
    pub files_done: u64,
    /// Files to write.
    pub files: u64,
    /// Bytes written.
    pub bytes_done: u64,
}

/// What was restored.
#[derive(Clone, Debug, Default)]
pub struct Restored {
    /// Files and symbolic links.
    pub files: u64,
    /// Folders.
    pub folders: u64,
    /// Bytes of files.
    pub bytes: u64,
    /// What was noticed on the way.
    pub notes: Vec<Note>,
}

/// Why something could not be restored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RestoreError {
    /// Something is there already.
    #[error("{} is there already; name another place with `-o`", path.display())]
    Exists {
        /// Where.
        path: PathBuf,
    },
    /// The tree could not be walked.
    #[error("could not walk the tree")]
    Walk(#[from] ResolveError),
    /// The bytes could not be read from the store.
    #[error("could not restore {}", path.display())]
    Read {
        /// What was to be restored.
        path: PathBuf,
        /// What went wrong.
        source: ReadError,
    },
    /// A symbolic link's target cannot be one.
    #[error("{} cannot be a symbolic link: its target is empty, too long, or contains NUL", path.display())]
    Target {
        /// The link.
        path: PathBuf,
    },
    /// The metadata is not that of this tree.
    #[error("the metadata {vcid} does not belong to this tree")]
    Metadata {
        /// The metadata.
        vcid: Vcid,
    },
    /// There is no metadata to restore.
    #[error("{uri} was added without metadata; add with `--metadata` to keep it")]
    NoMetadata {
        /// What was to be restored.
        uri: String,
    },
    /// A file or folder could not be written.
    #[error("could not write {}", path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

impl Blamed for RestoreError {
    fn blame(&self) -> Blame {
        match self {
            Self::Walk(source) => source.blame(),
            Self::Read { source, .. } => source.blame(),
            Self::Write { .. } => Blame::World,
            _ => Blame::Caller,
        }
    }
}

/// One entry that is to be written, with the number of its folder.
struct Task {
    folder: usize,
    name: EntryName,
    kind: EntryKind,
    vcid: Vcid,
    /// Its place in the metadata.
    order: usize,
}

/// A folder: its path below the root, and its place in the metadata.
type FolderMade = (TreePath, usize);

/// Files that are listed before they are written: enough that starting threads does not show, few
/// enough that a tree of any size fits in memory.
const TASKS_AT_ONCE: usize = 8192;

/// Tasks that a thread takes at once: neighbours lie in one frame.
const STEP: usize = 32;

/// Restores what a URI led to, at `to`, where nothing may be yet.
pub fn restore(
    store: &Store,
    from: &Resolved,
    to: &Path,
    options: &RestoreOptions,
    progress: &(dyn Fn(RestoreProgress) + Sync),
) -> Result<Restored, RestoreError> {
    let snapshot = if options.metadata { Some(load_metadata(store, from)?) } else { None };
    if from.kind != EntryKind::Tree {
        return restore_file(store, from, to, options, snapshot.as_ref());
    }
    let extent = measure(store, from.vcid)?;
    if snapshot.as_ref().is_some_and(|s| s.entries.len() as u64 != extent.folders + extent.files) {
        let vcid = from.metadata.unwrap_or(from.vcid);
        return Err(RestoreError::Metadata { vcid });
    }
    let mut restoring = Restoring {
        store,
        to,
        root: create_root(to)?,
        threads: options.threads.max(1),
        snapshot: snapshot.as_ref(),
        folders: vec![(TreePath::root(), 0)],
        linked: HashMap::new(),
        links: Vec::new(),
        files: extent.files,
        files_done: AtomicU64::new(0),
        bytes_done: AtomicU64::new(0),
        is_cancelled: AtomicBool::new(false),
        notes: Mutex::default(),
        progress,
    };
    restoring.restore_all(from.vcid)?;
    restoring.join_links()?;
    restoring.finish_folders();
    let bytes = restoring.bytes_done.into_inner();
    let mut notes = restoring.notes.into_inner().unwrap_or_else(PoisonError::into_inner);
    notes.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(Restored { files: extent.files, folders: extent.folders, bytes, notes })
}

/// How much a tree holds.
#[derive(Default)]
struct Extent {
    files: u64,
    folders: u64,
}

/// Counts what is to be restored, and finds out whether all of its trees are here, before anything is
/// written.
fn measure(store: &Store, tree: Vcid) -> Result<Extent, RestoreError> {
    let mut extent = Extent { files: 0, folders: 1 };
    walk(store, tree, true, &mut |_, entry| {
        match entry.kind {
            EntryKind::Tree => extent.folders += 1,
            _ => extent.files += 1,
        }
        ControlFlow::Continue(())
    })?;
    Ok(extent)
}

fn load_metadata(store: &Store, from: &Resolved) -> Result<Snapshot, RestoreError> {
    let Some(vcid) = from.metadata else {
        return Err(RestoreError::NoMetadata { uri: from.uri.to_string() });
    };
    let bytes =
        store.read(vcid).map_err(|source| RestoreError::Walk(ResolveError::Read(source)))?;
    match Snapshot::decode(&bytes) {
        Ok(snapshot) if snapshot.root == from.vcid => Ok(snapshot),
        _ => Err(RestoreError::Metadata { vcid }),
    }
}

/// Creates the folder that everything goes to; an empty one that is there is taken.
fn create_root(to: &Path) -> Result<OwnedFd, RestoreError> {
    let write = |source: std::io::Error| RestoreError::Write { path: to.into(), source };
    match std::fs::create_dir(to) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            let mut entries =
                std::fs::read_dir(to).map_err(|_| RestoreError::Exists { path: to.into() })?;
            if entries.next().is_some() {
                return Err(RestoreError::Exists { path: to.into() });
            }
        }
        Err(error) => return Err(write(error)),
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::open(to, flags, Mode::empty()).map_err(|errno| write(errno.into()))
}

/// Returns the path below the root as the system takes it.
fn below(path: &TreePath) -> PathBuf {
    path.names().iter().map(os_name).collect()
}

struct Restoring<'a> {
    store: &'a Store,
    to: &'a Path,
    root: OwnedFd,
    threads: usize,
    snapshot: Option<&'a Snapshot>,
    /// The folders made so far.
    folders: Vec<FolderMade>,
    /// By the number of the hard link and the bytes: the first file of each.
    linked: HashMap<(u64, Vcid), PathBuf>,
    /// Further names of those files, made when all files are there.
    links: Vec<(Task, PathBuf)>,
    /// How many files there are to restore.
    files: u64,
    files_done: AtomicU64,
    bytes_done: AtomicU64,
    is_cancelled: AtomicBool,
    notes: Mutex<Vec<Note>>,
    progress: &'a (dyn Fn(RestoreProgress) + Sync),
}

impl Restoring<'_> {
    /// Makes folders as they come, and hands on the files in between when there are enough of them.
    fn restore_all(&mut self, tree: Vcid) -> Result<(), RestoreError> {
        let store = self.store;
        let mut tasks = Vec::new();
        // The numbers of the folders on the way down to the entry that is visited.
        let mut open = vec![0_usize];
        let mut order = 0;
        let mut trouble = None;
        walk(store, tree, true, &mut |path, entry| {
            order += 1;
            open.truncate(path.names().len());
            let folder = open[open.len() - 1];
            let done = if entry.kind == EntryKind::Tree {
                open.push(self.folders.len());
                self.make_folder(path.clone(), order)
            } else {
                let Entry { name, kind, vcid } = entry.clone();
                self.add_task(Task { folder, name, kind, vcid, order }, &mut tasks)
            };
            match done {
                Ok(()) => ControlFlow::Continue(()),
                Err(error) => {
                    trouble = Some(error);
                    ControlFlow::Break(())
                }
            }
        })?;
        match trouble {
            Some(error) => Err(error),
            None => self.write_tasks(&mut tasks),
        }
    }

    fn make_folder(&mut self, path: TreePath, order: usize) -> Result<(), RestoreError> {
        let below = below(&path);
        rustix::fs::mkdirat(&self.root, &below, Mode::from(0o777)).map_err(|errno| {
            RestoreError::Write { path: self.to.join(&below), source: errno.into() }
        })?;
        self.folders.push((path, order));
        Ok(())
    }

    fn add_task(&mut self, task: Task, tasks: &mut Vec<Task>) -> Result<(), RestoreError> {
        let link = self.snapshot.map_or(0, |snapshot| snapshot.entries[task.order].link);
        if link != 0 {
            let path = self.below_of(&task);
            match self.linked.entry((link, task.vcid)) {
                MapEntry::Vacant(slot) => _ = slot.insert(path),
                MapEntry::Occupied(first) => {
                    self.links.push((task, first.get().clone()));
                    return Ok(());
                }
            }
        }
        tasks.push(task);
        if tasks.len() == TASKS_AT_ONCE { self.write_tasks(tasks) } else { Ok(()) }
    }

    fn write_tasks(&self, tasks: &mut Vec<Task>) -> Result<(), RestoreError> {
        // Files in the order in which they were stored: those of a folder before those of the folders
        // in it.
        tasks.sort_by_key(|task| task.folder);
        let next = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            let running: Vec<_> =
                (0..self.threads).map(|_| scope.spawn(|| self.write_some(tasks, &next))).collect();
            let ended: Vec<Result<(), RestoreError>> = running
                .into_iter()
                .map(|thread| match thread.join() {
                    Ok(result) => result,
                    Err(panic) => std::panic::resume_unwind(panic),
                })
                .collect();
            ended.into_iter().collect::<Result<(), RestoreError>>()
        })?;
        tasks.clear();
        Ok(())
    }

    fn write_some(&self, tasks: &[Task], next: &AtomicUsize) -> Result<(), RestoreError> {
        // The folder that was written to last stays open: its other files come next.
        let mut open: Option<(usize, OwnedFd)> = None;
        loop {
            let start = next.fetch_add(STEP, Ordering::Relaxed);
            let Some(tasks) = tasks.get(start..(start + STEP).min(tasks.len())) else {
                return Ok(());
            };
            if tasks.is_empty() || self.is_cancelled.load(Ordering::Relaxed) {
                return Ok(());
            }
            for task in tasks {
                if open.as_ref().is_none_or(|(number, _)| *number != task.folder) {
                    open = Some((task.folder, self.open_folder(task.folder)?));
                }
                let Some((_, folder)) = &open else { continue };
                let result = self.write_task(folder, task);
                if result.is_err() {
                    self.is_cancelled.store(true, Ordering::Relaxed);
                }
                let bytes_done = self.bytes_done.fetch_add(result?, Ordering::Relaxed);
                let files_done = self.files_done.fetch_add(1, Ordering::Relaxed) + 1;
                (self.progress)(RestoreProgress { files_done, files: self.files, bytes_done });
            }
        }
    }

    fn open_folder(&self, number: usize) -> Result<OwnedFd, RestoreError> {
        let path = below(&self.folders[number].0);
        let path = if path.as_os_str().is_empty() { PathBuf::from(".") } else { path };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        rustix::fs::openat(&self.root, &path, flags, Mode::empty())
            .map_err(|errno| RestoreError::Write { path: self.to.join(path), source: errno.into() })
    }

    /// Returns the path below the root.
    fn below_of(&self, task: &Task) -> PathBuf {
        below(&self.folders[task.folder].0).join(os_name(&task.name))
    }

    fn path_of(&self, task: &Task) -> PathBuf {
        self.to.join(self.below_of(task))
    }

    fn write_task(&self, folder: &OwnedFd, task: &Task) -> Result<u64, RestoreError> {
        let place = Place { folder, name: os_name(&task.name), path: &|| self.path_of(task) };
        let attributes = self.snapshot.map(|snapshot| &snapshot.entries[task.order]);
        let mut notes = Vec::new();
        let bytes = place.restore(self.store, task.vcid, task.kind, attributes, false, &mut notes);
        self.note(notes);
        bytes
    }

    fn note(&self, notes: Vec<Note>) {
        if !notes.is_empty() {
            self.notes.lock().unwrap_or_else(PoisonError::into_inner).extend(notes);
        }
    }

    /// Makes the hard links; where that does not work, a copy.
    fn join_links(&self) -> Result<(), RestoreError> {
        for (task, first) in &self.links {
            let path = self.below_of(task);
            let flags = AtFlags::empty();
            if let Err(errno) = rustix::fs::linkat(&self.root, first, &self.root, &path, flags) {
                let error = std::io::Error::from(errno);
                let reason = format!("could not be made a hard link again: {error}");
                let path = self.path_of(task);
                self.note(vec![Note { path, what: NoteKind::Metadata { reason } }]);
                self.write_task(&self.open_folder(task.folder)?, task)?;
            }
        }
        Ok(())
    }

    /// Gives the folders their attributes, from the innermost out, so that nothing that follows
    /// changes a time that has been set, or meets a folder that may not be written to.
    fn finish_folders(&self) {
        let Some(snapshot) = self.snapshot else { return };
        let mut notes = Vec::new();
        for (path, order) in self.folders.iter().rev() {
            let below = below(path);
            let attributes = &snapshot.entries[*order];
            apply_to_folder(&self.root, &below, attributes, &mut |reason| {
                notes
                    .push(Note { path: self.to.join(&below), what: NoteKind::Metadata { reason } });
            });
        }
        self.note(notes);
    }
}

/// A name in an open folder at which something is to be created.
struct Place<'a, Fd: AsFd> {
    folder: Fd,
    name: &'a OsStr,
    path: &'a dyn Fn() -> PathBuf,
}

impl<Fd: AsFd> Place<'_, Fd> {
    fn failed(&self, errno: Errno) -> RestoreError {
        match errno {
            Errno::EXIST => RestoreError::Exists { path: (self.path)() },
            other => RestoreError::Write { path: (self.path)(), source: other.into() },
        }
    }

    fn link(&self, store: &Store, vcid: Vcid) -> Result<(), RestoreError> {
        let read = |source| RestoreError::Read { path: (self.path)(), source };
        let blob = store.find(vcid).map_err(read)?;
        if blob.is_empty() || blob.len() > SYMLINK_TARGET_BYTES_MAX as u64 {
            return Err(RestoreError::Target { path: (self.path)() });
        }
        let target = store.read(vcid).map_err(read)?;
        if target.contains(&0) {
            return Err(RestoreError::Target { path: (self.path)() });
        }
        rustix::fs::symlinkat(OsStr::from_bytes(&target), &self.folder, self.name)
            .map_err(|errno| self.failed(errno))
    }

    /// Creates the link or file with its attributes, and returns how many bytes a file has.
    fn restore(
        &self,
        store: &Store,
        vcid: Vcid,
        kind: EntryKind,
        attributes: Option<&Attributes>,
        overwrites: bool,
        notes: &mut Vec<Note>,
    ) -> Result<u64, RestoreError> {
        let mut note = |reason| {
            notes.push(Note { path: (self.path)(), what: NoteKind::Metadata { reason } });
        };
        if kind == EntryKind::Symlink {
            self.link(store, vcid)?;
            if let Some(attributes) = attributes {
                apply_to_link(self.folder.as_fd(), self.name, attributes, &mut note);
            }
            return Ok(0);
        }
        let mode = if kind == EntryKind::Executable { 0o777 } else { 0o666 };
        // With the final mode from the start, bytes that few may read never lie open to others.
        let mode = attributes.map_or(mode, |attributes| attributes.mode & 0o777);
        let (file, bytes) = self.create(store, vcid, mode, overwrites)?;
        if let Some(attributes) = attributes {
            apply_to_file(&file, attributes, &mut note);
        }
        Ok(bytes)
    }

    fn create(
        &self,
        store: &Store,
        vcid: Vcid,
        mode: u32,
        overwrites: bool,
    ) -> Result<(File, u64), RestoreError> {
        let read = |source| RestoreError::Read { path: (self.path)(), source };
        let blob = store.find(vcid).map_err(read)?;
        // The first piece is read before the file is made, so that a missing blob leaves nothing.
        let mut piece = match blob.piece_count() {
            0 => None,
            _ => Some(store.piece(&blob, 0, Depth::Full).map_err(read)?),
        };
        let how = if overwrites { OFlags::TRUNC } else { OFlags::EXCL };
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC | how;
        let fd = rustix::fs::openat(&self.folder, self.name, flags, Mode::from(mode))
            .map_err(|errno| self.failed(errno))?;
        let mut file = File::from(fd);
        for index in 0..blob.piece_count() {
            let bytes = match piece.take() {
                Some(first) => first,
                None => store.piece(&blob, index, Depth::Full).map_err(read)?,
            };
            file.write_all(&bytes)
                .map_err(|source| RestoreError::Write { path: (self.path)(), source })?;
        }
        Ok((file, blob.len()))
    }
}

fn restore_file(
    store: &Store,
    from: &Resolved,
    to: &Path,
    options: &RestoreOptions,
    snapshot: Option<&Snapshot>,
) -> Result<Restored, RestoreError> {
    let place = Place { folder: rustix::fs::CWD, name: to.as_os_str(), path: &|| to.to_path_buf() };
    let mut restored = Restored { files: 1, ..Restored::default() };
    let attributes = snapshot.and_then(|snapshot| snapshot.entries.first());
    let (overwrites, notes) = (options.overwrites, &mut restored.notes);
    restored.bytes = place.restore(store, from.vcid, from.kind, attributes, overwrites, notes)?;
    Ok(restored)
}
