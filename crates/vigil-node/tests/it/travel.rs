//! Two nodes: what one has made, the other takes over if its policy lets it, with the bytes, and makes
//! again otherwise.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use vigil_base::EntryKind;
use vigil_kernel::engine::EngineOptions;
use vigil_kernel::{Agreed, Host, How, Kernel, OfMachines, Owner, TracePolicy};
use vigil_node::{Node, NodeOptions, SCOPE, StoreHost, Vouched};
use vigil_trust::gate::Quorum;

use crate::{Still, request, set_name, store};

/// A node with a name and a policy of its own.
struct Place {
    kernel: Kernel,
    host: Arc<StoreHost>,
}

impl Place {
    fn new(folder: &Path, machine: &str, policy: impl TracePolicy + 'static) -> Self {
        let host = Arc::new(StoreHost::new(store(folder), None, None));
        let kernel = Kernel::new(
            Host {
                blobs: host.clone(),
                traces: host.clone(),
                roots: host.clone(),
                clock: Arc::new(Still),
                policy: Arc::new(policy),
                machine: machine.to_owned(),
                checks: BTreeMap::new(),
            },
            EngineOptions::default(),
        );
        kernel.set_scope(SCOPE, Node::space(Arc::downgrade(&host)).expect("the test is right"));
        Self { kernel, host }
    }

    /// Resolves, and says how the answer and all below it came about.
    fn hows(&self, pipeline: &str) -> Vec<How> {
        let answer = self.kernel.resolve(Arc::new(Owner), SCOPE, request(pipeline));
        self.kernel.engine().block_on(answer).expect("the test is right");
        let tree = self.kernel.why(SCOPE, &request(pipeline));
        tree.iter().map(|item| item.story.how).collect()
    }

    fn finish(&self) {
        self.host.finish().expect("the test is right");
    }
}

#[test]
fn traces_travel_between_two_nodes() {
    let folder = tempfile::tempdir().expect("the test is right");
    let at = |name: &str| {
        let path = folder.path().join(name);
        std::fs::create_dir(&path).expect("the test is right");
        path
    };
    let pipeline = "@notes | head 2 | grep two";
    let mine = |name: &str| OfMachines(vec![name.to_owned()]);
    let mut exports = Vec::new();
    for name in ["one", "two"] {
        let path = at(name);
        set_name(&path, "notes", EntryKind::File, b"one\ntwo\nthree\n");
        let place = Place::new(&path, name, mine(name));
        assert_eq!(place.hows(pipeline), [How::Made; 3]);
        place.finish();
        let records = place.kernel.export_traces(SCOPE, &request(pipeline));
        let records = records.expect("the test is right");
        assert_eq!(records.len(), 2, "what a name means is only looked up");
        // The bytes that they name travel as bytes do.
        let blobs: Vec<Vec<u8>> = records
            .iter()
            .map(|record| {
                let trace = vigil_kernel::Trace::decode(record).expect("it is one");
                store(&path).read(trace.output.vcid).expect("it is kept").to_vec()
            })
            .collect();
        exports.push((records, blobs));
    }
    let try_at = |name: &str, policy: Arc<dyn TracePolicy>, from: &[usize], want: How| {
        struct Shared(Arc<dyn TracePolicy>);
        impl TracePolicy for Shared {
            fn accepts(&self, trace: &vigil_kernel::Trace, all: &[vigil_kernel::Trace]) -> bool {
                self.0.accepts(trace, all)
            }
        }
        let path = at(name);
        set_name(&path, "notes", EntryKind::File, b"one\ntwo\nthree\n");
        for bytes in &exports[0].1 {
            set_name(&path, "kept", EntryKind::File, bytes);
        }
        let place = Place::new(&path, name, Shared(policy));
        for record in from.iter().flat_map(|export| &exports[*export].0) {
            place.kernel.import_trace(record).expect("the test is right");
        }
        assert_eq!(place.hows(pipeline), [want, want, How::Made], "{name}");
        place.finish();
        // What the name means now is what counts, whoever made the traces.
        set_name(&path, "notes", EntryKind::File, b"two\n");
        place.kernel.root_changed("name/notes");
        assert_eq!(place.hows(pipeline)[0], How::Made, "{name}");
    };
    try_at("trusting", Arc::new(mine("one")), &[0], How::Kept);
    try_at("alone", Arc::new(mine("alone")), &[0], How::Made);
    try_at("either", Arc::new(Agreed(2)), &[0], How::Made);
    try_at("both", Arc::new(Agreed(2)), &[0, 1], How::Kept);
    // By the gate's quorum: named alone, or enough voters, of whom one person is one.
    let vouched = |trusted: &[&str], voters: &[(&str, &str)], agreeing| {
        let owned = |text: &&str| (*text).to_owned();
        let voters = voters.iter().map(|(machine, voter)| (owned(machine), owned(voter)));
        Arc::new(Vouched {
            trusted: trusted.iter().map(owned).collect(),
            voters: voters.collect(),
            quorum: Some(Quorum { agreeing, disagreeing: 0 }),
        })
    };
    let people = [("one", "ada"), ("two", "bob")];
    try_at("named", vouched(&["one"], &[], 2), &[0], How::Kept);
    try_at("stranger", vouched(&["else"], &[], 1), &[0], How::Made);
    try_at("few", vouched(&[], &people, 2), &[0], How::Made);
    try_at("enough", vouched(&[], &people, 2), &[0, 1], How::Kept);
    try_at("same person", vouched(&[], &[("one", "ada"), ("two", "ada")], 2), &[0, 1], How::Made);
    try_at("unknown", vouched(&[], &people[..1], 2), &[0, 1], How::Made);
}

