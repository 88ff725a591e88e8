//! The real program, on a real disk.

mod bench;
mod crowd;
mod dhall;
mod dhall_lsp;
mod examples;
mod hard_disk;
mod interop;
mod kill;
mod large;
mod moving;
mod odd_files;
mod pipelines;
mod session;
mod tour;
