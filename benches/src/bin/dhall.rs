//! Measures `vigil dhall` beside dhall-haskell.
//!
//! Run it as `cargo xtask bench dhall`. dhall-haskell is the one that `cargo xtask clients` unpacks.

use std::error::Error;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use vigil_bench::{DhallBench, DhallSizes, Parts, build_vigil, failed};

/// Measures `vigil dhall hash` beside dhall-haskell, and prints ratios
///
/// The inputs are made here: a package of files that import one another, a list of build targets, a
/// frozen import that is in the cache, and the shapes of three issues of dhall-haskell in which it took
/// minutes. Times are those of whole processes; the medians count, and of memory the peak.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// The vigil program to measure [default: built now, beside this program]
    #[arg(long, value_name = "PATH")]
    vigil: Option<PathBuf>,

    /// The dhall-haskell program [default: the one that `cargo xtask clients` unpacks]
    #[arg(long, value_name = "PATH")]
    haskell: Option<PathBuf>,

    /// Measure vigil alone
    #[arg(long, conflicts_with = "haskell")]
    alone: bool,

    /// How often everything is repeated
    #[arg(long, value_name = "N", default_value_t = 5)]
    rounds: usize,

    /// One round over small inputs, to see whether everything works; the figures mean little
    #[arg(long)]
    quick: bool,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&*error),
    }
}

fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let program = std::env::current_exe()?;
    let release = program.parent().ok_or("this program stands in no folder")?;
    let target = release.parent().ok_or("this program stands in no target folder")?;
    let vigil = match &arguments.vigil {
        Some(path) => fs::canonicalize(path)?,
        None => build_vigil(release, Parts::WithoutSql)?,
    };
    let unpacked = target.join("clients/dhall/dhall");
    let haskell = match (&arguments.haskell, arguments.alone) {
        (_, true) => None,
        (Some(path), _) => Some(fs::canonicalize(path)?),
        (None, _) => Some(unpacked).filter(|path| path.exists()),
    };
    if haskell.is_none() && !arguments.alone {
        println!("dhall-haskell is absent: `cargo xtask clients` brings it");
    }
    let folder = target.join("bench").join("dhall");
    fs::create_dir_all(&folder)?;
    let small =
        DhallSizes { files: 20, targets: 100, components: (5, 3), services: 10, overlays: 4 };
    let sizes = if arguments.quick { small } else { DhallSizes::default() };
    let rounds = if arguments.quick { 1 } else { arguments.rounds.max(1) };
    Ok(DhallBench { folder, rounds, sizes }.run(&vigil, haskell.as_deref())?)
}
