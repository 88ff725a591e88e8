//! The dossier: all that is said about a package, as it stands in front of the payload in a `.vpkg`.
//!
//! It is carried along and may grow: attestations and a better log proof come later than the manifest.
//! Nothing in it is believed for being there.
//!
//! Invariant: a dossier that decodes is encoded to the same bytes.

use alloc::vec::Vec;

use vigil_base::cbor::{DecodeError, Decoder, Encoder, Fault};

use super::manifest::{Manifest, ManifestError};
use crate::list::decode_list;
use crate::puddle::DEPTH_MAX;

const TAG: &str = "vigil.package/1";
const ATTESTATION: &str = "vigil.package-attestation/1";

/// Longest dossier, in bytes. It is read as a whole.
pub const DOSSIER_BYTES_MAX: usize = 4 << 20;
/// Most attestations: each costs three verifications.
pub const ATTESTATIONS_MAX: usize = 64;
/// Most pieces of evidence in formats of others.
pub const FOREIGN_MAX: usize = 16;

/// A rebuilder's envelope, with the chain of grants from a Person to the machine that signed it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Attested {
    /// The envelope, as JSON.
    pub envelope: Vec<u8>,
    /// Statements, the Person's first.
    pub chain: Vec<Vec<u8>>,
}

impl Attested {
    /// Returns the record of it alone, as a rebuilder hands it on.
    pub fn encode(&self) -> Vec<u8> {
        let mut encoder = Encoder::record(ATTESTATION, 3);
        encoder.bytes(&self.envelope);
        list(&self.chain, &mut encoder);
        encoder.finish()
    }

    /// Reads such a record strictly.
    ///
    /// # Errors
    /// Fails for other records.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut decoder = Decoder::record(bytes, ATTESTATION, 3)?;
        let envelope = decoder.bytes()?.to_vec();
        let chain = decode_chain(&mut decoder)?;
        decoder.finish()?;
        Ok(Self { envelope, chain })
    }
}

/// In whose format evidence is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ForeignKind {
    /// A `.minisig` over the manifest.
    Minisign,
    /// A sigstore bundle whose envelope says what was rebuilt.
    Sigstore,
}

impl ForeignKind {
    const ALL: [Self; 2] = [Self::Minisign, Self::Sigstore];

    /// Returns the word that stands for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Minisign => "minisign",
            Self::Sigstore => "sigstore",
        }
    }
}

/// Evidence in a format of others.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ForeignEvidence {
    /// In whose.
    pub kind: ForeignKind,
    /// The file.
    pub bytes: Vec<u8>,
}

/// All that is said about a package. Only the manifest has been looked into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dossier {
    /// What it says about itself.
    pub manifest: Manifest,
    /// The maintainer's statement.
    pub claim: Option<Vec<u8>>,
    /// The grants from a Person to the maintainer's machine; empty if the Person signed.
    pub chain: Vec<Vec<u8>>,
    /// What rebuilders say, in rising order.
    pub attestations: Vec<Attested>,
    /// A `.tlog-proof` of the claim.
    pub proof: Option<Vec<u8>>,
    /// Evidence in formats of others, in rising order.
    pub foreign: Vec<ForeignEvidence>,
}

impl Dossier {
    /// Begins with a manifest for which nobody has vouched yet.
    pub fn new(manifest: Manifest) -> Self {
        let (claim, proof) = (None, None);
        let (chain, attestations, foreign) = Default::default();
        Self { manifest, claim, chain, attestations, proof, foreign }
    }

    /// Adds an attestation; says whether it is new. What is one too many is not taken.
    pub fn attest(&mut self, attested: Attested) -> bool {
        insert(&mut self.attestations, attested, ATTESTATIONS_MAX)
    }

    /// Adds evidence of others; says whether it is new. What is one too many is not taken.
    pub fn import(&mut self, evidence: ForeignEvidence) -> bool {
        insert(&mut self.foreign, evidence, FOREIGN_MAX)
    }

