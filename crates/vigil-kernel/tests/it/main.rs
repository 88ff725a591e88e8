//! The kernel's tests. They need only memory; each random one prints its seed first.

mod engine;
mod model;
mod seeds;
