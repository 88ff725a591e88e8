//! Finding one's way in stored trees: resolving, listing, comparing.

use std::ops::ControlFlow;

use vigil_base::cbor::DecodeError;
use vigil_base::limits::TREE_DEPTH_MAX;
use vigil_base::{Blame, Blamed, Entry, EntryKind, EntryName, Root, Tree, TreePath, Uri, Vcid};
use vigil_store::{NamesError, ReadError, Store};

/// What a URI leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// The URI.
    pub uri: Uri,
    /// What is there.
    pub kind: EntryKind,
    /// Its id.
    pub vcid: Vcid,
    /// The snapshot metadata, where the URI names a whole snapshot that has some.
    pub metadata: Option<Vcid>,
}

/// Why a URI leads nowhere.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ResolveError {
    /// The name could not be followed.
    #[error("could not follow the name")]
    Name(#[from] NamesError),
    /// Something on the way could not be read.
    #[error("could not read what the path leads through")]
    Read(#[from] ReadError),
    /// The bytes are not a tree's record.
    #[error("{vcid} is not a tree")]
    NotATree {
        /// The bytes.
        vcid: Vcid,
        /// What is wrong with them.
        source: DecodeError,
    },
    /// A step of the path names something that is not a tree.
    #[error("`{path}` is {}, so nothing is below it", kind_text(*kind))]
    NotAFolder {
        /// The path so far.
        path: TreePath,
        /// What is there.
        kind: EntryKind,
    },
    /// A step of the path names nothing.
    #[error("there is no `{name}` in {}", if path.is_root() { "the tree".to_string() } else { format!("`{path}`") })]
    NoEntry {
        /// The path of the tree.
        path: TreePath,
        /// The name that is not in it.
        name: EntryName,
    },
    /// Trees are nested too deep.
    #[error("`{path}` is nested deeper than a tree may be")]
    Deep {
        /// Where.
        path: TreePath,
    },
}

fn kind_text(kind: EntryKind) -> &'static str {
    match kind {
        EntryKind::File | EntryKind::Executable => "a file",
        EntryKind::Symlink => "a symbolic link",
        EntryKind::Tree => "a folder",
    }
}

impl Blamed for ResolveError {
    fn blame(&self) -> Blame {
        match self {
            Self::Name(source) => source.blame(),
            Self::Read(source) => source.blame(),
            _ => Blame::Caller,
        }
    }
}

/// Reads a tree.
pub(crate) fn read_tree(store: &Store, vcid: Vcid) -> Result<Tree, ResolveError> {
    Tree::decode(&store.read(vcid)?).map_err(|source| ResolveError::NotATree { vcid, source })
}

/// Follows a URI through names and trees.
pub fn resolve(store: &Store, uri: &Uri) -> Result<Resolved, ResolveError> {
    let (kind, vcid, metadata) = match &uri.root {
        Root::Name { name, back } => {
            let version = store.version(name, *back)?;
            (version.kind, version.vcid, version.metadata)
        }
        Root::Content(vcid) if uri.path.is_some() => (EntryKind::Tree, *vcid, None),
        Root::Content(vcid) => (EntryKind::File, *vcid, None),
    };
    let steps = uri.path.as_ref().map_or(&[][..], TreePath::names);
    let mut here = (kind, vcid);
    let mut path = TreePath::root();
    for name in steps {
        let (kind, vcid) = here;
        if kind != EntryKind::Tree {
            return Err(ResolveError::NotAFolder { path, kind });
        }
        let tree = read_tree(store, vcid)?;
        match tree.get(name) {
            Some(entry) => here = (entry.kind, entry.vcid),
            None => return Err(ResolveError::NoEntry { path, name: name.clone() }),
        }
        path = path.join(name.clone());
    }
    if uri.path.as_ref().is_some_and(TreePath::is_root) && kind != EntryKind::Tree {
        return Err(ResolveError::NotAFolder { path, kind });
    }
    let metadata = metadata.filter(|_| steps.is_empty());
    Ok(Resolved { uri: uri.clone(), kind: here.0, vcid: here.1, metadata })
}

/// One entry of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its path below the tree that is listed.
    pub path: TreePath,
    /// What it is.
    pub kind: EntryKind,
    /// Its id.
    pub vcid: Vcid,
    /// Its length in bytes, unless it is a tree, or not stored here.
    pub size: Option<u64>,
}

/// A tree that is being listed: its path, its entries, and which is next.
struct Open {
    path: TreePath,
    entries: std::vec::IntoIter<Entry>,
}

