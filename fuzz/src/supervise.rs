//! Running targets in processes of their own, and saving what they died of.
//!
//! Invariant: a target passed only when its process said so and ended with success.

use crate::arguments::Arguments;
use crate::corpus;
use crate::minimise;
use crate::targets::Target;
use crate::worker::{HANG, noted};
use std::io;
use std::path::Path;
use std::process::{Command, ExitCode, Output, Stdio};
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

/// How much of a dying process's last words is shown.
const LAST_WORDS_LINES_MAX: usize = 30;

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// With success.
    Fine,
    /// By a panic.
    Panic,
    /// Its input took too long.
    Hang,
    /// By a signal or an abort: stack or memory overflowed, most likely.
    Killed,
    /// The fuzzer itself could not work.
    Broken,
}

/// Tells how a process ended.
pub fn end_of(output: &Output) -> End {
    match output.status.code() {
        Some(0) => End::Fine,
        Some(101) => End::Panic,
        Some(code) if code == i32::from(HANG) => End::Hang,
        Some(_) => End::Broken,
        None => End::Killed,
    }
}

/// Runs targets, as many at once as there are processors, and prints the closing line.
pub fn run(targets: &[&Target], arguments: &Arguments) -> ExitCode {
    println!("fuzz: seed {}, {} s for each target", arguments.seed, arguments.seconds);
    let lanes = std::thread::available_parallelism().map_or(1, usize::from);
    let next = AtomicUsize::new(0);
    let passed = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..lanes.min(targets.len()) {
            scope.spawn(|| {
                while let Some(target) = targets.get(next.fetch_add(1, Relaxed)) {
                    let (fine, report) = run_target(target, arguments).unwrap_or_else(|error| {
                        (false, format!("{}: could not be run: {error}\n", target.name))
                    });
                    print!("{report}");
                    passed.fetch_add(fine.into(), Relaxed);
                }
            });
        }
    });
    let passed = passed.into_inner();
    let failed = targets.len() - passed;
    println!("fuzz: targets passed {passed}, failed {failed}");
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs one target and returns whether it passed, and what there is to say.
fn run_target(target: &Target, arguments: &Arguments) -> io::Result<(bool, String)> {
    let name = format!("vigil-fuzz-{}-{}", std::process::id(), target.name);
    let current = std::env::temp_dir().join(name);
    let output = child(target)?
        .arg("--work")
        .arg(&current)
        .args(["--seconds", &arguments.seconds.to_string(), "--seed", &arguments.seed.to_string()])
        .output()?;
    let end = end_of(&output);
    let text = if end == End::Fine {
        format!("{}: {}", target.name, String::from_utf8_lossy(&output.stdout))
    } else {
        report(target, end, &output, &current)?
    };
    match std::fs::remove_file(&current) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok((end == End::Fine, text)),
    }
}

/// Says how a target failed, and saves its input, whole and made small.
fn report(target: &Target, end: End, output: &Output, current: &Path) -> io::Result<String> {
    let mut text = format!("{}: FAILED ({end:?}, {})\n", target.name, output.status);
    let words = String::from_utf8_lossy(&output.stderr);
    for line in words.lines().take(LAST_WORDS_LINES_MAX) {
        text.push_str(&format!("  {line}\n"));
    }
    if end == End::Broken {
        return Ok(text);
    }
    let input = noted(current)?;
    let folder = corpus::artifacts(target.name);
    let saved = corpus::save(&folder, "crash", &input)?;
    text.push_str(&format!("  {} bytes saved as {}\n", input.len(), saved.display()));
    // A hang is seen only after seconds, which is too long to try hundreds of times.
    if end == End::Hang {
        return Ok(text);
    }
    let small = minimise::minimise(&input, |candidate| {
        let end_now = replay(target, candidate, current);
        end_now.is_ok_and(|end_now| end_now == end)
    });
    if small.len() < input.len() {
        let saved = corpus::save(&folder, "small", &small)?;
        text.push_str(&format!("  made {} bytes: {}\n", small.len(), saved.display()));
    }
    Ok(text)
}

/// Runs one input in a process of its own.
pub fn replay(target: &Target, input: &[u8], file: &Path) -> io::Result<End> {
    std::fs::write(file, input)?;
    // The last words of hundreds of tries are not read, so they need not be rich.
    let mut command = child(target)?;
    Ok(end_of(&command.env("RUST_BACKTRACE", "0").arg("--replay").arg(file).output()?))
}

fn child(target: &Target) -> io::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(target.name).stdin(Stdio::null());
    Ok(command)
}
