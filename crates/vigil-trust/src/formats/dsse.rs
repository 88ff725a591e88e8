//! DSSE envelopes (`secure-systems-lab/dsse`, v1.0.2): a payload, its type, and signatures over both.
//!
//! Signed is the pre-authentication encoding, never the JSON around it, so an envelope may be written
//! in any way. Signatures stand for themselves: a reader counts those that it can verify with keys
//! that it knows already; the key ids are hints and prove nothing.

use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use sha2::{Digest as _, Sha256};

use super::armour;
use super::json::{Json, JsonError};
use crate::keys::{KeyBytes, PublicKey, Signature};

/// The longest envelope that is read, in bytes.
const ENVELOPE_BYTES_MAX: usize = 16 << 20;
/// Where a certificate stands; DSSE lets readers leave aside what they do not know.
const CERTIFICATE: &str = "cert";
/// Most signatures on one envelope: each costs a verification.
const SIGNATURES_MAX: usize = 64;

/// A payload with signatures. Nobody has verified them yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// What kind of bytes the payload is: a media type.
    pub payload_type: String,
    /// What is vouched for.
    pub payload: Vec<u8>,
    /// By whom.
    pub signatures: Vec<EnvelopeSignature>,
}

/// One signature of an envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnvelopeSignature {
    /// Which key says to have signed; a hint.
    pub key_id: String,
    /// The signature, perhaps of an algorithm that is not known here.
    pub signature: Vec<u8>,
    /// A certificate of the key, which others leave aside: here that of a subkey. Nobody signed that
    /// it belongs to this envelope; it proves itself.
    pub certificate: Option<Vec<u8>>,
}

/// Why something is no envelope, or one that a key did not sign.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EnvelopeError {
    /// It is no JSON.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// It is longer than any that is read.
    #[error("an envelope has at most {ENVELOPE_BYTES_MAX} bytes, this one has {found}")]
    Long {
        /// How many bytes it has.
        found: usize,
    },
    /// A field is absent, or of another type.
    #[error("the envelope has no field `{field}` of the right type")]
    Field {
        /// The field.
        field: &'static str,
    },
    /// A field is not base64.
    #[error("the envelope's field `{field}` is not base64")]
    Base64 {
        /// The field.
        field: &'static str,
    },
    /// There is no signature, or too many.
    #[error("an envelope has 1 to {SIGNATURES_MAX} signatures, this one has {found}")]
    Signatures {
        /// How many there are.
        found: usize,
    },
    /// The payload is of another type.
    #[error("the payload is of the type `{found}`, not `{want}`")]
    Type {
        /// Its type.
        found: String,
        /// What it should be.
        want: String,
    },
    /// None of the signatures is this key's.
    #[error("the key {key} signed neither this payload nor this type of it")]
    Unsigned {
        /// The key.
        key: KeyBytes,
    },
}

/// Returns the bytes that a key signs: the type and the payload, each with its length.
pub fn pre_authentication_encoding(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let (type_len, len) = (payload_type.len(), payload.len());
    let mut out = alloc::format!("DSSEv1 {type_len} {payload_type} {len} ").into_bytes();
    out.extend_from_slice(payload);
    out
}

fn field<'a>(json: &'a Json, field: &'static str) -> Result<&'a str, EnvelopeError> {
    json.get(field).and_then(Json::as_text).ok_or(EnvelopeError::Field { field })
}

/// Both alphabets are in use, and a verifier must take either (DSSE, "Schema").
fn base64(text: &str, field: &'static str) -> Result<Vec<u8>, EnvelopeError> {
    let standard: String = text
        .chars()
        .map(|c| match c {
            '-' => '+',
            '_' => '/',
            other => other,
        })
        .collect();
    armour::decode(&standard).ok_or(EnvelopeError::Base64 { field })
}

