//! The machine in memory: the oracle that the kernel and the hosted home are compared with.
//!
//! Its Tasks have no instructions: whoever tests makes their calls. Pages have real bytes, so that
//! what flows through memory can be followed.
//!
//! Invariant: it decides nothing; every answer is the core's.
#![forbid(unsafe_code)]

mod audit;
mod home;

pub use audit::audit;
pub use home::{FRAMES, Model, boot, booted, tiny_elf};
