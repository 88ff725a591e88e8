//! Measures the store: vigil beside restic, borg, bupstash, casync, tar, zstd and cp.
//!
//! Run it as `cargo xtask bench store`, or as `cargo run --release -p vigil-bench --bin store`.

use std::error::Error;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};
use vigil_bench::{
    Bench, Figures, Found, Gathered, Parts, Policy, Present, Sizes, Trash, Wanted, big,
    build_vigil, failed, find, hash, hash_input, list, memory, open_or_gather, render_json,
    render_report, say, tree,
};

/// Measures the store beside the tools a user would pick instead, and prints ratios
///
/// Builds vigil, gathers a corpus of this machine's own files, runs every tool in turns, and
/// compares the medians with what vigil is held to. Everything it writes is below the target folder.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    part: Option<Part>,

    /// The vigil program to measure [default: built now, beside this program]
    #[arg(long, value_name = "PATH")]
    vigil: Option<PathBuf>,

    /// Measure the outside tools alone
    #[arg(long, conflicts_with = "vigil")]
    without_vigil: bool,

    /// How often everything is repeated; the medians count
    #[arg(long, value_name = "N", default_value_t = 5)]
    rounds: usize,

    /// One round over small inputs, to see whether everything works; the figures mean little
    #[arg(long)]
    quick: bool,

    /// Do one section only
    #[arg(long, value_name = "SECTION")]
    only: Option<Section>,

    /// Measure only these outside tools
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    tools: Vec<String>,

    /// Where files of the corpus come from [default: cargo's unpacked sources, /usr/lib,
    /// /usr/share, /usr/include, /usr/src]
    #[arg(long, value_name = "FOLDER")]
    source: Vec<PathBuf>,

    /// Also write every round to a file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,

    /// Never install a missing tool: skip it
    #[arg(long)]
    no_install: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Section {
    /// Put, get, check, stream and put again a tree
    Tree,
    /// One large incompressible file
    Big,
    /// Inputs that tempt a tool to hold too much in memory
    Memory,
}

/// Parts of the work that run as processes of their own, so that their memory is not mistaken for
/// that of a tool: a child's peak starts at what its parent held
#[derive(Debug, Subcommand)]
enum Part {
    /// Print the SHA-256 of a file, computed on one core; `-` is standard input
    Hash { file: PathBuf },
    /// Print the digest of a folder's list, the number of files and their bytes
    List { folder: PathBuf },
    /// Gather a corpus into a folder, or open the one there; print like `list`
    Corpus {
        #[arg(long)]
        bytes: u64,
        #[arg(long)]
        files: u64,
        #[arg(long)]
        source: Vec<PathBuf>,
        folder: PathBuf,
    },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = match &arguments.part {
        Some(part) => help(part).map(|()| true),
        None => measure(&arguments),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(3),
        Err(error) => failed(&*error),
    }
}

fn help(part: &Part) -> Result<(), Box<dyn Error>> {
    let line = match part {
        Part::Hash { file } if file == Path::new("-") => {
            hash_input(io::stdin().lock(), file)?.to_string()
        }
        Part::Hash { file } => hash(file)?.to_string(),
        Part::List { folder } => {
            let listed = list(folder, None)?;
            format!("{} {} {}", listed.digest, listed.files, listed.bytes)
        }
        Part::Corpus { bytes, files, source, folder } => {
            let wanted = Wanted { bytes: *bytes, files: *files };
            let corpus = open_or_gather(folder, source, wanted)?.digest;
            format!("{} {} {}", corpus.digest, corpus.files, corpus.bytes)
        }
    };
    Ok(writeln!(io::stdout(), "{line}")?)
}

/// Returns whether everything could be measured.
fn measure(arguments: &Arguments) -> Result<bool, Box<dyn Error>> {
    let helper = std::env::current_exe()?;
    let release = helper.parent().ok_or("this program stands in no folder")?;
    let target = release.parent().ok_or("this program stands in no target folder")?;
    let vigil = match (&arguments.vigil, arguments.without_vigil) {
        (_, true) => None,
        (Some(program), _) => Some(fs::canonicalize(program)?),
        (None, _) => Some(build_vigil(release, Parts::All)?),
    };
    let folder = target.join("bench").join("store");
    fs::create_dir_all(&folder)?;
    let policy = Policy {
        install: !arguments.no_install,
        crates: target.join("bench").join("tools"),
        search: std::env::var_os("PATH")
            .map(|path| std::env::split_paths(&path).collect())
            .unwrap_or_default(),
    };
    let Found { mut present, skipped } = find(vigil, &helper, &policy);
    present.retain(|tool| arguments.wants(tool));
    let rounds = if arguments.quick { 1 } else { arguments.rounds };
    let figures = Figures::default();
    let trash = Trash::open(&folder)?;
    let mut bench = Bench { helper, folder, rounds, tools: present, figures, trash };

    let mut facts = machine();
    facts.push(("rounds", rounds.to_string()));
    let corpus = match arguments.only {
        None | Some(Section::Tree) => Some(gather(arguments, &bench, &mut facts)?),
        _ => None,
    };
    facts.push(("page cache", "warm; everything is synced before each run".to_owned()));
    introduce(&facts, &bench.tools, &skipped);
    if let Some(corpus) = &corpus {
        tree(&mut bench, corpus)?;
    }
    if matches!(arguments.only, None | Some(Section::Big)) {
        big(&mut bench, arguments.sizes())?;
    }
    if matches!(arguments.only, None | Some(Section::Memory)) {
        memory(&mut bench, arguments.sizes())?;
    }
    println!("{}", render_report(&bench.figures, &bench.tools));
    // Measured last, when this program has grown as much as it does.
    let floor = format!("{:.1} MiB", bench.floor()? as f64 / 1_048_576.0);
    for (name, value) in [("load afterwards", load()), ("smallest peak that can be seen", floor)] {
        println!("{name:<32} {value}");
        facts.push((name, value));
    }
    if let Some(file) = &arguments.json {
        fs::write(file, render_json(&bench.figures, &bench.tools, &facts))?;
    }
    say("removing what was written");
    bench.trash.remove()?;
    Ok(bench.figures.failures.is_empty())
}

