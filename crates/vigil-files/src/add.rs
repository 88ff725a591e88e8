//! Adding: walk, read, hash, store, and build trees from the leaves up.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crossbeam_channel::Receiver;
use rustix::fs::{FileType, Stat};
use rustix::io::Errno;
use vigil_base::world::Moment;
use vigil_base::{EntryKind, Vcid};
use vigil_store::{Batch, PutError, Stored, Writer};

use crate::add_error::AddError;
use crate::attributes::read_attributes;
use crate::building::{Building, Outcome};
use crate::changes::{CHANGES_MAX, Changes};
use crate::folder::{Known, OpenFolder, Stamp};
use crate::note::{Note, NoteKind};
use crate::snapshot::{Attributes, Snapshot};
use crate::walk::{Job, Shared, Walker, compile};

/// What to add, and how.
#[derive(Clone, Debug)]
pub struct AddOptions {
    /// Patterns, in the syntax of `.gitignore`, of what to leave out.
    pub exclude: Vec<String>,
    /// Whether `.gitignore` and `.vigilignore` files say what to leave out.
    pub obeys_ignore_files: bool,
    /// Whether to keep times, owners, modes, extended attributes and hard links beside the tree.
    pub metadata: bool,
    /// A longer file is refused.
    pub file_bytes_max: u64,
    /// How many threads read, hash and compress.
    pub threads: usize,
    /// Folders to leave out, by device and inode: the store itself, where it lies in what is added.
    pub skips: Vec<(u64, u64)>,
    /// Whether files that have not changed since they were last added are not read again.
    pub uses_cache: bool,
}

impl Default for AddOptions {
    fn default() -> Self {
        Self {
            exclude: Vec::new(),
            obeys_ignore_files: false,
            metadata: false,
            file_bytes_max: FILE_BYTES_MAX,
            threads: std::thread::available_parallelism().map_or(2, usize::from),
            skips: Vec::new(),
            uses_cache: true,
        }
    }
}

/// Longest file that is added unless the caller raises it: 256 GiB. Above it, a file is more often a
/// sparse image than something that was meant.
pub const FILE_BYTES_MAX: u64 = 256 << 30;

/// How far adding has come.
#[derive(Clone, Copy, Debug, Default)]
pub struct AddProgress {
    /// Files read, or found unchanged.
    pub files_done: u64,
    /// Their bytes.
    pub bytes_done: u64,
    /// Files found so far.
    pub files_found: u64,
    /// Their bytes.
    pub bytes_found: u64,
    /// Nothing more will be found.
    pub is_walk_done: bool,
}

/// What was added.
#[derive(Clone, Debug)]
pub struct Added {
    /// The tree's record, or the blob of a single file.
    pub root: Vcid,
    /// What that is.
    pub kind: EntryKind,
    /// The snapshot metadata, if it was asked for.
    pub metadata: Option<Vcid>,
    /// Files and symbolic links in it.
    pub files: u64,
    /// Folders in it, itself counted.
    pub folders: u64,
    /// Bytes of the files.
    pub bytes: u64,
    /// Files that were not read, because they have not changed.
    pub unchanged_files: u64,
    /// What became of the bytes.
    pub stored: Stored,
    /// What was noticed on the way, in the order of the paths.
    pub notes: Vec<Note>,
}

/// Batches of files that wait to be read: enough to keep the readers busy, few enough to be small.
const BATCHES_AHEAD: usize = 8;

/// Files are read again when they change meanwhile, so often at most.
const TRIES_MAX: usize = 3;

/// Stores everything that `source` gives, and returns its id and length.
pub fn add_stream(
    writer: &Writer,
    source: &mut dyn Read,
    options: &AddOptions,
) -> Result<(Vcid, u64, Stored), AddError> {
    let path = || PathBuf::from("-");
    let failed = |source| AddError::Put { path: path(), source };
    let mut batch = writer.batch().map_err(failed)?;
    let max = options.file_bytes_max;
    // One byte more than is allowed is enough to know that there is too much.
    let mut limited = source.take(max.saturating_add(1));
    let (vcid, len) = batch.put_stream(&mut limited).map_err(failed)?;
    let stored = batch.finish().map_err(failed)?;
    if len > max {
        return Err(AddError::FileTooLong { path: path(), size: len, max });
    }
    Ok((vcid, len, stored))
}

