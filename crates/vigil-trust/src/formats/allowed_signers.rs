//! The file by which `ssh-keygen -Y verify` and git know whom to believe (`ssh-keygen(1)`, ALLOWED
//! SIGNERS), and the list of those who are believed no more.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write as _;

use super::ssh_key::{excerpt, key_line, parse_key_line};
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
    /// The line is not one that we print.
    #[error("`{found}` is no line of a list of signers that Vigil prints")]
    Line {
        /// The line, cut to 64 characters.
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

    /// Reads a list such as we print it: one authority a line, comments behind `#`. OpenSSH allows much
    /// more; whatever is not understood is refused, since a restriction might be overlooked.
    ///
    /// # Errors
    /// Returns the first line that is not understood.
    pub fn parse_list(text: &str) -> Result<Vec<Self>, AllowedSignersError> {
        let lines = text.lines().map(str::trim);
        let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
        let wrong = |line: &str| AllowedSignersError::Line { found: excerpt(line.as_bytes()) };
        lines.map(|line| Self::parse_line(line).ok_or_else(|| wrong(line))).collect()
    }

    fn parse_line(line: &str) -> Option<Self> {
        let (pattern, rest) = line.split_once(' ')?;
        let rest = rest.strip_prefix("cert-authority,namespaces=\"")?;
        let (namespaces, key) = rest.split_once("\" ")?;
        let (authority, comment) = parse_key_line(key).ok()?;
        let found = Self {
            pattern: pattern.into(),
            authority,
            namespaces: namespaces.split(',').map(String::from).collect(),
            // As it is written.
            comment: comment.chars().filter(|c| !c.is_control()).collect::<String>().trim().into(),
        };
        // What would not be written is not read either.
        found.line().is_ok().then_some(found)
    }

    /// Returns whether a name is one that this authority may vouch for: the pattern's domain follows
    /// an `@`, and nothing else in it stands for more than itself.
    pub fn covers(&self, principal: &str, namespace: &str) -> bool {
        let is_named = match self.pattern.strip_prefix('*') {
            Some(domain) => domain.starts_with('@') && principal.ends_with(domain),
            None => principal == self.pattern,
        };
        is_named && self.namespaces.iter().any(|allowed| allowed == namespace)
    }
}
