//! What is added comes back the same, and the same content is always the same tree.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;

use expect_test::expect;
use vigil_base::{Entry, EntryKind, EntryName, Tree, Uri, Vcid};
use vigil_files::{
    AddError, AddOptions, Resolved, RestoreError, RestoreOptions, add_path, diff, list, resolve,
    restore, write_blob, write_tar,
};

use crate::scene::Scene;

/// Everything below a folder: path to kind, mode bits that count, and content.
fn contents(folder: &Path) -> BTreeMap<Vec<u8>, (char, bool, Vec<u8>)> {
    let mut found = BTreeMap::new();
    let mut todo = vec![folder.to_path_buf()];
    while let Some(path) = todo.pop() {
        for entry in fs::read_dir(path).expect("a folder") {
            let entry = entry.expect("an entry").path();
            let data = fs::symlink_metadata(&entry).expect("an entry");
            let is_executable = data.permissions().mode() & 0o100 != 0 && data.is_file();
            let (kind, bytes) = if data.is_dir() {
                todo.push(entry.clone());
                ('d', Vec::new())
            } else if data.is_symlink() {
                ('l', fs::read_link(&entry).expect("a link").as_os_str().as_bytes().to_vec())
            } else {
                ('f', fs::read(&entry).expect("a file"))
            };
            let name = entry.strip_prefix(folder).expect("below").as_os_str().as_bytes().to_vec();
            found.insert(name, (kind, is_executable, bytes));
        }
    }
    found
}

fn furnish(scene: &Scene) {
    scene.write("empty", "");
    scene.write("a/b/c/deep", "deep");
    scene.write("a/same", "the same");
    scene.write("z/same", "the same");
    scene.write("large", (0..3_000_000_u32).flat_map(u32::to_le_bytes).collect::<Vec<u8>>());
    scene.write("run", "#!/bin/sh\n");
    fs::set_permissions(scene.work("run"), fs::Permissions::from_mode(0o755)).expect("chmod");
    symlink("a/same", scene.work("link")).expect("a link");
    symlink("/nowhere/at all", scene.work("dangling")).expect("a link");
    symlink(".", scene.work("loop")).expect("a link");
    fs::create_dir(scene.work("hollow")).expect("a folder");
    fs::write(scene.work("").join(OsStr::from_bytes(b"not utf-8 \xff\xfe")), "x").expect("a file");
}

#[test]
fn a_tree_comes_back_as_it_was() {
    let scene = Scene::new();
    furnish(&scene);
    let added = scene.add(&AddOptions::default());
    assert_eq!((added.files, added.folders, added.notes), (10, 6, Vec::new()));
    let out = scene.beside("out");
    let restored = scene.restore(&Uri::tree(added.root), &out).expect("a restore");
    assert_eq!((restored.files, restored.folders, restored.bytes), (10, 6, added.bytes));
    assert_eq!(contents(&out), contents(&scene.work("")));
}

#[test]
fn the_same_content_is_the_same_tree() {
    let scene = Scene::new();
    furnish(&scene);
    let first = scene.add(&AddOptions::default());
    let again = scene.add(&AddOptions { threads: 1, uses_cache: false, ..AddOptions::default() });
    assert_eq!(first.root, again.root);
    assert_eq!(again.stored.new_bytes, 0);
    let cached = scene.add(&AddOptions::default());
    assert_eq!((cached.root, cached.unchanged_files), (first.root, 7));
    let elsewhere = Scene::new();
    scene.restore(&Uri::tree(first.root), &elsewhere.beside("copy")).expect("a restore");
    let copy = elsewhere.add_at(&elsewhere.beside("copy"), &AddOptions::default());
    assert_eq!(copy.root, first.root);
}

#[test]
fn a_changed_file_is_noticed_and_the_rest_is_shared() {
    let scene = Scene::new();
    furnish(&scene);
    let first = scene.add(&AddOptions::default());
    scene.write("a/same", "no longer");
    let second = scene.add(&AddOptions::default());
    let mut changes = Vec::new();
    diff(&scene.store, first.root, second.root, &mut |change| {
        changes.push(change.path.to_string());
        ControlFlow::Continue(())
    })
    .expect("a comparison");
    assert_eq!(changes, ["a/same"]);
    assert!(second.stored.new_bytes < 2000, "only the file and the trees above it are new");
}

