//! Work trees over real folders: what is found, what is read, and what is told to a kernel.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use vigil_base::world::{Clock, Moment};
use vigil_base::{Entry, EntryKind, EntryName, Tree, Vcid};
use vigil_kernel::engine::EngineOptions;
use vigil_kernel::{
    Blobs, Call, Context, Endpoint, Era, Grammar, Host, Identifier, Kernel, MediaType, Memory,
    OfMachines, Owner, Produced, Request, Serving, Space,
};
use vigil_node::{Refreshed, Watching, WorkTree, WorkTreeRoots};

/// Stands long after whatever was written: everything is settled.
struct Later;

impl Clock for Later {
    fn now(&self) -> Moment {
        Moment(i64::MAX)
    }
}

/// Stands no later than what was written: nothing is settled.
struct Now;

impl Clock for Now {
    fn now(&self) -> Moment {
        Moment(0)
    }
}

/// The tree of a folder, by reading all of it.
fn from_scratch(folder: &Path) -> Vcid {
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder).expect("the test is right") {
        let path = entry.expect("the test is right").path();
        let meta = fs::symlink_metadata(&path).expect("the test is right");
        let (kind, vcid) = if meta.is_dir() {
            (EntryKind::Tree, from_scratch(&path))
        } else if meta.is_symlink() {
            let target = fs::read_link(&path).expect("the test is right");
            (EntryKind::Symlink, Vcid::of(target.as_os_str().as_encoded_bytes()))
        } else {
            let is_run = meta.mode() & 0o100 != 0;
            let kind = if is_run { EntryKind::Executable } else { EntryKind::File };
            (kind, Vcid::of(&fs::read(&path).expect("the test is right")))
        };
        let name = path.file_name().expect("it has one").as_encoded_bytes();
        entries.push(Entry { name: EntryName::new(name).expect("the test is right"), kind, vcid });
    }
    Vcid::of(&Tree::new(entries).expect("the test is right").encode())
}

struct Place {
    folder: tempfile::TempDir,
    memory: Arc<Memory>,
    tree: WorkTree,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("the test is right");
        let tree = WorkTree::open(folder.path()).expect("the test is right");
        Self { folder, memory: Arc::default(), tree }
    }

    fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().expect("it has one")).expect("the test is right");
        fs::write(path, text).expect("the test is right");
    }

    #[track_caller]
    fn look(&mut self, clock: &dyn Clock) -> Refreshed {
        let found = self.tree.refresh(&*self.memory, clock).expect("the test is right");
        assert_eq!(found.tree, from_scratch(self.folder.path()));
        found
    }

    /// Looks, and says what was found in one line.
    #[track_caller]
    fn check(&mut self, want: &str) {
        let found = self.look(&Later);
        let paths: BTreeSet<String> = found
            .changes
            .iter()
            .map(|changed| match changed.now {
                Some(_) => changed.path.clone(),
                None => format!("-{}", changed.path),
            })
            .collect();
        let paths: Vec<String> = paths.into_iter().collect();
        assert_eq!(format!("{} read: {}", found.read, paths.join(" ")), want);
    }
}

fn every_sort_of_change(place: &mut Place) {
    place.write("a/one", "1");
    place.write("a/deep/two", "2");
    place.write("b/three", "3");
    symlink("a/one", place.path("link")).expect("the test is right");
    place.check("4 read:  a a/deep a/deep/two a/one b b/three link");
    place.check("0 read: ");
    // Content.
    place.write("a/deep/two", "22");
    place.check("1 read:  a a/deep a/deep/two");
    // Touched and the same: read, and cut off at once.
    let times = fs::FileTimes::new().set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(99));
    let file = fs::File::options().append(true).open(place.path("a/one")).expect("it is there");
    file.set_times(times).expect("the test is right");
    drop(file);
    place.check("1 read: ");
    // The bit that lets it be run.
    let permissions = fs::Permissions::from_mode(0o755);
    fs::set_permissions(place.path("b/three"), permissions).expect("the test is right");
    place.check("1 read:  b b/three");
    // Come and gone.
    place.write("b/four", "4");
    fs::remove_file(place.path("a/one")).expect("the test is right");
    place.check("1 read:  -a/one a b b/four");
    // A folder is moved, with all that is in it; what is in it is read again at its new place.
    fs::rename(place.path("a/deep"), place.path("b/deep")).expect("the test is right");
    place.check("1 read:  -a/deep -a/deep/two a b b/deep b/deep/two");
    // And changed there.
    place.write("b/deep/two", "222");
    place.check("1 read:  b b/deep b/deep/two");
    // One thing becomes another.
    fs::remove_file(place.path("link")).expect("the test is right");
    place.write("link/now", "a folder");
    place.check("1 read:  -link link link/now");
    fs::remove_dir_all(place.path("link")).expect("the test is right");
    place.write("link", "a file");
    place.check("1 read:  -link -link/now link");
    // Replaced by one of the same size and times.
    let meta = fs::metadata(place.path("b/four")).expect("it is there");
    place.write("other", "5");
    let file = fs::File::options().append(true).open(place.path("other")).expect("it is there");
    let times = fs::FileTimes::new().set_modified(meta.modified().expect("it has one"));
    file.set_times(times).expect("the test is right");
    fs::rename(place.path("other"), place.path("b/four")).expect("the test is right");
    place.check("1 read:  b b/four");
    place.check("0 read: ");
}

