//! Vectra on Linux: the same Task files, the same core, and Linux in the place of a processor.
//!
//! There are two homes. With [`run`] each Task is a process in namespaces of its own that can do
//! nothing: Syscall User Dispatch turns its calls into signals, the code that handles them asks the
//! supervisor, and the core decides. Whatever a process asks of Linux waits until the supervisor has
//! looked at it (seccomp, with a listener). Memory is one sealed memfd; a mapping is made by letting the
//! stopped process carry out one `mmap` that the supervisor has ordered. With [`run_here`] all Tasks run
//! on one thread of this process, for tests and debuggers: nothing protects the process from them.
//!
//! The trusted base is Linux and this crate.
//!
//! Invariants:
//! - Linux does nothing for a Task's process but what the supervisor has ordered;
//! - a Task runs only while the core says so, on at most as many processors as were asked for;
//!   priorities, turns and Budgets hold as on the bare machine.
//!
//! `unsafe` is in `first` (starting the first process), `process` (listening), `shim` (what every process
//! has in it), `ticks`, `pool` (shared memory), `outside` (typing), `spread` (processors), `here` and
//! `signals` (running Tasks in this process) only.

mod first;
mod here;
mod home;
mod outside;
mod pool;
mod process;
mod shim;
mod signals;
mod spread;
mod supervise;
mod ticks;

use std::io::{Error, Write};
use std::os::fd::OwnedFd;
use std::time::Duration;

pub use vectra_core::BootError;

pub use here::run_here;
pub use supervise::run;

/// What a machine starts with.
pub struct Start<'a> {
    /// The boot archive.
    pub archive: &'a [u8],
    /// Pages of memory.
    pub frames: u32,
    /// The file that becomes the first Task; `initd` by custom.
    pub first: &'a str,
    /// Where the console goes.
    pub console: Box<dyn Write + 'a>,
    /// Where the serial line's bytes come from, if they do.
    pub typing: Option<OwnedFd>,
    /// How many Tasks run at once. In this process it is always one.
    pub processors: usize,
    /// When to give up.
    pub limit: Option<Duration>,
    /// Is told what Linux does not give, if the machine runs without it.
    pub note: &'a dyn Fn(&str),
}

/// Why the machine could not run.
#[derive(Debug)]
pub enum RunError {
    /// The archive or the pool is not one that a machine can start with.
    Boot(BootError),
    /// Linux refused something that the supervisor needs.
    Linux(Error),
    /// No Task can ever run again, and none switched the machine off.
    Idle,
    /// It took longer than it was given.
    Late,
}

impl std::fmt::Display for RunError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Boot(error) => write!(f, "the machine cannot start: {error}"),
            Self::Linux(_) => f.write_str("Linux refused what the supervisor needs"),
            Self::Idle => f.write_str("every Task waits for another, for ever"),
            Self::Late => f.write_str("the machine did not end in the time that it was given"),
        }
    }
}

impl std::error::Error for RunError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Linux(error) => Some(error),
            Self::Boot(_) | Self::Idle | Self::Late => None,
        }
    }
}

impl RunError {
    /// Returns what to do about it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Linux(_) => Some(
                "Tasks' processes need Linux 5.19 or newer and a listener of their own on \
                     filtered calls (seccomp), which a container may forbid",
            ),
            Self::Boot(_) | Self::Idle | Self::Late => None,
        }
    }
}

impl From<Error> for RunError {
    fn from(error: Error) -> Self {
        Self::Linux(error)
    }
}
