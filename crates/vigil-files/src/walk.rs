//! Walking a folder: what is in it, in an order that never varies.
//!
//! One thread walks; it hands files to the threads that read them, in batches that keep neighbours
//! together, so that they end up in one frame.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crossbeam_channel::Sender;
use ignore::gitignore::{Gitignore, GitignoreBuilder};
use rustix::fs::{FileType, Stat};
use rustix::io::Errno;
use vigil_base::limits::TREE_DEPTH_MAX;
use vigil_base::{Entry, EntryKind, EntryName, Vcid};

use crate::add::AddOptions;
use crate::add_error::AddError;
use crate::attributes::read_attributes;
use crate::building::{Building, Place, ROOT};
use crate::folder::{OpenFolder, Stamp, special_kind};
use crate::note::{Note, NoteKind};
use crate::snapshot::Attributes;

/// A file to be read.
pub(crate) struct Job {
    pub place: Place,
    pub folder: OpenFolder,
    pub name: EntryName,
    pub kind: EntryKind,
    pub stamp: Stamp,
}

/// A batch is handed on when its files have this many bytes, or when there are so many of them.
const BATCH_BYTES: u64 = 1 << 20;
const BATCH_FILES: usize = 128;

/// Each folder of a batch stays open until the batch has been read. With the batches that wait, this
/// keeps some 350 open at most, where 1024 is a common limit.
const BATCH_FOLDERS: usize = 32;

/// What walking and reading share.
pub(crate) struct Shared {
    pub notes: Mutex<Vec<Note>>,
    pub files_found: AtomicU64,
    pub bytes_found: AtomicU64,
    pub is_walk_done: AtomicBool,
    /// Somebody failed, so nobody needs to go on.
    pub is_cancelled: AtomicBool,
}

impl Shared {
    pub fn new() -> Self {
        Self {
            notes: Mutex::default(),
            files_found: AtomicU64::new(0),
            bytes_found: AtomicU64::new(0),
            is_walk_done: AtomicBool::new(false),
            is_cancelled: AtomicBool::new(false),
        }
    }

    pub fn note(&self, path: PathBuf, what: NoteKind) {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner).push(Note { path, what });
    }
}

pub(crate) struct Walker<'a, 'b> {
    pub options: &'a AddOptions,
    pub shared: &'a Shared,
    pub building: &'a Building<'b>,
    pub send: Sender<Vec<Job>>,
    pub excludes: Gitignore,
    pub batch: Vec<Job>,
    pub batch_bytes: u64,
    pub batch_folders: usize,
}

/// A folder that is still to be read. It is opened only then, so that few are open at a time.
struct Ahead {
    parent: OpenFolder,
    name: EntryName,
    place: Place,
    number: u32,
    depth: usize,
    /// The ignore files that hold here, outermost first.
    ignores: Vec<Arc<Gitignore>>,
}

/// Entries of one folder that have been looked at and not handed on yet.
#[derive(Default)]
struct Listing {
    /// How many were handed on before.
    passed: u32,
    entries: Vec<Entry>,
    attributes: Vec<Attributes>,
    /// Those of them that are to be read, by index in the folder.
    jobs: Vec<(u32, Stamp)>,
}

/// So many entries are handed on at once: few enough that reading starts early.
const LISTED_AT_ONCE: usize = 256;

/// Compiles patterns in the syntax of `.gitignore`, relative to `root`.
pub(crate) fn compile(root: &Path, patterns: &[String]) -> Result<Gitignore, AddError> {
    let mut builder = GitignoreBuilder::new(root);
    for pattern in patterns {
        builder.add_line(None, pattern).map_err(|error| AddError::Pattern {
            pattern: pattern.clone(),
            reason: error.to_string(),
        })?;
    }
    builder.build().map_err(|error| AddError::Pattern {
        pattern: patterns.join(" "),
        reason: error.to_string(),
    })
}

/// Files that say what to leave out, when the caller asks for that.
const IGNORE_FILES: [&str; 2] = [".gitignore", ".vigilignore"];

