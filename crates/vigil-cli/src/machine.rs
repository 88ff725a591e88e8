//! The door to the machine: the program joins it to the crate that has one.

use std::error::Error;
use std::io::Write;

use vigil_base::Blame;

/// Where a machine runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MachineHome {
    /// On an emulated processor, under QEMU.
    Bare,
    /// The same, on one processor whose instructions are counted.
    Counted,
    /// On Linux, each Task a process.
    Hosted,
    /// On Linux, all Tasks in this process.
    Here,
}

/// What a machine starts with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MachineSettings {
    /// The Task file that becomes the first Task.
    pub first: String,
    /// Processors.
    pub processors: u16,
    /// Memory, in MiB.
    pub memory_mib: u32,
}

/// Why a machine did not run.
#[derive(Debug)]
pub struct MachineFailure {
    /// Who can mend it.
    pub blame: Blame,
    /// What went wrong.
    pub source: Box<dyn Error + Send + Sync>,
    /// What to do about it, if anything is known.
    pub hint: Option<String>,
}

/// Runs machines.
pub trait MachineDoor: Send + Sync {
    /// Runs one until it switches itself off, and returns the code that it did so with. What it says
    /// goes to `console`; `say` is told of whatever takes long before that.
    fn power_on(
        &self,
        home: MachineHome,
        settings: &MachineSettings,
        console: &mut dyn Write,
        say: &dyn Fn(&str),
    ) -> Result<u64, MachineFailure>;
}
