//! Fraud proofs: what a log or a witness signed and cannot both have seen.
//!
//! That a consistency proof is missing proves nothing: whoever was asked may be down. What counts is
//! signed twice: two roots for one size; two leaves at one index, or two subtrees at one place of
//! both trees; for a witness, also a smaller tree
//! at a later time.
//!
//! Invariants:
//! - whoever has the accused's public key can check a proof, with nothing else at hand;
//! - a log and a witness that keep to the rules can never be accused.

use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use vigil_base::cbor::{DecodeError, Decoder, Encoder, Fault};

use super::checkpoint::{
    Checkpoint, CheckpointError, LogKeys, Origin, OriginError, SignedCheckpoint,
};
use super::cosignature::check_line;
use super::note::{KeyId, KeyName, KeyNameError, Note, NoteKey, NoteSignature};
use super::proof::{PROOF_HASHES_MAX, ProofError, ProveError, prove_node, root_of_node};
use super::tree::{LeafIndex, NodePlace, Nodes, TreeHash, TreeSize};

/// The type tag.
const TAG: &str = "vigil.log-fraud/1";

/// Longest proof, in bytes: two signed views with the longest names, and two paths of 64 hashes.
pub const FRAUD_BYTES_MAX: usize = 64 << 10;

/// What somebody signed about a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// What is said.
    pub checkpoint: Checkpoint,
    /// Who says it.
    pub signature: NoteSignature,
}

/// The hash at one place of a view's tree, and its path to the root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proven {
    /// The hash of the entry, or of the subtree.
    pub hash: TreeHash,
    /// The hashes beside the path.
    pub path: Vec<TreeHash>,
}

/// Why two views cannot both be true.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Contradiction {
    /// They have one size and two roots.
    Roots,
    /// They have different entries at one index, or different subtrees at one place of both.
    Nodes {
        /// The place.
        place: NodePlace,
        /// What each view has there.
        proven: [Proven; 2],
    },
    /// The witness saw the second view later, and it is smaller.
    Rollback,
}

/// A fraud proof, of which nothing has been checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FraudProof {
    views: [View; 2],
    contradiction: Contradiction,
}

