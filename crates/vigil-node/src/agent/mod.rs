//! The agent's socket, its locked memory, and its clients. What it answers is `vigil_trust::agent`'s.
//!
//! Invariants:
//! - only processes of the same user are answered, and only on a socket that is in a folder of theirs
//!   alone;
//! - a client that sends nonsense, nothing, or too much loses its connection, and nobody else's;
//! - the key lies in one page that is neither swapped out nor written to a core dump.

mod client;
mod server;
mod vault;

pub use client::{AgentClient, agent_socket};
pub use server::{AgentServer, harden};
pub use vault::LockedMemory;

use std::io;
use std::path::PathBuf;

use vigil_base::{Blame, Blamed};
use vigil_trust::agent::AnswerError;

/// Why an agent could not be started, or did not do what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AgentError {
    /// The folder is somebody else's, or open to others.
    #[error("the agent's folder {path:?} must be yours, and closed to everybody else")]
    Folder {
        /// The folder.
        path: PathBuf,
    },
    /// Something else is at the socket's place.
    #[error("{path:?} is there already, and is no socket")]
    Taken {
        /// Where.
        path: PathBuf,
    },
    /// An agent answers there.
    #[error("an agent is running at {path:?} already")]
    Running {
        /// Where.
        path: PathBuf,
    },
    /// No agent answers there.
    #[error("no agent is running at {path:?}")]
    Absent {
        /// Where.
        path: PathBuf,
    },
    /// Another user's process answers there.
    #[error("the agent at {path:?} is another user's")]
    Stranger {
        /// Where.
        path: PathBuf,
    },
    /// The system did not lock memory.
    #[error("the system keeps no memory from being swapped out, so that no key is unlocked")]
    Memory {
        /// What it said.
        source: io::Error,
    },
    /// The socket failed.
    #[error("could not {action} at {path:?}")]
    Socket {
        /// What was tried.
        action: &'static str,
        /// Where.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The agent's answer cannot be read.
    #[error("the agent does not speak the protocol")]
    Answer(#[from] AnswerError),
    /// The agent did not write into the machine's feed.
    #[error("the agent could not write into this machine's feed: {why}")]
    Feed {
        /// Why, as it says.
        why: String,
    },
    /// The agent said no.
    #[error("the agent refused to {action}")]
    Refused {
        /// What was asked for.
        action: &'static str,
    },
}

impl Blamed for AgentError {
    fn blame(&self) -> Blame {
        match self {
            Self::Memory { .. } | Self::Socket { .. } | Self::Answer(_) | Self::Feed { .. } => {
                Blame::World
            }
            _ => Blame::Caller,
        }
    }
}

impl AgentError {
    /// Returns what to do about it, if that is known.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Folder { .. } => Some("choose another place with `--socket`"),
            Self::Running { .. } => {
                Some("ask it with `vigil agent status`, end it with `vigil agent stop`")
            }
            Self::Absent { .. } => Some("start one with `vigil agent start`"),
            Self::Memory { .. } => Some("raise the limit with `ulimit -l`; 4 KiB are enough"),
            Self::Refused { .. } => Some(
                "`vigil agent status` tells whether it is locked, `vigil agent unlock` unlocks it",
            ),
            _ => None,
        }
    }
}
