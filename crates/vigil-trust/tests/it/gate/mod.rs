//! The gate and what it judges, from outside.

mod decisions;
mod foreign;
mod formats;
mod liars;
mod plans;
pub mod world;
