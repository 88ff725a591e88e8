//! What encrypts a tier: a key, or a passphrase and what it costs to try one.
//!
//! The key itself encrypts nothing: names, header checks and every object have keys of their own,
//! derived from it.

use vigil_base::world::{Randomness, RandomnessError};
use vigil_base::{Blame, Blamed};
use zeroize::Zeroizing;

/// What a tier's objects are encrypted with.
#[derive(Clone)]
pub struct Secret(pub(crate) Kind);

#[derive(Clone)]
pub(crate) enum Kind {
    Key(Zeroizing<[u8; 32]>),
    Passphrase(Zeroizing<Vec<u8>>),
}

/// Why bytes are no key or passphrase.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SecretError {
    /// The key file has another length.
    #[error(
        "a key file has 32 bytes, or 64 hexadecimal digits, and this one has {found} bytes; `head -c 32 /dev/urandom` makes one"
    )]
    KeyLength {
        /// Its length.
        found: usize,
    },
    /// The passphrase is empty.
    #[error("the passphrase is empty")]
    Empty,
}

impl Blamed for SecretError {
    fn blame(&self) -> Blame {
        Blame::Caller
    }
}

impl Secret {
    /// Takes the bytes of a key file: 32 of them, or 64 hexadecimal digits and perhaps a line's end.
    pub fn from_key_file(bytes: &[u8]) -> Result<Self, SecretError> {
        let wrong = SecretError::KeyLength { found: bytes.len() };
        if let Ok(key) = <[u8; 32]>::try_from(bytes) {
            return Ok(Self(Kind::Key(Zeroizing::new(key))));
        }
        let digits = without_line_end(bytes);
        if digits.len() != 64 {
            return Err(wrong);
        }
        let mut key = Zeroizing::new([0; 32]);
        for (slot, pair) in key.iter_mut().zip(digits.chunks_exact(2)) {
            let digit = |byte: u8| char::from(byte).to_digit(16);
            let (Some(high), Some(low)) = (digit(pair[0]), digit(pair[1])) else {
                return Err(wrong);
            };
            *slot = (high << 4 | low) as u8;
        }
        Ok(Self(Kind::Key(key)))
    }

    pub(crate) fn is_passphrase(&self) -> bool {
        matches!(self.0, Kind::Passphrase(_))
    }

    /// Takes a passphrase, without the line's end that a file may have.
    pub fn from_passphrase(bytes: &[u8]) -> Result<Self, SecretError> {
        let bytes = without_line_end(bytes);
        if bytes.is_empty() {
            return Err(SecretError::Empty);
        }
        Ok(Self(Kind::Passphrase(Zeroizing::new(bytes.to_vec()))))
    }
}

fn without_line_end(bytes: &[u8]) -> &[u8] {
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    bytes.strip_suffix(b"\r").unwrap_or(bytes)
}

/// What it costs to try a passphrase (Argon2id, RFC 9106).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PassphraseCost {
    /// Memory, in KiB.
    pub memory_kib: u32,
    /// Passes over it.
    pub passes: u32,
    /// Lanes.
    pub lanes: u32,
}

impl Default for PassphraseCost {
    /// Near the second choice of RFC 9106 §4, in one lane.
    fn default() -> Self {
        Self { memory_kib: 64 << 10, passes: 3, lanes: 1 }
    }
}

impl PassphraseCost {
    /// Returns whether it is neither careless nor more than a machine can be asked for: what is read
    /// from a tier may be anybody's. At most 1 GiB of memory, and 4 GiB passed over.
    pub fn is_fine(&self) -> bool {
        let Self { memory_kib, passes, lanes } = *self;
        (8 << 10..=1 << 20).contains(&memory_kib)
            && (1..=64).contains(&passes)
            && (1..=16).contains(&lanes)
            && u64::from(memory_kib) * u64::from(passes) <= 4 << 20
    }
}

/// How the key comes about: 48 bytes of every header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Derivation {
    KeyFile,
    Passphrase { cost: PassphraseCost, salt: [u8; 32] },
}

pub(crate) const DERIVATION_LEN: usize = 48;

impl Derivation {
    pub fn encode(&self) -> [u8; DERIVATION_LEN] {
        let mut bytes = [0; DERIVATION_LEN];
        if let Self::Passphrase { cost, salt } = self {
            let words = [1, cost.memory_kib, cost.passes, cost.lanes];
            for (slot, word) in bytes.chunks_exact_mut(4).zip(words) {
                slot.copy_from_slice(&word.to_le_bytes());
            }
            bytes[16..].copy_from_slice(salt);
        }
        bytes
    }

    /// Reads what `encode` returns; `None` for anything else, and for a cost that is not fine.
    pub fn decode(bytes: &[u8; DERIVATION_LEN]) -> Option<Self> {
        let word = |at: usize| {
            let mut four = [0; 4];
            four.copy_from_slice(&bytes[at..at + 4]);
            u32::from_le_bytes(four)
        };
        let derivation = match word(0) {
            0 => Self::KeyFile,
            1 => {
                let mut salt = [0; 32];
                salt.copy_from_slice(&bytes[16..]);
                let cost = PassphraseCost { memory_kib: word(4), passes: word(8), lanes: word(12) };
                Self::Passphrase { cost, salt }
            }
            _ => return None,
        };
        let is_fine = match derivation {
            Self::KeyFile => derivation.encode() == *bytes,
            Self::Passphrase { cost, .. } => cost.is_fine(),
        };
        is_fine.then_some(derivation)
    }

