//! The crate from outside.

mod round_trip;
mod world;
