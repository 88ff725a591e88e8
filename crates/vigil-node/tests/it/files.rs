//! Files and folders below the allowed folder, as inputs.

use std::fs;

use expect_test::expect;
use vigil_kernel::How;
use vigil_node::{Node, NodeOptions, SCOPE};

use crate::support::{Place, request};

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
        hint: name a file in it, or pipe it into `tar`
          in active:head+of@file:folder"#]],
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
    assert_eq!(how(&node), [How::Kept; 3]);
    // A file that is written anew with the same bytes changes nothing.
    fs::remove_file(place.files().join("folder/a")).expect("the test is right");
    place.write("folder/a", "a\n");
    node.kernel().root_changed("file/folder");
    assert_eq!(place.show(&node, pipeline), before);
    assert_eq!(how(&node), [How::Kept; 3]);
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
    place.check(
        &node,
        "file:long | gzip 1 | gunzip | count what=bytes",
        expect![["text/plain: 314572800\n"]],
    );
}
