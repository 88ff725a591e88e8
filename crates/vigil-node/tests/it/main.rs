//! The node over real folders: names, files, pipelines, and the next process.

mod agent;
mod attest;
mod interop;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use expect_test::{Expect, expect};
use vigil_base::world::{Clock, Moment, Randomness, RandomnessError};
use vigil_base::{Entry, EntryKind, EntryName, Name, Tree, Vcid};
use vigil_kernel::{How, Request, parse_pipeline};
use vigil_node::{Node, SCOPE};
use vigil_store::{FolderDisk, Options, Store, Version, World};

struct Still;

impl Clock for Still {
    fn now(&self) -> Moment {
        Moment(0)
    }
}

struct Sevens;

impl Randomness for Sevens {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), RandomnessError> {
        bytes.fill(7);
        Ok(())
    }
}

fn store(folder: &Path) -> Store {
    let disk = Arc::new(FolderDisk::new(folder.join("store")));
    let world = World { disk, clock: Arc::new(Still), randomness: Arc::new(Sevens) };
    Store::open(world, Options::default()).expect("the test is right")
}

fn open(folder: &Path) -> Node {
    Node::open(store(folder), Some(folder.join("files"))).expect("the test is right")
}

/// Gives a name a meaning, as another process would.
fn set_name(folder: &Path, name: &str, kind: EntryKind, bytes: &[u8]) -> Vcid {
    let store = store(folder);
    let writer = store.writer().expect("the test is right");
    let vcid = writer.put(bytes).expect("the test is right");
    let version = Version { at: Moment(0), kind, vcid, metadata: None };
    writer
        .set_name(&Name::new(name).expect("the test is right"), version)
        .expect("the test is right");
    writer.finish().expect("the test is right");
    vcid
}

fn request(pipeline: &str) -> Request {
    Request::source(parse_pipeline(pipeline).expect("the test is right"))
}

fn show(node: &Node, folder: &Path, pipeline: &str) -> String {
    match node.resolve(request(pipeline)) {
        Ok(found) => {
            node.finish().expect("the test is right");
            let bytes = store(folder).read(found.vcid).expect("the test is right");
            format!("{}: {}", found.media_type, String::from_utf8_lossy(&bytes))
        }
        Err(refusal) => format!("{:?}: {refusal}", refusal.reason),
    }
}

#[track_caller]
fn check(node: &Node, folder: &Path, pipeline: &str, want: Expect) {
    want.assert_eq(&show(node, folder, pipeline));
}

