//! Reading a log: entries, where they are, and proofs that they are there.
//!
//! Invariant: what is returned leads to the root of the checkpoint that was handed in; tiles that lie
//! give an error, never a wrong proof.

use alloc::vec::Vec;

use super::checkpoint::SignedCheckpoint;
use super::proof::{
    Growth, GrowthRoots, Inclusion, ProofError, ProveError, check_consistency, check_inclusion,
    prove_consistency, prove_inclusion,
};
use super::proof_file::TlogProof;
use super::tile::{TILE_WIDTH, TileNodes, TileReadError, Tiles, decode_bundle};
use super::tree::{LeafIndex, Nodes as _, TreeHash, TreeSize, root};

/// The log as one of its checkpoints says that it is. Who signed that, the caller knows.
pub struct LogReader<T> {
    nodes: TileNodes<T>,
    checkpoint: SignedCheckpoint,
}

/// Why a log's files do not give what was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LogReadError<E> {
    /// It is not in the log.
    #[error("the log has no entry {index}: it has {size}")]
    Outside {
        /// The index.
        index: LeafIndex,
        /// How many entries there are.
        size: TreeSize,
    },
    /// A file could not be had.
    #[error(transparent)]
    Tile(#[from] TileReadError<E>),
    /// A proof could not be made.
    #[error("no proof can be made from the log's tiles")]
    Prove(#[source] ProveError<TileReadError<E>>),
    /// The tiles are not those that the checkpoint is about.
    #[error("the log's tiles do not lead to the root that it signed")]
    Lie(#[from] ProofError),
}

impl<T: Tiles> LogReader<T> {
    /// Reads the tree of a checkpoint.
    pub fn new(tiles: T, checkpoint: SignedCheckpoint) -> Self {
        Self { nodes: TileNodes::new(tiles, checkpoint.unverified().size), checkpoint }
    }

    /// Returns the checkpoint.
    pub fn checkpoint(&self) -> &SignedCheckpoint {
        &self.checkpoint
    }

    /// Returns how many entries there are.
    pub fn size(&self) -> TreeSize {
        self.nodes.size()
    }

    /// Returns an entry, compared with the checkpoint's root, and the proof of it.
    pub fn entry(
        &mut self,
        index: LeafIndex,
    ) -> Result<(Vec<u8>, TlogProof), LogReadError<T::Error>> {
        let size = self.size();
        if index >= LeafIndex(size.0) {
            return Err(LogReadError::Outside { index, size });
        }
        let (id, bytes) = self.nodes.bundle(index.0 / u64::from(TILE_WIDTH))?;
        let entries =
            decode_bundle(id, &bytes).map_err(|source| TileReadError::Bad { id, source })?;
        let entry = entries.get((index.0 % u64::from(TILE_WIDTH)) as usize);
        let entry = entry.copied().ok_or(LogReadError::Outside { index, size })?.to_vec();
        let proof = self.prove(index, TreeHash::of_leaf(&entry))?;
        Ok((entry, proof))
    }

    /// Proves that the entry with this hash is at this index.
    pub fn prove(
        &mut self,
        index: LeafIndex,
        leaf: TreeHash,
    ) -> Result<TlogProof, LogReadError<T::Error>> {
        let size = self.size();
        if index >= LeafIndex(size.0) {
            return Err(LogReadError::Outside { index, size });
        }
        let what = Inclusion { index, size };
        let path = prove_inclusion(&mut self.nodes, what).map_err(LogReadError::Prove)?;
        check_inclusion(what, leaf, &path, self.checkpoint.unverified().root)?;
        Ok(TlogProof { extra: None, index, path, checkpoint: self.checkpoint.clone() })
    }

    /// Finds the first entry with this hash by reading all lowest tiles.
    pub fn find(&mut self, leaf: TreeHash) -> Result<Option<LeafIndex>, LogReadError<T::Error>> {
        for index in 0..self.size().0 {
            let place = Inclusion { index: LeafIndex(index), size: self.size() }.place();
            if self.nodes.node(place)? == leaf {
                return Ok(Some(LeafIndex(index)));
            }
        }
        Ok(None)
    }

    /// Proves that the tree contains an earlier one of the log.
    pub fn prove_growth(
        &mut self,
        from: TreeSize,
    ) -> Result<Vec<TreeHash>, LogReadError<T::Error>> {
        let what = Growth { from, to: self.size() };
        let proof = prove_consistency(&mut self.nodes, what).map_err(LogReadError::Prove)?;
        // The proof leads to both roots, or the tiles are not those of the checkpoint.
        let earlier = root(&mut self.nodes, from)?;
        let roots = GrowthRoots { from: earlier, to: self.checkpoint.unverified().root };
        check_consistency(what, roots, &proof)?;
        Ok(proof)
    }
}