#[test]
fn patterns_and_ignore_files_leave_out() {
    let scene = Scene::new();
    for path in
        ["keep.rs", "target/x", "sub/keep", "sub/drop.log", "sub/important.log", ".git/HEAD"]
    {
        scene.write(path, path);
    }
    scene.write(".gitignore", "/target\n*.log\n");
    scene.write("sub/.vigilignore", "!important.log\n");
    let names = |options: &AddOptions| {
        let added = scene.add(options);
        let mut names = Vec::new();
        list(&scene.store, added.root, true, &mut |entry| {
            if entry.kind != EntryKind::Tree {
                names.push(entry.path.to_string());
            }
            ControlFlow::Continue(())
        })
        .expect("a listing");
        names.join(" ")
    };
    let obeys = AddOptions { obeys_ignore_files: true, ..AddOptions::default() };
    expect![".gitignore keep.rs sub/.vigilignore sub/important.log sub/keep"]
        .assert_eq(&names(&obeys));
    let excludes =
        AddOptions { exclude: vec!["sub".into(), "*.rs".into()], ..AddOptions::default() };
    expect![".git/HEAD .gitignore target/x"].assert_eq(&names(&excludes));
    let bad = AddOptions { exclude: vec!["[z-a]".into()], ..AddOptions::default() };
    let writer = scene.store.writer().expect("a writer");
    let error = add_path(&writer, &scene.work(""), &bad, &|_| {}).expect_err("a bad pattern");
    assert!(matches!(error, AddError::Pattern { .. }), "{error}");
}

#[test]
fn sockets_and_pipes_are_skipped_with_a_note() {
    let scene = Scene::new();
    scene.write("file", "x");
    let _socket = std::os::unix::net::UnixListener::bind(scene.work("socket")).expect("a socket");
    let mode = rustix::fs::Mode::from(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, scene.work("pipe"), rustix::fs::FileType::Fifo, mode, 0)
        .expect("a pipe");
    let added = scene.add(&AddOptions::default());
    let notes: Vec<String> = added
        .notes
        .iter()
        .map(|note| note.to_string().replace(&*scene.work("").to_string_lossy(), ""))
        .collect();
    assert_eq!(notes, ["pipe: skipped, it is a named pipe", "socket: skipped, it is a socket"]);
    assert_eq!(added.files, 1);
}

#[test]
fn too_long_a_file_is_refused_at_once() {
    let scene = Scene::new();
    let file = fs::File::create(scene.work("sparse")).expect("a file");
    file.set_len(1 << 40).expect("a sparse file");
    let writer = scene.store.writer().expect("a writer");
    for path in [scene.work(""), scene.work("sparse")] {
        let error =
            add_path(&writer, &path, &AddOptions::default(), &|_| {}).expect_err("too long");
        assert!(matches!(error, AddError::FileTooLong { size, .. } if size == 1 << 40), "{error}");
    }
}

/// Trees that no honest program makes are refused when they are read, before anything is written.
#[test]
fn a_hostile_tree_writes_nothing_outside() {
    let scene = Scene::new();
    let writer = scene.store.writer().expect("a writer");
    let blob = writer.put(b"payload").expect("a put");
    let target = writer.put(scene.beside("victim").as_os_str().as_bytes()).expect("a put");
    fs::create_dir(scene.beside("victim")).expect("a folder");
    for name in [&b"../escape"[..], b"..", b"/etc/escape", b"a/../../escape", b"."] {
        let mut encoder = vigil_base::cbor::Encoder::record("vigil.tree/1", 2);
        encoder.array(1);
        encoder.array(3);
        encoder.bytes(name);
        encoder.unsigned(0);
        encoder.bytes(blob.as_bytes());
        let tree = writer.put(&encoder.finish()).expect("a put");
        let error = scene.restore(&Uri::tree(tree), &scene.beside("out")).expect_err("hostile");
        assert!(matches!(error, RestoreError::Walk(_)), "{error}");
        assert!(!scene.beside("escape").exists() && !scene.beside("out").exists());
    }
    // A link and a folder of one name cannot be in one tree, so a link is never walked through.
    let name = EntryName::new(*b"x").expect("a name");
    let link = Entry { name: name.clone(), kind: EntryKind::Symlink, vcid: target };
    let below = Tree::new(vec![Entry { name, kind: EntryKind::File, vcid: blob }]).expect("a tree");
    let below = writer.put(&below.encode()).expect("a put");
    let twice = Entry { kind: EntryKind::Tree, vcid: below, ..link.clone() };
    assert!(Tree::new(vec![link, twice]).is_err());
}

#[test]
fn nothing_that_is_there_is_replaced() {
    let scene = Scene::new();
    scene.write("file", "new");
    let added = scene.add(&AddOptions::default());
    fs::create_dir(scene.beside("full")).expect("a folder");
    fs::write(scene.beside("full/old"), "old").expect("a file");
    let error =
        scene.restore(&Uri::tree(added.root), &scene.beside("full")).expect_err("it is full");
    assert!(matches!(error, RestoreError::Exists { .. }), "{error}");
    let blob = Uri::content(Vcid::of(b"new"));
    let error = scene.restore(&blob, &scene.beside("full/old")).expect_err("it is there");
    assert!(matches!(error, RestoreError::Exists { .. }), "{error}");
    assert_eq!(fs::read(scene.beside("full/old")).expect("a file"), b"old");
    scene.restore(&blob, &scene.beside("full/other")).expect("a restore");
    assert_eq!(fs::read(scene.beside("full/other")).expect("a file"), b"new");
}

