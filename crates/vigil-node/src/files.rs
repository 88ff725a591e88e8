//! Files and folders below one that the node may read, as inputs: what a path holds is taken into the
//! store, and the state of the root is its kind and name.
//!
//! Invariants:
//! - nothing outside of the folder is reached, by `..` or by a link;
//! - a file of any length passes through memory piece by piece.

use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use vigil_base::cbor::Encoder;
use vigil_base::{EntryKind, Vcid, percent_decode};
use vigil_files::{AddOptions, Added, add_path};
use vigil_kernel::HostFault;
use vigil_store::Writer;

use crate::folders::Folders;
use crate::host::{StoreHost, fault};

/// A folder below which files may be read.
#[derive(Clone, Debug)]
pub struct Files {
    /// The folder.
    pub folder: PathBuf,
    /// Folders to leave out, by device and inode: the store itself, where it lies below.
    pub skips: Vec<(u64, u64)>,
    /// How many threads read a folder.
    pub threads: usize,
}

impl Files {
    /// Returns the state of a path: kind and name of what it holds, or nothing where nothing may be read.
    pub(crate) fn look(
        &self,
        path: &str,
        host: &StoreHost,
        folders: &Folders,
    ) -> Result<Option<Vec<u8>>, HostFault> {
        let failed = |errno: Errno| HostFault { what: format!("could not read {path}: {errno}") };
        let Some(file) = self.open(path).map_err(failed)? else { return Ok(None) };
        let stat = rustix::fs::fstat(&file).map_err(failed)?;
        let (kind, vcid) = match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => self.add(&file, &*host.writer()?)?,
            FileType::Directory => (EntryKind::Tree, folders.look(&file, &self.skips, host)?),
            _ => return Ok(None),
        };
        let mut encoder = Encoder::default();
        encoder.array(2);
        encoder.unsigned(kind.code());
        encoder.bytes(vcid.as_bytes());
        Ok(Some(encoder.finish()))
    }

    /// Takes in an open file.
    fn add(&self, file: &OwnedFd, writer: &Writer) -> Result<(EntryKind, Vcid), HostFault> {
        // By its descriptor, so that it is what was opened whatever became of the path since.
        let opened = PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
        let options =
            AddOptions { file_bytes_max: u64::MAX, threads: self.threads, ..Default::default() };
        let added = add_path(writer, &opened, &options, &|_| {});
        let Added { kind, root, .. } = added.map_err(|error| fault(&error))?;
        Ok((kind, root))
    }

    /// Opens what a path names below the folder, if it names something there.
    fn open(&self, path: &str) -> Result<Option<OwnedFd>, Errno> {
        let Some(path) = percent_decode(path) else { return Ok(None) };
        let path = if path.is_empty() { b".".to_vec() } else { path };
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let folder = rustix::fs::open(&self.folder, flags | OFlags::DIRECTORY, Mode::empty())?;
        // Non-blocking, so that a pipe that nobody writes to does not hold the thread.
        let flags = flags | OFlags::NONBLOCK;
        let beneath = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        match rustix::fs::openat2(&folder, path, flags, Mode::empty(), beneath) {
            Ok(file) => Ok(Some(file)),
            // Outside of the folder is nowhere.
            Err(Errno::NOENT | Errno::NOTDIR | Errno::XDEV | Errno::LOOP | Errno::INVAL) => {
                Ok(None)
            }
            Err(errno) => Err(errno),
        }
    }

    /// Opens a folder below the folder for those who watch it, by the way that has no links in it.
    pub(crate) fn enter(&self, path: &Path) -> Result<OwnedFd, Errno> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = rustix::fs::open(&self.folder, flags, Mode::empty())?;
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        let beneath = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        rustix::fs::openat2(&folder, path, flags, Mode::empty(), beneath)
    }

    /// Returns whether an open folder is one of those that are left out.
    pub(crate) fn is_skipped(&self, folder: &OwnedFd) -> Result<bool, Errno> {
        let stat = rustix::fs::fstat(folder)?;
        Ok(self.skips.contains(&(stat.st_dev, stat.st_ino)))
    }
}
