//! The payload: the blobs of a tree one after another, in the one order that follows from the tree.
//!
//! A record of a tree comes before what it refers to, so that a reader knows what has to come next, and
//! nothing else is taken. What a tree would unfold to is known before any of it is written as files.
//!
//! Invariant: memory is bounded by the records of the trees, which are bounded themselves.

use std::collections::{HashMap, HashSet};
use std::io::Read;

use vigil_base::cbor::DecodeError;
use vigil_base::limits::{SYMLINK_TARGET_BYTES_MAX, TREE_DEPTH_MAX};
use vigil_base::{Blame, Blamed, Entry, EntryKind, Hasher, Tree, TreePath, Vcid};
use vigil_store::{Batch, PutError, ReadError, Store, Writer};
use vigil_trust::package::{Manifest, Payload, climb};

/// Most bytes of all records of trees together.
const TREES_BYTES_MAX: u64 = 256 << 20;
/// Most files and folders that a payload may unfold to.
const ENTRIES_MAX: u64 = 4 << 20;
/// Most bytes that a payload may unfold to.
const UNFOLDED_BYTES_MAX: u64 = 1 << 40;
/// Bytes that are read at once.
const PIECE_BYTES: usize = 64 << 10;

/// Why a payload is not the one that the manifest names.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PayloadError {
    /// The file cannot be read.
    #[error("could not read the payload")]
    Read(#[source] std::io::Error),
    /// The file ends before the payload does.
    #[error("the payload ends early: the file was cut off")]
    Short,
    /// Other bytes are there.
    #[error("the payload has {found} where {wanted} has to be")]
    Other {
        /// What is there.
        found: Vcid,
        /// What has to be there.
        wanted: Vcid,
    },
    /// It has more or fewer bytes or blobs than the manifest says.
    #[error("the payload is not of the size that the manifest says")]
    Size,
    /// The file goes on.
    #[error("something follows the payload")]
    Trailing,
    /// A record is no tree.
    #[error("{vcid} is not a tree")]
    NotATree {
        /// Which.
        vcid: Vcid,
        /// What is wrong with it.
        source: DecodeError,
    },
    /// It is too large when it is unfolded.
    #[error(
        "the payload would unfold to more than {ENTRIES_MAX} files, {UNFOLDED_BYTES_MAX} bytes, or {TREE_DEPTH_MAX} folders deep"
    )]
    Unfolds,
    /// A symbolic link leads out of it.
    #[error("a symbolic link of the payload leads out of it")]
    Climbs,
    /// A program is not there, or cannot be run.
    #[error("there is no executable file `{path}` in the payload")]
    Program {
        /// Where it should be.
        path: TreePath,
    },
    /// A blob could not be had from the store.
    #[error(transparent)]
    Store(#[from] ReadError),
    /// A blob could not be put into the store.
    #[error(transparent)]
    Put(#[from] PutError),
}

impl Blamed for PayloadError {
    fn blame(&self) -> Blame {
        match self {
            Self::Store(source) => source.blame(),
            Self::Put(source) => source.blame(),
            Self::Read(_) => Blame::World,
            _ => Blame::Caller,
        }
    }
}

impl From<std::io::Error> for PayloadError {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::UnexpectedEof => Self::Short,
            _ => Self::Read(error),
        }
    }
}

/// What a blob is to a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Class {
    File,
    Link,
    Tree,
}

impl Class {
    fn of(kind: EntryKind) -> Self {
        match kind {
            EntryKind::File | EntryKind::Executable => Self::File,
            EntryKind::Symlink => Self::Link,
            EntryKind::Tree => Self::Tree,
        }
    }
}

/// What was found out about a payload while its blobs went by.
#[derive(Default)]
pub struct Survey {
    trees: HashMap<Vcid, Tree>,
    tree_bytes: u64,
    /// How many bytes each file has.
    lens: HashMap<Vcid, u64>,
    /// How far up the targets of links lead.
    climbs: HashMap<Vcid, Option<usize>>,
    blobs: u64,
    bytes: u64,
}

/// What a tree unfolds to.
#[derive(Clone, Copy, Default)]
struct Extent {
    entries: u64,
    bytes: u64,
    height: usize,
    /// How many folders above it are needed by its links.
    climb: usize,
}

