//! Names of tree entries, and paths made of them. Both are bytes, not text.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::cmp::Ordering;
use core::fmt;
use core::hash::{Hash, Hasher};

use crate::limits::{ENTRY_NAME_BYTES_MAX, TREE_DEPTH_MAX};

/// The name of one entry of a tree: bytes that are safe to use as one step of a path.
///
/// Never empty, `.` or `..`, never longer than [`ENTRY_NAME_BYTES_MAX`], and free of `/` and NUL.
#[derive(Clone)]
pub struct EntryName(Repr);

/// Most names are short, and there may be millions: those need no memory of their own.
#[derive(Clone)]
enum Repr {
    Short { len: u8, bytes: [u8; SHORT_LEN] },
    Long(Box<[u8]>),
}

/// What fits beside a length and a tag in 24 bytes.
const SHORT_LEN: usize = 22;
const _: () = assert!(size_of::<EntryName>() == 24);

/// Why some bytes cannot name a tree entry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EntryNameError {
    /// There are no bytes.
    #[error("a name may not be empty")]
    Empty,
    /// The bytes are `.` or `..`.
    #[error("a name may not be `.` or `..`")]
    Dots,
    /// The bytes contain `/` or NUL.
    #[error("a name may not contain `/` or NUL")]
    Separator,
    /// There are too many bytes.
    #[error("a name has at most {ENTRY_NAME_BYTES_MAX} bytes, this one has {found}")]
    Long {
        /// How many there are.
        found: usize,
    },
}

impl EntryName {
    /// Checks `bytes`.
    pub fn new(bytes: impl AsRef<[u8]>) -> Result<Self, EntryNameError> {
        let bytes = bytes.as_ref();
        match bytes {
            [] => Err(EntryNameError::Empty),
            b"." | b".." => Err(EntryNameError::Dots),
            other if other.len() > ENTRY_NAME_BYTES_MAX => {
                Err(EntryNameError::Long { found: other.len() })
            }
            other if other.iter().any(|&byte| byte == b'/' || byte == 0) => {
                Err(EntryNameError::Separator)
            }
            _ => Ok(Self(Repr::of(bytes))),
        }
    }

    /// Returns the bytes.
    pub fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Repr::Short { len, bytes } => &bytes[..usize::from(*len)],
            Repr::Long(bytes) => bytes,
        }
    }
}

impl Repr {
    fn of(bytes: &[u8]) -> Self {
        let mut short = [0; SHORT_LEN];
        match short.get_mut(..bytes.len()) {
            Some(front) => {
                front.copy_from_slice(bytes);
                Self::Short { len: bytes.len() as u8, bytes: short }
            }
            None => Self::Long(bytes.into()),
        }
    }
}

impl PartialEq for EntryName {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for EntryName {}

impl PartialOrd for EntryName {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for EntryName {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_bytes().cmp(other.as_bytes())
    }
}

impl Hash for EntryName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_bytes().hash(state);
    }
}

impl fmt::Display for EntryName {
    /// Percent-encodes what a URI may not carry.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for &byte in self.as_bytes() {
            if is_plain(byte) {
                write!(f, "{}", char::from(byte))?;
            } else {
                write!(f, "%{byte:02X}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for EntryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// `unreserved` and the harmless part of `pchar` of RFC 3986 §3.3.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@".contains(&byte)
}

/// A path inside a tree; empty for the tree itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TreePath(Vec<EntryName>);

/// Why a text is not a path inside a tree.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TreePathError {
    /// One step is not a name.
    #[error("step {step} of the path is not a name")]
    Step {
        /// Which step, from 1.
        step: usize,
        /// Why it is not.
        source: EntryNameError,
    },
    /// A `%` is not followed by two hexadecimal digits.
    #[error("`%` in step {step} of the path is not followed by two hexadecimal digits")]
    Percent {
        /// Which step, from 1.
        step: usize,
    },
    /// There are too many steps.
    #[error("a path has at most {TREE_DEPTH_MAX} steps")]
    Deep,
}

impl TreePath {
    /// The path of the tree itself.
    pub const fn root() -> Self {
        Self(Vec::new())
    }

    /// Parses percent-encoded steps joined by `/`; one `/` at the end is allowed and dropped.
    pub fn parse(text: &str) -> Result<Self, TreePathError> {
        if text.is_empty() {
            return Ok(Self::root());
        }
        let text = text.strip_suffix('/').unwrap_or(text);
        let mut names = Vec::new();
        for (index, step) in text.split('/').enumerate() {
            let number = index + 1;
            if number > TREE_DEPTH_MAX {
                return Err(TreePathError::Deep);
            }
            let bytes = percent_decode(step).ok_or(TreePathError::Percent { step: number })?;
            let name = EntryName::new(bytes)
                .map_err(|source| TreePathError::Step { step: number, source })?;
            names.push(name);
        }
        Ok(Self(names))
    }

    /// Returns the steps from the top.
    pub fn names(&self) -> &[EntryName] {
        &self.0
    }

    /// Returns whether this is the tree itself.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns this path without its last step; the root is its own parent.
    pub fn parent(&self) -> Self {
        Self(self.0[..self.0.len().saturating_sub(1)].to_vec())
    }

    /// Returns this path with one more step.
    pub fn join(&self, name: EntryName) -> Self {
        let mut names = self.0.clone();
        names.push(name);
        Self(names)
    }
}

impl fmt::Display for TreePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, name) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "/" };
            write!(f, "{separator}{name}")?;
        }
        Ok(())
    }
}

/// Decodes `%HH` (RFC 3986 §2.1) wherever it stands in `text`; `None` where a `%` is followed by
/// anything but two hexadecimal digits.
pub fn percent_decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        if first != b'%' {
            bytes.push(first);
            rest = tail;
            continue;
        }
        let (pair, tail) = tail.split_at_checked(2)?;
        let high = char::from(pair[0]).to_digit(16)?;
        let low = char::from(pair[1]).to_digit(16)?;
        bytes.push(u8::try_from(high << 4 | low).ok()?);
        rest = tail;
    }
    Some(bytes)
}

/// Shows a name the way people expect to read it: text where it is text, percent-encoded elsewhere.
impl EntryName {
    /// Returns the name as text for people, with whatever is not UTF-8 or not printable encoded.
    pub fn for_people(&self) -> String {
        match core::str::from_utf8(self.as_bytes()) {
            Ok(text) if !text.chars().any(char::is_control) => String::from(text),
            _ => alloc::format!("{self}"),
        }
    }
}
