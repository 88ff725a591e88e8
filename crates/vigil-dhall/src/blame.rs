//! Whose affair an error is. Exit codes and retries follow from this, never from the text.

use crate::binary::DecodeError;
use crate::check::TypeError;
use crate::convert::{DeserializeError, FromJsonError, SerializeError, ToJsonError, TraceError};
use crate::core::context::LimitError;
use crate::parser::ParseError;
use crate::phase::CheckError;
use crate::resolve::{FetchError, ImportError, ImportErrorKind};

/// Whose affair an error is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// The expression, the data or the types that were passed in.
    Caller,
    /// A file, a server or a variable: trying again may help.
    World,
}

macro_rules! callers {
    ($($error:ty),* $(,)?) => {
        $(impl $error {
            /// Returns whose affair the error is: always the caller's.
            #[must_use]
            pub fn blame(&self) -> Blame {
                Blame::Caller
            }
        })*
    };
}

callers!(
    ParseError,
    DecodeError,
    TypeError,
    LimitError,
    CheckError,
    ToJsonError,
    FromJsonError,
    DeserializeError,
    SerializeError,
    TraceError,
);

impl FetchError {
    /// Returns whose affair the error is: always the world's.
    #[must_use]
    pub fn blame(&self) -> Blame {
        Blame::World
    }
}

impl ImportError {
    /// Returns whose affair the error is.
    #[must_use]
    pub fn blame(&self) -> Blame {
        match self.kind {
            ImportErrorKind::Absent { .. }
            | ImportErrorKind::Failed { .. }
            | ImportErrorKind::Cors { .. } => Blame::World,
            _ => Blame::Caller,
        }
    }
}
