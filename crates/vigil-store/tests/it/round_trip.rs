//! What goes in comes out, whatever its size and however it is stored.

use vigil_base::Vcid;
use vigil_store::{Options, Store};

use crate::world::{folder_world, noise_bytes, text_bytes};

fn samples() -> Vec<Vec<u8>> {
    let lens = [0, 1, 63, 64, 65, 4096, 100_000, 256 << 10, (256 << 10) + 1, 3_000_000, 9_000_000];
    let lens = lens.into_iter().zip(0..);
    lens.flat_map(|(len, seed)| [noise_bytes(seed, len), text_bytes(seed, len)]).collect()
}

#[test]
fn blobs_come_back_here_and_in_the_next_process() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(folder_world(folder.path()), Options::default()).expect("a new store");
    let writer = store.writer().expect("a writer");
    let mut names = Vec::new();
    for bytes in samples() {
        names.push((writer.put(&bytes).expect("a put"), bytes));
    }
    writer.finish().expect("a commit");
    let reopened =
        Store::open(folder_world(folder.path()), Options::default()).expect("the store again");
    for store in [store, reopened] {
        for (vcid, bytes) in &names {
            assert_eq!(*vcid, Vcid::of(bytes));
            assert_eq!(store.read(*vcid).expect("what was put"), *bytes);
        }
    }
}

#[test]
fn ranges_are_the_same_as_slices() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(folder_world(folder.path()), Options::default()).expect("a new store");
    for bytes in [noise_bytes(1, 5_000_000), text_bytes(2, 5_000_000), text_bytes(3, 1000)] {
        let writer = store.writer().expect("a writer");
        let vcid = writer.put(&bytes).expect("a put");
        writer.finish().expect("a commit");
        let blob = store.find(vcid).expect("it was put");
        assert_eq!(blob.len(), bytes.len() as u64);
        for (start, len) in [(0, 1), (0, bytes.len()), (bytes.len() - 1, 1), (500, 0), (100, 900)] {
            let mut range = vec![0; len];
            store.read_range(&blob, start as u64, &mut range).expect("a range inside");
            assert_eq!(range, bytes[start..start + len]);
        }
        let error = store.read_range(&blob, bytes.len() as u64, &mut [0]).expect_err("outside");
        assert!(error.to_string().contains("are not all in it"), "{error}");
    }
}

/// A raw extent is one piece of memory inside the arena's mapping, aligned as Arrow wants it.
#[test]
fn incompressible_blobs_can_be_mapped_whole() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(folder_world(folder.path()), Options::default()).expect("a new store");
    let bytes = noise_bytes(7, 6_000_000);
    let writer = store.writer().expect("a writer");
    let vcid = writer.put(&bytes).expect("a put");
    writer.finish().expect("a commit");
    let blob = store.find(vcid).expect("it was put");
    let mapped = store.map_range(&blob, 0).expect("intact").expect("raw");
    assert_eq!(&*mapped, &bytes[..]);
    let arena = mapped.arena_bytes().as_ptr_range();
    assert!(arena.contains(&mapped.as_ptr()) && (mapped.as_ptr() as usize).is_multiple_of(64));
    let tail = store.map_range(&blob, 1234).expect("intact").expect("raw");
    assert_eq!(&*tail, &bytes[1234..]);
}

/// What compresses a little is compressed, but columns that are read again and again are better mapped.
#[test]
fn a_parquet_file_lies_raw_unless_it_compresses_well() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(folder_world(folder.path()), Options::default()).expect("a new store");
    // A fifth of each page is zero, as behind a quick compressor.
    let pages: Vec<u8> = noise_bytes(8, 4_800_000)
        .chunks(800)
        .flat_map(|noise| noise.iter().copied().chain([0; 200]))
        .collect();
    let is_mapped = |front: &[u8], rest: &[u8]| {
        let bytes = [front, rest].concat();
        let writer = store.writer().expect("a writer");
        let vcid = writer.put(&bytes).expect("a put");
        writer.finish().expect("a commit");
        let blob = store.find(vcid).expect("it was put");
        assert_eq!(store.read(vcid).expect("what was put"), bytes);
        store.map_range(&blob, 0).expect("intact").is_some_and(|mapped| mapped.len() == bytes.len())
    };
    assert!(!is_mapped(b"text", &pages), "other bytes are compressed where it saves a fifth");
    assert!(!is_mapped(b"PAR1", &text_bytes(9, 6_000_000)), "a page without compression is text");
    let other: Vec<u8> = pages.iter().rev().copied().collect();
    assert!(is_mapped(b"PAR1", &other), "a column is one piece of memory");
}

#[test]
fn the_same_bytes_are_stored_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(folder_world(folder.path()), Options::default()).expect("a new store");
    let bytes = noise_bytes(9, 4_000_000);
    let mut longer = bytes.clone();
    longer.splice(1_000_000..1_000_000, *b"inserted");
    let writer = store.writer().expect("a writer");
    let mut first = writer.batch().expect("a batch");
    first.put_any(&bytes).expect("a put");
    assert_eq!(first.finish().expect("a flush").new_bytes, 4_000_000 + layout_bytes(&store));
    let mut second = writer.batch().expect("a batch");
    second.put_any(&bytes).expect("a put");
    assert_eq!(second.finish().expect("a flush").new_bytes, 0);
    let mut third = writer.batch().expect("a batch");
    third.put_any(&longer).expect("a put");
    let new = third.finish().expect("a flush").new_bytes;
    assert!(new < 2_200_000, "an insertion changed {new} bytes of chunks");
    writer.finish().expect("a commit");
    assert_eq!(store.read(Vcid::of(&longer)).expect("it was put"), longer);
}

/// Bytes of the only layout: everything in the index but it is a chunk.
fn layout_bytes(store: &Store) -> u64 {
    (store.item_count() - 1) * 36
}
