//! The crate from outside: a disk that loses power, outside programs, and vectors that nobody here wrote.

mod disk;
mod formats;
mod home;
mod interop;
mod log;
#[path = "../../../vigil-store/tests/it/sim.rs"]
mod sim;
mod transparency;
mod world;
mod wycheproof;
