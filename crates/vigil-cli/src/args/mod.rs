//! The arguments: one table from which parsing, help, manual pages and completions come.
//!
//! Here a command line becomes checked text. What depends on the environment comes later, in
//! [`Args::resolve`].

mod agent;
mod attest;
mod data;
mod dhall;
mod help;
mod help_dhall;
mod help_log;
mod help_pkg;
mod help_sign;
mod help_trust;
mod kernel;
mod log;
mod pkg;
mod query;
mod setup;
mod sign;
mod tier;
mod trust;
mod upkeep;
mod values;
mod vectra;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{CommandFactory as _, Parser, Subcommand};

pub use agent::{AgentCommand, SocketArgs};
pub use attest::{AttestArgs, AttestCommand, SLSA};
pub use data::{
    AddArgs, AnyName, CatArgs, DiffArgs, GetArgs, ListArgs, NameCommand, StatArgs, TarArgs,
};
pub use dhall::{
    DhallBounds, DhallCommand, DhallDiffArgs, DhallFreezeArgs, DhallFromJsonArgs, DhallHashArgs,
    DhallInput, DhallNormalizeArgs, DhallPrintArgs, DhallRewriteArgs, DhallSigns,
};
pub use kernel::{
    CompleteArgs, EndpointsArgs, ReachArgs, RequestArgs, ResolveArgs, Target, TraceCommand,
    WatchArgs, WhyArgs,
};
pub use log::{
    LogAppendArgs, LogCommand, LogCosignArgs, LogInitArgs, LogMonitorArgs, LogProveArgs,
    LogServeArgs, LogTrustArgs, LogVerifyArgs, LogWitnessArgs,
};
pub use pkg::{
    PkgAttestArgs, PkgBuildArgs, PkgCommand, PkgInstallArgs, PkgPlaceArgs, PkgPublishArgs,
    PkgTrustArgs, PkgVerifyArgs, SignerArgs,
};
pub(crate) use query::check_name;
pub use query::{ResultFormat, SqlArgs};
pub use sign::{KeyFormat, SignArgs, SignFormat};
pub use tier::{TierAddArgs, TierChoice, TierCommand};
pub use trust::{
    CostArgs, MachineCommand, PassphraseArgs, PersonCommand, PersonKeyArgs, PersonNewArgs,
    PersonRecoverArgs, PuddleCheckArgs, PuddleCommand, PuddleGrantArgs, TimeSource,
};
pub use upkeep::{
    ArenaCommand, CompletionsArgs, GcArgs, KeepArgs, ManArgs, RepairArgs, StatusArgs, TourArgs,
    VerifyArgs, VersionArgs,
};
pub use values::{
    ByteRange, ValueError, parse_media_type, parse_name, parse_percent, parse_pipeline,
    parse_range, parse_size, parse_span, parse_target, parse_uri,
};
pub use vectra::{MachineArgs, VectraCommand, VectraRunArgs};

/// One address space of verified resources: keeps bytes under names that prove them.
///
/// Whatever you add is named by the SHA-256 of its bytes. Anybody who has the name can check the
/// bytes, wherever they come from; the same bytes are kept once, however often you add them.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "vigil",
    bin_name = "vigil",
    version,
    max_term_width = 100,
    disable_help_subcommand = false,
    infer_subcommands = false,
    after_help = help::PROGRAM
)]
pub struct Args {
    /// Where the store is and how much to say.
    #[command(flatten)]
    pub global: GlobalArgs,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Options that every command takes.
#[derive(Clone, Debug, clap::Args)]
pub struct GlobalArgs {
    /// The folder of the store, created on first use [env: VIGIL_STORE; default: vigil in your data folder]
    #[arg(long, global = true, value_name = "PATH", help_heading = "Global options")]
    pub store: Option<PathBuf>,
    /// Say nothing on standard error but errors
    #[arg(long, short, global = true, help_heading = "Global options")]
    pub quiet: bool,
    /// How many threads work at once [default: as many as there are processors]
    #[arg(
        long,
        global = true,
        value_name = "COUNT",
        value_parser = clap::value_parser!(u16).range(1..=1024),
        help_heading = "Global options"
    )]
    pub threads: Option<u16>,
}

