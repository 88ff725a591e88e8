//! The monitor: reads every entry of a log, and remembers enough to catch it in a lie.
//!
//! It believes neither tiles nor checkpoints: it hashes each entry and goes on only where that leads
//! to the root that the log signed. It keeps the right edge of the tree, from which it can show where
//! a later tree differs. It decides nothing about what entries mean.
//!
//! Invariants:
//! - what was read once never changes: `frontier` only grows, and only to signed roots;
//! - a log is frozen by a fraud proof and by nothing else.

use alloc::boxed::Box;
use alloc::string::ToString;
use alloc::vec::Vec;

use vigil_base::cbor::{DecodeError, Decoder, Encoder};

use super::checkpoint::{
    Checkpoint, CheckpointError, LogKeys, Origin, SignedCheckpoint, UnsignedError,
};
use super::fraud::{FraudError, FraudProof, proven};
use super::proof::{Growth, GrowthRoots, check_consistency, prove_consistency};
use super::tile::{
    TILE_HEIGHT, TILE_WIDTH, TileNodes, TileReadError, Tiles, decode_bundle, perfect_root,
};
use super::tree::{Frontier, FrontierError, LeafIndex, Nodes as _, TreeHash, TreeSize};

/// The type tag of a monitor's record.
const TAG: &str = "vigil.log-monitor/1";

/// What a monitor knows of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Monitor {
    log: LogKeys,
    frontier: Frontier,
    checkpoint: Option<SignedCheckpoint>,
    fraud: Option<FraudProof>,
}

/// What a look at a log found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The log grew, and everything new was read.
    Grown {
        /// How many entries it had.
        from: TreeSize,
        /// How many it has.
        to: TreeSize,
    },
    /// Nothing is new.
    Same,
    /// What was shown is an earlier state of the same log: somebody is behind, or wants us to be.
    Stale {
        /// How many entries it shows.
        shown: TreeSize,
        /// How many were read.
        known: TreeSize,
    },
}

