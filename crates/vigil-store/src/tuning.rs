//! How bytes are cut, packed and compressed. Changing these changes sizes and speeds, never meanings.

/// Parameters of writing. Every reader reads what any of them has written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tuning {
    /// Blobs up to this many bytes are stored whole; larger ones are cut into chunks.
    pub whole_bytes_max: usize,
    /// Raw bytes that a frame of small blobs gathers before it is compressed and written.
    pub blob_frame_bytes: usize,
    /// The same for a frame of chunks of large blobs.
    pub chunk_frame_bytes: usize,
    /// Least, average and most bytes of a chunk.
    pub chunk_bytes: ChunkBytes,
    /// Zstandard's level.
    pub level: i32,
}

/// The bounds of content-defined chunks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkBytes {
    /// No chunk but a blob's last is shorter.
    pub min: u32,
    /// What chunks of random bytes have on average.
    pub average: u32,
    /// No chunk is longer.
    pub max: u32,
}

/// Measured on 1.3 GB of mixed sources and binaries (`docs/design/store.md` has the table): level 2
/// with these frames is the least work that stores them smaller than the smallest of the tools
/// compared. Chunks of 64 KiB find more repetition than larger ones, and long frames make up for
/// what short chunks cost in compression.
impl Default for Tuning {
    fn default() -> Self {
        Self {
            whole_bytes_max: 256 << 10,
            blob_frame_bytes: 256 << 10,
            chunk_frame_bytes: 2 << 20,
            chunk_bytes: ChunkBytes { min: 16 << 10, average: 64 << 10, max: 256 << 10 },
            level: 2,
        }
    }
}
