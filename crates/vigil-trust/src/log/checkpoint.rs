//! Checkpoints (C2SP tlog-checkpoint): what a log says that it holds.
//!
//! Invariant: a checkpoint that parses is written back to the same text.

use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::fmt;

use super::note::{KeyKind, Note, NoteError, NoteKey, NoteSigner};
use super::text::{excerpt, hash};
use super::tile::decimal;
use super::tree::{TreeHash, TreeSize};

/// Longest origin, in bytes: that of ML-DSA-44 cosignatures, whose length is one byte.
pub const ORIGIN_BYTES_MAX: usize = 255;

/// The name of a log, as its checkpoints begin.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin(String);

/// Why a text cannot name a log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` cannot name a log: an origin has 1 to {ORIGIN_BYTES_MAX} bytes on one line, such as example.com/log"
)]
pub struct OriginError {
    /// The text, cut to 80 characters.
    pub text: String,
}

impl Origin {
    /// Checks an origin. What a cosignature begins with is none, so that no text is both.
    pub fn new(text: &str) -> Result<Self, OriginError> {
        let is_bad = text.is_empty()
            || text.len() > ORIGIN_BYTES_MAX
            || text.chars().any(char::is_control)
            || text == super::cosignature::HEADER;
        if is_bad { Err(OriginError { text: excerpt(text) }) } else { Ok(Self(text.to_string())) }
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The body of a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log.
    pub origin: Origin,
    /// How many entries it has.
    pub size: TreeSize,
    /// The root of their tree.
    pub root: TreeHash,
    /// What else the log says, without line feeds. Nobody can check it.
    pub extensions: Vec<String>,
}

/// Why a text is not a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// It is not a note.
    #[error("a checkpoint is a signed note")]
    Note(#[from] NoteError),
    /// It has too few lines, or an empty one.
    #[error("a checkpoint has an origin, a size and a root, each on a line of its own")]
    Lines,
    /// The origin is none.
    #[error(transparent)]
    Origin(#[from] OriginError),
    /// The size is no number.
    #[error("`{text}` is not the size of a tree")]
    Size {
        /// The line, cut to 80 characters.
        text: String,
    },
    /// The root is no hash.
    #[error("`{text}` is not the root of a tree")]
    Root {
        /// The line, cut to 80 characters.
        text: String,
    },
}

impl Checkpoint {
    /// Reads the text of a note.
    pub fn parse(text: &str) -> Result<Self, CheckpointError> {
        let text = text.strip_suffix('\n').ok_or(CheckpointError::Lines)?;
        let mut lines = text.split('\n');
        let (Some(origin), Some(size), Some(root)) = (lines.next(), lines.next(), lines.next())
        else {
            return Err(CheckpointError::Lines);
        };
        let extensions: Vec<String> = lines.map(String::from).collect();
        if extensions.iter().any(String::is_empty) {
            return Err(CheckpointError::Lines);
        }
        let bad_size = || CheckpointError::Size { text: excerpt(size) };
        let bad_root = || CheckpointError::Root { text: excerpt(root) };
        Ok(Self {
            origin: Origin::new(origin)?,
            size: TreeSize(decimal(size).ok_or_else(bad_size)?),
            root: hash(root).ok_or_else(bad_root)?,
            extensions,
        })
    }

    /// Has keys sign it.
    pub fn sign(&self, signers: &[&NoteSigner]) -> Result<SignedCheckpoint, CheckpointError> {
        SignedCheckpoint::parse(Note::sign(&self.to_string(), signers)?.to_string().as_bytes())
    }
}

impl fmt::Display for Checkpoint {
    /// Writes the lines, each ended.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}\n{}\n", self.origin, self.size, self.root)?;
        self.extensions.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

/// A checkpoint with signatures, none of which has been checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedCheckpoint {
    checkpoint: Checkpoint,
    note: Note,
}

impl SignedCheckpoint {
    /// Reads a note whose text is a checkpoint.
    pub fn parse(bytes: &[u8]) -> Result<Self, CheckpointError> {
        Self::from_note(Note::parse(bytes)?)
    }

    /// Reads the text of a note as a checkpoint.
    pub fn from_note(note: Note) -> Result<Self, CheckpointError> {
        Ok(Self { checkpoint: Checkpoint::parse(note.text())?, note })
    }

    /// Returns what is said, whoever says it.
    pub fn unverified(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// Returns the note.
    pub fn note(&self) -> &Note {
        &self.note
    }

    /// Returns the note, to add signatures to.
    pub fn note_mut(&mut self) -> &mut Note {
        &mut self.note
    }

    /// Returns what the log says, if one of these keys of the log signed it.
    ///
    /// # Errors
    /// Fails if none did, and if a signature that names one of them is forged.
    pub fn verify(&self, log: &LogKeys) -> Result<&Checkpoint, UnsignedError> {
        let (origin, wanted) = (&self.checkpoint.origin, &log.origin);
        if origin != wanted {
            return Err(UnsignedError::Origin { found: origin.clone(), wanted: wanted.clone() });
        }
        let mut is_signed = false;
        for key in &log.keys {
            is_signed |= self.note.is_signed_by(key)?;
        }
        match is_signed {
            true => Ok(&self.checkpoint),
            false => Err(UnsignedError::Unsigned { origin: origin.clone() }),
        }
    }
}

impl fmt::Display for SignedCheckpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.note.fmt(f)
    }
}

/// A log and the keys that speak for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogKeys {
    origin: Origin,
    keys: Vec<NoteKey>,
}

/// Why a checkpoint is not what a log says.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UnsignedError {
    /// It is of another log.
    #[error("the checkpoint is of the log {found}, not of {wanted}")]
    Origin {
        /// The log that it is of.
        found: Origin,
        /// The log that was wanted.
        wanted: Origin,
    },
    /// No key that is known for the log signed it.
    #[error("no key that is known for the log {origin} signed this checkpoint")]
    Unsigned {
        /// The log.
        origin: Origin,
    },
    /// A signature is forged.
    #[error("the checkpoint carries a forged signature")]
    Forged(#[from] NoteError),
}

/// Why a key cannot speak for a log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LogKeyError {
    /// The name of the key is no origin.
    #[error(transparent)]
    Origin(#[from] OriginError),
    /// The key signs in another way than logs do.
    #[error("{key} is the key of a witness; a log's key is of type 0x01")]
    Kind {
        /// The key.
        key: String,
    },
}

impl LogKeys {
    /// Takes the one key of a log, whose name is the origin.
    pub fn of(key: NoteKey) -> Result<Self, LogKeyError> {
        let origin = Origin::new(key.name().as_str())?;
        Self::new(origin, Vec::from([key]))
    }

    /// Takes the keys of a log, whatever their names.
    pub fn new(origin: Origin, keys: Vec<NoteKey>) -> Result<Self, LogKeyError> {
        match keys.iter().find(|key| key.kind() != KeyKind::Ed25519) {
            Some(key) => Err(LogKeyError::Kind { key: key.name().to_string() }),
            None => Ok(Self { origin, keys }),
        }
    }

    /// Returns the log's name.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Returns the keys.
    pub fn keys(&self) -> &[NoteKey] {
        &self.keys
    }
}
