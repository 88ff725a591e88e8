//! The Merkle tree of RFC 6962, section 2.1: hashes of leaves, of nodes, and of whole trees.
//!
//! It stores nothing: whoever has the hashes of perfect subtrees gives them through [`Nodes`].
//!
//! Invariant: a leaf's hash and a node's hash never have the same preimage (`0x00` and `0x01` first).

use alloc::vec::Vec;
use core::fmt;

use sha2::{Digest as _, Sha256};

/// Bytes in a [`TreeHash`].
pub const TREE_HASH_LEN: usize = 32;

/// A hash in a log's Merkle tree: SHA-256 as RFC 6962, section 2.1, uses it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TreeHash(pub [u8; TREE_HASH_LEN]);

/// The position of an entry in a log, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LeafIndex(pub u64);

/// How many entries a tree has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TreeSize(pub u64);

impl fmt::Display for LeafIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for TreeSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl TreeHash {
    /// The hash of the tree without entries: SHA-256 of nothing.
    pub fn of_empty_tree() -> Self {
        Self(Sha256::digest([]).into())
    }

    /// Returns the hash of an entry.
    pub fn of_leaf(entry: &[u8]) -> Self {
        Self(Sha256::new().chain_update([0]).chain_update(entry).finalize().into())
    }

    /// Returns the hash of a node above two others.
    pub fn of_children(left: &Self, right: &Self) -> Self {
        let mut bytes = [1; 1 + 2 * TREE_HASH_LEN];
        bytes[1..=TREE_HASH_LEN].copy_from_slice(&left.0);
        bytes[1 + TREE_HASH_LEN..].copy_from_slice(&right.0);
        Self(Sha256::digest(bytes).into())
    }
}

impl fmt::Debug for TreeHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for TreeHash {
    /// Writes standard base64 (RFC 4648, section 4), as checkpoints and proofs do.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&super::text::base64(&self.0))
    }
}

/// The place of a perfect subtree: the `index`-th of those with `1 << level` leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodePlace {
    /// The height above the leaves.
    pub level: u8,
    /// The position among the subtrees of this height, from 0.
    pub index: u64,
}

impl NodePlace {
    /// Returns the first leaf, and the one after the last; `None` beyond all trees.
    pub fn leaves(self) -> Option<(LeafIndex, LeafIndex)> {
        let width = 1u64.checked_shl(self.level.into())?;
        let start = self.index.checked_mul(width)?;
        Some((LeafIndex(start), LeafIndex(start.checked_add(width)?)))
    }
}

impl fmt::Display for NodePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.level {
            0 => write!(f, "entry {}", self.index),
            level => write!(f, "subtree {} of height {level}", self.index),
        }
    }
}

/// Gives the hashes of perfect subtrees.
pub trait Nodes {
    /// Why one could not be had.
    type Error;
    /// Returns the hash of a perfect subtree that lies wholly within the tree.
    fn node(&mut self, place: NodePlace) -> Result<TreeHash, Self::Error>;
}

/// Consecutive leaves, as RFC 6962 writes `D[start:end]`. There is at least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub start: u64,
    pub end: u64,
}

impl Span {
    /// Returns all leaves of a tree that is not empty.
    pub fn whole(size: TreeSize) -> Self {
        Self { start: 0, end: size.0 }
    }

    pub fn len(self) -> u64 {
        self.end - self.start
    }

    /// Splits at the largest power of two below the length, which is at least 2.
    pub fn split(self) -> (Self, Self) {
        let middle = self.start + (1 << (self.len() - 1).ilog2());
        (Self { end: middle, ..self }, Self { start: middle, ..self })
    }

    /// Returns the hash over the leaves. Spans that come from splitting begin at a multiple of the
    /// next power of two, so each perfect part has a place.
    pub fn hash<N: Nodes>(self, nodes: &mut N) -> Result<TreeHash, N::Error> {
        // The perfect parts from left to right; the last is the smallest.
        let mut parts = Vec::new();
        let mut rest = self;
        while !rest.len().is_power_of_two() {
            let (left, right) = rest.split();
            parts.push(left);
            rest = right;
        }
        let mut hash = nodes.node(rest.place())?;
        for part in parts.into_iter().rev() {
            hash = TreeHash::of_children(&nodes.node(part.place())?, &hash);
        }
        Ok(hash)
    }

    fn place(self) -> NodePlace {
        let level = self.len().ilog2();
        NodePlace { level: level as u8, index: self.start >> level }
    }
}

/// Returns the root of a tree.
pub fn root<N: Nodes>(nodes: &mut N, size: TreeSize) -> Result<TreeHash, N::Error> {
    match size.0 {
        0 => Ok(TreeHash::of_empty_tree()),
        _ => Span::whole(size).hash(nodes),
    }
}

/// The right edge of a growing tree: the hashes of the perfect subtrees that it is made of.
///
/// It is all that is needed to go on hashing, and at most 64 hashes.
///
/// Invariant: there is one hash for each bit of the size that is set, the largest subtree first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    peaks: Vec<TreeHash>,
}

