//! Files and folders below the allowed folder, as inputs.

use std::fs;
use std::mem::MaybeUninit;
use std::ops::ControlFlow;
use std::os::unix::fs::MetadataExt as _;
use std::sync::Arc;

use expect_test::expect;
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use vigil_base::world::{Clock, Moment};
use vigil_base::{TreeReferences, Vcid};
use vigil_kernel::How;
use vigil_node::{Files, Node, NodeOptions, SCOPE};
use vigil_store::{CollectOptions, FolderDisk, Options, Store, World};

use crate::support::{Place, Sevens, request};

#[test]
fn nothing_outside_of_the_folder_is_reached() {
    let place = Place::new();
    place.write("deep/in", "in");
    fs::write(place.path().join("secret"), "secret").expect("the test is right");
    std::os::unix::fs::symlink("../secret", place.files().join("out")).expect("the test is right");
    std::os::unix::fs::symlink(place.path().join("secret"), place.files().join("far"))
        .expect("the test is right");
    std::os::unix::fs::symlink("deep/in", place.files().join("link")).expect("the test is right");
    let node = place.open();
    for inside in ["file:deep/in", "file:link", "file:deep/../deep/in"] {
        assert_eq!(place.show(&node, inside), "application/octet-stream: in");
    }
    let secret = place.path().join("secret");
    let absolute = format!("file:{}", secret.display());
    for outside in
        ["file:out", "file:far", "file:../secret", absolute.as_str(), "file:%2e%2e/secret"]
    {
        let answer = place.show(&node, outside);
        assert!(answer.starts_with("Absent: no file"), "{outside}: {answer}");
    }
    let closed = Node::open(place.store(), NodeOptions::default()).expect("the test is right");
    assert!(place.show(&closed, "file:deep/in").starts_with("Absent"));
}

