//! What the crate promises, shown from outside.

mod altered;
mod attesting;
mod disk;
mod feeds;
mod formats;
mod gate;
mod golden;
mod home;
mod interop;
mod quota;
#[path = "../../../vigil-store/tests/it/sim.rs"]
mod sim;
mod transparency;
mod world;
mod wycheproof;
