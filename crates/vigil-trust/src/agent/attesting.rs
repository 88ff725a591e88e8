//! What an agent does to a feed when it is asked to attest.
//!
//! Whoever reaches the agent's socket can ask for this as often as they like, also from a host that the agent
//! was forwarded to, so it is made to cost little.
//!
//! Invariants: a place that is returned is durable; one feed says the same attestation once; what is written
//! here leaves half of the room that others give a machine to whatever else it has to say.

use vigil_base::world::{DiskError, Moment};
use vigil_base::{Blame, Blamed};

use super::Place;
use crate::attestations::{AttestationEntry, SshKeyEntry};
use crate::feed::{AppendError, Batch, FeedLog};
use crate::home::MACHINE_BYTES_MAX;
use crate::keys::SecretKey;

/// How many bytes a machine's feeds may have before nothing more is attested in them: half of what others
/// take of a machine. A plain attestation takes some 380 bytes, so these are 88 000 of them; the longest
/// takes some 3 500.
pub const ATTESTED_BYTES_MAX: u64 = MACHINE_BYTES_MAX as u64 / 2;

/// Why something was not attested in a feed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AttestError {
    /// The disk failed, or an append before.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// The feeds could not be looked at.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// There is no more room for attestations.
    #[error(
        "this machine's feeds have {bytes} bytes, and beyond {ATTESTED_BYTES_MAX} they take no more \
         attestations, so that others still take its names; a machine that is enrolled anew begins anew"
    )]
    Full {
        /// How long they are.
        bytes: u64,
    },
}

impl Blamed for AttestError {
    fn blame(&self) -> Blame {
        match self {
            Self::Append(source) => source.blame(),
            Self::Disk(source) => source.blame(),
            Self::Full { .. } => Blame::Caller,
        }
    }
}

/// Says in a feed that was opened for it what its machine attests, and before that which SSH key the machine has,
/// if the feed does not say so already. Returns where it is.
///
/// # Errors
/// Fails where the disk does, and refuses once there is no more room.
pub fn attest(
    mut log: FeedLog,
    key: &SecretKey,
    at: Moment,
    entry: &AttestationEntry,
) -> Result<Place, AttestError> {
    let (entry, ssh_key) = (entry.encode(), SshKeyEntry::sign(key).encode());
    let incarnation = log.id().incarnation;
    let mut is_key_said = false;
    // Opening the feed has made durable what is in it.
    for (position, said) in log.batches().iter().flat_map(Batch::entries) {
        if said == entry {
            return Ok(Place { incarnation, position });
        }
        is_key_said |= said == ssh_key;
    }
    let bytes = log.machine_bytes()?;
    if bytes >= ATTESTED_BYTES_MAX {
        return Err(AttestError::Full { bytes });
    }
    let entries = [ssh_key, entry];
    let batches = log.append(key, at, &entries[usize::from(is_key_said)..])?;
    let last = batches.last().expect("an entry is in a batch").header();
    Ok(Place { incarnation, position: last.end() - 1 })
}