/// Why a monitor is not content.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MonitorError<E> {
    /// The log was caught before, or just now.
    #[error("the log {} is frozen: it signed two views that cannot both be true", .0.origin())]
    Fraud(Box<FraudProof>),
    /// The log did not sign this.
    #[error(transparent)]
    Unsigned(#[from] UnsignedError),
    /// A file could not be had.
    #[error(transparent)]
    Tile(#[from] TileReadError<E>),
    /// The entries lead elsewhere. It proves nothing: the files may have been changed on their way.
    #[error("the entries lead to the root {found}, not to {wanted}, which the log signed")]
    Entries {
        /// The root that the log signed.
        wanted: TreeHash,
        /// The root that the entries lead to.
        found: TreeHash,
    },
    /// The log shows less than it did, and its files do not show that it is the same log. It proves
    /// nothing: whoever shows it may be behind.
    #[error("the log shows {shown} entries, but {known} were read: it was set back, or is hidden")]
    Behind {
        /// How many entries it shows.
        shown: TreeSize,
        /// How many were read.
        known: TreeSize,
    },
}

/// Why bytes are not what a monitor kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MonitorStateError {
    /// The bytes are not such a record.
    #[error("this is not what a monitor keeps")]
    Decode(#[from] DecodeError),
    /// It is about another log.
    #[error("it is about the log {found}, not {wanted}")]
    Origin {
        /// The log that it is about.
        found: Origin,
        /// The log that was wanted.
        wanted: Origin,
    },
    /// The checkpoint in it is none.
    #[error("the checkpoint that the monitor kept is none")]
    Checkpoint(#[from] CheckpointError),
    /// The log did not sign the checkpoint in it.
    #[error("the checkpoint that the monitor kept is not the log's")]
    Unsigned(#[from] UnsignedError),
    /// The edge of the tree does not fit.
    #[error("the edge of the tree that the monitor kept does not fit")]
    Frontier(#[from] FrontierError),
    /// The edge of the tree leads to another root.
    #[error("the edge of the tree that the monitor kept leads to another root than the log signed")]
    Root,
    /// The fraud proof in it proves nothing.
    #[error("the fraud proof that the monitor kept does not hold")]
    Fraud(#[from] FraudError),
}

impl Monitor {
    /// Begins with the empty log.
    pub fn new(log: LogKeys) -> Self {
        Self { log, frontier: Frontier::new(), checkpoint: None, fraud: None }
    }

    /// Returns the log.
    pub fn log(&self) -> &LogKeys {
        &self.log
    }

    /// Returns how many entries were read.
    pub fn size(&self) -> TreeSize {
        self.frontier.size()
    }

    /// Returns the last checkpoint up to which everything was read.
    pub fn checkpoint(&self) -> Option<&SignedCheckpoint> {
        self.checkpoint.as_ref()
    }

    /// Returns the proof for which the log is frozen.
    pub fn fraud(&self) -> Option<&FraudProof> {
        self.fraud.as_ref()
    }

    /// Freezes the log, if the proof holds against it.
    pub fn freeze(&mut self, fraud: FraudProof) -> Result<(), FraudError> {
        fraud.check_log(&self.log)?;
        self.fraud.get_or_insert(fraud);
        Ok(())
    }

    /// Looks at a checkpoint, and reads what is new up to there. `each` gets every new entry, before
    /// it is known that the log signed it: what it makes of them counts only if this succeeds.
    ///
    /// `tiles` are those of whoever showed the checkpoint.
    pub fn look<T: Tiles>(
        &mut self,
        shown: &SignedCheckpoint,
        tiles: T,
        mut each: impl FnMut(LeafIndex, &[u8]),
    ) -> Result<Progress, MonitorError<T::Error>> {
        if let Some(fraud) = &self.fraud {
            return Err(MonitorError::Fraud(Box::new(fraud.clone())));
        }
        let new = shown.verify(&self.log)?.clone();
        let known = self.size();
        if new.size.0 <= known.0 {
            return self.look_back(shown, &new, tiles);
        }
        let mut nodes = TileNodes::new(tiles, new.size);
        let mut frontier = self.frontier.clone();
        let read = read_entries(&mut frontier, &mut nodes, &mut each);
        let found = frontier.root();
        if read.is_ok() && found == new.root {
            self.frontier = frontier;
            self.checkpoint = Some(shown.clone());
            return Ok(Progress::Grown { from: known, to: new.size });
        }
        // Another view of the same log, or files that somebody changed? Only the hashes tell.
        if let Some(fraud) = self.accuse(shown, &mut nodes) {
            self.fraud = Some(fraud.clone());
            return Err(MonitorError::Fraud(Box::new(fraud)));
        }
        read?;
        Err(MonitorError::Entries { wanted: new.root, found })
    }

    /// A view that is not larger than what is known.
    fn look_back<T: Tiles>(
        &mut self,
        shown: &SignedCheckpoint,
        new: &Checkpoint,
        mut tiles: T,
    ) -> Result<Progress, MonitorError<T::Error>> {
        let (known, root) = (self.size(), self.frontier.root());
        let mut nodes = TileNodes::new(&mut tiles, new.size);
        if let Some(fraud) = self.contradiction(shown).or_else(|| self.accuse(shown, &mut nodes)) {
            self.fraud = Some(fraud.clone());
            return Err(MonitorError::Fraud(Box::new(fraud)));
        }
        if new.size == known && new.root == root {
            return Ok(Progress::Same);
        }
        let growth = Growth { from: new.size, to: known };
        let proof = prove_consistency(&mut TileNodes::new(&mut tiles, known), growth);
        let roots = GrowthRoots { from: new.root, to: root };
        match proof.map(|proof| check_consistency(growth, roots, &proof)) {
            Ok(Ok(())) => Ok(Progress::Stale { shown: new.size, known }),
            _ => Err(MonitorError::Behind { shown: new.size, known }),
        }
    }

    /// Compares a view from anywhere with the last one: two roots for one size are a proof.
    pub fn gossip(&mut self, other: &SignedCheckpoint) -> Result<bool, UnsignedError> {
        other.verify(&self.log)?;
        let fraud = self.contradiction(other);
        let is_new = fraud.is_some() && self.fraud.is_none();
        if is_new {
            self.fraud = fraud;
        }
        Ok(is_new)
    }

    fn contradiction(&self, other: &SignedCheckpoint) -> Option<FraudProof> {
        let own = self.checkpoint.as_ref()?;
        FraudProof::of_roots(&self.log, [own, other]).ok()
    }

    /// Looks for a place that both trees have and in which they differ: one of those at the edge of
    /// the tree that was read. `None` if nothing can be proven.
    fn accuse<T: Tiles>(
        &self,
        shown: &SignedCheckpoint,
        nodes: &mut TileNodes<T>,
    ) -> Option<FraudProof> {
        let own = self.checkpoint.as_ref()?;
        let (old, new) = (self.size(), shown.unverified().size);
        let mut edge = self.frontier.clone();
        for place in self.frontier.places() {
            let is_in_both = place.leaves().is_some_and(|(_, end)| end.0 <= new.0);
            if !is_in_both || nodes.node(place).ok()? == edge.node(place).ok()? {
                continue;
            }
            let sides = [proven(&mut edge, place, old).ok()?, proven(nodes, place, new).ok()?];
            // It holds only if the tiles lead to the root that was signed.
            return FraudProof::of_nodes(&self.log, [own, shown], place, sides).ok();
        }
        None
    }

    /// Writes what is to be kept.
    pub fn encode(&self) -> Vec<u8> {
        let mut encoder = Encoder::record(TAG, 5);
        encoder.text(self.log.origin().as_str());
        encoder.text(&self.checkpoint.as_ref().map(ToString::to_string).unwrap_or_default());
        encoder.array(self.frontier.peaks().len());
        self.frontier.peaks().iter().for_each(|peak| encoder.bytes(&peak.0));
        encoder.bytes(&self.fraud.as_ref().map(FraudProof::encode).unwrap_or_default());
        encoder.finish()
    }

    /// Reads what was kept, and checks that it belongs together.
    pub fn decode(log: LogKeys, bytes: &[u8]) -> Result<Self, MonitorStateError> {
        let mut decoder = Decoder::record(bytes, TAG, 5)?;
        let origin = decoder.text()?;
        if origin != log.origin().as_str() {
            let wanted = log.origin().clone();
            let found = Origin::new(origin).unwrap_or_else(|_| wanted.clone());
            return Err(MonitorStateError::Origin { found, wanted });
        }
        let checkpoint = match decoder.text()? {
            "" => None,
            text => Some(SignedCheckpoint::parse(text.as_bytes())?),
        };
        let mut peaks = Vec::new();
        for _ in 0..decoder.array()? {
            peaks.push(TreeHash(decoder.byte_array()?));
        }
        let fraud = match decoder.bytes()? {
            [] => None,
            bytes => Some(FraudProof::decode(bytes)?),
        };
        decoder.finish()?;
        let (size, wanted) = match &checkpoint {
            None => (TreeSize(0), TreeHash::of_empty_tree()),
            Some(signed) => {
                let checked = signed.verify(&log)?;
                (checked.size, checked.root)
            }
        };
        let frontier = Frontier::from_peaks(size, peaks)?;
        if frontier.root() != wanted {
            return Err(MonitorStateError::Root);
        }
        if let Some(fraud) = &fraud {
            fraud.check_log(&log)?;
        }
        Ok(Self { log, frontier, checkpoint, fraud })
    }
}

/// Reads the entries that follow the edge of a tree, and hashes them.
fn read_entries<T: Tiles>(
    frontier: &mut Frontier,
    nodes: &mut TileNodes<T>,
    each: &mut impl FnMut(LeafIndex, &[u8]),
) -> Result<(), TileReadError<T::Error>> {
    let width = u64::from(TILE_WIDTH);
    let size = nodes.size().0;
    let mut leaves: Vec<TreeHash> = Vec::with_capacity(TILE_WIDTH.into());
    while frontier.size().0 < size {
        let at = frontier.size().0;
        let (id, bytes) = nodes.bundle(at / width)?;
        let entries =
            decode_bundle(id, &bytes).map_err(|source| TileReadError::Bad { id, source })?;
        // The full bundle may stand in for a partial one that is gone, and then has too many.
        let wanted = (size - at / width * width).min(width) as usize;
        leaves.clear();
        for (index, entry) in entries.iter().enumerate().take(wanted).skip((at % width) as usize) {
            each(LeafIndex(at / width * width + index as u64), entry);
            leaves.push(TreeHash::of_leaf(entry));
        }
        if leaves.len() == usize::from(TILE_WIDTH) {
            frontier.push_subtree(TILE_HEIGHT, perfect_root(&leaves));
        } else {
            leaves.iter().for_each(|leaf| frontier.push(*leaf));
        }
    }
    Ok(())
}
