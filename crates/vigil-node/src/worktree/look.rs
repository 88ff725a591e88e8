//! One look at a work tree: folder by folder, asking the system about each thing, or about what was
//! reported.

use std::collections::HashSet;
use std::ffi::CStr;
use std::fs::File;
use std::io::Read as _;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, StatxFlags};
use rustix::io::Errno;
use vigil_base::limits::TREE_DEPTH_MAX;
use vigil_base::world::{Clock, Moment};
use vigil_base::{Entry, EntryKind, EntryName, Tree, Vcid};
use vigil_kernel::{Blobs, HostFault};

use super::folder::{Folder, FolderId, Item, Stamp};
use super::{Changed, Refreshed, Watching, WorkTree, WorkTreeError};

/// Largest file that is taken in as an input.
pub const FILE_BYTES_MAX: u64 = 256 << 20;

/// A look that is under way.
pub struct Look<'a> {
    tree: &'a mut WorkTree,
    blobs: &'a dyn Blobs,
    /// When it began: what has changed since may change again within one tick.
    now: Moment,
    /// Whether everything is asked about, reported or not.
    is_full: bool,
    /// The path of the folder that is being looked at, with a slash behind each name.
    path: Vec<u8>,
    found: Refreshed,
}

/// What is asked of the system: all by which a change is found.
const MASK: StatxFlags = StatxFlags::BASIC_STATS;

fn ask(folder: BorrowedFd<'_>, name: &CStr) -> Result<rustix::fs::Statx, Errno> {
    rustix::fs::statx(folder, name, AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT, MASK)
}

/// Returns what something is; `None` for pipes, sockets and devices, which are no content.
fn kind_of(mode: u32) -> Option<EntryKind> {
    match FileType::from_raw_mode(mode) {
        FileType::RegularFile if mode & 0o100 != 0 => Some(EntryKind::Executable),
        FileType::RegularFile => Some(EntryKind::File),
        FileType::Symlink => Some(EntryKind::Symlink),
        FileType::Directory => Some(EntryKind::Tree),
        _ => None,
    }
}

impl<'a> Look<'a> {
    /// Begins a look.
    pub fn new(
        tree: &'a mut WorkTree,
        blobs: &'a dyn Blobs,
        clock: &dyn Clock,
        is_full: bool,
    ) -> Self {
        let found = Refreshed { tree: Vcid::of(&[]), changes: Vec::new(), asked: 0, read: 0 };
        Self { tree, blobs, now: clock.now(), is_full, path: Vec::new(), found }
    }

    /// Looks at everything that it must.
    pub fn run(mut self) -> Result<(Vcid, Refreshed), WorkTreeError> {
        let this = &mut self;
        let root = this.tree.root.try_clone().map_err(|error| WorkTreeError::Read {
            path: this.shown(b""),
            errno: Errno::from_io_error(&error).unwrap_or(Errno::IO),
        })?;
        let before = this.tree.tree;
        let vcid = this.folder(0, root.as_fd(), 0)?;
        this.found.tree = vcid;
        if before != Some(vcid) {
            let now = Some((EntryKind::Tree, vcid));
            this.found.changes.push(Changed { path: String::new(), now });
        }
        Ok((vcid, self.found))
    }

    fn folder_of(&mut self, id: FolderId) -> &mut Folder {
        &mut self.tree.folders[id as usize]
    }

    /// Returns the path of a name in the folder that is being looked at, for people and as a root.
    fn shown(&self, name: &[u8]) -> String {
        let whole = [&self.path[..], name].concat();
        String::from_utf8_lossy(&whole).into_owned()
    }

    fn failed(&self, name: &[u8], errno: Errno) -> WorkTreeError {
        WorkTreeError::Read { path: self.shown(name), errno }
    }

    /// Looks at a folder and what is below it, and returns its tree.
    fn folder(
        &mut self,
        id: FolderId,
        open: BorrowedFd<'_>,
        depth: usize,
    ) -> Result<Vcid, WorkTreeError> {
        if depth > TREE_DEPTH_MAX {
            return Err(WorkTreeError::Deep { path: self.shown(b"") });
        }
        let is_full = self.is_full;
        self.is_full |= self.is_another(id, open)?;
        let vcid = self.folder_as_it_is(id, open, depth);
        self.is_full = is_full;
        vcid
    }

