//! `.tlog-proof` files (C2SP tlog-proof): everything that shows offline that an entry is in a log.
//!
//! Invariant: a file that parses is written back to the same bytes; nothing in it is believed before
//! a policy has looked at it.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use super::checkpoint::{CheckpointError, SignedCheckpoint};
use super::note::NOTE_BYTES_MAX;
use super::proof::{Inclusion, PROOF_HASHES_MAX};
use super::text::{base64, excerpt, from_base64, hash};
use super::tile::decimal;
use super::tree::{LeafIndex, TreeHash};

/// The first line of every file.
const HEADER: &str = "c2sp.org/tlog-proof@v1";

/// Longest file, in bytes: a note, as much again of extra data, and the hashes.
pub const PROOF_FILE_BYTES_MAX: usize = 2 * NOTE_BYTES_MAX + (8 << 10);

/// A proof that some entry is in a log, of which nothing has been checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlogProof {
    /// Whatever else an application wants to send along. Nobody signed it.
    pub extra: Option<Vec<u8>>,
    /// The position of the entry.
    pub index: LeafIndex,
    /// The hashes beside the path from the entry to the root.
    pub path: Vec<TreeHash>,
    /// What the log said, with the signatures of log and witnesses.
    pub checkpoint: SignedCheckpoint,
}

/// Why bytes are not a proof.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProofFileError {
    /// It is too long.
    #[error("a proof has at most {PROOF_FILE_BYTES_MAX} bytes, this one has {found}")]
    Long {
        /// How many bytes.
        found: usize,
    },
    /// It begins otherwise.
    #[error("a proof begins with the line `{HEADER}`")]
    Header,
    /// A line is not what has to stand there.
    #[error("`{line}` is not {wanted}")]
    Line {
        /// The line, cut to 80 characters.
        line: String,
        /// What has to stand there.
        wanted: &'static str,
    },
    /// There are more hashes than any tree has levels.
    #[error("a proof has at most {PROOF_HASHES_MAX} hashes")]
    Hashes,
    /// What follows the empty line is no checkpoint.
    #[error("the proof does not end with a checkpoint")]
    Checkpoint(#[from] CheckpointError),
}

impl TlogProof {
    /// Returns which entry of which tree it is about.
    pub fn inclusion(&self) -> Inclusion {
        Inclusion { index: self.index, size: self.checkpoint.unverified().size }
    }

    /// Reads a file.
    pub fn parse(bytes: &[u8]) -> Result<Self, ProofFileError> {
        if bytes.len() > PROOF_FILE_BYTES_MAX {
            return Err(ProofFileError::Long { found: bytes.len() });
        }
        let text = core::str::from_utf8(bytes).map_err(|_| ProofFileError::Header)?;
        let rest = text.strip_prefix(HEADER).and_then(|rest| rest.strip_prefix('\n'));
        let (head, checkpoint) =
            rest.ok_or(ProofFileError::Header)?.split_once("\n\n").ok_or_else(|| {
                ProofFileError::Line { line: String::new(), wanted: "an index and a checkpoint" }
            })?;
        let mut lines = head.split('\n').peekable();
        let extra = match lines.peek().and_then(|line| line.strip_prefix("extra ")) {
            None => None,
            Some(text) => {
                let bytes = from_base64(text);
                lines.next();
                Some(bytes.ok_or_else(|| bad(text, "extra data in base64"))?)
            }
        };
        let line = lines.next().unwrap_or_default();
        let index = line.strip_prefix("index ").and_then(decimal);
        let index = LeafIndex(index.ok_or_else(|| bad(line, "the index of an entry"))?);
        let mut path = Vec::new();
        for line in lines {
            if path.len() == PROOF_HASHES_MAX {
                return Err(ProofFileError::Hashes);
            }
            path.push(hash(line).ok_or_else(|| bad(line, "a hash in base64"))?);
        }
        let checkpoint = SignedCheckpoint::parse(checkpoint.as_bytes())?;
        Ok(Self { extra, index, path, checkpoint })
    }
}

fn bad(line: &str, wanted: &'static str) -> ProofFileError {
    ProofFileError::Line { line: excerpt(line), wanted }
}

impl fmt::Display for TlogProof {
    /// Writes the file.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEADER}")?;
        if let Some(extra) = &self.extra {
            writeln!(f, "extra {}", base64(extra))?;
        }
        writeln!(f, "index {}", self.index)?;
        self.path.iter().try_for_each(|hash| writeln!(f, "{hash}"))?;
        write!(f, "\n{}", self.checkpoint)
    }
}