/// What to do.
#[derive(Clone, Debug, Subcommand)]
#[non_exhaustive]
pub enum Command {
    /// Store files and folders, and print the URI of each
    Add(AddArgs),
    /// Get a file or a folder back
    Get(GetArgs),
    /// Write the bytes of files to standard output, one after another
    Cat(CatArgs),
    /// Write a tree to standard output as a tar stream
    Tar(TarArgs),
    /// List what is in a tree
    Ls(ListArgs),
    /// Tell what a URI leads to
    Stat(StatArgs),
    /// Tell in what two trees differ
    Diff(DiffArgs),
    /// Resolve a URI or a pipeline, and write what it gives to standard output
    Resolve(ResolveArgs),
    /// Tell how what a URI or a pipeline gives came about
    Why(WhyArgs),
    /// Resolve a URI or a pipeline, and again whenever something that it is made of changes
    Watch(WatchArgs),
    /// Ask resources with SQL: tables are URIs, and the answer is one, too
    Sql(Box<SqlArgs>),
    /// List who answers which URIs
    Endpoints(EndpointsArgs),
    /// Carry records of what was made from what to another store
    #[command(subcommand, after_help = help::TRACE)]
    Trace(TraceCommand),
    /// Print how a line could go on
    #[command(hide = true)]
    Complete(CompleteArgs),
    /// Give, show and take away names
    #[command(subcommand, after_help = help::NAME)]
    Name(NameCommand),
    /// Read back what is stored and compare it with its names
    Verify(VerifyArgs),
    /// Replace what is damaged by intact copies
    Repair(RepairArgs),
    /// Remove what no name leads to
    Gc(GcArgs),
    /// List arenas, seal them, and carry them from store to store as files
    #[command(subcommand, after_help = help::ARENA)]
    Arena(ArenaCommand),
    /// Keep arenas and blobs in a bucket or another folder, and read them from there
    #[command(subcommand, after_help = help::TIER)]
    Tier(TierCommand),
    /// Keep transparency logs, prove what is in them, and catch those that lie
    #[command(subcommand, after_help = help_log::LOG)]
    Log(LogCommand),
    /// Make packages, judge them by a policy, install them, and go back
    #[command(subcommand, after_help = help_pkg::PKG)]
    Pkg(PkgCommand),
    /// Evaluate, check, format and convert expressions of the language Dhall
    #[command(subcommand, after_help = help_dhall::DHALL)]
    Dhall(DhallCommand),
    /// Boot the machine, run its Tasks here, and see what they may do and cost
    #[command(subcommand, after_help = help::VECTRA)]
    Vectra(VectraCommand),
    /// Be somebody: make, recover and show a Person, and know others
    #[command(subcommand, after_help = help_trust::PERSON)]
    Person(PersonCommand),
    /// Give this machine a key of its own
    #[command(subcommand, after_help = help_trust::MACHINE)]
    Machine(MachineCommand),
    /// Join machines to one Person, and say what each may do
    #[command(subcommand, after_help = help_trust::PUDDLE)]
    Puddle(PuddleCommand),
    /// Keep this machine's key unlocked, and sign for git and ssh-keygen with it
    #[command(subcommand, after_help = help_sign::AGENT)]
    Agent(AgentCommand),
    /// Say something about bytes, signed, in a git repository, and check what others said
    Attest(AttestArgs),
    /// Sign bytes for minisign or signify to verify
    Sign(SignArgs),
    /// Tell what the store holds and how much room it takes
    Status(StatusArgs),
    /// Show the main things on real files, in seconds
    Tour(TourArgs),
    /// Print a script that completes commands in a shell
    Completions(CompletionsArgs),
    /// Print a page of the manual, or write all pages to a folder
    Man(ManArgs),
    /// Print the version
    Version(VersionArgs),
}

/// How data is printed.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct FormatArgs {
    /// Print JSON, with exact numbers and stable field names
    #[arg(long)]
    pub json: bool,
}

impl Args {
    /// Reads a command line, the program's name first.
    pub fn parse(argv: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        Self::try_parse_from(argv)
    }

    /// Returns the table of commands, from which help, manual and completions are made.
    pub fn table() -> clap::Command {
        Self::command()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sound() {
        Args::table().debug_assert();
    }

    /// Calls `check` with each command and subcommand, and its words.
    fn each(command: &clap::Command, words: &str, check: &mut dyn FnMut(&clap::Command, &str)) {
        for below in command.get_subcommands().filter(|below| below.get_name() != "help") {
            let words = format!("{words} {}", below.get_name());
            check(below, &words);
            each(below, &words, check);
        }
    }

    #[test]
    fn every_command_has_examples_and_says_what_its_json_means() {
        each(&Args::table(), "vigil", &mut |command, words| {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let lines = help.lines().filter(|line| line.starts_with("    $ "));
            assert!(lines.count() > 0, "`{words}` shows no example");
            let has_json = command.get_arguments().any(|argument| argument.get_id() == "json");
            assert_eq!(has_json, help.contains("With --json"), "`{words}`");
        });
    }
}
