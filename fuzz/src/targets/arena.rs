//! Whole arenas made by somebody who knows the arena's key, as whoever hands one over does: every
//! checksum is right, and what is checked by it may lie.
//!
//! Invariants:
//! - an honest record that no later record claims is found with all of its items;
//! - what a scan calls intact is intact.

use super::forgery::forge;
use crate::world::MemoryFile;
use std::sync::Arc;
use vigil_base::Vcid;
use vigil_store::Arena;
use vigil_store::Record;
use vigil_store::format::{ALIGN, ItemId, ItemKind, Located, RecordKind};

/// Checks one input.
pub fn run(input: &[u8]) {
    let forgery = forge(input);
    let arena = match Arena::open(Arc::new(MemoryFile::of(forgery.bytes)), 3) {
        Ok(arena) => arena,
        Err(error) => panic!("its header is honest, but: {error}"),
    };
    if let Ok(Ok(seal)) = arena.seal()
        && let Ok(items) = arena.sealed_items(&seal)
    {
        assert!(items.iter().all(|located| located.at.arena == 3));
    }
    let Ok(scan) = arena.scan(0) else { return };
    for located in &scan.items {
        let record = arena.record(u64::from(located.at.trailer) * ALIGN);
        assert!(record.is_ok_and(|record| is_intact(&arena, &record, located)), "{located:?}");
    }
    if forgery.is_sealed {
        // A seal that is believed may end the records early; only what is found counts then.
        return;
    }
    for (start, end, id) in forgery.honest {
        let overlaid = forgery.claims.iter().any(|(from, to)| *to >= end && *from < end);
        let found = scan.items.iter().any(|located| located.id == id);
        assert!(overlaid || found, "the honest record {start}..{end} was not found");
    }
    let walked = arena.walk_back(scan.end);
    assert!(walked.is_ok(), "walking back is no reason to fail");
}

/// Reads an item the way a reader does and compares it with its id.
fn is_intact(arena: &Arena, record: &Record, located: &Located) -> bool {
    let mut bytes = vec![0; located.at.len as usize];
    let start = located.at.inner as usize;
    match record.trailer.kind {
        RecordKind::Extent => {
            if arena.read_raw(record, located.at.inner, &mut bytes).is_err() {
                return false;
            }
        }
        RecordKind::Frame => match arena.decode_frame(record) {
            Ok(frame) => bytes.copy_from_slice(&frame[start..start + located.at.len as usize]),
            Err(_) => return false,
        },
    }
    match located.kind {
        ItemKind::Blob => ItemId::from(Vcid::of(&bytes)) == located.id,
        ItemKind::Chunk => ItemId::of_chunk(&bytes) == located.id,
        // A layout names the blob that it lays out; its frame's checksum proves it.
        ItemKind::Layout => record.trailer.kind == RecordKind::Frame,
    }
}