/// Says what is measured, on what, and with whom.
fn introduce(facts: &[(&str, String)], tools: &[Present], skipped: &[(&str, String)]) {
    for (name, value) in facts {
        println!("{name:<32} {value}");
    }
    println!("\nTOOLS");
    for tool in tools {
        println!("  {:<16} {}", tool.tool.name, tool.version);
    }
    for (name, why) in skipped {
        println!("  {name:<16} SKIPPED: {why}");
    }
}

impl Arguments {
    fn wants(&self, tool: &Present) -> bool {
        let name = tool.tool.name;
        self.tools.is_empty() || name == "vigil" || self.tools.iter().any(|wanted| wanted == name)
    }

    fn wanted(&self) -> Wanted {
        match self.quick {
            true => Wanted { bytes: 200_000_000, files: 8_000 },
            false => Wanted { bytes: 1_200_000_000, files: 50_000 },
        }
    }

    fn sizes(&self) -> Sizes {
        match self.quick {
            true => Sizes { big_bytes: 512 << 20, sparse_bytes: 1 << 30, crowd_files: 10_000 },
            false => Sizes { big_bytes: 4 << 30, sparse_bytes: 8 << 30, crowd_files: 200_000 },
        }
    }

    fn sources(&self) -> Vec<PathBuf> {
        if !self.source.is_empty() {
            return self.source.clone();
        }
        let cargo = std::env::var_os("CARGO_HOME")
            .map(PathBuf::from)
            .or_else(|| std::env::home_dir().map(|home| home.join(".cargo")));
        let registry = cargo.map(|cargo| cargo.join("registry").join("src"));
        let system = ["/usr/lib", "/usr/share", "/usr/include", "/usr/src"].map(PathBuf::from);
        registry.into_iter().chain(system).collect()
    }
}

/// Has the corpus gathered by another process, and names it among the facts.
fn gather(
    arguments: &Arguments,
    bench: &Bench,
    facts: &mut Vec<(&'static str, String)>,
) -> Result<Gathered, Box<dyn Error>> {
    let Wanted { bytes, files } = arguments.wanted();
    let folder = bench.folder.join(format!("corpus-{bytes}-{files}"));
    fs::create_dir_all(&folder)?;
    say("gathering the corpus, or checking the one that is kept");
    let (bytes, files) = (bytes.to_string(), files.to_string());
    let mut words = vec!["corpus", "--bytes", &bytes, "--files", &files];
    let sources = arguments.sources();
    for source in &sources {
        words.extend(["--source", source.to_str().ok_or("a --source that is not UTF-8")?]);
    }
    let (digest, files, bytes) = bench.listed(&words, &folder)?;
    facts.push(("corpus", format!("{files} files, {bytes} bytes, no symbolic links")));
    facts.push(("SHA-256 of its list", digest.clone()));
    Ok(Gathered { root: folder.join("files"), list: folder.join("list.txt"), digest, bytes })
}

/// Says what the figures depend on.
fn machine() -> Vec<(&'static str, String)> {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let line = |text: &str, start: &str| {
        let found = text.lines().find(|line| line.starts_with(start));
        let value = found.and_then(|line| line.split_once(':')).map(|(_, value)| value.trim());
        value.unwrap_or("unknown").to_owned()
    };
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let processor = line(&read("/proc/cpuinfo"), "model name");
    vec![
        ("processor", format!("{processor}, {cores} cores")),
        ("memory", line(&read("/proc/meminfo"), "MemTotal")),
        ("kernel", read("/proc/sys/kernel/osrelease").trim().to_owned()),
        ("load before", load()),
    ]
}

/// A load above about 0.3 before the start means that somebody else is at work: the figures then
/// say less.
fn load() -> String {
    fs::read_to_string("/proc/loadavg").unwrap_or_default().trim().to_owned()
}
