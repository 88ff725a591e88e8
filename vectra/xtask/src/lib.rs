//! Runs the machine in all its homes and prices it: what the tests and the command line share.
//!
//! How it is built is in `vectra-image`.
//!
//! Invariant: every home gets the same archive, byte for byte, and as many pages.
#![forbid(unsafe_code)]

mod home;
mod prices;

use std::path::PathBuf;

pub use home::{HomeError, Hosted, Ran, run_bare, run_hosted};
pub use prices::{PriceError, prices};

/// Returns the folder of the workspace.
pub fn root() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}
