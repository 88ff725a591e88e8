//! A work tree: a folder that people edit, as inputs whose changes are found cheaply.
//!
//! It knows what each file and folder was when it was last looked at, and by what the system says of
//! them finds out which to read again: everything below an unchanged answer stays untouched. It writes
//! nothing into the folder, keeps no file open, and knows no scheme; who asks puts its changes into a
//! kernel as the states of roots.
//!
//! Invariants:
//! - a file is taken as unchanged only if device, inode, size, modification and change time all agree and
//!   it was last changed well before it was last read, or if the system reports every change and has
//!   reported none;
//! - nothing outside of the folder is reached: each step is one name below an open folder, links are
//!   never followed;
//! - the same content gives the same tree, and a folder whose tree is as before is not reported.

mod folder;
mod look;
mod record;
mod watch;

use std::collections::HashSet;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use vigil_base::world::Clock;
use vigil_base::{Blame, Blamed, EntryKind, Vcid};
use vigil_kernel::{Blobs, Era, HostFault, Kernel, Lease, Roots};

use self::folder::{Folder, FolderId};
use self::watch::{Report, Watcher};

pub use self::record::RecordDamaged;

/// Why a work tree could not be looked at.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WorkTreeError {
    /// Something in it could not be read.
    #[error("could not read {path}: {errno}")]
    Read {
        /// What.
        path: String,
        /// What the system said.
        errno: Errno,
    },
    /// A file is too large to be an input.
    #[error("{path} has more than {} bytes; add it instead", look::FILE_BYTES_MAX)]
    Large {
        /// Which.
        path: String,
    },
    /// Folders are nested too deep to be a tree.
    #[error("{path} is nested deeper than a tree may be")]
    Deep {
        /// Which.
        path: String,
    },
    /// What was read could not be kept.
    #[error("could not keep what was read")]
    Keep(#[from] HostFault),
}

impl Blamed for WorkTreeError {
    fn blame(&self) -> Blame {
        match self {
            Self::Large { .. } | Self::Deep { .. } => Blame::Caller,
            Self::Read { .. } | Self::Keep(_) => Blame::World,
        }
    }
}

/// A file or folder that is not what it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// Its path below the folder, without a slash at either end; empty for the folder itself.
    pub path: String,
    /// What it is now; `None` where it is gone.
    pub now: Option<(EntryKind, Vcid)>,
}

/// What a look has found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refreshed {
    /// The tree of the whole folder.
    pub tree: Vcid,
    /// What is not as it was at the look before.
    pub changes: Vec<Changed>,
    /// How many files and folders the system was asked about.
    pub asked: u64,
    /// How many files were read.
    pub read: u64,
}

/// Whether the system reports changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Watching {
    /// Nobody asked for it.
    Off,
    /// It does: a look asks only about what was reported.
    On,
    /// It did, or was to, and does not for this reason: each look asks about everything.
    Lost(String),
}

/// A folder that people edit.
pub struct WorkTree {
    root: OwnedFd,
    path: PathBuf,
    folders: Vec<Folder>,
    /// Places of folders that are gone.
    free: Vec<FolderId>,
    watcher: Option<Watcher>,
    watching: Watching,
    /// Whether everything must be asked about, whatever was reported.
    is_full: bool,
    tree: Option<Vcid>,
}

