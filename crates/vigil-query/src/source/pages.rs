//! What the footer of a Parquet file would cost its reader, found out before it is read.

use std::collections::BTreeMap;
use std::ops::Range;

use super::footer;
use super::objects::{Object, Objects, Place};
use crate::error::QueryError;

/// Bytes of a page that nobody counts: what writers make, which is a megabyte.
const PAGE_BYTES_PLAIN: u64 = 1 << 20;

/// The header of a page: a few numbers; statistics may follow, which do not matter here.
const HEADER_BYTES_MAX: u64 = 64;

/// Refuses columns that are nested so deep that reading the schema would exhaust the stack, and counts
/// dictionaries (and other first pages) that are unusually large: one for each column.
pub fn check(objects: &Objects, object: &Object) -> Result<(), QueryError> {
    let size = match &object.place {
        Place::Kept(blob) => blob.len(),
        Place::Held(bytes) => bytes.len() as u64,
    };
    let read = |range: Range<u64>| {
        let bytes = objects.read(&object.place, range);
        bytes.map_err(|error| QueryError::of(&error.into(), "", None))
    };
    // What is too short or has another ending is refused by the reader, which says so.
    let Some(trailer_at) = size.checked_sub(8) else { return Ok(()) };
    let trailer = read(trailer_at..size)?;
    let Some(len) = trailer.first_chunk().map(|len| u64::from(u32::from_le_bytes(*len))) else {
        return Ok(());
    };
    let Some(footer_at) = trailer_at.checked_sub(len) else { return Ok(()) };
    let range = footer_at..trailer_at;
    let damaged =
        |what: String| QueryError::Bytes { name: object.name.clone(), range: range.clone(), what };
    let found = footer::read(&read(range.clone())?)
        .ok_or_else(|| damaged("its footer is damaged".to_owned()))?;
    if found.depth > footer::NESTING_MAX {
        let (depth, most) = (found.depth, footer::NESTING_MAX);
        return Err(damaged(format!(
            "its columns are nested {depth} deep, and no more than {most} are read"
        )));
    }
    let mut largest: BTreeMap<u64, u64> = BTreeMap::new();
    for (column, at) in found.first_pages {
        objects.budget().check()?;
        // What lies elsewhere is refused by the reader, when it gets there.
        if at >= footer_at {
            continue;
        }
        let header = read(at..footer_at.min(at + HEADER_BYTES_MAX))?;
        let bytes = footer::unpacked_bytes(&header).unwrap_or(0);
        let known = largest.entry(column).or_default();
        *known = bytes.max(*known);
    }
    let beyond = largest.values().map(|bytes| bytes.saturating_sub(PAGE_BYTES_PLAIN));
    let held = objects.budget().reserve("large pages of Parquet files");
    held.try_grow(usize::try_from(beyond.sum::<u64>()).unwrap_or(usize::MAX)).map_err(|error| {
        match QueryError::of(&error, "", None) {
            QueryError::Memory { what } => {
                QueryError::Memory { what: format!("{}: {what}", object.name) }
            }
            other => other,
        }
    })?;
    objects.hold(held);
    Ok(())
}
