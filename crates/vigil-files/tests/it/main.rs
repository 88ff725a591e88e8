//! The crate from outside, on real folders.

mod round_trip;
mod scene;
mod unchanged;
