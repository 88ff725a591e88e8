//! Verifying an attestation: pure, and in the order in which trust flows.

use vigil_base::Vcid;
use vigil_trust::formats::{
    AllowedSigners, Envelope, EnvelopeError, InTotoStatement, NAMESPACE_ATTESTATION, Refused,
    STATEMENT_MEDIA_TYPE, SshSignature, SshSigner, SshsigError, StatementError, WrongPurpose,
};
use vigil_trust::{KeyBytes, Purpose, SubkeyCertificate, SubkeyError};

/// What an attestation says, and who says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// The hash of the envelope.
    pub hash: Vcid,
    /// As whom the machine signed, such as `laptop@1f0c3a….vigil`.
    pub principal: String,
    /// The machine's own key.
    pub machine: KeyBytes,
    /// What it says.
    pub statement: InTotoStatement,
}

impl Checked {
    /// Returns what the principals of all machines of its Person end with, behind the `@`.
    pub fn domain(&self) -> &str {
        domain_of(&self.principal)
    }
}

/// Returns what a principal ends with, behind the `@`.
pub fn domain_of(principal: &str) -> &str {
    principal.rsplit_once('@').map_or("", |(_, domain)| domain)
}

/// Why an attestation is not believed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The signature beside the file is none, or not over the file.
    #[error("the signature beside it does not hold")]
    File(#[source] SshsigError),
    /// A bare key signed, for whom nobody vouches.
    #[error("it is signed by a key for which nobody vouches")]
    NoCertificate,
    /// Nobody on the list vouches for the machine.
    #[error(
        "`{principal}` is vouched for by {authority}, who is not on the list of signers for it"
    )]
    Stranger {
        /// As whom the machine signed.
        principal: String,
        /// Who vouches.
        authority: KeyBytes,
    },
    /// The certificate does not hold.
    #[error("the certificate of `{principal}` does not hold")]
    Certificate {
        /// As whom the machine signed.
        principal: String,
        /// Why.
        source: Refused,
    },
    /// The certificate names no machine.
    #[error("the certificate of `{principal}` does not say which machine it is for")]
    NoMachine {
        /// As whom the machine signed.
        principal: String,
    },
    /// The file is no envelope, or the envelope's signature is wrong.
    #[error("the envelope does not hold")]
    Envelope(#[source] EnvelopeError),
    /// The envelope's key comes without a certificate.
    #[error("the envelope's key comes without a certificate")]
    NoSubkey,
    /// The certificate of the envelope's key does not hold.
    #[error("the certificate of the envelope's key does not hold")]
    Subkey(#[source] SubkeyError),
    /// The envelope's key is for another format.
    #[error("the envelope's key may not sign envelopes")]
    Purpose(#[source] WrongPurpose),
    /// The envelope is another machine's.
    #[error("the envelope is signed by the machine {found}, the file by {want}")]
    Machine {
        /// Whose the envelope is.
        found: KeyBytes,
        /// Whose the file is.
        want: KeyBytes,
    },
    /// The payload is no statement.
    #[error("the envelope holds no statement")]
    Statement(#[source] StatementError),
    /// The machine was revoked, and did not say it while its word counted.
    #[error("its machine was revoked, and what counts of its feed does not have it")]
    Revoked,
    /// The machine is frozen, and no feed of it that counts has it.
    #[error(
        "its machine has said two things at one position, and no feed of it that counts has it"
    )]
    Frozen,
    /// The file has another name than its hash.
    #[error("the file is named {name}, but is {found}")]
    Name {
        /// The hash in the file's name.
        name: Vcid,
        /// The hash of the file.
        found: Vcid,
    },
}

/// Checks the two files of an attestation against a list of signers, at second `at` of 1970. `name` is
/// the hash in the files' names.
///
/// # Errors
/// Returns the first reason against it, from the signer to what is said.
pub fn check(
    name: Vcid,
    envelope: &[u8],
    signature: &str,
    signers: &[AllowedSigners],
    at: u64,
) -> Result<Checked, Refusal> {
    let signed = SshSignature::parse(signature).map_err(Refusal::File)?;
    signed.verify(NAMESPACE_ATTESTATION, envelope).map_err(Refusal::File)?;
    let SshSigner::Certified(certificate) = &signed.signer else {
        return Err(Refusal::NoCertificate);
    };
    let principal = certificate.body.principals[0].clone();
    let authority = certificate.body.authority;
    let is_listed = |line: &&AllowedSigners| {
        line.authority == authority && line.covers(&principal, NAMESPACE_ATTESTATION)
    };
    if !signers.iter().any(|line| is_listed(&line)) {
        return Err(Refusal::Stranger { principal, authority: authority.bytes() });
    }
    if let Err(source) = certificate.verify(&authority, &principal, at) {
        return Err(Refusal::Certificate { principal, source });
    }
    let Some(machine) = certificate.machine() else {
        return Err(Refusal::NoMachine { principal });
    };
    let found = Vcid::of(envelope);
    let envelope = Envelope::parse(envelope).map_err(Refusal::Envelope)?;
    let certified = envelope.signatures.iter().find_map(|one| one.certificate.as_ref());
    let subkey = SubkeyCertificate::decode(certified.ok_or(Refusal::NoSubkey)?);
    let subkey = subkey.map_err(Refusal::Subkey)?;
    let key = subkey.key_for(Purpose::Dsse).map_err(Refusal::Purpose)?;
    let owner = subkey.owner().bytes();
    if owner != machine {
        return Err(Refusal::Machine { found: owner, want: machine });
    }
    let payload = envelope.verify(STATEMENT_MEDIA_TYPE, key).map_err(Refusal::Envelope)?;
    if found != name {
        return Err(Refusal::Name { name, found });
    }
    let statement = InTotoStatement::parse(payload).map_err(Refusal::Statement)?;
    Ok(Checked { hash: found, principal, machine, statement })
}
