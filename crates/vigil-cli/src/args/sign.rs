//! `vigil sign`: signatures in the formats of other tools.

use clap::ValueEnum;

use super::agent::SocketArgs;
use super::{FormatArgs, ReachArgs, Target, help_sign, parse_target};

/// A tool whose signatures are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SignFormat {
    /// A `.minisig` file, over the BLAKE2b-512 of the bytes
    Minisign,
    /// A signed list of checksums, for `signify -C`
    Signify,
}

/// A tool whose keys are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum KeyFormat {
    /// A line of `authorized_keys`
    Ssh,
    /// A `minisign.pub`
    Minisign,
    /// A `.pub` of signify's
    Signify,
    /// PEM, for those who verify DSSE envelopes
    Dsse,
}

/// Arguments of `vigil sign`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = help_sign::SIGN)]
pub struct SignArgs {
    /// What is signed: a URI, or a URI and calls behind bars
    #[arg(value_name = "URI", value_parser = parse_target)]
    pub target: Target,
    /// The tool that is to verify it
    #[arg(long = "as", value_name = "TOOL")]
    pub tool: SignFormat,
    /// What the file is called where it is verified [default: the last step of the URI]
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Where the agent listens
    #[command(flatten)]
    pub socket: SocketArgs,
    /// What may be read
    #[command(flatten)]
    pub reach: ReachArgs,
    /// How to print
    #[command(flatten)]
    pub format: FormatArgs,
}
