//! The crate from outside.

mod interop;
mod log;
#[path = "../../../vigil-store/tests/it/sim.rs"]
mod sim;
mod world;
