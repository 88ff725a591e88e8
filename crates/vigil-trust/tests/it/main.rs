//! What the crate promises, shown from outside.

mod formats;
mod interop;
mod log;
#[path = "../../../vigil-store/tests/it/sim.rs"]
mod sim;
mod world;