/// Stores a file, or a folder with everything in it.
///
/// The result is durable after [`Writer::commit`].
pub fn add_path(
    writer: &Writer,
    path: &Path,
    options: &AddOptions,
    progress: &(dyn Fn(AddProgress) + Sync),
) -> Result<Added, AddError> {
    let open = |source: Errno| AddError::Open { path: path.into(), source: source.into() };
    let stat = rustix::fs::stat(path).map_err(open)?;
    let world = writer.store().world();
    let started = world.clock.now();
    let changes =
        if options.uses_cache { Changes::load(&*world.disk)? } else { Changes::default() };
    let adding = Adding {
        writer,
        options,
        changes: &changes,
        shared: Shared::new(),
        files_done: AtomicU64::new(0),
        bytes_done: AtomicU64::new(0),
        unchanged: AtomicU64::new(0),
        fresh: Mutex::default(),
        stored: Mutex::default(),
        progress,
    };
    let (mut added, fresh) = match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => adding.add_folder(path, &stat)?,
        FileType::RegularFile => adding.add_file(path, &stat)?,
        other => {
            let what = crate::folder::special_kind(other);
            return Err(AddError::Special { path: path.into(), what });
        }
    };
    added.notes.sort_by(|a, b| a.path.cmp(&b.path));
    if options.uses_cache && !fresh.is_empty() {
        save_changes(writer, changes, fresh, started)?;
    }
    Ok(added)
}

/// The blobs are made durable first: the record must not name what a crash can lose.
fn save_changes(
    writer: &Writer,
    changes: Changes,
    fresh: Vec<Known>,
    started: Moment,
) -> Result<(), AddError> {
    let failed = |source| AddError::Put { path: PathBuf::from("."), source };
    writer.commit().map_err(failed)?;
    Ok(changes.save(&*writer.store().world().disk, fresh, started)?)
}

/// One call of [`add_path`].
struct Adding<'a> {
    writer: &'a Writer,
    options: &'a AddOptions,
    changes: &'a Changes,
    shared: Shared,
    files_done: AtomicU64,
    bytes_done: AtomicU64,
    unchanged: AtomicU64,
    fresh: Mutex<Vec<Known>>,
    stored: Mutex<Stored>,
    progress: &'a (dyn Fn(AddProgress) + Sync),
}

