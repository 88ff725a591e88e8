//! A work tree in which nothing has changed, beside nothing but asking the system about the same files.

use std::error::Error;
use std::ffi::CString;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use rustix::fs::{AtFlags, Mode, OFlags, StatxFlags};
use rustix::time::{ClockId, clock_gettime};
use vigil_base::Vcid;
use vigil_base::world::{Clock, Moment};
use vigil_kernel::{Blobs, Era, HostFault};
use vigil_node::WorkTree;

const FILES_PER_FOLDER: usize = 100;

/// Keeps nothing: what is measured is finding out that nothing changed.
struct Hashing;

impl Blobs for Hashing {
    fn put(&self, bytes: &[u8]) -> Result<Vcid, HostFault> {
        Ok(Vcid::of(bytes))
    }

    fn get(&self, _: Vcid) -> Result<Option<Arc<[u8]>>, HostFault> {
        Ok(None)
    }

    fn size(&self, _: Vcid) -> Result<Option<u64>, HostFault> {
        Ok(None)
    }
}

struct Real;

impl Clock for Real {
    fn now(&self) -> Moment {
        let now = clock_gettime(ClockId::Realtime);
        Moment(now.tv_sec * 1_000_000_000 + now.tv_nsec)
    }
}

fn cpu_ms() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 * 1e3 + time.tv_nsec as f64 / 1e6
}

/// Milliseconds of processor time and of wall time.
#[derive(Clone, Copy)]
struct Took {
    cpu: f64,
    wall: f64,
}

fn time<T>(run: impl FnOnce() -> T) -> (T, Took) {
    let (start, cpu) = (Instant::now(), cpu_ms());
    let result = run();
    (result, Took { cpu: cpu_ms() - cpu, wall: start.elapsed().as_secs_f64() * 1e3 })
}

fn median(mut all: Vec<Took>) -> Took {
    let at = all.len() / 2;
    all.sort_by(|a, b| a.wall.total_cmp(&b.wall));
    let wall = all[at].wall;
    all.sort_by(|a, b| a.cpu.total_cmp(&b.cpu));
    Took { cpu: all[at].cpu, wall }
}

/// Makes the files where they are not there from an earlier run, and returns their paths.
fn files(folder: &Path, count: usize) -> std::io::Result<Vec<CString>> {
    let mut paths = Vec::with_capacity(count);
    for number in 0..count {
        let (outer, inner) = (number / FILES_PER_FOLDER / 32, number / FILES_PER_FOLDER % 32);
        let below = format!("part-{outer}/folder-{inner}");
        if number % FILES_PER_FOLDER == 0 {
            fs::create_dir_all(folder.join(&below))?;
        }
        let path = format!("{below}/source-{number}.txt");
        if !folder.join(&path).exists() {
            fs::write(folder.join(&path), format!("the text of source {number}\n"))?;
        }
        paths.push(CString::new(path)?);
    }
    Ok(paths)
}

/// Measures over `count` files below `folder`, and says what was found.
pub fn report(folder: &Path, count: usize, rounds: usize) -> Result<String, Box<dyn Error>> {
    fs::create_dir_all(folder)?;
    let paths = files(folder, count)?;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = rustix::fs::open(folder, flags, Mode::empty())?;
    let ask = || {
        for path in &paths {
            rustix::fs::statx(&root, path, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::BASIC_STATS)?;
        }
        Ok::<(), rustix::io::Errno>(())
    };
    let mut tree = WorkTree::open(folder)?;
    let (first, cold) = time(|| tree.refresh(&Hashing, &Real));
    let first = first?.tree;
    // What was written a moment ago is not trusted yet.
    while tree.refresh(&Hashing, &Real)?.read > 0 {
        std::thread::sleep(std::time::Duration::from_millis(300));
    }
    let record = tree.record(Era(0));
    let (mut bare, mut looks, mut fresh) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        let (found, took) = time(|| {
            let mut tree = WorkTree::open(folder)?;
            // As its file would be read.
            let record = record.clone();
            assert_eq!(tree.recall(&record), Ok(Era(0)), "it was just written");
            let found = tree.refresh(&Hashing, &Real);
            // A process that ends frees nothing.
            std::mem::forget(tree);
            found
        });
        assert_eq!(found?.read, 0, "nothing has changed");
        fresh.push(took);
        let (asked, took) = time(ask);
        asked?;
        bare.push(took);
        let (found, took) = time(|| tree.refresh(&Hashing, &Real));
        assert_eq!(found?.tree, first, "nothing has changed");
        looks.push(took);
    }
    let (bare, look) = (median(bare), median(looks));
    let mut text = format!("a work tree of {count} files, nothing changed\n");
    let mut row = |name: &str, took: Took| {
        let Took { cpu, wall } = took;
        let ratio = cpu / bare.cpu;
        let _ = writeln!(text, "  {name:<44}{cpu:>9.2} ms CPU {wall:>9.2} ms {ratio:>8.3} x");
    };
    row("bare statx of each file", bare);
    row("vigil, the first look, that reads all", cold);
    row("vigil, asking about everything", look);
    row("vigil, a new process from its record", median(fresh));
    tree.watch();
    tree.refresh(&Hashing, &Real)?;
    let (mut still, mut edited) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        let (found, took) = time(|| tree.refresh(&Hashing, &Real));
        assert_eq!((found?.asked, tree.watching()), (0, &vigil_node::Watching::On));
        still.push(took);
        fs::write(folder.join("part-0/folder-7/edited.txt"), format!("round {round}"))?;
        let (found, took) = time(|| tree.refresh(&Hashing, &Real));
        assert!(found?.tree != first, "a file has changed");
        edited.push(took);
    }
    fs::remove_file(folder.join("part-0/folder-7/edited.txt"))?;
    row("vigil, watching, nothing changed", median(still));
    row("vigil, watching, one file changed", median(edited));
    Ok(text)
}