    /// Returns whether the folder is another one than the one that was watched under its name: then
    /// nothing of what is below it has been reported.
    fn is_another(&mut self, id: FolderId, open: BorrowedFd<'_>) -> Result<bool, WorkTreeError> {
        let has_lost_watch = std::mem::take(&mut self.folder_of(id).has_lost_watch);
        let Some(watch) = self.folder_of(id).watch else { return Ok(has_lost_watch) };
        let stat = rustix::fs::statx(open, c"", AtFlags::EMPTY_PATH, MASK)
            .map_err(|errno| self.failed(b"", errno))?;
        if self.folder_of(id).stamp.is_of_same_thing(&Stamp::of(&stat)) {
            return Ok(false);
        }
        self.folder_of(id).unwatch();
        if let Some(watcher) = &mut self.tree.watcher {
            watcher.remove(watch, id);
        }
        Ok(true)
    }

    fn folder_as_it_is(
        &mut self,
        id: FolderId,
        open: BorrowedFd<'_>,
        depth: usize,
    ) -> Result<Vcid, WorkTreeError> {
        // Before anything of it is looked at, so that no change falls between.
        self.watch(id, open);
        let suspects = self.folder_of(id).suspects.take();
        let is_suspect_below = std::mem::take(&mut self.folder_of(id).is_suspect_below);
        let mut is_changed = self.folder_of(id).vcid.is_none();
        if self.is_full || suspects.is_some() || is_changed {
            is_changed |= self.list(id, open, suspects.as_ref())?;
            for index in 0..self.folder_of(id).items.len() {
                is_changed |= self.item(id, open, index, suspects.as_ref())?;
            }
        }
        if self.is_full || is_suspect_below || suspects.is_some() || is_changed {
            for index in 0..self.folder_of(id).items.len() {
                is_changed |= self.item_below(id, open, index, depth, suspects.as_ref())?;
            }
        }
        match self.folder_of(id).vcid {
            Some(vcid) if !is_changed => Ok(vcid),
            _ => self.record(id),
        }
    }

    /// Writes down the tree of a folder whose items are known.
    fn record(&mut self, id: FolderId) -> Result<Vcid, WorkTreeError> {
        let folder = &self.tree.folders[id as usize];
        let entries = folder.items.iter().filter_map(|item| {
            // Names that are listed are no longer than the system allows, which is what a tree allows.
            let name = EntryName::new(folder.name(item).to_bytes()).ok()?;
            Some(Entry { name, kind: item.kind, vcid: item.vcid? })
        });
        let tree = Tree::new(entries.collect())
            .map_err(|error| WorkTreeError::Keep(HostFault { what: error.to_string() }))?;
        let vcid = self.blobs.put(&tree.encode())?;
        self.folder_of(id).vcid = Some(vcid);
        Ok(vcid)
    }

    fn watch(&mut self, id: FolderId, open: BorrowedFd<'_>) {
        let Some(watcher) = &mut self.tree.watcher else { return };
        if self.tree.folders[id as usize].watch.is_some() {
            return;
        }
        match watcher.add(open, id) {
            Ok(watch) => self.tree.folders[id as usize].watch = Some(watch),
            Err(errno) => {
                let path = self.shown(b"");
                let hint = "perhaps fs.inotify.max_user_watches is too low";
                self.tree.watcher = None;
                self.tree.watching =
                    Watching::Lost(format!("could not watch `{path}`: {errno}; {hint}"));
            }
        }
    }

    /// Lists a folder anew where it may have other names now; returns whether it has.
    fn list(
        &mut self,
        id: FolderId,
        open: BorrowedFd<'_>,
        suspects: Option<&HashSet<Vec<u8>>>,
    ) -> Result<bool, WorkTreeError> {
        let stat = rustix::fs::statx(open, c"", AtFlags::EMPTY_PATH, MASK)
            .map_err(|errno| self.failed(b"", errno))?;
        self.found.asked += 1;
        let stamp = Stamp::of(&stat);
        let now = self.now;
        let folder = self.folder_of(id);
        if folder.stamp == stamp && folder.is_settled && suspects.is_none() {
            return Ok(false);
        }
        (folder.stamp, folder.is_settled) = (stamp, stamp.is_settled(now.0));
        let listed = self.read_names(open).map_err(|errno| self.failed(b"", errno))?;
        let folder = self.folder_of(id);
        let count = folder.items.len();
        let gone = folder.relist(listed);
        let is_changed = !gone.is_empty() || folder.items.len() != count;
        for (name, item) in gone {
            let path = self.shown(&name);
            self.found.changes.push(Changed { path, now: None });
            if let Some(below) = item.folder {
                self.forget(below, &[&name[..], b"/"].concat());
            }
        }
        Ok(is_changed)
    }