#[test]
fn folders_are_trees() {
    let place = Place::new();
    place.write("folder/a.txt", "a\n");
    place.write("folder/deep/b", "b\n");
    place.write("with blank", "c\n");
    std::os::unix::fs::symlink("/etc/passwd", place.files().join("folder/out")).expect("a link");
    assert_eq!(
        place.list("file:folder"),
        ["File a.txt", "Tree deep", "File deep/b", "Symlink out"],
        "links are kept as links, and never followed"
    );
    assert_eq!(place.list("file:").len(), 6, "the folder itself");
    let node = place.open();
    place.check(&node, "file:with%20blank", expect![["application/octet-stream: c\n"]]);
    place.check(
        &node,
        "file:folder | head",
        expect![[r#"
            Misuse: file:folder is a tree, and bytes are needed
              in file:folder | head
            hint: name a file in it, or pipe it into `tar`"#]],
    );
}

#[test]
fn a_folder_is_taken_in_again_only_as_far_as_it_changed() {
    let place = Place::new();
    place.write("folder/a", "a\n");
    place.write("folder/b", "b\n");
    let pipeline = "file:folder | tar | count what=bytes";
    let how = |node: &Node| {
        let list = node.kernel().why(SCOPE, &request(pipeline));
        list.iter().map(|item| item.story.how).collect::<Vec<_>>()
    };
    let node = place.open();
    let before = place.show(&node, pipeline);
    assert_eq!(how(&node), [How::Made; 3]);
    drop(node);
    let node = place.open();
    assert_eq!(place.show(&node, pipeline), before);
    assert_eq!(how(&node), [How::Kept, How::Kept, How::Made]);
    // A file that is written anew with the same bytes changes nothing.
    fs::remove_file(place.files().join("folder/a")).expect("the test is right");
    place.write("folder/a", "a\n");
    node.kernel().root_changed("file/folder");
    assert_eq!(place.show(&node, pipeline), before);
    assert_eq!(how(&node), [How::Kept, How::Kept, How::Made]);
    // Another byte makes another archive of the same size.
    place.write("folder/a", "x\n");
    node.kernel().root_changed("file/folder");
    assert_eq!(place.show(&node, pipeline), before);
    assert_eq!(how(&node), [How::Made; 3]);
}

#[test]
fn files_of_any_length_pass_through() {
    let place = Place::new();
    // Longer than what a record in memory may be, and sparse, so that it takes no room.
    let file = fs::File::create(place.files().join("long")).expect("the test is right");
    file.set_len(300 << 20).expect("the test is right");
    let node = place.open();
    let found = node.resolve(request("file:long")).expect("it is there");
    assert_eq!(found.size, 300 << 20);
    place.check(&node, "file:long | count what=bytes", expect![["text/plain: 314572800\n"]]);
    let found = node.resolve(request("file:")).expect("it is there");
    assert!(found.size < 1000, "a tree of one");
    place.check(
        &node,
        "file:long | gzip 1 | gunzip | count what=bytes",
        expect![["text/plain: 314572800\n"]],
    );
}

/// Long after whatever is written: everything is settled.
struct Later;

impl Clock for Later {
    fn now(&self) -> Moment {
        Moment(i64::MAX)
    }
}

/// Opens a node as a process that comes later.
fn open_later(place: &Place) -> Node {
    let disk = Arc::new(FolderDisk::new(place.path().join("store")));
    let world = World { disk, clock: Arc::new(Later), randomness: Arc::new(Sevens) };
    let store = Store::open(world, Options::default()).expect("the test is right");
    let skips = fs::metadata(place.files().join("left-out")).map(|it| vec![(it.dev(), it.ino())]);
    let files = Files { folder: place.files(), skips: skips.unwrap_or_default(), threads: 2 };
    let options = NodeOptions { files: Some(files), ..NodeOptions::default() };
    Node::open(store, options).expect("the test is right")
}

/// Returns the tree of a folder, and whether the system was asked for what is in one of its files.
fn look(place: &Place, watched: &str) -> (Vcid, bool) {
    let opened = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).expect("a queue");
    inotify::add_watch(&opened, place.files().join(watched), WatchFlags::ACCESS).expect("a watch");
    let node = open_later(place);
    let found = node.resolve(request("file:folder")).expect("it is there");
    node.finish().expect("the test is right");
    let mut buffer = [MaybeUninit::uninit(); 4096];
    let is_read = inotify::Reader::new(&opened, &mut buffer).next().is_ok();
    (found.vcid, is_read)
}

#[test]
fn a_folder_that_an_earlier_process_looked_at_is_not_read_again() {
    let place = Place::new();
    place.write("folder/a", "a\n");
    place.write("folder/deep/b", "b\n");
    let (first, was_read) = look(&place, "folder/deep/b");
    assert!(was_read);
    assert_eq!(look(&place, "folder/deep/b"), (first, false));
    // A record that is damaged costs time, and nothing else.
    let records = place.path().join("store/cache/worktrees");
    let record = fs::read_dir(&records).expect("there is one").next().expect("there is one");
    let record = record.expect("it can be listed").path();
    let mut bytes = fs::read(&record).expect("it can be read");
    bytes[60] ^= 1;
    fs::write(&record, &bytes).expect("it can be written");
    assert_eq!(look(&place, "folder/deep/b"), (first, true));
    assert_eq!(look(&place, "folder/deep/b"), (first, false));
    // What was collected meanwhile is read and kept again.
    let options = CollectOptions {
        keep: &[],
        references: &TreeReferences,
        is_dry_run: false,
        dead_percent_min: 0,
    };
    assert!(place.store().collect(&options).expect("nobody uses it").dead_items > 0);
    assert_eq!(look(&place, "folder/deep/b"), (first, true));
    let node = open_later(&place);
    place.check(&node, "file:folder/deep/b", expect![["application/octet-stream: b\n"]]);
}

#[test]
fn folders_that_are_to_be_left_out_are_no_part_of_a_tree() {
    let place = Place::new();
    place.write("folder/a", "a\n");
    place.write("left-out/b", "b\n");
    let node = open_later(&place);
    let found = node.resolve(request("file:")).expect("it is there");
    node.finish().expect("the test is right");
    let mut paths = Vec::new();
    let mut visit = |listed: vigil_files::Listed| {
        paths.push(listed.path.to_string());
        ControlFlow::Continue(())
    };
    vigil_files::list(&place.store(), found.vcid, true, &mut visit).expect("the test is right");
    assert_eq!(paths, ["folder", "folder/a"]);
}
