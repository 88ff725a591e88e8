//! One resolution for everything: requests, endpoints, and results that know how they came about.
//!
//! Invariants:
//! - it knows no scheme by name, opens no file and no socket, and reads no clock of its own: its tests
//!   need only memory.

pub mod engine;
