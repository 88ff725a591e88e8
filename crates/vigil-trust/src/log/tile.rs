//! Tiles and entry bundles: how C2SP tlog-tiles cuts a log into files.
//!
//! Invariants:
//! - a path and a [`TileId`] name each other one to one;
//! - a bundle that decodes holds exactly as many entries as its path says, and nothing after them.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::tree::{LeafIndex, NodePlace, Nodes, TREE_HASH_LEN, TreeHash, TreeSize};

/// Hashes in a full tile, and entries in a full bundle.
pub const TILE_WIDTH: u16 = 256;

/// Levels of a binary tree that one tile stands for: `TILE_WIDTH` is 2 to this power.
pub const TILE_HEIGHT: u8 = 8;

/// Highest level that a path may name (tlog-tiles).
const TILE_LEVEL_MAX: u8 = 63;

/// Longest entry, in bytes: its length is a `u16` in bundles.
pub const ENTRY_BYTES_MAX: usize = u16::MAX as usize;

/// Longest bundle, in bytes.
pub const BUNDLE_BYTES_MAX: usize = TILE_WIDTH as usize * (2 + ENTRY_BYTES_MAX);

/// What a tile holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TileKind {
    /// Hashes at a level: 0 are the leaves, each further level stands 8 higher in the tree.
    Hashes(u8),
    /// The entries themselves.
    Entries,
}

/// The name of one file of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TileId {
    /// What it holds.
    pub kind: TileKind,
    /// The position among those of its kind, from 0.
    pub index: u64,
    /// How many hashes or entries it holds, from 1 to [`TILE_WIDTH`].
    pub width: u16,
}

/// Why a path names no tile.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{path}` is not the path of a tile, such as tile/0/x001/234 or tile/entries/007.p/12")]
pub struct TilePathError {
    /// The path, cut to 80 characters.
    pub path: String,
}

/// Why bytes are not the tile that they are to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TileError {
    /// A tile of hashes has another length.
    #[error("a tile of {} hashes has {} bytes, not {found}", .id.width, usize::from(.id.width) * TREE_HASH_LEN)]
    Length {
        /// The tile.
        id: TileId,
        /// How many bytes there are.
        found: usize,
    },
    /// A bundle ends within an entry, or before the last.
    #[error("the bundle of {} entries ends in entry {at}", .id.width)]
    Short {
        /// The bundle.
        id: TileId,
        /// The entry, from 0.
        at: u16,
    },
    /// There are bytes after the last entry of a bundle.
    #[error("{found} bytes follow the {} entries of the bundle", .id.width)]
    Trailing {
        /// The bundle.
        id: TileId,
        /// How many bytes.
        found: usize,
    },
    /// A path asks for more than a log can have.
    #[error("no log has a tile {} at this level", .id.index)]
    Beyond {
        /// The tile.
        id: TileId,
    },
}

/// Why an entry cannot be in a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an entry has at most {ENTRY_BYTES_MAX} bytes, this one has {found}; log its hash instead")]
pub struct EntryTooLong {
    /// How many bytes it has.
    pub found: usize,
}

impl TileId {
    /// Returns the path below the log's address: `tile/0/x001/234.p/5`.
    pub fn path(&self) -> String {
        let mut path = match self.kind {
            TileKind::Hashes(level) => format!("tile/{level}/"),
            TileKind::Entries => String::from("tile/entries/"),
        };
        path += &index_path(self.index);
        if self.width < TILE_WIDTH {
            path += &format!(".p/{}", self.width);
        }
        path
    }

    /// Reads a path.
    pub fn parse(path: &str) -> Result<Self, TilePathError> {
        Self::read(path).ok_or_else(|| TilePathError { path: path.chars().take(80).collect() })
    }

    fn read(path: &str) -> Option<Self> {
        let (kind, rest) = path.strip_prefix("tile/")?.split_once('/')?;
        let kind = match kind {
            "entries" => TileKind::Entries,
            level => {
                TileKind::Hashes(decimal(level).filter(|l| *l <= TILE_LEVEL_MAX.into())? as u8)
            }
        };
        let (index, width) = match rest.split_once(".p/") {
            None => (rest, TILE_WIDTH),
            Some((index, width)) => {
                let width = decimal(width).filter(|w| (1..TILE_WIDTH.into()).contains(w))?;
                (index, width as u16)
            }
        };
        Some(Self { kind, index: read_index(index)?, width })
    }

    /// Returns the same tile when it is full.
    pub fn full(self) -> Self {
        Self { width: TILE_WIDTH, ..self }
    }

    /// Whether all of it is there.
    pub fn is_full(&self) -> bool {
        self.width == TILE_WIDTH
    }