impl WorkTree {
    /// Opens a folder. Nothing is read yet.
    pub fn open(path: &Path) -> Result<Self, WorkTreeError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let read = |errno| WorkTreeError::Read { path: path.display().to_string(), errno };
        let root = rustix::fs::open(path, flags, Mode::empty()).map_err(read)?;
        Ok(Self {
            root,
            path: path.to_owned(),
            folders: vec![Folder::default()],
            free: Vec::new(),
            watcher: None,
            watching: Watching::Off,
            is_full: true,
            tree: None,
        })
    }

    /// Returns the folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Asks the system to report changes from now on. The next look asks about everything once more,
    /// the ones after it only about what was reported.
    ///
    /// Not reported, and so not seen until [`WorkTree::distrust`]: what is written through a mapping of
    /// memory, and what is written to a file by a name that it has outside of the folder.
    pub fn watch(&mut self) -> &Watching {
        self.is_full = true;
        self.folders.iter_mut().for_each(Folder::unwatch);
        match Watcher::start() {
            Ok(watcher) => (self.watcher, self.watching) = (Some(watcher), Watching::On),
            Err(errno) => self.lose_watch(format!("could not watch: {errno}")),
        }
        &self.watching
    }

    /// Returns whether the system reports changes.
    pub fn watching(&self) -> &Watching {
        &self.watching
    }

    /// Makes the next look ask about everything.
    pub fn distrust(&mut self) {
        self.is_full = true;
    }

    fn lose_watch(&mut self, why: String) {
        self.watcher = None;
        self.watching = Watching::Lost(why);
        self.is_full = true;
    }

    /// Looks what has changed, and keeps what is new.
    ///
    /// After an error what was found stays found, and the next look asks about everything.
    pub fn refresh(
        &mut self,
        blobs: &dyn Blobs,
        clock: &dyn Clock,
    ) -> Result<Refreshed, WorkTreeError> {
        self.take_reports();
        let is_full = std::mem::replace(&mut self.is_full, true);
        let (tree, found) = look::Look::new(self, blobs, clock, is_full).run()?;
        self.is_full = matches!(self.watching, Watching::Off | Watching::Lost(_));
        self.tree = Some(tree);
        Ok(found)
    }

    /// Takes in what the system has reported.
    fn take_reports(&mut self) {
        let Some(watcher) = &mut self.watcher else { return };
        match watcher.take() {
            Ok(Some(reports)) => {
                for (folder, report) in reports {
                    match report {
                        Report::Touched(name) => self.suspect(folder, name),
                        Report::Ended => {
                            self.folders[folder as usize].lose_watch();
                            self.suspect(folder, Vec::new());
                        }
                    }
                }
            }
            // Some reports are lost, and what they told of is not known.
            Ok(None) => self.is_full = true,
            Err(errno) => self.lose_watch(format!("could not read what was reported: {errno}")),
        }
    }

    /// Notes that something in a folder was reported, and that there is such a one below those above.
    fn suspect(&mut self, id: FolderId, name: Vec<u8>) {
        let suspects = &mut self.folders[id as usize].suspects;
        suspects.get_or_insert_with(HashSet::new).insert(name);
        let mut above = self.folders[id as usize].parent;
        while let Some(id) = above {
            let folder = &mut self.folders[id as usize];
            if std::mem::replace(&mut folder.is_suspect_below, true) {
                return;
            }
            above = folder.parent;
        }
    }

    /// Returns what lies at a path, as it was at the last look.
    pub fn find(&self, path: &str) -> Option<(EntryKind, Vcid)> {
        let mut here = (EntryKind::Tree, self.tree?);
        let mut folder = Some(0);
        for name in path.split('/').filter(|name| !name.is_empty()) {
            let item = self.folders[folder? as usize].find(name.as_bytes())?;
            here = (item.kind, item.vcid?);
            folder = item.folder;
        }
        Some(here)
    }
}

/// What a work tree's contents are held by.
#[derive(Default)]
struct Holding {
    lease: Option<Lease>,
    /// Of the lease that was held last.
    era: Option<Era>,
}

/// A work tree as roots of a kernel: the path of a file or folder, and as its state its kind and id.
///
/// A root that nobody has read costs nothing. What the roots name is held against collection until
/// [`WorkTreeRoots::let_collect`].
pub struct WorkTreeRoots {
    tree: Mutex<WorkTree>,
    holding: Mutex<Holding>,
    prefix: String,
    blobs: Arc<dyn Blobs>,
    clock: Arc<dyn Clock>,
}

impl WorkTreeRoots {
    /// Gives a work tree to a kernel; its roots are called `prefix` and the path.
    pub fn new(tree: WorkTree, prefix: &str, blobs: Arc<dyn Blobs>, clock: Arc<dyn Clock>) -> Self {
        let holding = Mutex::default();
        Self { tree: Mutex::new(tree), holding, prefix: prefix.to_owned(), blobs, clock }
    }

    /// Looks what has changed, and tells the kernel.
    pub fn refresh(&self, kernel: &Kernel) -> Result<Refreshed, WorkTreeError> {
        let mut tree = self.tree.lock().unwrap_or_else(PoisonError::into_inner);
        let mut holding = self.holding.lock().unwrap_or_else(PoisonError::into_inner);
        if holding.lease.is_none() {
            let lease = self.blobs.lease()?;
            if holding.era != Some(lease.era) {
                tree.forget_gone(&*self.blobs)?;
            }
            (holding.era, holding.lease) = (Some(lease.era), Some(lease));
        }
        drop(holding);
        let found = tree.refresh(&*self.blobs, &*self.clock)?;
        drop(tree);
        for changed in &found.changes {
            kernel.root_changed(&format!("{}{}", self.prefix, changed.path));
        }
        Ok(found)
    }
}

impl WorkTreeRoots {
    /// Lets the host collect what nobody keeps. What the roots name may be gone after this, until the
    /// next [`WorkTreeRoots::refresh`].
    pub fn let_collect(&self) {
        self.holding.lock().unwrap_or_else(PoisonError::into_inner).lease = None;
    }
}

impl Roots for WorkTreeRoots {
    fn look(&self, root: &str) -> Result<Option<Vec<u8>>, HostFault> {
        let Some(path) = root.strip_prefix(&self.prefix) else { return Ok(None) };
        let found = self.tree.lock().unwrap_or_else(PoisonError::into_inner).find(path);
        Ok(found.map(|(kind, vcid)| {
            let mut state = vec![kind.code() as u8];
            state.extend(vcid.as_bytes());
            state
        }))
    }
}