#[test]
fn one_who_computed_something_else_is_heard() {
    use vigil_kernel::Trace;
    let folder = tempfile::tempdir().expect("the test is right");
    set_name(folder.path(), "notes", EntryKind::File, b"one\ntwo\n");
    let place = Place::new(folder.path(), "one", OfMachines(vec!["one".to_owned()]));
    assert_eq!(place.hows("@notes | head 1")[0], How::Made);
    let records = place.kernel.export_traces(SCOPE, &request("@notes | head 1"));
    let record = records.expect("the test is right").remove(0);
    let by = |machine: &str, output: &[u8]| {
        let mut trace = Trace::decode(&record).expect("it is one");
        trace.machine = machine.to_owned();
        trace.output.vcid = vigil_base::Vcid::of(output);
        trace
    };
    let voters = ["a", "b", "c"].map(|name| (name.to_owned(), name.to_owned()));
    let policy = Vouched {
        trusted: ["own".to_owned()].into(),
        voters: voters.into(),
        quorum: Some(Quorum { agreeing: 2, disagreeing: 0 }),
    };
    let (a, b, c) = (by("a", b"x"), by("b", b"x"), by("c", b"y"));
    assert!(policy.accepts(&a, &[a.clone(), b.clone()]));
    assert!(!policy.accepts(&a, &[a.clone(), b.clone(), c.clone()]));
    assert!(!policy.accepts(&c, &[a.clone(), b.clone(), c.clone()]));
    let mut elsewhere = c;
    elsewhere.inputs.clear();
    assert!(policy.accepts(&a, &[a.clone(), b.clone(), elsewhere]));
    assert!(policy.accepts(&by("own", b"z"), &[a, b]));
}

/// A disk that counts how often somebody waits for it.
mod counting {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use vigil_base::world::{Disk, DiskError, DiskFile, Lock, Mapped, OpenMode};

    pub struct Counting<D>(pub D, pub Arc<AtomicUsize>);
    struct CountingFile(Box<dyn DiskFile>, Arc<AtomicUsize>);

