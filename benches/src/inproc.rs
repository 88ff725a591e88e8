//! What is too short to be seen from outside: opening a large store, and reading 4 KiB.
//!
//! The page cache is warm throughout; what is timed is the store's own work. What was read is
//! compared with what was put, outside the timed part.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use vigil_base::Vcid;
use vigil_store::{OpenError, Options, PutError, ReadError, Store};

use crate::files::{self, At as _, FileError};
use crate::noise::{noise, splitmix, text};
use crate::report::aligned;
use crate::world::world;

/// Blobs of the large store between two commits: what a patient caller would do.
const COMMIT_EVERY: u64 = 1 << 18;

/// Length of what is read.
const READ_BYTES: usize = 4 << 10;

/// One blob in so many is read: the frames of 256 KiB hold 64, so no two reads share a frame.
const BLOB_STRIDE: u64 = 64;

/// Ranges are so far apart that no two lie in one chunk of at most 256 KiB.
const RANGE_STRIDE: usize = 512 << 10;

/// Where the stores of this benchmark lie.
#[derive(Clone, Debug)]
pub struct Place {
    /// The store of very many blobs.
    pub many: PathBuf,
    /// The store of blobs to read.
    pub few: PathBuf,
    /// How much is in them.
    pub sizes: InprocSizes,
}

/// How much the stores hold.
#[derive(Clone, Copy, Debug)]
pub struct InprocSizes {
    /// Blobs of the large store.
    pub many: u64,
    /// Small blobs of each kind in the other.
    pub small: u64,
    /// Length of the large blob of each kind.
    pub large_bytes: usize,
}

impl InprocSizes {
    /// Returns the usual sizes, with `many` blobs in the large store. The frames of the small blobs,
    /// decoded, are 40 MiB for each kind: less than the store's cache, as is the large blob.
    pub const fn with(many: u64) -> Self {
        Self { many, small: 10_000, large_bytes: 32 << 20 }
    }
}

