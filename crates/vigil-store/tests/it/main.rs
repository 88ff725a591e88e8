//! The crate from outside.

mod crash;
mod handover;
mod index_file;
mod jobs;
mod round_trip;
mod sim;
mod world;
