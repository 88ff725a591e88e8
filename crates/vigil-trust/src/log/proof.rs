//! Inclusion and consistency proofs: RFC 6962, sections 2.1.1 and 2.1.2; checked as RFC 9162,
//! sections 2.1.3.2 and 2.1.4.2, writes it down.
//!
//! Invariant: checking looks at each hash of a proof once, so a long proof costs no more than its
//! length, and longer than 64 hashes is refused.

use alloc::vec::Vec;

use super::tree::{LeafIndex, NodePlace, Nodes, Span, TreeHash, TreeSize};

/// Longest inclusion proof: the height of a tree of 2^64 entries. Consistency proofs have one more
/// at most, and the witness protocol allows 63 in a request.
pub const PROOF_HASHES_MAX: usize = 64;

/// Which entry of which tree a proof is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inclusion {
    /// The entry.
    pub index: LeafIndex,
    /// The tree.
    pub size: TreeSize,
}

/// Two trees of one log, of which the second is to contain the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Growth {
    /// The earlier tree.
    pub from: TreeSize,
    /// The later tree.
    pub to: TreeSize,
}

/// Why no proof can be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProveError<E> {
    /// The entry or subtree is not in the tree.
    #[error("{place} is not in a tree of {size} entries")]
    Outside {
        /// The place.
        place: NodePlace,
        /// The tree.
        size: TreeSize,
    },
    /// The later tree is smaller.
    #[error("a tree of {to} entries cannot contain one of {from}")]
    Shrinks {
        /// The earlier tree.
        from: TreeSize,
        /// The later tree.
        to: TreeSize,
    },
    /// A hash of the tree could not be had.
    #[error("a part of the tree could not be read")]
    Nodes(#[source] E),
}

/// Why a proof shows nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProofError {
    /// The entry or subtree is not in a tree of this size.
    #[error("{place} is not in a tree of {size} entries")]
    Outside {
        /// The place.
        place: NodePlace,
        /// The tree.
        size: TreeSize,
    },
    /// The later tree is smaller than the earlier one.
    #[error("a tree of {to} entries cannot contain one of {from}")]
    Shrinks {
        /// The earlier tree.
        from: TreeSize,
        /// The later tree.
        to: TreeSize,
    },
    /// There are too few or too many hashes for these sizes.
    #[error("the proof has {found} hashes, which is the wrong number for these sizes")]
    Length {
        /// How many there are.
        found: usize,
    },
    /// The hashes lead to another root.
    #[error("the proof leads to the root {found}, not to {wanted}")]
    Root {
        /// The root that was to be reached.
        wanted: TreeHash,
        /// The one that was.
        found: TreeHash,
    },
}

impl Inclusion {
    /// Returns the place of the entry.
    pub fn place(self) -> NodePlace {
        NodePlace { level: 0, index: self.index.0 }
    }
}

/// Proves that an entry is in a tree: the hashes beside its path, from the leaf up.
pub fn prove_inclusion<N: Nodes>(
    nodes: &mut N,
    what: Inclusion,
) -> Result<Vec<TreeHash>, ProveError<N::Error>> {
    prove_node(nodes, what.place(), what.size)
}

/// Proves that a perfect subtree is in a tree, as [`prove_inclusion`] does for an entry.
pub fn prove_node<N: Nodes>(
    nodes: &mut N,
    place: NodePlace,
    size: TreeSize,
) -> Result<Vec<TreeHash>, ProveError<N::Error>> {
    let outside = ProveError::Outside { place, size };
    let Some((start, end)) = place.leaves().filter(|(_, end)| end.0 <= size.0) else {
        return Err(outside);
    };
    let mut proof = Vec::new();
    let mut span = Span::whole(size);
    while span.len() > end.0 - start.0 {
        let (left, right) = span.split();
        let (inside, beside) = if start.0 < left.end { (left, right) } else { (right, left) };
        proof.push(beside.hash(nodes).map_err(ProveError::Nodes)?);
        span = inside;
    }
    proof.reverse();
    Ok(proof)
}

/// Proves that a tree contains an earlier one as its beginning.
pub fn prove_consistency<N: Nodes>(
    nodes: &mut N,
    what: Growth,
) -> Result<Vec<TreeHash>, ProveError<N::Error>> {
    let Growth { from, to } = what;
    if from.0 > to.0 {
        return Err(ProveError::Shrinks { from, to });
    }
    if from.0 == 0 || from == to {
        return Ok(Vec::new());
    }
    let mut proof = Vec::new();
    let mut span = Span::whole(to);
    // Whether the part in hand is one that the earlier root alone is made of.
    let mut is_whole = true;
    while span.end != from.0 {
        let (left, right) = span.split();
        if from.0 <= left.end {
            proof.push(right.hash(nodes).map_err(ProveError::Nodes)?);
            span = left;
        } else {
            proof.push(left.hash(nodes).map_err(ProveError::Nodes)?);
            (span, is_whole) = (right, false);
        }
    }
    if !is_whole {
        proof.push(span.hash(nodes).map_err(ProveError::Nodes)?);
    }
    proof.reverse();
    Ok(proof)
}

