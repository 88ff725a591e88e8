//! The crate from outside.

mod codecs;
mod crash;
mod disk;
mod flips;
mod golden;
mod handover;
mod hostile;
mod index_file;
mod jobs;
mod model;
mod processes;
mod round_trip;
mod sim;
mod single_flight;
mod small_files;
mod verify_flips;
mod world;
