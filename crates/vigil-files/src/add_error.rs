//! What can go wrong with adding.

use std::path::PathBuf;

use vigil_base::world::DiskError;
use vigil_base::{Blame, Blamed};
use vigil_store::PutError;

/// Why nothing was added.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AddError {
    /// The path cannot be opened.
    #[error("could not read {}", path.display())]
    Open {
        /// The path.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The path is neither a file nor a folder.
    #[error("{} is {what}, which cannot be added", path.display())]
    Special {
        /// The path.
        path: PathBuf,
        /// What it is.
        what: &'static str,
    },
    /// A file is longer than allowed.
    #[error("{} has {size} bytes, more than the {max} that a file may have; raise the limit with `--max-file-size`, or leave it out with `--exclude`", path.display())]
    FileTooLong {
        /// The file.
        path: PathBuf,
        /// Its length.
        size: u64,
        /// The limit.
        max: u64,
    },
    /// Folders are nested too deep.
    #[error("{} is nested deeper than a tree may be", path.display())]
    Deep {
        /// The innermost folder that was read.
        path: PathBuf,
    },
    /// A pattern cannot be understood.
    #[error("the pattern `{pattern}` cannot be understood: {reason}")]
    Pattern {
        /// The pattern.
        pattern: String,
        /// Why.
        reason: String,
    },
    /// Something could not be stored.
    #[error("could not store {}", path.display())]
    Put {
        /// What was to be stored.
        path: PathBuf,
        /// What went wrong.
        source: PutError,
    },
    /// The record of unchanged files could not be read or written.
    #[error("could not use the record of unchanged files")]
    Changes(#[from] DiskError),
}

impl Blamed for AddError {
    fn blame(&self) -> Blame {
        match self {
            Self::Open { .. } | Self::Changes(_) => Blame::World,
            Self::Put { source, .. } => source.blame(),
            _ => Blame::Caller,
        }
    }
}