/// Why some hashes are not the right edge of a tree.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a tree of {size} entries has {wanted} hashes at its edge, not {found}")]
pub struct FrontierError {
    /// The size.
    pub size: TreeSize,
    /// How many hashes there are to be.
    pub wanted: u32,
    /// How many there were.
    pub found: usize,
}

impl Default for Frontier {
    fn default() -> Self {
        Self::new()
    }
}

impl Frontier {
    /// Starts with the tree without entries.
    pub fn new() -> Self {
        Self { size: 0, peaks: Vec::new() }
    }

    /// Takes the hashes of the perfect subtrees of a tree, the largest first. They are believed.
    pub fn from_peaks(size: TreeSize, peaks: Vec<TreeHash>) -> Result<Self, FrontierError> {
        let wanted = size.0.count_ones();
        match peaks.len() == wanted as usize {
            true => Ok(Self { size: size.0, peaks }),
            false => Err(FrontierError { size, wanted, found: peaks.len() }),
        }
    }

    /// Reads the edge of a tree from whoever has its nodes.
    pub fn read<N: Nodes>(nodes: &mut N, size: TreeSize) -> Result<Self, N::Error> {
        let mut this = Self { size: size.0, peaks: Vec::new() };
        this.peaks = this.places().map(|place| nodes.node(place)).collect::<Result<_, _>>()?;
        Ok(this)
    }

    /// Returns how many entries there are.
    pub fn size(&self) -> TreeSize {
        TreeSize(self.size)
    }

    /// Returns the hashes of the perfect subtrees, the largest first.
    pub fn peaks(&self) -> &[TreeHash] {
        &self.peaks
    }

    /// Adds the hash of one entry.
    pub fn push(&mut self, leaf: TreeHash) {
        self.push_subtree(0, leaf);
    }

    /// Adds a perfect subtree of `1 << level` entries. The size must be a multiple of that.
    pub fn push_subtree(&mut self, level: u8, hash: TreeHash) {
        assert!(self.size.trailing_zeros() >= u32::from(level), "a subtree begins at its multiple");
        let mut hash = hash;
        let mut at = level;
        while self.size >> at & 1 == 1 {
            // The invariant: a set bit has its hash.
            let left = self.peaks.pop().unwrap_or_else(TreeHash::of_empty_tree);
            hash = TreeHash::of_children(&left, &hash);
            at += 1;
        }
        self.peaks.push(hash);
        self.size += 1 << level;
    }

    /// Returns the places of the hashes, in their order.
    pub fn places(&self) -> impl Iterator<Item = NodePlace> {
        let size = self.size;
        let levels = (0..u64::BITS).rev().filter(move |level| size >> level & 1 == 1);
        levels.map(move |level| {
            // What stands left of a peak are the higher bits of the size.
            let start = size.checked_shr(level + 1).unwrap_or(0) << 1;
            NodePlace { level: level as u8, index: start }
        })
    }

    /// Returns the root.
    pub fn root(&self) -> TreeHash {
        let mut peaks = self.peaks.iter().rev();
        let Some(first) = peaks.next() else { return TreeHash::of_empty_tree() };
        peaks.fold(*first, |right, left| TreeHash::of_children(left, &right))
    }
}

impl Nodes for Frontier {
    type Error = NoNode;

    /// Only the perfect subtrees at the edge are known.
    fn node(&mut self, place: NodePlace) -> Result<TreeHash, NoNode> {
        let at = self.places().position(|known| known == place);
        at.and_then(|at| self.peaks.get(at)).copied().ok_or(NoNode(place))
    }
}

/// A whole tree in memory, for small ones and for tests: every level's hashes.
#[derive(Clone, Debug, Default)]
pub struct MemoryTree {
    levels: Vec<Vec<TreeHash>>,
}

impl MemoryTree {
    /// Returns how many entries there are.
    pub fn size(&self) -> TreeSize {
        TreeSize(self.levels.first().map_or(0, |leaves| leaves.len() as u64))
    }

    /// Adds the hash of one entry.
    pub fn push(&mut self, leaf: TreeHash) {
        let mut hash = leaf;
        for level in 0.. {
            if self.levels.len() == level {
                self.levels.push(Vec::new());
            }
            let hashes = &mut self.levels[level];
            hashes.push(hash);
            match hashes.as_slice() {
                [.., left, right] if hashes.len().is_multiple_of(2) => {
                    hash = TreeHash::of_children(left, right);
                }
                _ => return,
            }
        }
    }
}

impl Nodes for MemoryTree {
    type Error = NoNode;

    fn node(&mut self, place: NodePlace) -> Result<TreeHash, NoNode> {
        let level = self.levels.get(usize::from(place.level));
        let index = usize::try_from(place.index).map_err(|_| NoNode(place))?;
        level.and_then(|hashes| hashes.get(index)).copied().ok_or(NoNode(place))
    }
}

/// A subtree that is not wholly in a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} is not in the tree, or not known of it")]
pub struct NoNode(pub NodePlace);