/// Visits each blob below a tree once for each class that it has, in the order of the format. What `visit`
/// returns for a tree is what it holds.
pub(crate) fn travel<E: From<PayloadError>>(
    root: Vcid,
    visit: &mut dyn FnMut(Class, Vcid) -> Result<Option<Tree>, E>,
) -> Result<(), E> {
    let mut seen = HashSet::from([(Class::Tree, root)]);
    let mut way: Vec<std::vec::IntoIter<Entry>> = Vec::new();
    way.extend(visit(Class::Tree, root)?.map(|tree| tree.into_entries().into_iter()));
    while let Some(top) = way.last_mut() {
        let Some(entry) = top.next() else {
            way.pop();
            continue;
        };
        let class = Class::of(entry.kind);
        if !seen.insert((class, entry.vcid)) {
            continue;
        }
        if let Some(tree) = visit(class, entry.vcid)? {
            if way.len() >= TREE_DEPTH_MAX {
                return Err(PayloadError::Unfolds.into());
            }
            way.push(tree.into_entries().into_iter());
        }
    }
    Ok(())
}

impl Survey {
    /// Takes note of a blob; `small` are the bytes of a link or a tree. Returns the tree.
    pub(crate) fn take(
        &mut self,
        class: Class,
        vcid: Vcid,
        len: u64,
        small: &[u8],
    ) -> Result<Option<Tree>, PayloadError> {
        self.blobs += 1;
        self.bytes = self.bytes.checked_add(len).ok_or(PayloadError::Size)?;
        match class {
            Class::File => _ = self.lens.insert(vcid, len),
            Class::Link => _ = self.climbs.insert(vcid, climb(small)),
            Class::Tree => {
                self.tree_bytes += len;
                if self.tree_bytes > TREES_BYTES_MAX {
                    return Err(PayloadError::Unfolds);
                }
                let tree = Tree::decode(small);
                let tree = tree.map_err(|source| PayloadError::NotATree { vcid, source })?;
                self.trees.insert(vcid, tree.clone());
                return Ok(Some(tree));
            }
        }
        Ok(None)
    }

    /// Returns what it comes to, once everything went by.
    pub(crate) fn payload(&self, root: Vcid) -> Payload {
        Payload { root, blobs: self.blobs, bytes: self.bytes }
    }

    /// Checks that a payload unfolds to something that can be installed, and has what a manifest starts.
    ///
    /// # Errors
    /// Says what stands against it.
    pub fn check(&self, manifest: &Manifest) -> Result<(), PayloadError> {
        let extent = self.extent(manifest.payload().root)?;
        if extent.climb > 0 {
            return Err(PayloadError::Climbs);
        }
        for entry in manifest.entry_points() {
            let missing = || PayloadError::Program { path: entry.path.clone() };
            let (last, folders) = entry.path.names().split_last().ok_or_else(missing)?;
            let mut tree = self.trees.get(&manifest.payload().root);
            for step in folders {
                let below = tree.and_then(|tree| tree.get(step));
                let below = below.filter(|entry| entry.kind == EntryKind::Tree);
                tree = below.and_then(|entry| self.trees.get(&entry.vcid));
            }
            let found = tree.and_then(|tree| tree.get(last)).map(|entry| entry.kind);
            if found != Some(EntryKind::Executable) {
                return Err(missing());
            }
        }
        Ok(())
    }

    /// Computes what a tree unfolds to, each tree once: a few trees that refer to each other often enough
    /// unfold to more than there are atoms.
    fn extent(&self, root: Vcid) -> Result<Extent, PayloadError> {
        let mut known: HashMap<Vcid, Extent> = HashMap::new();
        let mut way: Vec<(Vcid, usize, Extent)> = vec![(root, 0, Extent::default())];
        while let Some((vcid, next, extent)) = way.last_mut() {
            let entry = self.trees.get(vcid).and_then(|tree| tree.entries().get(*next));
            let Some(entry) = entry else {
                known.insert(*vcid, *extent);
                way.pop();
                continue;
            };
            let more = match entry.kind {
                EntryKind::Tree => match known.get(&entry.vcid) {
                    Some(below) => Extent {
                        entries: below.entries,
                        bytes: below.bytes,
                        height: below.height + 1,
                        climb: below.climb.saturating_sub(1),
                    },
                    None => {
                        let below = (entry.vcid, 0, Extent::default());
                        way.push(below);
                        continue;
                    }
                },
                EntryKind::Symlink => {
                    let climb = self.climbs.get(&entry.vcid).copied().flatten();
                    Extent { climb: climb.ok_or(PayloadError::Climbs)?, ..Extent::default() }
                }
                EntryKind::File | EntryKind::Executable => {
                    let bytes = self.lens.get(&entry.vcid).copied().unwrap_or(0);
                    Extent { bytes, ..Extent::default() }
                }
            };
            extent.entries = extent.entries.saturating_add(more.entries).saturating_add(1);
            extent.bytes = extent.bytes.saturating_add(more.bytes);
            extent.height = extent.height.max(more.height);
            extent.climb = extent.climb.max(more.climb);
            *next += 1;
            let is_much = extent.entries > ENTRIES_MAX || extent.bytes > UNFOLDED_BYTES_MAX;
            if is_much || extent.height >= TREE_DEPTH_MAX {
                return Err(PayloadError::Unfolds);
            }
        }
        Ok(known.get(&root).copied().unwrap_or_default())
    }
}

