//! The generation: what is installed at one time, as a record. Drawn in `docs/format/vpkg.md`.

use vigil_base::cbor::{DecodeError, Decoder, Encoder, Fault};
use vigil_base::world::Moment;
use vigil_base::{Blame, Blamed, Vcid};
use vigil_trust::gate::PACKAGES_MAX;
use vigil_trust::package::{Manifest, ManifestError};

const TAG: &str = "vigil.generation/1";

/// Longest record, in bytes.
pub(crate) const RECORD_BYTES_MAX: u64 = 64 << 20;

/// A package that is installed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstalledPackage {
    /// What it says about itself.
    pub manifest: Manifest,
    /// The claim by which it was let in, unless that was in another format.
    pub claim: Option<Vcid>,
    /// Whether somebody asked for it, and not only another package.
    pub is_wanted: bool,
}

/// What is installed at one time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Generation {
    /// Its number, from 1.
    pub number: u64,
    /// The generation that was current when it was made.
    pub parent: Option<u64>,
    /// When it was made.
    pub at: Moment,
    /// The packages, in the order of their names.
    pub packages: Vec<InstalledPackage>,
}

/// Why a record is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GenerationError {
    /// The bytes are not such a record.
    #[error("this is not the record of a generation")]
    Decode(#[from] DecodeError),
    /// A manifest in it is none.
    #[error("a manifest in the record of a generation is none")]
    Manifest(#[from] ManifestError),
}

impl Blamed for GenerationError {
    fn blame(&self) -> Blame {
        Blame::World
    }
}

impl Generation {
    /// Returns the manifests.
    pub fn manifests(&self) -> Vec<&Manifest> {
        self.packages.iter().map(|package| &package.manifest).collect()
    }

    /// Returns the canonical record.
    pub fn encode(&self) -> Vec<u8> {
        let mut encoder = Encoder::record(TAG, 5);
        encoder.unsigned(self.number);
        match self.parent {
            Some(parent) => encoder.unsigned(parent),
            None => encoder.null(),
        }
        encoder.integer(self.at.0);
        encoder.array(self.packages.len());
        for package in &self.packages {
            encoder.array(3);
            encoder.bytes(&package.manifest.encode());
            match &package.claim {
                Some(claim) => encoder.bytes(claim.as_bytes()),
                None => encoder.null(),
            }
            encoder.bool(package.is_wanted);
        }
        encoder.finish()
    }

    /// Reads a record strictly.
    ///
    /// # Errors
    /// Fails for other records, and for manifests that are none.
    pub fn decode(bytes: &[u8]) -> Result<Self, GenerationError> {
        let mut decoder = Decoder::record(bytes, TAG, 5)?;
        let number = decoder.unsigned()?;
        let parent = if decoder.null() { None } else { Some(decoder.unsigned()?) };
        let at = Moment(decoder.integer()?);
        let place = decoder.offset();
        let count = decoder.array()?;
        if count > PACKAGES_MAX {
            return Ok(decoder.fault(place, Fault::Range)?);
        }
        let mut packages: Vec<InstalledPackage> = Vec::new();
        for _ in 0..count {
            let place = decoder.offset();
            decoder.array_of(3)?;
            let manifest = Manifest::decode(decoder.bytes()?)?;
            let claim =
                if decoder.null() { None } else { Some(Vcid::from_bytes(decoder.byte_array()?)) };
            let is_wanted = decoder.bool()?;
            let name = manifest.package();
            if packages.last().is_some_and(|last| last.manifest.package() >= name) {
                return Ok(decoder.fault(place, Fault::KeyOrder)?);
            }
            packages.push(InstalledPackage { manifest, claim, is_wanted });
        }
        decoder.finish()?;
        Ok(Self { number, parent, at, packages })
    }
}
