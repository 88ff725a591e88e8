//! The commands that move data and names.

use std::path::PathBuf;

use clap::Subcommand;
use vigil_base::{Name, Vcid};
use vigil_trust::names::{AttName, check_domain};

use super::{
    ByteRange, FormatArgs, PassphraseArgs, ReachArgs, Target, help, help_sign, parse_name,
    parse_range, parse_size, parse_target,
};

/// Arguments of `vigil add`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = help::ADD)]
pub struct AddArgs {
    /// Files and folders to store; `-` stores what standard input gives
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Also let this name mean what is added; what it meant before stays reachable as NAME~1
    #[arg(long, value_name = "NAME", value_parser = parse_name)]
    pub name: Option<Name>,
    /// Leave out what matches, written as in .gitignore; may be given more than once
    #[arg(long, value_name = "PATTERN")]
    pub exclude: Vec<String>,
    /// Also keep times, owners, modes, extended attributes and hard links, in a record beside the tree
    #[arg(long)]
    pub metadata: bool,
    /// Obey .gitignore and .vigilignore files
    #[arg(long)]
    pub ignore_files: bool,
    /// Refuse files that are longer [default: 256GiB]
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub max_file_size: Option<u64>,
    /// Read every file, even those that have not changed since they were last added
    #[arg(long)]
    pub no_cache: bool,
    /// How to print
    #[command(flatten)]
    pub format: FormatArgs,
}

/// Arguments of `vigil get`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = help::GET)]
pub struct GetArgs {
    /// What to get: a URI, or a URI and calls behind bars
    #[arg(value_name = "URI", value_parser = parse_target)]
    pub target: Target,
    /// Where to put it; without this, the bytes of a file go to standard output
    #[arg(long, short, value_name = "PATH")]
    pub output: Option<PathBuf>,
    /// Only these bytes of a file: from START up to, not including, END
    #[arg(long, value_name = "START-END", value_parser = parse_range)]
    pub range: Option<ByteRange>,
    /// Also restore times, owners, modes, extended attributes and hard links: those kept with the name,
    /// or those of the record that is given
    #[arg(
        long,
        value_name = "RECORD",
        num_args = 0..=1,
        require_equals = true,
        requires = "output",
        conflicts_with = "range"
    )]
    pub metadata: Option<Option<Vcid>>,
    /// Replace files that are in the way
    #[arg(long, requires = "output")]
    pub overwrite: bool,
    /// What may be read
    #[command(flatten)]
    pub reach: ReachArgs,
}

/// Arguments of `vigil cat`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = help::CAT)]
pub struct CatArgs {
    /// The files: URIs, or URIs and calls behind bars
    #[arg(required = true, value_name = "URI", value_parser = parse_target)]
    pub targets: Vec<Target>,
    /// What may be read
    #[command(flatten)]
    pub reach: ReachArgs,
}

/// Arguments of `vigil tar`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = help::TAR)]
pub struct TarArgs {
    /// The tree: a URI, or a URI and calls behind bars
    #[arg(value_name = "URI", value_parser = parse_target)]
    pub target: Target,
    /// What may be read
    #[command(flatten)]
    pub reach: ReachArgs,
}

/// Arguments of `vigil ls`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = help::LS)]
pub struct ListArgs {
    /// The tree: a URI, or a URI and calls behind bars
    #[arg(value_name = "URI", value_parser = parse_target)]
    pub target: Target,
    /// What may be read
    #[command(flatten)]
    pub reach: ReachArgs,
    /// Also tell kind, size and Vcid
    #[arg(long, short)]
    pub long: bool,
    /// Also list what is in the folders inside
    #[arg(long, short = 'R')]
    pub recursive: bool,
    /// How to print
    #[command(flatten)]
    pub format: FormatArgs,
}

/// Arguments of `vigil stat`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = help::STAT)]
pub struct StatArgs {
    /// What to look at: a URI, or a URI and calls behind bars
    #[arg(value_name = "URI", value_parser = parse_target)]
    pub target: Target,
    /// What may be read
    #[command(flatten)]
    pub reach: ReachArgs,
    /// How to print
    #[command(flatten)]
    pub format: FormatArgs,
}

