//! Evidence in formats of others: what it says, and which of the policy's people say it.
//!
//! A minisign signature over a manifest stands for a claim, a sigstore bundle with an in-toto statement for
//! a rebuild. Both count by keys that the policy names and by nothing else: a bundle's certificate says
//! who somebody was to an authority that this gate does not believe.

use alloc::string::{String, ToString as _};

use super::judge::Gate;
use super::speaker::told;
use crate::formats::{Envelope, InTotoStatement, Json, MinisignSignature, STATEMENT_MEDIA_TYPE};
use crate::package::Rebuild;

/// What the media types of sigstore's bundles begin with.
const BUNDLE: &str = "application/vnd.dev.sigstore.bundle";

impl Gate<'_> {
    /// Returns who signed a manifest with minisign.
    pub(super) fn minisign(&self, bytes: &[u8], manifest: &[u8]) -> Result<usize, String> {
        let text = core::str::from_utf8(bytes).map_err(|_| "it is no text")?;
        let signature = MinisignSignature::parse(text).map_err(|error| told(&error))?;
        let mut why = "the policy names no such key of minisign".to_string();
        for (person, known) in self.policy.people.iter().enumerate() {
            for key in known.minisign.iter().filter(|key| key.number == signature.number) {
                match signature.verify(key, manifest, false) {
                    Ok(_) => return Ok(person),
                    Err(error) => why = told(&error),
                }
            }
        }
        Err(why)
    }

    /// Returns who says with a sigstore bundle what came out of a rebuild.
    pub(super) fn sigstore(&self, bytes: &[u8]) -> Result<(usize, Rebuild), String> {
        let bundle = Json::parse(bytes).map_err(|error| told(&error))?;
        let media_type = bundle.get("mediaType").and_then(Json::as_text).unwrap_or_default();
        if !media_type.starts_with(BUNDLE) {
            return Err("it is no bundle of sigstore".into());
        }
        let envelope = bundle.get("dsseEnvelope").ok_or("the bundle holds no envelope")?;
        let envelope = Envelope::parse(envelope.canonical().as_bytes());
        let envelope = envelope.map_err(|error| told(&error))?;
        for (person, known) in self.policy.people.iter().enumerate() {
            for key in &known.sigstore {
                let Ok(payload) = envelope.verify(STATEMENT_MEDIA_TYPE, key) else { continue };
                let statement = InTotoStatement::parse(payload).map_err(|error| told(&error))?;
                let rebuild = Rebuild::read(&statement).map_err(|error| told(&error))?;
                return Ok((person, rebuild));
            }
        }
        Err("no key of a line `sigstore` of the policy signed the bundle's envelope".into())
    }
}
