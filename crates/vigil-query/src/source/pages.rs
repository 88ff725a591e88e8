//! What the pages of a Parquet file would cost their reader, found out before it is given them.
//!
//! Invariant: a reader is given no page whose header was not read here, nor one that unpacks to more than its
//! header says.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use datafusion::common::Result as Counted;
use datafusion::execution::memory_pool::MemoryReservation;

use super::footer::{self, Chunk, PageHeader};
use super::objects::{Object, Objects};
use crate::budget::Budget;
use crate::error::QueryError;

/// Bytes of a page that nobody counts: what writers make, which is a megabyte.
const PAGE_BYTES_PLAIN: u64 = 1 << 20;

/// How many bytes of a file come before all pages.
const MAGIC_BYTES: u64 = 4;

/// Some writers forget the header of a dictionary in the length of a chunk, so that readers ask for more
/// (PARQUET-816); where nothing was forgotten that is no page.
const CHUNK_REST_MAX: usize = 100;

/// What the reader of a footer holds for each of its bytes, about, while it reads it.
const HELD_FOR_FOOTER_BYTE: usize = 16;

/// Numbers of `CompressionCodec`. The others unpack to no more than they are told to.
const PLAIN: i32 = 0;
const GZIP: i32 = 2;
const BROTLI: i32 = 4;
const LZ4: i32 = 5;

/// The largest pages of each column of each table. A thread unpacks one page of each column at a time, beside
/// its dictionary, so these count before it gets there.
#[derive(Debug)]
pub struct LargePages {
    threads: u64,
    /// Bytes beyond a plain page, by table and column, for dictionaries apart.
    largest: Mutex<BTreeMap<(String, u64, bool), u64>>,
    held: MemoryReservation,
}

impl LargePages {
    /// Begins to count for so many threads.
    pub fn new(budget: &Budget, threads: usize) -> Self {
        let held = budget.reserve("large pages of Parquet files");
        Self { threads: threads as u64, largest: Mutex::default(), held }
    }

    fn count(&self, table: &str, column: u64, page: &PageHeader) -> Counted<()> {
        let beyond = page.unpacked_bytes.saturating_sub(PAGE_BYTES_PLAIN);
        if beyond == 0 {
            return Ok(());
        }
        let mut largest = self.largest.lock().unwrap_or_else(PoisonError::into_inner);
        let known = largest.entry((table.to_owned(), column, page.is_dictionary)).or_default();
        if beyond > *known {
            let more = (beyond - *known).saturating_mul(self.threads);
            self.held.try_grow(usize::try_from(more).unwrap_or(usize::MAX))?;
            *known = beyond;
        }
        Ok(())
    }
}

/// The pages of a Parquet file.
#[derive(Debug)]
pub struct Pages {
    /// The chunks of columns, in the order in which they lie.
    chunks: Vec<Chunk>,
    /// Counts them.
    _held: MemoryReservation,
}

impl Pages {
    /// Looks through the footer of a file, and refuses columns that are nested so deep that reading the
    /// schema would exhaust the stack. What is no Parquet file is refused by the reader, which says so.
    pub fn of(objects: &Objects, object: &Object) -> Result<Option<Self>, QueryError> {
        let size = object.place.size();
        let read = |range: Range<u64>| read(objects, object, range);
        let Some(trailer_at) = size.checked_sub(8) else { return Ok(None) };
        let trailer = read(trailer_at..size)?;
        let Some(len) = trailer.first_chunk().map(|len| u32::from_le_bytes(*len)) else {
            return Ok(None);
        };
        let Some(footer_at) = trailer_at.checked_sub(u64::from(len)) else { return Ok(None) };
        let damaged = |range: Range<u64>, what: String| {
            Err(QueryError::Bytes { name: object.name.clone(), range, what })
        };
        let counted = |error| match QueryError::of(&error, "", None) {
            QueryError::Memory { what } => {
                QueryError::Memory { what: format!("{}: {what}", object.name) }
            }
            other => other,
        };
        let held = objects.budget().reserve("footers of Parquet files");
        held.try_grow((len as usize).saturating_mul(HELD_FOR_FOOTER_BYTE)).map_err(counted)?;
        let range = footer_at..trailer_at;
        let Some(found) = footer::read(&read(range.clone())?) else {
            return damaged(range, "its footer is damaged".to_owned());
        };
        if found.depth > footer::NESTING_MAX {
            let (depth, most) = (found.depth, footer::NESTING_MAX);
            let what =
                format!("its columns are nested {depth} deep, and no more than {most} are read");
            return damaged(range, what);
        }
        let mut chunks = found.chunks;
        chunks.sort_by_key(|chunk| (chunk.range.start, chunk.range.end));
        held.try_resize(size_of_val(&*chunks)).map_err(counted)?;
        for pair in chunks.windows(2) {
            let is_inside = pair[1].range.start < pair[0].range.end && !pair[1].range.is_empty();
            if is_inside && pair[0].range.start >= MAGIC_BYTES {
                return damaged(pair[1].range.clone(), "two of its columns overlap".to_owned());
            }
        }
        let pages = Self { chunks, _held: held };
        for chunk in &pages.chunks {
            objects.budget().check()?;
            let Some(index) = &chunk.offset_index else { continue };
            if index.end > size {
                return damaged(index.clone(), "the file ends before its index".to_owned());
            }
            let locations = footer::page_locations(&read(index.clone())?);
            let is_inside =
                |page: &Range<u64>| chunk.range.start <= page.start && page.end <= chunk.range.end;
            if !locations.is_some_and(|pages| pages.iter().all(is_inside)) {
                let what = "this index of its pages is damaged".to_owned();
                return damaged(index.clone(), what);
            }
        }
        Ok(Some(pages))
    }

