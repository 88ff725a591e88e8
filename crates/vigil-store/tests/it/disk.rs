//! Small files behind a disk: replaced whole, and read up to a limit.

use std::fs;

use vigil_base::world::{Disk as _, DiskFault, FileStart, read_file, replace_file};
use vigil_store::FolderDisk;

#[track_caller]
fn check(content: &[u8], bytes_max: usize, want_bytes: &[u8], is_whole: bool) {
    let place = tempfile::tempdir().expect("a folder");
    fs::write(place.path().join("it"), content).expect("written");
    let start = read_file(&FolderDisk::new(place.path()), "it", bytes_max);
    let start = start.expect("read").expect("a file");
    let want = FileStart { bytes: want_bytes.to_vec(), len: content.len() as u64 };
    assert_eq!(start, want);
    assert_eq!(start.whole(), is_whole.then(|| content.to_vec()));
}

#[test]
fn a_file_is_read_up_to_a_limit() {
    check(b"seven b", 7, b"seven b", true);
    check(b"seven b", usize::MAX, b"seven b", true);
    check(b"seven b", 6, b"seven ", false);
    check(b"seven b", 0, b"", false);
    check(b"", 0, b"", true);
    check(b"", 7, b"", true);
}

#[test]
fn a_file_that_is_absent_is_none_and_a_folder_is_an_error() {
    let place = tempfile::tempdir().expect("a folder");
    let disk = FolderDisk::new(place.path());
    assert_eq!(read_file(&disk, "it", 7), Ok(None));
    assert_eq!(read_file(&disk, "folder/it", 7), Ok(None));
    fs::create_dir(place.path().join("it")).expect("made");
    assert_eq!(read_file(&disk, "it", 7).map_err(|error| error.fault), Err(DiskFault::NotAFile));
}

#[test]
fn what_replaces_a_file_is_all_that_is_read_of_it() {
    let place = tempfile::tempdir().expect("a folder");
    let disk = FolderDisk::new(place.path());
    for bytes in [&b"a longer one"[..], b"short", b""] {
        replace_file(&disk, "it", bytes).expect("replaced");
        let start = read_file(&disk, "it", 100).expect("read").expect("a file");
        assert_eq!(start.whole().as_deref(), Some(bytes));
    }
    assert_eq!(disk.list("").expect("listed"), ["it"]);
}
