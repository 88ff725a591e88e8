//! Items: what records hold, what the directories and the index list.

use vigil_base::Vcid;

use super::{array_at, u32_at};

/// Largest item, in bytes. Larger blobs are cut into chunks, so this bounds every buffer.
pub const ITEM_BYTES_MAX: usize = (1 << 28) - 1;

/// What an item is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum ItemKind {
    /// A whole blob; its id is the SHA-256 of its bytes.
    Blob = 0,
    /// A piece of a blob; its id is the BLAKE3 of its bytes, which never leaves the store.
    Chunk = 1,
    /// The list of the chunks of a blob; its id is the SHA-256 of that blob.
    Layout = 2,
}

impl ItemKind {
    fn from_code(code: u32) -> Option<Self> {
        [Self::Blob, Self::Chunk, Self::Layout].get(code as usize).copied()
    }
}

/// The id of an item: 32 bytes whose meaning depends on the kind.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ItemId(pub [u8; 32]);

impl ItemId {
    /// Returns the id of the chunk with these bytes.
    pub fn of_chunk(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }

    /// Returns the id as that of a blob.
    pub fn to_vcid(self) -> Vcid {
        Vcid::from_bytes(self.0)
    }
}

impl From<Vcid> for ItemId {
    fn from(vcid: Vcid) -> Self {
        Self(*vcid.as_bytes())
    }
}

impl std::fmt::Debug for ItemId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0[..8].iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// One entry of a record's directory. Items lie one after another in the record's raw payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Item {
    /// Its id.
    pub id: ItemId,
    /// What it is.
    pub kind: ItemKind,
    /// Its length in bytes, at most [`ITEM_BYTES_MAX`].
    pub len: u32,
}

/// Bytes of a directory entry: the id, and a word that holds kind and length.
pub const DIRECTORY_ENTRY_LEN: usize = 36;

/// The kind takes the top four bits of the word, the length the rest.
const KIND_SHIFT: u32 = 28;
const LEN_MASK: u32 = (1 << KIND_SHIFT) - 1;
const _: () = assert!(ITEM_BYTES_MAX == LEN_MASK as usize);

fn pack(kind: ItemKind, len: u32) -> u32 {
    assert!(len <= LEN_MASK, "an item of {len} bytes is beyond the format");
    (kind as u32) << KIND_SHIFT | len
}

fn unpack(word: u32) -> Option<(ItemKind, u32)> {
    Some((ItemKind::from_code(word >> KIND_SHIFT)?, word & LEN_MASK))
}

/// Returns a directory's bytes.
pub fn encode_directory(items: &[Item]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(items.len() * DIRECTORY_ENTRY_LEN);
    for item in items {
        bytes.extend_from_slice(&item.id.0);
        bytes.extend_from_slice(&pack(item.kind, item.len).to_le_bytes());
    }
    bytes
}

/// Reads a directory; `None` if an entry is not one.
pub fn decode_directory(bytes: &[u8]) -> Option<Vec<Item>> {
    if !bytes.len().is_multiple_of(DIRECTORY_ENTRY_LEN) {
        return None;
    }
    bytes
        .chunks_exact(DIRECTORY_ENTRY_LEN)
        .map(|entry| {
            let (kind, len) = unpack(u32_at(entry, 32))?;
            Some(Item { id: ItemId(array_at(entry, 0)), kind, len })
        })
        .collect()
}

/// Where an item lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Location {
    /// The number of the arena's file in this store.
    pub arena: u32,
    /// Where the record's trailer starts, in units of [`super::ALIGN`] bytes.
    pub trailer: u32,
    /// Where the item starts in the record's raw payload, in bytes.
    pub inner: u32,
    /// Its length in bytes.
    pub len: u32,
}

/// An item with its location: one entry of a seal or of an index run.
///
/// Entries are ordered by id, then kind, then location.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Located {
    /// The item's id.
    pub id: ItemId,
    /// What it is.
    pub kind: ItemKind,
    /// Where it lies.
    pub at: Location,
}

/// Bytes of an encoded [`Located`].
pub const LOCATED_LEN: usize = 48;

impl Located {
    /// Returns the bytes: id, arena, trailer, inner, kind and length.
    pub fn encode(&self) -> [u8; LOCATED_LEN] {
        let mut bytes = [0; LOCATED_LEN];
        bytes[..32].copy_from_slice(&self.id.0);
        let words = [self.at.arena, self.at.trailer, self.at.inner, pack(self.kind, self.at.len)];
        for (slot, word) in bytes[32..].chunks_exact_mut(4).zip(words) {
            slot.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    /// Reads an entry; `None` if the kind is unknown.
    pub fn decode(bytes: &[u8; LOCATED_LEN]) -> Option<Self> {
        let (kind, len) = unpack(u32_at(bytes, 44))?;
        let at = Location {
            arena: u32_at(bytes, 32),
            trailer: u32_at(bytes, 36),
            inner: u32_at(bytes, 40),
            len,
        };
        Some(Self { id: ItemId(array_at(bytes, 0)), kind, at })
    }
}
