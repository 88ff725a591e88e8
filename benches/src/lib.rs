//! Measures vigil beside the tools that a user would pick instead.
//!
//! `store` drives release programs from outside and prints medians and ratios; `store-inproc` links
//! the store and times what is too short to be seen from outside; `dhall` compares `vigil dhall` with
//! dhall-haskell; `vectra` has the machine measure itself, beside what Linux takes for the like. They
//! are no tests: nothing here decides whether a change may go in.
//!
//! Invariants: all tools work on the same bytes in the same session, in turns; no tool gets
//! settings or warm caches that another does not get; what a tool brings back is compared with what
//! went in before its time counts for anything.
#![forbid(unsafe_code)]

mod aims;
mod bench;
mod change;
mod corpus;
mod dhall;
mod failure;
mod figures;
mod files;
mod find;
mod gate;
mod inproc;
mod json;
mod machine;
mod measure;
mod noise;
mod outside;
mod program;
mod report;
mod sections;
mod tool;
mod trash;
mod vigil;
mod worktree;
mod world;

pub use bench::{Bench, BenchError, say};
pub use corpus::{CorpusError, Wanted, open_or_gather};
pub use dhall::{DhallBench, DhallBenchError, DhallSizes};
pub use failure::failed;
pub use figures::Figures;
pub use files::{FileError, hash, hash_input, list};
pub use find::{Found, Policy, find};
pub use gate::{GateCost, measure_gate};
pub use inproc::{
    InprocError, InprocSizes, Place, Timing, fill, open_times, render_timings, small_times,
};
pub use json::render as render_json;
pub use machine::{Timed, drain, echo, read_timings, references};
pub use program::{BuildError, Parts, build_vigil};
pub use report::render as render_report;
pub use sections::{Gathered, Sizes, big, memory, tree};
pub use tool::Present;
pub use trash::Trash;
pub use worktree::report as work_tree;
