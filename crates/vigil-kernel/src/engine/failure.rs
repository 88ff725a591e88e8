//! Why a computation ended without a value.

use std::sync::Arc;

use vigil_base::{Blame, Blamed};

/// Why a computation ended without a value. Whoever asked for it decides what that means.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// It needs itself.
    #[error("it needs itself: {}", path.join(" needs "))]
    Cycle {
        /// The way around, from the key to itself.
        path: Vec<String>,
    },
    /// It panicked.
    #[error("{key} panicked: {message}")]
    Panicked {
        /// What was being computed.
        key: String,
        /// What the panic said.
        message: String,
    },
    /// It did not yield before its deadline.
    #[error("{key} held a thread for more than {limit_ms} ms without yielding, and was given up")]
    Stuck {
        /// What was being computed.
        key: String,
        /// How long it may hold a thread, in milliseconds.
        limit_ms: u64,
    },
    /// No thread was left to compute it: those that do not yield hold them all.
    #[error("no thread is left for {key}: {stuck} computations hold theirs without yielding")]
    Crowded {
        /// What was to be computed.
        key: String,
        /// How many computations were given up and still hold a thread.
        stuck: usize,
    },
}

impl Blamed for Failure {
    fn blame(&self) -> Blame {
        match self {
            Self::Cycle { .. } => Blame::Caller,
            Self::Panicked { .. } | Self::Stuck { .. } | Self::Crowded { .. } => Blame::Us,
        }
    }
}

/// A failure that many readers share.
pub type Failed = Arc<Failure>;
