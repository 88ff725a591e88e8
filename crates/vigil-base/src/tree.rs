//! The tree: a folder as an immutable record. Drawn in `docs/format/tree.md`.
//!
//! It keeps names, kinds and ids, and nothing that differs between machines: no times, no owners, no
//! sizes (which could be forged). So the same content has the same Vcid wherever it is added.

use alloc::vec::Vec;

use crate::cbor::{DecodeError, Decoder, Encoder, Fault};
use crate::path::EntryName;
use crate::vcid::Vcid;

/// The type tag, first item of the record.
const TAG: &str = "vigil.tree/1";

/// What an entry of a tree is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EntryKind {
    /// Bytes.
    File,
    /// Bytes that may be run.
    Executable,
    /// A symbolic link; the id is that of its target's bytes.
    Symlink,
    /// A tree.
    Tree,
}

impl EntryKind {
    const ALL: [Self; 4] = [Self::File, Self::Executable, Self::Symlink, Self::Tree];

    /// Returns the number that stands for the kind in records.
    pub fn code(self) -> u64 {
        self as u64
    }

    /// Returns the kind that a number stands for.
    pub fn from_code(code: u64) -> Option<Self> {
        Self::ALL.get(usize::try_from(code).ok()?).copied()
    }
}

/// One entry of a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name, unique in the tree.
    pub name: EntryName,
    /// What it is.
    pub kind: EntryKind,
    /// What it holds.
    pub vcid: Vcid,
}

/// A folder's entries in the bytewise order of their names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree {
    entries: Vec<Entry>,
}

/// Why a tree cannot be made of some entries.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TreeError {
    /// Two entries share a name.
    #[error("two entries are named {name}")]
    Twice {
        /// The name.
        name: EntryName,
    },
}

impl Tree {
    /// Sorts `entries` by name.
    pub fn new(mut entries: Vec<Entry>) -> Result<Self, TreeError> {
        entries.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        match entries.windows(2).find(|pair| pair[0].name == pair[1].name) {
            Some(pair) => Err(TreeError::Twice { name: pair[0].name.clone() }),
            None => Ok(Self { entries }),
        }
    }

    /// Returns the entries in order.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Gives the entries in order.
    pub fn into_entries(self) -> Vec<Entry> {
        self.entries
    }

    /// Finds an entry by name.
    pub fn get(&self, name: &EntryName) -> Option<&Entry> {
        let index = self.entries.binary_search_by(|entry| entry.name.cmp(name)).ok()?;
        self.entries.get(index)
    }

    /// Returns the canonical record.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.entries.len() * 64);
        self.pieces().for_each(|piece| bytes.extend(piece));
        bytes
    }

    /// Returns the canonical record piece by piece: a folder of a million files makes one of 50 MB.
    pub fn pieces(&self) -> impl Iterator<Item = Vec<u8>> {
        let mut head = Encoder::record(TAG, 2);
        head.array(self.entries.len());
        let entries = self.entries.iter().map(|entry| {
            let mut encoder = Encoder::default();
            encoder.array(3);
            encoder.bytes(entry.name.as_bytes());
            encoder.unsigned(entry.kind.code());
            encoder.bytes(entry.vcid.as_bytes());
            encoder.finish()
        });
        core::iter::once(head.finish_part()).chain(entries)
    }

    /// Reads a record strictly.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut entries: Vec<Entry> = Vec::new();
        each_entry(bytes, |entry, count| {
            // Each entry takes more than 36 bytes, so the claim cannot make us allocate much more than
            // the input's own length.
            entries.reserve_exact((count.min(bytes.len() / 36)).saturating_sub(entries.len()));
            entries.push(entry);
        })?;
        Ok(Self { entries })
    }

    /// Returns whether `bytes` start like a tree record; a hint for people, never a decision.
    pub fn looks_like(bytes: &[u8]) -> bool {
        bytes
            .strip_prefix(&[0x82, 0x60 | TAG.len() as u8])
            .is_some_and(|rest| rest.starts_with(TAG.as_bytes()))
    }
}

/// Reads a record strictly, and calls `visit` with each entry, and how many there are said to be.
///
/// Where it ends with an error, the entries before it have been visited.
fn each_entry(bytes: &[u8], mut visit: impl FnMut(Entry, usize)) -> Result<(), DecodeError> {
    let mut decoder = Decoder::record(bytes, TAG, 2)?;
    let count = decoder.array()?;
    let mut last: Option<EntryName> = None;
    for _ in 0..count {
        let at = decoder.offset();
        decoder.array_of(3)?;
        let Ok(name) = EntryName::new(decoder.bytes()?) else {
            return decoder.fault(at, Fault::Range);
        };
        let Some(kind) = EntryKind::from_code(decoder.unsigned()?) else {
            return decoder.fault(at, Fault::Range);
        };
        let vcid = Vcid::from_bytes(decoder.byte_array()?);
        if last.is_some_and(|last| last >= name) {
            return decoder.fault(at, Fault::KeyOrder);
        }
        last = Some(name.clone());
        visit(Entry { name, kind, vcid }, count);
    }
    decoder.finish()
}

/// Says what a record refers to, so that the store can follow references without knowing formats.
pub trait References {
    /// Calls `found` with each id that the record `bytes` refers to, perhaps more than once, and
    /// whether that id is itself a record with references. Where it ends with an error, it may have
    /// called `found` for some.
    fn references(
        &self,
        bytes: &[u8],
        found: &mut dyn FnMut(Vcid, bool),
    ) -> Result<(), DecodeError>;
}

/// The references of trees.
#[derive(Clone, Copy, Debug, Default)]
pub struct TreeReferences;

impl References for TreeReferences {
    fn references(
        &self,
        bytes: &[u8],
        found: &mut dyn FnMut(Vcid, bool),
    ) -> Result<(), DecodeError> {
        each_entry(bytes, |entry, _| found(entry.vcid, entry.kind == EntryKind::Tree))
    }
}
