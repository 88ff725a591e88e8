//! Arrow's file format, as memory mapped from the arena.
//!
//! DataFusion's own reader copies; this one hands buffers over as they lie. What the file says of
//! offsets and lengths is compared with its length before it is used, and Arrow validates each array.

use datafusion::arrow::buffer::Buffer;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::ipc::convert::fb_to_schema;
use datafusion::arrow::ipc::reader::{FileDecoder, read_footer_length};
use datafusion::arrow::ipc::{Block, Footer, root_as_footer, root_as_message};
use datafusion::arrow::record_batch::RecordBatch;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use datafusion::execution::memory_pool::{MemoryPool, UnboundedMemoryPool};
use vigil_base::Vcid;
use vigil_store::Store;

use crate::budget::{Budget, Over};
use crate::canonical::BATCH_ROWS;
use crate::error::QueryError;

use super::objects::{Object, Objects, Place};

/// What stands behind the footer: its length, and `ARROW1`.
const TRAILER_LEN: u64 = 10;

/// A schema and the batches of a file.
pub type Table = (SchemaRef, Vec<RecordBatch>);

/// Returns the batches of an Arrow file in a store, as they lie: where the file is stored raw, their
/// buffers are the arena's memory.
///
/// # Errors
/// Says what is wrong with the file, and at which byte.
pub fn arrow_in_place(store: &Store, vcid: Vcid) -> Result<Table, QueryError> {
    let blob = store.find(vcid).map_err(|error| QueryError::world(&error))?;
    let object =
        Object { place: Place::Kept(blob), name: vcid.to_string(), records: None, pages: None };
    let pool: Arc<dyn MemoryPool> = Arc::new(UnboundedMemoryPool::default());
    read(&Objects::new(store.clone(), Budget::new(pool, Over::default()), 1), &object)
}

/// Why a file cannot be read: something is wrong with it, or with what holds it.
enum Fault {
    Shape(String),
    Query(QueryError),
}

impl From<String> for Fault {
    fn from(what: String) -> Self {
        Self::Shape(what)
    }
}

impl From<&str> for Fault {
    fn from(what: &str) -> Self {
        Self::Shape(what.to_owned())
    }
}

/// Reads a whole file. Nothing is copied where it lies raw in one piece.
pub fn read(objects: &Objects, object: &Object) -> Result<Table, QueryError> {
    // The library asserts what it has not checked yet; that may end a query, and nothing else.
    let read = catch_unwind(AssertUnwindSafe(|| read_checked(objects, object)))
        .unwrap_or_else(|_| Err("the file contradicts itself".into()));
    read.map_err(|fault| match fault {
        Fault::Shape(what) => QueryError::Source { name: object.name.clone(), what },
        Fault::Query(error) => error,
    })
}

fn read_checked(objects: &Objects, object: &Object) -> Result<Table, Fault> {
    let size = match &object.place {
        Place::Kept(blob) => blob.len(),
        Place::Held(bytes) => bytes.len() as u64,
    };
    let read = |start: u64, end: u64| {
        objects.note(&object.name, start..end);
        let bytes = objects.read(&object.place, start..end).map(Buffer::from);
        bytes.map_err(|error| Fault::Query(QueryError::of(&error.into(), "", None)))
    };
    let cut = |what: &str| format!("{what} at byte {size}, the end of the file, is cut short");
    let trailer_at = size.checked_sub(TRAILER_LEN).ok_or_else(|| cut("the trailer"))?;
    let trailer = read(trailer_at, size)?;
    let trailer = trailer.as_slice().try_into().map_err(|_| cut("the trailer"))?;
    let footer_len = read_footer_length(trailer).map_err(|error| at(trailer_at, &error))? as u64;
    let footer_at = trailer_at.checked_sub(footer_len).ok_or_else(|| cut("the footer"))?;
    let footer_bytes = read(footer_at, trailer_at)?;
    let footer = root_as_footer(&footer_bytes)
        .map_err(|error| format!("the footer at byte {footer_at} is damaged: {error}"))?;
    let schema = footer.schema().ok_or("the footer has no schema")?;
    let schema = Arc::new(fb_to_schema(schema));
    let mut decoder = FileDecoder::new(schema.clone(), footer.version());
    let mut bytes_left = footer_at;
    let mut block_bytes = |block: &Block| {
        let (start, end) = span(block, footer_at)?;
        // Blocks that lie in one another would be one file many times.
        bytes_left = bytes_left.checked_sub(end - start).ok_or_else(|| {
            format!("its blocks overlap: there is no room for that at byte {start}")
        })?;
        let bytes = read(start, end)?;
        check_message(block, &bytes).map_err(|what| format!("{what} at byte {start}"))?;
        Ok::<_, Fault>((start, bytes))
    };
    for block in blocks(&footer, true) {
        let (start, bytes) = block_bytes(block)?;
        decoder.read_dictionary(block, &bytes).map_err(|error| at(start, &error))?;
    }
    let mut batches = Vec::new();
    for block in blocks(&footer, false) {
        let (start, bytes) = block_bytes(block)?;
        let batch = decoder.read_record_batch(block, &bytes).map_err(|e| at(start, &e))?;
        batches.extend(batch);
    }
    Ok((schema, batches))
}