    fn read_names(&self, open: BorrowedFd<'_>) -> Result<Vec<(Vec<u8>, EntryKind)>, Errno> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let mut listed = Vec::new();
        for entry in Dir::new(rustix::fs::openat(open, c".", flags, Mode::empty())?)? {
            let entry = entry?;
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            let kind = match entry.file_type() {
                FileType::Directory => Some(EntryKind::Tree),
                FileType::RegularFile => Some(EntryKind::File),
                FileType::Symlink => Some(EntryKind::Symlink),
                // Some file systems do not say.
                FileType::Unknown => match ask(open, name) {
                    Ok(stat) => kind_of(u32::from(stat.stx_mode)),
                    Err(Errno::NOENT) => None,
                    Err(errno) => return Err(errno),
                },
                _ => None,
            };
            listed.extend(kind.map(|kind| (name.to_bytes().to_vec(), kind)));
        }
        Ok(listed)
    }

    /// Forgets a folder that is gone, and says so of everything below it.
    fn forget(&mut self, id: FolderId, path: &[u8]) {
        let mut open = vec![(id, path.to_vec())];
        while let Some((id, path)) = open.pop() {
            let folder = std::mem::take(self.folder_of(id));
            if let (Some(watcher), Some(watch)) = (&mut self.tree.watcher, folder.watch) {
                watcher.remove(watch, id);
            }
            self.tree.free.push(id);
            for item in &folder.items {
                let path = [&path[..], folder.name(item).to_bytes()].concat();
                self.found.changes.push(Changed { path: self.shown(&path), now: None });
                open.extend(item.folder.map(|below| (below, [&path[..], b"/"].concat())));
            }
        }
    }

    /// Looks at a file or link; returns whether it is another one than before.
    fn item(
        &mut self,
        id: FolderId,
        open: BorrowedFd<'_>,
        index: usize,
        suspects: Option<&HashSet<Vec<u8>>>,
    ) -> Result<bool, WorkTreeError> {
        let folder = &self.tree.folders[id as usize];
        let item = &folder.items[index];
        if item.kind == EntryKind::Tree {
            return Ok(false);
        }
        let name = folder.name(item);
        let is_reported = suspects.is_some_and(|names| names.contains(name.to_bytes()));
        if !self.is_full && !is_reported && item.vcid.is_some() {
            return Ok(false);
        }
        self.found.asked += 1;
        let (stamp, kind) = match ask(open, name) {
            Ok(stat) => (Stamp::of(&stat), kind_of(u32::from(stat.stx_mode))),
            Err(Errno::NOENT) => (Stamp::default(), None),
            Err(errno) => return Err(self.failed(name.to_bytes(), errno)),
        };
        if item.stamp == stamp && item.is_settled && !is_reported && item.vcid.is_some() {
            return Ok(false);
        }
        let name = name.to_owned();
        let before = (item.kind, item.vcid);
        let read = match kind {
            Some(kind) if kind != EntryKind::Tree => self.read(open, &name, kind)?,
            _ => None,
        };
        let now = self.now;
        let folder = self.folder_of(id);
        let item = &mut folder.items[index];
        match read {
            Some((vcid, stamp, kind)) => {
                item.is_settled = stamp.is_settled(now.0);
                (item.stamp, item.kind, item.vcid) = (stamp, kind, Some(vcid));
            }
            // It went, or became something else, since the folder was listed: next time.
            None => {
                (item.is_settled, item.vcid) = (false, None);
                folder.is_settled = false;
            }
        }
        let after = (item.kind, item.vcid);
        if after == before {
            return Ok(false);
        }
        let path = self.shown(name.to_bytes());
        self.found.changes.push(Changed { path, now: after.1.map(|vcid| (after.0, vcid)) });
        Ok(true)
    }

