//! Snapshot metadata: times, owners, modes, extended attributes and hard links, beside a tree.
//!
//! Drawn in `docs/format/snapshot.md`. The tree's identity does not depend on it.

use vigil_base::Vcid;
use vigil_base::cbor::{DecodeError, Decoder, Encoder, Fault};

const TAG: &str = "vigil.snapshot/1";

/// Most extended attributes of one entry, and the longest value (Linux's `XATTR_SIZE_MAX`).
const ATTRIBUTES_MAX: usize = 1024;
const VALUE_BYTES_MAX: usize = 64 << 10;

/// What a file system keeps of an entry besides its content.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    /// Permission bits, with set-user-id, set-group-id and sticky: the low twelve of `st_mode`.
    pub mode: u32,
    /// Numeric owner.
    pub owner: u32,
    /// Numeric group.
    pub group: u32,
    /// Modification time in nanoseconds since 1970.
    pub modified: i64,
    /// Entries with the same number are hard links to one file; 0 for none.
    pub link: u64,
    /// Extended attributes: names and values, sorted by name.
    pub extended: Vec<(Vec<u8>, Vec<u8>)>,
}

/// The metadata of every entry of a tree: the tree itself first, then depth first, entries in the
/// order of their names, a folder before what is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The tree's record, or the blob where a single file was added.
    pub root: Vcid,
    /// One for each entry.
    pub entries: Vec<Attributes>,
}

impl Snapshot {
    /// Returns the canonical record.
    pub fn encode(&self) -> Vec<u8> {
        let mut encoder = Encoder::record(TAG, 3);
        encoder.bytes(self.root.as_bytes());
        encoder.array(self.entries.len());
        for entry in &self.entries {
            encoder.array(6);
            encoder.unsigned(u64::from(entry.mode));
            encoder.unsigned(u64::from(entry.owner));
            encoder.unsigned(u64::from(entry.group));
            encoder.integer(entry.modified);
            encoder.unsigned(entry.link);
            encoder.array(entry.extended.len());
            for (name, value) in &entry.extended {
                encoder.array(2);
                encoder.bytes(name);
                encoder.bytes(value);
            }
        }
        encoder.finish()
    }

    /// Reads a record strictly.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut decoder = Decoder::record(bytes, TAG, 3)?;
        let root = Vcid::from_bytes(decoder.byte_array()?);
        let count = decoder.array()?;
        let mut entries = Vec::new();
        for _ in 0..count {
            entries.push(decode_entry(&mut decoder)?);
        }
        decoder.finish()?;
        Ok(Self { root, entries })
    }
}

fn decode_entry(decoder: &mut Decoder<'_>) -> Result<Attributes, DecodeError> {
    let at = decoder.offset();
    decoder.array_of(6)?;
    let mut attributes = Attributes {
        mode: decoder.unsigned_32()?,
        owner: decoder.unsigned_32()?,
        group: decoder.unsigned_32()?,
        modified: decoder.integer()?,
        link: decoder.unsigned()?,
        extended: Vec::new(),
    };
    let count = decoder.array()?;
    if attributes.mode > 0o7777 || count > ATTRIBUTES_MAX {
        return decoder.fault(at, Fault::Range);
    }
    for _ in 0..count {
        let at = decoder.offset();
        decoder.array_of(2)?;
        let (name, value) = (decoder.bytes()?, decoder.bytes()?);
        let is_fine = !name.is_empty() && !name.contains(&0) && value.len() <= VALUE_BYTES_MAX;
        if !is_fine {
            return decoder.fault(at, Fault::Range);
        }
        if attributes.extended.last().is_some_and(|(last, _)| &last[..] >= name) {
            return decoder.fault(at, Fault::KeyOrder);
        }
        attributes.extended.push((name.to_vec(), value.to_vec()));
    }
    Ok(attributes)
}
