//! The real disk: one folder of the file system.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{FlockOperation, OFlags};
use rustix::io::Errno;
use vigil_base::world::{Disk, DiskError, DiskFault, DiskFile, Lock, Mapped, Moment, OpenMode};

/// A folder, through the operating system.
#[derive(Debug)]
pub struct FolderDisk {
    root: PathBuf,
    is_private: bool,
}

impl FolderDisk {
    /// Uses the folder `root`, which is created with the first file.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), is_private: false }
    }

    /// Uses the folder `root`; what is created in it, and the folder itself, only its owner reads.
    pub fn private(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), is_private: true }
    }

    /// Returns the folder.
    pub fn root(&self) -> &Path {
        &self.root
    }
}

/// Turns what the system said into what the trait promises.
fn blame_disk(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> DiskError {
    move |error| DiskError {
        fault: match error.kind() {
            ErrorKind::NotFound => DiskFault::Absent,
            ErrorKind::AlreadyExists => DiskFault::Exists,
            // A limit on the length of files is met like a full disk: what is written stays.
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
                DiskFault::Full
            }
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => DiskFault::Denied,
            ErrorKind::IsADirectory => DiskFault::NotAFile,
            // What opening a socket, and following a link in a circle, ends with.
            _ if is_one_of(&error, [Errno::NXIO, Errno::LOOP]) => DiskFault::NotAFile,
            _ => DiskFault::Other,
        },
        action,
        path: path.display().to_string(),
        reason: error.to_string(),
    }
}

fn is_one_of(error: &io::Error, errnos: [Errno; 2]) -> bool {
    errnos.iter().any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}

impl Disk for FolderDisk {
    fn open(&self, path: &str, mode: OpenMode) -> Result<Box<dyn DiskFile>, DiskError> {
        let full = self.root.join(path);
        let mut options = OpenOptions::new();
        options.read(true).write(mode != OpenMode::Read);
        // A pipe that somebody has put there must not be waited for; files do not mind.
        options.custom_flags(OFlags::NONBLOCK.bits().cast_signed());
        match mode {
            OpenMode::Read | OpenMode::Write => {}
            OpenMode::CreateNew => _ = options.create_new(true),
            OpenMode::Create => _ = options.create(true).truncate(false),
        }
        if self.is_private {
            options.mode(0o600);
        }
        let action = if mode == OpenMode::Read { "open" } else { "open for writing" };
        let file = options.open(&full).map_err(blame_disk(action, &full))?;
        if !file.metadata().map_err(blame_disk("stat", &full))?.is_file() {
            return Err(DiskError {
                fault: DiskFault::NotAFile,
                action,
                path: full.display().to_string(),
                reason: "it is not a file".into(),
            });
        }
        Ok(Box::new(FolderFile { file, path: full }))
    }

