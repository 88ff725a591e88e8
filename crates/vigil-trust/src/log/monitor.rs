//! The monitor: reads every entry of a log, and remembers enough to catch it in a lie.
//!
//! It believes neither tiles nor checkpoints: it hashes each entry and goes on only where that leads
//! to the root that the log signed. It keeps the right edge of the tree, from which it can show where
//! a later tree differs, and some edges of before: a view that is smaller than what was read is proven
//! to differ below the largest of these that it holds. Whoever has a copy of what was read proves the rest,
//! too. It decides nothing about what entries mean.
//!
//! Invariants:
//! - what was read once never changes: `frontier` only grows, and only to signed roots;
//! - a log is frozen by a fraud proof and by nothing else.

use alloc::boxed::Box;
use alloc::string::ToString;
use alloc::vec::Vec;

use vigil_base::cbor::{DecodeError, Decoder, Encoder, Fault};

use super::checkpoint::{
    Checkpoint, CheckpointError, LogKeys, Origin, SignedCheckpoint, UnsignedError,
};
use super::fraud::{FraudError, FraudProof, first_difference, proven};
use super::proof::{Growth, GrowthRoots, check_consistency, prove_consistency};
use super::tile::{
    TILE_HEIGHT, TILE_WIDTH, TileNodes, TileReadError, Tiles, decode_bundle, perfect_root,
};
use super::tree::{Frontier, FrontierError, LeafIndex, NodePlace, Nodes, TreeHash, TreeSize};

/// The type tag of a monitor's record.
const TAG: &str = "vigil.log-monitor/1";

/// How many of the newest views are kept; of older ones one for each bit length of their sizes.
const NEWEST: usize = 16;

/// A state of the log up to which everything was read.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    frontier: Frontier,
    checkpoint: SignedCheckpoint,
}

