//! The door to the folder that packages are installed in. Tests hand in a folder that loses power.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;
use rustix::io::Errno;
use vigil_base::world::{DiskError, DiskFault};

/// Fills a file.
pub type Fill<'a> = dyn FnMut(&mut dyn Write) -> io::Result<()> + 'a;

/// A folder, with links. Paths are relative to it.
pub trait Place: Send + Sync {
    /// Makes a folder where nothing is, in one that is there.
    fn make_folder(&self, path: &Path) -> Result<(), DiskError>;
    /// Makes a file where nothing is. Its bytes are durable, its name is not.
    fn make_file(
        &self,
        path: &Path,
        is_executable: bool,
        fill: &mut Fill<'_>,
    ) -> Result<(), DiskError>;
    /// Makes a symbolic link where nothing is.
    fn make_link(&self, path: &Path, target: &[u8]) -> Result<(), DiskError>;
    /// Gives something another name in the same folder; a file or link that has it already is replaced.
    fn rename(&self, from: &Path, to: &Path) -> Result<(), DiskError>;
    /// Makes the names in a folder durable.
    fn sync_folder(&self, path: &Path) -> Result<(), DiskError>;
    /// Lists the names in a folder, in no order; one that is absent is empty.
    fn list(&self, path: &Path) -> Result<Vec<String>, DiskError>;
    /// Reads a file of at most so many bytes, if it is there.
    fn read(&self, path: &Path, bytes_max: u64) -> Result<Option<Vec<u8>>, DiskError>;
    /// Reads where a link leads, if it is there.
    fn read_link(&self, path: &Path) -> Result<Option<Vec<u8>>, DiskError>;
    /// Removes something with all that is in it, if it is there.
    fn remove(&self, path: &Path) -> Result<(), DiskError>;
    /// Makes the folder itself where it is absent, and keeps everybody else out until what is returned is
    /// dropped.
    fn lock(&self) -> Result<Box<dyn std::any::Any>, DiskError>;
    /// Returns what people call it.
    fn describe(&self) -> String;
}

/// A folder of the file system.
#[derive(Clone, Debug)]
pub struct FolderPlace {
    root: PathBuf,
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> DiskError {
    let path = path.display().to_string();
    move |error| {
        let fault = match error.kind() {
            ErrorKind::NotFound => DiskFault::Absent,
            ErrorKind::AlreadyExists => DiskFault::Exists,
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => DiskFault::Full,
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => DiskFault::Denied,
            _ => DiskFault::Other,
        };
        DiskError { fault, action, path, reason: error.to_string() }
    }
}

fn or_absent<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Ok(None)
        }
        result => result.map(Some),
    }
}

impl FolderPlace {
    /// Uses a folder, whether or not it is there yet.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Returns the folder.
    pub fn root(&self) -> &Path {
        &self.root
    }
}

impl Place for FolderPlace {
    fn make_folder(&self, path: &Path) -> Result<(), DiskError> {
        let full = self.root.join(path);
        fs::create_dir(&full).map_err(failed("create the folder", &full))
    }

    fn make_file(
        &self,
        path: &Path,
        is_executable: bool,
        fill: &mut Fill<'_>,
    ) -> Result<(), DiskError> {
        let full = self.root.join(path);
        let mut make = || {
            let mut options = OpenOptions::new();
            // Nobody else may look into it before it is whole.
            let mut file = options.write(true).create_new(true).mode(0o600).open(&full)?;
            fill(&mut file)?;
            file.set_permissions(Permissions::from_mode(if is_executable {
                0o755
            } else {
                0o644
            }))?;
            file.sync_all()
        };
        make().map_err(failed("write", &full))
    }

    fn make_link(&self, path: &Path, target: &[u8]) -> Result<(), DiskError> {
        let full = self.root.join(path);
        let target = std::ffi::OsStr::from_bytes(target);
        std::os::unix::fs::symlink(target, &full).map_err(failed("make the link", &full))
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<(), DiskError> {
        let full = self.root.join(to);
        fs::rename(self.root.join(from), &full).map_err(failed("rename something to", &full))
    }

    fn sync_folder(&self, path: &Path) -> Result<(), DiskError> {
        let full = self.root.join(path);
        let synced = File::open(&full).and_then(|folder| folder.sync_all());
        synced.map_err(failed("sync the folder", &full))
    }

    fn list(&self, path: &Path) -> Result<Vec<String>, DiskError> {
        let full = self.root.join(path);
        let list = || {
            let mut names = Vec::new();
            for entry in or_absent(fs::read_dir(&full))?.into_iter().flatten() {
                // Every name of ours is ASCII; whatever else lies there is not ours.
                names.extend(entry?.file_name().into_string().ok());
            }
            Ok(names)
        };
        list().map_err(failed("list", &full))
    }

    fn read(&self, path: &Path, bytes_max: u64) -> Result<Option<Vec<u8>>, DiskError> {
        let full = self.root.join(path);
        let read = || {
            let Some(file) = or_absent(File::open(&full))? else { return Ok(None) };
            let mut bytes = Vec::new();
            io::Read::read_to_end(&mut io::Read::take(file, bytes_max), &mut bytes)?;
            Ok(Some(bytes))
        };
        read().map_err(failed("read", &full))
    }

    fn read_link(&self, path: &Path) -> Result<Option<Vec<u8>>, DiskError> {
        let full = self.root.join(path);
        let target = or_absent(fs::read_link(&full)).map_err(failed("follow", &full))?;
        Ok(target.map(|target| target.as_os_str().as_bytes().to_vec()))
    }

    fn remove(&self, path: &Path) -> Result<(), DiskError> {
        let full = self.root.join(path);
        let remove = || match or_absent(fs::symlink_metadata(&full))? {
            None => Ok(()),
            Some(found) if found.is_dir() => fs::remove_dir_all(&full),
            Some(_) => fs::remove_file(&full),
        };
        remove().map_err(failed("remove", &full))
    }

    fn lock(&self) -> Result<Box<dyn std::any::Any>, DiskError> {
        let path = self.root.join("lock");
        let open = || {
            fs::create_dir_all(&self.root)?;
            OpenOptions::new().create(true).append(true).open(&path)
        };
        let file = open().map_err(failed("open", &path))?;
        loop {
            match rustix::fs::flock(&file, FlockOperation::LockExclusive) {
                Ok(()) => return Ok(Box::new(file)),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(failed("lock", &path)(errno.into())),
            }
        }
    }

    fn describe(&self) -> String {
        self.root.display().to_string()
    }
}
