//! Waiting until something changes that an answer is made of: names of the store, files, folders.
//!
//! The kernel of the system tells (inotify(7)). What it tells is a hint: whoever waits looks again, and
//! finds out whether anything is different.
//!
//! Invariants:
//! - a change of what is watched is told by the next [`Watcher::wait`], whenever it happens;
//! - no folder is watched that lies outside of the one that may be read.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Component, Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use rustix::io::Errno;
use vigil_base::percent_decode;
use vigil_kernel::Request;

use crate::files::Files;
use crate::node::Node;

/// Most folders that are watched for one root; in what lies beyond, changes are looked for by the clock.
const FOLDERS_MAX: usize = 4096;

/// How often it is looked where the system cannot tell.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Waits for changes of roots.
pub struct Watcher {
    events: OwnedFd,
    /// The folder of the store, in which the names lie.
    store: PathBuf,
    /// Which roots a watched folder concerns, and whether only through one of its entries.
    roots: BTreeMap<i32, BTreeSet<(String, Option<OsString>)>>,
    /// Roots that the system cannot watch whole.
    unwatched: BTreeSet<String>,
    all: BTreeSet<String>,
    /// Whether nobody knows what the last answer was made of.
    is_blind: bool,
}

/// Returns a path that leads to what is open, and nowhere else.
fn place_of(open: &OwnedFd) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", open.as_raw_fd()))
}

impl Watcher {
    /// Makes a watcher of what lies in a store, and of files.
    pub fn new(store: PathBuf) -> io::Result<Self> {
        let events = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        let (roots, unwatched, all) = Default::default();
        Ok(Self { events, store, roots, unwatched, all, is_blind: false })
    }

