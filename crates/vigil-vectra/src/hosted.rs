//! Running Tasks on this system.

use std::io::{self, Write};
use std::os::fd::AsFd as _;

use vectra_host::Start;

use crate::{MachineError, Settings};

/// Pages of a MiB.
const PAGES_PER_MIB: u32 = 256;

/// Runs the archive's Tasks, in this process or each in one of its own.
pub(crate) fn run(
    here: bool,
    archive: &[u8],
    settings: &Settings,
    console: &mut dyn Write,
    say: &dyn Fn(&str),
) -> Result<u64, MachineError> {
    let start = Start {
        archive,
        frames: settings.memory_mib.saturating_mul(PAGES_PER_MIB),
        first: &settings.first,
        console: Box::new(console),
        // Without standard input nobody can type, which is no reason not to run.
        typing: io::stdin().as_fd().try_clone_to_owned().ok(),
        processors: usize::from(settings.processors),
        limit: None,
        note: say,
    };
    Ok(if here { vectra_host::run_here(start) } else { vectra_host::run(start) }?)
}
