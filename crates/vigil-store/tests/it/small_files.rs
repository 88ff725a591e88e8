//! The files beside the arenas: damage is noticed, and what is not needed goes.

use std::fs;
use std::path::Path;

use vigil_base::world::Moment;
use vigil_base::{EntryKind, Name, Uri, Vcid};
use vigil_store::{NamesError, NoSupply, OpenError, Options, Store, VerifyOptions, Version};

use crate::world::{folder_world, noise_bytes};

fn open(folder: &Path) -> Store {
    Store::open(folder_world(folder), Options::default()).expect("a store")
}

fn put(store: &Store, bytes: &[u8]) -> Vcid {
    let writer = store.writer().expect("a writer");
    let vcid = writer.put(bytes).expect("stored");
    writer.finish().expect("finished");
    vcid
}

/// Calls `check` with each flip of one bit of the file, which is put back afterwards.
fn with_each_flip(path: &Path, mut check: impl FnMut(usize)) {
    let before = fs::read(path).expect("the file");
    for bit in 0..before.len() * 8 {
        let mut flipped = before.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        fs::write(path, flipped).expect("written");
        check(bit);
    }
    fs::write(path, before).expect("written");
}

#[test]
fn every_flip_of_a_name_is_noticed() {
    let place = tempfile::tempdir().expect("a folder");
    let store = open(place.path());
    let vcid = put(&store, b"kept");
    let name = Name::new("it").expect("a name");
    let version =
        Version { at: Moment(7), kind: EntryKind::File, vcid, metadata: Some(Vcid::of(b"other")) };
    store.writer().expect("a writer").set_name(&name, version.clone()).expect("named");
    with_each_flip(&place.path().join("names/it.cbor"), |bit| {
        let found = store.versions(&name);
        assert!(matches!(found, Err(NamesError::Damaged { .. })), "bit {bit}: {found:?}");
        let edited = store.edit_name(&name, |versions| versions);
        assert!(matches!(edited, Err(NamesError::Damaged { .. })), "bit {bit}: {edited:?}");
    });
    assert_eq!(store.versions(&name).expect("whole again"), [version]);
}

#[test]
fn every_flip_of_the_stores_own_record_is_noticed() {
    let place = tempfile::tempdir().expect("a folder");
    drop(open(place.path()));
    with_each_flip(&place.path().join("store.cbor"), |bit| {
        let opened = Store::open(folder_world(place.path()), Options::default());
        assert!(matches!(opened, Err(OpenError::Marker)), "bit {bit}");
    });
}

#[test]
fn an_arena_that_never_got_its_header_is_no_damage() {
    let place = tempfile::tempdir().expect("a folder");
    let store = open(place.path());
    let vcid = put(&store, b"kept");
    for (number, len) in [(7, 0), (8, 100)] {
        fs::write(place.path().join(format!("arenas/{number:08}.arena")), vec![0; len])
            .expect("written");
    }
    let options = VerifyOptions { percent: 100, threads: 1, progress: &|_, _| {} };
    assert!(store.verify(&options).expect("verified").is_clean());
    let report = store.repair(&NoSupply).expect("repaired");
    assert_eq!(report.replaced, []);
    assert_eq!(store.read(vcid).expect("read"), b"kept");
}

#[test]
fn runs_that_a_rebuilt_index_does_not_list_are_removed() {
    let place = tempfile::tempdir().expect("a folder");
    let runs = || {
        let files = fs::read_dir(place.path().join("index/shared")).expect("the index's folder");
        let names = files.map(|file| file.expect("a file").file_name().into_string());
        let mut names: Vec<String> = names.map(|name| name.expect("ASCII")).collect();
        names.retain(|name| name.ends_with(".run"));
        names
    };
    let mut vcids = Vec::new();
    for seed in 0..4 {
        vcids.push(put(&open(place.path()), &noise_bytes(seed, 100)));
    }
    assert!(!runs().is_empty());
    fs::remove_file(place.path().join("index/shared/manifest")).expect("removed");
    let store = open(place.path());
    vcids.push(put(&store, &noise_bytes(9, 100)));
    assert_eq!(runs().len(), 1, "{:?}", runs());
    for vcid in vcids {
        assert!(open(place.path()).contains(vcid).expect("looked up"), "{}", Uri::content(vcid));
    }
}
