//! `vigil attest`: signed words about bytes, in git.

use std::path::PathBuf;

use clap::Subcommand;

use super::agent::SocketArgs;
use super::{FormatArgs, ReachArgs, Target, help_sign, parse_target};

/// Arguments of `vigil attest`.
#[derive(Clone, Debug, clap::Args)]
#[command(
    after_help = help_sign::ATTEST,
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true
)]
pub struct AttestArgs {
    /// Look at attestations instead
    #[command(subcommand)]
    pub command: Option<AttestCommand>,
    /// What is attested: a URI, or a URI and calls behind bars
    #[arg(value_name = "URI", value_parser = parse_target, required = true)]
    pub target: Option<Target>,
    /// What kind of thing is said: a URI, or `slsa` for how it came about
    #[arg(long, value_name = "TYPE", value_parser = parse_predicate, required = true)]
    pub predicate: Option<String>,
    /// What is said: a file with a JSON object
    #[arg(long, value_name = "FILE")]
    pub data: Option<PathBuf>,
    /// A folder in the git repository that it goes to [default: the folder that you are in]
    #[arg(long, value_name = "PATH")]
    pub repository: Option<PathBuf>,
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

/// What to do about attestations that are there.
#[derive(Clone, Debug, Subcommand)]
pub enum AttestCommand {
    /// Check every attestation of a repository against a list of signers
    #[command(after_help = help_sign::ATTEST_VERIFY)]
    Verify {
        /// Whom to believe: a file such as `vigil attest signers` prints [default: this Person's machines]
        #[arg(long, value_name = "FILE")]
        signers: Option<PathBuf>,
        /// A folder in the repository [default: the folder that you are in]
        #[arg(long, value_name = "PATH")]
        repository: Option<PathBuf>,
        /// How to print
        #[command(flatten)]
        format: FormatArgs,
    },
    /// List what the attestations of a repository or of feeds say, believed or not
    #[command(after_help = help_sign::ATTEST_LIST)]
    List {
        /// A folder in the repository [default: the folder that you are in]
        #[arg(long, value_name = "PATH")]
        repository: Option<PathBuf>,
        /// List what the feeds of this machine's puddle, and of those that it follows, have instead
        #[arg(long, conflicts_with = "repository")]
        feeds: bool,
        /// How to print
        #[command(flatten)]
        format: FormatArgs,
    },
    /// Print the list of signers that ssh-keygen and git need to believe this Person's machines
    #[command(after_help = help_sign::ATTEST_SIGNERS)]
    Signers,
}

/// The word for provenance as SLSA has it.
pub const SLSA: &str = "slsa";

fn parse_predicate(text: &str) -> Result<String, String> {
    let is_uri = text.split_once(':').is_some_and(|(scheme, rest)| {
        let is_scheme = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
        !scheme.is_empty() && scheme.chars().all(is_scheme) && !rest.is_empty()
    });
    let is_plain = !text.chars().any(|c| c.is_control() || c.is_whitespace());
    if text == SLSA || is_uri && is_plain {
        return Ok(text.to_owned());
    }
    Err(format!("a type is `{SLSA}` or a URI, such as https://example.org/reviewed/v1"))
}

impl AttestArgs {
    pub(crate) fn paths_mut(&mut self) -> Vec<&mut PathBuf> {
        let below: Vec<&mut Option<PathBuf>> = match &mut self.command {
            Some(AttestCommand::Verify { signers, repository, .. }) => vec![signers, repository],
            Some(AttestCommand::List { repository, .. }) => vec![repository],
            Some(AttestCommand::Signers) | None => Vec::new(),
        };
        let own = [&mut self.data, &mut self.repository, &mut self.socket.socket];
        below.into_iter().chain(own).flatten().collect()
    }
}