impl Adding<'_> {
    fn put_error(path: PathBuf) -> impl FnOnce(PutError) -> AddError {
        |source| AddError::Put { path, source }
    }

    fn add_file(self, path: &Path, stat: &Stat) -> Result<(Added, Vec<Known>), AddError> {
        let (size, max) = (stat.st_size as u64, self.options.file_bytes_max);
        if size > max {
            return Err(AddError::FileTooLong { path: path.into(), size, max });
        }
        let failed = |source| AddError::Put { path: path.into(), source };
        let file =
            File::open(path).map_err(|source| AddError::Open { path: path.into(), source })?;
        let mut batch = self.writer.batch().map_err(failed)?;
        let (vcid, bytes) = batch.put_stream(&mut &file).map_err(failed)?;
        let kind = if stat.st_mode & 0o100 != 0 { EntryKind::Executable } else { EntryKind::File };
        let metadata = match self.options.metadata {
            false => None,
            true => {
                let own = Attributes { link: 0, ..read_attributes(stat, path, kind) };
                let snapshot = Snapshot { root: vcid, entries: vec![own] };
                Some(batch.put_any(&snapshot.encode()).map_err(failed)?)
            }
        };
        let stored = batch.finish().map_err(failed)?;
        let added = Added {
            root: vcid,
            kind,
            metadata,
            files: 1,
            folders: 0,
            bytes,
            unchanged_files: 0,
            stored,
            notes: Vec::new(),
        };
        Ok((added, Vec::new()))
    }

    fn add_folder(self, path: &Path, stat: &Stat) -> Result<(Added, Vec<Known>), AddError> {
        let failed = |source| AddError::Put { path: path.into(), source };
        let folder = OpenFolder::open(path)
            .map_err(|errno| AddError::Open { path: path.into(), source: errno.into() })?;
        let excludes = compile(path, &self.options.exclude)?;
        let own = self.options.metadata.then(|| read_attributes(stat, path, EntryKind::Tree));
        let building = Building::new(self.writer.batch().map_err(failed)?, own);
        let (send, receive) = crossbeam_channel::bounded(BATCHES_AHEAD);
        let mut walker = Walker {
            options: self.options,
            shared: &self.shared,
            building: &building,
            send,
            excludes,
            batch: Vec::new(),
            batch_bytes: 0,
            batch_folders: 0,
        };
        std::thread::scope(|scope| {
            let readers: Vec<_> = (0..self.options.threads.max(1))
                .map(|_| {
                    let receive = receive.clone();
                    scope.spawn(|| self.read_batches(&building, receive))
                })
                .collect();
            drop(receive);
            let walked = walker.walk(folder);
            if walked.is_err() {
                self.shared.is_cancelled.store(true, Ordering::Relaxed);
            }
            // Dropping the sender tells the readers that nothing more comes.
            drop(walker);
            let read = readers.into_iter().map(|reader| match reader.join() {
                Ok(result) => result,
                Err(panic) => std::panic::resume_unwind(panic),
            });
            // Collected first, so that every thread has ended before an error is returned.
            let read: Vec<Result<(), AddError>> = read.collect();
            walked.and(read.into_iter().collect::<Result<(), AddError>>())
        })?;
        let built = building.finish().map_err(failed)?;
        let mut stored = self.stored.into_inner().unwrap_or_else(PoisonError::into_inner);
        stored += built.stored;
        let added = Added {
            root: built.root,
            kind: EntryKind::Tree,
            metadata: built.metadata,
            files: built.files,
            folders: built.folders,
            bytes: self.bytes_done.into_inner(),
            unchanged_files: self.unchanged.into_inner(),
            stored,
            notes: self.shared.notes.into_inner().unwrap_or_else(PoisonError::into_inner),
        };
        Ok((added, self.fresh.into_inner().unwrap_or_else(PoisonError::into_inner)))
    }

    /// Reads batches until there are no more.
    fn read_batches(
        &self,
        building: &Building<'_>,
        receive: Receiver<Vec<Job>>,
    ) -> Result<(), AddError> {
        let result = self.try_read_batches(building, receive);
        if result.is_err() {
            self.shared.is_cancelled.store(true, Ordering::Relaxed);
        }
        result
    }

    fn try_read_batches(
        &self,
        building: &Building<'_>,
        receive: Receiver<Vec<Job>>,
    ) -> Result<(), AddError> {
        let root = || PathBuf::from(".");
        let mut batch = self.writer.batch().map_err(Self::put_error(root()))?;
        let mut buffer = Vec::new();
        for jobs in receive {
            if self.shared.is_cancelled.load(Ordering::Relaxed) {
                break;
            }
            let mut outcomes = Vec::with_capacity(jobs.len());
            let mut fresh = Vec::new();
            for job in &jobs {
                outcomes.push(self.read_job(&mut batch, &mut buffer, job, &mut fresh)?);
                self.files_done.fetch_add(1, Ordering::Relaxed);
                if job.kind != EntryKind::Symlink {
                    self.bytes_done.fetch_add(job.stamp.size, Ordering::Relaxed);
                }
            }
            self.keep_fresh(fresh);
            building.settle(outcomes).map_err(Self::put_error(root()))?;
            self.writer.settle().map_err(Self::put_error(root()))?;
            (self.progress)(self.progress_now());
        }
        let stored = batch.finish().map_err(Self::put_error(root()))?;
        *self.stored.lock().unwrap_or_else(PoisonError::into_inner) += stored;
        Ok(())
    }

    /// Remembers what was read, as far as the record of unchanged files has room for it.
    fn keep_fresh(&self, fresh: Vec<Known>) {
        let mut kept = self.fresh.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < CHANGES_MAX {
            kept.extend(fresh);
        }
    }

    fn progress_now(&self) -> AddProgress {
        AddProgress {
            files_done: self.files_done.load(Ordering::Relaxed),
            bytes_done: self.bytes_done.load(Ordering::Relaxed),
            files_found: self.shared.files_found.load(Ordering::Relaxed),
            bytes_found: self.shared.bytes_found.load(Ordering::Relaxed),
            is_walk_done: self.shared.is_walk_done.load(Ordering::Relaxed),
        }
    }

    fn read_job(
        &self,
        batch: &mut Batch<'_>,
        buffer: &mut Vec<u8>,
        job: &Job,
        fresh: &mut Vec<Known>,
    ) -> Result<Outcome, AddError> {
        let place = job.place;
        let path = || job.folder.path_of(&job.name);
        if job.kind == EntryKind::Symlink {
            let vcid = match job.folder.read_link(&job.name) {
                Ok(target) => Some(batch.put(target.to_bytes()).map_err(Self::put_error(path()))?),
                Err(errno) => self.skip(path(), errno),
            };
            return Ok(Outcome { place, vcid });
        }
        if let Some(vcid) = self.changes.find(&job.stamp) {
            let is_stored = self.writer.store().contains_now(vcid);
            if is_stored.map_err(|error| Self::put_error(path())(error.into()))? {
                self.unchanged.fetch_add(1, Ordering::Relaxed);
                return Ok(Outcome { place, vcid: Some(vcid) });
            }
        }
        for attempt in 1..=TRIES_MAX {
            let file = match job.folder.open_file(&job.name) {
                Ok(fd) => File::from(fd),
                Err(errno) => return Ok(Outcome { place, vcid: self.skip(path(), errno) }),
            };
            match self.read_file(batch, buffer, &file, &path())? {
                Read1::Settled(known) => {
                    fresh.push(known);
                    return Ok(Outcome { place, vcid: Some(known.vcid) });
                }
                Read1::Changing(vcid) if attempt == TRIES_MAX => {
                    self.shared.note(path(), NoteKind::Changing);
                    return Ok(Outcome { place, vcid: Some(vcid) });
                }
                Read1::Changing(_) => {}
                Read1::Failed(reason) => {
                    self.shared.note(path(), NoteKind::Unreadable { reason });
                    return Ok(Outcome { place, vcid: None });
                }
            }
        }
        unreachable!("the last attempt returns")
    }

    /// Stores one state of a file, if it has one.
    fn read_file(
        &self,
        batch: &mut Batch<'_>,
        buffer: &mut Vec<u8>,
        file: &File,
        path: &Path,
    ) -> Result<Read1, AddError> {
        let stat_now = || rustix::fs::fstat(file).map_err(std::io::Error::from);
        let before = match stat_now() {
            Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile => stat,
            Ok(_) => return Ok(Read1::Failed("it is no longer a file".into())),
            Err(error) => return Ok(Read1::Failed(error.to_string())),
        };
        let stamp = Stamp::of(&before);
        let max = self.options.file_bytes_max;
        if stamp.size > max {
            return Err(AddError::FileTooLong { path: path.into(), size: stamp.size, max });
        }
        let (vcid, len) = if stamp.size <= batch.whole_bytes_max() as u64 {
            buffer.clear();
            buffer.reserve(stamp.size as usize + 1);
            let read = file.take(batch.whole_bytes_max() as u64 + 1).read_to_end(buffer);
            match read {
                // It has grown past what is stored whole; the next attempt will see that.
                Ok(len) if len > batch.whole_bytes_max() => {
                    return Ok(Read1::Changing(
                        batch.put_any(buffer).map_err(Self::put_error(path.into()))?,
                    ));
                }
                Ok(len) => {
                    let put = batch.put(buffer).map_err(Self::put_error(path.into()))?;
                    (put, len as u64)
                }
                Err(error) => return Ok(Read1::Failed(error.to_string())),
            }
        } else {
            match batch.put_stream(&mut &*file) {
                Ok(put) => put,
                Err(PutError::Source(error)) => return Ok(Read1::Failed(error.to_string())),
                Err(error) => return Err(Self::put_error(path.into())(error)),
            }
        };
        let is_settled =
            len == stamp.size && stat_now().is_ok_and(|after| Stamp::of(&after) == stamp);
        Ok(if is_settled { Read1::Settled(Known { stamp, vcid }) } else { Read1::Changing(vcid) })
    }

    fn skip(&self, path: PathBuf, errno: Errno) -> Option<Vcid> {
        let what = match errno {
            Errno::NOENT => NoteKind::Vanished,
            other => NoteKind::Unreadable { reason: std::io::Error::from(other).to_string() },
        };
        self.shared.note(path, what);
        None
    }
}

/// What came of reading a file once.
enum Read1 {
    /// It was the same before and after.
    Settled(Known),
    /// It changed meanwhile.
    Changing(Vcid),
    /// It could not be read.
    Failed(String),
}
