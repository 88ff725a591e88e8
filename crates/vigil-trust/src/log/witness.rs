//! The witness protocol (C2SP tlog-witness): add-checkpoint as a step function.
//!
//! Nothing is kept here. The caller holds a lock, hands in what it last cosigned, keeps what comes
//! out, and only then answers: [`super::WitnessStore`] does that.
//!
//! Invariants:
//! - what is cosigned contains what was cosigned before, shown by a proof;
//! - a refusal changes nothing; two roots of one size come back as a fraud proof.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::fmt;

use super::checkpoint::{Checkpoint, CheckpointError, LogKeys, SignedCheckpoint, UnsignedError};
use super::cosignature::{CosignedAt, cosign};
use super::fraud::FraudProof;
use super::note::{KeyKind, NOTE_BYTES_MAX, NoteSignature, NoteSigner};
use super::proof::{Growth, GrowthRoots, ProofError, check_consistency};
use super::text::{excerpt, hash};
use super::tile::decimal;
use super::tree::{TreeHash, TreeSize};

/// Most lines of proof in a request (tlog-witness).
pub const REQUEST_HASHES_MAX: usize = 63;

/// Longest request, in bytes.
pub const REQUEST_BYTES_MAX: usize = NOTE_BYTES_MAX + (4 << 10);

/// What a log asks of a witness.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddCheckpoint {
    /// The size of what the witness cosigned last, as the log believes.
    pub old: TreeSize,
    /// The consistency proof from there.
    pub proof: Vec<TreeHash>,
    /// What is to be cosigned.
    pub checkpoint: SignedCheckpoint,
}

/// Why bytes are not a request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// It is too long.
    #[error("a request has at most {REQUEST_BYTES_MAX} bytes, this one has {found}")]
    Long {
        /// How many bytes.
        found: usize,
    },
    /// The first line, or the empty one, is not there.
    #[error("a request begins with `old SIZE`, then hashes, an empty line, and a checkpoint")]
    Shape,
    /// A line is no hash.
    #[error("`{line}` is not a hash in base64")]
    Hash {
        /// The line, cut to 80 characters.
        line: String,
    },
    /// There are too many hashes.
    #[error("a request has at most {REQUEST_HASHES_MAX} hashes")]
    Hashes,
    /// What follows is no checkpoint.
    #[error("the request does not end with a checkpoint")]
    Checkpoint(#[from] CheckpointError),
}

impl AddCheckpoint {
    /// Reads the body of a request.
    pub fn parse(bytes: &[u8]) -> Result<Self, RequestError> {
        if bytes.len() > REQUEST_BYTES_MAX {
            return Err(RequestError::Long { found: bytes.len() });
        }
        let text = core::str::from_utf8(bytes).map_err(|_| RequestError::Shape)?;
        let (head, checkpoint) = text.split_once("\n\n").ok_or(RequestError::Shape)?;
        let mut lines = head.split('\n');
        let old = lines.next().and_then(|line| line.strip_prefix("old ")).and_then(decimal);
        let old = TreeSize(old.ok_or(RequestError::Shape)?);
        let mut proof = Vec::new();
        for line in lines {
            if proof.len() == REQUEST_HASHES_MAX {
                return Err(RequestError::Hashes);
            }
            let bad = || RequestError::Hash { line: excerpt(line) };
            proof.push(hash(line).ok_or_else(bad)?);
        }
        let checkpoint = SignedCheckpoint::parse(checkpoint.as_bytes())?;
        Ok(Self { old, proof, checkpoint })
    }
}

impl fmt::Display for AddCheckpoint {
    /// Writes the body of the request.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "old {}", self.old)?;
        self.proof.iter().try_for_each(|hash| writeln!(f, "{hash}"))?;
        write!(f, "\n{}", self.checkpoint)
    }
}

