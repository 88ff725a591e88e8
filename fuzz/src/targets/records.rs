//! Records that are replaced as a whole: names, arenas that were moved away, snapshot metadata. Those
//! in the store carry a checksum, which is always made right here.
//!
//! Invariant: what is accepted is written again with the same bytes.

use super::store::{options, whole, world};
use crate::world::MemoryDisk;
use vigil_base::Name;
use vigil_base::cbor::validate;
use vigil_files::Snapshot;
use vigil_store::format::payload_check;
use vigil_store::{NamesError, Store};

/// Pieces of names' records.
pub const NAME_WORDS: &[&[u8]] = &[
    b"vigil.name/1",
    b"\x82\x6cvigil.name/1\x80",
    b"\x84\x00\x00\x58\x20",
    b"\x84\x1b\x17\x97\x9c\xfe\x36\x2a\x00\x00\x03",
    b"\xf6",
    b"\x58\x20",
    b"\x3b\x7f\xff\xff\xff\xff\xff\xff\xff",
    b"\x9a\xff\xff\xff\xff",
];

/// Pieces of what is said of an arena that was moved.
pub const MOVED_WORDS: &[&[u8]] = &[
    b"\x84\x6dvigil.moved/1\x58\x20",
    b"\x1b\xff\xff\xff\xff\xff\xff\xff\xff",
    b"\x19\x10\x00",
    b"\x00",
    b"\x1a\x00\x05\x00\x00",
];

/// Pieces of snapshot metadata.
pub const SNAPSHOT_WORDS: &[&[u8]] = &[
    b"\x83\x70vigil.snapshot/1\x58\x20",
    b"\x86\x19\x01\xa4\x00\x00\x00\x00\x80",
    b"\x81\x82\x46user.a\x41b",
    b"\x19\x0f\xff",
    b"\x19\x10\x00",
    b"\x3b\x7f\xff\xff\xff\xff\xff\xff\xff",
    b"\x82\x41a\x40",
    b"\x9a\xff\xff\xff\xff",
];

fn checked(record: &[u8]) -> Vec<u8> {
    [record, &payload_check(record)].concat()
}

/// Opens the whole store with some files more or less.
fn open_with(gone: &str, more: Vec<(String, Vec<u8>)>) -> (std::sync::Arc<MemoryDisk>, Store) {
    let mut files = whole().files.clone();
    files.retain(|(path, _)| path != gone);
    files.extend(more);
    let disk = std::sync::Arc::new(MemoryDisk::of(files));
    let mut parts = world(MemoryDisk::default());
    parts.disk = disk.clone();
    let store = Store::open(parts, options()).expect("its own record is whole");
    (disk, store)
}

/// Checks one input as a name's record.
pub fn run_name(input: &[u8]) {
    let path = "names/x.cbor";
    let bytes = checked(input);
    let (disk, store) = open_with("", vec![(path.to_owned(), bytes.clone())]);
    let name = Name::new("x").expect("a letter");
    match store.versions(&name) {
        Ok(versions) => {
            assert_eq!(validate(input), Ok(()));
            for back in 0..versions.len() as u32 {
                assert!(store.version(&name, back).is_ok());
            }
            assert!(store.version(&name, versions.len() as u32).is_err());
            if versions.is_empty() {
                return;
            }
            store.edit_name(&name, |versions| versions).expect("there is room");
            let written = disk.files().into_iter().find(|(file, _)| file == path);
            assert_eq!(written.map(|(_, bytes)| bytes), Some(bytes), "it is written in two ways");
        }
        Err(NamesError::Damaged { .. }) => assert!(store.names().is_err()),
        Err(error) => panic!("the disk is whole, but: {error:?}"),
    }
}

/// Checks one input as what is said of an arena that was moved: its file is gone, its ends are here.
pub fn run_moved(input: &[u8]) {
    let arena = "arenas/00000001.arena";
    let bytes = whole().files.iter().find(|(path, _)| path == arena);
    let bytes = bytes.map(|(_, bytes)| bytes.clone()).unwrap_or_default();
    let moved = ("arenas/00000001.moved".to_owned(), checked(input));
    let tail = ("arenas/00000001.tail".to_owned(), bytes);
    let mut files = whole().files.clone();
    files.retain(|(path, _)| path != arena);
    files.extend([moved, tail]);
    let Ok(store) = Store::open(world(MemoryDisk::of(files)), options()) else { return };
    for (vcid, want) in &whole().blobs {
        if let Ok(bytes) = store.read(*vcid) {
            assert!(bytes == *want, "wrong bytes for {vcid}");
        }
    }
    let _ = store.arenas();
    let _ = store.moved(1);
}

/// Checks one input as snapshot metadata.
pub fn run_snapshot(input: &[u8]) {
    let Ok(snapshot) = Snapshot::decode(input) else { return };
    assert_eq!(snapshot.encode(), input, "it was accepted but is not what the encoder writes");
    assert_eq!(validate(input), Ok(()));
    for entry in &snapshot.entries {
        assert!(entry.mode <= 0o7777);
        assert!(entry.extended.is_sorted_by(|(one, _), (other, _)| one < other));
    }
}
