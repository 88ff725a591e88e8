//! Signatures in other people's formats, so that their own tools verify them.
//!
//! Nothing here decides whom to trust: a format says *which key* signed *what*; who that is follows
//! from a certificate. Making a signature is split in two, what is to be signed and how a signature
//! over it is put into a file, so that an agent can stand between them.
//!
//! Invariants:
//! - what a decoder of bytes accepts, its encoder reproduces, so that no two readings of a file exist;
//! - Ed25519 is verified strictly: no weak keys, no second encodings;
//! - a key that signs in one format is certified for it alone, and the certificate's `key_for` asks
//!   which.

mod allowed_signers;
mod armour;
mod comment;
mod dsse;
mod in_toto;
mod json;
mod krl;
mod machine;
mod minisign;
mod pem;
mod provenance;
mod signify;
mod signing;
mod ssh_cert;
mod ssh_key;
mod sshsig;
pub(crate) mod wire;

pub use allowed_signers::{AllowedSigners, AllowedSignersError};
pub use dsse::{Envelope, EnvelopeError, EnvelopeSignature, pre_authentication_encoding};
pub use in_toto::{Digests, InTotoStatement, STATEMENT_MEDIA_TYPE, StatementError, Subject};
pub use json::{Json, JsonError};
pub use krl::RevocationList;
pub use machine::{
    MachineCertificate, NAMESPACE_ATTESTATION, NAMESPACE_GIT, NAMESPACE_MACHINE, machine_principal,
    person_domain,
};
pub use minisign::{
    MinisignError, MinisignHasher, MinisignKey, MinisignSignature, MinisignUnsealed,
    MinisignUnsigned, Prehash,
};
pub use pem::public_key_pem;
pub use provenance::{Dependency, Provenance};
pub use signify::{SignifyError, SignifyKey, SignifySignature};
pub use signing::{
    ForeignSigner, SignError, WrongPurpose, sign_certificate, sign_checksums, sign_envelope,
    sign_minisign, sign_minisign_file, sign_signify, sign_ssh,
};
pub(crate) use ssh_cert::signature_blob;
pub use ssh_cert::{Certificate, CertificateBody, CertificateError, Refused};
pub use ssh_key::{SshKeyError, key_blob, key_line, parse_key_blob, parse_key_line};
pub use sshsig::{SshSignature, SshSigner, SshsigError, sshsig_message, sshsig_namespace};
pub use wire::WireError;
