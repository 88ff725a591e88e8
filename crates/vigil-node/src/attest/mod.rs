//! Attestations in an ordinary git repository: signed files about bytes that lie elsewhere.
//!
//! Each is one in-toto statement in a DSSE envelope, `attestations/HASH.json`, with an SSH signature
//! over that file beside it, in a signed commit. HASH is the SHA-256 of the file, so that saying the same
//! thing twice gives the same file, and two machines that say it give two. git holds hashes; the bytes stay in the store.
//!
//! Invariants:
//! - nothing of the repository is changed but the files named here, and one commit is added;
//! - what verifies here needs no git: a file and its signature say everything.

mod check;
mod repository;
mod said;

pub use check::{Checked, Refusal, check, domain_of};
pub use repository::{Found, Repository, RepositoryError, Signing, read_all};
pub use said::{FeedWords, revoked};

use vigil_base::Vcid;
use vigil_trust::attestations::{AttestationEntry, AttestationError};
use vigil_trust::formats::{
    Certificate, ForeignSigner, InTotoStatement, NAMESPACE_ATTESTATION, STATEMENT_MEDIA_TYPE,
    SshSigner, sign_envelope, sign_ssh,
};

/// The folder of a repository that attestations lie in.
pub const FOLDER: &str = "attestations";

/// A signed statement, as the files of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attestation {
    /// The hash of the envelope, which names the files.
    pub hash: Vcid,
    /// The envelope.
    pub envelope: String,
    /// The SSH signature over the envelope's bytes.
    pub signature: String,
}

impl Attestation {
    /// Signs a statement twice: as an envelope, and that as a file.
    ///
    /// # Errors
    /// Fails as `by` does.
    pub fn sign<S: ForeignSigner>(
        by: &S,
        certificate: &Certificate,
        statement: &InTotoStatement,
    ) -> Result<Self, S::Failure> {
        let payload = statement.json().into_bytes();
        let mut envelope = sign_envelope(by, STATEMENT_MEDIA_TYPE, payload)?.json();
        envelope.push('\n');
        let signer = SshSigner::Certified(Box::new(certificate.clone()));
        let signed = sign_ssh(by, signer, NAMESPACE_ATTESTATION, envelope.as_bytes())?;
        let hash = Vcid::of(envelope.as_bytes());
        Ok(Self { hash, signature: signed.text(), envelope })
    }

    /// Returns what the machine's feed is to say of it.
    ///
    /// # Errors
    /// Refuses what an entry does not hold, such as subjects without a SHA-256.
    pub fn entry(&self, statement: &InTotoStatement) -> Result<AttestationEntry, AttestationError> {
        entry_of(self.hash, statement)
    }

    /// Returns the names of its two files inside the repository.
    pub fn paths(&self) -> [String; 2] {
        let path = format!("{FOLDER}/{}.json", self.hash.to_hex());
        let signature = format!("{path}.sig");
        [path, signature]
    }
}

/// Returns what a feed says of an envelope that has this hash and holds this statement.
fn entry_of(
    envelope: Vcid,
    statement: &InTotoStatement,
) -> Result<AttestationEntry, AttestationError> {
    let digests = statement.subjects.iter().map(|subject| {
        let hex = subject.digests.get("sha256").ok_or(AttestationError::Subjects)?;
        Vcid::from_hex(hex).map_err(|_| AttestationError::Subjects)
    });
    let subjects: Vec<Vcid> = digests.collect::<Result<_, _>>()?;
    AttestationEntry::new(envelope, &statement.predicate_type, subjects)
}