/// Why a witness does not cosign.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WitnessRefusal {
    /// The request is none.
    #[error("the request is not one for add-checkpoint")]
    Request(#[from] RequestError),
    /// The log is not one that this witness looks at.
    #[error("this witness does not know the log {origin}")]
    UnknownLog {
        /// The log.
        origin: String,
    },
    /// The log did not sign.
    #[error(transparent)]
    Unsigned(#[from] UnsignedError),
    /// The log wants to go back.
    #[error("the checkpoint has {size} entries, but the request says that {old} were seen")]
    Shrinks {
        /// What the request says was seen.
        old: TreeSize,
        /// The size of the checkpoint.
        size: TreeSize,
    },
    /// Something else was cosigned last.
    #[error("the last checkpoint cosigned here has {latest} entries, not {old}")]
    Conflict {
        /// What the request says.
        old: TreeSize,
        /// What is true.
        latest: TreeSize,
    },
    /// It has as many entries as what was cosigned last, and another root.
    #[error("the checkpoint has {size} entries, as the last one cosigned here, and another root")]
    Roots {
        /// The size.
        size: TreeSize,
    },
    /// The proof shows nothing.
    #[error("the checkpoint is not shown to contain the last one")]
    Inconsistent(#[from] ProofError),
    /// The log signed two roots for one size.
    #[error("the log signed two roots for one size, and is frozen here")]
    SplitView(Box<FraudProof>),
    /// The log was caught before.
    #[error("the log {origin} is frozen: there is proof of its fraud")]
    Frozen {
        /// The log.
        origin: String,
    },
}

impl WitnessRefusal {
    /// Returns the status of the answer over HTTP.
    pub fn status(&self) -> u16 {
        match self {
            Self::Request(_) | Self::Shrinks { .. } => 400,
            Self::UnknownLog { .. } => 404,
            Self::Unsigned(_) | Self::Frozen { .. } => 403,
            Self::Conflict { .. } | Self::Roots { .. } | Self::SplitView(_) => 409,
            Self::Inconsistent(_) => 422,
        }
    }

    /// Returns the media type and the body of the answer over HTTP.
    pub fn answer(&self) -> (&'static str, String) {
        match self {
            Self::Conflict { latest, .. } => ("text/x.tlog.size", format!("{latest}\n")),
            other => ("text/plain; charset=utf-8", format!("{other}\n")),
        }
    }
}

/// A checkpoint that a witness may cosign, once it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    checkpoint: SignedCheckpoint,
    own: Vec<NoteSignature>,
}

/// Decides whether a witness cosigns. `latest` is what it cosigned last for this log, if anything.
pub fn decide(
    log: &LogKeys,
    latest: Option<&SignedCheckpoint>,
    request: AddCheckpoint,
) -> Result<Accepted, WitnessRefusal> {
    let AddCheckpoint { old, proof, checkpoint } = request;
    let new = checkpoint.verify(log)?.clone();
    if old.0 > new.size.0 {
        return Err(WitnessRefusal::Shrinks { old, size: new.size });
    }
    let nothing = (TreeSize(0), TreeHash::of_empty_tree());
    let last = |kept: &SignedCheckpoint| {
        let Checkpoint { size, root, .. } = kept.unverified();
        (*size, *root)
    };
    let (size, root) = latest.map_or(nothing, last);
    // The same size with another root is a fraud proof, whatever else the request says.
    if let Some(kept) = latest.filter(|_| size == new.size && root != new.root)
        && let Ok(fraud) = FraudProof::of_roots(log, [kept, &checkpoint])
    {
        return Err(WitnessRefusal::SplitView(Box::new(fraud)));
    }
    if old != size {
        return Err(WitnessRefusal::Conflict { old, latest: size });
    }
    if size == new.size && root != new.root {
        return Err(WitnessRefusal::Roots { size });
    }
    let growth = Growth { from: size, to: new.size };
    check_consistency(growth, GrowthRoots { from: root, to: new.root }, &proof)?;
    let log_signs = |line: &&NoteSignature| log.keys().iter().any(|key| key.is_named_by(line));
    let own = checkpoint.note().signatures().iter().filter(log_signs).cloned().collect();
    Ok(Accepted { checkpoint, own })
}

impl Accepted {
    /// Cosigns. The result is to be kept before the lines are handed out.
    ///
    /// # Panics
    /// Panics if the key is not a witness's.
    pub fn cosign(self, signer: &NoteSigner, at: CosignedAt) -> Cosigned {
        assert!(signer.key().kind() == KeyKind::Cosignature, "a witness signs with its own kind");
        let line = cosign(signer, self.checkpoint.note().text(), at);
        let mut kept = self.checkpoint;
        // Only what was checked is kept: the log's signatures, and ours.
        kept.note_mut().retain(|line| self.own.contains(line));
        kept.note_mut().add([line.clone()]);
        Cosigned { kept, line }
    }
}

/// What a witness keeps and answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cosigned {
    /// The checkpoint with the log's signatures and the witness's, to be kept.
    pub kept: SignedCheckpoint,
    /// The answer.
    pub line: NoteSignature,
}

impl Cosigned {
    /// Returns the body of the answer.
    pub fn answer(&self) -> String {
        self.line.to_string() + "\n"
    }
}
