//! The project's own tools: `cargo xtask COMMAND`.
//!
//! It is no part of the program and imports no crate of it. It builds in seconds, because every
//! other check waits for it.
//!
//! Invariants:
//! - nothing in the tree is written except by `walk --bless` and by a fuzzer that found something;
//! - a check that could not run is a failure or is named as skipped, never silently passed.

mod clients;
mod commands;
mod fences;
mod fuzz;
mod licences;
mod metadata;
mod outcome;
mod project;
mod run;
mod rust_text;
mod suite;
mod tidy;
mod tree;
mod walk;

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    commands::dispatch(&arguments)
}
