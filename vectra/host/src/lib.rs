//! Vectra on Linux: the same Task files, the same core, and Linux in the place of a processor.
//!
//! There are two homes. With [`run`] each Task is a process that can do nothing: the supervisor traces
//! it with `PTRACE_SYSEMU`, so a `syscall` instruction never reaches Linux, it stops the Task, and the
//! core decides. Memory is one sealed memfd; a mapping is made by letting the stopped process carry
//! out one `mmap` that the supervisor has put into its registers. With [`run_here`] all Tasks run on
//! one thread of this process, for tests and debuggers: nothing protects the process from them.
//!
//! The trusted base is Linux and this crate.
//!
//! Invariants:
//! - no system call of a Task reaches Linux but those that the supervisor puts there;
//! - a Task runs only while the core says so, on at most as many processors as were asked for;
//!   priorities, turns and Budgets hold as on the bare machine.
//!
//! `unsafe` is in `process` (tracing), `pool` (shared memory), `outside` (typing), `spread`
//! (processors), `here` and `signals` (running Tasks in this process) only.

mod here;
mod home;
mod outside;
mod pool;
mod process;
mod signals;
mod spread;
mod stub;
mod supervise;

use std::io::{Error, Write};
use std::os::fd::OwnedFd;
use std::time::Duration;

use vectra_core::BootError;

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
            Self::Linux(_) => {
                Some("it traces its Tasks and filters their calls; containers may forbid either")
            }
            Self::Boot(_) | Self::Idle | Self::Late => None,
        }
    }
}

impl From<Error> for RunError {
    fn from(error: Error) -> Self {
        Self::Linux(error)
    }
}