    impl<D: Disk> Disk for Counting<D> {
        fn open(&self, path: &str, mode: OpenMode) -> Result<Box<dyn DiskFile>, DiskError> {
            Ok(Box::new(CountingFile(self.0.open(path, mode)?, self.1.clone())))
        }
        fn list(&self, path: &str) -> Result<Vec<String>, DiskError> {
            self.0.list(path)
        }
        fn create_folder(&self, path: &str) -> Result<(), DiskError> {
            self.0.create_folder(path)
        }
        fn rename(&self, from: &str, to: &str) -> Result<(), DiskError> {
            self.0.rename(from, to)
        }
        fn remove(&self, path: &str) -> Result<(), DiskError> {
            self.0.remove(path)
        }
        fn sync_folder(&self, path: &str) -> Result<(), DiskError> {
            self.1.fetch_add(1, Ordering::Relaxed);
            self.0.sync_folder(path)
        }
        fn describe(&self) -> String {
            self.0.describe()
        }
        fn free_bytes(&self) -> Result<Option<u64>, DiskError> {
            self.0.free_bytes()
        }
    }

    impl DiskFile for CountingFile {
        fn len(&self) -> Result<u64, DiskError> {
            self.0.len()
        }
        fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<usize, DiskError> {
            self.0.read_at(offset, into)
        }
        fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<(), DiskError> {
            self.0.write_at(offset, bytes)
        }
        fn set_len(&self, len: u64) -> Result<(), DiskError> {
            self.0.set_len(len)
        }
        fn sync(&self) -> Result<(), DiskError> {
            self.1.fetch_add(1, Ordering::Relaxed);
            self.0.sync()
        }
        fn lock(&self, lock: Lock, wait: bool) -> Result<bool, DiskError> {
            self.0.lock(lock, wait)
        }
        fn can_map(&self) -> bool {
            self.0.can_map()
        }
        fn map(&self, len: u64) -> Result<Arc<dyn Mapped>, DiskError> {
            self.0.map(len)
        }
    }
}

#[test]
fn what_can_be_made_again_does_not_wait_for_the_disk() {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use vigil_store::{FolderDisk, Options, Store, World};

    let folder = tempfile::tempdir().expect("the test is right");
    let waits: Arc<AtomicUsize> = Arc::default();
    let disk = counting::Counting(FolderDisk::new(folder.path().join("store")), waits.clone());
    let world =
        World { disk: Arc::new(disk), clock: Arc::new(Still), randomness: Arc::new(crate::Sevens) };
    let store = Store::open(world, Options::default()).expect("the test is right");
    let node = Node::open(store, NodeOptions::default()).expect("the test is right");
    // The first put opens an arena, and makes that durable.
    node.resolve(request("data:,first")).expect("the test is right");
    waits.store(0, Ordering::Relaxed);
    for number in 0..50 {
        node.resolve(request(&format!("data:,{number} | head 1"))).expect("the test is right");
    }
    assert_eq!(waits.load(Ordering::Relaxed), 0, "results are put without waiting");
    node.finish().expect("the test is right");
    assert!(waits.load(Ordering::Relaxed) > 0, "and made durable when somebody says so");
}

#[test]
fn a_collection_waits_for_running_requests_and_takes_what_nobody_keeps_between_them() {
    use vigil_store::{CollectError, CollectOptions};

    let folder = tempfile::tempdir().expect("the test is right");
    let node = crate::open(folder.path());
    // As another process would.
    let collect = || {
        store(folder.path()).collect(&CollectOptions {
            keep: &[],
            references: &vigil_base::TreeReferences,
            is_dry_run: false,
            dead_percent_min: 0,
        })
    };
    let found = node.resolve(request("data:,kept | head 1")).expect("the test is right");
    node.finish().expect("the test is right");
    assert!(matches!(collect(), Err(CollectError::InUse)), "who asked may still want to read");
    assert!(store(folder.path()).contains(found.vcid).expect("the test is right"));
    node.kernel().let_collect();
    let report = collect().expect("nothing is running");
    assert!(report.dead_items > 0);
    assert!(!store(folder.path()).contains(found.vcid).expect("the test is right"));
    // The answer is still in memory, and its bytes are gone: it is made again.
    let again = node.resolve(request("data:,kept | head 1")).expect("the test is right");
    assert_eq!(again, found);
    node.finish().expect("the test is right");
    assert_eq!(store(folder.path()).read(found.vcid).expect("it is kept")[..], *b"kept");
}
