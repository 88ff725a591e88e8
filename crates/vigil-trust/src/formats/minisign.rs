//! minisign's keys and signatures (<https://jedisct1.github.io/minisign/>, "Signature format").
//!
//! A file holds two signatures: one over the file, or over its BLAKE2b-512 (`ED`, the way of today),
//! and one over the first and the trusted comment. A minisign key therefore signs raw bytes in three
//! ways that no prefix tells apart: the bytes that the second signature covers are also a message of
//! the plain kind. So we sign hashes only, a plain signature is taken only where the caller asks for
//! it, and the key is certified for minisign alone.

use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use blake2::Blake2b512;
use blake2::digest::Digest as _;

use super::armour;
use super::comment::{self, COMMENT_BYTES_MAX, KeyNumber, PLAIN, is_comment, split_line};
use crate::keys::{KeyError, PublicKey, Signature};

const TRUSTED: &str = "trusted comment: ";
const HASHED: [u8; 2] = *b"ED";

/// Whether the file itself is signed, or its hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prehash {
    /// The file itself: minisign's legacy way.
    None,
    /// Its BLAKE2b-512.
    Blake2b,
}

/// A key as minisign knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MinisignKey {
    /// The number by which it is looked up.
    pub number: KeyNumber,
    /// The key.
    pub key: PublicKey,
}

/// A signature file. Nobody has verified it yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MinisignSignature {
    /// A line that nobody signed.
    pub untrusted_comment: String,
    /// The number of the key that says to have signed.
    pub number: KeyNumber,
    /// Over what the first signature is.
    pub prehash: Prehash,
    /// The signature over the file.
    pub signature: Signature,
    /// A line that is signed.
    pub trusted_comment: String,
    /// The signature over the first one and the line.
    pub comment_signature: Signature,
}

/// Why something is no key or signature of minisign's, or a wrong one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MinisignError {
    /// The text does not have the lines of a key.
    #[error("the text is no minisign key: an untrusted comment and a line of base64 are expected")]
    KeyText,
    /// The key is none.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The text does not have the lines of a signature.
    #[error(
        "the text is no minisign signature: an untrusted comment, base64, a trusted comment, and base64 are expected"
    )]
    SignatureText,
    /// The algorithm is neither `Ed` nor `ED`.
    #[error("the algorithm is neither `Ed` nor `ED`")]
    Algorithm,
    /// A comment has control characters, or is too long.
    #[error("a comment is one line of less than {COMMENT_BYTES_MAX} bytes")]
    Comment,
    /// Another key signed.
    #[error("the signature is by the key {found}, not by {want}")]
    Number {
        /// The number in the signature, as minisign prints it.
        found: String,
        /// The number of the key.
        want: String,
    },
    /// The file itself is signed, and that was not asked for.
    #[error("the signature is of the legacy kind, over the file and not over its hash")]
    Legacy,
    /// The signature over the file is wrong.
    #[error("the signature is not one of its key over this file")]
    Wrong,
    /// The signature over the trusted comment is wrong.
    #[error("the trusted comment is not the one that was signed")]
    WrongComment,
}

/// Prints a number as minisign does.
fn shown(number: &KeyNumber) -> String {
    alloc::format!("{:016X}", u64::from_le_bytes(*number))
}

impl MinisignKey {
    /// Numbers a key by the first bytes of the SHA-256 of it.
    pub fn new(key: PublicKey) -> Self {
        Self { number: key_number(&key), key }
    }

    /// Returns the text of a `minisign.pub`.
    pub fn text(&self) -> String {
        let comment = alloc::format!("minisign public key {}", shown(&self.number));
        comment::write(&comment, &key_bytes(&self.number, &self.key))
    }

    /// Reads the text of a `minisign.pub`, or its second line alone, as `minisign -P` takes it.
    ///
    /// # Errors
    /// Refuses other algorithms and other texts.
    pub fn parse(text: &str) -> Result<Self, MinisignError> {
        let bytes = match comment::read(text) {
            Some((_, bytes, _)) => bytes,
            None => armour::decode(text.trim_end()).ok_or(MinisignError::KeyText)?,
        };
        let (number, key) = parse_key_bytes(&bytes).ok_or(MinisignError::KeyText)?;
        Ok(Self { number, key: PublicKey::from_bytes(key)? })
    }
}

