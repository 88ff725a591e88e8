//! `vectra-host`: runs a boot archive on Linux, each Task a process, or all of them in this one.

use std::os::fd::AsFd;
use std::process::ExitCode;

use vectra_host::{RunError, Start, run, run_here};

const HELP: &str = "usage: vectra-host [--here] ARCHIVE FRAMES [FIRST]

Runs a boot archive with so many pages of memory; FIRST is the file that becomes the first Task, `initd`
unless it is said. With --here all Tasks run in this process, so that a debugger sees them:
  gdb -ex 'handle SIGSYS SIGVTALRM nostop noprint pass' --args vectra-host --here ARCHIVE 4096";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let here = arguments.first().is_some_and(|word| word == "--here");
    let (path, frames, first) = match &arguments[usize::from(here)..] {
        [path, frames] => (path, frames, "initd"),
        [path, frames, first] => (path, frames, &**first),
        _ => {
            eprintln!("{HELP}");
            return ExitCode::from(2);
        }
    };
    let Ok(frames) = frames.parse() else {
        eprintln!("error: `{frames}` is no number of pages");
        return ExitCode::from(2);
    };
    let archive = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) => {
            eprintln!("error: `{path}` could not be read\n  because: {error}");
            return ExitCode::from(3);
        }
    };
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let start = Start {
        archive: &archive,
        frames,
        first,
        console: Box::new(std::io::stdout()),
        // Without it nobody can type, which is no reason not to run.
        typing: std::io::stdin().as_fd().try_clone_to_owned().ok(),
        processors,
        limit: None,
        note: &|words| eprintln!("note: {words}"),
    };
    match if here { run_here(start) } else { run(start) } {
        Ok(code) => ExitCode::from(code as u8),
        Err(error) => {
            say(&error);
            ExitCode::from(3)
        }
    }
}

fn say(error: &RunError) {
    eprintln!("error: {error}");
    if let Some(cause) = std::error::Error::source(error) {
        eprintln!("  because: {cause}");
    }
    if let Some(hint) = error.hint() {
        eprintln!("hint: {hint}");
    }
}
