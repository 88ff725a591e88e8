//! Where the new chunks of a large blob go: into frames where compressing pays, else raw into one
//! contiguous extent, so that a whole file or column can be mapped.

use crate::append::{AppendError, ExtentWriter};
use crate::format::{Item, ItemId, ItemKind};
use crate::put::{Batch, PutError};

/// Takes the new chunks of one blob in order.
pub(crate) struct ChunkSink<'a> {
    extent: Option<ExtentWriter<'a>>,
    /// Bytes until the next look at whether compressing pays.
    probe_in: usize,
    pays: bool,
    /// Compressing pays where it saves one part in so many.
    pays_from: usize,
    /// The blob is long enough for an extent.
    is_long: bool,
}

/// How much of a chunk is compressed to find out whether compressing pays.
const PROBE_LEN: usize = 64 << 10;

/// After a look, the answer is taken to hold for this many bytes.
const PROBE_EVERY: usize = 1 << 20;

/// Blobs up to this many bytes go into frames whatever they hold: a frame that does not compress is
/// stored raw anyway, and one wrong look would cost more than all of them save.
const EXTENT_BLOB_MIN: usize = 4 << 20;

/// Compressing pays where it saves at least a sixteenth.
const PAYS_FROM: usize = 16;

/// In a Parquet file, where it saves at least a third: readers ask for its columns again and again, and
/// map what lies raw. What its writer has compressed already saves less, and what is compressed twice is
/// decompressed twice at each reading, which costs a scan 20 to 40 % (`docs/design/store.md`).
const PAYS_FROM_PARQUET: usize = 3;

/// How a Parquet file begins.
const PARQUET_MAGIC: &[u8] = b"PAR1";

impl<'a> ChunkSink<'a> {
    /// Takes a blob that begins with the bytes `front`.
    pub fn new(front: &[u8]) -> Self {
        let pays_from =
            if front.starts_with(PARQUET_MAGIC) { PAYS_FROM_PARQUET } else { PAYS_FROM };
        let is_long = front.len() >= EXTENT_BLOB_MIN;
        Self { extent: None, probe_in: 0, pays: true, pays_from, is_long }
    }

    /// Takes a chunk that this thread has claimed.
    pub fn push(
        &mut self,
        batch: &mut Batch<'a>,
        id: ItemId,
        chunk: &[u8],
    ) -> Result<(), PutError> {
        if self.is_long && self.probe_in == 0 {
            self.pays = probe(batch, chunk, self.pays_from)?;
            self.probe_in = PROBE_EVERY;
        }
        self.probe_in = self.probe_in.saturating_sub(chunk.len());
        if self.pays {
            self.end_extent(batch)?;
            return batch.put_claimed(id, ItemKind::Chunk, chunk);
        }
        if self.extent.as_ref().is_some_and(|extent| !extent.has_room(chunk.len())) {
            self.end_extent(batch)?;
        }
        if self.extent.is_none() {
            self.extent = Some(batch.writer.store().inner.extents.begin_extent()?);
        }
        if let Some(extent) = &mut self.extent {
            extent.push(Item { id, kind: ItemKind::Chunk, len: chunk.len() as u32 }, chunk)?;
        }
        batch.stored.new_bytes += chunk.len() as u64;
        batch.stored.written_bytes += chunk.len() as u64;
        Ok(())
    }

    fn end_extent(&mut self, batch: &Batch<'a>) -> Result<(), AppendError> {
        if let Some(extent) = self.extent.take() {
            batch.writer.index(&extent.finish()?);
        }
        Ok(())
    }

    /// Ends the extent, if one is open.
    pub fn finish(mut self, batch: &Batch<'a>) -> Result<(), AppendError> {
        self.end_extent(batch)
    }
}

/// Returns whether compressing the front of `chunk` saves at least one part in `pays_from`.
fn probe(batch: &mut Batch<'_>, chunk: &[u8], pays_from: usize) -> Result<bool, PutError> {
    let sample = &chunk[..chunk.len().min(PROBE_LEN)];
    let compressed = batch.compress(sample)?;
    Ok(compressed.len() < sample.len() - sample.len() / pays_from)
}
