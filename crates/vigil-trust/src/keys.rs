//! Ed25519 keys (RFC 8032) that sign typed bytes.
//!
//! What is signed is `"vigil/1 " ‖ kind ‖ 0x00 ‖ bytes`, so that a signature made for one kind of record
//! says nothing about another. Verification is the strict one: small-order keys and other encodings of
//! the same signature are refused, so a signed record has one id.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::fmt;

use ed25519_dalek::Signer as _;
use vigil_base::{Blame, Blamed, Vcid};
use zeroize::Zeroizing;

/// Longest kind, in bytes.
pub const KIND_BYTES_MAX: usize = 64;

/// What goes before every kind.
const PREFIX: &[u8] = b"vigil/1 ";

/// What kind of record a signature is about, such as `vigil.statement/1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Kind(&'static str);

impl Kind {
    /// Names a kind. It has no NUL, so that no kind continues another.
    ///
    /// # Panics
    /// Panics if the name is empty, too long or contains NUL; names are constants.
    pub const fn new(name: &'static str) -> Self {
        assert!(!name.is_empty() && name.len() <= KIND_BYTES_MAX, "a kind has 1 to 64 bytes");
        let mut at = 0;
        while at < name.len() {
            assert!(name.as_bytes()[at] != 0, "a kind has no NUL");
            at += 1;
        }
        Self(name)
    }

    /// Returns the name, which is also the type tag of the record.
    pub const fn as_str(self) -> &'static str {
        self.0
    }

    /// Returns what is signed for `bytes` of this kind.
    fn message(self, bytes: &[u8]) -> Vec<u8> {
        [PREFIX, self.0.as_bytes(), &[0], bytes].concat()
    }
}

/// Why bytes are not a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The bytes are no point of the curve, or one of its few weak points.
    #[error("these 32 bytes are not an Ed25519 public key that can be relied upon")]
    NotAKey,
}

impl Blamed for KeyError {
    fn blame(&self) -> Blame {
        Blame::Caller
    }
}

/// Why a signature does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The signature is not one of this key over this kind and these bytes.
    #[error("the signature of {signer} does not fit a {} with these bytes", kind.as_str())]
    Mismatch {
        /// Whose signature was expected.
        signer: KeyBytes,
        /// Of what.
        kind: Kind,
    },
}

impl Blamed for VerifyError {
    fn blame(&self) -> Blame {
        Blame::Caller
    }
}

/// The 32 bytes of a public key, of which nothing has been checked.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyBytes(pub [u8; PublicKey::LEN]);

impl KeyBytes {
    /// Checks that the bytes are a key.
    ///
    /// # Errors
    /// Fails for bytes that are no point, and for the weak points under which anything verifies.
    pub fn check(&self) -> Result<PublicKey, KeyError> {
        PublicKey::from_bytes(&self.0)
    }
}

impl fmt::Display for KeyBytes {
    /// Writes 64 lower-case hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for KeyBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A public key that has been checked to be a point in its one encoding, and not one of small order.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PublicKey(ed25519_dalek::VerifyingKey);

impl PublicKey {
    /// Bytes of a public key.
    pub const LEN: usize = ed25519_dalek::PUBLIC_KEY_LENGTH;

    /// Checks 32 bytes.
    ///
    /// # Errors
    /// Fails for bytes that are no point, and for the weak points under which anything verifies.
    pub fn from_bytes(bytes: &[u8; Self::LEN]) -> Result<Self, KeyError> {
        let key = ed25519_dalek::VerifyingKey::from_bytes(bytes).map_err(|_| KeyError::NotAKey)?;
        // An encoding that is not reduced would give one key two names.
        if key.is_weak() || !is_reduced(bytes) { Err(KeyError::NotAKey) } else { Ok(Self(key)) }
    }

    /// Returns the 32 bytes.
    pub fn as_bytes(&self) -> &[u8; Self::LEN] {
        self.0.as_bytes()
    }

    /// Returns the 32 bytes, as what is compared and kept.
    pub fn bytes(&self) -> KeyBytes {
        KeyBytes(*self.as_bytes())
    }

    /// Returns the SHA-256 of the 32 bytes, which is what fingerprints are cut from.
    pub fn id(&self) -> Vcid {
        Vcid::of(self.as_bytes())
    }

    /// Checks a signature over `bytes` of a kind.
    ///
    /// # Errors
    /// Fails if the signature is of another key, another kind, or other bytes.
    pub fn verify(
        &self,
        kind: Kind,
        bytes: &[u8],
        signature: &Signature,
    ) -> Result<(), VerifyError> {
        self.verify_foreign(&kind.message(bytes), signature)
            .map_err(|()| VerifyError::Mismatch { signer: self.bytes(), kind })
    }