fn at(start: u64, error: &ArrowError) -> String {
    format!("{error} at byte {start}")
}

fn blocks<'a>(footer: &Footer<'a>, of_dictionaries: bool) -> impl Iterator<Item = &'a Block> {
    let list = if of_dictionaries { footer.dictionaries() } else { footer.recordBatches() };
    list.into_iter().flatten()
}

/// Returns where a block lies, if that is before the footer.
fn span(block: &Block, footer_at: u64) -> Result<(u64, u64), String> {
    let parts = || {
        let start = u64::try_from(block.offset()).ok()?;
        let metadata = u64::try_from(block.metaDataLength()).ok()?;
        let body = u64::try_from(block.bodyLength()).ok()?;
        let end = start.checked_add(metadata)?.checked_add(body)?;
        (metadata >= 8 && end <= footer_at).then_some((start, end))
    };
    parts().ok_or_else(|| {
        format!("a block is said to lie at byte {}, where it does not fit", block.offset())
    })
}

/// Checks that the buffers of a message lie in its block.
fn check_message(block: &Block, bytes: &[u8]) -> Result<(), String> {
    let metadata_len = block.metaDataLength() as usize;
    let body_len = bytes.len() - metadata_len;
    let metadata = bytes[..metadata_len].strip_prefix(&[0xff; 4]).unwrap_or(&bytes[..metadata_len]);
    let message = root_as_message(metadata.get(4..).unwrap_or_default())
        .map_err(|error| format!("a message is damaged: {error}"))?;
    let batch = match message.header_as_dictionary_batch() {
        Some(dictionary) => dictionary.data(),
        None => message.header_as_record_batch(),
    };
    let batch = batch.ok_or("a block holds no batch")?;
    if batch.compression().is_some() {
        return Err("its buffers are compressed, which is not read; write it uncompressed".into());
    }
    let is_fine = |value: i64| usize::try_from(value).is_ok();
    let lies_inside = batch.buffers().into_iter().flatten().all(|buffer| {
        let end = buffer.offset().checked_add(buffer.length());
        is_fine(buffer.offset())
            && is_fine(buffer.length())
            && end.is_some_and(|end| usize::try_from(end).is_ok_and(|end| end <= body_len))
    });
    // A value has a bit at least, or nothing is there to be counted against memory. What has no buffers at
    // all, as a column of nulls, has no more rows than a batch of a result.
    let values_max = BATCH_ROWS.max(body_len.saturating_mul(8));
    let is_count = |value: i64| usize::try_from(value).is_ok_and(|value| value <= values_max);
    let mut counts = batch.nodes().into_iter().flatten();
    if !is_count(batch.length()) || !counts.all(|node| is_count(node.length())) {
        return Err(format!("a batch claims more values than its {body_len} bytes can hold"));
    }
    let mut counts = batch.nodes().into_iter().flatten();
    let is_counted = counts.all(|node| is_fine(node.null_count()));
    let few = batch.variadicBufferCounts().into_iter().flatten();
    let is_bounded = few.into_iter().all(|count| (0..=1 << 20).contains(&count));
    match lies_inside && is_counted && is_bounded {
        true => Ok(()),
        false => Err("a batch has buffers outside of its block".to_owned()),
    }
}