#[test]
fn every_sort_of_change_is_found() {
    every_sort_of_change(&mut Place::new());
}

#[test]
fn every_sort_of_change_is_reported() {
    let mut place = Place::new();
    assert_eq!(place.tree.watch(), &Watching::On);
    every_sort_of_change(&mut place);
    assert_eq!(place.tree.watching(), &Watching::On);
    // Only about what was reported is asked.
    place.write("many/0", "");
    for number in 0..100 {
        place.write(&format!("many/{number}"), "x");
    }
    place.look(&Later);
    assert_eq!(place.look(&Later).asked, 0);
    place.write("many/7", "y");
    let found = place.look(&Later);
    assert!((1..=3).contains(&found.asked), "{found:?}");
    assert_eq!(found.read, 1);
}

#[test]
fn what_was_written_within_a_tick_is_read_again() {
    let mut place = Place::new();
    place.write("a", "one");
    place.look(&Now);
    // As if the clock had not gone on: the same size, and put back to the same time. Only the change
    // time differs by what the system allows, so the record is not trusted to begin with.
    assert_eq!(place.look(&Now).read, 1, "it was written a moment before it was read");
    assert_eq!(place.look(&Later).read, 1, "and now that is long ago");
    assert_eq!(place.look(&Later).read, 0);
}

#[test]
fn lost_reports_are_made_up_for() {
    let mut place = Place::new();
    place.tree.watch();
    for number in 0..40 {
        place.write(&format!("f{number}/x"), "x");
    }
    place.look(&Later);
    let max = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").expect("it is Linux");
    let max: usize = max.trim().parse().expect("it is a number");
    // More reports than the queue holds, and then a change that it has no room for.
    let file = fs::File::options().append(true).open(place.path("f0/x")).expect("it is there");
    let other = fs::File::options().append(true).open(place.path("f1/x")).expect("it is there");
    for _ in 0..=max / 2 {
        // Two files in turn, since the system joins reports that are equal.
        let time = |seconds| {
            let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
            fs::FileTimes::new().set_modified(time)
        };
        file.set_times(time(1)).expect("the test is right");
        other.set_times(time(1)).expect("the test is right");
    }
    place.write("f39/x", "y");
    let found = place.look(&Later);
    assert!(found.asked >= 80, "everything was asked about: {}", found.asked);
    assert_eq!(place.tree.watching(), &Watching::On);
    assert_eq!(place.look(&Later).asked, 0);
}

/// SplitMix64, as in the kernel's tests.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ mixed >> 31) % end as u64) as usize
    }
}

/// Random edits between looks, with and without reports: the tree is always that from scratch.
#[test]
fn random_edits_are_found() {
    println!("work trees: seeds 0..60");
    for seed in 0..60 {
        println!("work trees: seed {seed}");
        let mut random = Random(seed);
        let mut place = Place::new();
        if seed % 2 == 0 {
            place.tree.watch();
        }
        for _ in 0..15 {
            for _ in 0..1 + random.below(6) {
                let part = |random: &mut Random| ["a", "b", "c"][random.below(3)];
                let mut path = place.folder.path().to_owned();
                for _ in 0..random.below(3) {
                    path.push(format!("d{}", part(&mut random)));
                }
                let file = path.join(part(&mut random));
                // What does not work, because it is not there or something else is, is no edit.
                let _ = match random.below(9) {
                    0..=3 => fs::create_dir_all(&path)
                        .and_then(|()| fs::write(&file, format!("{}", random.below(5)))),
                    4 => fs::remove_file(&file),
                    5 => fs::remove_dir_all(path.join(format!("d{}", part(&mut random)))),
                    6 => fs::rename(&file, path.join(part(&mut random))),
                    7 => {
                        let to = place.folder.path().join(format!("d{}", part(&mut random)));
                        if path == place.folder.path() { Ok(()) } else { fs::rename(&path, to) }
                    }
                    _ => symlink(part(&mut random), &file),
                };
            }
            // Without reports only what is settled may be trusted, and this is written too fast for that.
            let clock: &dyn Clock = if seed % 2 == 0 { &Later } else { &Now };
            place.look(clock);
        }
    }
}

/// `work:PATH`: what a file holds.
struct Work {
    grammar: Grammar,
    runs: Arc<AtomicUsize>,
}

impl Endpoint for Work {
    fn name(&self) -> &str {
        "work"
    }

    fn help(&self) -> &str {
        "what a file of the work tree holds"
    }

