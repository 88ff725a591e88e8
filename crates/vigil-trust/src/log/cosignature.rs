//! Cosignatures (C2SP tlog-cosignature): a witness says what it saw of a log, and when.
//!
//! Ed25519 cosignatures are made and checked. The message of ML-DSA-44 ones is laid out here, their
//! keys and signatures are read and kept; they count for nothing until they can be checked.
//!
//! Invariant: what is signed begins with a line or a label that no checkpoint begins with.

use alloc::format;
use alloc::vec::Vec;

use vigil_base::world::Moment;

use super::checkpoint::{Checkpoint, SignedCheckpoint};
use super::note::{KeyKind, KeyName, NoteError, NoteKey, NoteSignature, NoteSigner};
use crate::keys::Signature;

/// The first line of what an Ed25519 cosignature signs.
pub(crate) const HEADER: &str = "cosignature/v1";

/// The label of what an ML-DSA-44 cosignature signs.
const SUBTREE_LABEL: [u8; 12] = *b"subtree/v1\n\0";

const TIME_LEN: usize = size_of::<u64>();

/// A time in a cosignature: seconds since 1970, below 2^63.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CosignedAt(u64);

impl CosignedAt {
    /// Takes seconds since 1970-01-01T00:00:00Z; `None` from 2^63 on.
    pub fn from_seconds(seconds: u64) -> Option<Self> {
        (seconds <= i64::MAX as u64).then_some(Self(seconds))
    }

    /// Takes a moment, to the second; `None` before 1970.
    pub fn from_moment(moment: Moment) -> Option<Self> {
        u64::try_from(moment.0.div_euclid(1_000_000_000)).ok().map(Self)
    }

    /// Returns seconds since 1970-01-01T00:00:00Z.
    pub fn seconds(self) -> u64 {
        self.0
    }
}

/// Returns what a witness signs with Ed25519.
pub fn ed25519_message(text: &str, at: CosignedAt) -> Vec<u8> {
    format!("{HEADER}\ntime {}\n{text}", at.0).into_bytes()
}

/// Returns what a witness signs with ML-DSA-44 over a whole tree: a `cosigned_message`. `None` if the
/// name is too long for it.
pub fn ml_dsa_44_message(
    witness: &KeyName,
    checkpoint: &Checkpoint,
    at: CosignedAt,
) -> Option<Vec<u8>> {
    let mut message = Vec::from(SUBTREE_LABEL);
    let name = witness.as_str().as_bytes();
    message.push(u8::try_from(name.len()).ok()?);
    message.extend_from_slice(name);
    message.extend_from_slice(&at.0.to_be_bytes());
    let origin = checkpoint.origin.as_str().as_bytes();
    message.push(u8::try_from(origin.len()).ok()?);
    message.extend_from_slice(origin);
    message.extend_from_slice(&0u64.to_be_bytes());
    message.extend_from_slice(&checkpoint.size.0.to_be_bytes());
    message.extend_from_slice(&checkpoint.root.0);
    Some(message)
}

/// Has a witness sign a checkpoint. The caller has checked that it is consistent.
///
/// # Panics
/// Panics if the key is not a witness's: whoever configures a witness checks that.
pub fn cosign(signer: &NoteSigner, text: &str, at: CosignedAt) -> NoteSignature {
    assert!(signer.key().kind() == KeyKind::Cosignature, "a witness signs with a witness's key");
    let signature = signer.sign_message(&ed25519_message(text, at));
    signer.line([&at.0.to_be_bytes()[..], &signature.0].concat())
}

/// Returns when a witness signed a checkpoint, the latest time if it did more than once; `None` if it
/// did not, or in a way that cannot be checked here.
///
/// # Errors
/// Fails if a signature names the witness's key and was not made by it.
pub fn cosigned_at(
    checkpoint: &SignedCheckpoint,
    witness: &NoteKey,
) -> Result<Option<CosignedAt>, NoteError> {
    let mut latest = None;
    let note = checkpoint.note();
    for signature in note.signatures().iter().filter(|line| witness.is_named_by(line)) {
        if witness.kind() == KeyKind::MlDsa44 {
            continue;
        }
        let at = check_line(note.text(), witness, signature)
            .ok_or_else(|| NoteError::Forged { name: witness.name().clone(), id: witness.id() })?;
        latest = latest.max(Some(at));
    }
    Ok(latest)
}

/// Returns the time of a line, if the witness made it over this text.
pub(crate) fn check_line(
    text: &str,
    witness: &NoteKey,
    line: &NoteSignature,
) -> Option<CosignedAt> {
    if witness.kind() != KeyKind::Cosignature || !witness.is_named_by(line) {
        return None;
    }
    let (time, signature) = line.bytes.split_first_chunk::<TIME_LEN>()?;
    let at = CosignedAt::from_seconds(u64::from_be_bytes(*time))?;
    let signature = Signature(signature.try_into().ok()?);
    let message = ed25519_message(text, at);
    witness.point()?.verify_foreign(&message, &signature).ok().map(|()| at)
}
