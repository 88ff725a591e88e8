//! Vectra on Linux: the same Task files, the same core, each Task a process that can do nothing.
//!
//! The supervisor traces every Task with `PTRACE_SYSEMU`: a `syscall` instruction never reaches
//! Linux, it stops the Task, and the core decides. Memory is one sealed memfd; a mapping is made by
//! letting the stopped process carry out one `mmap` that the supervisor has put into its registers.
//!
//! Its trusted base is Linux and this program. Time and processors are Linux's: Budgets and
//! priorities are kept as state here, and not enforced.
//!
//! Invariant: no system call of a Task reaches Linux but those that the supervisor puts there.
//!
//! `unsafe` is in `process` (tracing) and `pool` (shared memory) only.

mod home;
mod pool;
mod process;
mod stub;
mod supervise;

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [archive, frames] = &arguments[..] else {
        eprintln!("usage: vectra-host ARCHIVE FRAMES");
        return ExitCode::from(2);
    };
    let Ok(frames) = frames.parse() else {
        eprintln!("error: `{frames}` is no number of pages");
        return ExitCode::from(2);
    };
    let bytes = match std::fs::read(archive) {
        Ok(bytes) => bytes,
        Err(error) => {
            eprintln!("error: `{archive}` could not be read\n  because: {error}");
            return ExitCode::from(3);
        }
    };
    match supervise::run(&bytes, frames) {
        Ok(code) => ExitCode::from(code as u8),
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(3)
        }
    }
}
