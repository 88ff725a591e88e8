//! The transparency log from outside.

mod crash;
mod differential;
mod liars;
mod policy;
mod shapes;
mod vectors;
mod witness;
pub mod world;
