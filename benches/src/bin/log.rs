//! Measures the transparency log: durable append, checking a proof, and a monitor's reading, beside Go's
//! `sumdb/tlog` doing the same in the same run; and what the gate takes for a closure of packages.
//!
//! Run it as `cargo xtask bench log`. Go appends in memory, writes all tiles once and syncs nothing, so
//! its append is a bound for hashing and writing, not for durability; ours waits for the disk with each
//! batch. Rounds take turns; medians count. Without Go, ours is measured alone, and that is said.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::time::Instant;

use clap::Parser;
use vigil_base::world::Disk;
use vigil_bench::{failed, measure_gate};
use vigil_store::FolderDisk;
use vigil_trust::log::{
    CosignedAt, DiskTiles, DurableLog, Ed25519Kind, KeyName, LeafIndex, LogKeys, LogPolicy,
    LogReader, Monitor, NoteSigner, SignedCheckpoint, TlogProof, TreeHash, cosign,
};

/// Measures the transparency log beside Go's sumdb/tlog
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// How many entries are appended and read
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    entries: u64,

    /// How many entries go into one batch
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    batch: u64,

    /// How many rounds; medians count
    #[arg(long, value_name = "N", default_value_t = 3)]
    rounds: usize,

    /// Few entries, to see whether everything works; the figures mean little
    #[arg(long)]
    quick: bool,

    /// Where logs are written, on the disk that is to be measured
    #[arg(long, value_name = "FOLDER", default_value = "target/bench/log")]
    folder: PathBuf,
}

type Failure = Box<dyn Error>;

/// Nanoseconds for one entry or one proof.
#[derive(Clone, Copy, Default)]
struct Cost {
    append: f64,
    verify: f64,
    monitor: f64,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&*error),
    }
}

fn run(arguments: &Arguments) -> Result<(), Failure> {
    let entries = if arguments.quick { 20_000 } else { arguments.entries };
    let rounds = if arguments.quick { 1 } else { arguments.rounds };
    std::fs::create_dir_all(&arguments.folder)?;
    let go = build_go(&arguments.folder)?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        let place = arguments.folder.join(format!("{}-{round}", std::process::id()));
        ours.push(measure(&place, entries, arguments.batch)?);
        std::fs::remove_dir_all(&place)?;
        if let Some(program) = &go {
            theirs.push(measure_go(program, entries.min(200_000))?);
        }
    }
    print(&ours, &theirs, entries, arguments.batch);
    let gate = measure_gate(if arguments.quick { 1 } else { 20 })?;
    println!(
        "{:<42} {:>9.1} ms by a fresh gate, {:.1} ms once more (aim: 50 ms)",
        "gate: a closure of 100 packages", gate.fresh, gate.again
    );
    Ok(())
}

