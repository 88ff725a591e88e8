//! `vigil dhall` beside dhall-haskell: the same files, the same command, processes from start to end.
//!
//! Invariants: both start with the same caches, empty or filled by themselves; a figure counts only if
//! both printed the same hash.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::files::{At as _, FileError};
use crate::measure::{MeasureError, Pipeline, Sample, Sink};

#[path = "../../crates/vigil-dhall/tests/it/shapes.rs"]
mod shapes;

/// Longer than this nobody waits for a figure; nor may it take all memory of a small machine.
const SECONDS_MAX: &str = "60";
const HEAP_MAX: &str = "-M6g";
/// One run of this length is enough.
const SLOW: Duration = Duration::from_secs(5);

/// Why a measurement cannot go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DhallBenchError {
    /// A file of the session itself failed.
    #[error(transparent)]
    File(#[from] FileError),
    /// Vigil could not be measured.
    #[error(transparent)]
    Measure(#[from] MeasureError),
    /// The two programs disagree.
    #[error("{shape}: vigil says {ours}, dhall-haskell {theirs}")]
    Disagree {
        /// On what.
        shape: &'static str,
        /// One hash.
        ours: String,
        /// The other.
        theirs: String,
    },
}

/// Which caches a run finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Caches {
    /// None.
    Empty,
    /// Those that an earlier run has left.
    Filled,
}

/// Something to evaluate.
struct Shape {
    name: &'static str,
    what: &'static str,
    file: fn(&Path, &Sizes) -> String,
    caches: Caches,
    /// What Vigil is held to, in processor time.
    aim: Option<Duration>,
}

/// How large the shapes are.
#[derive(Clone, Copy, Debug)]
pub struct DhallSizes {
    /// Files of the package.
    pub files: usize,
    /// Targets of the list.
    pub targets: usize,
    /// Generated components, and how deep their types nest.
    pub components: (usize, usize),
    /// Customized services.
    pub services: usize,
    /// Overlays one after another.
    pub overlays: usize,
}

type Sizes = DhallSizes;

impl Default for DhallSizes {
    fn default() -> Self {
        Self { files: 260, targets: 5_000, components: (100, 7), services: 300, overlays: 60 }
    }
}

const fn milliseconds(count: u64) -> Option<Duration> {
    Some(Duration::from_millis(count))
}

fn write(folder: &Path, name: &str, text: &str) -> String {
    // What could not be written cannot be read, and the program under measurement says so.
    let _ = fs::write(folder.join(name), text);
    name.to_owned()
}

const SHAPES: &[Shape] = &[
    Shape {
        name: "package",
        what: "files that import one another",
        file: |folder, sizes| shapes::package(folder, sizes.files),
        caches: Caches::Empty,
        aim: milliseconds(100),
    },
    Shape {
        name: "targets",
        what: "a list as a build file has it",
        file: |folder, sizes| shapes::targets(folder, sizes.targets),
        caches: Caches::Empty,
        aim: milliseconds(30),
    },
    Shape {
        name: "warm",
        what: "the package, frozen and in the cache",
        file: |folder, sizes| {
            let file = shapes::package(folder, sizes.files);
            let hash = fs::read_to_string(folder.join("package.hash")).unwrap_or_default();
            if hash.is_empty() {
                return file;
            }
            // Nothing but the import: what is timed is finding it in the cache.
            write(folder, "warm.dhall", &format!("./package.dhall {}", hash.trim()))
        },
        caches: Caches::Filled,
        aim: milliseconds(10),
    },
    Shape {
        name: "warm use",
        what: "one function of the frozen package, applied",
        file: |folder, sizes| {
            let file = shapes::package(folder, sizes.files);
            let hash = fs::read_to_string(folder.join("package.hash")).unwrap_or_default();
            if hash.is_empty() {
                return file;
            }
            let text = format!("(./package.dhall {}).f100 Natural 1 [ 2, 3 ]", hash.trim());
            write(folder, "use.dhall", &text)
        },
        caches: Caches::Filled,
        aim: milliseconds(10),
    },
    Shape {
        name: "#1890 all",
        what: "components of large types, all written out",
        file: |folder, sizes| {
            let (components, levels) = sizes.components;
            let [package, _] = shapes::kubernetes(folder, components, levels);
            package
        },
        caches: Caches::Empty,
        aim: None,
    },
    Shape {
        name: "#1890 render",
        what: "what these components generate",
        file: |folder, sizes| {
            let (components, levels) = sizes.components;
            let [_, render] = shapes::kubernetes(folder, components, levels);
            render
        },
        caches: Caches::Empty,
        aim: None,
    },
    Shape {
        name: "#1960",
        what: "customized services",
        file: |folder, sizes| shapes::customized(folder, sizes.services),
        caches: Caches::Empty,
        aim: None,
    },
    Shape {
        name: "#2039",
        what: "overlays one after another",
        file: |folder, sizes| shapes::overlays(folder, sizes.overlays),
        caches: Caches::Empty,
        aim: None,
    },
    Shape {
        name: "doubled",
        what: "65 536 leaves, written once and shared",
        file: |folder, _| shapes::doubling(folder, "shared.dhall", 16, "x16"),
        caches: Caches::Empty,
        aim: None,
    },
    Shape {
        name: "picked",
        what: "one leaf of 2^200",
        file: |folder, _| {
            let body = format!("x200{}.size", ".left".repeat(200));
            shapes::doubling(folder, "picked.dhall", 200, &body)
        },
        caches: Caches::Empty,
        aim: None,
    },
];

/// One program of the comparison.
struct Program<'p> {
    path: &'p Path,
    words: &'static [&'static str],
    is_limited: bool,
}

