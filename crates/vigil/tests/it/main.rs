//! The real program, on a real disk.

mod bench;
mod examples;
