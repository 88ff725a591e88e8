//! Times the store from inside one process: opening a store of 10 million blobs, reading 4 KiB.
//!
//! Run it as `cargo run --release -p vigil-bench --bin store-inproc`.

use std::error::Error;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use clap::Parser;
use vigil_bench::{InprocSizes, Place, failed, fill, open_times, render_timings, say, small_times};

/// Times opening a store of very many blobs, and reading 4 KiB, from inside one process
///
/// The large store is made once, which takes minutes, and kept below the target folder.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// How many blobs the large store has
    #[arg(long, value_name = "N", default_value_t = 10_000_000)]
    blobs: u64,

    /// How often the stores are opened; the medians count
    #[arg(long, value_name = "N", default_value_t = 20)]
    rounds: usize,

    /// A large store of 100 000 blobs and three rounds, to see whether everything works
    #[arg(long)]
    quick: bool,

    /// Make the large store again: after a change of the format or of the index
    #[arg(long)]
    afresh: bool,

    /// Only make the stores: done by a process of its own, so that the peak memory that is shown
    /// at the end is that of opening and reading
    #[arg(long)]
    only_fill: bool,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&*error),
    }
}

fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let (blobs, rounds) = match arguments.quick {
        true => (100_000, 3),
        false => (arguments.blobs, arguments.rounds),
    };
    let program = std::env::current_exe()?;
    let target = program.parent().and_then(|release| release.parent());
    let folder = target.ok_or("this program stands in no target folder")?.join("bench");
    let folder = folder.join("store-inproc");
    fs::create_dir_all(&folder)?;
    let place = Place {
        many: folder.join(format!("many-{blobs}")),
        few: folder.join("few"),
        sizes: InprocSizes::with(blobs),
    };
    if arguments.only_fill {
        return Ok(fill(&place, arguments.afresh)?);
    }
    say("making the stores that are not there yet");
    let mut filling = Command::new(program);
    filling.args(["--only-fill", "--blobs", &blobs.to_string()]);
    if arguments.afresh {
        filling.arg("--afresh");
    }
    if !filling.status()?.success() {
        return Err("the stores could not be made".into());
    }
    let peak = |path: &str| -> Result<String, Box<dyn Error>> {
        let status = fs::read_to_string(PathBuf::from(path))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        Ok(line.ok_or("no VmHWM in the process's status")?.trim().to_owned())
    };
    let mut timings = open_times(&place, rounds)?;
    let opened = peak("/proc/self/status")?;
    timings.extend(small_times(&place, rounds)?);
    println!("{blobs} blobs in the large store; page cache warm\n");
    print!("{}", render_timings(&timings));
    println!("\npeak memory after the large store: {opened}");
    Ok(())
}
