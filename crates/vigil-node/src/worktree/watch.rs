//! Letting the system report changes: inotify, one watch for each folder.
//!
//! It says in which folder which name was touched, and nothing of what happened to it: what is there is
//! looked at. Reports that did not fit into the system's queue are known to be lost.

use std::collections::HashMap;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use rustix::io::Errno;

use super::folder::FolderId;

/// Room for a few hundred reports at a time.
const BUFFER_BYTES: usize = 32 << 10;

/// What the system reports on.
pub struct Watcher {
    queue: OwnedFd,
    folders: HashMap<i32, FolderId>,
}

/// What was reported of a folder.
pub enum Report {
    /// This name was touched; an empty one for the folder itself.
    Touched(Vec<u8>),
    /// The folder is gone, and nothing is reported of it any longer; another one may have its name.
    Ended,
}

/// What was reported, and of which folders.
pub type Reports = Vec<(FolderId, Report)>;

impl Watcher {
    /// Opens a queue of reports.
    pub fn start() -> Result<Self, Errno> {
        let queue = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        Ok(Self { queue, folders: HashMap::new() })
    }

    /// Watches an open folder from now on.
    pub fn add(&mut self, folder: BorrowedFd<'_>, id: FolderId) -> Result<i32, Errno> {
        let flags = WatchFlags::CREATE
            | WatchFlags::DELETE
            | WatchFlags::MODIFY
            | WatchFlags::CLOSE_WRITE
            | WatchFlags::ATTRIB
            | WatchFlags::MOVED_FROM
            | WatchFlags::MOVED_TO
            | WatchFlags::DELETE_SELF
            | WatchFlags::MOVE_SELF
            | WatchFlags::ONLYDIR;
        // By the open folder and not by its path, which may lead elsewhere by now.
        let path = format!("/proc/self/fd/{}", folder.as_raw_fd());
        let watch = inotify::add_watch(&self.queue, path, flags)?;
        // A folder that was moved keeps its number, and belongs to its new place.
        self.folders.insert(watch, id);
        Ok(watch)
    }

    /// Watches a folder no longer, unless its number belongs to another one by now.
    pub fn remove(&mut self, watch: i32, id: FolderId) {
        if self.folders.get(&watch) == Some(&id) {
            self.folders.remove(&watch);
            // A folder that is gone took its watch along.
            let _ = inotify::remove_watch(&self.queue, watch);
        }
    }

    /// Takes all reports; `None` if some were lost.
    pub fn take(&mut self) -> Result<Option<Reports>, Errno> {
        let mut buffer = [MaybeUninit::uninit(); BUFFER_BYTES];
        let mut reader = inotify::Reader::new(self.queue.as_fd(), &mut buffer);
        let mut reports = Reports::new();
        let mut is_lost = false;
        loop {
            let event = match reader.next() {
                Ok(event) => event,
                Err(Errno::WOULDBLOCK) => return Ok((!is_lost).then_some(reports)),
                Err(Errno::INTR) => continue,
                Err(errno) => return Err(errno),
            };
            is_lost |= event.events().contains(ReadFlags::QUEUE_OVERFLOW);
            // Nothing is known of folders that are not watched any longer.
            let Some(folder) = self.folders.get(&event.wd()) else { continue };
            if event.events().contains(ReadFlags::IGNORED) {
                reports.push((*folder, Report::Ended));
                self.folders.remove(&event.wd());
                continue;
            }
            let name = event.file_name().map_or(Vec::new(), |name| name.to_bytes().to_vec());
            reports.push((*folder, Report::Touched(name)));
        }
    }
}
