//! The real program, on a real disk.

mod agent;
mod bench;
mod crowd;
mod dhall;
mod dhall_lsp;
mod dhall_terminal;
mod examples;
mod hard_disk;
mod identity;
mod interop;
mod kill;
mod large;
mod log;
mod moving;
mod names;
mod odd_files;
mod pipelines;
mod pkg;
mod puddle;
#[cfg(feature = "sql")]
mod query;
#[cfg(feature = "sql")]
mod query_terminal;
mod secrets;
mod session;
mod tour;
mod typist;
