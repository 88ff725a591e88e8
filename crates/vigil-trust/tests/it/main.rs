//! What the crate promises, shown from outside.

mod disk;
mod feeds;
mod formats;
mod gate;
mod home;
mod interop;
#[path = "../../../vigil-store/tests/it/sim.rs"]
mod sim;
mod transparency;
mod world;
mod wycheproof;
