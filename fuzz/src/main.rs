//! A fuzzer that needs stable Rust and nothing else: seeds, mutations, and processes to crash in.
//!
//! It is not libFuzzer: inputs are made from a seed and a number alone, so a run can be repeated.
//! With the feature `coverage` the compiler counts edges, and inputs that reach new ones are kept.
//!
//! Invariants:
//! - the seed is printed before anything runs;
//! - a target runs in a process of its own, so a crash, an overflow of the stack, a hang or a greedy
//!   allocation is seen and its input is saved;
//! - the same seed, corpus and build give the same inputs in the same order.

mod arguments;
mod corpus;
mod coverage;
mod memory;
mod minimise;
mod mutate;
mod random;
mod script;
mod supervise;
mod targets;
mod worker;
mod world;

use arguments::{Arguments, Task};
use std::process::ExitCode;

#[global_allocator]
static MEMORY: memory::Counted = memory::Counted;

fn main() -> ExitCode {
    let arguments = match Arguments::parse(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::from(2);
        }
    };
    match &arguments.task {
        Task::List => {
            for target in targets::TARGETS {
                println!("{:<8} {}", target.name, target.holds);
            }
            ExitCode::SUCCESS
        }
        Task::Replay { target, file } => worker::replay(target, file),
        Task::Distill { target } => worker::distill(target),
        Task::Work { target, current } => worker::work(target, &arguments, current),
        Task::Run { targets } => supervise::run(targets, &arguments),
    }
}
