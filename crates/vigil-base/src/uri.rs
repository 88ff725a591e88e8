//! The URI of a resource: a root, and a path inside it. Specified in `docs/format/uri.md`.

use alloc::string::String;
use core::fmt;
use core::str::FromStr;

use crate::limits::URI_BYTES_MAX;
use crate::name::{Name, NameError};
use crate::path::{TreePath, TreePathError};
use crate::vcid::{Vcid, VcidError};

/// Where a URI starts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Root {
    /// `ca://sha256:…`: bytes named by what they are. Immutable.
    Content(Vcid),
    /// `@name` or `@name~2`: a name that this machine's owner moves, or an earlier meaning of it.
    Name {
        /// The name.
        name: Name,
        /// How many versions back from the newest: 0 is the newest.
        back: u32,
    },
}

/// A root and, when the root is a tree, a path inside it.
///
/// The slash carries meaning: `ca://sha256:…` names *bytes*, `ca://sha256:…/` names *the tree* whose
/// record those bytes are. So a file that happens to hold the bytes of a tree is never taken for one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uri {
    /// Where the path starts.
    pub root: Root,
    /// `None` for the bare root, `Some` (perhaps empty) when the root is to be read as a tree.
    pub path: Option<TreePath>,
}

/// Why a text is not a URI that Vigil can read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UriError {
    /// The text starts with neither `ca://` nor `@`.
    #[error("`{text}` starts with neither `ca://` nor `@`")]
    Scheme {
        /// The text, cut to 80 characters.
        text: String,
    },
    /// What follows `ca://` is not a content id.
    #[error("`ca://` is not followed by a content id")]
    Content(#[source] VcidError),
    /// What follows `@` is not a name.
    #[error("`@` is not followed by a name")]
    Name(#[source] NameError),
    /// What follows `~` is not a number of versions.
    #[error("`~` is not followed by a number of versions to go back, such as `~1`")]
    Back,
    /// What follows the root is not a path.
    #[error("the path after the root cannot be read")]
    Path(#[source] TreePathError),
    /// The text is too long.
    #[error("a URI has at most {URI_BYTES_MAX} bytes, this one has {found}")]
    Long {
        /// How many bytes there are.
        found: usize,
    },
}

impl Uri {
    /// Returns the URI of bytes.
    pub fn content(vcid: Vcid) -> Self {
        Self { root: Root::Content(vcid), path: None }
    }

    /// Returns the URI of the tree whose record is `vcid`.
    pub fn tree(vcid: Vcid) -> Self {
        Self { root: Root::Content(vcid), path: Some(TreePath::root()) }
    }
}

impl FromStr for Uri {
    type Err = UriError;

    fn from_str(text: &str) -> Result<Self, UriError> {
        if text.len() > URI_BYTES_MAX {
            return Err(UriError::Long { found: text.len() });
        }
        let (rest, is_content) = match (text.strip_prefix("ca://"), text.strip_prefix('@')) {
            (Some(rest), _) => (rest, true),
            (None, Some(rest)) => (rest, false),
            (None, None) => {
                return Err(UriError::Scheme { text: text.chars().take(80).collect() });
            }
        };
        let (root, path) = match rest.split_once('/') {
            Some((root, path)) => (root, Some(path)),
            None => (rest, None),
        };
        let path = path.map(TreePath::parse).transpose().map_err(UriError::Path)?;
        let root = if is_content {
            Root::Content(root.parse().map_err(UriError::Content)?)
        } else {
            parse_name(root)?
        };
        Ok(Self { root, path })
    }
}

fn parse_name(text: &str) -> Result<Root, UriError> {
    let (name, back) = match text.split_once('~') {
        None => (text, 0),
        Some((name, digits)) => {
            let canonical = !digits.starts_with(['+', '0']);
            let back = digits.parse().ok().filter(|_| canonical).ok_or(UriError::Back)?;
            (name, back)
        }
    };
    let name = Name::new(name).map_err(UriError::Name)?;
    Ok(Root::Name { name, back })
}

impl fmt::Display for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Content(vcid) => write!(f, "ca://{vcid}"),
            Self::Name { name, back: 0 } => write!(f, "{name}"),
            Self::Name { name, back } => write!(f, "{name}~{back}"),
        }
    }
}

impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.path {
            None => write!(f, "{}", self.root),
            Some(path) => write!(f, "{}/{path}", self.root),
        }
    }
}
