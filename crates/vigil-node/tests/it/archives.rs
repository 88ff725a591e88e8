//! tar and zip, both ways: what they hold, and what hostile ones do not do.

use std::io::{Cursor, Write as _};
use std::process::Command;

use zip::write::SimpleFileOptions;

use crate::support::Place;

/// One entry of a tar archive, written with no questions asked.
struct Raw<'a> {
    path: &'a [u8],
    kind: u8,
    link: &'a [u8],
    bytes: &'a [u8],
}

const FILE: u8 = b'0';
const HARD: u8 = b'1';
const LINK: u8 = b'2';
const FOLDER: u8 = b'5';

fn raw<'a>(path: &'a str, kind: u8, link: &'a str, bytes: &'a [u8]) -> Raw<'a> {
    Raw { path: path.as_bytes(), kind, link: link.as_bytes(), bytes }
}

fn tar(entries: &[Raw<'_>]) -> Vec<u8> {
    let mut out = Vec::new();
    for entry in entries {
        let mut header = tar::Header::new_ustar();
        header.as_old_mut().name[..entry.path.len()].copy_from_slice(entry.path);
        header.as_old_mut().linkname[..entry.link.len()].copy_from_slice(entry.link);
        header.set_entry_type(tar::EntryType::new(entry.kind));
        header.set_mode(0o644);
        header.set_size(entry.bytes.len() as u64);
        header.set_cksum();
        out.extend_from_slice(header.as_bytes());
        out.extend_from_slice(entry.bytes);
        out.resize(out.len().next_multiple_of(512), 0);
    }
    out.resize(out.len() + 1024, 0);
    out
}

fn folder() -> Place {
    let place = Place::new();
    place.write("f/a.txt", "a\n");
    place.write("f/deep/er/b", "b\n".repeat(1000));
    place.write("f/run", "#!/bin/sh\n");
    let mut mode = std::fs::metadata(place.files().join("f/run")).expect("a file").permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut mode, 0o755);
    std::fs::set_permissions(place.files().join("f/run"), mode).expect("a file");
    std::os::unix::fs::symlink("deep/er/b", place.files().join("f/link")).expect("a link");
    std::fs::create_dir(place.files().join("f/empty")).expect("a folder");
    place
}

#[test]
fn there_and_back() {
    let place = folder();
    let want = place.list("file:f");
    assert_eq!(want.len(), 7);
    for way in ["tar | untar", "zip | unzip", "tar | gzip | gunzip | untar"] {
        assert_eq!(place.list(&format!("file:f | {way}")), want, "{way}");
        // The same tree has the same record.
        assert_eq!(place.bytes(&format!("file:f | {way}")), place.bytes("file:f"), "{way}");
    }
    assert_eq!(place.refusal("file:f/a.txt | tar"), "Misuse: file:f/a.txt is not a tree");
}

/// `tar` is part of every system that a test runs on.
#[test]
fn tar_agrees() {
    let place = folder();
    let tarred = |format: &str| {
        let to = place.files().join(format!("{format}.tar"));
        let status = Command::new("tar")
            .arg("-C")
            .arg(place.files().join("f"))
            .args([&format!("--format={format}"), "-cf"])
            .arg(&to)
            .arg(".")
            .status();
        assert!(status.expect("tar runs").success());
    };
    let long = "x".repeat(120) + "/" + &"y".repeat(120);
    place.write(&format!("f/{long}"), "long\n");
    std::fs::hard_link(place.files().join("f/a.txt"), place.files().join("f/zz")).expect("a link");
    let sparse = std::fs::File::create(place.files().join("f/sparse")).expect("a file");
    sparse.set_len(5 << 20).expect("a file");
    for format in ["gnu", "pax", "posix"] {
        tarred(format);
        assert_eq!(
            place.bytes(&format!("file:{format}.tar | untar")),
            place.bytes("file:f"),
            "{format}"
        );
    }
    let packed = place.bytes("file:f | tar");
    std::fs::write(place.path().join("ours.tar"), packed).expect("a file");
    let listed = Command::new("tar").arg("-tf").arg(place.path().join("ours.tar")).output();
    let listed = String::from_utf8(listed.expect("tar runs").stdout).expect("text");
    assert!(listed.lines().any(|line| line == "deep/er/b"), "{listed}");
}

