//! signify's keys and signatures (OpenBSD's `signify(1)`): plain Ed25519 over the file.
//!
//! The second line of a signature is, byte for byte, that of minisign's legacy kind, which is why
//! each of the two has a key of its own.

use alloc::string::{String, ToString as _};

use vigil_base::Vcid;

use super::comment::{self, COMMENT_BYTES_MAX, KeyNumber, PLAIN, is_comment};
use super::minisign::{key_bytes, key_number, parse_key_bytes};
use crate::keys::{KeyError, PublicKey, Signature};

/// A key as signify knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignifyKey {
    /// The number by which it is looked up.
    pub number: KeyNumber,
    /// The key.
    pub key: PublicKey,
}

/// A signature file. Nobody has verified it yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignifySignature {
    /// A line that nobody signed.
    pub comment: String,
    /// The number of the key that says to have signed.
    pub number: KeyNumber,
    /// The signature over the file.
    pub signature: Signature,
}

/// Why something is no key or signature of signify's, or a wrong one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignifyError {
    /// The text does not have the two lines of a key.
    #[error("the text is no signify key: an untrusted comment and a line of base64 are expected")]
    KeyText,
    /// The key is none.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The text does not have the two lines of a signature.
    #[error(
        "the text is no signify signature: an untrusted comment and a line of base64 are expected"
    )]
    SignatureText,
    /// The algorithm is not `Ed`.
    #[error("the algorithm is not `Ed`")]
    Algorithm,
    /// A comment has control characters, or is too long.
    #[error("a comment is one line of less than {COMMENT_BYTES_MAX} bytes")]
    Comment,
    /// A file's name would be read as something else.
    #[error(
        "`{name}` cannot stand in a list of checksums: it is empty, too long, or has brackets or control characters"
    )]
    Name {
        /// The name, cut to 80 characters.
        name: String,
    },
    /// Another key signed.
    #[error("the signature is by the key {found:02x?}, not by {want:02x?}")]
    Number {
        /// The number in the signature.
        found: KeyNumber,
        /// The number of the key.
        want: KeyNumber,
    },
    /// The signature is wrong.
    #[error("the signature is not one of its key over this file")]
    Wrong,
}

/// Longest name of a file in a list of checksums, in bytes: signify reads no more.
const NAME_BYTES_MAX: usize = 255;

/// Writes checksums as `sha256(1)` of the BSDs does, and `signify -C` reads them.
pub(super) fn checksums(files: &[(&str, Vcid)]) -> Result<String, SignifyError> {
    let mut list = String::new();
    for (name, vcid) in files {
        let is_wrong = |c: char| c.is_control() || matches!(c, '(' | ')');
        if name.is_empty() || name.len() > NAME_BYTES_MAX || name.contains(is_wrong) {
            return Err(SignifyError::Name { name: name.chars().take(80).collect() });
        }
        list += &alloc::format!("SHA256 ({name}) = {}\n", vcid.to_hex());
    }
    Ok(list)
}

impl SignifyKey {
    /// Numbers a key by the first bytes of the SHA-256 of it.
    pub fn new(key: PublicKey) -> Self {
        Self { number: key_number(&key), key }
    }

    /// Returns the text of a `.pub` file.
    ///
    /// # Errors
    /// Refuses a name that is not one line of less than 1024 bytes with what follows it.
    pub fn text(&self, name: &str) -> Result<String, SignifyError> {
        let comment = alloc::format!("{name} public key");
        if !is_comment(&comment) {
            return Err(SignifyError::Comment);
        }
        Ok(comment::write(&comment, &key_bytes(&self.number, &self.key)))
    }

    /// Reads the text of a `.pub` file.
    ///
    /// # Errors
    /// Refuses other algorithms and other texts.
    pub fn parse(text: &str) -> Result<Self, SignifyError> {
        let (_, bytes, rest) = comment::read(text).ok_or(SignifyError::KeyText)?;
        let (number, key) = parse_key_bytes(&bytes).ok_or(SignifyError::KeyText)?;
        if !rest.is_empty() {
            return Err(SignifyError::KeyText);
        }
        Ok(Self { number, key: PublicKey::from_bytes(key)? })
    }
}

impl SignifySignature {
    /// Joins a key and its signature over a file, which is over the bytes as they are. `key_file` is
    /// what people are told to verify with, such as `laptop.pub`.
    ///
    /// # Errors
    /// Refuses a name that is not one line of less than 1024 bytes with what stands before it.
    pub fn new(
        key: &SignifyKey,
        signature: Signature,
        key_file: &str,
    ) -> Result<Self, SignifyError> {
        let comment = alloc::format!("verify with {key_file}");
        if !is_comment(&comment) {
            return Err(SignifyError::Comment);
        }
        Ok(Self { comment, number: key.number, signature })
    }

    /// Returns the text of a `.sig` file.
    pub fn text(&self) -> String {
        let bytes = [&PLAIN[..], &self.number, &self.signature.0].concat();
        comment::write(&self.comment, &bytes)
    }

    /// Reads the text of a `.sig` file, and verifies nothing.
    ///
    /// # Errors
    /// Returns in what it differs from one.
    pub fn parse(text: &str) -> Result<Self, SignifyError> {
        const WRONG: SignifyError = SignifyError::SignatureText;
        let (comment, bytes, rest) = comment::read(text).ok_or(WRONG)?;
        let (algorithm, bytes) = bytes.split_first_chunk::<2>().ok_or(WRONG)?;
        if *algorithm != PLAIN {
            return Err(SignifyError::Algorithm);
        }
        let (number, signature) = bytes.split_first_chunk::<8>().ok_or(WRONG)?;
        let signature = Signature(signature.try_into().map_err(|_| WRONG)?);
        if !rest.is_empty() {
            return Err(WRONG);
        }
        Ok(Self { comment: comment.to_string(), number: *number, signature })
    }

    /// Verifies that `key` signed `message`.
    ///
    /// # Errors
    /// Returns the first reason against it: which key, then the signature.
    pub fn verify(&self, key: &SignifyKey, message: &[u8]) -> Result<(), SignifyError> {
        if self.number != key.number {
            return Err(SignifyError::Number { found: self.number, want: key.number });
        }
        key.key.verify_foreign(message, &self.signature).map_err(|()| SignifyError::Wrong)
    }
}