fn median(costs: &[Cost], of: fn(&Cost) -> f64) -> Option<f64> {
    let mut values: Vec<f64> = costs.iter().map(of).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

/// What a row is called, how it is read off a cost, and whether less is better.
type Row = (&'static str, fn(&Cost) -> f64, bool);

fn print(ours: &[Cost], theirs: &[Cost], entries: u64, batch: u64) {
    println!("{entries} entries in batches of {batch}; medians of {} rounds", ours.len());
    if theirs.is_empty() {
        println!("Go is missing (Debian: golang-go golang-golang-x-mod-dev): no ratios");
    }
    let rows: [Row; 3] = [
        ("durable append (Go: in memory, unsynced)", |cost| cost.append, true),
        ("check a proof and its signatures", |cost| cost.verify, false),
        ("monitor: read and hash every entry", |cost| cost.monitor, true),
    ];
    for (what, of, is_rate) in rows {
        let Some(own) = median(ours, of) else { continue };
        let shown = |cost: f64| match is_rate {
            true => format!("{:>9.0} entries/s", 1e9 / cost),
            false => format!("{:>9.1} µs", cost / 1e3),
        };
        let other = median(theirs, of);
        let beside = other.map_or_else(String::new, |go| {
            format!("   go {}   {:.2} times as quick", shown(go), go / own)
        });
        println!("{what:<42} {}{beside}", shown(own));
    }
}

fn entry(index: u64) -> Vec<u8> {
    let mut bytes = format!("entry {index} ").into_bytes();
    bytes.resize(bytes.len() + (index % 7) as usize, b'.');
    bytes
}

fn measure(place: &Path, entries: u64, batch: u64) -> Result<Cost, Failure> {
    let disk: Arc<dyn Disk> = Arc::new(FolderDisk::new(place));
    let name = KeyName::new("bench.example/log")?;
    let signer = NoteSigner::from_seed(name, Ed25519Kind::Log, &[1; 32]);
    let keys = LogKeys::of(signer.key().clone())?;
    let mut log = DurableLog::create(disk.clone(), signer)?;
    let all: Vec<Vec<u8>> = (0..entries).map(entry).collect();
    let all: Vec<&[u8]> = all.iter().map(Vec::as_slice).collect();
    let start = Instant::now();
    for batch in all.chunks(batch as usize) {
        log.append(batch)?;
    }
    // What is still to be synced belongs to the price.
    log.flush()?;
    let append = start.elapsed().as_nanos() as f64 / entries as f64;
    let shown = SignedCheckpoint::parse(&std::fs::read(place.join("checkpoint"))?)?;
    let start = Instant::now();
    let mut monitor = Monitor::new(keys.clone());
    let mut bytes = 0;
    monitor
        .look(&shown, DiskTiles(&*disk), |_, entry| bytes += entry.len())
        .map_err(|error| error.to_string())?;
    let monitor = start.elapsed().as_nanos() as f64 / entries as f64;
    let verify = measure_verify(&*disk, shown, &keys, entries)?;
    println!("  ours: {bytes} bytes of entries in {entries} entries");
    Ok(Cost { append, verify, monitor })
}

/// A proof with the log's signature and those of three witnesses, two of which are asked for.
fn measure_verify(
    disk: &dyn Disk,
    mut shown: SignedCheckpoint,
    keys: &LogKeys,
    entries: u64,
) -> Result<f64, Failure> {
    const ROUNDS: u32 = 5_000;
    let index = LeafIndex(entries / 3);
    let text = shown.note().text().to_owned();
    let at = CosignedAt::from_seconds(1_700_000_000).ok_or("a time")?;
    // As Go: the log's signature alone. Witnesses add one signature check each.
    let policy = LogPolicy::parse(format!("log {}\nquorum none\n", keys.keys()[0]).as_bytes())?;
    let (content, proof) = LogReader::new(DiskTiles(disk), shown.clone()).entry(index)?;
    let file = proof.to_string().into_bytes();
    let check = |policy: &LogPolicy, file: &[u8]| -> Result<f64, Failure> {
        let start = Instant::now();
        for _ in 0..ROUNDS {
            let proof = TlogProof::parse(file)?;
            policy.verify_proof(&proof, TreeHash::of_leaf(&content), |_| true)?;
        }
        Ok(start.elapsed().as_nanos() as f64 / f64::from(ROUNDS))
    };
    let alone = check(&policy, &file)?;
    let mut text_of_policy = format!("log {}\n", keys.keys()[0]);
    for number in 0..3u8 {
        let name = KeyName::new(&format!("w{number}.example"))?;
        let witness = NoteSigner::from_seed(name, Ed25519Kind::Witness, &[10 + number; 32]);
        shown.note_mut().add([cosign(&witness, &text, at)]);
        text_of_policy += &format!("witness w{number} {}\n", witness.key());
    }
    text_of_policy += "group g 2 w0 w1 w2\nquorum g\n";
    let (_, proof) = LogReader::new(DiskTiles(disk), shown).entry(index)?;
    let policy = LogPolicy::parse(text_of_policy.as_bytes())?;
    let witnessed = check(&policy, &proof.to_string().into_bytes())?;
    println!("  ours: with three witnesses' signatures {:.1} µs for a proof", witnessed / 1e3);
    Ok(alone)
}

/// Builds the program that the tests use too. `None` where Go or its packages are missing.
fn build_go(folder: &Path) -> Result<Option<PathBuf>, Failure> {
    let folder = std::path::absolute(folder)?;
    let program = folder.join("tlog");
    let source = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../crates/vigil-trust/tests/it/interop/tlog.go");
    let mut go = Command::new("go");
    go.args(["build", "-o"]).arg(&program).arg(source);
    go.env("GOPATH", "/usr/share/gocode").env("GO111MODULE", "off").env("GOFLAGS", "");
    go.env("GOCACHE", folder.join("go-cache"));
    match go.output() {
        Err(_) => Ok(None),
        Ok(output) if output.status.success() => Ok(Some(program)),
        Ok(output) => Err(String::from_utf8_lossy(&output.stderr).into_owned().into()),
    }
}

fn measure_go(program: &Path, entries: u64) -> Result<Cost, Failure> {
    let output = Command::new(program).args(["bench", &entries.to_string()]).output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
    }
    let text = String::from_utf8(output.stdout)?;
    let figure = |name: &str| -> Result<f64, Failure> {
        let line = text.lines().find_map(|line| line.strip_prefix(name)).ok_or("a figure")?;
        Ok(line.trim().parse()?)
    };
    let (append, verify) = (figure("append ")?, figure("verify ")?);
    Ok(Cost { append, verify, monitor: figure("monitor ")? })
}
