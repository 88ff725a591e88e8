//! The rows of a log that still grow: what is needed to append entries and to write tiles.
//!
//! Invariant: each row holds the hashes of its partial tile, so fewer than 256; the bundle holds
//! exactly the entries whose hashes are in the lowest row.

use alloc::vec::Vec;

use super::tile::{
    EntryTooLong, TILE_WIDTH, TileId, TileKind, TileNodes, TileReadError, Tiles, decode_bundle,
    encode_entry, perfect_root,
};
use super::tree::{LeafIndex, TREE_HASH_LEN, TreeHash, TreeSize};

/// A file of a log and its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TileFile {
    /// Its name.
    pub id: TileId,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// The right edge of a log, in tiles.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edge {
    size: u64,
    rows: Vec<Vec<TreeHash>>,
    bundle: Vec<u8>,
}

/// Why the right edge of a log could not be read from its files.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EdgeError<E> {
    /// A file could not be had.
    #[error(transparent)]
    Tile(TileReadError<E>),
    /// The entries of the last bundle are not those whose hashes are in the tile.
    #[error("the entries of {} are not those that its tile has the hashes of", .id.path())]
    Entries {
        /// The bundle.
        id: TileId,
    },
}

impl Edge {
    /// Starts an empty log.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads the edge of a log. Whether its root is the right one, the caller must compare.
    pub fn read<T: Tiles>(tiles: T, size: TreeSize) -> Result<Self, EdgeError<T::Error>> {
        let mut nodes = TileNodes::new(tiles, size);
        let mut edge = Self { size: size.0, ..Self::default() };
        let mut hashes = size.0;
        for level in 0.. {
            if hashes == 0 {
                break;
            }
            let (index, width) = (hashes / u64::from(TILE_WIDTH), hashes % u64::from(TILE_WIDTH));
            let id = TileId { kind: TileKind::Hashes(level), index, width: width as u16 };
            let row = if width == 0 { Ok(Vec::new()) } else { nodes.row(id) };
            edge.rows.push(row.map_err(EdgeError::Tile)?);
            hashes = index;
        }
        let width = size.0 % u64::from(TILE_WIDTH);
        if width > 0 {
            let (id, bytes) =
                nodes.bundle(size.0 / u64::from(TILE_WIDTH)).map_err(EdgeError::Tile)?;
            let bad = |source| EdgeError::Tile(TileReadError::Bad { id, source });
            let entries = decode_bundle(id, &bytes).map_err(bad)?;
            let entries = entries.get(..width as usize).unwrap_or(&entries);
            let hashes: Vec<TreeHash> = entries.iter().map(|e| TreeHash::of_leaf(e)).collect();
            if edge.rows.first() != Some(&hashes) {
                return Err(EdgeError::Entries { id });
            }
            let len: usize = entries.iter().map(|entry| 2 + entry.len()).sum();
            edge.bundle = bytes.get(..len).unwrap_or(&bytes).to_vec();
        }
        Ok(edge)
    }

    /// Returns how many entries there are.
    pub fn size(&self) -> TreeSize {
        TreeSize(self.size)
    }

    /// Appends an entry. Tiles that are full thereby are added to `full`.
    pub fn push(
        &mut self,
        entry: &[u8],
        full: &mut Vec<TileFile>,
    ) -> Result<LeafIndex, EntryTooLong> {
        encode_entry(entry, &mut self.bundle)?;
        let index = LeafIndex(self.size);
        let mut hash = TreeHash::of_leaf(entry);
        for level in 0u8.. {
            if self.rows.len() == usize::from(level) {
                self.rows.push(Vec::new());
            }
            let row = &mut self.rows[usize::from(level)];
            row.push(hash);
            if row.len() < usize::from(TILE_WIDTH) {
                break;
            }
            let at = self.size >> (8 * (u32::from(level) + 1));
            let id = TileId { kind: TileKind::Hashes(level), index: at, width: TILE_WIDTH };
            full.push(TileFile { id, bytes: row_bytes(row) });
            if level == 0 {
                let id = TileId { kind: TileKind::Entries, ..id };
                full.push(TileFile { id, bytes: core::mem::take(&mut self.bundle) });
            }
            hash = perfect_root(row);
            row.clear();
        }
        self.size += 1;
        Ok(index)
    }

    /// Returns the partial tiles that a tree of this size has and one of size `since` had not.
    pub fn partial(&self, since: TreeSize) -> Vec<TileFile> {
        let mut files = Vec::new();
        let (mut now, mut before) = (self.size, since.0);
        for (level, row) in self.rows.iter().enumerate() {
            let index = now / u64::from(TILE_WIDTH);
            if !row.is_empty() && now != before {
                let kind = TileKind::Hashes(level as u8);
                let id = TileId { kind, index, width: row.len() as u16 };
                files.push(TileFile { id, bytes: row_bytes(row) });
                if level == 0 {
                    let id = TileId { kind: TileKind::Entries, ..id };
                    files.push(TileFile { id, bytes: self.bundle.clone() });
                }
            }
            (now, before) = (index, before / u64::from(TILE_WIDTH));
        }
        files
    }

    /// Returns the root.
    pub fn root(&self) -> TreeHash {
        let mut root: Option<TreeHash> = None;
        for row in &self.rows {
            // The row's perfect parts from right to left: one for each bit of its length.
            let mut rest = row.as_slice();
            while !rest.is_empty() {
                let part = 1 << rest.len().trailing_zeros();
                let (left, right) = rest.split_at(rest.len() - part);
                let hash = perfect_root(right);
                root = Some(root.map_or(hash, |below| TreeHash::of_children(&hash, &below)));
                rest = left;
            }
        }
        root.unwrap_or_else(TreeHash::of_empty_tree)
    }
}

fn row_bytes(row: &[TreeHash]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(row.len() * TREE_HASH_LEN);
    row.iter().for_each(|hash| bytes.extend_from_slice(&hash.0));
    bytes
}