/// The first 8 bytes of the SHA-256 of a key.
pub(super) fn key_number(key: &PublicKey) -> KeyNumber {
    use sha2::{Digest as _, Sha256};
    let digest: [u8; 32] = Sha256::digest(key.as_bytes()).into();
    let mut number = KeyNumber::default();
    number.copy_from_slice(&digest[..8]);
    number
}

/// Writes a key as both programs do.
pub(super) fn key_bytes(number: &KeyNumber, key: &PublicKey) -> Vec<u8> {
    [&PLAIN[..], number, key.as_bytes()].concat()
}

/// Reads a key as both programs do.
pub(super) fn parse_key_bytes(bytes: &[u8]) -> Option<(KeyNumber, &[u8; PublicKey::LEN])> {
    let (number, key) = bytes.strip_prefix(&PLAIN)?.split_first_chunk::<8>()?;
    Some((*number, key.try_into().ok()?))
}

impl Prehash {
    fn algorithm(self) -> [u8; 2] {
        match self {
            Self::None => PLAIN,
            Self::Blake2b => HASHED,
        }
    }

    /// Returns the bytes that the first signature is over.
    pub fn signed_bytes(self, message: &[u8]) -> Vec<u8> {
        match self {
            Self::None => message.to_vec(),
            Self::Blake2b => Blake2b512::digest(message).to_vec(),
        }
    }
}

/// The hash that minisign signs, of a file that comes in parts.
#[derive(Clone, Debug, Default)]
pub struct MinisignHasher(Blake2b512);

impl MinisignHasher {
    /// Takes the next part.
    pub fn update(&mut self, part: &[u8]) {
        self.0.update(part);
    }

    /// Returns the BLAKE2b-512 of all parts.
    pub fn finish(self) -> [u8; 64] {
        self.0.finalize().into()
    }
}

/// A signature over a file, before the comment is signed: making one takes two signatures, and the
/// second is over the first.
#[derive(Clone, Debug)]
pub struct MinisignUnsealed {
    number: KeyNumber,
    prehash: Prehash,
    signature: Signature,
    trusted_comment: String,
}

/// A file to sign.
#[derive(Clone, Debug)]
pub struct MinisignUnsigned {
    number: KeyNumber,
    prehash: Prehash,
    signed_bytes: Vec<u8>,
    trusted_comment: String,
}

impl MinisignUnsigned {
    /// Prepares signing `message` with `key`.
    ///
    /// # Errors
    /// Refuses a comment that is not one line of less than 1024 bytes.
    pub fn new(
        key: &MinisignKey,
        prehash: Prehash,
        message: &[u8],
        trusted_comment: &str,
    ) -> Result<Self, MinisignError> {
        Self::over(key, prehash, prehash.signed_bytes(message), trusted_comment)
    }

    /// Prepares signing a file of which [`MinisignHasher`] made `hash`.
    ///
    /// # Errors
    /// Refuses a comment that is not one line of less than 1024 bytes.
    pub fn hashed(
        key: &MinisignKey,
        hash: &[u8; 64],
        trusted_comment: &str,
    ) -> Result<Self, MinisignError> {
        Self::over(key, Prehash::Blake2b, hash.to_vec(), trusted_comment)
    }

    fn over(
        key: &MinisignKey,
        prehash: Prehash,
        signed_bytes: Vec<u8>,
        trusted_comment: &str,
    ) -> Result<Self, MinisignError> {
        if !is_comment(trusted_comment) {
            return Err(MinisignError::Comment);
        }
        let (number, trusted_comment) = (key.number, trusted_comment.to_string());
        Ok(Self { number, prehash, signed_bytes, trusted_comment })
    }

    /// Returns the bytes that the key signs first.
    pub fn signed_bytes(&self) -> &[u8] {
        &self.signed_bytes
    }

