//! How a Person's word about a machine is written as an OpenSSH certificate, and read back.
//!
//! The certificate is for the machine's SSH subkey, and its key id names the machine's own key, so that
//! stock tools check the chain Person → Machine, and we know whose subkey it is without asking anyone.
//! Certified by the Person's SSH subkey, at enrolment, when the Person's words are at hand.

use alloc::string::String;
use alloc::vec::Vec;

use vigil_base::{Name, Vcid};

use super::allowed_signers::AllowedSigners;
use super::signing::{SignError, WrongPurpose, sign_certificate};
use super::ssh_cert::{Certificate, CertificateBody, CertificateError};
use crate::keys::{KeyBytes, PublicKey, SecretKey};
use crate::subkey::Purpose;

/// For what a machine's SSH signatures are: git's objects.
pub const NAMESPACE_GIT: &str = "git";
/// For what a machine's SSH signatures are: attestations.
pub const NAMESPACE_ATTESTATION: &str = "attestation@vigil";

/// With what a machine's SSH key says whose it is. An agent signs this for nobody but its own machine.
pub const NAMESPACE_MACHINE: &str = "machine@vigil";

const KEY_ID: &str = "vigil machine ";
/// Hexadecimal digits of a Person in a principal: 64 bits, which are a name and no proof.
const PERSON_DIGITS: usize = 16;

/// What a Person certifies about a machine.
#[derive(Clone, Debug)]
pub struct MachineCertificate<'a> {
    /// What the machine is called.
    pub name: &'a Name,
    /// The machine's own key.
    pub machine: &'a PublicKey,
    /// The machine's SSH subkey.
    pub ssh: &'a PublicKey,
    /// Random bytes.
    pub nonce: [u8; 32],
    /// From when, in seconds since 1970.
    pub valid_after: u64,
    /// Until when, in seconds since 1970; `u64::MAX` for as long as nobody revokes it.
    pub valid_before: u64,
}

/// Returns the domain of a Person's machines, such as `1f0c3a….vigil`.
pub fn person_domain(person: &PublicKey) -> String {
    let hex = Vcid::of(person.as_bytes()).to_hex();
    alloc::format!("{}.vigil", &hex[..PERSON_DIGITS])
}

/// Returns as whom a machine signs, such as `laptop@1f0c3a….vigil`.
pub fn machine_principal(name: &Name, person: &PublicKey) -> String {
    alloc::format!("{}@{}", name.as_str(), person_domain(person))
}

/// Returns the key id of every certificate for a machine.
pub(super) fn key_id(machine: &KeyBytes) -> String {
    alloc::format!("{KEY_ID}{machine}")
}

impl MachineCertificate<'_> {
    /// Signs with the Person's SSH subkey.
    ///
    /// # Errors
    /// Refuses names that no list of signers can hold, and times that never hold.
    pub fn sign(
        &self,
        person: &SecretKey,
    ) -> Result<Certificate, SignError<WrongPurpose, CertificateError>> {
        let authority = person.subkey(Purpose::Ssh);
        let body = CertificateBody {
            nonce: self.nonce.to_vec(),
            key: *self.ssh,
            serial: 0,
            key_id: key_id(&self.machine.bytes()),
            principals: Vec::from([machine_principal(self.name, &person.public())]),
            valid_after: self.valid_after,
            valid_before: self.valid_before,
            extensions: Vec::new(),
            authority: authority.public(),
        };
        sign_certificate(&authority, body)
    }
}

impl Certificate {
    /// Returns the machine's own key, if the certificate is one of ours. It is what the authority
    /// says, once the certificate is verified.
    pub fn machine(&self) -> Option<KeyBytes> {
        let hex = self.body.key_id.strip_prefix(KEY_ID)?;
        let bytes = Vcid::from_hex(hex).ok()?;
        Some(KeyBytes(*bytes.as_bytes()))
    }
}

impl AllowedSigners {
    /// Returns the line for all machines of whoever made this certificate: the domain of the name in
    /// it, and the key that signed it.
    pub fn of_authority(certificate: &Certificate, comment: &str) -> Self {
        let body = &certificate.body;
        let domain = body.principals[0].rsplit_once('@').map_or("", |(_, domain)| domain);
        Self {
            pattern: alloc::format!("*@{domain}"),
            authority: body.authority,
            namespaces: [NAMESPACE_GIT, NAMESPACE_ATTESTATION].map(String::from).into(),
            comment: comment.into(),
        }
    }

    /// Returns the line for all machines of a Person, whose SSH subkey certifies them.
    pub fn of_person(person: &PublicKey, ssh: &PublicKey, comment: &str) -> Self {
        Self {
            pattern: alloc::format!("*@{}", person_domain(person)),
            authority: *ssh,
            namespaces: [NAMESPACE_GIT, NAMESPACE_ATTESTATION].map(String::from).into(),
            comment: comment.into(),
        }
    }
}
