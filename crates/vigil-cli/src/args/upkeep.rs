//! The commands that look after a store, and those about the program itself.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use clap::Subcommand;

use super::{FormatArgs, help, parse_percent, parse_span};

/// Arguments of `vigil verify`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = help::VERIFY)]
pub struct VerifyArgs {
    /// Read everything; this is what happens without --sample
    #[arg(long, conflicts_with = "sample")]
    pub all: bool,
    /// Read only about this many of each hundred records, drawn at random
    #[arg(long, value_name = "PERCENT", value_parser = parse_percent)]
    pub sample: Option<u8>,
    /// How to print
    #[command(flatten)]
    pub format: FormatArgs,
}

/// Arguments of `vigil repair`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = help::REPAIR)]
pub struct RepairArgs {
    /// Arena files that may hold intact copies, such as those of `vigil arena export`
    #[arg(long, value_name = "ARENA-FILE", num_args = 1..)]
    pub from: Vec<PathBuf>,
    /// How to print
    #[command(flatten)]
    pub format: FormatArgs,
}

/// Arguments of `vigil gc`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = help::GC)]
pub struct GcArgs {
    /// Only tell what would happen
    #[arg(long)]
    pub dry_run: bool,
    /// How much of each name's history stays
    #[command(flatten)]
    pub keep: KeepArgs,
    /// How to print
    #[command(flatten)]
    pub format: FormatArgs,
}

/// How much of each name's history stays. Without any of these, all of it does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::Args)]
#[command(next_help_heading = "Which versions of each name to keep (default: all)")]
pub struct KeepArgs {
    /// The newest N
    #[arg(long, value_name = "N")]
    pub keep_last: Option<NonZeroU32>,
    /// The newest of each of the last N hours that have one
    #[arg(long, value_name = "N")]
    pub keep_hourly: Option<NonZeroU32>,
    /// The newest of each of the last N days that have one
    #[arg(long, value_name = "N")]
    pub keep_daily: Option<NonZeroU32>,
    /// The newest of each of the last N weeks that have one; weeks start on Monday
    #[arg(long, value_name = "N")]
    pub keep_weekly: Option<NonZeroU32>,
    /// The newest of each of the last N months that have one
    #[arg(long, value_name = "N")]
    pub keep_monthly: Option<NonZeroU32>,
    /// The newest of each of the last N years that have one
    #[arg(long, value_name = "N")]
    pub keep_yearly: Option<NonZeroU32>,
    /// Everything not older than this, counted back from the newest: 36h, 7d, 3w, 6m, 1y
    #[arg(long, value_name = "DURATION", value_parser = parse_span)]
    pub keep_within: Option<Duration>,
}

/// What to do with arenas.
#[derive(Clone, Debug, Subcommand)]
pub enum ArenaCommand {
    /// List the arenas
    #[command(after_help = help::ARENA_LIST)]
    List {
        /// How to print
        #[command(flatten)]
        format: FormatArgs,
    },
    /// Seal the arenas that nobody is writing to: they never change again
    #[command(after_help = help::ARENA_SEAL)]
    Seal {
        /// How to print
        #[command(flatten)]
        format: FormatArgs,
    },
    /// Write a sealed arena to a file, or to standard output
    #[command(after_help = help::ARENA_EXPORT)]
    Export {
        /// Its number, as `vigil arena list` shows it
        number: u32,
        /// The file, which must not exist yet
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Take in arena files, all or none, after comparing everything in them with its names
    #[command(after_help = help::ARENA_IMPORT)]
    Import {
        /// The files; `-` for standard input
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// How to print
        #[command(flatten)]
        format: FormatArgs,
    },
}

/// Arguments of `vigil status`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = help::STATUS)]
pub struct StatusArgs {
    /// How to print
    #[command(flatten)]
    pub format: FormatArgs,
}

/// Arguments of `vigil tour`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = help::TOUR)]
pub struct TourArgs {
    /// The folder to show things on [default: the checkout that you are in]
    pub folder: Option<PathBuf>,
}

/// Arguments of `vigil completions`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = help::COMPLETIONS)]
pub struct CompletionsArgs {
    /// The shell
    pub shell: clap_complete::Shell,
}

/// Arguments of `vigil man`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = help::MAN)]
pub struct ManArgs {
    /// The command that the page is about, such as `arena export` [default: vigil itself]
    #[arg(value_name = "COMMAND", conflicts_with = "output")]
    pub words: Vec<String>,
    /// Write all pages to this folder
    #[arg(long, short, value_name = "FOLDER")]
    pub output: Option<PathBuf>,
}

/// Arguments of `vigil version`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = help::VERSION)]
pub struct VersionArgs {
    /// How to print
    #[command(flatten)]
    pub format: FormatArgs,
}
