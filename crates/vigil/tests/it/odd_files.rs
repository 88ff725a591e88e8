//! Files that are not what a program hopes for: names, links, pipes, devices, and trees that lie.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;

use rustix::fs::{CWD, FileType, Mode, mknodat};

use crate::bench::{Bench, Ran, noise};

#[test]
fn names_that_are_not_utf8_come_back() {
    let bench = Bench::new();
    let longest = [b'\xff'; 255];
    let names: [&[u8]; 8] = [
        b"\xff\xfe",
        b"half \xc3(",
        b"new\nline",
        b"-o",
        b" ",
        b"back\\slash \"and\" %41",
        b"\x1b[31mred",
        &longest,
    ];
    fs::create_dir_all(bench.join("odd").join(OsStr::from_bytes(b"folder \x80")))
        .expect("a folder");
    for (number, name) in (0..).zip(names) {
        let path = bench.join("odd").join(OsStr::from_bytes(name));
        fs::write(path, noise(number, 300)).expect("a file");
        let below = bench.join("odd").join(OsStr::from_bytes(b"folder \x80"));
        fs::write(below.join(OsStr::from_bytes(name)), noise(number + 50, 300)).expect("a file");
    }
    let uri = bench.fine("add odd --name odd");
    let listed = bench.fine("ls -R @odd");
    assert!(listed.contains("%FF%FE") && !listed.contains('\x1b'), "{listed}");
    bench.fine("get @odd -o back");
    assert_eq!(bench.shell("diff -r odd back").expect(0).out, "");
    assert_eq!(bench.fine("add back"), uri);
    // What a program lists, it takes: the paths as they stand in URIs.
    for line in bench.fine("ls --json @odd").lines() {
        let entry: serde_json::Value = serde_json::from_str(line).expect("JSON");
        let path = entry["path"].as_str().expect("a path").to_owned();
        let mut command = bench.vigil(&["stat", "--json"]);
        command.arg(format!("@odd/{path}"));
        let stat: serde_json::Value =
            serde_json::from_str(&Ran::of(command).expect(0).out).expect("JSON");
        assert_eq!(stat["vcid"], entry["vcid"], "{path}");
    }
    // A folder whose own name is no text, given as an argument.
    let mut command = bench.vigil(&["add"]);
    command.arg(bench.join("odd").join(OsStr::from_bytes(b"folder \x80")));
    Ran::of(command).expect(0);
}

#[test]
fn links_in_circles_are_links() {
    let bench = Bench::new();
    bench.write("round/a/file", "text\n");
    symlink("loop", bench.join("round/loop")).expect("a link");
    symlink("..", bench.join("round/a/up")).expect("a link");
    symlink(bench.join("round"), bench.join("round/a/whole")).expect("a link");
    symlink("there", bench.join("round/here")).expect("a link");
    symlink("here", bench.join("round/there")).expect("a link");
    let added = bench.fine("add --json --name round round");
    let added: serde_json::Value = serde_json::from_str(&added).expect("JSON");
    assert_eq!((&added["files"], &added["folders"]), (&6.into(), &2.into()), "{added}");
    bench.fine("get @round -o back");
    for link in ["loop", "a/up", "a/whole", "here", "there"] {
        let target = |folder: &str| fs::read_link(bench.join(folder).join(link)).expect("a link");
        assert_eq!(target("round"), target("back"), "{link}");
    }
    // A link that is named itself is followed, and one that leads nowhere says so.
    bench.run("add round/a/up").expect(0);
    let ran = bench.run("add round/loop");
    assert!(ran.talk.contains("error: ") && ran.talk.contains("because: "), "{}", ran.talk);
    assert!(matches!(ran.code, Some(1 | 3)), "{ran:?}");
}

#[test]
fn sockets_pipes_and_devices_are_skipped_with_a_note() {
    let bench = Bench::new();
    bench.write("mixed/file", "text\n");
    let _socket = UnixListener::bind(bench.join("mixed/socket")).expect("a socket");
    let mode = Mode::from(0o600);
    mknodat(CWD, bench.join("mixed/pipe"), FileType::Fifo, mode, 0).expect("a pipe");
    let mut want = vec![("pipe", "a named pipe"), ("socket", "a socket")];
    let devices = [
        ("block", FileType::BlockDevice, rustix::fs::makedev(7, 250), "a block device"),
        ("null", FileType::CharacterDevice, rustix::fs::makedev(1, 3), "a character device"),
    ];
    for (name, kind, device, what) in devices {
        let made = mknodat(CWD, bench.join("mixed").join(name), kind, mode, device);
        // Only root may make devices; those of the system serve below.
        if made.is_ok() {
            want.push((name, what));
        }
    }
    let added = bench.run("add --json --name mixed mixed").expect(0);
    let added: serde_json::Value = serde_json::from_str(&added.out).expect("JSON");
    assert_eq!(added["files"], 1, "{added}");
    let notes = added["notes"].as_array().expect("notes").clone();
    assert_eq!(notes.len(), want.len(), "{added}");
    for (name, what) in want {
        let is_told = notes.iter().any(|note| {
            note["path"].as_str().is_some_and(|path| path.ends_with(name))
                && note["note"].as_str().is_some_and(|text| text.contains(what))
        });
        assert!(is_told, "{name} is {what}: {added}");
    }
    assert_eq!(bench.fine("ls @mixed").trim(), "file");
    // Named by itself, such a thing is refused, and nobody waits for it.
    for path in ["mixed/pipe", "mixed/socket", "/dev/null", "/dev/zero"] {
        let ran = bench.run(&format!("add {path}")).expect(1);
        assert!(ran.talk.contains("which cannot be added"), "{path}: {}", ran.talk);
    }
}

