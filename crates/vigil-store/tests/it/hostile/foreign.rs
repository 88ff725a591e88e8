//! Files, folders and worse that somebody has put into the store's folder.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;
use std::path::Path;

use vigil_base::{TreeReferences, Vcid};
use vigil_store::{CollectOptions, Keep, NoSupply, Options, Store, TransferError, Writer};

use super::verify;
use crate::world::{folder_world, noise_bytes, text_bytes};

fn open(folder: &Path) -> Store {
    Store::open(folder_world(folder), Options::default()).expect("it opens")
}

fn blobs() -> Vec<Vec<u8>> {
    vec![Vec::new(), text_bytes(1, 900), noise_bytes(2, 400_000), text_bytes(3, 400_000)]
}

#[track_caller]
fn check(folder: &Path) {
    let store = open(folder);
    for bytes in blobs() {
        assert!(store.read(Vcid::of(&bytes)).expect("what was put") == bytes);
    }
}

fn make() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    let writer = store.writer().expect("a writer");
    blobs().iter().for_each(|bytes| _ = writer.put(bytes).expect("a put"));
    writer.seal().expect("a seal");
    folder
}

fn pipe(path: &Path) {
    let mode = rustix::fs::Mode::from(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, mode, 0)
        .expect("a pipe");
}

/// Puts something of every kind where the store looks for files of its own.
fn litter(folder: &Path) {
    let arenas = folder.join("arenas");
    fs::create_dir(arenas.join("00000070.arena")).expect("a folder");
    pipe(&arenas.join("00000071.arena"));
    symlink("00000072.arena", arenas.join("00000072.arena")).expect("a link");
    symlink("/dev/zero", arenas.join("00000073.arena")).expect("a link");
    symlink("/nowhere/at/all", arenas.join("00000074.arena")).expect("a link");
    fs::write(arenas.join("00000075.arena"), noise_bytes(9, 9000)).expect("a file");
    fs::write(arenas.join("00000076.arena"), "").expect("a file");
    fs::write(arenas.join("7.arena"), "short").expect("a file");
    fs::write(arenas.join("99999999999999999999.arena"), "long").expect("a file");
    fs::write(arenas.join(OsStr::from_bytes(b"\xff\xfe.arena")), "no text").expect("a file");
    fs::write(arenas.join("notes.txt"), "mine").expect("a file");
    fs::create_dir(arenas.join("holiday")).expect("a folder");
    for below in ["", "names", "index", "index/shared", "cache"] {
        let below = folder.join(below);
        fs::create_dir_all(&below).expect("a folder");
        fs::write(below.join("README"), "mine").expect("a file");
        fs::write(below.join(OsStr::from_bytes(b"\xc3\x28")), "no text").expect("a file");
        pipe(&below.join("pipe"));
        symlink("loop", below.join("loop")).expect("a link");
        fs::create_dir(below.join("folder")).expect("a folder");
    }
}

#[test]
fn what_lies_among_the_stores_files_is_left_alone() {
    let folder = make();
    litter(folder.path());
    check(folder.path());
    let store = open(folder.path());
    let report = verify(&store);
    // What has an arena's name and is none is told, and nothing is lost.
    let told: Vec<u32> = report.unreadable.iter().map(|(number, _)| *number).collect();
    assert_eq!(told, [70, 71, 72, 73, 75], "{:?}", report.unreadable);
    assert!(report.damaged.is_empty() && report.lost.is_empty(), "{report:?}");
    assert!(store.names().expect("the names").is_empty());
    assert_eq!(store.arenas().expect("the arenas").len(), 1);
    let writer = store.writer().expect("a writer");
    let more = noise_bytes(20, 300_000);
    writer.put(&more).expect("a put");
    writer.seal().expect("a seal");
    let vcids: Vec<Keep> = blobs().iter().map(|bytes| (Vcid::of(bytes), false)).collect();
    let options = CollectOptions {
        keep: &vcids,
        references: &TreeReferences,
        is_dry_run: false,
        dead_percent_min: 1,
    };
    let collected = store.collect(&options).expect("a collection");
    assert!(collected.dead_items > 0, "{collected:?}");
    drop(store);
    check(folder.path());
    let left = fs::read_dir(folder.path().join("arenas")).expect("a folder").count();
    assert!(left >= 14, "something of somebody else's was removed: {left} are left");
}

/// Repairing sets aside what has an arena's name and is a file; the rest it leaves alone.
#[test]
fn repairing_among_foreign_files_saves_everything() {
    let folder = make();
    litter(folder.path());
    let store = open(folder.path());
    let report = store.repair(&NoSupply).expect("a repair");
    assert!(report.lost.is_empty(), "{report:?}");
    drop(store);
    check(folder.path());
    assert!(folder.path().join("arenas/00000070.arena").is_dir());
}

/// The highest number that there is stops new arenas, and nothing else. Nobody searches for ever.
#[test]
fn a_foreign_file_with_the_last_number_is_an_error_and_no_hang() {
    let folder = make();
    let exported = {
        let mut bytes = Vec::new();
        let store = open(folder.path());
        store.export_arena(1, &mut bytes).expect("an export");
        bytes
    };
    let other = tempfile::tempdir().expect("a folder");
    let store = open(other.path());
    store.writer().and_then(Writer::finish).expect("a commit");
    fs::write(other.path().join("arenas/4294967295.arena"), "").expect("a file");
    let error = store.import_arenas(&mut [&mut &exported[..]]).expect_err("no number is left");
    assert!(matches!(error, TransferError::Numbers), "{error}");
    let writer = store.writer().expect("a writer");
    let error = writer.put(b"bytes").expect_err("no number is left");
    assert!(crate::crash::chain(&error).contains("arena numbers"), "{error}");
    drop(writer);
    check(folder.path());
}

/// A store's folder that is a link, and one whose own record is something else.
#[test]
fn a_store_behind_a_link_is_a_store_and_a_pipe_is_none() {
    let folder = make();
    let beside = tempfile::tempdir().expect("a folder");
    symlink(folder.path(), beside.path().join("link")).expect("a link");
    check(&beside.path().join("link"));
    fs::remove_file(folder.path().join("store.cbor")).expect("it is there");
    pipe(&folder.path().join("store.cbor"));
    let opened = Store::open(folder_world(folder.path()), Options::default());
    assert!(opened.is_err(), "a pipe says nothing of a store");
}