    fn list(&self, path: &str) -> Result<Vec<String>, DiskError> {
        let full = self.root.join(path);
        let entries = match std::fs::read_dir(&full) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(blame_disk("list", &full)(error)),
        };
        let mut names = Vec::new();
        for entry in entries {
            let name = entry.map_err(blame_disk("list", &full))?.file_name();
            // Every file of ours has an ASCII name; whatever else lies there is not ours.
            names.extend(name.into_string().ok());
        }
        Ok(names)
    }

    fn create_folder(&self, path: &str) -> Result<(), DiskError> {
        let full = self.root.join(path);
        if full.is_dir() {
            return Ok(());
        }
        // The entries of parents made here are synced too: nobody else will.
        let absent: Vec<&Path> = full.ancestors().take_while(|folder| !folder.is_dir()).collect();
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(true).mode(if self.is_private { 0o700 } else { 0o777 });
        builder.create(&full).map_err(blame_disk("create the folder", &full))?;
        for made in absent.into_iter().filter_map(Path::parent) {
            let parent = if made.as_os_str().is_empty() { Path::new(".") } else { made };
            match File::open(parent).and_then(|folder| folder.sync_all()) {
                // Whoever may not list a folder cannot sync it either, and its owner made it so.
                Err(error) if error.kind() == ErrorKind::PermissionDenied => {}
                synced => synced.map_err(blame_disk("sync the folder", parent))?,
            }
        }
        Ok(())
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), DiskError> {
        let full = self.root.join(to);
        std::fs::rename(self.root.join(from), &full).map_err(blame_disk("rename a file to", &full))
    }

    fn remove(&self, path: &str) -> Result<(), DiskError> {
        let full = self.root.join(path);
        match std::fs::remove_file(&full) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(blame_disk("remove", &full)(error))
            }
            _ => Ok(()),
        }
    }

    fn sync_folder(&self, path: &str) -> Result<(), DiskError> {
        let full = self.root.join(path);
        let folder = File::open(&full).map_err(blame_disk("open the folder", &full))?;
        folder.sync_all().map_err(blame_disk("sync the folder", &full))
    }

    fn describe(&self) -> String {
        self.root.display().to_string()
    }

    fn free_bytes(&self) -> Result<Option<u64>, DiskError> {
        let stat = rustix::fs::statvfs(&self.root)
            .map_err(|errno| blame_disk("ask for the free space of", &self.root)(errno.into()))?;
        Ok(Some(stat.f_bavail.saturating_mul(stat.f_frsize)))
    }
}

struct FolderFile {
    file: File,
    path: PathBuf,
}

impl DiskFile for FolderFile {
    fn len(&self) -> Result<u64, DiskError> {
        Ok(self.file.metadata().map_err(blame_disk("stat", &self.path))?.len())
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<usize, DiskError> {
        let mut done = 0;
        while done < into.len() {
            match self.file.read_at(&mut into[done..], offset + done as u64) {
                Ok(0) => break,
                Ok(count) => done += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(blame_disk("read", &self.path)(error)),
            }
        }
        Ok(done)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<(), DiskError> {
        self.file.write_all_at(bytes, offset).map_err(blame_disk("write", &self.path))
    }

    fn set_len(&self, len: u64) -> Result<(), DiskError> {
        self.file.set_len(len).map_err(blame_disk("resize", &self.path))
    }

    fn sync(&self) -> Result<(), DiskError> {
        self.file.sync_data().map_err(blame_disk("sync", &self.path))
    }

    fn written_at(&self) -> Result<Option<Moment>, DiskError> {
        let stat = rustix::fs::fstat(&self.file)
            .map_err(|errno| blame_disk("stat", &self.path)(errno.into()))?;
        let nanoseconds = i64::try_from(stat.st_mtime_nsec).unwrap_or_default();
        Ok(Some(Moment(stat.st_mtime.saturating_mul(1_000_000_000).saturating_add(nanoseconds))))
    }

    fn lock(&self, lock: Lock, wait: bool) -> Result<bool, DiskError> {
        let operation = match (lock, wait) {
            (Lock::Shared, true) => FlockOperation::LockShared,
            (Lock::Shared, false) => FlockOperation::NonBlockingLockShared,
            (Lock::Exclusive, true) => FlockOperation::LockExclusive,
            (Lock::Exclusive, false) => FlockOperation::NonBlockingLockExclusive,
        };
        loop {
            match rustix::fs::flock(&self.file, operation) {
                Ok(()) => return Ok(true),
                Err(Errno::WOULDBLOCK) if !wait => return Ok(false),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(blame_disk("lock", &self.path)(errno.into())),
            }
        }
    }

    fn map(&self, len: u64) -> Result<Arc<dyn Mapped>, DiskError> {
        if self.len()? < len {
            let short =
                io::Error::new(ErrorKind::UnexpectedEof, "the file is shorter than expected");
            return Err(blame_disk("map", &self.path)(short));
        }
        let len = usize::try_from(len)
            .map_err(|_| blame_disk("map", &self.path)(ErrorKind::FileTooLarge.into()))?;
        let map = crate::mapping::map(&self.file, len).map_err(blame_disk("map", &self.path))?;
        Ok(Arc::new(map))
    }
}