    /// Looks at the pages that lie in bytes from `start` on, which a reader is about to be given.
    ///
    /// # Errors
    /// Says that there is no memory for one of them, or that one is not what it should be.
    pub fn check(
        &self,
        objects: &Objects,
        object: &Object,
        table: &str,
        start: u64,
        bytes: &[u8],
    ) -> Result<(), QueryError> {
        let before = self.chunks.partition_point(|chunk| chunk.range.start <= start);
        let Some(chunk) = before.checked_sub(1).map(|place| &self.chunks[place]) else {
            return Ok(());
        };
        // Footers and indexes are asked for in the same way, and lie in no chunk as a whole.
        if start + bytes.len() as u64 > chunk.range.end {
            return Ok(());
        }
        let damaged = |at: usize, what: &str| {
            let range = start + at as u64..start + bytes.len() as u64;
            Err(QueryError::Bytes { name: object.name.clone(), range, what: what.to_owned() })
        };
        // Some writers say 0 of a dictionary that is not there, which readers take at its word.
        if chunk.range.start < MAGIC_BYTES {
            return damaged(0, "a column does not begin where the file does");
        }
        let mut found = BTreeSet::new();
        let mut at = 0;
        while at < bytes.len() {
            let Some(page) = footer::page_header(&bytes[at..]) else {
                if at > 0 && bytes.len() - at < CHUNK_REST_MAX {
                    break;
                }
                return damaged(at, "the header of a page is damaged");
            };
            let body_at = at + page.header_bytes;
            let end = (body_at + page.stored_bytes).min(bytes.len());
            if chunk.codec != PLAIN && page.is_packed {
                let counted = objects.large_pages().count(table, chunk.column, &page);
                counted.map_err(|error| QueryError::of(&error, "", None))?;
                let body = &bytes[(body_at + page.plain_bytes).min(end)..end];
                let most = page.unpacked_bytes.saturating_sub(page.plain_bytes as u64);
                if !unpacks_to_at_most(chunk.codec, body, most, &|| {
                    objects.budget().check().is_err()
                }) {
                    return damaged(at, "a page unpacks to more than its header says");
                }
            }
            found.insert(start + at as u64);
            at = body_at.saturating_add(page.stored_bytes);
        }
        // A reader that goes by the index must find the same pages.
        if found.len() > 1
            && let Some(index) = &chunk.offset_index
        {
            let locations = footer::page_locations(&read(objects, object, index.clone())?);
            let locations = locations.unwrap_or_default();
            if !locations.iter().all(|page| found.contains(&page.start)) {
                return damaged(0, "its pages are not where their index says");
            }
        }
        Ok(())
    }
}

fn read(objects: &Objects, object: &Object, range: Range<u64>) -> Result<Bytes, QueryError> {
    let bytes = objects.read(&object.place, range);
    bytes.map_err(|error| QueryError::of(&error.into(), "", None))
}

/// Unpacks what would not stop by itself, and says whether it stays within what its header says. What cannot
/// be unpacked does.
fn unpacks_to_at_most(codec: i32, body: &[u8], most: u64, is_over: &dyn Fn() -> bool) -> bool {
    let mut reader: Box<dyn Read + '_> = match codec {
        GZIP => Box::new(flate2::read::MultiGzDecoder::new(body)),
        BROTLI => Box::new(brotli::Decompressor::new(body, 4096)),
        LZ4 => Box::new(lz4_flex::frame::FrameDecoder::new(body)),
        _ => return true,
    };
    let mut scratch = vec![0; 64 << 10];
    let mut total = 0;
    loop {
        match reader.read(&mut scratch) {
            Ok(0) => return true,
            Ok(count) => total += count as u64,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return true,
        }
        if total > most {
            return false;
        }
        if is_over() {
            return true;
        }
    }
}
