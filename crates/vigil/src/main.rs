//! The program: it meets the environment, and hands everything to the command line's library.
//!
//! It has no logic of its own.
//!
//! Invariant: only here are environment variables, the clock and randomness read.
#![forbid(unsafe_code)]

mod dhall;
mod logs;
mod machine;
mod panic;
#[cfg(feature = "sql")]
mod query;
mod tiers;
mod trust;
mod world;

use std::io::{stderr, stdout};
use std::process::ExitCode;

fn main() -> ExitCode {
    let code = panic::guarded(|| {
        let environment = world::environment();
        // Unbuffered here: the library buffers, and knows when to hand on.
        let out = Box::new(world::RawOutput(stdout().lock()));
        vigil_cli::run(std::env::args_os(), &environment, out, Box::new(stderr()))
    });
    ExitCode::from(code)
}
