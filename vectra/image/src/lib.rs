//! Builds the kernel and the Tasks with flags of their own, packs the boot archive, and starts QEMU.
//!
//! It is the only place that knows how Vectra is built. It links nothing of the machine but the
//! archive format, so that the program `vigil` can use it from its build script.
//!
//! Invariants: every home runs the same Task files, byte for byte; the flags of the kernel and of the
//! Tasks reach nothing but the nested builds, which name their target.
#![forbid(unsafe_code)]

mod build;
mod qemu;

pub use build::{BuildError, Image, SOURCES, Tools, build};
pub use qemu::{QEMU_MISSING, Qemu, has_qemu};
