//! Payloads: read as they were written, and hostile ones.

use std::io::Cursor;

use vigil_base::{EntryKind, Tree, Vcid};
use vigil_pkg::{PayloadError, VpkgError, read_dossier, replace_dossier, unpack};
use vigil_trust::names::AttName;
use vigil_trust::package::{Dossier, Footprint, Manifest, Payload};

use crate::scene::{Scene, read};

const NAME: &str = "x.y/tool@1";

#[test]
fn what_was_packed_is_unpacked_elsewhere() {
    let (here, there) = (Scene::new(), Scene::new());
    let large = here.put(&vec![b'x'; 3 << 20]);
    let root = here.tree(&[
        ("again", EntryKind::Tree, here.program("one")),
        ("large", EntryKind::File, large),
        ("program", EntryKind::Tree, here.program("one")),
    ]);
    let manifest = here.manifest(NAME, root, &[("tool", "program/bin/run")]);
    let file = here.file(&manifest).expect("packed");
    // Each blob travels once, and the same payload gives the same bytes.
    assert!(file.len() < (3 << 20) + 4096);
    assert_eq!(here.file(&manifest).expect("packed"), file);
    let mut input = Cursor::new(&file);
    let dossier = read_dossier(&mut input).expect("a dossier");
    let writer = there.store.writer().expect("a writer");
    let survey = unpack(&mut input, dossier.manifest.payload(), Some(&writer)).expect("a payload");
    writer.finish().expect("durable");
    survey.check(&manifest).expect("it can be installed");
    assert_eq!(there.file(&manifest).expect("packed there"), file);
    // Another dossier leaves the payload as it is.
    let mut signed = dossier.clone();
    signed.claim = Some(b"something".to_vec());
    let mut out = Vec::new();
    replace_dossier(&mut Cursor::new(&file), &signed, &mut out).expect("replaced");
    assert_eq!(read(&out).expect("whole"), manifest);
    let tail = file.len() - dossier.encode().len() - 12;
    assert_eq!(out[out.len() - tail..], file[file.len() - tail..]);
}

#[test]
fn every_byte_of_a_payload_counts() {
    let scene = Scene::new();
    let manifest = scene.manifest(NAME, scene.program("one"), &[("tool", "bin/run")]);
    let file = scene.file(&manifest).expect("packed");
    assert!(read(&file).is_ok());
    for at in 0..file.len() {
        let mut altered = file.clone();
        altered[at] ^= 1;
        if let Ok(other) = read(&altered) {
            // A manifest may say something else of the same payload; then it is another package.
            assert_ne!(other.id(), manifest.id(), "byte {at}");
        }
        let cut = read(&file[..at]).expect_err("it is cut");
        let says_so = matches!(cut, VpkgError::Short | VpkgError::Payload(PayloadError::Short));
        assert!(says_so, "cut at {at}: {cut}");
    }
    let longer = [file.as_slice(), b"x"].concat();
    assert!(matches!(read(&longer), Err(VpkgError::Payload(PayloadError::Trailing))));
    assert!(matches!(read(b"vigvpkg\x02 and so on"), Err(VpkgError::Magic)));
    assert!(matches!(read(b"vigvpkg\x01\xff\xff\xff\xff"), Err(VpkgError::Long { .. })));
}

/// A manifest that says something of a payload, and a payload that was made by hand.
fn crafted(payload: Payload, blobs: &[&[u8]]) -> Vec<u8> {
    let manifest = Manifest::new(AttName::parse(NAME).expect("a name"), payload).expect("small");
    let dossier = Dossier::new(manifest).encode();
    let mut file = b"vigvpkg\x01".to_vec();
    file.extend((dossier.len() as u32).to_le_bytes());
    file.extend(&dossier);
    for blob in blobs {
        file.extend((blob.len() as u64).to_le_bytes());
        file.extend(*blob);
    }
    file
}

fn payload(root: Vcid, blobs: &[&[u8]]) -> Payload {
    let bytes = blobs.iter().map(|blob| blob.len() as u64).sum();
    Payload { root, blobs: blobs.len() as u64, bytes }
}

#[test]
fn what_announces_more_than_it_has_is_refused_at_once() {
    let tree = Tree::default().encode();
    let root = Vcid::of(&tree);
    let good = payload(root, &[&tree]);
    assert!(read(&crafted(good, &[&tree])).is_ok());
    for (blobs, bytes) in
        [(0, good.bytes), (2, good.bytes), (1, good.bytes - 1), (1, good.bytes + 1)]
    {
        let wrong = read(&crafted(Payload { root, blobs, bytes }, &[&tree]));
        assert!(matches!(wrong, Err(VpkgError::Payload(PayloadError::Size))), "{wrong:?}");
    }
    // A length of 2^63, of a tree that nobody could hold.
    let huge = Payload { bytes: 1 << 40, ..good };
    let mut file = crafted(huge, &[]);
    file.extend((1_u64 << 39).to_le_bytes());
    file.extend(&tree);
    assert!(matches!(read(&file), Err(VpkgError::Payload(PayloadError::Unfolds))));
    let mut file = crafted(huge, &[]);
    file.extend(u64::MAX.to_le_bytes());
    assert!(matches!(read(&file), Err(VpkgError::Payload(PayloadError::Size))));
}

