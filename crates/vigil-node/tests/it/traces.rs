//! Traces on disk: how many there are, how long they get, and when they go.

use std::fs::File;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use vigil_base::world::{Clock, Moment};
use vigil_base::{TreeReferences, Vcid};
use vigil_kernel::{How, Traces as _};
use vigil_node::{CollectedTraces, Node, NodeOptions, SCOPE, StoreHost, collect_traces};
use vigil_store::{CollectOptions, FolderDisk, Keep, Options, Store, World};

use crate::support::Place;
use crate::{Sevens, request};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// A day in 2033.
const NOW: Duration = Duration::from_secs(2_000_000_000);

struct Fixed;

impl Clock for Fixed {
    fn now(&self) -> Moment {
        Moment(i64::try_from(NOW.as_nanos()).expect("it fits"))
    }
}

fn store(place: &Place) -> Store {
    let disk = Arc::new(FolderDisk::new(place.path().join("store")));
    let world = World { disk, clock: Arc::new(Fixed), randomness: Arc::new(Sevens) };
    Store::open(world, Options::default()).expect("the test is right")
}

/// Lists the files of traces.
fn files(place: &Place) -> Vec<std::path::PathBuf> {
    let folder = std::fs::read_dir(place.path().join("store/traces")).expect("the test is right");
    let mut files: Vec<_> = folder.map(|entry| entry.expect("the test is right").path()).collect();
    files.sort();
    files
}

/// Makes files as old as that.
fn age(path: &std::path::Path, age: Duration) {
    let file = File::options().write(true).open(path).expect("the test is right");
    file.set_modified(SystemTime::UNIX_EPOCH + NOW - age).expect("the test is right");
}

fn collect(place: &Place) -> CollectedTraces {
    collect_traces(&store(place), false).expect("the test is right")
}

#[test]
fn what_is_only_looked_up_leaves_no_trace() {
    let place = Place::new();
    place.write("a", "x\n");
    let node = place.open();
    for number in 0..20 {
        place.show(&node, &format!("data:,{number}"));
    }
    place.show(&node, "file:a");
    assert!(!place.path().join("store/traces").exists());
    place.show(&node, "file:a | head 1");
    assert_eq!(files(&place).len(), 1);
}

#[test]
fn traces_go_when_they_are_old_or_what_they_tell_of_is_gone() {
    let place = Place::new();
    let node = place.open();
    for number in 0..5 {
        place.show(&node, &format!("data:,{number} | head"));
    }
    drop(node);
    let all = files(&place);
    assert_eq!(all.len(), 5);
    all.iter().for_each(|path| age(path, DAY));
    age(&all[0], 200 * DAY);
    std::fs::write(&all[1], b"damaged").expect("the test is right");
    age(&all[1], DAY);
    // Left by a process that was killed, and being written by another one.
    let beside = |path: &std::path::Path, age_of: Duration| {
        let path = path.with_extension("cbor.0123456789abcdef");
        std::fs::write(&path, b"half").expect("the test is right");
        age(&path, age_of);
        path
    };
    let (stray, young) = (beside(&all[2], DAY), beside(&all[3], Duration::from_secs(60)));
    let seen = collect_traces(&store(&place), true).expect("the test is right");
    assert_eq!(files(&place).len(), 7, "a dry run removes nothing");
    assert_eq!(collect(&place), seen);
    assert_eq!(seen, CollectedTraces { kept: 3, dropped: 2, strays: 1 });
    assert!(!stray.exists() && young.exists());
    // Nothing has a name, so all that was made goes, and what tells of it.
    let options = CollectOptions {
        keep: &[],
        references: &TreeReferences,
        is_dry_run: false,
        dead_percent_min: 0,
    };
    store(&place).collect(&options).expect("the test is right");
    assert_eq!(collect(&place), CollectedTraces { kept: 0, dropped: 3, strays: 0 });
    assert_eq!(files(&place), [young]);
}

#[test]
fn long_traces_can_be_read_back_and_never_cost_those_before_them() {
    let place = Place::new();
    let host = StoreHost::new(place.store(), None, None);
    let request = Vcid::of(b"request");
    let record = |fill: u8, mebibytes: usize| vec![fill; mebibytes << 20];
    let kept = || {
        let kept = host.find(request).expect("the test is right");
        kept.iter().map(|(_, bytes)| (bytes[0], bytes.len() >> 20)).collect::<Vec<_>>()
    };
    // One for each record of what a million files gave.
    host.keep(request, &record(1, 20)).expect("the test is right");
    assert_eq!(kept(), [(1, 20)]);
    host.keep(request, &record(2, 7)).expect("the test is right");
    assert_eq!(kept(), [(2, 7)]);
    host.keep(request, &record(3, 7)).expect("the test is right");
    host.keep(request, &record(4, 1)).expect("the test is right");
    assert_eq!(kept(), [(4, 1), (3, 7), (2, 7)]);
    // One that is too long is refused, and the others stay.
    assert!(host.keep(request, &record(5, 257)).is_err());
    assert_eq!(kept(), [(4, 1), (3, 7), (2, 7)]);
}

#[test]
fn a_kept_tree_whose_files_are_gone_is_made_again() {
    let place = Place::new();
    place.write("folder/below/a", "a\n");
    place.write("folder/b", "b\n");
    let pipeline = "file:packed.tar | untar";
    let node = place.open();
    let packed = node.resolve(request("file:folder | tar")).expect("the test is right");
    node.finish().expect("the test is right");
    place.write("packed.tar", place.read(packed.vcid));
    let tree = node.resolve(request(pipeline)).expect("the test is right").vcid;
    node.finish().expect("the test is right");
    drop(node);
    std::fs::remove_dir_all(place.files().join("folder")).expect("the test is right");
    // As it happens where the record lies in another arena than what it names.
    let keep: [Keep; 1] = [(tree, false)];
    let options = CollectOptions {
        keep: &keep,
        references: &TreeReferences,
        is_dry_run: false,
        dead_percent_min: 0,
    };
    place.store().collect(&options).expect("the test is right");
    assert!(place.store().contains(tree).expect("the test is right"));
    let of_a = Vcid::of(b"a\n");
    assert!(!place.store().contains(of_a).expect("the test is right"));
    let node = Node::open(
        place.store(),
        NodeOptions {
            files: Some(vigil_node::Files { folder: place.files(), skips: Vec::new(), threads: 1 }),
            ..NodeOptions::default()
        },
    )
    .expect("the test is right");
    let found = node.resolve(request(pipeline)).expect("the test is right");
    assert_eq!(found.vcid, tree);
    let tree = node.kernel().why(SCOPE, &request(pipeline));
    assert_eq!(tree[0].story.how, How::Made, "{}", tree[0].story.why);
    node.finish().expect("the test is right");
    assert!(place.store().contains(of_a).expect("the test is right"));
    // Now that it is whole, it is believed.
    drop(node);
    let node = place.open();
    node.resolve(request(pipeline)).expect("the test is right");
    assert_eq!(node.kernel().why(SCOPE, &request(pipeline))[0].story.how, How::Kept);
}
