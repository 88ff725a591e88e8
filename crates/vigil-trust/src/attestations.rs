//! Attestations as feeds have them: which signed envelope, of what kind, about which bytes; and with which
//! SSH key a machine signs such envelopes.
//!
//! An envelope itself lies elsewhere, in git; an entry has its hash. So whoever has the feeds knows whether a
//! machine said something while its word counted, which no signature alone can tell: whoever steals a key
//! signs as its machine did.
//!
//! Invariants: entries come back as the same bytes or are refused; what [`fold_attestations`] returns follows
//! from what was said and from the puddle, in whatever order it is handed in; an SSH key counts as a
//! machine's only if both have signed that it is.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;

use vigil_base::Vcid;
use vigil_base::cbor::{DecodeError, Decoder, Encoder, Fault};

use crate::feed::FeedId;
use crate::formats::{NAMESPACE_MACHINE, sshsig_message};
use crate::keys::{KeyBytes, PublicKey, SecretKey, Signature};
use crate::list::decode_rising;
use crate::names::Said;
use crate::puddle::{KeptBatches, MachineState, View};
use crate::subkey::Purpose;

const TAG: &str = "vigil.attestation/1";
const SSH_KEY_TAG: &str = "vigil.ssh-key/1";

/// Longest predicate type, in bytes. Those in use are URIs of some 40.
pub const PREDICATE_BYTES_MAX: usize = 1024;

/// Most subjects of one attestation.
pub const SUBJECTS_MAX: usize = 64;

/// Most claims of one machine to SSH keys that are looked at. A machine has one key, and says so once in each of
/// its lives, early; but whoever has stolen it can claim half a million within what others take of a machine,
/// and each is a signature to verify. With these, that is some seconds.
pub const SSH_KEYS_MAX: usize = 1 << 16;

/// An entry of a feed that says what its machine has attested.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AttestationEntry {
    envelope: Vcid,
    predicate: String,
    subjects: Vec<Vcid>,
}

/// Why something cannot be attested in a feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AttestationError {
    /// The predicate type is none.
    #[error("a predicate type has 1 to {PREDICATE_BYTES_MAX} bytes, and no control characters")]
    Predicate,
    /// It is about nothing, or about too much.
    #[error("an attestation is about 1 to {SUBJECTS_MAX} things")]
    Subjects,
}

impl vigil_base::Blamed for AttestationError {
    fn blame(&self) -> vigil_base::Blame {
        vigil_base::Blame::Caller
    }
}

impl AttestationEntry {
    /// Says that an envelope of this hash is this machine's, of what kind it is, and what it is about.
    ///
    /// # Errors
    /// Refuses what an entry does not hold.
    pub fn new(
        envelope: Vcid,
        predicate: &str,
        subjects: impl IntoIterator<Item = Vcid>,
    ) -> Result<Self, AttestationError> {
        let is_fit = (1..=PREDICATE_BYTES_MAX).contains(&predicate.len());
        if !is_fit || predicate.contains(char::is_control) {
            return Err(AttestationError::Predicate);
        }
        let mut subjects: Vec<Vcid> = subjects.into_iter().collect();
        subjects.sort_unstable();
        subjects.dedup();
        if !(1..=SUBJECTS_MAX).contains(&subjects.len()) {
            return Err(AttestationError::Subjects);
        }
        Ok(Self { envelope, predicate: predicate.into(), subjects })
    }

    /// Returns the SHA-256 of the envelope.
    pub fn envelope(&self) -> Vcid {
        self.envelope
    }

    /// Returns what kind of thing is said.
    pub fn predicate(&self) -> &str {
        &self.predicate
    }

    /// Returns the hashes of what it is about, rising.
    pub fn subjects(&self) -> &[Vcid] {
        &self.subjects
    }

    /// Returns the record.
    pub fn encode(&self) -> Vec<u8> {
        let mut encoder = Encoder::record(TAG, 4);
        encoder.bytes(self.envelope.as_bytes());
        encoder.text(&self.predicate);
        encoder.array(self.subjects.len());
        self.subjects.iter().for_each(|subject| encoder.bytes(subject.as_bytes()));
        encoder.finish()
    }

    /// Reads an entry.
    ///
    /// # Errors
    /// Fails for other records, and for what [`AttestationEntry::new`] refuses.
    pub fn decode(entry: &[u8]) -> Result<Self, DecodeError> {
        let mut decoder = Decoder::record(entry, TAG, 4)?;
        let envelope = Vcid::from_bytes(decoder.byte_array()?);
        let text_at = decoder.offset();
        let predicate = decoder.text()?;
        let list_at = decoder.offset();
        let subjects =
            decode_rising(&mut decoder, SUBJECTS_MAX, |d| d.byte_array().map(Vcid::from_bytes))?;
        match Self::new(envelope, predicate, subjects) {
            Ok(entry) => {
                decoder.finish()?;
                Ok(entry)
            }
            Err(AttestationError::Predicate) => decoder.fault(text_at, Fault::Range),
            Err(AttestationError::Subjects) => decoder.fault(list_at, Fault::Range),
        }
    }
}

/// An entry of a feed that says which SSH key its machine signs with, so that others can list it as revoked
/// when the machine is. The machine's own key cannot tell: only its seed leads to its subkeys.
///
/// The SSH key has signed whose it is, so that nobody can have somebody else's key revoked with their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SshKeyEntry {
    key: KeyBytes,
    proof: Signature,
}

