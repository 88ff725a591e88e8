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
use vigil_base::percent_decode;
use vigil_files::{AddOptions, Added, add_path};
use vigil_kernel::HostFault;
use vigil_store::Writer;

use crate::host::fault;

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
    pub(crate) fn look(&self, path: &str, writer: &Writer) -> Result<Option<Vec<u8>>, HostFault> {
        let failed = |errno: Errno| HostFault { what: format!("could not read {path}: {errno}") };
        let Some(file) = self.open(path).map_err(failed)? else { return Ok(None) };
        let stat = rustix::fs::fstat(&file).map_err(failed)?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile | FileType::Directory => {}
            _ => return Ok(None),
        }
        // By its descriptor, so that it is what was opened whatever became of the path since.
        let opened = PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
        let options = AddOptions {
            file_bytes_max: u64::MAX,
            threads: self.threads,
            skips: self.skips.clone(),
            ..AddOptions::default()
        };
        let added = add_path(writer, &opened, &options, &|_| {});
        let Added { kind, root, .. } = added.map_err(|error| fault(&error))?;
        let mut encoder = Encoder::default();
        encoder.array(2);
        encoder.unsigned(kind.code());
        encoder.bytes(root.as_bytes());
        Ok(Some(encoder.finish()))
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

    /// Returns where a path that is a root lies, for those who watch it; not checked.
    pub fn path_of(&self, path: &str) -> PathBuf {
        use std::os::unix::ffi::OsStringExt as _;
        let bytes = percent_decode(path).unwrap_or_default();
        self.folder.join(Path::new(&std::ffi::OsString::from_vec(bytes)))
    }
}
