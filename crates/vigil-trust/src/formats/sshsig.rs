//! Signatures over files by SSH keys (`PROTOCOL.sshsig` of OpenSSH), as `ssh-keygen -Y` makes and
//! verifies them and git stores them.
//!
//! The namespace says what a signature is for, and is signed: a signature over a git commit is none
//! over a file. SHA-512 is the only hash that is taken.

use alloc::boxed::Box;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use sha2::{Digest as _, Sha512};

use super::armour;
use super::ssh_cert::{
    CERTIFICATE, Certificate, CertificateError, parse_signature_blob, signature_blob,
};
use super::ssh_key::{SshKeyError, excerpt, key_blob, parse_key_blob};
use super::wire::{Reader, WireError, put_string};
use crate::keys::{PublicKey, Signature};

const MAGIC: &[u8; 6] = b"SSHSIG";
const VERSION: u32 = 1;
const HASH: &str = "sha512";
const HASH_BYTES: usize = 64;
const FIRST_LINE: &str = "-----BEGIN SSH SIGNATURE-----";
const LAST_LINE: &str = "-----END SSH SIGNATURE-----";
/// The length of a line, as OpenSSH writes it.
const COLUMNS: usize = 70;
/// A certificate with all the names that it may have is 70 kB; nothing longer is a signature.
const BYTES_MAX: usize = 128 << 10;

/// Who says to have signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SshSigner {
    /// A key as it is.
    Key(PublicKey),
    /// A key with somebody's word for it.
    Certified(Box<Certificate>),
}

/// A signature over a file. Nobody has verified it yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SshSignature {
    /// Who says to have signed.
    pub signer: SshSigner,
    /// What the signature is for.
    pub namespace: String,
    /// The signature.
    pub signature: Signature,
}

/// Why something is no signature, or a wrong one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SshsigError {
    /// The text has no `BEGIN SSH SIGNATURE` and `END` around base64.
    #[error("the text is no SSH signature: `{FIRST_LINE}`, base64 and `{LAST_LINE}` are expected")]
    Armour,
    /// The bytes do not start with `SSHSIG`.
    #[error("the bytes do not start with `SSHSIG`")]
    Magic,
    /// The bytes are no such structure.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// The key or the signature in it is of another kind.
    #[error(transparent)]
    Key(#[from] SshKeyError),
    /// The certificate in it is of another kind.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// The version is another.
    #[error("the signature has version {found}, and only {VERSION} is known")]
    Version {
        /// The version.
        found: u32,
    },
    /// No namespace is given.
    #[error("the signature says nothing about what it is for")]
    NoNamespace,
    /// The namespace is another.
    #[error("the signature is for `{found}`, not for `{want}`")]
    Namespace {
        /// What it is for.
        found: String,
        /// What it should be for.
        want: String,
    },
    /// The reserved field is not empty.
    #[error("the signature's reserved field is not empty")]
    Reserved,
    /// The hash is another.
    #[error("the signature is over a `{found}` hash, and only `{HASH}` is taken")]
    Hash {
        /// The hash, cut to 64 characters.
        found: String,
    },
    /// The signature is wrong.
    #[error("the signature is not one of its key over this file")]
    Wrong,
}

/// Returns the bytes that a key signs to sign `message` for `namespace`.
pub fn sshsig_message(namespace: &str, message: &[u8]) -> Vec<u8> {
    let mut out = Vec::from(MAGIC);
    put_string(&mut out, namespace.as_bytes());
    put_string(&mut out, &[]);
    put_string(&mut out, HASH.as_bytes());
    put_string(&mut out, &Sha512::digest(message));
    out
}

/// Returns for what the bytes that an agent is asked to sign are, if they are such as
/// [`sshsig_message`] returns and nothing else, such as a login.
///
/// # Errors
/// Returns in what they differ.
pub fn sshsig_namespace(signed: &[u8]) -> Result<&str, SshsigError> {
    let rest = signed.strip_prefix(MAGIC).ok_or(SshsigError::Magic)?;
    let mut reader = Reader::new(rest);
    let namespace = reader.text("namespace")?;
    if namespace.is_empty() {
        return Err(SshsigError::NoNamespace);
    }
    if !reader.string("reserved")?.is_empty() {
        return Err(SshsigError::Reserved);
    }
    let hash = reader.string("hash algorithm")?;
    if hash != HASH.as_bytes() {
        return Err(SshsigError::Hash { found: excerpt(hash) });
    }
    let found = reader.string("hash")?.len();
    if found != HASH_BYTES {
        return Err(WireError::Length { field: "hash", found, want: HASH_BYTES }.into());
    }
    reader.finish()?;
    Ok(namespace)
}

