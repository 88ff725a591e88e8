//! What a Parquet file would cost its reader, found out before it is read.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use datafusion::common::Result as Counted;
use datafusion::execution::memory_pool::MemoryReservation;

use super::footer;
use super::objects::{Object, Objects};
use crate::budget::Budget;
use crate::error::QueryError;

/// Bytes of a page that nobody counts: what writers make, which is a megabyte.
const PAGE_BYTES_PLAIN: u64 = 1 << 20;

/// The pages of a Parquet file. A reader unpacks one of each column at a time, whatever size its header says,
/// so the largest of each column counts before it gets there.
#[derive(Debug)]
pub struct Pages {
    /// Where chunks begin, each with the place of its column; rising.
    chunks: Vec<(u64, u64)>,
    /// The bytes beyond a plain page of the largest one that was met, column by column.
    largest: Mutex<BTreeMap<u64, u64>>,
    held: MemoryReservation,
}

impl Pages {
    /// Looks through the footer of a file, and refuses columns that are nested so deep that reading the
    /// schema would exhaust the stack. What is no Parquet file is refused by the reader, which says so.
    pub fn of(objects: &Objects, object: &Object) -> Result<Option<Self>, QueryError> {
        let size = object.place.size();
        let read = |range: Range<u64>| {
            let bytes = objects.read(&object.place, range);
            bytes.map_err(|error| QueryError::of(&error.into(), "", None))
        };
        let Some(trailer_at) = size.checked_sub(8) else { return Ok(None) };
        let trailer = read(trailer_at..size)?;
        let Some(len) = trailer.first_chunk().map(|len| u64::from(u32::from_le_bytes(*len))) else {
            return Ok(None);
        };
        let Some(footer_at) = trailer_at.checked_sub(len) else { return Ok(None) };
        let range = footer_at..trailer_at;
        let damaged = |what: String| QueryError::Bytes {
            name: object.name.clone(),
            range: range.clone(),
            what,
        };
        let found = footer::read(&read(range.clone())?)
            .ok_or_else(|| damaged("its footer is damaged".to_owned()))?;
        if found.depth > footer::NESTING_MAX {
            let (depth, most) = (found.depth, footer::NESTING_MAX);
            return Err(damaged(format!(
                "its columns are nested {depth} deep, and no more than {most} are read"
            )));
        }
        let mut chunks: Vec<_> =
            found.first_pages.into_iter().map(|(column, at)| (at, column)).collect();
        chunks.sort_unstable();
        Ok(Some(Self::new(chunks, objects.budget(), &object.name)))
    }

    fn new(chunks: Vec<(u64, u64)>, budget: &Budget, name: &str) -> Self {
        let held = budget.reserve(&format!("large pages of {name}"));
        Self { chunks, largest: Mutex::default(), held }
    }

    /// Counts the pages that lie in bytes from `start` on, which a reader is about to be given.
    ///
    /// # Errors
    /// Says that there is no memory for one of them.
    pub fn count(&self, start: u64, bytes: &[u8]) -> Counted<()> {
        let mut largest = 0;
        let mut rest = bytes;
        // What is no header is refused by the reader, when it gets there.
        while let Some(header) = footer::page_header(rest) {
            largest = largest.max(header.unpacked_bytes.saturating_sub(PAGE_BYTES_PLAIN));
            let Some(next) = usize::try_from(header.stride).ok().and_then(|at| rest.get(at..))
            else {
                break;
            };
            rest = next;
        }
        let before = self.chunks.partition_point(|(at, _)| *at <= start);
        let column = before.checked_sub(1).map_or(0, |chunk| self.chunks[chunk].1);
        let mut all = self.largest.lock().unwrap_or_else(PoisonError::into_inner);
        let known = all.entry(column).or_default();
        if largest > *known {
            self.held.try_grow(usize::try_from(largest - *known).unwrap_or(usize::MAX))?;
            *known = largest;
        }
        Ok(())
    }
}
