//! The real program, on a real disk.

mod bench;
mod crowd;
mod examples;
mod hard_disk;
mod kill;
mod large;
mod moving;
mod odd_files;
mod session;
mod tour;