/// Arguments of `vigil diff`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = help::DIFF)]
pub struct DiffArgs {
    /// The tree to compare from
    #[arg(value_name = "LEFT-URI", value_parser = parse_target)]
    pub left: Target,
    /// The tree to compare to
    #[arg(value_name = "RIGHT-URI", value_parser = parse_target)]
    pub right: Target,
    /// What may be read
    #[command(flatten)]
    pub reach: ReachArgs,
    /// How to print
    #[command(flatten)]
    pub format: FormatArgs,
}

/// What to do with names.
#[derive(Clone, Debug, Subcommand)]
pub enum NameCommand {
    /// List all names and what they mean
    #[command(after_help = help::NAME_LIST)]
    List {
        /// List the names that people vouch for: att://domain/name@version
        #[arg(long)]
        shared: bool,
        /// How to print
        #[command(flatten)]
        format: FormatArgs,
    },
    /// Show what a name has meant, the newest first
    #[command(after_help = help::NAME_SHOW)]
    Show {
        /// The name
        #[arg(value_parser = parse_name)]
        name: Name,
        /// How to print
        #[command(flatten)]
        format: FormatArgs,
    },
    /// Let a name mean something that is stored
    #[command(after_help = help::NAME_SET)]
    Set {
        /// The name: this machine's own, or att://domain/name@version for this Person's machines
        #[arg(value_parser = parse_any_name)]
        name: AnyName,
        /// What it is to mean: a URI, or a URI and calls behind bars
        #[arg(value_name = "URI", value_parser = parse_target)]
        target: Target,
        /// What may be read
        #[command(flatten)]
        reach: ReachArgs,
        /// Where the machine's passphrase comes from, for a name that is vouched for
        #[command(flatten)]
        passphrase: PassphraseArgs,
    },
    /// Show all that was ever said of a name that people vouch for
    #[command(after_help = help_sign::NAME_HISTORY)]
    History {
        /// The name: att://domain/name@version
        #[arg(value_parser = parse_att_name)]
        name: AttName,
        /// How to print
        #[command(flatten)]
        format: FormatArgs,
    },
    /// Tell what a name that people vouch for means
    #[command(after_help = help_sign::NAME_RESOLVE)]
    Resolve {
        /// The name: att://domain/name@version
        #[arg(value_parser = parse_att_name)]
        name: AttName,
        /// How to print
        #[command(flatten)]
        format: FormatArgs,
    },
    /// Let another Person's puddle speak for a domain here, or bring news of one that does
    #[command(after_help = help_sign::NAME_FOLLOW)]
    Follow {
        /// The domain
        #[arg(value_parser = parse_domain)]
        domain: String,
        /// What `vigil puddle export` packed there
        #[arg(value_name = "BUNDLE")]
        bundle: PathBuf,
    },
    /// Let this machine's own puddle speak for a domain again
    #[command(after_help = help_sign::NAME_UNFOLLOW)]
    Unfollow {
        /// The domain
        #[arg(value_parser = parse_domain)]
        domain: String,
    },
    /// List the domains that other puddles speak for here
    #[command(after_help = help_sign::NAME_DOMAINS)]
    Domains {
        /// How to print
        #[command(flatten)]
        format: FormatArgs,
    },
    /// Take a name away, with its history; what it meant stays stored until `vigil gc`
    #[command(after_help = help::NAME_REMOVE)]
    Remove {
        /// The name
        #[arg(value_parser = parse_name)]
        name: Name,
    },
}

/// A name: of this machine, or one that people vouch for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AnyName {
    /// This machine's own.
    Local(Name),
    /// This Person's machines'.
    Shared(AttName),
}

fn parse_att_name(text: &str) -> Result<AttName, String> {
    AttName::parse(text).map_err(|error| error.to_string())
}

fn parse_domain(text: &str) -> Result<String, String> {
    check_domain(text).map(|()| text.to_owned()).map_err(|error| error.to_string())
}

fn parse_any_name(text: &str) -> Result<AnyName, String> {
    if text.starts_with("att://") {
        return parse_att_name(text).map(AnyName::Shared);
    }
    parse_name(text).map(AnyName::Local).map_err(|error| error.to_string())
}