/// What a monitor knows of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Monitor {
    log: LogKeys,
    /// What was read, the sizes rising.
    seen: Vec<Seen>,
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
        Self { log, seen: Vec::new(), fraud: None }
    }

    /// Returns the log.
    pub fn log(&self) -> &LogKeys {
        &self.log
    }

    /// Returns how many entries were read.
    pub fn size(&self) -> TreeSize {
        self.seen.last().map_or(TreeSize(0), |seen| seen.frontier.size())
    }

    /// Says whether a view of this size can be compared by its root alone.
    pub fn has_seen(&self, size: TreeSize) -> bool {
        self.seen.iter().any(|seen| seen.frontier.size() == size)
    }

    /// Returns the last checkpoint up to which everything was read.
    pub fn checkpoint(&self) -> Option<&SignedCheckpoint> {
        self.seen.last().map(|seen| &seen.checkpoint)
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
        each: impl FnMut(LeafIndex, &[u8]),
    ) -> Result<Progress, MonitorError<T::Error>> {
        self.look_beside(shown, tiles, None::<T>, each)
    }

    /// Does what [`Monitor::look`] does, with a copy of what was read, where there is one: it proves where a
    /// smaller view differs, whichever entry it is. The copy is not believed either.
    pub fn look_beside<T: Tiles, O: Tiles>(
        &mut self,
        shown: &SignedCheckpoint,
        tiles: T,
        copy: Option<O>,
        mut each: impl FnMut(LeafIndex, &[u8]),
    ) -> Result<Progress, MonitorError<T::Error>> {
        if let Some(fraud) = &self.fraud {
            return Err(MonitorError::Fraud(Box::new(fraud.clone())));
        }
        let new = shown.verify(&self.log)?.clone();
        let known = self.size();
        if new.size.0 <= known.0 {
            return self.look_back(shown, &new, tiles, copy);
        }
        let mut nodes = TileNodes::new(tiles, new.size);
        let mut frontier = self.frontier();
        let read = read_entries(&mut frontier, &mut nodes, &mut each);
        let found = frontier.root();
        if read.is_ok() && found == new.root {
            self.remember(Seen { frontier, checkpoint: shown.clone() });
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

    fn frontier(&self) -> Frontier {
        self.seen.last().map_or_else(Frontier::new, |seen| seen.frontier.clone())
    }

    fn remember(&mut self, seen: Seen) {
        self.seen.push(seen);
        let old = self.seen.len().saturating_sub(NEWEST);
        let bits = |seen: &Seen| seen.frontier.size().0.checked_ilog2();
        let is_kept: Vec<bool> = (0..self.seen.len())
            .map(|at| at >= old || at == 0 || bits(&self.seen[at]) != bits(&self.seen[at - 1]))
            .collect();
        let mut kept = is_kept.into_iter();
        self.seen.retain(|_| kept.next().unwrap_or(true));
    }

    /// A view that is not larger than what is known.
    fn look_back<T: Tiles, O: Tiles>(
        &mut self,
        shown: &SignedCheckpoint,
        new: &Checkpoint,
        mut tiles: T,
        copy: Option<O>,
    ) -> Result<Progress, MonitorError<T::Error>> {
        let (known, root) = (self.size(), self.frontier().root());
        let mut nodes = TileNodes::new(&mut tiles, new.size);
        let fraud = self.contradiction(shown).or_else(|| self.accuse(shown, &mut nodes));
        let fraud = fraud.or_else(|| self.accuse_beside(shown, &mut nodes, copy?));
        if let Some(fraud) = fraud {
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

    /// Compares a view from anywhere with those that are kept: two roots for one size are a proof.
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
        let proof = |seen: &Seen| FraudProof::of_roots(&self.log, [&seen.checkpoint, other]).ok();
        self.seen.iter().rev().find_map(proof)
    }

    /// Looks for a place that both trees have and in which they differ: one of those at the edges of
    /// the trees that were read. `None` if nothing can be proven.
    fn accuse<T: Tiles>(
        &self,
        shown: &SignedCheckpoint,
        nodes: &mut TileNodes<T>,
    ) -> Option<FraudProof> {
        self.seen.iter().rev().find_map(|seen| self.accuse_by(seen, shown, nodes))
    }

    fn accuse_by<T: Tiles>(
        &self,
        seen: &Seen,
        shown: &SignedCheckpoint,
        nodes: &mut TileNodes<T>,
    ) -> Option<FraudProof> {
        let (old, new) = (seen.frontier.size(), shown.unverified().size);
        let mut edge = seen.frontier.clone();
        for place in seen.frontier.places() {
            let is_in_both = place.leaves().is_some_and(|(_, end)| end.0 <= new.0);
            if !is_in_both || nodes.node(place).ok()? == edge.node(place).ok()? {
                continue;
            }
            let sides = [proven(&mut edge, place, old).ok()?, proven(nodes, place, new).ok()?];
            // It holds only if the tiles lead to the root that was signed.
            let views = [&seen.checkpoint, shown];
            return FraudProof::of_nodes(&self.log, views, place, sides).ok();
        }
        None
    }

    /// Goes down both trees, this one's in a copy of its files, to the first entry in which they differ.
    fn accuse_beside<T: Tiles, O: Tiles>(
        &self,
        shown: &SignedCheckpoint,
        nodes: &mut TileNodes<T>,
        copy: O,
    ) -> Option<FraudProof> {
        let own = self.checkpoint()?;
        let (old, new) = (self.size(), shown.unverified().size);
        let mut copy = TileNodes::new(copy, old);
        let (mut ours, mut theirs) = (Whole(&mut copy), Whole(nodes));
        let found = first_difference((&mut ours, old), (&mut theirs, new)).ok()??;
        let place = NodePlace { level: 0, index: found.0 };
        let sides = [proven(&mut ours, place, old).ok()?, proven(&mut theirs, place, new).ok()?];
        FraudProof::of_nodes(&self.log, [own, shown], place, sides).ok()
    }

    /// Writes what is to be kept.
    pub fn encode(&self) -> Vec<u8> {
        let mut encoder = Encoder::record(TAG, 4);
        encoder.text(self.log.origin().as_str());
        encoder.array(self.seen.len());
        for seen in &self.seen {
            encoder.array(2);
            encoder.text(&seen.checkpoint.to_string());
            encoder.array(seen.frontier.peaks().len());
            seen.frontier.peaks().iter().for_each(|peak| encoder.bytes(&peak.0));
        }
        encoder.bytes(&self.fraud.as_ref().map(FraudProof::encode).unwrap_or_default());
        encoder.finish()
    }

    /// Reads what was kept, and checks that it belongs together.
    pub fn decode(log: LogKeys, bytes: &[u8]) -> Result<Self, MonitorStateError> {
        let mut decoder = Decoder::record(bytes, TAG, 4)?;
        let origin = decoder.text()?;
        if origin != log.origin().as_str() {
            let wanted = log.origin().clone();
            let found = Origin::new(origin).unwrap_or_else(|_| wanted.clone());
            return Err(MonitorStateError::Origin { found, wanted });
        }
        let mut seen: Vec<Seen> = Vec::new();
        for _ in 0..decoder.array()? {
            let at = decoder.offset();
            let view = decode_seen(&log, &mut decoder)?;
            let before = seen.last().map_or(0, |seen| seen.frontier.size().0);
            if view.frontier.size().0 <= before {
                return Ok(decoder.fault(at, Fault::KeyOrder)?);
            }
            seen.push(view);
        }
        let fraud = match decoder.bytes()? {
            [] => None,
            bytes => Some(FraudProof::decode(bytes)?),
        };
        decoder.finish()?;
        if let Some(fraud) = &fraud {
            fraud.check_log(&log)?;
        }
        Ok(Self { log, seen, fraud })
    }
}

fn decode_seen(log: &LogKeys, decoder: &mut Decoder<'_>) -> Result<Seen, MonitorStateError> {
    decoder.array_of(2)?;
    let checkpoint = SignedCheckpoint::parse(decoder.text()?.as_bytes())?;
    let mut peaks = Vec::new();
    for _ in 0..decoder.array()? {
        peaks.push(TreeHash(decoder.byte_array()?));
    }
    let checked = checkpoint.verify(log)?;
    let frontier = Frontier::from_peaks(checked.size, peaks)?;
    if frontier.root() != checked.root {
        return Err(MonitorStateError::Root);
    }
    Ok(Seen { frontier, checkpoint })
}

/// The nodes of a tree, where it does not matter why one could not be had.
struct Whole<'a, N>(&'a mut N);

impl<N: Nodes> Nodes for Whole<'_, N> {
    type Error = ();

    fn node(&mut self, place: NodePlace) -> Result<TreeHash, ()> {
        self.0.node(place).map_err(|_| ())
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
