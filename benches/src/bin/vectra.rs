//! Measures Vectra: its prices in instructions, and its hosted Tasks beside what Linux itself takes.
//!
//! Run it as `cargo xtask bench vectra`.

use std::error::Error;
use std::io;
use std::path::Path;
use std::process::{Command, ExitCode};

use clap::{Parser, Subcommand};
use vigil_bench::{Timed, drain, echo, failed, read_timings, references};

/// Measures Vectra: prices in instructions under QEMU, and hosted Tasks beside Linux itself
///
/// Prices are counted and the same in every run. Times are those of this computer now: the best and
/// the middle of several rounds.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    part: Option<Part>,

    /// Rounds of each reference
    #[arg(long, value_name = "N", default_value_t = 9)]
    rounds: usize,
}

/// The other end of a reference
#[derive(Debug, Subcommand)]
enum Part {
    /// Send back what comes
    Echo,
    /// Read what comes
    Drain,
}

/// An operation of the machine, what a bare prototype took for it, and what to hold beside it.
struct Row {
    name: &'static str,
    prototype: Option<f64>,
    reference: &'static str,
}

/// The prototype's figures, best of 15 rounds on one computer: `docs/design/vectra.md`.
const ROWS: [Row; 6] = [
    Row { name: "message in a stream", prototype: Some(24.0), reference: "message through a pipe" },
    Row {
        name: "message in a stream, published by 32",
        prototype: Some(24.0),
        reference: "message through a pipe",
    },
    Row {
        name: "round trip, spinning",
        prototype: Some(151.0),
        reference: "cache line there and back, spinning",
    },
    Row {
        name: "round trip, parked",
        prototype: Some(4000.0),
        reference: "round trip through two pipes",
    },
    Row { name: "call that does nothing", prototype: None, reference: "getppid" },
    Row {
        name: "Task built, started, ended and taken back",
        prototype: None,
        reference: "`true` started and waited for",
    },
];

/// What a bare prototype took, in instructions.
const PROTOTYPE_PRICES: [(&str, f64); 2] =
    [("call that does nothing", 30.0), ("message of 56 bytes pushed and popped", 32.0)];

/// How long a bare prototype's boot took, with QEMU's own start.
const PROTOTYPE_BOOT_MS: u32 = 120;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = match arguments.part {
        Some(Part::Echo) => echo().map_err(Into::into),
        Some(Part::Drain) => drain().map_err(Into::into),
        None => measure(arguments.rounds),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&*error),
    }
}

/// Has the machine's own tool do something, and returns what it printed.
fn machine(words: &[&str]) -> Result<String, Box<dyn Error>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../vectra");
    let mut cargo = Command::new("cargo");
    cargo.current_dir(folder);
    cargo.args(["run", "--release", "--quiet", "--locked", "--package", "vectra-xtask", "--"]);
    let ran = cargo.args(words).stderr(std::process::Stdio::inherit()).output()?;
    if !ran.status.success() {
        return Err(format!("the machine failed at `{}`", words.join(" ")).into());
    }
    Ok(String::from_utf8(ran.stdout)?)
}

fn measure(rounds: usize) -> Result<(), Box<dyn Error>> {
    println!("instructions on the bare machine, counted by QEMU (the prototype's in brackets):\n");
    for line in machine(&["prices"])?.lines().filter(|line| line.starts_with("| ")).skip(1) {
        let mut cells = line.trim_matches(['|', ' ']).split(" | ");
        let (name, count) = (cells.next().unwrap_or(""), cells.next().unwrap_or(""));
        let prototype = PROTOTYPE_PRICES.iter().find(|(known, _)| *known == name);
        let beside = prototype.map_or(String::new(), |(_, count)| format!("  [{count}]"));
        println!("  {count:>9}  {name}{beside}");
    }
    let boots = read_timings(&machine(&["boots"])?);
    let boot = find(&boots, "QEMU started, a Task run, and all over")?;
    let (best, middle) = (boot.best() / 1e6, boot.median() / 1e6);
    println!("\n  {best:>7.0} ms   {} (middle {middle:.0}) [{PROTOTYPE_BOOT_MS}]", boot.name);
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    println!("\nhosted on Linux, nanoseconds (load before: {})\n", load.trim());
    let helper = std::env::current_exe()?;
    // Before and after, so that a computer that changes meanwhile shows.
    let mut linux = references(&helper, rounds)?;
    let hosted = read_timings(&machine(&["hosted", "timings"])?);
    for (before, after) in linux.iter_mut().zip(references(&helper, rounds)?) {
        before.rounds.extend(after.rounds);
    }
    println!(
        "  {:<42} {:>11} {:>11}  {:>9}  {:>13}  beside Linux",
        "operation", "best", "middle", "prototype", "best : proto."
    );
    for row in ROWS {
        let ours = find(&hosted, row.name)?;
        let theirs = find(&linux, row.reference)?;
        let (shown, ratio) = match row.prototype {
            Some(figure) => (format!("{figure:.0}"), format!("{:.2}", ours.best() / figure)),
            None => ("-".into(), "-".into()),
        };
        println!(
            "  {:<42} {:>11.1} {:>11.1}  {shown:>9}  {ratio:>13}  {:.2} × {} ({:.1})",
            row.name,
            ours.best(),
            ours.median(),
            ours.best() / theirs.best(),
            row.reference,
            theirs.best()
        );
    }
    Ok(())
}

fn find<'a>(all: &'a [Timed], name: &str) -> io::Result<&'a Timed> {
    let found = all.iter().find(|timed| timed.name == name);
    found.ok_or_else(|| io::Error::other(format!("`{name}` was not measured")))
}