    /// Reads a file or link, with what the system said of it before: whatever is written meanwhile is
    /// seen the next time.
    fn read(
        &mut self,
        open: BorrowedFd<'_>,
        name: &CStr,
        kind: EntryKind,
    ) -> Result<Option<(Vcid, Stamp, EntryKind)>, WorkTreeError> {
        self.found.read += 1;
        if kind == EntryKind::Symlink {
            let target = match rustix::fs::readlinkat(open, name, Vec::new()) {
                Ok(target) => target,
                Err(Errno::NOENT | Errno::INVAL) => return Ok(None),
                Err(errno) => return Err(self.failed(name.to_bytes(), errno)),
            };
            let stat = ask(open, name).map_err(|errno| self.failed(name.to_bytes(), errno))?;
            return Ok(Some((self.blobs.put(target.to_bytes())?, Stamp::of(&stat), kind)));
        }
        // Non-blocking, so that a pipe that took its place does not hold the thread.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = match rustix::fs::openat(open, name, flags, Mode::empty()) {
            Ok(file) => file,
            Err(Errno::NOENT | Errno::LOOP) => return Ok(None),
            Err(errno) => return Err(self.failed(name.to_bytes(), errno)),
        };
        let stat = rustix::fs::statx(&file, c"", AtFlags::EMPTY_PATH, MASK)
            .map_err(|errno| self.failed(name.to_bytes(), errno))?;
        let Some(kind @ (EntryKind::File | EntryKind::Executable)) =
            kind_of(u32::from(stat.stx_mode))
        else {
            return Ok(None);
        };
        let mut bytes = Vec::new();
        let mut limited = File::from(file).take(FILE_BYTES_MAX + 1);
        limited.read_to_end(&mut bytes).map_err(|error| {
            self.failed(name.to_bytes(), Errno::from_io_error(&error).unwrap_or(Errno::IO))
        })?;
        if bytes.len() as u64 > FILE_BYTES_MAX {
            return Err(WorkTreeError::Large { path: self.shown(name.to_bytes()) });
        }
        let stamp = Stamp::of(&stat);
        Ok(Some((self.blobs.put(&bytes)?, stamp, kind)))
    }

    /// Looks at a folder in a folder; returns whether its tree is another one than before.
    fn item_below(
        &mut self,
        id: FolderId,
        open: BorrowedFd<'_>,
        index: usize,
        depth: usize,
        suspects: Option<&HashSet<Vec<u8>>>,
    ) -> Result<bool, WorkTreeError> {
        let folder = &self.tree.folders[id as usize];
        let item: &Item = &folder.items[index];
        if item.kind != EntryKind::Tree {
            return Ok(false);
        }
        let is_reported =
            suspects.is_some_and(|names| names.contains(folder.name(item).to_bytes()));
        if let (Some(below), false) = (item.folder, self.is_full || is_reported) {
            let below = &self.tree.folders[below as usize];
            let is_known = below.vcid.is_some() && below.vcid == item.vcid;
            if is_known && below.suspects.is_none() && !below.is_suspect_below {
                return Ok(false);
            }
        }
        let name = folder.name(item).to_owned();
        let before = item.vcid;
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let opened: OwnedFd = match rustix::fs::openat(open, &name, flags, Mode::empty()) {
            Ok(opened) => opened,
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {
                let folder = self.folder_of(id);
                folder.is_settled = false;
                folder.items[index].vcid = None;
                return Ok(before.is_some());
            }
            Err(errno) => return Err(self.failed(name.to_bytes(), errno)),
        };
        let below = item.folder.unwrap_or_else(|| self.new_folder(id));
        self.folder_of(id).items[index].folder = Some(below);
        let len = self.path.len();
        self.path.extend_from_slice(name.to_bytes());
        self.path.push(b'/');
        let vcid = self.folder(below, opened.as_fd(), depth + 1);
        self.path.truncate(len);
        let vcid = vcid?;
        self.folder_of(id).items[index].vcid = Some(vcid);
        if before == Some(vcid) {
            return Ok(false);
        }
        let path = self.shown(name.to_bytes());
        self.found.changes.push(Changed { path, now: Some((EntryKind::Tree, vcid)) });
        Ok(true)
    }

    fn new_folder(&mut self, parent: FolderId) -> FolderId {
        let folder = Folder::below(parent);
        match self.tree.free.pop() {
            Some(id) => {
                self.tree.folders[id as usize] = folder;
                id
            }
            None => {
                self.tree.folders.push(folder);
                (self.tree.folders.len() - 1) as FolderId
            }
        }
    }
}