    /// Takes the first signature.
    pub fn sign_with(self, signature: Signature) -> MinisignUnsealed {
        let Self { number, prehash, trusted_comment, .. } = self;
        MinisignUnsealed { number, prehash, signature, trusted_comment }
    }
}

impl MinisignUnsealed {
    /// Returns the bytes that the key signs second.
    pub fn signed_bytes(&self) -> Vec<u8> {
        [&self.signature.0[..], self.trusted_comment.as_bytes()].concat()
    }

    /// Takes the second signature.
    pub fn seal_with(self, comment_signature: Signature) -> MinisignSignature {
        let untrusted_comment = "signature from a minisign secret key".to_string();
        let Self { number, prehash, signature, trusted_comment } = self;
        MinisignSignature {
            untrusted_comment,
            number,
            prehash,
            signature,
            trusted_comment,
            comment_signature,
        }
    }
}

impl MinisignSignature {
    /// Returns the text of a `.minisig` file.
    pub fn text(&self) -> String {
        let bytes = [&self.prehash.algorithm()[..], &self.number, &self.signature.0].concat();
        let mut text = comment::write(&self.untrusted_comment, &bytes);
        text.push_str(TRUSTED);
        text.push_str(&self.trusted_comment);
        text.push('\n');
        text.push_str(&armour::encode(&self.comment_signature.0));
        text.push('\n');
        text
    }

    /// Reads the text of a `.minisig` file, and verifies nothing.
    ///
    /// # Errors
    /// Returns in what it differs from one.
    pub fn parse(text: &str) -> Result<Self, MinisignError> {
        const WRONG: MinisignError = MinisignError::SignatureText;
        let (untrusted, bytes, rest) = comment::read(text).ok_or(WRONG)?;
        let (algorithm, rest_of_bytes) = bytes.split_first_chunk::<2>().ok_or(WRONG)?;
        let prehash = match *algorithm {
            PLAIN => Prehash::None,
            HASHED => Prehash::Blake2b,
            _ => return Err(MinisignError::Algorithm),
        };
        let (number, signature) = rest_of_bytes.split_first_chunk::<8>().ok_or(WRONG)?;
        let signature = Signature(signature.try_into().map_err(|_| WRONG)?);
        let (third, rest) = split_line(rest);
        let trusted = third.strip_prefix(TRUSTED).ok_or(WRONG)?;
        if !is_comment(trusted) {
            return Err(MinisignError::Comment);
        }
        let (fourth, rest) = split_line(rest);
        let seal = armour::decode(fourth).ok_or(WRONG)?;
        if !rest.is_empty() {
            return Err(WRONG);
        }
        Ok(Self {
            untrusted_comment: untrusted.to_string(),
            number: *number,
            prehash,
            signature,
            trusted_comment: trusted.to_string(),
            comment_signature: Signature(seal.as_slice().try_into().map_err(|_| WRONG)?),
        })
    }

    /// Verifies both signatures, and returns the trusted comment. `is_legacy_fine` also takes a
    /// signature over the file itself.
    ///
    /// # Errors
    /// Returns the first reason against it: which key, which kind, the file, the comment.
    pub fn verify(
        &self,
        key: &MinisignKey,
        message: &[u8],
        is_legacy_fine: bool,
    ) -> Result<&str, MinisignError> {
        if self.number != key.number {
            let (found, want) = (shown(&self.number), shown(&key.number));
            return Err(MinisignError::Number { found, want });
        }
        if self.prehash == Prehash::None && !is_legacy_fine {
            return Err(MinisignError::Legacy);
        }
        let signed = self.prehash.signed_bytes(message);
        key.key.verify_foreign(&signed, &self.signature).map_err(|()| MinisignError::Wrong)?;
        let sealed = [&self.signature.0[..], self.trusted_comment.as_bytes()].concat();
        let verified = key.key.verify_foreign(&sealed, &self.comment_signature);
        verified.map_err(|()| MinisignError::WrongComment)?;
        Ok(&self.trusted_comment)
    }
}