    /// Checks a signature over bytes as a foreign format lays them out.
    pub(crate) fn verify_foreign(&self, bytes: &[u8], signature: &Signature) -> Result<(), ()> {
        let signature = ed25519_dalek::Signature::from_bytes(&signature.0);
        self.0.verify_strict(bytes, &signature).map_err(|_| ())
    }
}

impl fmt::Display for PublicKey {
    /// Writes 64 lower-case hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.bytes(), f)
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl PartialOrd for PublicKey {
    fn partial_cmp(&self, other: &Self) -> Option<core::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for PublicKey {
    fn cmp(&self, other: &Self) -> core::cmp::Ordering {
        self.as_bytes().cmp(other.as_bytes())
    }
}

impl core::hash::Hash for PublicKey {
    fn hash<H: core::hash::Hasher>(&self, state: &mut H) {
        self.as_bytes().hash(state);
    }
}

/// Keys that were checked before. Checking one takes a square root, a tenth of what a signature takes, and
/// a puddle's events are of few authors.
#[derive(Default)]
pub(crate) struct CheckedKeys(BTreeMap<KeyBytes, Result<PublicKey, KeyError>>);

impl CheckedKeys {
    /// Does what [`KeyBytes::check`] does.
    pub fn check(&mut self, key: &KeyBytes) -> Result<PublicKey, KeyError> {
        *self.0.entry(*key).or_insert_with(|| key.check())
    }
}

/// Says whether the coordinate of an encoded point is below p = 2^255 - 19 (RFC 8032 §5.1.3).
fn is_reduced(bytes: &[u8; PublicKey::LEN]) -> bool {
    let top = bytes[31] & 0x7f;
    !(top == 0x7f && bytes[1..31].iter().all(|byte| *byte == 0xff) && bytes[0] >= 0xed)
}

/// A signature's 64 bytes, of which nothing has been checked.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Signature(pub [u8; Self::LEN]);

impl Signature {
    /// Bytes of a signature.
    pub const LEN: usize = ed25519_dalek::SIGNATURE_LENGTH;
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A secret key. It is wiped when dropped and never shown.
pub struct SecretKey(ed25519_dalek::SigningKey);

impl SecretKey {
    /// Bytes of the seed that a key is made of (RFC 8032 §5.1.5).
    pub const SEED_LEN: usize = ed25519_dalek::SECRET_KEY_LENGTH;

    /// Makes the key of a seed.
    pub fn from_seed(seed: &[u8; Self::SEED_LEN]) -> Self {
        Self(ed25519_dalek::SigningKey::from_bytes(seed))
    }

    /// Returns the seed, for sealing and for deriving subkeys.
    pub fn seed(&self) -> Zeroizing<[u8; Self::SEED_LEN]> {
        Zeroizing::new(self.0.to_bytes())
    }

    /// Returns the public key.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key())
    }

    /// Signs `bytes` of a kind.
    pub fn sign(&self, kind: Kind, bytes: &[u8]) -> Signature {
        self.sign_foreign(&kind.message(bytes))
    }

    /// Signs bytes as a foreign format lays them out. Only a key of that format alone may do so.
    pub(crate) fn sign_foreign(&self, bytes: &[u8]) -> Signature {
        Signature(self.0.sign(bytes).to_bytes())
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the secret key of {}", self.public())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::string::ToString as _;

    const ONE: Kind = Kind::new("vigil.one/1");
    const TWO: Kind = Kind::new("vigil.two/1");

    #[test]
    fn a_signature_holds_for_its_kind_and_bytes_only() {
        let key = SecretKey::from_seed(&[7; 32]);
        let signature = key.sign(ONE, b"bytes");
        let public = key.public();
        assert_eq!(public.verify(ONE, b"bytes", &signature), Ok(()));
        let mismatch = |kind| Err(VerifyError::Mismatch { signer: public.bytes(), kind });
        assert_eq!(public.verify(TWO, b"bytes", &signature), mismatch(TWO));
        assert_eq!(public.verify(ONE, b"byteS", &signature), mismatch(ONE));
        let other = SecretKey::from_seed(&[8; 32]).public();
        assert!(other.verify(ONE, b"bytes", &signature).is_err());
        for bit in 0..512 {
            let mut altered = signature;
            altered.0[bit / 8] ^= 1 << (bit % 8);
            assert!(public.verify(ONE, b"bytes", &altered).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn raw_bytes_that_spell_a_kind_are_the_only_way_to_forge_one() {
        // This is why a key that signs raw bytes is a subkey of its own.
        let key = SecretKey::from_seed(&[7; 32]);
        let signature = key.sign_foreign(b"vigil/1 vigil.one/1\0bytes");
        assert_eq!(key.public().verify(ONE, b"bytes", &signature), Ok(()));
    }

    #[test]
    fn weak_points_and_other_bytes_are_no_keys() {
        let mut identity = [0; 32];
        identity[0] = 1;
        assert_eq!(PublicKey::from_bytes(&identity), Err(KeyError::NotAKey));
        assert_eq!(PublicKey::from_bytes(&[0; 32]), Err(KeyError::NotAKey));
        assert_eq!(PublicKey::from_bytes(&[2; 32]), Err(KeyError::NotAKey));
        let good = SecretKey::from_seed(&[1; 32]).public();
        assert_eq!(PublicKey::from_bytes(good.as_bytes()), Ok(good));
    }

    #[test]
    fn a_secret_key_does_not_show_itself() {
        let key = SecretKey::from_seed(&[0xab; 32]);
        let shown = format!("{key:?} {key:#?}");
        assert!(!shown.contains("abab") && !shown.contains("171, 171"), "{shown}");
        assert!(shown.contains(&key.public().to_string()));
    }

    #[test]
    #[should_panic(expected = "a kind has no NUL")]
    fn a_kind_cannot_continue_another() {
        let _ = Kind::new("vigil.one/1\0more");
    }
}