    fn grammar(&self) -> &Grammar {
        &self.grammar
    }

    fn version(&self) -> Vcid {
        Vcid::of(b"work")
    }

    fn serve<'a>(&'a self, call: &'a Call, context: &'a Context<'a>) -> Serving<'a> {
        self.runs.fetch_add(1, Ordering::Relaxed);
        Box::pin(async move {
            let state = context.root(&format!("work/{}", call.parts["path"])).await?;
            let state = state.unwrap_or_default();
            let plain = MediaType::new("text/plain").expect("it is one");
            Ok(Produced::bytes(plain, state.to_vec()))
        })
    }
}

#[test]
fn a_kernel_hears_of_what_changed_and_of_nothing_else() {
    let place = Place::new();
    place.write("a/one", "1");
    place.write("b/two", "2");
    let clock: Arc<dyn Clock> = Arc::new(Later);
    let memory = place.memory.clone();
    let tree = WorkTree::open(place.folder.path()).expect("the test is right");
    let roots = Arc::new(WorkTreeRoots::new(tree, "work/", memory.clone(), clock.clone()));
    let kernel = Kernel::new(
        Host {
            blobs: memory.clone(),
            traces: memory.clone(),
            roots: roots.clone(),
            clock,
            policy: Arc::new(OfMachines(vec![])),
            machine: "here".to_owned(),
            checks: BTreeMap::new(),
        },
        EngineOptions::default(),
    );
    let runs: Arc<AtomicUsize> = Arc::default();
    let grammar = Grammar::new("work:{path:rest}").expect("the test is right");
    let work = Work { grammar, runs: runs.clone() };
    kernel.set_scope("s", Space::new("s").with(Arc::new(work)).expect("the test is right"));
    let ask = |path: &str| {
        let uri = Identifier::new(&format!("work:{path}")).expect("the test is right");
        let asked = kernel.resolve(Arc::new(Owner), "s", Request::source(uri));
        let found = kernel.engine().block_on(asked).expect("the test is right");
        memory.get(found.vcid).expect("the test is right").expect("it is kept")
    };
    let ran = |want: usize| assert_eq!(runs.swap(0, Ordering::Relaxed), want);
    roots.refresh(&kernel).expect("the test is right");
    let state = |kind: EntryKind, vcid: Vcid| [&[kind.code() as u8], &vcid.as_bytes()[..]].concat();
    assert_eq!(ask("a/one")[..], state(EntryKind::File, Vcid::of(b"1"))[..]);
    let b = ask("b");
    assert_eq!(b[..], state(EntryKind::Tree, from_scratch(&place.path("b")))[..]);
    ask("");
    ran(3);
    place.write("a/one", "11");
    roots.refresh(&kernel).expect("the test is right");
    assert_eq!(ask("a/one")[..], state(EntryKind::File, Vcid::of(b"11"))[..]);
    assert_eq!(ask("b"), b);
    ask("");
    ran(2);
    // Written anew as it was: nobody hears of it.
    place.write("b/two", "2");
    assert_eq!(roots.refresh(&kernel).expect("the test is right").changes, []);
    ask("b");
    ask("a/one");
    ran(0);
    fs::remove_file(place.path("a/one")).expect("the test is right");
    roots.refresh(&kernel).expect("the test is right");
    assert_eq!(ask("a/one")[..], [0_u8; 0]);
    ran(1);
}

#[test]
fn the_next_process_reads_only_what_has_changed() {
    let mut place = Place::new();
    place.write("a/one", "1");
    place.write("a/deep/two", "2");
    place.write("b/three", "3");
    symlink("a/one", place.path("link")).expect("the test is right");
    let first = place.look(&Later);
    let record = place.tree.record(Era(1));
    place.tree = WorkTree::open(place.folder.path()).expect("the test is right");
    assert_eq!(place.tree.recall(&record), Ok(Era(1)));
    let again = place.look(&Later);
    assert_eq!((again.tree, again.read), (first.tree, 0));
    assert_eq!(again.changes, [], "nothing is told of");
    place.tree = WorkTree::open(place.folder.path()).expect("the test is right");
    assert_eq!(place.tree.recall(&record), Ok(Era(1)));
    place.write("a/deep/two", "22");
    place.check("1 read:  a a/deep a/deep/two");
    // What was written too late to be trusted is read again.
    place.write("b/three", "33");
    place.look(&Now);
    let record = place.tree.record(Era(1));
    place.tree = WorkTree::open(place.folder.path()).expect("the test is right");
    assert_eq!(place.tree.recall(&record), Ok(Era(1)));
    assert_eq!(place.look(&Later).read, 1);
    // What was collected meanwhile is read and kept again.
    assert!(place.memory.collect(|vcid| vcid != Vcid::of(b"33")));
    place.tree.forget_gone(&*place.memory).expect("the test is right");
    assert_eq!(place.look(&Later).read, 1);
    assert!(place.memory.get(Vcid::of(b"33")).expect("it can be read").is_some());
}
