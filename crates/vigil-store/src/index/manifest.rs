//! The manifest: which runs make up the index, and how far each arena is in it.

use std::collections::BTreeMap;

use vigil_base::cbor::{Decoder, Encoder};
use vigil_base::world::{Disk, DiskError};

use crate::checked::{self, Loaded};
use crate::format::Check;

const TAG: &str = "vigil.index/2";

/// What the index covers. Replaced as a whole, atomically.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manifest {
    /// Grows with each replacement.
    pub generation: u64,
    /// The number of the next run's file.
    pub run_next: u64,
    /// The runs: file number and entries, oldest first.
    pub runs: Vec<(u64, u64)>,
    /// For each arena, up to which byte its records are in the runs.
    pub covered: BTreeMap<u32, Covered>,
    /// For each covered arena, the check that ends its header: which arena it was.
    pub marks: BTreeMap<u32, Check>,
}

/// How far an arena is in the index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Covered {
    /// Everything before this byte is in the runs.
    pub end: u64,
    /// The arena was sealed when it was covered, so nothing can follow.
    pub is_sealed: bool,
}

impl Manifest {
    fn encode(&self) -> Vec<u8> {
        let mut encoder = Encoder::record(TAG, 5);
        encoder.unsigned(self.generation);
        encoder.unsigned(self.run_next);
        encoder.array(self.runs.len());
        for (file, entries) in &self.runs {
            encoder.array(2);
            encoder.unsigned(*file);
            encoder.unsigned(*entries);
        }
        encoder.array(self.covered.len());
        for (arena, covered) in &self.covered {
            encoder.array(4);
            encoder.unsigned(u64::from(*arena));
            // An arena that could not be marked equals none.
            encoder.bytes(self.marks.get(arena).unwrap_or(&Check::default()));
            encoder.unsigned(covered.end);
            encoder.bool(covered.is_sealed);
        }
        encoder.finish()
    }

    /// `None` where the bytes are not a manifest.
    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut decoder = Decoder::record(bytes, TAG, 5).ok()?;
        let generation = decoder.unsigned().ok()?;
        let run_next = decoder.unsigned().ok()?;
        let mut runs = Vec::new();
        for _ in 0..decoder.array().ok()? {
            decoder.array_of(2).ok()?;
            runs.push((decoder.unsigned().ok()?, decoder.unsigned().ok()?));
        }
        let mut covered = BTreeMap::new();
        let mut marks = BTreeMap::new();
        for _ in 0..decoder.array().ok()? {
            decoder.array_of(4).ok()?;
            let arena = decoder.unsigned_32().ok()?;
            marks.insert(arena, decoder.byte_array().ok()?);
            let end = decoder.unsigned().ok()?;
            let is_sealed = decoder.bool().ok()?;
            covered.insert(arena, Covered { end, is_sealed });
        }
        decoder.finish().ok()?;
        Some(Self { generation, run_next, runs, covered, marks })
    }

    /// Returns whether this covers at least what `other` does.
    pub fn reaches(&self, other: &Self) -> bool {
        other
            .covered
            .iter()
            .all(|(arena, there)| self.covered.get(arena).is_some_and(|here| here.end >= there.end))
    }

    /// Reads the manifest at `path`. One that is absent or damaged is `None`: the index is a cache,
    /// so both mean that it is to be rebuilt.
    pub fn load(disk: &dyn Disk, path: &str) -> Result<Option<Self>, DiskError> {
        match checked::load(disk, path, MANIFEST_BYTES_MAX)? {
            Loaded::Record(record) => Ok(Self::decode(&record)),
            Loaded::Absent | Loaded::Damaged => Ok(None),
        }
    }

    /// Replaces the manifest at `path`.
    pub fn save(&self, disk: &dyn Disk, path: &str) -> Result<(), DiskError> {
        checked::save(disk, path, self.encode())
    }
}

/// A manifest lists runs and arenas, some 20 bytes each; more than this is damage.
const MANIFEST_BYTES_MAX: usize = 64 << 20;