impl Walker<'_, '_> {
    /// Walks everything below `folder`, the root.
    pub fn walk(&mut self, folder: OpenFolder) -> Result<(), AddError> {
        // Reversed, so that the first folder is the next to be visited.
        let mut ahead = self.visit(folder, ROOT, 0, Vec::new())?;
        ahead.reverse();
        while let Some(next) = ahead.pop() {
            if self.shared.is_cancelled.load(Ordering::Relaxed) {
                break;
            }
            match next.parent.open_folder(&next.name) {
                Ok(folder) => {
                    let below = self.visit(folder, next.number, next.depth, next.ignores)?;
                    ahead.extend(below.into_iter().rev());
                }
                Err(errno) => {
                    let path = next.parent.path_of(&next.name);
                    let left_out = self.building.leave_out(next.number, next.place);
                    left_out.map_err(|source| AddError::Put { path: path.clone(), source })?;
                    self.note_errno(path, errno);
                }
            }
        }
        self.hand_on();
        self.shared.is_walk_done.store(true, Ordering::Relaxed);
        Ok(())
    }

    fn visit(
        &mut self,
        folder: OpenFolder,
        number: u32,
        depth: usize,
        mut ignores: Vec<Arc<Gitignore>>,
    ) -> Result<Vec<Ahead>, AddError> {
        let mut refused = |name: &[u8], reason: String| {
            use std::os::unix::ffi::OsStrExt as _;
            let path = folder.path.join(std::ffi::OsStr::from_bytes(name));
            self.shared.note(path, NoteKind::Unreadable { reason });
        };
        let names = match folder.names(&mut refused) {
            Ok(names) => names,
            Err(errno) => {
                self.note_errno(folder.path.to_path_buf(), errno);
                Vec::new()
            }
        };
        if self.options.obeys_ignore_files {
            ignores.extend(self.ignore_file(&folder));
        }
        self.building.reserve(number, names.len());
        let mut listing = Listing::default();
        let mut below = Vec::new();
        for name in names {
            let Some((kind, stat)) = self.look(&folder, &name, &ignores)? else { continue };
            if self.options.metadata {
                listing.attributes.push(read_attributes(&stat, &folder.path_of(&name), kind));
            }
            let entry = listing.passed + listing.entries.len() as u32;
            if kind == EntryKind::Tree {
                below.push((entry, name.clone()));
            } else {
                listing.jobs.push((entry, Stamp::of(&stat)));
            }
            listing.entries.push(Entry { name, kind, vcid: Vcid::from_bytes([0; 32]) });
            if listing.entries.len() == LISTED_AT_ONCE {
                self.hand_on_listed(&mut listing, &folder, number);
            }
        }
        self.hand_on_listed(&mut listing, &folder, number);
        let ahead = self.descend(&folder, number, depth, &ignores, below)?;
        let ended = self.building.end(number);
        ended.map_err(|source| AddError::Put { path: folder.path.to_path_buf(), source })?;
        Ok(ahead)
    }

    /// Names entries of a folder to who builds its tree, and then the files among them to who reads.
    fn hand_on_listed(&mut self, listing: &mut Listing, folder: &OpenFolder, number: u32) {
        let jobs: Vec<Job> = listing
            .jobs
            .drain(..)
            .map(|(entry, stamp)| {
                let Entry { name, kind, .. } = &listing.entries[(entry - listing.passed) as usize];
                let place = Place { folder: number, entry };
                Job { place, folder: folder.clone(), name: name.clone(), kind: *kind, stamp }
            })
            .collect();
        listing.passed += listing.entries.len() as u32;
        self.building.expect(number, listing.entries.drain(..), listing.attributes.drain(..));
        jobs.into_iter().for_each(|job| self.push(job));
    }

    /// Gives each folder in a folder a number.
    fn descend(
        &self,
        folder: &OpenFolder,
        number: u32,
        depth: usize,
        ignores: &[Arc<Gitignore>],
        below: Vec<(u32, EntryName)>,
    ) -> Result<Vec<Ahead>, AddError> {
        if depth + 1 >= TREE_DEPTH_MAX && !below.is_empty() {
            return Err(AddError::Deep { path: folder.path.to_path_buf() });
        }
        let entries: Vec<u32> = below.iter().map(|(entry, _)| *entry).collect();
        let numbers = self.building.begin_below(number, entries);
        let ahead = below.into_iter().zip(numbers).map(|((entry, name), next)| Ahead {
            parent: folder.clone(),
            name,
            place: Place { folder: number, entry },
            number: next,
            depth: depth + 1,
            ignores: ignores.to_vec(),
        });
        Ok(ahead.collect())
    }