#[test]
fn hostile_tars_are_refused() {
    let place = Place::new();
    let up = tar(&[raw("../a", FILE, "", b"x")]);
    let rooted = tar(&[raw("/etc/a", FILE, "", b"x")]);
    let hidden = tar(&[raw("a/../../b", FILE, "", b"x")]);
    let link_out = tar(&[raw("a", LINK, "../b", b"")]);
    let link_root = tar(&[raw("deep/a", LINK, "/etc/passwd", b"")]);
    let through = tar(&[raw("a", LINK, "b", b""), raw("a/c", FILE, "", b"x")]);
    let both = tar(&[raw("a", FILE, "", b"x"), raw("a/c", FILE, "", b"x")]);
    let hard_out = tar(&[raw("a", HARD, "/etc/passwd", b"")]);
    let hard_none = tar(&[raw("a", HARD, "b", b"")]);
    let device = tar(&[raw("a", b'3', "", b"")]);
    let root = tar(&[raw(".", FILE, "", b"x")]);
    for (archive, want) in [
        (up, "the path of `../a` leads upwards"),
        (rooted, "does not start inside of the archive"),
        (hidden, "the path of `a/../../b` leads upwards"),
        (link_out, "the link `a` leads out of the archive, to `../b`"),
        (link_root, "the link `deep/a` leads out of the archive, to `/etc/passwd`"),
        (through, "`a` is a link and a folder at once"),
        (both, "`a` is a file and a folder at once"),
        (hard_out, "does not start inside of the archive"),
        (hard_none, "a hard link leads to `b`, which is not there"),
        (device, "`a` is no file, folder or link (its type is `3`)"),
        (root, "the archive itself is said to be a file"),
        (
            b"not a tar archive, though as long as a header of one would be".repeat(10),
            "unpacked with tar",
        ),
    ] {
        place.write("hostile.tar", archive);
        let refusal = place.refusal("file:hostile.tar | untar");
        assert!(refusal.starts_with("Misuse: ") && refusal.contains(want), "{refusal}");
    }
}

#[test]
fn what_is_unwelcome_can_be_dropped_or_kept() {
    let place = Place::new();
    let archive = tar(&[
        raw("d", FOLDER, "", b""),
        raw("d/out", LINK, "../../x", b""),
        raw("d/null", b'3', "", b""),
        raw("twice", FILE, "", b"first"),
        raw("twice", FILE, "", b"second"),
    ]);
    place.write("a.tar", archive);
    assert_eq!(place.list("file:a.tar | untar links=drop special=drop"), ["Tree d", "File twice"]);
    assert_eq!(
        place.list("file:a.tar | untar links=keep special=drop"),
        ["Tree d", "Symlink d/out", "File twice"]
    );
    // As with tar itself, what comes later replaces what came before.
    let twice = place.list("file:a.tar | untar links=drop special=drop");
    assert_eq!(twice.len(), 2);
}

#[test]
fn bombs_end_at_their_bound() {
    let place = Place::new();
    // A header that claims a path of a gibibyte, and gives it.
    let long = vec![b'x'; 8 << 20];
    place
        .write("long.tar", tar(&[raw("././@LongLink", b'L', "", &long), raw("a", FILE, "", b"x")]));
    let refusal = place.refusal("file:long.tar | untar");
    assert!(refusal.contains("its headers take more memory"), "{refusal}");
    // One that claims more bytes than there are.
    let mut short = tar(&[raw("a", FILE, "", b"x")]);
    short.truncate(512);
    place.write("short.tar", short);
    assert!(place.refusal("file:short.tar | untar").starts_with("Misuse: "));
    // Files that hold far more than their archive.
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Deflated);
    for name in ["a", "b", "c"] {
        writer.start_file(name, options).expect("the test is right");
        writer.write_all(&vec![0; 4 << 20]).expect("the test is right");
    }
    place.write("bomb.zip", writer.finish().expect("the test is right").into_inner());
    let refusal = place.refusal("file:bomb.zip | unzip max=10MiB");
    assert!(refusal.contains("more than 10485760 bytes come out"), "{refusal}");
    assert_eq!(place.list("file:bomb.zip | unzip max=12MiB").len(), 3);
}

/// Writes a zip archive with these names, whatever they are.
fn zipped(entries: &[(&str, &str, bool)]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    for (name, bytes, is_link) in entries {
        if *is_link {
            writer.add_symlink(*name, *bytes, options).expect("the test is right");
        } else {
            writer.start_file(*name, options).expect("the test is right");
            writer.write_all(bytes.as_bytes()).expect("the test is right");
        }
    }
    writer.finish().expect("the test is right").into_inner()
}

#[test]
fn hostile_zips_are_refused() {
    let place = Place::new();
    // The writer refuses what it knows to be wrong, so names are bent afterwards.
    let bent = |from: &str, to: &str| {
        let archive = zipped(&[("aaaa", "x", false), (from, "y", false)]);
        let (from, to) = (from.as_bytes(), to.as_bytes());
        let mut out = archive.clone();
        for at in 0..archive.len() - from.len() {
            if archive[at..].starts_with(from) {
                out[at..at + to.len()].copy_from_slice(to);
            }
        }
        out
    };
    for (archive, want) in [
        (bent("bbbb", "../b"), "the path of `../b` leads upwards"),
        (bent("bbbb", "/etc"), "does not start inside of the archive"),
        (bent("bbbb", "aaaa"), "one name"),
        (zipped(&[("l", "../../x", true)]), "the link `l` leads out of the archive"),
        (zipped(&[("l", "x", true), ("l/y", "z", false)]), "`l` is a link and a folder at once"),
        (b"PK\x05\x06 and nothing else".to_vec(), "unpacked with zip"),
    ] {
        place.write("hostile.zip", archive);
        let refusal = place.refusal("file:hostile.zip | unzip");
        assert!(refusal.starts_with("Misuse: ") && refusal.contains(want), "{refusal}");
    }
    place.write("l.zip", zipped(&[("l", "../../x", true), ("a", "z", false)]));
    assert_eq!(place.list("file:l.zip | unzip links=drop"), ["File a"]);
}
