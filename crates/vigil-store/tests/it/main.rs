//! The crate from outside.

mod crash;
mod flips;
mod handover;
mod index_file;
mod jobs;
mod model;
mod processes;
mod round_trip;
mod sim;
mod small_files;
mod world;
