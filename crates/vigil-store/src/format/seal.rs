//! The seal: the sorted list of all items, and the block that ends a sealed arena.

use vigil_base::{Hasher, Vcid};

use super::item::{LOCATED_LEN, Located};
use super::{ArenaKey, Check, array_at, u64_at};

/// Bytes of the block that ends a sealed arena.
pub const SEAL_LEN: usize = 128;

const MAGIC: [u8; 8] = *b"vigseal1";
const ENTRIES_AT: usize = MAGIC.len();
const TABLE_AT: usize = ENTRIES_AT + 8;
const ROOT_AT: usize = TABLE_AT + 8;
const TABLE_CHECK_AT: usize = ROOT_AT + 32;
const CHECK_AT: usize = SEAL_LEN - size_of::<Check>();
const _: () = assert!(TABLE_CHECK_AT + size_of::<Check>() <= CHECK_AT);

/// What the last block of a sealed arena says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seal {
    /// How many entries the table has.
    pub entries: u64,
    /// Where the table starts.
    pub table_at: u64,
    /// The Merkle root over the entries.
    pub root: Vcid,
    /// The table's checksum.
    pub table_check: [u8; 16],
}

/// Why the end of an arena is not a seal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// The arena has not been sealed, or lost its end.
    #[error("the arena has no seal")]
    Absent,
    /// The seal or its table is damaged.
    #[error("the arena's seal is damaged")]
    Damaged,
}

impl Seal {
    /// Returns the bytes.
    pub fn encode(&self, key: &ArenaKey) -> [u8; SEAL_LEN] {
        let mut bytes = [0; SEAL_LEN];
        let mut put = |at: usize, field: &[u8]| bytes[at..at + field.len()].copy_from_slice(field);
        put(0, &MAGIC);
        put(ENTRIES_AT, &self.entries.to_le_bytes());
        put(TABLE_AT, &self.table_at.to_le_bytes());
        put(ROOT_AT, self.root.as_bytes());
        put(TABLE_CHECK_AT, &self.table_check);
        let check = seal_check(key, &bytes);
        bytes[CHECK_AT..].copy_from_slice(&check);
        bytes
    }

    /// Reads the last block of an arena of `arena_len` bytes.
    pub fn decode(
        bytes: &[u8; SEAL_LEN],
        key: &ArenaKey,
        arena_len: u64,
    ) -> Result<Self, SealError> {
        if !bytes.starts_with(&MAGIC) {
            // With its first bytes put right, is it one? Then these are what is damaged.
            let mut mended = *bytes;
            mended[..MAGIC.len()].copy_from_slice(&MAGIC);
            let is_ours = seal_check(key, &mended) == bytes[CHECK_AT..];
            return Err(if is_ours { SealError::Damaged } else { SealError::Absent });
        }
        if seal_check(key, bytes) != bytes[CHECK_AT..] {
            return Err(SealError::Damaged);
        }
        let seal = Self {
            entries: u64_at(bytes, ENTRIES_AT),
            table_at: u64_at(bytes, TABLE_AT),
            root: Vcid::from_bytes(array_at(bytes, ROOT_AT)),
            table_check: array_at(bytes, TABLE_CHECK_AT),
        };
        let table_len = seal.entries.checked_mul(LOCATED_LEN as u64);
        let end = table_len.and_then(|len| seal.table_at.checked_add(len));
        match end.and_then(|end| end.checked_add(SEAL_LEN as u64)) {
            Some(end) if end == arena_len => Ok(seal),
            _ => Err(SealError::Damaged),
        }
    }
}

fn seal_check(key: &ArenaKey, bytes: &[u8; SEAL_LEN]) -> Check {
    array_at(blake3::keyed_hash(&key.0, &bytes[..CHECK_AT]).as_bytes(), 0)
}

/// Returns the root of the Merkle tree over sorted `entries`, shaped as in RFC 6962 §2.1.
///
/// The list is sorted, so a path in the tree proves that an item is in the arena, and two neighbours
/// prove that one is not.
pub fn merkle_root(entries: &[Located]) -> Vcid {
    let mut level: Vec<Vcid> = entries
        .iter()
        .map(|entry| {
            let mut hasher = Hasher::new();
            hasher.update(&[0]);
            hasher.update(&entry.encode());
            hasher.finish()
        })
        .collect();
    if level.is_empty() {
        return Vcid::of(b"");
    }
    // Joining neighbours and carrying an odd last one up gives the same tree as RFC 6962's split at
    // the largest power of two.
    while level.len() > 1 {
        level = level
            .chunks(2)
            .map(|pair| match pair {
                [left, right] => {
                    let mut hasher = Hasher::new();
                    hasher.update(&[1]);
                    hasher.update(left.as_bytes());
                    hasher.update(right.as_bytes());
                    hasher.finish()
                }
                single => single[0],
            })
            .collect();
    }
    level[0]
}