/// Returns the root that an inclusion proof leads to from the hash of an entry.
pub fn root_of_inclusion(
    what: Inclusion,
    leaf: TreeHash,
    proof: &[TreeHash],
) -> Result<TreeHash, ProofError> {
    root_of_node(what.place(), what.size, leaf, proof)
}

/// Returns the root that a proof leads to from the hash of a perfect subtree.
pub fn root_of_node(
    place: NodePlace,
    size: TreeSize,
    hash: TreeHash,
    proof: &[TreeHash],
) -> Result<TreeHash, ProofError> {
    if place.leaves().is_none_or(|(_, end)| end.0 > size.0) {
        return Err(ProofError::Outside { place, size });
    }
    let mut walk = Walk { at: place.index, last: (size.0 - 1) >> place.level };
    let mut root = hash;
    for hash in proof {
        let side = walk.step().ok_or(ProofError::Length { found: proof.len() })?;
        root = match side {
            Side::Left => TreeHash::of_children(hash, &root),
            Side::Right => TreeHash::of_children(&root, hash),
        };
    }
    match walk.last {
        0 => Ok(root),
        _ => Err(ProofError::Length { found: proof.len() }),
    }
}

/// Checks that an entry is in the tree with this root.
pub fn check_inclusion(
    what: Inclusion,
    leaf: TreeHash,
    proof: &[TreeHash],
    root: TreeHash,
) -> Result<(), ProofError> {
    let found = root_of_inclusion(what, leaf, proof)?;
    if found == root { Ok(()) } else { Err(ProofError::Root { wanted: root, found }) }
}

/// The roots of two trees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GrowthRoots {
    /// That of the earlier tree.
    pub from: TreeHash,
    /// That of the later tree.
    pub to: TreeHash,
}

/// Checks that the later tree contains the earlier one as its beginning.
pub fn check_consistency(
    what: Growth,
    roots: GrowthRoots,
    proof: &[TreeHash],
) -> Result<(), ProofError> {
    let Growth { from, to } = what;
    if from.0 > to.0 {
        return Err(ProofError::Shrinks { from, to });
    }
    let length = ProofError::Length { found: proof.len() };
    if from.0 == 0 {
        let nothing = TreeHash::of_empty_tree();
        expect_root(nothing, roots.from)?;
        return if proof.is_empty() { expect_end(to, roots.to) } else { Err(length) };
    }
    if from == to {
        expect_root(roots.from, roots.to)?;
        return if proof.is_empty() { Ok(()) } else { Err(length) };
    }
    // The first hash is left out where it is the earlier root itself.
    let (first, rest) = match proof.split_first() {
        _ if from.0.is_power_of_two() && !proof.is_empty() => (roots.from, proof),
        Some((first, rest)) => (*first, rest),
        None => return Err(length),
    };
    let mut walk = Walk { at: from.0 - 1, last: to.0 - 1 };
    while walk.at & 1 == 1 {
        walk.up();
    }
    let (mut earlier, mut later) = (first, first);
    for hash in rest {
        match walk.step().ok_or(length)? {
            Side::Left => {
                earlier = TreeHash::of_children(hash, &earlier);
                later = TreeHash::of_children(hash, &later);
            }
            Side::Right => later = TreeHash::of_children(&later, hash),
        }
    }
    if walk.last != 0 {
        return Err(length);
    }
    expect_root(earlier, roots.from)?;
    expect_root(later, roots.to)
}

fn expect_root(found: TreeHash, wanted: TreeHash) -> Result<(), ProofError> {
    if found == wanted { Ok(()) } else { Err(ProofError::Root { wanted, found }) }
}

/// Of trees without entries there is one.
fn expect_end(size: TreeSize, root: TreeHash) -> Result<(), ProofError> {
    match size.0 {
        0 => expect_root(root, TreeHash::of_empty_tree()),
        _ => Ok(()),
    }
}

/// On which side of the path the next hash of a proof stands.
enum Side {
    Left,
    Right,
}

/// The way from a node up to the root: its position on its level, and the last position there.
struct Walk {
    at: u64,
    last: u64,
}

impl Walk {
    fn up(&mut self) {
        self.at >>= 1;
        self.last >>= 1;
    }

    /// Goes up to where the next hash joins; `None` at the root.
    fn step(&mut self) -> Option<Side> {
        if self.last == 0 {
            return None;
        }
        let side = if self.at & 1 == 1 || self.at == self.last {
            // Levels on which the rightmost node stands alone have no hash of their own.
            while self.at & 1 == 0 && self.at != 0 {
                self.up();
            }
            Side::Left
        } else {
            Side::Right
        };
        self.up();
        Some(side)
    }
}
