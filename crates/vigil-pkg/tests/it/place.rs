//! A folder in memory that loses power, and any folder whose user dies after some steps.
//!
//! It is stricter than a file system: a name is durable only after its folder's sync, each name
//! independently of every other, so that a rename may be lost in half.

use std::any::Any;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};

use vigil_base::world::{DiskError, DiskFault};
use vigil_pkg::{Fill, Place};

type Names = BTreeMap<OsString, usize>;

#[derive(Clone)]
enum Node {
    Folder { visible: Names, durable: Names },
    File { content: Vec<u8>, durable: Vec<u8>, is_executable: bool },
    Link(Vec<u8>),
}

/// What of that which was not synced is still there after power was lost.
#[derive(Clone, Copy, Debug)]
pub enum Left {
    /// The process died, the power stayed.
    Everything,
    Nothing,
    /// Some names, by a seed.
    Some(u64),
}

pub struct MemoryPlace {
    nodes: Mutex<Vec<Node>>,
}

fn failed(fault: DiskFault, path: &Path) -> DiskError {
    let path = path.display().to_string();
    DiskError { fault, action: "use", path, reason: format!("{fault:?}") }
}

fn empty() -> Node {
    Node::Folder { visible: Names::new(), durable: Names::new() }
}

impl MemoryPlace {
    pub fn new() -> Self {
        Self { nodes: Mutex::new(vec![empty()]) }
    }

    fn nodes(&self) -> MutexGuard<'_, Vec<Node>> {
        self.nodes.lock().expect("no test panics while it holds it")
    }

    /// Returns the folder as it is after a crash.
    pub fn after(&self, left: Left) -> Self {
        let mut nodes = self.nodes().clone();
        let mut state = match left {
            Left::Some(seed) => seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1,
            _ => 1,
        };
        let mut coin = || {
            state ^= state >> 12;
            state ^= state << 25;
            state ^= state >> 27;
            state & 1 == 1
        };
        for node in &mut nodes {
            match node {
                Node::Folder { visible, durable } => {
                    let names: Vec<OsString> =
                        visible.keys().chain(durable.keys()).cloned().collect();
                    let mut stays = Names::new();
                    for name in names {
                        let from = match left {
                            Left::Everything => &*visible,
                            Left::Nothing => &*durable,
                            Left::Some(_) if coin() => &*visible,
                            Left::Some(_) => &*durable,
                        };
                        match from.get(&name) {
                            Some(node) => _ = stays.insert(name, *node),
                            None => _ = stays.remove(&name),
                        }
                    }
                    (*visible, *durable) = (stays.clone(), stays);
                }
                Node::File { content, durable, .. } => {
                    if !matches!(left, Left::Everything) {
                        content.clone_from(durable);
                    }
                    durable.clone_from(content);
                }
                Node::Link(_) => {}
            }
        }
        Self { nodes: Mutex::new(nodes) }
    }

    fn find(nodes: &[Node], path: &Path) -> Option<usize> {
        path.iter().try_fold(0, |at, step| match &nodes[at] {
            Node::Folder { visible, .. } => visible.get(step).copied(),
            _ => None,
        })
    }

    fn names<'a>(nodes: &'a mut [Node], path: &Path) -> Result<&'a mut Names, DiskError> {
        let at = Self::find(nodes, path).ok_or_else(|| failed(DiskFault::Absent, path))?;
        match &mut nodes[at] {
            Node::Folder { visible, .. } => Ok(visible),
            _ => Err(failed(DiskFault::NotAFile, path)),
        }
    }

    fn add(&self, path: &Path, node: Node) -> Result<usize, DiskError> {
        let nodes = &mut *self.nodes();
        let number = nodes.len();
        let (parent, name) = split(path);
        let names = Self::names(nodes, parent)?;
        if names.contains_key(&name) {
            return Err(failed(DiskFault::Exists, path));
        }
        names.insert(name, number);
        nodes.push(node);
        Ok(number)
    }
}

fn split(path: &Path) -> (&Path, OsString) {
    let name = path.file_name().expect("a path with a name").to_owned();
    (path.parent().expect("it has a name"), name)
}

impl Place for MemoryPlace {
    fn make_folder(&self, path: &Path) -> Result<(), DiskError> {
        self.add(path, empty()).map(|_| ())
    }

    fn make_file(
        &self,
        path: &Path,
        is_executable: bool,
        fill: &mut Fill<'_>,
    ) -> Result<(), DiskError> {
        let (content, durable) = (Vec::new(), Vec::new());
        let number = self.add(path, Node::File { content, durable, is_executable })?;
        let mut bytes = Vec::new();
        fill(&mut bytes).map_err(|_| failed(DiskFault::Other, path))?;
        let (content, durable) = (bytes.clone(), bytes);
        self.nodes()[number] = Node::File { content, durable, is_executable };
        Ok(())
    }

