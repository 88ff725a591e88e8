//! Waiting for changes: of what could not be made, and never outside of the folder that may be read.

use std::collections::BTreeSet;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::sync::Arc;
use std::time::{Duration, Instant};

use vigil_kernel::{Reason, Request};
use vigil_node::{Described, Description, Node, SCOPE, Watcher};

use crate::request;
use crate::support::Place;

const QUIET: Duration = Duration::from_millis(20);

const FRAGILE: Description = Description {
    name: "fragile",
    help: "a call that panics when it is given something bad",
    pattern: None,
    parameters: &[],
    gives: &["text/plain"],
    only_looks_up: false,
    serve: |asked| {
        Box::pin(async move {
            let given = asked.given().await?;
            let text = asked.whole(&given, 1 << 20)?;
            assert!(text != b"bad\n", "this is bad");
            asked.keep("text/plain", &mut &text[..], "the text")
        })
    },
};

fn open(place: &Place) -> Node {
    let node = place.open();
    let space = Node::space(Arc::downgrade(node.host())).expect("the test is right");
    let fragile = Arc::new(Described::new(&FRAGILE, Arc::downgrade(node.host())));
    node.kernel().set_scope(SCOPE, space.with(fragile).expect("the test is right"));
    node
}

/// Resolves as `vigil watch` does, and returns what is watched newly.
fn turn(node: &Node, watcher: &mut Watcher, request: &Request, changed: &BTreeSet<String>) -> bool {
    changed.iter().for_each(|root| node.kernel().root_changed(root));
    node.kernel().begin_run();
    let found = node.resolve(request.clone());
    if let Err(refusal) = &found {
        assert_eq!(refusal.reason, Reason::Broken, "{refusal}");
    }
    watcher.follow(node, request).expect("the test is right");
    found.is_ok()
}

#[test]
fn what_could_not_be_made_is_looked_at_again_when_its_input_is_mended() {
    let place = Place::new();
    place.write("a", "good\n");
    let node = open(&place);
    let request = request("file:a | fragile");
    let mut watcher = Watcher::new(place.path().join("store")).expect("the test is right");
    assert!(turn(&node, &mut watcher, &request, &BTreeSet::new()));
    let mut write = |text: &str| {
        place.write("a", text);
        let changed = watcher.wait(QUIET, QUIET).expect("the test is right");
        assert_eq!(changed, BTreeSet::from(["file/a".to_owned()]));
        turn(&node, &mut watcher, &request, &changed)
    };
    assert!(!write("bad\n"));
    assert!(write("mended\n"), "what was watched before is watched on");
    // One that could never be made is looked at by the clock.
    place.write("a", "bad\n");
    let mut blind = Watcher::new(place.path().join("store")).expect("the test is right");
    let changed = BTreeSet::from(["file/a".to_owned()]);
    assert!(!turn(&node, &mut blind, &request, &changed));
    place.write("a", "mended again\n");
    let since = Instant::now();
    blind.wait(QUIET, QUIET).expect("the test is right");
    assert!(since.elapsed() < Duration::from_secs(30));
    assert!(turn(&node, &mut blind, &request, &changed));
}

/// Returns the inodes that this process watches.
fn watched() -> BTreeSet<u64> {
    let mut inodes = BTreeSet::new();
    for entry in std::fs::read_dir("/proc/self/fdinfo").expect("the test is right") {
        let path = entry.expect("the test is right").path();
        // Other tests open and close files meanwhile.
        let Ok(text) = std::fs::read_to_string(path) else { continue };
        for line in text.lines().filter(|line| line.starts_with("inotify ")) {
            let inode = line.split(' ').find_map(|word| word.strip_prefix("ino:"));
            let inode = u64::from_str_radix(inode.expect("an inode"), 16);
            inodes.insert(inode.expect("a number"));
        }
    }
    inodes
}

#[test]
fn nothing_outside_of_the_folder_is_watched() {
    let place = Place::new();
    place.write("inside/deep/a", "a\n");
    std::fs::create_dir_all(place.path().join("outside/deep")).expect("the test is right");
    symlink(place.path().join("outside"), place.files().join("link")).expect("the test is right");
    let node = open(&place);
    let inode =
        |path: &str| std::fs::metadata(place.path().join(path)).expect("the test is right").ino();
    let outside = [inode("outside"), inode("outside/deep"), inode(".")];
    let absolute = place.path().join("outside").display().to_string();
    for path in ["../outside", &absolute, "link", "link/deep", "inside/../../outside", ".."] {
        let mut watcher = Watcher::new(place.path().join("store")).expect("the test is right");
        let request = request(&format!("file:{path}"));
        node.resolve(request.clone()).expect_err("it lies outside");
        watcher.follow(&node, &request).expect("the test is right");
        let watched = watched();
        assert!(outside.iter().all(|inode| !watched.contains(inode)), "{path}");
    }
    let mut watcher = Watcher::new(place.path().join("store")).expect("the test is right");
    let request = request("file:inside");
    node.resolve(request.clone()).expect("the test is right");
    watcher.follow(&node, &request).expect("the test is right");
    assert!(watcher.by_the_clock().is_empty());
    let all = ["files", "files/inside", "files/inside/deep"].map(inode);
    assert!(all.iter().all(|inode| watched().contains(inode)));
    // A folder on the way that is replaced by another one.
    std::fs::rename(place.files().join("inside"), place.files().join("before"))
        .expect("the test is right");
    let changed = watcher.wait(QUIET, QUIET).expect("the test is right");
    assert_eq!(changed, BTreeSet::from(["file/inside".to_owned()]));
}
