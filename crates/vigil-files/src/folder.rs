//! Reading and opening inside a folder by its descriptor, so that nobody can swap a path under us.

use std::ffi::{CString, OsStr};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;
use vigil_base::{EntryName, Vcid};

/// An open folder.
#[derive(Clone)]
pub(crate) struct OpenFolder {
    pub fd: Arc<OwnedFd>,
    pub path: Arc<PathBuf>,
}

/// What identifies one state of a file, as far as the system tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub device: u64,
    pub inode: u64,
    pub size: u64,
    /// Nanoseconds since 1970.
    pub modified: i64,
    /// Nanoseconds since 1970.
    pub changed: i64,
}

/// What is stored for a file of a known state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Known {
    pub stamp: Stamp,
    pub vcid: Vcid,
}

impl Stamp {
    pub fn of(stat: &Stat) -> Self {
        let nanos = |seconds: i64, nanos: u64| {
            seconds.saturating_mul(1_000_000_000).saturating_add(nanos as i64)
        };
        Self {
            device: stat.st_dev,
            inode: stat.st_ino,
            size: stat.st_size as u64,
            modified: nanos(stat.st_mtime, stat.st_mtime_nsec),
            changed: nanos(stat.st_ctime, stat.st_ctime_nsec),
        }
    }
}

pub(crate) fn os_name(name: &EntryName) -> &OsStr {
    OsStr::from_bytes(name.as_bytes())
}

impl OpenFolder {
    pub fn open(path: &Path) -> Result<Self, Errno> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = rustix::fs::open(path, flags, Mode::empty())?;
        Ok(Self { fd: Arc::new(fd), path: Arc::new(path.to_path_buf()) })
    }

    /// Opens the folder `name` in this one, which must not be a symbolic link.
    pub fn open_folder(&self, name: &EntryName) -> Result<Self, Errno> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(&self.fd, os_name(name), flags, Mode::empty())?;
        Ok(Self { fd: Arc::new(fd), path: Arc::new(self.path_of(name)) })
    }

    /// Opens the file `name` for reading. Never follows a link, never waits for a pipe's other end.
    pub fn open_file(&self, name: &EntryName) -> Result<OwnedFd, Errno> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        rustix::fs::openat(&self.fd, os_name(name), flags, Mode::empty())
    }

    pub fn path_of(&self, name: &EntryName) -> PathBuf {
        self.path.join(os_name(name))
    }

    pub fn stat(&self, name: &EntryName) -> Result<Stat, Errno> {
        rustix::fs::statat(&self.fd, os_name(name), AtFlags::SYMLINK_NOFOLLOW)
    }

    pub fn read_link(&self, name: &EntryName) -> Result<CString, Errno> {
        rustix::fs::readlinkat(&self.fd, os_name(name), Vec::new())
    }

    /// Returns the names in the folder, sorted. One that cannot be an entry's name (longer than the
    /// limit; nothing else is possible) is given to `refused`.
    pub fn names(&self, refused: &mut dyn FnMut(&[u8], String)) -> Result<Vec<EntryName>, Errno> {
        let mut names = Vec::new();
        for entry in Dir::read_from(&self.fd)? {
            let entry = entry?;
            let bytes = entry.file_name().to_bytes();
            if matches!(bytes, b"." | b"..") {
                continue;
            }
            match EntryName::new(bytes) {
                Ok(name) => names.push(name),
                Err(error) => refused(bytes, error.to_string()),
            }
        }
        names.sort_unstable();
        Ok(names)
    }
}

/// Returns what a file that cannot be stored is.
pub(crate) fn special_kind(kind: FileType) -> &'static str {
    match kind {
        FileType::Socket => "a socket",
        FileType::Fifo => "a named pipe",
        FileType::BlockDevice => "a block device",
        FileType::CharacterDevice => "a character device",
        _ => "of an unknown kind",
    }
}