#[test]
fn metadata_comes_back_when_it_was_kept() {
    let scene = Scene::new();
    furnish(&scene);
    fs::hard_link(scene.work("large"), scene.work("a/large too")).expect("a hard link");
    fs::set_permissions(scene.work("empty"), fs::Permissions::from_mode(0o640)).expect("chmod");
    let added = scene.add(&AddOptions { metadata: true, ..AddOptions::default() });
    let plain = scene.add(&AddOptions::default());
    assert_eq!(plain.root, added.root, "metadata has no part in identity");
    let from = Resolved {
        uri: Uri::tree(added.root),
        kind: EntryKind::Tree,
        vcid: added.root,
        metadata: added.metadata,
    };
    let options = RestoreOptions { threads: 2, metadata: true, overwrites: false };
    let out = scene.beside("out");
    let restored = restore(&scene.store, &from, &out, &options, &|_| {}).expect("a restore");
    assert_eq!(restored.notes, []);
    let stat = |folder: &Path, name: &str| {
        let data = fs::symlink_metadata(folder.join(name)).expect("an entry");
        (data.mode(), data.uid(), data.gid(), data.mtime(), data.mtime_nsec(), data.nlink())
    };
    for name in ["", "empty", "a", "a/b/c", "a/b/c/deep", "link", "run", "large", "a/large too"] {
        assert_eq!(stat(&out, name), stat(&scene.work(""), name), "{name}");
    }
    let inode = |name: &str| fs::metadata(out.join(name)).expect("an entry").ino();
    assert_eq!(inode("large"), inode("a/large too"));
    let bare = Resolved { metadata: None, ..from };
    let error =
        restore(&scene.store, &bare, &scene.beside("x"), &options, &|_| {}).expect_err("none");
    assert!(matches!(error, RestoreError::NoMetadata { .. }), "{error}");
}

#[test]
fn tar_streams_are_what_tar_expects() {
    let scene = Scene::new();
    furnish(&scene);
    scene.write(&format!("{}/{}", "long".repeat(40), "name".repeat(40)), "long");
    let added = scene.add(&AddOptions::default());
    let from = resolve(&scene.store, &Uri::tree(added.root)).expect("it is there");
    let mut stream = Vec::new();
    let bytes = write_tar(&scene.store, &from, &mut stream, 2, &|_| {}).expect("a stream");
    assert_eq!(bytes, added.bytes);
    let out = scene.beside("untarred");
    tar::Archive::new(&stream[..]).unpack(&out).expect("tar reads it");
    assert_eq!(contents(&out), contents(&scene.work("")));
    let mut again = Vec::new();
    write_tar(&scene.store, &from, &mut again, 1, &|_| {}).expect("a stream");
    assert_eq!(Vcid::of(&stream), Vcid::of(&again), "one tree gives one stream");
}

#[test]
fn ranges_of_blobs_are_slices() {
    let scene = Scene::new();
    furnish(&scene);
    let added = scene.add(&AddOptions::default());
    let uri = format!("ca://{}/large", added.root).parse().expect("a URI");
    let large = resolve(&scene.store, &uri).expect("it is there");
    let whole = fs::read(scene.work("large")).expect("a file");
    for range in [0..0, 0..10, 65_000..400_000, 11_999_999..12_000_000, 0..12_000_000] {
        let mut out = Vec::new();
        let len = write_blob(&scene.store, large.vcid, Some(range.clone()), &mut out, &|_, _| {})
            .expect("a range inside");
        assert_eq!(len, range.end - range.start);
        assert!(out == whole[range.start as usize..range.end as usize], "{range:?}");
    }
    let outside =
        write_blob(&scene.store, large.vcid, Some(0..12_000_001), &mut Vec::new(), &|_, _| {});
    assert!(outside.is_err());
}

/// A file with the bytes of a tree is a file: the slash decides, and the kind in the tree above.
#[test]
fn a_file_that_looks_like_a_tree_stays_a_file() {
    let scene = Scene::new();
    scene.write("inner/file", "x");
    let inner = scene.add_at(&scene.work("inner"), &AddOptions::default());
    let record = scene.store.read(inner.root).expect("it is there");
    scene.write("looks/like", &record);
    let added = scene.add_at(&scene.work("looks"), &AddOptions::default());
    let out = scene.beside("out");
    scene.restore(&Uri::tree(added.root), &out).expect("a restore");
    assert_eq!(fs::read(out.join("like")).expect("a file"), record);
    scene.restore(&Uri::content(inner.root), &scene.beside("bytes")).expect("a restore");
    assert_eq!(fs::read(scene.beside("bytes")).expect("a file"), record);
}