    /// Returns the canonical record.
    pub fn encode(&self) -> Vec<u8> {
        let mut encoder = Encoder::record(TAG, 7);
        encoder.bytes(&self.manifest.encode());
        optional(self.claim.as_deref(), &mut encoder);
        list(&self.chain, &mut encoder);
        encoder.array(self.attestations.len());
        for attested in &self.attestations {
            encoder.array(2);
            encoder.bytes(&attested.envelope);
            list(&attested.chain, &mut encoder);
        }
        optional(self.proof.as_deref(), &mut encoder);
        encoder.array(self.foreign.len());
        for evidence in &self.foreign {
            encoder.array(2);
            encoder.text(evidence.kind.as_str());
            encoder.bytes(&evidence.bytes);
        }
        encoder.finish()
    }

    /// Reads a record strictly.
    ///
    /// # Errors
    /// Fails for bytes that are no such record, and where its manifest is none.
    pub fn decode(bytes: &[u8]) -> Result<Self, ManifestError> {
        if bytes.len() > DOSSIER_BYTES_MAX {
            let offset = DOSSIER_BYTES_MAX;
            return Err(DecodeError { offset, fault: Fault::Oversized }.into());
        }
        let mut decoder = Decoder::record(bytes, TAG, 7)?;
        let manifest = Manifest::decode(decoder.bytes()?)?;
        let claim = decode_optional(&mut decoder)?;
        let chain = decode_chain(&mut decoder)?;
        let at = decoder.offset();
        let attestations = decode_list(&mut decoder, ATTESTATIONS_MAX, |decoder| {
            decoder.array_of(2)?;
            let envelope = decoder.bytes()?.to_vec();
            Ok(Attested { envelope, chain: decode_chain(decoder)? })
        })?;
        let proof = decode_optional(&mut decoder)?;
        let foreign = decode_list(&mut decoder, FOREIGN_MAX, decode_foreign)?;
        let is_rising =
            attestations.is_sorted_by(|a, b| a < b) && foreign.is_sorted_by(|a, b| a < b);
        if !is_rising {
            return Ok(decoder.fault(at, Fault::KeyOrder)?);
        }
        decoder.finish()?;
        Ok(Self { manifest, claim, chain, attestations, proof, foreign })
    }
}

fn insert<T: Ord>(list: &mut Vec<T>, item: T, most: usize) -> bool {
    match list.binary_search(&item) {
        Err(at) if list.len() < most => {
            list.insert(at, item);
            true
        }
        _ => false,
    }
}

fn optional(bytes: Option<&[u8]>, encoder: &mut Encoder) {
    match bytes {
        Some(bytes) => encoder.bytes(bytes),
        None => encoder.null(),
    }
}

fn list(items: &[Vec<u8>], encoder: &mut Encoder) {
    encoder.array(items.len());
    items.iter().for_each(|item| encoder.bytes(item));
}

fn decode_optional(decoder: &mut Decoder<'_>) -> Result<Option<Vec<u8>>, DecodeError> {
    if decoder.null() { Ok(None) } else { decoder.bytes().map(|bytes| Some(bytes.to_vec())) }
}

fn decode_chain(decoder: &mut Decoder<'_>) -> Result<Vec<Vec<u8>>, DecodeError> {
    decode_list(decoder, DEPTH_MAX, |decoder| decoder.bytes().map(<[u8]>::to_vec))
}

fn decode_foreign(decoder: &mut Decoder<'_>) -> Result<ForeignEvidence, DecodeError> {
    decoder.array_of(2)?;
    let at = decoder.offset();
    let word = decoder.text()?;
    let Some(kind) = ForeignKind::ALL.into_iter().find(|kind| kind.as_str() == word) else {
        return decoder.fault(at, Fault::Range);
    };
    Ok(ForeignEvidence { kind, bytes: decoder.bytes()?.to_vec() })
}
