//! The layout of a large blob: its chunks in order. Drawn in `docs/format/arena.md`.

use crate::format::{
    DIRECTORY_ENTRY_LEN, Item, ItemId, ItemKind, decode_directory, encode_directory,
};

/// The chunks of a blob, and where each starts in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    chunks: Vec<(ItemId, u32)>,
    /// Where each chunk starts in the blob, and the blob's length at the end.
    starts: Vec<u64>,
}

impl Layout {
    /// Takes the chunks in order.
    pub fn new(chunks: Vec<(ItemId, u32)>) -> Self {
        let mut starts = Vec::with_capacity(chunks.len() + 1);
        let mut at = 0;
        for (_, len) in &chunks {
            starts.push(at);
            at += u64::from(*len);
        }
        starts.push(at);
        Self { chunks, starts }
    }

    /// Returns the chunks in order: id and length.
    pub fn chunks(&self) -> &[(ItemId, u32)] {
        &self.chunks
    }

    /// Returns the blob's length.
    pub fn blob_len(&self) -> u64 {
        self.starts[self.chunks.len()]
    }

    /// Returns where chunk `index` starts in the blob.
    pub fn start(&self, index: usize) -> u64 {
        self.starts[index]
    }

    /// Returns the index of the chunk that holds byte `offset`, which must lie inside the blob.
    pub fn chunk_at(&self, offset: u64) -> usize {
        assert!(offset < self.blob_len());
        // Empty chunks are refused, so starts are strictly rising.
        self.starts.partition_point(|&start| start <= offset) - 1
    }

    /// Returns the bytes: written like a directory, so that both have one reader.
    pub fn encode(&self) -> Vec<u8> {
        let items: Vec<Item> = self
            .chunks
            .iter()
            .map(|(id, len)| Item { id: *id, kind: ItemKind::Chunk, len: *len })
            .collect();
        encode_directory(&items)
    }

    /// Reads a layout; `None` where the bytes are none.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let items = decode_directory(bytes)?;
        let is_fine = |item: &Item| item.kind == ItemKind::Chunk && item.len > 0;
        if items.is_empty() || !items.iter().all(is_fine) {
            return None;
        }
        Some(Self::new(items.iter().map(|item| (item.id, item.len)).collect()))
    }
}

/// A layout lies in one frame, so a frame's limit bounds the blob: at 512 KiB a chunk, some 900 GiB.
pub const LAYOUT_CHUNKS_MAX: usize = crate::arena::FRAME_BYTES_MAX / DIRECTORY_ENTRY_LEN;