    /// Returns what an entry is, or `None` where it is left out.
    fn look(
        &self,
        folder: &OpenFolder,
        name: &EntryName,
        ignores: &[Arc<Gitignore>],
    ) -> Result<Option<(EntryKind, Stat)>, AddError> {
        let stat = match folder.stat(name) {
            Ok(stat) => stat,
            Err(errno) => {
                self.note_errno(folder.path_of(name), errno);
                return Ok(None);
            }
        };
        let file_type = FileType::from_raw_mode(stat.st_mode);
        let is_folder = file_type == FileType::Directory;
        if self.is_left_out(folder, name, is_folder, ignores) {
            return Ok(None);
        }
        if is_folder && self.options.skips.contains(&(stat.st_dev, stat.st_ino)) {
            self.shared.note(folder.path_of(name), NoteKind::Special { what: "the store itself" });
            return Ok(None);
        }
        let kind = match file_type {
            FileType::Directory => EntryKind::Tree,
            FileType::Symlink => EntryKind::Symlink,
            FileType::RegularFile if stat.st_mode & 0o100 != 0 => EntryKind::Executable,
            FileType::RegularFile => EntryKind::File,
            other => {
                let what = special_kind(other);
                self.shared.note(folder.path_of(name), NoteKind::Special { what });
                return Ok(None);
            }
        };
        let size = stat.st_size as u64;
        if size > self.options.file_bytes_max && kind != EntryKind::Tree {
            let (path, max) = (folder.path_of(name), self.options.file_bytes_max);
            return Err(AddError::FileTooLong { path, size, max });
        }
        if kind != EntryKind::Tree {
            self.shared.files_found.fetch_add(1, Ordering::Relaxed);
            let bytes = if kind == EntryKind::Symlink { 0 } else { size };
            self.shared.bytes_found.fetch_add(bytes, Ordering::Relaxed);
        }
        Ok(Some((kind, stat)))
    }

    fn is_left_out(
        &self,
        folder: &OpenFolder,
        name: &EntryName,
        is_folder: bool,
        ignores: &[Arc<Gitignore>],
    ) -> bool {
        if self.excludes.is_empty() && ignores.is_empty() && !self.options.obeys_ignore_files {
            return false;
        }
        // Git's own folder is no part of a work tree that its ignore files speak of.
        if self.options.obeys_ignore_files && name.as_bytes() == b".git" {
            return true;
        }
        let path = folder.path_of(name);
        if self.excludes.matched(&path, is_folder).is_ignore() {
            return true;
        }
        // The innermost file that says something about the path decides.
        let said = ignores.iter().rev().map(|ignore| ignore.matched(&path, is_folder));
        said.into_iter().find(|said| !said.is_none()).is_some_and(|said| said.is_ignore())
    }

    fn ignore_file(&self, folder: &OpenFolder) -> Option<Arc<Gitignore>> {
        let mut builder = GitignoreBuilder::new(&*folder.path);
        let mut has_any = false;
        for name in IGNORE_FILES {
            let path = folder.path.join(name);
            if !path.is_file() {
                continue;
            }
            has_any = true;
            if let Some(error) = builder.add(&path) {
                self.shared.note(path, NoteKind::Unreadable { reason: error.to_string() });
            }
        }
        has_any.then(|| builder.build().ok().map(Arc::new)).flatten()
    }

    fn note_errno(&self, path: PathBuf, errno: Errno) {
        let what = match errno {
            Errno::NOENT => NoteKind::Vanished,
            other => NoteKind::Unreadable { reason: std::io::Error::from(other).to_string() },
        };
        self.shared.note(path, what);
    }

    fn push(&mut self, job: Job) {
        let size = job.stamp.size;
        if !self.batch.is_empty() && self.batch_bytes + size > BATCH_BYTES {
            self.hand_on();
        }
        let is_same = |last: &Job| last.place.folder == job.place.folder;
        self.batch_folders += usize::from(!self.batch.last().is_some_and(is_same));
        self.batch.push(job);
        self.batch_bytes += size;
        let is_full = self.batch.len() >= BATCH_FILES || self.batch_bytes >= BATCH_BYTES;
        if is_full || self.batch_folders >= BATCH_FOLDERS {
            self.hand_on();
        }
    }

    fn hand_on(&mut self) {
        let batch = std::mem::take(&mut self.batch);
        self.batch_bytes = 0;
        self.batch_folders = 0;
        if !batch.is_empty() && self.send.send(batch).is_err() {
            // All readers are gone, so one of them has failed and says why.
            self.shared.is_cancelled.store(true, Ordering::Relaxed);
        }
    }
}