/// Canonical CBOR by hand: a tree with one entry, whatever its name.
fn tree_of(name: &[u8], kind: u8, digest: &str) -> Vec<u8> {
    let mut bytes = b"\x82\x6cvigil.tree/1\x81\x83".to_vec();
    bytes.extend([0x58, name.len() as u8]);
    if name.len() < 24 {
        bytes.truncate(bytes.len() - 2);
        bytes.push(0x40 + name.len() as u8);
    }
    bytes.extend_from_slice(name);
    bytes.push(kind);
    bytes.extend(b"\x58\x20");
    let digit = |at: usize| u8::from_str_radix(&digest[at..at + 2], 16).expect("digits");
    bytes.extend((0..64).step_by(2).map(digit));
    bytes
}

fn digest_of(uri: &str) -> &str {
    uri.trim().trim_start_matches("ca://sha256:").trim_end_matches('/')
}

#[test]
fn a_tree_that_leads_outside_is_refused() {
    let bench = Bench::new();
    bench.write("payload", "owned\n");
    let payload = bench.fine("add payload");
    // A tree made by this hand is taken where its name is one.
    let honest = bench.write("honest", tree_of(b"fine", 0, digest_of(&payload)));
    let uri = bench.fine(&format!("add {}", honest.display()));
    bench.fine(&format!("get {}/ -o taken", uri.trim()));
    assert_eq!(fs::read(bench.join("taken/fine")).expect("a file"), b"owned\n");
    let absolute = bench.join("escaped");
    let names: [&[u8]; 7] =
        [b"../escaped", b"..", b".", b"a/b", b"", b"nul\0byte", absolute.as_os_str().as_bytes()];
    for name in names {
        for kind in [0, 2, 3] {
            bench.write("record", tree_of(name, kind, digest_of(&payload)));
            let uri = bench.fine("add record");
            let shown = String::from_utf8_lossy(name).into_owned();
            for line in [
                format!("get {}/ -o out", uri.trim()),
                format!("get {}/ -o out --overwrite", uri.trim()),
                format!("ls -R {}/", uri.trim()),
                format!("tar {}/", uri.trim()),
            ] {
                let ran = bench.run(&line);
                assert!(matches!(ran.code, Some(1 | 3)), "{shown:?}: {line}: {ran:?}");
                assert!(ran.talk.contains("error: "), "{shown:?}: {line}: {ran:?}");
            }
            assert!(!bench.join("escaped").exists() && !bench.join("../escaped").exists());
            let nothing = fs::read_dir(bench.join("out")).map_or(0, Iterator::count);
            assert_eq!(nothing, 0, "{shown:?}: something was written");
        }
    }
}

/// A link that lies in the folder already is not walked through.
#[test]
fn get_does_not_follow_links_that_are_in_the_way() {
    let bench = Bench::new();
    bench.write("tree/sub/file", "new\n");
    bench.write("tree/plain", "new\n");
    bench.fine("add tree --name tree");
    bench.write("victim/file", "old\n");
    bench.write("victim/plain", "old\n");
    fs::create_dir(bench.join("out")).expect("a folder");
    symlink("../victim", bench.join("out/sub")).expect("a link");
    symlink("../victim/plain", bench.join("out/plain")).expect("a link");
    let ran = bench.run("get @tree -o out --overwrite");
    assert!(matches!(ran.code, Some(0 | 1 | 3)), "{ran:?}");
    for file in ["victim/file", "victim/plain"] {
        assert_eq!(fs::read(bench.join(file)).expect("a file"), b"old\n", "{file}: {ran:?}");
    }
}

/// A store that lies in what is added: its files are files like any others.
#[test]
fn a_copy_of_a_store_is_added_as_files() {
    let bench = Bench::new();
    bench.write("work/a", noise(1, 50_000));
    bench.write("work/b", "text\n".repeat(4000));
    bench.fine("add work --name work --metadata");
    bench.fine("arena seal");
    bench.shell("mkdir copy && cp -r store copy/one && cp -r store/arenas copy/two").expect(0);
    bench.fine("add copy --name copy");
    bench.fine("verify");
    bench.shell("rm -r store/index").expect(0);
    bench.fine("verify");
    bench.fine("get @copy -o back");
    assert_eq!(bench.shell("diff -r copy back").expect(0).out, "");
    let names = bench.fine("name list");
    assert_eq!(names.lines().count(), 2, "{names}");
}

/// One id, once meant as bytes and once as a tree: both are kept whole, whoever comes first.
#[test]
fn a_tree_and_a_file_with_its_bytes_are_both_kept() {
    for names in [["as-file", "zz-tree"], ["zz-file", "as-tree"]] {
        let bench = Bench::new();
        bench.write("folder/inside", noise(1, 40_000));
        let tree = bench.fine(&format!("add folder --name {}", names[1]));
        let bare = tree.trim().trim_end_matches('/');
        bench.shell(&format!("mkdir trap; vigil get -q {bare} > trap/record")).expect(0);
        bench.fine(&format!("add trap --name {}", names[0]));
        bench.fine("gc");
        bench.fine(&format!("get @{} -o back", names[1]));
        assert_eq!(bench.shell("diff -r folder back").expect(0).out, "");
        // Without the name that means the tree, what only it held goes, and the file stays.
        bench.fine(&format!("name remove {}", names[1]));
        bench.fine("gc");
        bench.fine(&format!("cat @{}/record", names[0]));
        bench.run(&format!("cat {bare}/inside")).expect(1);
        bench.fine("verify");
    }
}
