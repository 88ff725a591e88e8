//! Representations: what a request resolves to, and the labels that they carry.

use std::collections::BTreeSet;

use vigil_base::Vcid;
use vigil_base::cbor::{DecodeError, Decoder, Encoder, Fault};

use crate::request::{MediaType, read_media_type};

/// Tags that bytes carry.
///
/// Whoever gets bytes must be cleared for each secrecy tag. An integrity tag says that nothing without
/// it has had a part in them.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Label {
    /// What must be kept from whom.
    pub secrecy: BTreeSet<String>,
    /// What vouches for them.
    pub integrity: BTreeSet<String>,
}

impl Label {
    /// Returns the label of what was made of both: all secrets of either, and the integrity of both.
    pub fn join(&self, other: &Self) -> Self {
        Self {
            secrecy: self.secrecy.union(&other.secrecy).cloned().collect(),
            integrity: self.integrity.intersection(&other.integrity).cloned().collect(),
        }
    }
}

/// What a request resolves to. Immutable: the same representation is the same bytes for ever.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Representation {
    /// The bytes.
    pub vcid: Vcid,
    /// How to read them.
    pub media_type: MediaType,
    /// How many bytes there are.
    pub size: u64,
    /// Who may have them, and who vouches for them.
    pub label: Label,
}

const TAG: &str = "vigil.representation/1";

impl Representation {
    /// Returns the canonical record.
    pub fn encode(&self) -> Vec<u8> {
        let mut encoder = Encoder::record(TAG, 6);
        encoder.bytes(self.vcid.as_bytes());
        encoder.text(self.media_type.as_str());
        encoder.unsigned(self.size);
        write_set(&mut encoder, &self.label.secrecy);
        write_set(&mut encoder, &self.label.integrity);
        encoder.finish()
    }

    /// Reads a record strictly.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut decoder = Decoder::record(bytes, TAG, 6)?;
        let vcid = Vcid::from_bytes(decoder.byte_array()?);
        let media_type = read_media_type(&mut decoder)?;
        let size = decoder.unsigned()?;
        let secrecy = read_set(&mut decoder)?;
        let integrity = read_set(&mut decoder)?;
        decoder.finish()?;
        Ok(Self { vcid, media_type, size, label: Label { secrecy, integrity } })
    }

    /// Returns the hash of the canonical record.
    pub fn digest(&self) -> Vcid {
        Vcid::of(&self.encode())
    }
}

/// Writes a set of texts in rising order.
pub(crate) fn write_set(encoder: &mut Encoder, set: &BTreeSet<String>) {
    encoder.array(set.len());
    set.iter().for_each(|text| encoder.text(text));
}

/// Reads a set of texts in strictly rising order.
pub(crate) fn read_set(decoder: &mut Decoder<'_>) -> Result<BTreeSet<String>, DecodeError> {
    let mut set = BTreeSet::new();
    for _ in 0..decoder.array()? {
        let at = decoder.offset();
        let text = decoder.text()?.to_owned();
        if set.last().is_some_and(|last| *last >= text) {
            return decoder.fault(at, Fault::KeyOrder);
        }
        set.insert(text);
    }
    Ok(set)
}
