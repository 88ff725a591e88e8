//! Transparency logs over HTTP: a folder, served as C2SP tlog-tiles says.
//!
//! It knows what the files of a log are called, and nothing of what is in them: whoever reads checks.
//!
//! Invariants:
//! - only `checkpoint` and the paths of tiles and bundles lead to a file, and no path leads elsewhere;
//! - a connection can hold up neither the others nor the machine: heads are short and have to come in
//!   time, and only so many connections are open at once.
#![forbid(unsafe_code)]

mod log;
mod server;

pub use log::{Answer, LogFolder};
pub use server::{ServeError, ServeOptions, serve};