/// The folder of a session, and how often everything is repeated.
#[derive(Debug)]
pub struct DhallBench {
    /// Everything that the session writes is below this.
    pub folder: PathBuf,
    /// How many rounds; the medians count.
    pub rounds: usize,
    /// How large the shapes are.
    pub sizes: DhallSizes,
}

/// What one program used for one shape.
struct Used {
    processor: Duration,
    wall: Duration,
    resident_bytes: u64,
    hash: String,
}

impl DhallBench {
    /// Measures every shape and prints a line for each as soon as it is known.
    ///
    /// # Errors
    /// Returns why Vigil could not be measured. What dhall-haskell cannot do is shown.
    pub fn run(&self, vigil: &Path, haskell: Option<&Path>) -> Result<(), DhallBenchError> {
        let ours = Program { path: vigil, words: &["dhall", "hash"], is_limited: false };
        let theirs =
            haskell.map(|path| Program { path, words: &["hash", "--file"], is_limited: true });
        println!("{}", head());
        for shape in SHAPES {
            let used = self.measure(shape, &ours, "vigil")?;
            let other = theirs.as_ref().map(|program| self.measure(shape, program, "haskell"));
            if shape.name == "package" {
                let path = self.folder.join("input/package.hash");
                fs::write(&path, &used.hash).at("write", &path)?;
            }
            if let Some(Ok(other)) = &other
                && other.hash != used.hash
            {
                let (ours, theirs) = (used.hash, other.hash.clone());
                return Err(DhallBenchError::Disagree { shape: shape.name, ours, theirs });
            }
            println!("{}", line(shape, &used, other.as_ref()));
        }
        Ok(())
    }

    fn measure(
        &self,
        shape: &Shape,
        program: &Program<'_>,
        who: &str,
    ) -> Result<Used, DhallBenchError> {
        let input = self.folder.join("input");
        fs::create_dir_all(&input).at("create", &input)?;
        let file = (shape.file)(&input, &self.sizes);
        let home = self.folder.join(who);
        let mut samples: Vec<Sample> = Vec::new();
        if shape.caches == Caches::Filled {
            // The first run fills the caches.
            self.once(program, &input, &file, &home)?;
        }
        for _ in 0..self.rounds {
            if shape.caches == Caches::Empty && home.exists() {
                fs::remove_dir_all(&home).at("remove", &home)?;
            }
            samples.push(self.once(program, &input, &file, &home)?);
            // What takes so long does not vary much.
            if samples.iter().any(|sample| sample.wall > SLOW) {
                break;
            }
        }
        let out = self.folder.join("out");
        let hash = fs::read_to_string(&out).at("read", &out)?.trim().to_owned();
        let median = |value: fn(&Sample) -> Duration| {
            let mut values: Vec<Duration> = samples.iter().map(value).collect();
            values.sort();
            values.get(values.len() / 2).copied().unwrap_or_default()
        };
        Ok(Used {
            processor: median(|sample| sample.processor),
            wall: median(|sample| sample.wall),
            resident_bytes: samples.iter().map(|sample| sample.resident_bytes).max().unwrap_or(0),
            hash,
        })
    }

    fn once(
        &self,
        program: &Program<'_>,
        input: &Path,
        file: &str,
        home: &Path,
    ) -> Result<Sample, DhallBenchError> {
        let mut command = if program.is_limited {
            let mut command = Command::new("timeout");
            command.args(["-k", "1", SECONDS_MAX]).arg(program.path);
            command
        } else {
            Command::new(program.path)
        };
        command.args(program.words).arg(file);
        if program.is_limited {
            command.args(["+RTS", HEAP_MAX, "-RTS"]);
        }
        command.current_dir(input).env("HOME", home).env("XDG_CACHE_HOME", home);
        let pipeline = Pipeline::new(command).writing(Sink::File(self.folder.join("out")));
        Ok(pipeline.measure(&self.folder.join("log"))?)
    }
}

fn head() -> String {
    format!(
        "{:<13} {:<44} {:>9} {:>9} {:>9} │ {:>9} {:>9} │ {:>7} {:>7}  {}",
        "SHAPE",
        "",
        "CPU ms",
        "wall ms",
        "peak MiB",
        "haskell",
        "peak MiB",
        "faster",
        "memory",
        "aim"
    )
}

fn line(shape: &Shape, ours: &Used, theirs: Option<&Result<Used, DhallBenchError>>) -> String {
    let ms = |duration: Duration| duration.as_secs_f64() * 1e3;
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    let other = match theirs {
        None => format!("{:>9} {:>9} │ {:>7} {:>7}", "absent", "", "", ""),
        Some(Err(_)) => {
            let least = f64::from(60_000) / ms(ours.processor);
            format!("{:>9} {:>9} │ {:>6.0}+ {:>7}", "no end", "", least, "")
        }
        Some(Ok(theirs)) => format!(
            "{:>9.0} {:>9.1} │ {:>6.1}× {:>6.2}×",
            ms(theirs.processor),
            mib(theirs.resident_bytes),
            theirs.processor.as_secs_f64() / ours.processor.as_secs_f64(),
            ours.resident_bytes as f64 / theirs.resident_bytes as f64
        ),
    };
    let aim = match shape.aim {
        None => String::new(),
        Some(aim) if ours.processor <= aim => format!("≤ {:.0} ms: met", ms(aim)),
        Some(aim) => format!("≤ {:.0} ms: MISSED", ms(aim)),
    };
    format!(
        "{:<13} {:<44} {:>9.1} {:>9.1} {:>9.1} │ {other}  {aim}",
        shape.name,
        shape.what,
        ms(ours.processor),
        ms(ours.wall),
        mib(ours.resident_bytes)
    )
}
