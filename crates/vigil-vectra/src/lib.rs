//! The machine inside the program: boots it under QEMU, or runs the same Task files on Linux.
//!
//! How it is built is in `vectra-image`, how it runs on Linux in `vectra-host`; here the two meet the
//! program. A release build carries kernel and boot archive; any other builds them in its checkout
//! when they are first asked for. Tasks run hosted only where the system is Linux on x86_64.
//!
//! Invariant: whatever the machine does, this process is left as it was.
#![forbid(unsafe_code)]

#[cfg(hosts_tasks)]
mod hosted;
mod image;

use std::io::{self, Read as _, Write};
use std::process::Stdio;

use vectra_image::{BuildError, QEMU_MISSING, Qemu, has_qemu};
use vigil_base::{Blame, Blamed};

use image::Image;

/// What a machine starts with.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The file of the boot archive that becomes the first Task.
    pub first: String,
    /// Processors.
    pub processors: u16,
    /// Memory, in MiB.
    pub memory_mib: u32,
}

/// Where a machine runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Home {
    /// On an emulated processor, under QEMU.
    Bare,
    /// The same, on one processor whose instructions are counted.
    Counted,
    /// On Linux, each Task a process.
    Hosted,
    /// On Linux, all Tasks in this process.
    Here,
}

/// Why a machine did not run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MachineError {
    /// There is no QEMU.
    #[error("there is no qemu-system-x86_64")]
    NoQemu,
    /// QEMU could not be started or talked to.
    #[error("could not run qemu-system-x86_64")]
    Qemu(#[source] io::Error),
    /// QEMU ended in a way that the machine does not.
    #[error("qemu-system-x86_64 ended without a word from the machine")]
    QemuEnded,
    /// The kernel or the boot archive could not be made available.
    #[error("could not hand the machine over")]
    Image(#[source] io::Error),
    /// This program carries no machine, and its checkout does not build one.
    #[error("this build of vigil carries no machine, and could not build one")]
    Build(#[source] BuildError),
    /// The supervisor gave up.
    #[cfg(hosts_tasks)]
    #[error(transparent)]
    Run(#[from] vectra_host::RunError),
    /// Hosted Tasks need another system.
    #[cfg(not(hosts_tasks))]
    #[error("Tasks run hosted only on Linux on x86_64")]
    NoHost,
}

impl Blamed for MachineError {
    fn blame(&self) -> Blame {
        match self {
            // The first Task was named by whoever called; everything else in the archive is ours.
            #[cfg(hosts_tasks)]
            Self::Run(vectra_host::RunError::Boot(_)) => Blame::Caller,
            _ => Blame::World,
        }
    }
}

impl MachineError {
    /// Returns what to do about it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NoQemu => Some(QEMU_MISSING),
            Self::Build(_) => {
                Some("only release builds carry the machine: `cargo build --release`")
            }
            #[cfg(hosts_tasks)]
            Self::Run(vectra_host::RunError::Boot(vectra_host::BootError::NoFirst)) => Some(
                "it has `initd`, which starts the others; `suite`, `budgets` and `typist` can be first \
                 as well",
            ),
            #[cfg(hosts_tasks)]
            Self::Run(error) => error.hint(),
            _ => None,
        }
    }
}

/// Runs a machine until it switches itself off; returns the code that it did so with. What it says
/// goes to `console`; what is typed on standard input goes to it. `say` is told of a
/// build, and of what this system does not give hosted Tasks.
pub fn power_on(
    home: Home,
    settings: &Settings,
    console: &mut dyn Write,
    say: &dyn Fn(&str),
) -> Result<u64, MachineError> {
    let is_bare = matches!(home, Home::Bare | Home::Counted);
    if is_bare && !has_qemu() {
        return Err(MachineError::NoQemu);
    }
    let image = Image::find(say)?;
    if is_bare {
        return boot(&image, home == Home::Counted, settings, console);
    }
    #[cfg(hosts_tasks)]
    return hosted::run(home == Home::Here, &image.archive()?, settings, console, say);
    #[cfg(not(hosts_tasks))]
    Err(MachineError::NoHost)
}

fn boot(
    image: &Image,
    counted: bool,
    settings: &Settings,
    console: &mut dyn Write,
) -> Result<u64, MachineError> {
    let files = image.files()?;
    let machine = Qemu {
        kernel: files.kernel(),
        archive: files.archive(),
        processors: if counted { 1 } else { settings.processors.into() },
        memory_mib: settings.memory_mib,
        counted,
        words: format!("first={}", settings.first),
    };
    let mut child = machine.command().stdout(Stdio::piped()).spawn().map_err(MachineError::Qemu)?;
    let mut said = child.stdout.take();
    let mut bytes = [0; 4096];
    let copied = loop {
        let read = said.as_mut().map_or(Ok(0), |said| said.read(&mut bytes));
        match read {
            Ok(0) => break Ok(()),
            Ok(length) => {
                if let Err(error) =
                    console.write_all(&bytes[..length]).and_then(|()| console.flush())
                {
                    break Err(error);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => break Err(error),
        }
    };
    if copied.is_err() {
        // It may have ended by itself; then there is nothing to end.
        let _ = child.kill();
    }
    let status = child.wait().map_err(MachineError::Qemu)?;
    copied.map_err(MachineError::Qemu)?;
    // The exit device answers 2n + 1; QEMU's own ends are even or have no code.
    match status.code() {
        Some(code) if code & 1 == 1 && code > 0 => Ok((code >> 1) as u64),
        _ => Err(MachineError::QemuEnded),
    }
}
