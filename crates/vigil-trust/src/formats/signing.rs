//! Making files in foreign formats, by whoever holds the keys: this process, or an agent.
//!
//! Each function asks for a signature of the one key that is for its format, so that what one format
//! lays out is never signed with the key of another, whatever the bytes are.

use alloc::string::String;
use alloc::vec::Vec;
use core::convert::Infallible;

use vigil_base::Vcid;

use super::dsse::{Envelope, pre_authentication_encoding};
use super::minisign::{
    MinisignError, MinisignHasher, MinisignKey, MinisignSignature, MinisignUnsigned,
};
use super::signify::{SignifyError, SignifyKey, SignifySignature, checksums};
use super::ssh_cert::{Certificate, CertificateBody, CertificateError};
use super::sshsig::{SshSignature, SshSigner, sshsig_message};
use crate::keys::{KeyBytes, PublicKey, SecretKey, Signature};
use crate::subkey::{ForeignKey, Purpose, SubkeyCertificate};

/// Whoever holds subkeys.
pub trait ForeignSigner {
    /// Why no signature was made.
    type Failure;

    /// Returns the public subkey for a format.
    ///
    /// # Errors
    /// Fails if there is none, or it cannot be asked.
    fn foreign_public(&self, purpose: Purpose) -> Result<PublicKey, Self::Failure>;

    /// Returns the owner's certificate for that subkey, where the owner's own key is at hand.
    ///
    /// # Errors
    /// Fails if it cannot be asked for.
    fn certificate(&self, purpose: Purpose) -> Result<Option<SubkeyCertificate>, Self::Failure> {
        let _ = purpose;
        Ok(None)
    }

    /// Signs bytes as the format lays them out, with the subkey for it.
    ///
    /// # Errors
    /// Fails if there is none, or it may not be used.
    fn sign_foreign(&self, purpose: Purpose, bytes: &[u8]) -> Result<Signature, Self::Failure>;
}

/// A key is for another format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the key {key} is certified for {found} alone, not for {want}")]
pub struct WrongPurpose {
    /// The key.
    pub key: KeyBytes,
    /// The format that it is for.
    pub found: Purpose,
    /// The format that was wanted.
    pub want: Purpose,
}

impl SubkeyCertificate {
    /// Returns the key, if it is certified for `want`. What verifies a foreign signature takes its key
    /// from here, so a signature by the key of one format is none in another.
    ///
    /// # Errors
    /// Refuses a certificate for another format.
    pub fn key_for(&self, want: Purpose) -> Result<&PublicKey, WrongPurpose> {
        let (key, found) = (self.subkey(), self.purpose());
        let wrong = WrongPurpose { key: key.bytes(), found, want };
        if found == want { Ok(key) } else { Err(wrong) }
    }
}

impl ForeignSigner for ForeignKey {
    type Failure = WrongPurpose;

    fn foreign_public(&self, want: Purpose) -> Result<PublicKey, WrongPurpose> {
        let (key, found) = (self.public(), self.purpose());
        let wrong = WrongPurpose { key: key.bytes(), found, want };
        if found == want { Ok(key) } else { Err(wrong) }
    }

    fn sign_foreign(&self, purpose: Purpose, bytes: &[u8]) -> Result<Signature, WrongPurpose> {
        self.foreign_public(purpose)?;
        Ok(self.sign(bytes))
    }
}

/// Whoever holds a main key holds all of its subkeys.
impl ForeignSigner for SecretKey {
    type Failure = Infallible;

    fn foreign_public(&self, purpose: Purpose) -> Result<PublicKey, Infallible> {
        Ok(self.subkey(purpose).public())
    }

    fn certificate(&self, purpose: Purpose) -> Result<Option<SubkeyCertificate>, Infallible> {
        Ok(Some(self.certify_subkey(purpose)))
    }

    fn sign_foreign(&self, purpose: Purpose, bytes: &[u8]) -> Result<Signature, Infallible> {
        Ok(self.subkey(purpose).sign(bytes))
    }
}

/// Why a file was not signed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignError<F, E> {
    /// Whoever holds the key did not sign.
    #[error("{0}")]
    Signer(F),
    /// The format cannot hold what was to be signed.
    #[error(transparent)]
    Format(E),
}