impl Envelope {
    /// Makes an envelope with one signature over [`pre_authentication_encoding`].
    pub fn new(payload_type: &str, payload: Vec<u8>, key: &PublicKey, by: &Signature) -> Self {
        let (key_id, signature) = (Self::key_id(key), by.0.to_vec());
        let signature = EnvelopeSignature { key_id, signature, certificate: None };
        Self { payload_type: payload_type.to_string(), payload, signatures: [signature].into() }
    }

    /// Returns the id by which our envelopes name a key: the SHA-256 of its 32 bytes, in hex.
    pub fn key_id(key: &PublicKey) -> String {
        let digest = Sha256::digest(key.as_bytes());
        digest.iter().map(|byte| alloc::format!("{byte:02x}")).collect()
    }

    /// Returns the canonical JSON of the envelope.
    pub fn json(&self) -> String {
        let signatures = self.signatures.iter().map(|signature| {
            let certificate = signature.certificate.as_ref();
            let certificate = certificate.map(|bytes| (CERTIFICATE, armour::encode(bytes)));
            let fields = [
                ("keyid", signature.key_id.clone()),
                ("sig", armour::encode(&signature.signature)),
            ];
            let fields = fields.into_iter().chain(certificate);
            Json::Object(fields.map(|(key, text)| (key.to_string(), Json::Text(text))).collect())
        });
        Json::object([
            ("payload", Json::Text(armour::encode(&self.payload))),
            ("payloadType", Json::text(&self.payload_type)),
            ("signatures", Json::List(signatures.collect())),
        ])
        .canonical()
    }

    /// Reads an envelope, and verifies nothing. Fields that are not known are left out, as DSSE says.
    ///
    /// # Errors
    /// Returns which field is wrong.
    pub fn parse(bytes: &[u8]) -> Result<Self, EnvelopeError> {
        if bytes.len() > ENVELOPE_BYTES_MAX {
            return Err(EnvelopeError::Long { found: bytes.len() });
        }
        let json = Json::parse(bytes)?;
        let payload = base64(field(&json, "payload")?, "payload")?;
        let payload_type = field(&json, "payloadType")?.to_string();
        let items = json.get("signatures").and_then(Json::as_list);
        let items = items.ok_or(EnvelopeError::Field { field: "signatures" })?;
        if items.is_empty() || items.len() > SIGNATURES_MAX {
            return Err(EnvelopeError::Signatures { found: items.len() });
        }
        let mut signatures = Vec::with_capacity(items.len());
        for item in items {
            let signature = base64(field(item, "sig")?, "sig")?;
            let key_id = item.get("keyid").and_then(Json::as_text).unwrap_or_default();
            let certificate = match item.get(CERTIFICATE) {
                Some(_) => Some(base64(field(item, CERTIFICATE)?, CERTIFICATE)?),
                None => None,
            };
            let key_id = key_id.to_string();
            signatures.push(EnvelopeSignature { key_id, signature, certificate });
        }
        Ok(Self { payload_type, payload, signatures })
    }

    /// Returns the payload, if `key` signed it as one of the type `payload_type`.
    ///
    /// # Errors
    /// Refuses another type, and an envelope without a signature of this key.
    pub fn verify(&self, payload_type: &str, key: &PublicKey) -> Result<&[u8], EnvelopeError> {
        if self.payload_type != payload_type {
            let (found, want) = (self.payload_type.clone(), payload_type.to_string());
            return Err(EnvelopeError::Type { found, want });
        }
        let signed = pre_authentication_encoding(payload_type, &self.payload);
        let is_by_key = |signature: &EnvelopeSignature| {
            let bytes: Result<[u8; 64], _> = signature.signature.as_slice().try_into();
            bytes.is_ok_and(|bytes| key.verify_foreign(&signed, &Signature(bytes)).is_ok())
        };
        if self.signatures.iter().any(is_by_key) {
            Ok(&self.payload)
        } else {
            Err(EnvelopeError::Unsigned { key: key.bytes() })
        }
    }
}
