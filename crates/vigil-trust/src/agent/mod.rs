//! The agent: it holds one machine's key, unlocked once, and signs for whoever may ask.
//!
//! It speaks the ssh-agent protocol (draft-ietf-sshm-ssh-agent), so that `git` and `ssh-keygen` sign
//! through it, and a few extensions of ours for the other formats. This is the protocol and what is
//! decided; the socket, who is at its other end and the memory that is locked are somebody else's.
//!
//! Invariants:
//! - it signs files and nothing else with the SSH key: a login is refused, and so is whatever is not
//!   laid out as the key's one format lays it out;
//! - no answer holds a secret, and no key can be put in from outside;
//! - into the feed it writes what it has read as an attestation, and it alone builds and signs the batch;
//! - while it is locked, it holds no key, only a sealed one.

mod attesting;
mod keeper;
mod message;

pub use attesting::{ATTESTED_BYTES_MAX, AttestError, attest};
pub use keeper::{Agent, AgentIdentity, AgentState, AgentStatus, OwnFeed, Place, Vault};
pub use message::{
    Answer, AnswerError, EXTENSION_ATTEST, EXTENSION_FORGET, EXTENSION_PUBLIC, EXTENSION_SIGN,
    EXTENSION_STATUS, EXTENSION_STOP, Identity, MESSAGE_BYTES_MAX, Request, frame,
};
