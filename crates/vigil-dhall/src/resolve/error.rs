//! Why an import could not be resolved, and on which way.

use std::sync::Arc;

use crate::core::context::LimitError;
use crate::expr::{Expr, Span};
use crate::import::Hash;
use crate::parser::ParseError;
use crate::phase::CheckError;

/// A text that errors point into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// How people call it: a path, an address, a variable.
    pub name: Arc<str>,
    /// The text.
    pub text: Arc<str>,
}

/// One import on the way to an error.
#[derive(Clone, Debug)]
pub struct Frame {
    /// The text that imports.
    pub source: Option<Source>,
    /// Where it does.
    pub span: Span,
    /// What it imports.
    pub location: String,
}

/// Why resolution failed.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{kind}")]
pub struct ImportError {
    /// The imports that lead to the failure, the outermost first.
    pub chain: Vec<Frame>,
    /// What failed.
    pub kind: ImportErrorKind,
    /// The text that the kind's positions are in, if they are in one.
    pub source_text: Option<Source>,
}

impl ImportError {
    pub(crate) fn new(kind: ImportErrorKind) -> Box<Self> {
        Box::new(Self { chain: Vec::new(), kind, source_text: None })
    }

    /// Returns whether nothing was there, which the operator `?` recovers from.
    #[must_use]
    pub fn is_absent(&self) -> bool {
        matches!(self.kind, ImportErrorKind::Absent { .. })
    }
}

/// What can go wrong with an import.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportErrorKind {
    /// Nothing is there.
    #[error("could not import `{location}`: {reason}")]
    Absent {
        /// The place.
        location: String,
        /// Why nothing is there.
        reason: String,
    },
    /// Something is there but cannot be had.
    #[error("could not read `{location}`: {reason}")]
    Failed {
        /// The place.
        location: String,
        /// Why not.
        reason: String,
    },
    /// The bytes are not an expression.
    #[error(transparent)]
    Parse(ParseError),
    /// The imported expression, or the headers of an import, cannot be checked.
    #[error(transparent)]
    Check(CheckError),
    /// A limit was reached.
    #[error(transparent)]
    Limit(LimitError),
    /// The import leads to itself.
    #[error("`{location}` imports itself, directly or through others")]
    Cycle {
        /// The place.
        location: String,
    },
    /// What is imported is not what the hash names.
    #[error("`{location}` is not what its hash says")]
    HashMismatch {
        /// The place.
        location: String,
        /// The hash that was asked for.
        expected: Hash,
        /// The hash of what is there.
        actual: Hash,
    },
    /// Something from the web imports something of this machine.
    #[error(
        "`{parent}` may not import `{location}`: what comes from the web must not depend on this machine"
    )]
    Opaque {
        /// The importing place.
        parent: String,
        /// The imported place.
        location: String,
    },
    /// A server does not allow pages of another server to import this.
    #[error(
        "`{parent}` may not import `{location}`: the server does not allow it (Access-Control-Allow-Origin)"
    )]
    Cors {
        /// The importing place.
        parent: String,
        /// The imported place.
        location: String,
    },
    /// The headers of an import are no list of names and values.
    #[error("headers must be a list of `{{ mapKey : Text, mapValue : Text }}`")]
    Headers {
        /// Their type.
        actual: Expr,
    },
    /// Headers for an origin depend on the web, which depends on those headers.
    #[error("the configuration of headers may not import `{location}` from the web")]
    HeadersCycle {
        /// The place.
        location: String,
    },
    /// The bytes are no text, but `as Text` asks for one.
    #[error("`{location}` is not UTF-8 text; import it `as Bytes`")]
    NotText {
        /// The place.
        location: String,
    },
    /// More imports than allowed.
    #[error("more than {limit} imports; raise the import limit if this is meant")]
    TooMany {
        /// The limit.
        limit: usize,
    },
    /// A larger import than allowed.
    #[error(
        "`{location}` has more than {limit} bytes; raise the import size limit if this is meant"
    )]
    TooLarge {
        /// The place.
        location: String,
        /// The limit.
        limit: u64,
    },
}
