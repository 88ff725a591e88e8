//! `vigil vectra`: the machine.

use clap::{ArgGroup, Subcommand};

use super::{FormatArgs, help};

/// What a machine starts with.
#[derive(Clone, Debug, clap::Args)]
pub struct MachineArgs {
    /// The Task file that becomes the first Task
    #[arg(long, value_name = "NAME", default_value = "initd")]
    pub first: String,
    /// How many processors it has
    #[arg(long, value_name = "COUNT", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=4))]
    pub processors: u16,
    /// How much memory it has, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 64, value_parser = clap::value_parser!(u32).range(16..=65536))]
    pub memory: u32,
}

/// Arguments of `vigil vectra run`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = help::VECTRA_RUN)]
#[command(group = ArgGroup::new("home").required(true).args(["hosted", "here"]))]
pub struct VectraRunArgs {
    /// Run each Task as a process of its own that can do nothing but compute and call
    #[arg(long)]
    pub hosted: bool,
    /// Run all Tasks in this process, for a debugger; nothing protects it from them
    #[arg(long)]
    pub here: bool,
    /// What it starts with
    #[command(flatten)]
    pub machine: MachineArgs,
}

/// What to do with the machine.
#[derive(Clone, Debug, Subcommand)]
pub enum VectraCommand {
    /// Boot it under QEMU, with its serial line on this terminal
    #[command(after_help = help::VECTRA_BOOT)]
    Boot {
        /// What it starts with
        #[command(flatten)]
        machine: MachineArgs,
    },
    /// Run the same Task files on Linux
    Run(VectraRunArgs),
    /// Show what each of its first Tasks may do, by name
    #[command(after_help = help::VECTRA_CAPS)]
    Caps {
        /// Show only this Task
        #[arg(value_name = "TASK")]
        task: Option<String>,
        /// How to print
        #[command(flatten)]
        format: FormatArgs,
    },
    /// Show what operations cost, counted in instructions
    #[command(after_help = help::VECTRA_PRICES)]
    Prices {
        /// How to print
        #[command(flatten)]
        format: FormatArgs,
    },
}
