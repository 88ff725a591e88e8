//! User data that looks like what the store writes. Whoever makes it up here even knows the key of
//! the arena that it will lie in, and the offset, which nobody does who makes it up beforehand.

use std::sync::Arc;

use vigil_base::Vcid;
use vigil_store::format::{
    ALIGN, ArenaKey, Codec, Item, ItemId, ItemKind, Located, Location, RecordKind, Seal, Trailer,
    encode_directory, merkle_root, payload_check,
};
use vigil_store::{Layout, ReadError, Store};

use super::{arena_paths, open_arena, verify};
use crate::crash::{Ledger, open_on};
use crate::flips::{make, read_all};
use crate::sim::Sim;
use crate::world::noise_bytes;

const VICTIM: &[u8] = b"what somebody else may store one day";
const SMUGGLED: &[u8] = b"what was never put";

/// Returns a record, with checks as good as genuine ones, that starts at byte `start` of an arena.
fn fake_record(key: &ArenaKey, start: u64, items: &[(ItemId, ItemKind, &[u8])]) -> Vec<u8> {
    let payload: Vec<u8> = items.iter().flat_map(|(_, _, bytes)| bytes.iter().copied()).collect();
    let entries: Vec<Item> = items
        .iter()
        .map(|(id, kind, bytes)| Item { id: *id, kind: *kind, len: bytes.len() as u32 })
        .collect();
    let directory = encode_directory(&entries);
    let trailer = Trailer {
        kind: RecordKind::Frame,
        codec: Codec::Raw,
        payload_len: payload.len() as u64,
        raw_len: payload.len() as u64,
        directory_len: directory.len() as u32,
        payload_check: payload_check(&payload),
    };
    let mut bytes = [payload, directory.clone()].concat();
    bytes.resize(trailer.body_len() as usize, 0);
    let trailer_at = start + bytes.len() as u64;
    bytes.extend(trailer.encode(key, trailer_at, &directory));
    bytes
}

/// Returns a table and seal that end an arena at byte `start`, listing a blob that is not there.
fn fake_seal(key: &ArenaKey, start: u64) -> Vec<u8> {
    let at = Location { arena: 0, trailer: 64, inner: 0, len: VICTIM.len() as u32 };
    let entry = Located { id: Vcid::of(VICTIM).into(), kind: ItemKind::Blob, at };
    let table = entry.encode();
    let seal = Seal {
        entries: 1,
        table_at: start,
        root: merkle_root(&[entry]),
        table_check: payload_check(&table),
    };
    [&table[..], &seal.encode(key)].concat()
}

/// Fakes of everything, for a payload that starts at byte `base` of the arena with this key.
fn fakes(key: &ArenaKey, base: u64) -> Vec<u8> {
    let smuggled = (Vcid::of(SMUGGLED).into(), ItemKind::Blob, SMUGGLED);
    let lie = (Vcid::of(VICTIM).into(), ItemKind::Blob, SMUGGLED);
    let chunk = (ItemId::of_chunk(SMUGGLED), ItemKind::Chunk, SMUGGLED);
    let layout = Layout::new(vec![(ItemId::of_chunk(SMUGGLED), SMUGGLED.len() as u32)]).encode();
    let lying_layout = (Vcid::of(VICTIM).into(), ItemKind::Layout, &layout[..]);
    let mut bytes = Vec::new();
    for items in [&[smuggled][..], &[lie], &[chunk, lying_layout], &[]] {
        bytes.extend(fake_record(key, base + bytes.len() as u64, items));
    }
    bytes.extend(fake_seal(key, base + bytes.len() as u64));
    bytes
}

#[track_caller]
fn check_nothing_smuggled(store: &Store, ledger: &Ledger, at: &str) {
    assert!(read_all(store, ledger, at), "{at}: what was put is there");
    for bytes in [VICTIM, SMUGGLED] {
        let read = store.read(Vcid::of(bytes));
        assert!(matches!(read, Err(ReadError::Absent { .. })), "{at}: {read:?}");
    }
    assert!(!store.contains(Vcid::of(SMUGGLED)).expect("a lookup"), "{at}");
    let report = verify(store);
    assert!(report.is_clean() && report.unindexed == 0, "{at}: {report:?}");
}

