//! Local names: what people call a root on one machine (`@home`).

use alloc::string::String;
use core::fmt;

use crate::limits::LOCAL_NAME_BYTES_MAX;

/// A local name, without its `@`: lower- or upper-case letters, digits, `-`, `_`, `.`, and letters of
/// any script; it starts with a letter or a digit.
///
/// It never contains `/`, `~`, `@`, `%`, or white space, so that it is one step of a URI as it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(String);

/// Why a text is not a local name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// There is no text.
    #[error("a name may not be empty")]
    Empty,
    /// The first character is not a letter or a digit.
    #[error("a name starts with a letter or a digit, not with {found:?}")]
    Start {
        /// The first character.
        found: char,
    },
    /// A character is not allowed.
    #[error("a name may not contain {found:?} (letters, digits, `-`, `_` and `.` are fine)")]
    Character {
        /// The character.
        found: char,
    },
    /// The text is too long.
    #[error("a name has at most {LOCAL_NAME_BYTES_MAX} bytes, this one has {found}")]
    Long {
        /// How many bytes there are.
        found: usize,
    },
}

impl Name {
    /// Checks `text`, which carries no `@`.
    pub fn new(text: &str) -> Result<Self, NameError> {
        if text.len() > LOCAL_NAME_BYTES_MAX {
            return Err(NameError::Long { found: text.len() });
        }
        let first = text.chars().next().ok_or(NameError::Empty)?;
        if !first.is_alphanumeric() {
            return Err(NameError::Start { found: first });
        }
        let bad = |c: &char| !(c.is_alphanumeric() || matches!(c, '-' | '_' | '.'));
        match text.chars().find(bad) {
            Some(found) => Err(NameError::Character { found }),
            None => Ok(Self(String::from(text))),
        }
    }

    /// Returns the text, without `@`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "@{}", self.0)
    }
}