/// Signs `message` for `namespace`, as `ssh-keygen -Y sign` does. `signer` is shown to whoever
/// verifies, and has the SSH key of `by`.
///
/// # Errors
/// Fails as `by` does.
pub fn sign_ssh<S: ForeignSigner>(
    by: &S,
    signer: SshSigner,
    namespace: &str,
    message: &[u8],
) -> Result<SshSignature, S::Failure> {
    let signature = by.sign_foreign(Purpose::Ssh, &sshsig_message(namespace, message))?;
    Ok(SshSignature { signer, namespace: namespace.into(), signature })
}

/// Certifies a key as OpenSSH does. The authority in `body` is the SSH key of `by`.
///
/// # Errors
/// Refuses a body that would not be read back, and fails as `by` does.
pub fn sign_certificate<S: ForeignSigner>(
    by: &S,
    body: CertificateBody,
) -> Result<Certificate, SignError<S::Failure, CertificateError>> {
    body.check().map_err(SignError::Format)?;
    let signature = by.sign_foreign(Purpose::Ssh, &body.signed_bytes());
    Ok(body.sign_with(signature.map_err(SignError::Signer)?))
}

/// Puts a payload into an envelope.
///
/// # Errors
/// Fails as `by` does.
pub fn sign_envelope<S: ForeignSigner>(
    by: &S,
    payload_type: &str,
    payload: Vec<u8>,
) -> Result<Envelope, S::Failure> {
    let key = by.foreign_public(Purpose::Dsse)?;
    let signed = pre_authentication_encoding(payload_type, &payload);
    let signature = by.sign_foreign(Purpose::Dsse, &signed)?;
    let mut envelope = Envelope::new(payload_type, payload, &key, &signature);
    let certificate = by.certificate(Purpose::Dsse)?;
    envelope.signatures[0].certificate = certificate.map(|certificate| certificate.encode());
    Ok(envelope)
}

/// Signs the hash of `message` as minisign does, and a comment. The plain kind is not made: its bytes could
/// be those of a signature of another kind.
///
/// # Errors
/// Refuses a comment that is not one short line, and fails as `by` does.
pub fn sign_minisign<S: ForeignSigner>(
    by: &S,
    message: &[u8],
    trusted_comment: &str,
) -> Result<MinisignSignature, SignError<S::Failure, MinisignError>> {
    let mut file = MinisignHasher::default();
    file.update(message);
    sign_minisign_file(by, file, trusted_comment)
}

/// Does what [`sign_minisign`] does, for a file that came in parts.
///
/// # Errors
/// Refuses a comment that is not one short line, and fails as `by` does.
pub fn sign_minisign_file<S: ForeignSigner>(
    by: &S,
    file: MinisignHasher,
    trusted_comment: &str,
) -> Result<MinisignSignature, SignError<S::Failure, MinisignError>> {
    let key = by.foreign_public(Purpose::Minisign).map_err(SignError::Signer)?;
    let key = MinisignKey::new(key);
    let unsigned = MinisignUnsigned::hashed(&key, &file.finish(), trusted_comment);
    let unsigned = unsigned.map_err(SignError::Format)?;
    let sign = |bytes: &[u8]| by.sign_foreign(Purpose::Minisign, bytes).map_err(SignError::Signer);
    let signature = sign(unsigned.signed_bytes())?;
    let unsealed = unsigned.sign_with(signature);
    let seal = sign(&unsealed.signed_bytes())?;
    Ok(unsealed.seal_with(seal))
}

/// Signs `message` as signify does. `key_file` is the name of the file to verify with.
///
/// # Errors
/// Refuses a name that is not one short line, and fails as `by` does.
pub fn sign_signify<S: ForeignSigner>(
    by: &S,
    message: &[u8],
    key_file: &str,
) -> Result<SignifySignature, SignError<S::Failure, SignifyError>> {
    let key = by.foreign_public(Purpose::Signify).map_err(SignError::Signer)?;
    let signature = by.sign_foreign(Purpose::Signify, message).map_err(SignError::Signer)?;
    SignifySignature::new(&SignifyKey::new(key), signature, key_file).map_err(SignError::Format)
}

/// Signs a list of checksums as `signify -S -e` does: the signature, and then the list itself.
///
/// # Errors
/// Refuses a name that is not one short line, and fails as `by` does.
pub fn sign_checksums<S: ForeignSigner>(
    by: &S,
    files: &[(&str, Vcid)],
    key_file: &str,
) -> Result<String, SignError<S::Failure, SignifyError>> {
    let list = checksums(files).map_err(SignError::Format)?;
    Ok(sign_signify(by, list.as_bytes(), key_file)?.text() + &list)
}