impl SshKeyEntry {
    /// Says it for a machine.
    pub fn sign(machine: &SecretKey) -> Self {
        let subkey = machine.subkey(Purpose::Ssh);
        let proof = subkey.sign(&sshsig_message(NAMESPACE_MACHINE, &machine.public().bytes().0));
        Self { key: subkey.public().bytes(), proof }
    }

    /// Returns the SSH key, if it says itself that it is this machine's.
    pub fn key_of(&self, machine: &KeyBytes) -> Option<PublicKey> {
        let key = self.key.check().ok()?;
        let signed = sshsig_message(NAMESPACE_MACHINE, &machine.0);
        key.verify_foreign(&signed, &self.proof).ok().map(|()| key)
    }

    /// Returns the record.
    pub fn encode(&self) -> Vec<u8> {
        let mut encoder = Encoder::record(SSH_KEY_TAG, 3);
        encoder.bytes(&self.key.0);
        encoder.bytes(&self.proof.0);
        encoder.finish()
    }

    /// Reads an entry. What it says is checked by [`SshKeyEntry::key_of`].
    ///
    /// # Errors
    /// Fails for other records.
    pub fn decode(entry: &[u8]) -> Result<Self, DecodeError> {
        let mut decoder = Decoder::record(entry, SSH_KEY_TAG, 3)?;
        let key = KeyBytes(decoder.byte_array()?);
        let proof = Signature(decoder.byte_array()?);
        decoder.finish()?;
        Ok(Self { key, proof })
    }
}

/// Whether what a machine said in its feed counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// It counts.
    Counts,
    /// Nobody added the machine to the puddle.
    Stranger,
    /// The machine was revoked, and the Person had not seen this of it.
    Revoked,
    /// A feed of the machine was forked, and the Person has not decided.
    Frozen,
    /// The feed was forked, and that was forgiven: it counts for nothing.
    Forgiven,
}

impl Standing {
    /// Returns the word for it, as programs read it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Counts => "counts",
            Self::Stranger => "stranger",
            Self::Revoked => "revoked",
            Self::Frozen => "frozen",
            Self::Forgiven => "forgiven",
        }
    }

    /// Judges what a batch of a feed says. `kept` is what [`KeptBatches::of`] finds.
    pub fn of(view: &View, kept: &KeptBatches, feed: &FeedId, batch: &Vcid) -> Self {
        let Some(machine) = view.machines.get(&feed.machine) else { return Self::Stranger };
        if machine.pardons.contains(&feed.incarnation) {
            return Self::Forgiven;
        }
        match &machine.state {
            _ if view.counts(kept, feed, batch) => Self::Counts,
            MachineState::Revoked { .. } => Self::Revoked,
            MachineState::Active | MachineState::Frozen { .. } => Self::Frozen,
        }
    }
}

/// An attestation in a feed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Attested {
    /// In which feed.
    pub feed: FeedId,
    /// At which position.
    pub position: u64,
    /// What.
    pub entry: AttestationEntry,
    /// Whether it counts.
    pub standing: Standing,
}

/// Finds the attestations among the entries of feeds, of both sides where one is forked, in the order of
/// feeds and positions; without a puddle nobody counts. Other entries are passed over; the order in which
/// they come does not matter.
pub fn fold_attestations<'a>(
    puddle: Option<(&View, &KeptBatches)>,
    said: impl IntoIterator<Item = Said<'a>>,
) -> Vec<Attested> {
    let attested = said.into_iter().filter_map(|said| {
        let entry = AttestationEntry::decode(said.entry).ok()?;
        let (feed, position) = (said.feed, said.position);
        let of = |(view, kept)| Standing::of(view, kept, &feed, &said.batch);
        let standing = puddle.map_or(Standing::Stranger, of);
        Some(Attested { feed, position, entry, standing })
    });
    let mut attested: Vec<Attested> = attested.collect();
    attested.sort_unstable();
    attested.dedup();
    attested
}

/// Finds the SSH keys that machines have said are theirs, whether or not what they say counts otherwise: of
/// each the first [`SSH_KEYS_MAX`] claims, by how early in a feed they are.
pub fn ssh_keys<'a>(
    said: impl IntoIterator<Item = Said<'a>>,
) -> BTreeMap<KeyBytes, Vec<PublicKey>> {
    let claim = |said: Said<'_>| {
        let entry = SshKeyEntry::decode(said.entry).ok()?;
        Some((said.feed.machine, said.position, entry))
    };
    let mut claims: Vec<(KeyBytes, u64, SshKeyEntry)> =
        said.into_iter().filter_map(claim).collect();
    claims.sort_by_key(|(machine, position, _)| (*machine, *position));
    let mut keys: BTreeMap<KeyBytes, Vec<PublicKey>> = BTreeMap::new();
    for claims in claims.chunk_by(|(one, ..), (two, ..)| one == two) {
        let mut known = BTreeSet::new();
        for (machine, _, entry) in claims.iter().take(SSH_KEYS_MAX) {
            if !known.contains(&entry.key)
                && let Some(key) = entry.key_of(machine)
            {
                known.insert(entry.key);
                keys.entry(*machine).or_default().push(key);
            }
        }
    }
    keys
}

#[cfg(test)]
mod tests;