#[test]
fn a_tree_that_unfolds_to_more_than_there_are_atoms_is_refused() {
    let scene = Scene::new();
    let mut tree = scene.tree(&[("x", EntryKind::File, scene.put(b"x"))]);
    for _ in 0..100 {
        tree = scene.tree(&[("a", EntryKind::Tree, tree), ("b", EntryKind::Tree, tree)]);
    }
    let manifest = scene.manifest(NAME, tree, &[]);
    assert!(manifest.payload().bytes < 20_000);
    let packed = scene.file(&manifest);
    assert!(matches!(packed, Err(VpkgError::Payload(PayloadError::Unfolds))), "{packed:?}");
    // A large file under many names unfolds, too.
    let zeros = scene.put(&vec![0; 1 << 20]);
    let names: Vec<String> = (0..1100).map(|number| format!("{number}")).collect();
    let entries: Vec<_> =
        names.iter().map(|name| (name.as_str(), EntryKind::File, zeros)).collect();
    let wide = scene.tree(&entries);
    let entries: Vec<_> = names.iter().map(|name| (name.as_str(), EntryKind::Tree, wide)).collect();
    let manifest = scene.manifest(NAME, scene.tree(&entries), &[]);
    let packed = scene.file(&manifest);
    assert!(matches!(packed, Err(VpkgError::Payload(PayloadError::Unfolds))), "{packed:?}");
}

#[test]
fn a_payload_that_is_too_deep_is_refused() {
    let scene = Scene::new();
    let mut tree = scene.tree(&[]);
    let mut blobs = vec![Tree::default().encode()];
    for _ in 0..2050 {
        let entry =
            vigil_base::Entry { name: crate::scene::name("d"), kind: EntryKind::Tree, vcid: tree };
        let bytes = Tree::new(vec![entry]).expect("a tree").encode();
        tree = Vcid::of(&bytes);
        blobs.insert(0, bytes);
    }
    let blobs: Vec<&[u8]> = blobs.iter().map(Vec::as_slice).collect();
    let deep = read(&crafted(payload(tree, &blobs), &blobs));
    assert!(matches!(deep, Err(VpkgError::Payload(PayloadError::Unfolds))), "{deep:?}");
}

#[test]
fn nothing_leads_out_of_a_payload() {
    let scene = Scene::new();
    let with = |target: &str, folders: usize| {
        let link = scene.put(target.as_bytes());
        let mut tree = scene.tree(&[("link", EntryKind::Symlink, link)]);
        for _ in 0..folders {
            tree = scene.tree(&[("d", EntryKind::Tree, tree)]);
        }
        scene.file(&scene.manifest(NAME, tree, &[]))
    };
    for (target, folders) in
        [("..", 0), ("../x", 0), ("/etc/passwd", 3), ("../../x", 1), ("a/../../x", 2)]
    {
        let packed = with(target, folders);
        assert!(
            matches!(packed, Err(VpkgError::Payload(PayloadError::Climbs))),
            "{target} {packed:?}"
        );
    }
    assert!(with("../x", 1).is_ok() && with("../../x", 2).is_ok() && with("x/y", 0).is_ok());
    // The same folder, once deep enough and once not.
    let link = scene.put(b"../x");
    let folder = scene.tree(&[("link", EntryKind::Symlink, link)]);
    let deep = scene.tree(&[("d", EntryKind::Tree, folder)]);
    assert!(scene.file(&scene.manifest(NAME, deep, &[])).is_ok());
    let both = scene.tree(&[("a", EntryKind::Tree, deep), ("link", EntryKind::Symlink, link)]);
    let packed = scene.file(&scene.manifest(NAME, both, &[]));
    assert!(matches!(packed, Err(VpkgError::Payload(PayloadError::Climbs))), "{packed:?}");
    // A name that climbs is no name of a tree.
    let good = scene.store.read(scene.tree(&[("ab", EntryKind::File, link)])).expect("stored");
    let at = good.windows(2).position(|pair| pair == b"ab").expect("the name");
    for evil in [b"..", b"a/", b"a\0"] {
        let mut record = good.clone();
        record[at..at + 2].copy_from_slice(evil);
        let blobs: [&[u8]; 2] = [&record, b"../x"];
        let refused = read(&crafted(payload(Vcid::of(&record), &blobs), &blobs));
        assert!(
            matches!(refused, Err(VpkgError::Payload(PayloadError::NotATree { .. }))),
            "{refused:?}"
        );
    }
}

#[test]
fn programs_are_executable_files_of_the_payload() {
    let scene = Scene::new();
    let root = scene.program("one");
    for (path, is_good) in [
        ("bin/run", true),
        ("notes", false),
        ("bin", false),
        ("bin/notes", false),
        ("bin/none", false),
        ("notes/run", false),
    ] {
        let made = scene.manifest(NAME, root, &[("tool", path)]);
        let packed = scene.file(&made);
        assert_eq!(packed.is_ok(), is_good, "{path} {packed:?}");
    }
}

#[test]
fn a_file_that_is_also_a_tree_s_record_is_both() {
    let scene = Scene::new();
    let inner = scene.tree(&[("x", EntryKind::File, scene.put(b"x"))]);
    let root = scene.tree(&[("file", EntryKind::File, inner), ("tree", EntryKind::Tree, inner)]);
    let manifest = scene.manifest(NAME, root, &[]);
    assert_eq!(manifest.payload().blobs, 4);
    let file = scene.file(&manifest).expect("packed");
    assert_eq!(read(&file).expect("whole"), manifest);
    assert_eq!(Footprint::new(), *manifest.needs());
}