#[test]
fn names_content_data_and_text() {
    let folder = tempfile::tempdir().expect("the test is right");
    let folder = folder.path();
    let notes = set_name(folder, "notes", EntryKind::File, b"one\ntwo\nthree\n");
    let entry = Entry {
        name: EntryName::new("n.txt").expect("the test is right"),
        kind: EntryKind::File,
        vcid: notes,
    };
    let tree = Tree::new(vec![entry]).expect("the test is right").encode();
    let tree = set_name(folder, "home", EntryKind::Tree, &tree);
    let node = open(folder);
    check(
        &node,
        folder,
        "@notes | head 2",
        expect![[r#"
        text/plain: one
        two
    "#]],
    );
    check(
        &node,
        folder,
        "@home/n.txt | lines from=2 to=2",
        expect![[r#"
        text/plain: two
    "#]],
    );
    check(
        &node,
        folder,
        &format!("ca://{tree}/n.txt | grep t | head lines=1"),
        expect![[r#"
        text/plain: two
    "#]],
    );
    check(
        &node,
        folder,
        "data:,b%0Aa%0A | head lines@data:,1",
        expect![[r#"
        text/plain: b
    "#]],
    );
    check(
        &node,
        folder,
        "@home/none",
        expect![[r#"
        Absent: there is no `none` there
          in @home/none"#]],
    );
    check(
        &node,
        folder,
        "@notes/n",
        expect![[r#"
        Absent: nothing is below `n`: what holds it is no folder
          in @notes/n"#]],
    );
    check(
        &node,
        folder,
        "@nobody",
        expect![[r#"
        Absent: nothing is named @nobody
          in @nobody"#]],
    );
    check(
        &node,
        folder,
        "@notes | head three",
        expect![[r#"
        Misuse: `three` is no number of lines
          in active:head+1=three+of@%40notes"#]],
    );
    check(
        &node,
        folder,
        "@notes | head 1 2",
        expect![[r#"
        Misuse: `head` has no argument `2`
          in active:head+1=1+2=2+of@%40notes"#]],
    );
    check(
        &node,
        folder,
        "@notes | unzstd",
        expect![[r#"
        Misuse: @notes is not zstd: Unknown frame descriptor
          in active:unzstd+of@%40notes"#]],
    );
    let packed = zstd::bulk::compress(b"packed", 1).expect("the test is right");
    set_name(folder, "packed", EntryKind::File, &packed);
    check(&node, folder, "@packed | unzstd", expect!["application/octet-stream: packed"]);
    check(
        &node,
        folder,
        "nix:x",
        expect![[r#"
        Unresolved: `nix:x` leads nowhere:
        node: nix:x
        node has no such name (ca://sha256:{content:rest}, @{name:rest}, file:{path:rest}, data:,{text:rest}, active:head{call:call}, active:lines{call:call}, active:grep{call:call}, active:unzstd{call:call})"#]],
    );
}

#[test]
fn the_next_process_starts_warm_and_sees_what_changed() {
    let folder = tempfile::tempdir().expect("the test is right");
    let folder = folder.path();
    fs::create_dir(folder.join("files")).expect("the test is right");
    fs::write(folder.join("files/a"), "x\ny\n").expect("the test is right");
    let pipeline = "file:a | head 1 | grep x";
    let how = |node: &Node| {
        let tree = node.kernel().why(SCOPE, &request(pipeline));
        tree.iter().map(|item| (item.story.endpoint.clone(), item.story.how)).collect::<Vec<_>>()
    };
    let all = |hows: [How; 3]| {
        ["grep", "head", "file"].map(str::to_owned).into_iter().zip(hows).collect::<Vec<_>>()
    };
    let node = open(folder);
    check(&node, folder, pipeline, expect![["text/plain: x\n"]]);
    assert_eq!(how(&node), all([How::Made; 3]));
    drop(node);
    let node = open(folder);
    check(&node, folder, pipeline, expect![["text/plain: x\n"]]);
    assert_eq!(how(&node), all([How::Kept; 3]));
    drop(node);
    // The first line stays, so the change ends there.
    fs::write(folder.join("files/a"), "x\nz\n").expect("the test is right");
    let node = open(folder);
    check(&node, folder, pipeline, expect![["text/plain: x\n"]]);
    assert_eq!(how(&node), all([How::Kept, How::Made, How::Made]));
    // Within one process the change is told.
    fs::write(folder.join("files/a"), "xx\n").expect("the test is right");
    node.kernel().root_changed("file/a");
    check(&node, folder, pipeline, expect![["text/plain: xx\n"]]);
    // Every trace cut short: found damaged, and all made again.
    drop(node);
    for file in fs::read_dir(folder.join("store/traces")).expect("the test is right") {
        let path = file.expect("the test is right").path();
        let bytes = fs::read(&path).expect("the test is right");
        fs::write(&path, &bytes[..bytes.len() / 2]).expect("the test is right");
    }
    let node = open(folder);
    check(&node, folder, pipeline, expect![["text/plain: xx\n"]]);
    assert_eq!(how(&node), all([How::Made; 3]));
}

#[test]
fn nothing_outside_of_the_folder_is_reached() {
    let folder = tempfile::tempdir().expect("the test is right");
    let folder = folder.path();
    fs::create_dir_all(folder.join("files/deep")).expect("the test is right");
    fs::write(folder.join("secret"), "secret").expect("the test is right");
    fs::write(folder.join("files/deep/in"), "in").expect("the test is right");
    std::os::unix::fs::symlink("../secret", folder.join("files/out")).expect("the test is right");
    std::os::unix::fs::symlink(folder.join("secret"), folder.join("files/far"))
        .expect("the test is right");
    std::os::unix::fs::symlink("deep/in", folder.join("files/link")).expect("the test is right");
    let node = open(folder);
    for inside in ["file:deep/in", "file:link", "file:deep/../deep/in"] {
        assert_eq!(show(&node, folder, inside), "application/octet-stream: in");
    }
    let secret = folder.join("secret");
    let absolute = format!("file:{}", secret.display());
    for outside in
        ["file:out", "file:far", "file:../secret", absolute.as_str(), "file:deep", "file:"]
    {
        let answer = show(&node, folder, outside);
        assert!(answer.starts_with("Absent: no file"), "{outside}: {answer}");
    }
    let closed = Node::open(store(folder), None).expect("the test is right");
    assert!(show(&closed, folder, "file:deep/in").starts_with("Absent"));
}

#[test]
fn every_endpoint_is_listed_with_its_grammar_and_help() {
    let list: Vec<String> = Node::space()
        .expect("the test is right")
        .endpoints()
        .iter()
        .map(|(_, endpoint)| {
            format!("{} {}: {}\n", endpoint.name(), endpoint.grammar(), endpoint.help())
        })
        .collect();
    expect![[r#"
        content ca://sha256:{content:rest}: bytes by their SHA-256, and what a tree holds under a path
        name @{name:rest}: what this machine's owner calls so, and what a tree holds under a path
        file file:{path:rest}: files below the folder that this node may read
        data data:,{text:rest}: the text that stands in the URI itself
        head active:head{call:call}: the first lines of a text: head lines=10
        lines active:lines{call:call}: lines of a text, counted from 1: lines from=3 to=5
        grep active:grep{call:call}: the lines that hold a text, as it stands: grep "error: "
        unzstd active:unzstd{call:call}: what was packed with zstd
    "#]].assert_eq(&list.concat());
}