/// Walks a tree depth first, entries in the order of their names, a folder before what is in it.
pub(crate) fn walk(
    store: &Store,
    tree: Vcid,
    is_recursive: bool,
    visit: &mut dyn FnMut(&TreePath, &Entry) -> ControlFlow<()>,
) -> Result<(), ResolveError> {
    let entries = |vcid| Ok::<_, ResolveError>(read_tree(store, vcid)?.into_entries().into_iter());
    let mut open = vec![Open { path: TreePath::root(), entries: entries(tree)? }];
    while let Some(top) = open.last_mut() {
        let Some(entry) = top.entries.next() else {
            open.pop();
            continue;
        };
        let path = top.path.join(entry.name.clone());
        if visit(&path, &entry).is_break() {
            return Ok(());
        }
        if is_recursive && entry.kind == EntryKind::Tree {
            if open.len() >= TREE_DEPTH_MAX {
                return Err(ResolveError::Deep { path });
            }
            open.push(Open { path, entries: entries(entry.vcid)? });
        }
    }
    Ok(())
}

/// Lists a tree, until `visit` breaks off.
pub fn list(
    store: &Store,
    tree: Vcid,
    recursive: bool,
    visit: &mut dyn FnMut(Listed) -> ControlFlow<()>,
) -> Result<(), ResolveError> {
    walk(store, tree, recursive, &mut |path, entry| {
        let is_tree = entry.kind == EntryKind::Tree;
        let size = if is_tree { None } else { store.find(entry.vcid).ok().map(|blob| blob.len()) };
        visit(Listed { path: path.clone(), kind: entry.kind, vcid: entry.vcid, size })
    })
}

/// One difference between two trees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Where.
    pub path: TreePath,
    /// What is there on the left.
    pub left: Option<(EntryKind, Vcid)>,
    /// What is there on the right.
    pub right: Option<(EntryKind, Vcid)>,
}

/// Compares two trees, until `visit` breaks off. Equal subtrees are not read.
///
/// A folder that is on one side only is reported with everything in it.
pub fn diff(
    store: &Store,
    left: Vcid,
    right: Vcid,
    visit: &mut dyn FnMut(Change) -> ControlFlow<()>,
) -> Result<(), ResolveError> {
    let mut todo = vec![(TreePath::root(), Some(left), Some(right))];
    while let Some((path, left, right)) = todo.pop() {
        if path.names().len() >= TREE_DEPTH_MAX {
            return Err(ResolveError::Deep { path });
        }
        let tree = |vcid: Option<Vcid>| vcid.map_or(Ok(Tree::default()), |v| read_tree(store, v));
        let mut below = Vec::new();
        let (left, right) = (tree(left)?, tree(right)?);
        for (name, left, right) in Pairs::of(&left, &right) {
            if left == right {
                continue;
            }
            let path = path.join(name.clone());
            let folder = |side: Option<(EntryKind, Vcid)>| match side {
                Some((EntryKind::Tree, vcid)) => Some(vcid),
                _ => None,
            };
            let are_both_folders = folder(left).is_some() && folder(right).is_some();
            let change = Change { path: path.clone(), left, right };
            if !are_both_folders && visit(change).is_break() {
                return Ok(());
            }
            if folder(left).is_some() || folder(right).is_some() {
                below.push((path, folder(left), folder(right)));
            }
        }
        todo.extend(below.into_iter().rev());
    }
    Ok(())
}

type Side = Option<(EntryKind, Vcid)>;

/// The entries of two trees, paired by name, in order.
struct Pairs<'a> {
    left: std::iter::Peekable<std::slice::Iter<'a, Entry>>,
    right: std::iter::Peekable<std::slice::Iter<'a, Entry>>,
}

impl<'a> Pairs<'a> {
    fn of(left: &'a Tree, right: &'a Tree) -> Self {
        Self { left: left.entries().iter().peekable(), right: right.entries().iter().peekable() }
    }
}

impl<'a> Iterator for Pairs<'a> {
    type Item = (&'a EntryName, Side, Side);

    fn next(&mut self) -> Option<Self::Item> {
        let name = match (self.left.peek().copied(), self.right.peek().copied()) {
            (Some(left), Some(right)) => (&left.name).min(&right.name),
            (Some(only), None) | (None, Some(only)) => &only.name,
            (None, None) => return None,
        };
        let side = |entry: &Entry| (entry.kind, entry.vcid);
        let left = self.left.next_if(|entry| entry.name == *name).map(side);
        let right = self.right.next_if(|entry| entry.name == *name).map(side);
        Some((name, left, right))
    }
}