impl SshSigner {
    /// Returns the key that signed.
    pub fn key(&self) -> &PublicKey {
        match self {
            Self::Key(key) => key,
            Self::Certified(certificate) => &certificate.body.key,
        }
    }

    /// Returns the key or certificate as SSH sends it.
    pub fn blob(&self) -> Vec<u8> {
        match self {
            Self::Key(key) => key_blob(key),
            Self::Certified(certificate) => certificate.encode(),
        }
    }

    fn decode(blob: &[u8]) -> Result<Self, SshsigError> {
        if Reader::new(blob).string("kind")? == CERTIFICATE.as_bytes() {
            return Ok(Self::Certified(Box::new(Certificate::decode(blob)?)));
        }
        Ok(Self::Key(parse_key_blob(blob)?))
    }
}

impl SshSignature {
    /// Returns the bytes inside the armour.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::from(MAGIC);
        out.extend(VERSION.to_be_bytes());
        put_string(&mut out, &self.signer.blob());
        put_string(&mut out, self.namespace.as_bytes());
        put_string(&mut out, &[]);
        put_string(&mut out, HASH.as_bytes());
        put_string(&mut out, &signature_blob(&self.signature));
        out
    }

    /// Reads the bytes inside the armour, and verifies nothing.
    ///
    /// # Errors
    /// Returns in what the bytes differ from such a signature.
    pub fn decode(bytes: &[u8]) -> Result<Self, SshsigError> {
        let rest = bytes.strip_prefix(MAGIC).ok_or(SshsigError::Magic)?;
        let mut reader = Reader::new(rest);
        let found = reader.u32("version")?;
        if found != VERSION {
            return Err(SshsigError::Version { found });
        }
        let signer = SshSigner::decode(reader.string("public key")?)?;
        let namespace = reader.text("namespace")?.to_string();
        if namespace.is_empty() {
            return Err(SshsigError::NoNamespace);
        }
        if !reader.string("reserved")?.is_empty() {
            return Err(SshsigError::Reserved);
        }
        let hash = reader.string("hash algorithm")?;
        if hash != HASH.as_bytes() {
            return Err(SshsigError::Hash { found: excerpt(hash) });
        }
        let signature = parse_signature_blob(reader.string("signature")?)?;
        reader.finish()?;
        Ok(Self { signer, namespace, signature })
    }

    /// Returns the text that `ssh-keygen -Y sign` would write.
    pub fn text(&self) -> String {
        let mut text = String::from(FIRST_LINE);
        text.push('\n');
        text.push_str(&armour::encode_lines(&self.encode(), COLUMNS));
        text.push_str(LAST_LINE);
        text.push('\n');
        text
    }

    /// Reads the text that `ssh-keygen -Y sign` writes; lines may have any length.
    ///
    /// # Errors
    /// Returns in what the text differs from such a signature.
    pub fn parse(text: &str) -> Result<Self, SshsigError> {
        if text.len() > 2 * BYTES_MAX {
            return Err(SshsigError::Armour);
        }
        let inner = text.trim_end().strip_prefix(FIRST_LINE).ok_or(SshsigError::Armour)?;
        let inner = inner.strip_suffix(LAST_LINE).ok_or(SshsigError::Armour)?;
        let inner: String = inner.chars().filter(|c| !matches!(c, '\r' | '\n')).collect();
        Self::decode(&armour::decode(&inner).ok_or(SshsigError::Armour)?)
    }

    /// Verifies that the signer's key signed `message` for `namespace`. Who the signer is, is still
    /// for a certificate or a list to say.
    ///
    /// # Errors
    /// Refuses another namespace by name, and everything else as wrong.
    pub fn verify(&self, namespace: &str, message: &[u8]) -> Result<(), SshsigError> {
        if self.namespace != namespace {
            let (found, want) = (self.namespace.clone(), namespace.to_string());
            return Err(SshsigError::Namespace { found, want });
        }
        let signed = sshsig_message(namespace, message);
        let verified = self.signer.key().verify_foreign(&signed, &self.signature);
        verified.map_err(|()| SshsigError::Wrong)
    }
}