    /// Returns the index just after the last entry that the full tile spans; `None` beyond all logs.
    pub fn end(&self) -> Option<LeafIndex> {
        let level = match self.kind {
            TileKind::Hashes(level) => u32::from(level),
            TileKind::Entries => 0,
        };
        let entries = 256u64.checked_pow(level + 1)?;
        self.index.checked_add(1)?.checked_mul(entries).map(LeafIndex)
    }

    /// Whether a log that is kept from `minimum` on need not serve it (tlog-tiles, "Pruning").
    pub fn is_pruned(&self, minimum: LeafIndex) -> bool {
        self.is_full() && self.end().is_some_and(|end| end <= minimum)
    }

    /// Returns the tile as a tree of this size has it; `None` where it has none of it.
    pub fn of_size(kind: TileKind, index: u64, size: TreeSize) -> Option<Self> {
        let level = match kind {
            TileKind::Hashes(level) => level,
            TileKind::Entries => 0,
        };
        let hashes = size.0.checked_shr(u32::from(level) * u32::from(TILE_HEIGHT)).unwrap_or(0);
        let width = hashes.checked_sub(index.checked_mul(TILE_WIDTH.into())?)?;
        let width = width.min(TILE_WIDTH.into()) as u16;
        (width > 0).then_some(Self { kind, index, width })
    }
}

/// The digits of an index in groups of three, all but the last with an `x`.
fn index_path(index: u64) -> String {
    let mut path = format!("{:03}", index % 1000);
    let mut rest = index / 1000;
    while rest > 0 {
        path = format!("x{:03}/{path}", rest % 1000);
        rest /= 1000;
    }
    path
}

fn read_index(path: &str) -> Option<u64> {
    let mut index = 0u64;
    let mut groups = path.split('/').peekable();
    while let Some(group) = groups.next() {
        let digits = if groups.peek().is_some() { group.strip_prefix('x')? } else { group };
        if digits.len() != 3 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        index = index.checked_mul(1000)?.checked_add(digits.parse().ok()?)?;
    }
    // One index has one path: no group of zeros in front.
    (index_path(index) == path).then_some(index)
}

/// Reads a decimal number without leading zeros.
pub(crate) fn decimal(text: &str) -> Option<u64> {
    let is_plain = text == "0" || !text.starts_with('0');
    let is_digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    (is_plain && is_digits).then(|| text.parse().ok()).flatten()
}

/// Reads the hashes of a tile.
pub fn decode_tile(id: TileId, bytes: &[u8]) -> Result<Vec<TreeHash>, TileError> {
    if bytes.len() != usize::from(id.width) * TREE_HASH_LEN {
        return Err(TileError::Length { id, found: bytes.len() });
    }
    let (hashes, _) = bytes.as_chunks::<TREE_HASH_LEN>();
    Ok(hashes.iter().map(|hash| TreeHash(*hash)).collect())
}

/// Appends an entry to a bundle: a big-endian `u16` length and the bytes.
pub fn encode_entry(entry: &[u8], bundle: &mut Vec<u8>) -> Result<(), EntryTooLong> {
    let len = u16::try_from(entry.len()).map_err(|_| EntryTooLong { found: entry.len() })?;
    bundle.extend_from_slice(&len.to_be_bytes());
    bundle.extend_from_slice(entry);
    Ok(())
}

/// Reads the entries of a bundle.
pub fn decode_bundle(id: TileId, bytes: &[u8]) -> Result<Vec<&[u8]>, TileError> {
    let mut entries = Vec::with_capacity(id.width.into());
    let mut rest = bytes;
    for at in 0..id.width {
        let short = TileError::Short { id, at };
        let (len, after) = rest.split_first_chunk::<2>().ok_or(short)?;
        let len = usize::from(u16::from_be_bytes(*len));
        let (entry, after) = after.split_at_checked(len).ok_or(short)?;
        entries.push(entry);
        rest = after;
    }
    match rest.len() {
        0 => Ok(entries),
        found => Err(TileError::Trailing { id, found }),
    }
}

/// Reads the files of a log, wherever they lie. Nothing that comes from it is believed.
pub trait Tiles {
    /// Why a file could not be read.
    type Error;
    /// Returns the bytes of a file, or `None` if it is not there.
    fn tile(&mut self, id: TileId) -> Result<Option<Vec<u8>>, Self::Error>;
}

impl<T: Tiles + ?Sized> Tiles for &mut T {
    type Error = T::Error;

    fn tile(&mut self, id: TileId) -> Result<Option<Vec<u8>>, T::Error> {
        (**self).tile(id)
    }
}