/// Why something is no fraud proof.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FraudError {
    /// It is too long.
    #[error("a fraud proof has at most {FRAUD_BYTES_MAX} bytes")]
    Long,
    /// The bytes are not such a record.
    #[error("this is not a fraud proof")]
    Decode(#[from] DecodeError),
    /// The origin is none.
    #[error(transparent)]
    Origin(#[from] OriginError),
    /// A key's name is none.
    #[error(transparent)]
    Name(#[from] KeyNameError),
    /// A view is no checkpoint.
    #[error("one side of the fraud proof is not a checkpoint")]
    Checkpoint(#[from] CheckpointError),
    /// The views are of two logs.
    #[error("the two sides are of different logs")]
    Origins,
    /// The accused did not sign a view.
    #[error("the accused did not sign both sides")]
    Unsigned,
    /// The views may both be true.
    #[error("the two sides do not contradict each other")]
    Consistent,
    /// A path does not lead to its root.
    #[error("a path of the fraud proof does not lead to its root")]
    Path(#[from] ProofError),
}

impl FraudProof {
    /// Accuses a log of two checkpoints, if they have one size and two roots.
    pub fn of_roots(log: &LogKeys, views: [&SignedCheckpoint; 2]) -> Result<Self, FraudError> {
        let views = [log_view(log, views[0])?, log_view(log, views[1])?];
        let proof = Self { views, contradiction: Contradiction::Roots };
        proof.check_log(log).map(|()| proof)
    }

    /// Accuses a log of two checkpoints whose trees differ at a place that both have.
    pub fn of_nodes(
        log: &LogKeys,
        views: [&SignedCheckpoint; 2],
        place: NodePlace,
        proven: [Proven; 2],
    ) -> Result<Self, FraudError> {
        let views = [log_view(log, views[0])?, log_view(log, views[1])?];
        let proof = Self { views, contradiction: Contradiction::Nodes { place, proven } };
        proof.check_log(log).map(|()| proof)
    }

    /// Accuses a witness of two cosignatures: of two roots for one size, or of a smaller tree at a
    /// later time.
    pub fn of_witness(
        witness: &NoteKey,
        views: [&SignedCheckpoint; 2],
    ) -> Result<Self, FraudError> {
        let mut found = None;
        for first in lines_of(witness, views[0]) {
            for second in lines_of(witness, views[1]) {
                let pair = [view_of(views[0], first), view_of(views[1], second)];
                let mut turned = pair.clone();
                turned.reverse();
                for (views, contradiction) in [
                    (pair.clone(), Contradiction::Roots),
                    (pair, Contradiction::Rollback),
                    (turned, Contradiction::Rollback),
                ] {
                    let proof = Self { views, contradiction };
                    if found.is_none() && proof.check_witness(witness).is_ok() {
                        found = Some(proof);
                    }
                }
            }
        }
        found.ok_or(FraudError::Consistent)
    }

    /// Returns the log that it is about.
    pub fn origin(&self) -> &Origin {
        &self.views[0].checkpoint.origin
    }

    /// Returns what was signed.
    pub fn views(&self) -> &[View; 2] {
        &self.views
    }

    /// Returns why both cannot be true.
    pub fn contradiction(&self) -> &Contradiction {
        &self.contradiction
    }

    /// Returns the two sides as notes, which other programs can check.
    pub fn notes(&self) -> [Note; 2] {
        let note = |view: &View| {
            let text = view.checkpoint.to_string();
            Note::from_parts(text, Vec::from([view.signature.clone()]))
        };
        [note(&self.views[0]), note(&self.views[1])]
    }

    /// Checks that the log with these keys signed both, and that they contradict each other.
    pub fn check_log(&self, log: &LogKeys) -> Result<(), FraudError> {
        if self.origin() != log.origin() || matches!(self.contradiction, Contradiction::Rollback) {
            return Err(FraudError::Unsigned);
        }
        for note in self.notes() {
            let signed = log.keys().iter().any(|key| note.is_signed_by(key) == Ok(true));
            if !signed {
                return Err(FraudError::Unsigned);
            }
        }
        self.check_contradiction(|_| None)
    }

    /// Checks that the witness with this key signed both, and that they contradict each other.
    pub fn check_witness(&self, witness: &NoteKey) -> Result<(), FraudError> {
        let time = |view: &View| check_line(&view.checkpoint.to_string(), witness, &view.signature);
        if self.views.iter().any(|view| time(view).is_none()) {
            return Err(FraudError::Unsigned);
        }
        self.check_contradiction(|view| time(view).map(|at| at.seconds()))
    }

    fn check_contradiction(&self, time: impl Fn(&View) -> Option<u64>) -> Result<(), FraudError> {
        let [a, b] = &self.views;
        let (first, second) = (&a.checkpoint, &b.checkpoint);
        if first.origin != second.origin {
            return Err(FraudError::Origins);
        }
        let holds = match &self.contradiction {
            Contradiction::Roots => first.size == second.size && first.root != second.root,
            Contradiction::Rollback => time(a) < time(b) && first.size > second.size,
            Contradiction::Nodes { place, proven } => {
                for (view, node) in self.views.iter().zip(proven) {
                    let Checkpoint { size, root: wanted, .. } = view.checkpoint;
                    let found = root_of_node(*place, size, node.hash, &node.path)?;
                    if found != wanted {
                        return Err(ProofError::Root { wanted, found }.into());
                    }
                }
                proven[0].hash != proven[1].hash
            }
        };
        if holds { Ok(()) } else { Err(FraudError::Consistent) }
    }

    /// Writes the record.
    pub fn encode(&self) -> Vec<u8> {
        let mut encoder = Encoder::record(TAG, 5);
        encoder.text(self.origin().as_str());
        for view in &self.views {
            encode_view(view, &mut encoder);
        }
        match &self.contradiction {
            Contradiction::Roots => {
                encoder.array(1);
                encoder.unsigned(0);
            }
            Contradiction::Nodes { place, proven } => {
                encoder.array(5);
                encoder.unsigned(1);
                encoder.unsigned(place.level.into());
                encoder.unsigned(place.index);
                for node in proven {
                    encoder.array(1 + node.path.len());
                    encoder.bytes(&node.hash.0);
                    node.path.iter().for_each(|hash| encoder.bytes(&hash.0));
                }
            }
            Contradiction::Rollback => {
                encoder.array(1);
                encoder.unsigned(2);
            }
        }
        encoder.finish()
    }

    /// Reads the record.
    pub fn decode(bytes: &[u8]) -> Result<Self, FraudError> {
        if bytes.len() > FRAUD_BYTES_MAX {
            return Err(FraudError::Long);
        }
        let mut decoder = Decoder::record(bytes, TAG, 5)?;
        let origin = Origin::new(decoder.text()?)?;
        let views = [decode_view(&origin, &mut decoder)?, decode_view(&origin, &mut decoder)?];
        let at = decoder.offset();
        let items = decoder.array()?;
        let contradiction = match (decoder.unsigned()?, items) {
            (0, 1) => Contradiction::Roots,
            (1, 5) => {
                let at = decoder.offset();
                let Ok(level) = u8::try_from(decoder.unsigned()?) else {
                    return Ok(decoder.fault(at, Fault::Range)?);
                };
                let place = NodePlace { level, index: decoder.unsigned()? };
                let proven = [decode_proven(&mut decoder)?, decode_proven(&mut decoder)?];
                Contradiction::Nodes { place, proven }
            }
            (2, 1) => Contradiction::Rollback,
            _ => return Ok(decoder.fault(at, Fault::Range)?),
        };
        decoder.finish()?;
        Ok(Self { views, contradiction })
    }
}

fn log_view(log: &LogKeys, checkpoint: &SignedCheckpoint) -> Result<View, FraudError> {
    let is_made_by = |line: &&NoteSignature| {
        let note = Note::from_parts(checkpoint.note().text().into(), Vec::from([(*line).clone()]));
        log.keys().iter().any(|key| note.is_signed_by(key) == Ok(true))
    };
    let line = checkpoint.note().signatures().iter().find(is_made_by);
    line.map(|line| view_of(checkpoint, line)).ok_or(FraudError::Unsigned)
}

fn lines_of<'a>(
    witness: &'a NoteKey,
    checkpoint: &'a SignedCheckpoint,
) -> impl Iterator<Item = &'a NoteSignature> {
    let text = checkpoint.note().text();
    let lines = checkpoint.note().signatures().iter();
    // A witness that signed one text a hundred times is accused by the first two.
    lines.filter(move |line| check_line(text, witness, line).is_some()).take(2)
}

fn view_of(checkpoint: &SignedCheckpoint, line: &NoteSignature) -> View {
    View { checkpoint: checkpoint.unverified().clone(), signature: line.clone() }
}

/// `[size, root, name, signature, extension…]`, the name empty where it is the origin.
fn encode_view(view: &View, encoder: &mut Encoder) {
    let View { checkpoint, signature } = view;
    encoder.array(4 + checkpoint.extensions.len());
    encoder.unsigned(checkpoint.size.0);
    encoder.bytes(&checkpoint.root.0);
    let is_origin = signature.name.as_str() == checkpoint.origin.as_str();
    encoder.text(if is_origin { "" } else { signature.name.as_str() });
    encoder.bytes(&[&signature.id.0, signature.bytes.as_slice()].concat());
    checkpoint.extensions.iter().for_each(|line| encoder.text(line));
}

fn decode_view(origin: &Origin, decoder: &mut Decoder<'_>) -> Result<View, FraudError> {
    let at = decoder.offset();
    let items = decoder.array()?;
    let Some(extra) = items.checked_sub(4) else { return Ok(decoder.fault(at, Fault::Range)?) };
    let size = TreeSize(decoder.unsigned()?);
    let root = TreeHash(decoder.byte_array()?);
    let at = decoder.offset();
    let name = match decoder.text()? {
        "" => KeyName::new(origin.as_str())?,
        // One proof has one encoding.
        name if name == origin.as_str() => return Ok(decoder.fault(at, Fault::Range)?),
        name => KeyName::new(name)?,
    };
    let at = decoder.offset();
    let Some((id, bytes)) = decoder.bytes()?.split_first_chunk::<4>() else {
        return Ok(decoder.fault(at, Fault::Range)?);
    };
    let signature = NoteSignature { name, id: KeyId(*id), bytes: bytes.to_vec() };
    let mut extensions = Vec::new();
    for _ in 0..extra {
        extensions.push(String::from(decoder.text()?));
    }
    let checkpoint = Checkpoint { origin: origin.clone(), size, root, extensions };
    // What could not be the text of a note is no view: a line feed would move the lines.
    match Checkpoint::parse(&checkpoint.to_string())? == checkpoint {
        true => Ok(View { checkpoint, signature }),
        false => Err(CheckpointError::Lines.into()),
    }
}

fn decode_proven(decoder: &mut Decoder<'_>) -> Result<Proven, FraudError> {
    let at = decoder.offset();
    let items = decoder.array()?;
    if !(1..=1 + PROOF_HASHES_MAX).contains(&items) {
        return Ok(decoder.fault(at, Fault::Range)?);
    }
    let hash = TreeHash(decoder.byte_array()?);
    let mut path = Vec::with_capacity(items - 1);
    for _ in 1..items {
        path.push(TreeHash(decoder.byte_array()?));
    }
    Ok(Proven { hash, path })
}

/// Finds the first entry in which two trees differ, among those that both have; `None` if they agree.
///
/// It reads one path of each tree. What it finds is proven by [`FraudProof::of_nodes`], not here.
pub fn first_difference<A: Nodes, B: Nodes<Error = A::Error>>(
    first: (&mut A, TreeSize),
    second: (&mut B, TreeSize),
) -> Result<Option<LeafIndex>, A::Error> {
    let ((a, a_size), (b, b_size)) = (first, second);
    let common = a_size.0.min(b_size.0);
    let mut start = 0;
    // The perfect subtrees that the common part is made of, from left to right.
    for level in (0..u64::BITS).rev().filter(|level| common >> level & 1 == 1) {
        let mut place = NodePlace { level: level as u8, index: start >> level };
        start += 1 << level;
        if a.node(place)? == b.node(place)? {
            continue;
        }
        while place.level > 0 {
            let left = NodePlace { level: place.level - 1, index: place.index * 2 };
            let is_left = a.node(left)? != b.node(left)?;
            place = NodePlace { index: left.index + u64::from(!is_left), ..left };
        }
        return Ok(Some(LeafIndex(place.index)));
    }
    Ok(None)
}

/// Returns what a view's tree has at a place, with its path.
pub fn proven<N: Nodes>(
    nodes: &mut N,
    place: NodePlace,
    size: TreeSize,
) -> Result<Proven, ProveError<N::Error>> {
    let path = prove_node(nodes, place, size)?;
    Ok(Proven { hash: nodes.node(place).map_err(ProveError::Nodes)?, path })
}
