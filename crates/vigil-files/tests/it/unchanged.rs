//! What is taken as unchanged without being read, and what never is.

use std::fs::{self, File, FileTimes};
use std::os::unix::fs::MetadataExt as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use vigil_base::world::Moment;
use vigil_base::{Entry, Tree, Uri, Vcid};
use vigil_files::{AddOptions, resolve};

use crate::scene::Scene;

fn moment(time: SystemTime) -> Moment {
    let since = time.duration_since(UNIX_EPOCH).expect("after 1970");
    Moment(i64::try_from(since.as_nanos()).expect("before 2262"))
}

#[test]
fn a_file_changed_within_the_clocks_granularity_is_read_again() {
    for (seconds, unchanged) in [(0, 0), (1, 0), (10, 2)] {
        // What the file system takes for now.
        let probe = tempfile::NamedTempFile::new().expect("a file");
        let now = probe.as_file().metadata().and_then(|data| data.modified()).expect("a time");
        let scene = Scene::at(moment(now + Duration::from_secs(seconds)));
        scene.write("a", "one");
        scene.write("b", "two");
        assert_eq!(scene.add(&AddOptions::default()).unchanged_files, 0);
        let again = scene.add(&AddOptions::default());
        assert_eq!(again.unchanged_files, unchanged, "{seconds} s after the files were written");
    }
}

#[test]
fn a_file_that_looks_the_same_but_for_its_change_time_is_read_again() {
    let scene = Scene::new();
    scene.write("a", "one");
    scene.write("b", "same");
    scene.add(&AddOptions::default());
    let path = scene.work("a");
    let before = fs::metadata(&path).expect("the file");
    // As long, in the same place, and with the modification time put back.
    std::thread::sleep(Duration::from_millis(20));
    fs::write(&path, "two").expect("written");
    let file = File::options().write(true).open(&path).expect("the file");
    file.set_times(FileTimes::new().set_modified(before.modified().expect("a time")))
        .expect("put back");
    let after = fs::metadata(&path).expect("the file");
    assert_eq!((before.ino(), before.mtime_nsec()), (after.ino(), after.mtime_nsec()));
    let again = scene.add(&AddOptions::default());
    assert_eq!(again.unchanged_files, 1, "only `b`");
    let uri: Uri = format!("{}a", Uri::tree(again.root)).parse().expect("a URI");
    assert_eq!(resolve(&scene.store, &uri).expect("it is there").vcid, Vcid::of(b"two"));
}

#[test]
fn what_the_store_has_lost_is_read_again() {
    let scene = Scene::new();
    scene.write("a", "one");
    scene.add(&AddOptions::default());
    let elsewhere = Scene::new();
    fs::create_dir_all(elsewhere.beside("store/cache")).expect("a folder");
    fs::copy(scene.beside("store/cache/files"), elsewhere.beside("store/cache/files"))
        .expect("the record of another store");
    let added = elsewhere.add_at(&scene.work(""), &AddOptions::default());
    assert_eq!(added.unchanged_files, 0);
    assert_eq!(elsewhere.store.read(Vcid::of(b"one")).expect("read"), b"one");
}

#[test]
fn a_record_that_is_damaged_is_no_record() {
    let scene = Scene::new();
    scene.write("a", "one");
    let first = scene.add(&AddOptions::default());
    let path = scene.beside("store/cache/files");
    let whole = fs::read(&path).expect("the record");
    for at in 0..whole.len() {
        let mut flipped = whole.clone();
        flipped[at] ^= 1;
        fs::write(&path, flipped).expect("written");
        let again = scene.add(&AddOptions { uses_cache: true, ..AddOptions::default() });
        assert_eq!(again.root, first.root, "byte {at}");
        // Zeros that mean nothing may be anything.
        let is_read_again = again.unchanged_files == 0;
        assert_eq!(is_read_again, !(8..16).contains(&at), "byte {at}");
    }
    fs::write(&path, &whole[..whole.len() - 1]).expect("written");
    assert_eq!(scene.add(&AddOptions::default()).unchanged_files, 0);
}

/// The record of a large folder is written piece by piece; its name does not show that.
#[test]
fn a_large_folder_has_the_name_of_its_whole_record() {
    let scene = Scene::new();
    for number in 0..5000 {
        scene.write(&format!("a-rather-long-name-of-a-file-{number}"), "");
    }
    let added = scene.add(&AddOptions::default());
    let tree = Tree::decode(&scene.store.read(added.root).expect("read")).expect("a tree");
    let entries: Vec<Entry> = tree.into_entries();
    assert_eq!(entries.len(), 5000);
    let whole = Tree::new(entries).expect("a tree").encode();
    assert_eq!(Vcid::of(&whole), added.root);
}
