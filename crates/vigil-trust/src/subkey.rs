//! Subkeys: one key for each foreign format, derived from the main key and certified by it.
//!
//! Some formats sign raw bytes, so that whoever can choose those bytes could have a record of ours
//! signed. A key that signs in a foreign format therefore signs nothing else, and the certificate says
//! for which format it is. A subkey comes from the main key's seed by HKDF-SHA-256 (RFC 5869): what is
//! recovered or unsealed brings all of them back.

use alloc::format;
use alloc::vec::Vec;
use core::fmt;

use hkdf::Hkdf;
use sha2::Sha256;
use vigil_base::cbor::{DecodeError, Decoder, Encoder};
use vigil_base::{Blame, Blamed};
use zeroize::Zeroizing;

use crate::keys::{KeyError, Kind, PublicKey, SecretKey, Signature, VerifyError};

/// The kind of [`SubkeyCertificate`].
const KIND: Kind = Kind::new("vigil.subkey/1");

/// The tag of the record that joins the signed bytes and the signature.
const SIGNED: &str = "vigil.signed-subkey/1";

/// The one format that a subkey signs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Purpose {
    /// OpenSSH: SSHSIG, certificates, logins, signed git objects.
    Ssh,
    /// minisign.
    Minisign,
    /// signify, which signs raw bytes.
    Signify,
    /// DSSE envelopes.
    Dsse,
    /// Signed notes: checkpoints and cosignatures of transparency logs.
    Note,
    /// TLS 1.3 handshakes.
    Tls,
}

impl Purpose {
    /// All purposes.
    pub const ALL: [Self; 6] =
        [Self::Ssh, Self::Minisign, Self::Signify, Self::Dsse, Self::Note, Self::Tls];

    /// Returns the word that stands for it in certificates and in `--json`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ssh => "ssh",
            Self::Minisign => "minisign",
            Self::Signify => "signify",
            Self::Dsse => "dsse",
            Self::Note => "note",
            Self::Tls => "tls",
        }
    }

    /// Reads such a word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|purpose| purpose.as_str() == word)
    }
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A secret key that signs in one foreign format alone.
pub struct ForeignKey {
    purpose: Purpose,
    key: SecretKey,
}

impl ForeignKey {
    /// Returns the one format that it signs in.
    pub fn purpose(&self) -> Purpose {
        self.purpose
    }

    /// Returns the public key.
    pub fn public(&self) -> PublicKey {
        self.key.public()
    }

    /// Returns the seed, for a format that stores secret keys itself.
    pub fn seed(&self) -> Zeroizing<[u8; SecretKey::SEED_LEN]> {
        self.key.seed()
    }

    /// Signs bytes as the format lays them out.
    pub fn sign(&self, bytes: &[u8]) -> Signature {
        self.key.sign_foreign(bytes)
    }

    /// Checks a signature of the subkey `public` over bytes as the format lays them out; says whether it
    /// holds, by the strict rules.
    pub fn verifies(public: &PublicKey, bytes: &[u8], signature: &Signature) -> bool {
        public.verify_foreign(bytes, signature).is_ok()
    }
}

impl fmt::Debug for ForeignKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the secret {} key of {}", self.purpose, self.public())
    }
}

impl SecretKey {
    /// Derives the key that signs in one foreign format.
    pub fn subkey(&self, purpose: Purpose) -> ForeignKey {
        let seed = self.seed();
        let info = format!("vigil/1 subkey {purpose}\0");
        let mut derived = Zeroizing::new([0; Self::SEED_LEN]);
        Hkdf::<Sha256>::new(None, &*seed)
            .expand(info.as_bytes(), &mut *derived)
            .expect("32 bytes are within what HKDF gives");
        ForeignKey { purpose, key: Self::from_seed(&derived) }
    }

    /// Certifies the key that signs in one foreign format.
    pub fn certify_subkey(&self, purpose: Purpose) -> SubkeyCertificate {
        let (owner, subkey) = (self.public(), self.subkey(purpose).public());
        let signature = self.sign(KIND, &body(&owner, purpose, &subkey));
        SubkeyCertificate { owner, purpose, subkey, signature }
    }
}

/// Says that a key signs for an owner in one foreign format. Holding a value means that the owner's
/// signature was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubkeyCertificate {
    owner: PublicKey,
    purpose: Purpose,
    subkey: PublicKey,
    signature: Signature,
}

