//! Runs what this build carries, on this terminal: `bare` under QEMU, or `hosted` on Linux.
//!
//! It is `vigil vectra` without the rest of the program, so that a release build of it takes seconds.

use std::io;
use std::process::ExitCode;

use vigil_vectra::{Home, Settings, power_on};

fn main() -> ExitCode {
    let home = match std::env::args().nth(1).as_deref() {
        Some("bare") => Home::Bare,
        Some("hosted") => Home::Hosted,
        _ => {
            eprintln!("usage: carried bare|hosted");
            return ExitCode::from(2);
        }
    };
    let settings = Settings { first: "initd".to_owned(), processors: 2, memory_mib: 64 };
    match power_on(home, &settings, &mut io::stdout(), &|words| eprintln!("note: {words}")) {
        Ok(code) => ExitCode::from(code as u8),
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(3)
        }
    }
}
