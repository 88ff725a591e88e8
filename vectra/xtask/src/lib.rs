//! Builds the kernel and the Tasks with flags of their own, packs the boot archive, and runs both
//! homes as child processes.
//!
//! It is the only place that knows how Vectra is built. It links nothing of the machine but the
//! archive format.
//!
//! Invariant: both homes run the same Task files, byte for byte.
#![forbid(unsafe_code)]

mod build;
mod home;
mod prices;

pub use build::{BuildError, Image, hosted_program, image, initd_archive, pack};
pub use home::{HomeError, Hosted, Qemu, Ran, qemu_is_missing};
pub use prices::{PriceError, prices};
