//! The file by which `ssh-keygen -Y verify` and git know whom to believe (`ssh-keygen(1)`, ALLOWED
//! SIGNERS), and the list of those who are believed no more.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write as _;

use super::ssh_key::key_line;
use crate::keys::PublicKey;

/// One authority, for whom it may vouch, and for what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowedSigners {
    /// A pattern over names, such as `*@7f3a.vigil`.
    pub pattern: String,
    /// The key that certifies.
    pub authority: PublicKey,
    /// For what signatures may be, such as `git`.
    pub namespaces: Vec<String>,
    /// What people read behind the key.
    pub comment: String,
}

/// Why a line cannot be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AllowedSignersError {
    /// A pattern or a namespace would be read as something else.
    #[error("`{found}` cannot stand in a list of allowed signers")]
    Word {
        /// The word.
        found: String,
    },
    /// A line without namespaces would allow them all.
    #[error("a list of allowed signers needs at least one namespace")]
    NoNamespace,
}

impl AllowedSigners {
    /// Returns the line, with its end.
    ///
    /// # Errors
    /// Refuses words with spaces, quotes, commas or control characters in them.
    pub fn line(&self) -> Result<String, AllowedSignersError> {
        let is_odd = |c: char| c.is_control() || c.is_whitespace() || "\",\\".contains(c);
        let words = core::iter::once(&self.pattern).chain(&self.namespaces);
        for word in words {
            if word.is_empty() || word.starts_with('#') || word.contains(is_odd) {
                return Err(AllowedSignersError::Word { found: word.clone() });
            }
        }
        if self.namespaces.is_empty() {
            return Err(AllowedSignersError::NoNamespace);
        }
        let mut line = self.pattern.clone();
        let namespaces = self.namespaces.join(",");
        let key = key_line(&self.authority, &self.comment);
        // Writing to a String cannot fail.
        let _ = writeln!(line, " cert-authority,namespaces=\"{namespaces}\" {key}");
        Ok(line)
    }
}