    /// Watches what the last answer to a request was made of, and nothing else. Returns the roots of
    /// which something was not watched before: it may have changed since it was looked at.
    ///
    /// Of an answer that could not even be made nobody knows what it is made of: then what was watched
    /// stays so, and it is looked again by the clock.
    pub fn follow(&mut self, node: &Node, request: &Request) -> io::Result<BTreeSet<String>> {
        let mut roots = node.kernel().roots_below(crate::SCOPE, request);
        self.is_blind = node.kernel().why(crate::SCOPE, request).is_empty();
        if self.is_blind {
            roots.append(&mut self.all);
        }
        let before = std::mem::take(&mut self.roots);
        self.unwatched.clear();
        for root in &roots {
            match (root.split_once('/'), node.host().files()) {
                (Some(("name", _)), _) => self.watch_names(root)?,
                (Some(("file", path)), Some(files)) => self.watch(files, path, root)?,
                // Where nothing may be read, nothing changes.
                (Some(("file", _)), None) => {}
                _ => {
                    self.unwatched.insert(root.clone());
                }
            }
        }
        for number in before.keys().filter(|number| !self.roots.contains_key(number)) {
            match inotify::remove_watch(&self.events, *number) {
                // The folder itself is gone, and its watch with it.
                Ok(()) | Err(Errno::INVAL) => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.all = roots;
        let fresh = self.roots.iter().filter(|(number, _)| !before.contains_key(number));
        Ok(fresh.flat_map(|(_, concerned)| concerned).map(|(root, _)| root.clone()).collect())
    }

    /// Returns the roots that the system cannot watch whole, so that it is looked at them by the clock.
    pub fn by_the_clock(&self) -> &BTreeSet<String> {
        &self.unwatched
    }

    /// Watches where names lie.
    fn watch_names(&mut self, root: &str) -> io::Result<()> {
        if !self.add(&self.store.join("names"), root, None)? {
            // There is no name yet, and with the first one there is its folder.
            self.add(&self.store.clone(), root, Some("names".into()))?;
        }
        Ok(())
    }

    /// Watches a path below the folder that may be read, and nothing that lies outside: each folder on the
    /// way for the next one, and the last with all below it.
    fn watch(&mut self, files: &Files, path: &str, root: &str) -> io::Result<()> {
        let Some(path) = percent_decode(path) else { return Ok(()) };
        let path = PathBuf::from(OsString::from_vec(path));
        let mut here = PathBuf::new();
        for part in path.components() {
            let name = match part {
                Component::Normal(name) => name,
                Component::CurDir => continue,
                // What is named from the top is never read.
                Component::RootDir | Component::Prefix(_) => return Ok(()),
                Component::ParentDir => return self.leave_to_the_clock(root),
            };
            match files.enter(&here) {
                Ok(folder) => {
                    self.add_open(&folder, root, Some(name.to_owned()))?;
                }
                // It appears in the folder above, or is no folder, and then nothing is below it.
                Err(Errno::NOENT | Errno::NOTDIR) => return Ok(()),
                // A link on the way, which may lead elsewhere later.
                Err(Errno::LOOP | Errno::XDEV | Errno::ACCESS) => {
                    return self.leave_to_the_clock(root);
                }
                Err(error) => return Err(error.into()),
            }
            here.push(name);
        }
        self.watch_below(files, here, root)
    }

    /// Watches a folder, if it is one, with all below it but the store.
    fn watch_below(&mut self, files: &Files, top: PathBuf, root: &str) -> io::Result<()> {
        let mut open = vec![top];
        let mut count = 0;
        while let Some(path) = open.pop() {
            let folder = match files.enter(&path) {
                Ok(folder) => folder,
                // One that is gone already has told so.
                Err(Errno::NOENT | Errno::NOTDIR) => continue,
                Err(Errno::LOOP | Errno::XDEV | Errno::ACCESS) => {
                    self.leave_to_the_clock(root)?;
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            if files.is_skipped(&folder)? {
                continue;
            }
            count += 1;
            if count > FOLDERS_MAX || !self.add_open(&folder, root, None)? {
                return self.leave_to_the_clock(root);
            }
            let Ok(entries) = std::fs::read_dir(place_of(&folder)) else {
                self.leave_to_the_clock(root)?;
                continue;
            };
            // A link is not followed, as in the tree that is made of the folder.
            let entries = entries.flatten();
            let folders = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
            open.extend(folders.map(|entry| path.join(entry.file_name())));
        }
        Ok(())
    }

    fn leave_to_the_clock(&mut self, root: &str) -> io::Result<()> {
        self.unwatched.insert(root.to_owned());
        Ok(())
    }

    /// Watches a folder that is open, whatever becomes of its path.
    fn add_open(
        &mut self,
        folder: &OwnedFd,
        root: &str,
        entry: Option<OsString>,
    ) -> io::Result<bool> {
        self.add(&place_of(folder), root, entry)
    }

    /// Watches one folder, or one entry of it; returns whether that is possible.
    fn add(&mut self, folder: &Path, root: &str, entry: Option<OsString>) -> io::Result<bool> {
        let flags = WatchFlags::CLOSE_WRITE
            | WatchFlags::MODIFY
            | WatchFlags::ATTRIB
            | WatchFlags::CREATE
            | WatchFlags::DELETE
            | WatchFlags::DELETE_SELF
            | WatchFlags::MOVE
            | WatchFlags::MOVE_SELF
            | WatchFlags::ONLYDIR;
        match inotify::add_watch(&self.events, folder, flags) {
            Ok(number) => {
                self.roots.entry(number).or_default().insert((root.to_owned(), entry));
                Ok(true)
            }
            Err(Errno::NOENT | Errno::NOTDIR | Errno::ACCESS) => Ok(false),
            // The system's limit of watches.
            Err(Errno::NOSPC) => {
                self.unwatched.insert(root.to_owned());
                Ok(true)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Waits until something happens, and then until nothing has for `quiet`, but no longer than
    /// `at_last`. Returns the roots that it concerns; none where it is only time to look again.
    pub fn wait(&mut self, quiet: Duration, at_last: Duration) -> io::Result<BTreeSet<String>> {
        let limit = (self.is_blind || !self.unwatched.is_empty()).then_some(LOOK_EVERY);
        loop {
            if !self.is_told(limit)? {
                return Ok(self.unwatched.clone());
            }
            let start = Instant::now();
            let mut changed = self.read()?;
            while start.elapsed() < at_last && self.is_told(Some(quiet))? {
                changed.extend(self.read()?);
            }
            if !changed.is_empty() {
                return Ok(changed);
            }
        }
    }

    /// Waits for events; returns whether there are any.
    fn is_told(&self, limit: Option<Duration>) -> io::Result<bool> {
        let limit = limit.map(|limit| Timespec {
            tv_sec: limit.as_secs() as i64,
            tv_nsec: i64::from(limit.subsec_nanos()),
        });
        let mut watched = [PollFd::new(&self.events, PollFlags::IN)];
        loop {
            match poll(&mut watched, limit.as_ref()) {
                Ok(count) => return Ok(count > 0),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Reads what happened; returns the roots that it concerns.
    fn read(&mut self) -> io::Result<BTreeSet<String>> {
        let mut changed = BTreeSet::new();
        let mut buffer = [const { MaybeUninit::<u8>::uninit() }; 64 << 10];
        let mut reader = inotify::Reader::new(&self.events, &mut buffer);
        loop {
            match reader.next() {
                Ok(event) => {
                    if event.events().contains(ReadFlags::QUEUE_OVERFLOW) {
                        // Something was missed, and nobody knows what.
                        changed.extend(self.all.iter().cloned());
                    }
                    let name = event.file_name().map(|name| OsStr::from_bytes(name.to_bytes()));
                    let concerned = self.roots.get(&event.wd()).into_iter().flatten();
                    let concerned = concerned.filter(|(_, entry)| match (entry, name) {
                        (Some(entry), Some(name)) => entry == name,
                        _ => true,
                    });
                    changed.extend(concerned.map(|(root, _)| root.clone()));
                }
                Err(Errno::AGAIN) => return Ok(changed),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}