/// Why the hashes of a log could not be had from its tiles.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TileReadError<E> {
    /// A file could not be read.
    #[error("could not read {}", .id.path())]
    Read {
        /// The file.
        id: TileId,
        /// Why.
        source: E,
    },
    /// A file is not there.
    #[error("{} is missing", .id.path())]
    Missing {
        /// The file.
        id: TileId,
    },
    /// A file is not what its path says.
    #[error("{} is damaged", .id.path())]
    Bad {
        /// The file.
        id: TileId,
        /// How.
        source: TileError,
    },
    /// A tree of this size has no such hash.
    #[error("{place} is not in a tree of {size} entries")]
    Outside {
        /// The place.
        place: NodePlace,
        /// The size.
        size: TreeSize,
    },
}

/// How many tiles [`TileNodes`] keeps: 1 MiB of hashes, more than the proofs of one tree touch.
const TILES_KEPT_MAX: usize = 128;

/// The hashes of a tree, from the tiles of a log.
pub struct TileNodes<T> {
    tiles: T,
    size: TreeSize,
    kept: BTreeMap<TileId, Vec<TreeHash>>,
}

impl<T: Tiles> TileNodes<T> {
    /// Reads the tiles that a tree of this size has.
    pub fn new(tiles: T, size: TreeSize) -> Self {
        Self { tiles, size, kept: BTreeMap::new() }
    }

    /// Returns the size of the tree.
    pub fn size(&self) -> TreeSize {
        self.size
    }

    /// Reads an entry bundle of this tree, the full one where the partial one is gone.
    pub fn bundle(&mut self, index: u64) -> Result<(TileId, Vec<u8>), TileReadError<T::Error>> {
        let place = NodePlace { level: 0, index: index.saturating_mul(TILE_WIDTH.into()) };
        let outside = TileReadError::Outside { place, size: self.size };
        let id = TileId::of_size(TileKind::Entries, index, self.size).ok_or(outside)?;
        self.read(id)
    }

    /// Returns the hashes of a partial tile, cut to its width where only the full one is there.
    pub(crate) fn row(&mut self, id: TileId) -> Result<Vec<TreeHash>, TileReadError<T::Error>> {
        let width = usize::from(id.width);
        self.hashes(id).map(|hashes| hashes[..width.min(hashes.len())].to_vec())
    }

    /// A partial tile may be deleted once the full one is there (tlog-tiles).
    fn read(&mut self, id: TileId) -> Result<(TileId, Vec<u8>), TileReadError<T::Error>> {
        let candidates = [id, id.full()];
        for id in candidates.into_iter().take(if id.is_full() { 1 } else { 2 }) {
            let found = self.tiles.tile(id).map_err(|source| TileReadError::Read { id, source })?;
            if let Some(bytes) = found {
                return Ok((id, bytes));
            }
        }
        Err(TileReadError::Missing { id })
    }

    fn hashes(&mut self, id: TileId) -> Result<&[TreeHash], TileReadError<T::Error>> {
        if !self.kept.contains_key(&id) {
            let (found, bytes) = self.read(id)?;
            let hashes = decode_tile(found, &bytes)
                .map_err(|source| TileReadError::Bad { id: found, source })?;
            if self.kept.len() >= TILES_KEPT_MAX {
                // Any will do: proofs walk a few tiles, and come back to the top.
                self.kept.pop_first();
            }
            self.kept.insert(id, hashes);
        }
        Ok(self.kept.get(&id).map(Vec::as_slice).unwrap_or_default())
    }
}

impl<T: Tiles> Nodes for TileNodes<T> {
    type Error = TileReadError<T::Error>;

    fn node(&mut self, place: NodePlace) -> Result<TreeHash, Self::Error> {
        let outside = || TileReadError::Outside { place, size: self.size };
        let height = place.level % TILE_HEIGHT;
        let kind = TileKind::Hashes(place.level / TILE_HEIGHT);
        let first = place.index.checked_mul(1 << height).ok_or_else(outside)?;
        let id = TileId::of_size(kind, first / u64::from(TILE_WIDTH), self.size);
        let id = id.ok_or_else(outside)?;
        let within = (first % u64::from(TILE_WIDTH)) as usize;
        let range = within..within + (1 << height);
        if range.end > usize::from(id.width) {
            return Err(outside());
        }
        Ok(perfect_root(&self.hashes(id)?[range]))
    }
}

/// Returns the root of 1, 2, 4, … hashes.
pub(crate) fn perfect_root(hashes: &[TreeHash]) -> TreeHash {
    let mut hashes = hashes.to_vec();
    while hashes.len() > 1 {
        hashes =
            hashes.as_chunks::<2>().0.iter().map(|[l, r]| TreeHash::of_children(l, r)).collect();
    }
    hashes.first().copied().unwrap_or_else(TreeHash::of_empty_tree)
}