/// Measures a tree that is in the store.
///
/// # Errors
/// Fails where the store does, and for what cannot be a payload.
pub fn measure(store: &Store, root: Vcid) -> Result<(Payload, Survey), PayloadError> {
    let mut survey = Survey::default();
    travel(root, &mut |class, vcid| {
        let len = store.find(vcid)?.len();
        check_len(class, len)?;
        let small = if class == Class::File { Vec::new() } else { store.read(vcid)? };
        survey.take(class, vcid, len, &small)
    })?;
    Ok((survey.payload(root), survey))
}

fn check_len(class: Class, len: u64) -> Result<(), PayloadError> {
    match class {
        Class::Link if len > SYMLINK_TARGET_BYTES_MAX as u64 => Err(PayloadError::Climbs),
        Class::Tree if len > TREES_BYTES_MAX => Err(PayloadError::Unfolds),
        _ => Ok(()),
    }
}

/// Reads a payload to its last byte, checks each blob, and puts it into the store if there is one. It counts
/// only once the writer has committed.
///
/// # Errors
/// Fails for whatever is not what the manifest says, with what came before in the store.
pub fn unpack(
    input: &mut dyn Read,
    payload: &Payload,
    writer: Option<&Writer>,
) -> Result<Survey, PayloadError> {
    let mut survey = Survey::default();
    let mut batch = writer.map(Writer::batch).transpose()?;
    travel(payload.root, &mut |class, vcid| {
        let mut len = [0; 8];
        input.read_exact(&mut len)?;
        let len = u64::from_le_bytes(len);
        let left = payload.bytes.saturating_sub(survey.bytes);
        if len > left || survey.blobs >= payload.blobs {
            return Err(PayloadError::Size);
        }
        check_len(class, len)?;
        let mut blob = input.take(len);
        if class == Class::File {
            let found = put_file(&mut blob, batch.as_mut())?;
            expect(found, (vcid, len))?;
            return survey.take(class, vcid, len, &[]);
        }
        // It grows with what comes, not with what was announced.
        let mut small = Vec::new();
        blob.read_to_end(&mut small)?;
        expect((Vcid::of(&small), small.len() as u64), (vcid, len))?;
        if let Some(batch) = &mut batch {
            batch.put_any(&small)?;
        }
        survey.take(class, vcid, len, &small)
    })?;
    if let Some(batch) = batch {
        batch.finish()?;
    }
    if survey.payload(payload.root) != *payload {
        return Err(PayloadError::Size);
    }
    match input.read(&mut [0])? {
        0 => Ok(survey),
        _ => Err(PayloadError::Trailing),
    }
}

fn put_file(
    blob: &mut dyn Read,
    batch: Option<&mut Batch<'_>>,
) -> Result<(Vcid, u64), PayloadError> {
    if let Some(batch) = batch {
        return Ok(batch.put_stream(blob)?);
    }
    let (mut hasher, mut len, mut piece) = (Hasher::new(), 0, vec![0; PIECE_BYTES]);
    loop {
        match blob.read(&mut piece) {
            Ok(0) => return Ok((hasher.finish(), len)),
            Ok(count) => {
                hasher.update(&piece[..count]);
                len += count as u64;
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
}

fn expect((found, found_len): (Vcid, u64), (wanted, len): (Vcid, u64)) -> Result<(), PayloadError> {
    if found_len != len {
        return Err(PayloadError::Short);
    }
    if found == wanted { Ok(()) } else { Err(PayloadError::Other { found, wanted }) }
}
