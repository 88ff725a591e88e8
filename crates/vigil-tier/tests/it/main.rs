//! The crate from outside, against a real S3 server.

mod damage;
mod encrypted;
mod faults;
mod interop;
mod mending;
mod round_trip;
mod server;
mod world;