/// Builds a store twice: once to learn key and offset, once with fakes at that offset.
fn smuggle(len: usize, seals: bool) -> (Sim, Ledger) {
    let filler = noise_bytes(1, len);
    let (first, _) = make(std::slice::from_ref(&filler), false);
    let (arena, base) = arena_paths(&first)
        .iter()
        .map(|path| open_arena(&first, path))
        .find_map(|arena| {
            let content = first.content(&format!("arenas/{:08}.arena", arena.number))?;
            let at = content.windows(64).position(|window| window == &filler[..64])?;
            Some((arena, at as u64))
        })
        .expect("stored raw");
    let mut blob = filler;
    let fakes = fakes(&arena.header.key, base);
    assert!(fakes.len() <= blob.len(), "the fakes take {} bytes", fakes.len());
    blob[..fakes.len()].copy_from_slice(&fakes);
    let (sim, ledger) = make(&[blob.clone()], seals);
    let content = sim.content(&format!("arenas/{:08}.arena", arena.number)).expect("an arena");
    // The fakes lie where they were made for, so their checks are right.
    assert_eq!(content[base as usize..base as usize + fakes.len()], fakes);
    assert_eq!(content[..4096], arena.header.encode());
    (sim, ledger)
}

#[test]
fn fake_records_in_user_data_are_never_taken_for_records() {
    for len in [20_000, 30_000] {
        for seals in [false, true] {
            let (sim, ledger) = smuggle(len, seals);
            let at = format!("{len} bytes, sealed {seals}");
            check_nothing_smuggled(&open_on(sim.process()).expect("it opens"), &ledger, &at);
            sim.wipe("index/");
            let bare = open_on(sim.process()).expect("it opens");
            check_nothing_smuggled(&bare, &ledger, &format!("{at}, without its index"));
            // Sealing lists what arenas hold; going on and sealing again changes nothing.
            bare.writer().and_then(vigil_store::Writer::seal).expect("a seal");
            sim.wipe("index/");
            let sealed = open_on(sim.process()).expect("it opens");
            check_nothing_smuggled(&sealed, &ledger, &format!("{at}, sealed again"));
        }
    }
}

/// The fakes are good: were they not inside a record, they would be taken.
#[test]
fn the_fakes_are_as_good_as_genuine_ones() {
    let (sim, _) = smuggle(30_000, false);
    let path = &arena_paths(&sim)[0];
    let arena = open_arena(&sim, path);
    let content = sim.content(path).expect("an arena");
    let genuine = (0..content.len() as u64)
        .step_by(ALIGN as usize)
        .filter(|at| {
            let record = arena.record(*at);
            record.is_ok_and(|record| arena.directory(&record).is_ok())
        })
        .count();
    // The chunks that they lie in, and the layout.
    let records = arena.find_records(0).expect("records").0;
    assert_eq!((genuine, records.len()), (4 + 2, 2));
}

/// Files with the bytes of an arena, of its records, of the index, of names and trees: all of them
/// are blobs, and stay what they are.
#[test]
fn copies_of_the_stores_own_files_are_files() {
    let first: Vec<Vec<u8>> = vec![noise_bytes(3, 5000), noise_bytes(4, 40_000), b"text".to_vec()];
    let (sim, mut ledger) = make(&first, false);
    let store = open_on(sim.process()).expect("it opens");
    let items_before = store.item_count();
    let mut own: Vec<Arc<Vec<u8>>> = Vec::new();
    for path in sim.paths() {
        let content = sim.content(&path).expect("it is listed");
        if !content.is_empty() {
            own.push(Arc::new(content));
        }
    }
    for path in arena_paths(&sim) {
        let content = sim.content(&path).expect("it is listed");
        own.extend(
            [content[4096..].to_vec(), content[content.len() - 64..].to_vec()].map(Arc::new),
        );
    }
    let tree = vigil_base::Tree::default().encode();
    own.push(Arc::new(tree));
    let writer = store.writer().expect("a writer");
    ledger.put(&writer, &own).expect("a put");
    writer.seal().expect("a seal");
    ledger.acknowledge();
    drop(store);
    let with_index = open_on(sim.process()).expect("it opens");
    assert!(read_all(&with_index, &ledger, "with its index"));
    let items = with_index.item_count();
    assert!(items > items_before);
    sim.wipe("index/");
    let bare = open_on(sim.process()).expect("it opens");
    assert!(read_all(&bare, &ledger, "without its index"));
    assert_eq!(bare.item_count(), items, "nothing was found inside of files");
    assert!(verify(&bare).is_clean());
}