    /// Chooses how the key of a new tier comes about.
    pub fn choose(
        secret: &Secret,
        cost: PassphraseCost,
        randomness: &dyn Randomness,
    ) -> Result<Self, RandomnessError> {
        match &secret.0 {
            Kind::Key(_) => Ok(Self::KeyFile),
            Kind::Passphrase(_) => {
                let mut salt = [0; 32];
                randomness.fill(&mut salt)?;
                Ok(Self::Passphrase { cost, salt })
            }
        }
    }
}

/// The keys of one tier.
pub(crate) struct TierKey {
    pub derivation: Derivation,
    /// Tells keys apart, and says nothing of them.
    pub id: [u8; 16],
    names: Zeroizing<[u8; 32]>,
    headers: Zeroizing<[u8; 32]>,
    objects: Zeroizing<[u8; 32]>,
}

impl TierKey {
    /// Computes the keys; `None` if the secret is not of the kind that `derivation` needs, or the
    /// memory for it cannot be had.
    pub fn derive(secret: &Secret, derivation: Derivation) -> Option<Self> {
        let mut root = Zeroizing::new([0; 32]);
        match (&secret.0, derivation) {
            (Kind::Key(key), Derivation::KeyFile) => root.copy_from_slice(&**key),
            (Kind::Passphrase(text), Derivation::Passphrase { cost, salt }) => {
                let PassphraseCost { memory_kib, passes, lanes } = cost;
                let params = argon2::Params::new(memory_kib, passes, lanes, Some(32)).ok()?;
                let version = argon2::Version::V0x13;
                let argon = argon2::Argon2::new(argon2::Algorithm::Argon2id, version, params);
                argon.hash_password_into(text, &salt, &mut *root).ok()?;
            }
            _ => return None,
        }
        let derive = |context: &str| Zeroizing::new(blake3::derive_key(context, &*root));
        let mut id = [0; 16];
        id.copy_from_slice(&derive("vigil-tier 2026-11 v1 key id")[..16]);
        Some(Self {
            derivation,
            id,
            names: derive("vigil-tier 2026-11 v1 names"),
            headers: derive("vigil-tier 2026-11 v1 headers"),
            objects: derive("vigil-tier 2026-11 v1 objects"),
        })
    }

    /// Returns the name under which something is kept: it says nothing to those without the key.
    pub fn name(&self, what: &[u8]) -> [u8; 32] {
        *blake3::keyed_hash(&self.names, what).as_bytes()
    }

    /// Returns the check of a header's bytes.
    pub fn header_check(&self, bytes: &[u8]) -> blake3::Hash {
        blake3::keyed_hash(&self.headers, bytes)
    }

    /// Returns the key of the object that has this header.
    pub fn object_key(&self, header: &[u8]) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(*blake3::keyed_hash(&self.objects, header).as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::{DERIVATION_LEN, Derivation, PassphraseCost, Secret, TierKey};

    #[test]
    fn key_files_are_raw_or_hexadecimal() {
        let raw = Secret::from_key_file(&[0xAB; 32]).expect("32 bytes");
        let hex = Secret::from_key_file(format!("{}\n", "aB".repeat(32)).as_bytes());
        let hex = hex.expect("64 digits");
        let id = |secret| TierKey::derive(secret, Derivation::KeyFile).expect("a key").id;
        assert_eq!(id(&raw), id(&hex));
        let refused = |bytes: &[u8]| Secret::from_key_file(bytes).is_err();
        assert!(refused(&[0; 31]) && refused(&[0; 33]) && refused(b"") && refused(&[b'g'; 64]));
        assert!(Secret::from_passphrase(b"\n").is_err());
    }

    #[test]
    fn a_cost_that_is_read_is_bounded() {
        let fine = PassphraseCost { memory_kib: 8 << 10, passes: 1, lanes: 1 };
        for (cost, is_fine) in [
            (fine, true),
            (PassphraseCost::default(), true),
            (PassphraseCost { memory_kib: 1, ..fine }, false),
            (PassphraseCost { memory_kib: u32::MAX, ..fine }, false),
            (PassphraseCost { memory_kib: 1 << 20, passes: 5, ..fine }, false),
            (PassphraseCost { passes: 0, ..fine }, false),
            (PassphraseCost { passes: u32::MAX, ..fine }, false),
            (PassphraseCost { lanes: 0, ..fine }, false),
            (PassphraseCost { lanes: 17, ..fine }, false),
        ] {
            let derivation = Derivation::Passphrase { cost, salt: [7; 32] };
            let decoded = Derivation::decode(&derivation.encode());
            assert_eq!(decoded, is_fine.then_some(derivation), "{cost:?}");
        }
        let mut bytes = [0; DERIVATION_LEN];
        assert_eq!(Derivation::decode(&bytes), Some(Derivation::KeyFile));
        bytes[20] = 1;
        assert_eq!(Derivation::decode(&bytes), None);
        bytes[0] = 2;
        assert_eq!(Derivation::decode(&bytes), None);
    }

    #[test]
    fn passphrases_differ_by_salt_and_text() {
        let cost = PassphraseCost { memory_kib: 8 << 10, passes: 1, lanes: 1 };
        let id = |text: &str, salt| {
            let secret = Secret::from_passphrase(text.as_bytes()).expect("not empty");
            TierKey::derive(&secret, Derivation::Passphrase { cost, salt }).expect("a key").id
        };
        assert_eq!(id("a\n", [1; 32]), id("a", [1; 32]));
        assert_ne!(id("a", [1; 32]), id("a", [2; 32]));
        assert_ne!(id("a", [1; 32]), id("b", [1; 32]));
    }
}