    fn make_link(&self, path: &Path, target: &[u8]) -> Result<(), DiskError> {
        self.add(path, Node::Link(target.to_vec())).map(|_| ())
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<(), DiskError> {
        let nodes = &mut *self.nodes();
        let ((parent, name), (to_parent, to_name)) = (split(from), split(to));
        assert_eq!(parent, to_parent, "names change inside one folder only");
        let names = Self::names(nodes, parent)?;
        let node = names.remove(&name).ok_or_else(|| failed(DiskFault::Absent, from))?;
        if let Some(before) = names.insert(to_name, node) {
            assert!(!matches!(nodes[before], Node::Folder { .. }), "a folder is never replaced");
        }
        Ok(())
    }

    fn sync_folder(&self, path: &Path) -> Result<(), DiskError> {
        let nodes = &mut *self.nodes();
        let at = Self::find(nodes, path).ok_or_else(|| failed(DiskFault::Absent, path))?;
        if let Node::Folder { visible, durable } = &mut nodes[at] {
            durable.clone_from(visible);
        }
        Ok(())
    }

    fn list(&self, path: &Path) -> Result<Vec<String>, DiskError> {
        let nodes = self.nodes();
        Ok(match Self::find(&nodes, path).map(|at| &nodes[at]) {
            Some(Node::Folder { visible, .. }) => {
                visible.keys().filter_map(|name| name.to_str().map(str::to_owned)).collect()
            }
            _ => Vec::new(),
        })
    }

    fn read(&self, path: &Path, _: u64) -> Result<Option<Vec<u8>>, DiskError> {
        let nodes = self.nodes();
        Ok(match Self::find(&nodes, path).map(|at| &nodes[at]) {
            Some(Node::File { content, .. }) => Some(content.clone()),
            _ => None,
        })
    }

    fn read_link(&self, path: &Path) -> Result<Option<Vec<u8>>, DiskError> {
        let nodes = self.nodes();
        Ok(match Self::find(&nodes, path).map(|at| &nodes[at]) {
            Some(Node::Link(target)) => Some(target.clone()),
            _ => None,
        })
    }

    fn remove(&self, path: &Path) -> Result<(), DiskError> {
        let nodes = &mut *self.nodes();
        let (parent, name) = split(path);
        if let Ok(names) = Self::names(nodes, parent) {
            names.remove(&name);
        }
        Ok(())
    }

    fn lock(&self) -> Result<Box<dyn Any>, DiskError> {
        Ok(Box::new(()))
    }

    fn describe(&self) -> String {
        "memory".into()
    }
}

impl MemoryPlace {
    pub fn is_executable(&self, path: &Path) -> Option<bool> {
        let nodes = self.nodes();
        match Self::find(&nodes, path).map(|at| &nodes[at]) {
            Some(Node::File { is_executable, .. }) => Some(*is_executable),
            _ => None,
        }
    }
}

/// A place whose user dies after so many changes.
pub struct Dying<P> {
    pub place: P,
    left: Mutex<u64>,
}

impl<P> Dying<P> {
    pub fn after(place: P, steps: u64) -> Self {
        Self { place, left: Mutex::new(steps) }
    }

    fn step(&self, path: &Path) -> Result<(), DiskError> {
        let mut left = self.left.lock().expect("free");
        *left = left.checked_sub(1).ok_or_else(|| failed(DiskFault::Other, path))?;
        Ok(())
    }
}

impl<P: Place> Place for Dying<P> {
    fn make_folder(&self, path: &Path) -> Result<(), DiskError> {
        self.step(path)?;
        self.place.make_folder(path)
    }

    fn make_file(
        &self,
        path: &Path,
        is_executable: bool,
        fill: &mut Fill<'_>,
    ) -> Result<(), DiskError> {
        self.step(path)?;
        // It may also die in the middle of a file.
        let dies = self.step(path).is_err();
        self.place.make_file(path, is_executable, &mut |out| match dies {
            true => Err(io::Error::other("died")),
            false => fill(out),
        })
    }

    fn make_link(&self, path: &Path, target: &[u8]) -> Result<(), DiskError> {
        self.step(path)?;
        self.place.make_link(path, target)
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<(), DiskError> {
        self.step(from)?;
        self.place.rename(from, to)
    }

    fn sync_folder(&self, path: &Path) -> Result<(), DiskError> {
        self.step(path)?;
        self.place.sync_folder(path)
    }

    fn list(&self, path: &Path) -> Result<Vec<String>, DiskError> {
        self.place.list(path)
    }

    fn read(&self, path: &Path, bytes_max: u64) -> Result<Option<Vec<u8>>, DiskError> {
        self.place.read(path, bytes_max)
    }

    fn read_link(&self, path: &Path) -> Result<Option<Vec<u8>>, DiskError> {
        self.place.read_link(path)
    }

    fn remove(&self, path: &Path) -> Result<(), DiskError> {
        self.step(path)?;
        self.place.remove(path)
    }

    fn lock(&self) -> Result<Box<dyn Any>, DiskError> {
        self.place.lock()
    }

    fn describe(&self) -> String {
        self.place.describe()
    }
}

/// Where a link in a folder leads, without looking at anything on the way.
pub fn follow(from: &Path, target: &[u8]) -> PathBuf {
    let mut path = from.parent().expect("a link lies in a folder").to_path_buf();
    for step in std::str::from_utf8(target).expect("text").split('/') {
        match step {
            ".." => assert!(path.pop()),
            step => path.push(step),
        }
    }
    path
}
