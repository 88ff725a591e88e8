//! The real program, on a real disk.

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
mod odd_files;
mod pipelines;
mod pkg;
mod session;
mod tour;