/// Why nothing was timed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InprocError {
    /// A file of the benchmark itself failed.
    #[error(transparent)]
    File(#[from] FileError),
    /// A store could not be opened.
    #[error("could not open the store")]
    Open(#[from] OpenError),
    /// A store could not be filled.
    #[error("could not fill the store")]
    Put(#[from] PutError),
    /// A blob could not be read.
    #[error("could not read the store")]
    Read(#[from] ReadError),
    /// Something else was read than was put.
    #[error("{name}: what was read is not what was put")]
    Wrong {
        /// What was being timed.
        name: &'static str,
    },
    /// The large store has fewer blobs than it should.
    #[error("the store has {found} items, not the {wanted} blobs that were put")]
    Few {
        /// What the store says.
        found: u64,
        /// What was put.
        wanted: u64,
    },
}

/// All runs of one thing.
#[derive(Clone, Debug)]
pub struct Timing {
    /// What was timed.
    pub name: &'static str,
    /// The longest that the median may be; none where no aim is set.
    pub aim: Option<Duration>,
    /// What each run took.
    pub runs: Vec<Duration>,
}

impl Timing {
    fn new(name: &'static str, aim: Option<Duration>) -> Self {
        Self { name, aim, runs: Vec::new() }
    }

    /// Returns the run that `share` of all runs do not exceed.
    fn at(&self, share: f64) -> Duration {
        let mut runs = self.runs.clone();
        runs.sort();
        let last = runs.len().saturating_sub(1);
        runs.get((last as f64 * share).round() as usize).copied().unwrap_or_default()
    }
}

fn open(folder: &Path) -> Result<Store, OpenError> {
    Store::open(world(folder), Options::default())
}

/// Blob `number` of the large store: short, since only the index is of interest.
fn tiny(number: u64) -> Vec<u8> {
    format!("blob {number:016}\n").into_bytes()
}

/// Makes the stores. The large one is kept from session to session.
pub fn fill(place: &Place, afresh: bool) -> Result<(), InprocError> {
    let done = place.many.with_extension("done");
    if afresh || !done.exists() {
        files::remove(&place.many)?;
        let store = open(&place.many)?;
        let writer = store.writer()?;
        for start in (0..place.sizes.many).step_by(COMMIT_EVERY as usize) {
            let mut batch = writer.batch()?;
            for number in start..(start + COMMIT_EVERY).min(place.sizes.many) {
                batch.put(&tiny(number))?;
            }
            batch.finish()?;
            writer.commit()?;
        }
        writer.finish()?;
        std::fs::write(&done, "").at("create", &done)?;
    }
    files::remove(&place.few)?;
    let store = open(&place.few)?;
    let writer = store.writer()?;
    let mut batch = writer.batch()?;
    for make in [noise, text] {
        for number in 0..place.sizes.small {
            batch.put(&make(number, READ_BYTES))?;
        }
        // A seed that no small blob has, or its first bytes would be theirs.
        batch.put_any(&make(place.sizes.small, place.sizes.large_bytes))?;
    }
    batch.finish()?;
    Ok(writer.finish()?)
}

/// Times opening the large store, and looking up blobs in it.
pub fn open_times(place: &Place, rounds: usize) -> Result<Vec<Timing>, InprocError> {
    let mut opening = Timing::new("open the store of very many blobs", aim_micros(100_000));
    let mut first = Timing::new("find one of them, first lookups", None);
    let mut again = Timing::new("find one of them, again", None);
    let mut state = 7;
    for _ in 0..rounds {
        let began = Instant::now();
        let store = open(&place.many)?;
        opening.runs.push(began.elapsed());
        if store.item_count() < place.sizes.many {
            return Err(InprocError::Few { found: store.item_count(), wanted: place.sizes.many });
        }
        let wanted: Vec<_> =
            (0..100).map(|_| Vcid::of(&tiny(splitmix(&mut state) % place.sizes.many))).collect();
        for timing in [&mut first, &mut again] {
            for vcid in &wanted {
                let began = Instant::now();
                store.find(*vcid)?;
                timing.runs.push(began.elapsed());
            }
        }
    }
    Ok(vec![opening, first, again])
}

/// Times reading 4 KiB: whole blobs and ranges, the first time in a process and again.
pub fn small_times(place: &Place, rounds: usize) -> Result<Vec<Timing>, InprocError> {
    let mut timings = Vec::new();
    for (make, names) in [
        (
            noise as fn(u64, usize) -> Vec<u8>,
            [
                "4 KiB blob, incompressible, first read in its frame",
                "4 KiB blob, incompressible, again",
                "4 KiB range, incompressible, first read in its chunk",
                "4 KiB range, incompressible, again",
            ],
        ),
        (
            text,
            [
                "4 KiB blob, compressed, first read in its frame",
                "4 KiB blob, compressed, again",
                "4 KiB range, compressed, first read in its chunk",
                "4 KiB range, compressed, again",
            ],
        ),
    ] {
        let large = make(place.sizes.small, place.sizes.large_bytes);
        let large_vcid = Vcid::of(&large);
        let aims = [60, 5, 60, 5].map(aim_micros);
        let mut four: Vec<_> =
            names.into_iter().zip(aims).map(|(name, aim)| Timing::new(name, aim)).collect();
        let mut state = 9;
        for _ in 0..rounds {
            let store = open(&place.few)?;
            let wanted: Vec<_> = (0..place.sizes.small / BLOB_STRIDE)
                .map(|frame| frame * BLOB_STRIDE + splitmix(&mut state) % BLOB_STRIDE)
                .map(|number| make(number, READ_BYTES))
                .map(|bytes| (Vcid::of(&bytes), bytes))
                .collect();
            for timing in &mut four[..2] {
                time_blobs(&store, &wanted, timing)?;
            }
            for timing in &mut four[2..] {
                time_ranges(&store, large_vcid, &large, timing)?;
            }
        }
        timings.extend(four);
    }
    Ok(timings)
}

const fn aim_micros(micros: u64) -> Option<Duration> {
    Some(Duration::from_micros(micros))
}

fn time_blobs(
    store: &Store,
    wanted: &[(Vcid, Vec<u8>)],
    timing: &mut Timing,
) -> Result<(), InprocError> {
    for (vcid, want) in wanted {
        let began = Instant::now();
        let read = store.read(*vcid)?;
        timing.runs.push(began.elapsed());
        if read != *want {
            return Err(InprocError::Wrong { name: timing.name });
        }
    }
    Ok(())
}

fn time_ranges(
    store: &Store,
    vcid: Vcid,
    want: &[u8],
    timing: &mut Timing,
) -> Result<(), InprocError> {
    let blob = store.find(vcid)?;
    let mut into = vec![0; READ_BYTES];
    for start in (0..want.len()).step_by(RANGE_STRIDE) {
        let began = Instant::now();
        store.read_range(&blob, start as u64, &mut into)?;
        timing.runs.push(began.elapsed());
        if into != want[start..start + READ_BYTES] {
            return Err(InprocError::Wrong { name: timing.name });
        }
    }
    Ok(())
}

/// Writes a table of medians, the slowest in a hundred and the slowest, beside the aims.
pub fn render_timings(timings: &[Timing]) -> String {
    let micros = |duration: Duration| format!("{:.2}", duration.as_secs_f64() * 1e6);
    let head = ["", "median µs", "99 % ≤ µs", "worst µs", "aim µs", "runs"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for timing in timings {
        let median = timing.at(0.5);
        let mark = match timing.aim {
            Some(aim) if median <= aim => '✓',
            Some(_) => '✗',
            None => '·',
        };
        let aim = timing.aim.map_or("·".to_owned(), |aim| format!("≤ {}", aim.as_micros()));
        let runs = timing.runs.len().to_string();
        let name = format!("{mark}  {}", timing.name);
        rows.push(vec![
            name,
            micros(median),
            micros(timing.at(0.99)),
            micros(timing.at(1.0)),
            aim,
            runs,
        ]);
    }
    aligned(&rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stores_are_filled_and_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let (many, few) = (folder.path().join("many"), folder.path().join("few"));
        let sizes = InprocSizes { many: 1_000, small: 128, large_bytes: 2 << 20 };
        let place = Place { many, few, sizes };
        fill(&place, false).unwrap();
        let timings = open_times(&place, 2).unwrap();
        assert_eq!(
            timings.iter().map(|timing| timing.runs.len()).collect::<Vec<_>>(),
            [2, 200, 200]
        );
        // Reading compares: other bytes than were put are an error.
        let timings = small_times(&place, 1).unwrap();
        assert_eq!(timings.len(), 8);
        assert_eq!(render_timings(&timings).lines().count(), 9);
    }

    #[test]
    fn the_median_is_a_run() {
        let runs = [5, 1, 9].map(Duration::from_micros).to_vec();
        let timing = Timing { name: "it", aim: None, runs };
        assert_eq!(timing.at(0.5), Duration::from_micros(5));
        assert_eq!(timing.at(1.0), Duration::from_micros(9));
    }
}
