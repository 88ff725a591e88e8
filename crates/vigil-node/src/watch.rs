//! Waiting until something changes that an answer is made of: names of the store, files, folders.
//!
//! The kernel of the system tells (inotify(7)). What it tells is a hint: whoever waits looks again, and
//! finds out whether anything is different.
//!
//! Invariant: a change of what is watched is told by the next [`Watcher::wait`], whenever it happens.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use rustix::io::Errno;
use vigil_kernel::{Read, Request};

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
}

impl Watcher {
    /// Makes a watcher of what lies in a store, and of files.
    pub fn new(store: PathBuf) -> io::Result<Self> {
        let events = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        let (unwatched, all) = Default::default();
        Ok(Self { events, store, roots: BTreeMap::new(), unwatched, all })
    }

    /// Watches what the last answer to a request was made of, and nothing else. Returns the roots of
    /// which something was not watched before: it may have changed since it was looked at.
    pub fn follow(&mut self, node: &Node, request: &Request) -> io::Result<BTreeSet<String>> {
        let list = node.kernel().why(crate::SCOPE, request);
        let inputs = list.iter().flat_map(|item| &item.story.inputs);
        let roots = inputs.filter_map(|input| match &input.what {
            Read::Root(root) => Some(root.clone()),
            Read::Resource(_) => None,
        });
        let roots: BTreeSet<String> = roots.collect();
        let before = std::mem::take(&mut self.roots);
        self.unwatched.clear();
        for root in &roots {
            match root.split_once('/') {
                Some(("name", _)) => self.watch_names(root)?,
                Some(("file", path)) => {
                    if let Some(place) = node.host().path_of(path) {
                        self.watch(&place, root)?;
                    }
                }
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

    /// Watches where names lie.
    fn watch_names(&mut self, root: &str) -> io::Result<()> {
        if !self.add(&self.store.join("names"), root, None)? {
            // There is no name yet, and with the first one there is its folder.
            self.add(&self.store.clone(), root, Some("names".into()))?;
        }
        Ok(())
    }

    /// Watches a file through the folder that it is in, and a folder with all below it but the store.
    fn watch(&mut self, place: &Path, root: &str) -> io::Result<()> {
        // A file is replaced in the folder above; where that is not there yet, it appears in the one
        // above that.
        let mut here = place;
        while let (Some(above), Some(name)) = (here.parent(), here.file_name()) {
            let folder = if above.as_os_str().is_empty() { Path::new(".") } else { above };
            if self.add(folder, root, Some(name.to_owned()))? {
                break;
            }
            here = above;
        }
        let mut open = vec![place.to_path_buf()];
        let mut count = 0;
        while let Some(folder) = open.pop() {
            if !folder.is_dir() || self.is_store(&folder) {
                continue;
            }
            count += 1;
            if count > FOLDERS_MAX || !self.add(&folder, root, None)? {
                self.unwatched.insert(root.to_owned());
                return Ok(());
            }
            // One that is gone already has told so.
            let Ok(entries) = std::fs::read_dir(&folder) else { continue };
            // A link is not followed, as in the tree that is made of the folder.
            let entries = entries.flatten();
            let folders = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
            open.extend(folders.map(|entry| entry.path()));
        }
        Ok(())
    }

    fn is_store(&self, folder: &Path) -> bool {
        folder.file_name() == self.store.file_name()
            && folder.canonicalize().ok() == self.store.canonicalize().ok()
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
    /// `at_last`. Returns the roots that it concerns.
    pub fn wait(&mut self, quiet: Duration, at_last: Duration) -> io::Result<BTreeSet<String>> {
        let limit = (!self.unwatched.is_empty()).then_some(LOOK_EVERY);
        if !self.is_told(limit)? {
            return Ok(self.unwatched.clone());
        }
        let start = Instant::now();
        let mut changed = self.read()?;
        while start.elapsed() < at_last && self.is_told(Some(quiet))? {
            changed.extend(self.read()?);
        }
        Ok(changed)
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
