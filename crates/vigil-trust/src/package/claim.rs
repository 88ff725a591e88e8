//! The claim: a maintainer's signed word that a manifest is theirs, and what a log holds of it.

use alloc::string::ToString as _;
use alloc::vec::Vec;

use vigil_base::cbor::{DecodeError, Decoder, Encoder};
use vigil_base::world::Moment;
use vigil_base::{Blame, Blamed, Vcid};

use super::manifest::{Manifest, PackageName};
use crate::keys::SecretKey;
use crate::names::AttName;
use crate::statement::{Statement, StatementError};

const TAG: &str = "vigil.package-claim/1";
const ENTRY: &str = "vigil.package-entry/1";

/// A maintainer's word for a manifest. Holding a value means that the signature was checked, not that
/// whoever made it may speak for the package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    statement: Statement,
    manifest: Vcid,
}

/// Why bytes are not a claim that holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClaimError {
    /// It is no statement that holds.
    #[error(transparent)]
    Statement(#[from] StatementError),
    /// It says something else.
    #[error("the statement says nothing about a package")]
    Body(#[from] DecodeError),
}

impl Blamed for ClaimError {
    fn blame(&self) -> Blame {
        Blame::Caller
    }
}

impl Claim {
    /// Signs a manifest.
    pub fn sign(key: &SecretKey, at: Moment, manifest: &Manifest) -> Self {
        let manifest = manifest.id();
        let mut encoder = Encoder::record(TAG, 2);
        encoder.bytes(manifest.as_bytes());
        Self { statement: Statement::sign(key, at, encoder.finish()), manifest }
    }

    /// Reads a statement as a claim.
    ///
    /// # Errors
    /// Fails for statements about other things.
    pub fn of(statement: Statement) -> Result<Self, ClaimError> {
        let mut decoder = Decoder::record(statement.body(), TAG, 2)?;
        let manifest = Vcid::from_bytes(decoder.byte_array()?);
        decoder.finish()?;
        Ok(Self { manifest, statement })
    }

    /// Reads bytes and checks the signature.
    ///
    /// # Errors
    /// Fails for whatever is not a claim that its author signed.
    pub fn decode(bytes: &[u8]) -> Result<Self, ClaimError> {
        Self::of(Statement::decode(bytes)?)
    }

    /// Returns the statement.
    pub fn statement(&self) -> &Statement {
        &self.statement
    }

    /// Returns the hash of the manifest that is vouched for.
    pub fn manifest(&self) -> Vcid {
        self.manifest
    }
}

/// Returns what a log holds of a package: its name, so that whoever watches a log finds what is published
/// under their names, its manifest and its claim.
pub fn log_entry(name: &AttName, manifest: Vcid, claim: Vcid) -> Vec<u8> {
    let mut encoder = Encoder::record(ENTRY, 5);
    encoder.text(&PackageName::of(name).to_string());
    encoder.text(name.version());
    encoder.bytes(manifest.as_bytes());
    encoder.bytes(claim.as_bytes());
    encoder.finish()
}