/// Why bytes are not the certificate of a subkey.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SubkeyError {
    /// The bytes are not such a record.
    #[error("this is not the certificate of a subkey")]
    Decode(#[from] DecodeError),
    /// A key in it is none.
    #[error("the certificate of a subkey holds something that is not a key")]
    Key(#[from] KeyError),
    /// It is for a format that is not known here.
    #[error("the subkey is for a format that is not known here")]
    Purpose,
    /// The owner did not sign it.
    #[error("the owner did not sign the certificate of this subkey")]
    Signature(#[from] VerifyError),
}

impl Blamed for SubkeyError {
    fn blame(&self) -> Blame {
        Blame::Caller
    }
}

/// What the owner signs.
fn body(owner: &PublicKey, purpose: Purpose, subkey: &PublicKey) -> Vec<u8> {
    let mut encoder = Encoder::record(KIND.as_str(), 4);
    encoder.bytes(owner.as_bytes());
    encoder.text(purpose.as_str());
    encoder.bytes(subkey.as_bytes());
    encoder.finish()
}

impl SubkeyCertificate {
    /// Returns who certifies.
    pub fn owner(&self) -> &PublicKey {
        &self.owner
    }

    /// Returns the one format.
    pub fn purpose(&self) -> Purpose {
        self.purpose
    }

    /// Returns the key that signs in it.
    pub fn subkey(&self) -> &PublicKey {
        &self.subkey
    }

    /// Returns the bytes: the signed record and the signature, in an array.
    pub fn encode(&self) -> Vec<u8> {
        let mut encoder = Encoder::record(SIGNED, 3);
        encoder.bytes(&body(&self.owner, self.purpose, &self.subkey));
        encoder.bytes(&self.signature.0);
        encoder.finish()
    }

    /// Reads bytes and checks the owner's signature.
    ///
    /// # Errors
    /// Fails for bytes that are not canonical, and for a signature that does not hold.
    pub fn decode(bytes: &[u8]) -> Result<Self, SubkeyError> {
        let mut outer = Decoder::record(bytes, SIGNED, 3)?;
        let signed = outer.bytes()?;
        let signature = Signature(outer.byte_array()?);
        outer.finish()?;
        let mut decoder = Decoder::record(signed, KIND.as_str(), 4)?;
        let owner = PublicKey::from_bytes(&decoder.byte_array()?)?;
        let purpose = Purpose::from_word(decoder.text()?).ok_or(SubkeyError::Purpose)?;
        let subkey = PublicKey::from_bytes(&decoder.byte_array()?)?;
        decoder.finish()?;
        owner.verify(KIND, signed, &signature)?;
        Ok(Self { owner, purpose, subkey, signature })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeSet;

    #[test]
    fn each_purpose_has_a_key_of_its_own() {
        let key = SecretKey::from_seed(&[1; 32]);
        let mut keys: BTreeSet<PublicKey> =
            Purpose::ALL.into_iter().map(|purpose| key.subkey(purpose).public()).collect();
        keys.insert(key.public());
        assert_eq!(keys.len(), Purpose::ALL.len() + 1);
        assert_eq!(key.subkey(Purpose::Ssh).public(), key.subkey(Purpose::Ssh).public());
        assert!(Purpose::ALL.into_iter().all(|p| Purpose::from_word(p.as_str()) == Some(p)));
    }

    #[test]
    fn every_bit_of_a_certificate_counts() {
        let key = SecretKey::from_seed(&[1; 32]);
        let certificate = key.certify_subkey(Purpose::Signify);
        let bytes = certificate.encode();
        assert_eq!(SubkeyCertificate::decode(&bytes), Ok(certificate));
        for bit in 0..bytes.len() * 8 {
            let mut altered = bytes.clone();
            altered[bit / 8] ^= 1 << (bit % 8);
            assert!(SubkeyCertificate::decode(&altered).is_err(), "bit {bit}");
        }
        assert!((0..bytes.len()).all(|cut| SubkeyCertificate::decode(&bytes[..cut]).is_err()));
    }

    #[test]
    fn a_certificate_for_one_format_is_none_for_another() {
        let key = SecretKey::from_seed(&[1; 32]);
        let mut certificate = key.certify_subkey(Purpose::Signify);
        certificate.purpose = Purpose::Ssh;
        let refused = SubkeyCertificate::decode(&certificate.encode());
        assert!(matches!(refused, Err(SubkeyError::Signature(_))), "{refused:?}");
    }
}
