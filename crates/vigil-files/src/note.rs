//! What was noticed on the way and does not stop the work.

use std::fmt;
use std::path::PathBuf;

/// Something about one path that its owner should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// The path.
    pub path: PathBuf,
    /// What was noticed.
    pub what: NoteKind,
}

/// What was noticed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NoteKind {
    /// It is neither file, folder nor symbolic link, and was skipped.
    Special {
        /// What it is.
        what: &'static str,
    },
    /// It was gone when it was to be read, and was skipped.
    Vanished,
    /// It kept changing while it was being read; what was read last is stored.
    Changing,
    /// It could not be read, and was skipped.
    Unreadable {
        /// What the system said.
        reason: String,
    },
    /// A part of its metadata could not be restored.
    Metadata {
        /// Which part, and what the system said.
        reason: String,
    },
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match &self.what {
            NoteKind::Special { what } => write!(f, "{path}: skipped, it is {what}"),
            NoteKind::Vanished => write!(f, "{path}: skipped, it vanished before it could be read"),
            NoteKind::Changing => {
                write!(f, "{path}: changed while it was being read; stored as read last")
            }
            NoteKind::Unreadable { reason } => write!(f, "{path}: skipped, {reason}"),
            NoteKind::Metadata { reason } => write!(f, "{path}: {reason}"),
        }
    }
}
