//! `vigil agent`: the key that is unlocked once.

use std::path::PathBuf;

use clap::Subcommand;

use super::{FormatArgs, KeyFormat, PassphraseArgs, PersonKeyArgs, help_sign};

/// Where the agent listens.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct SocketArgs {
    /// The agent's socket [default: in XDG_RUNTIME_DIR, or beside the sealed key]
    #[arg(long, value_name = "PATH")]
    pub socket: Option<PathBuf>,
}

/// What to do about the agent.
#[derive(Clone, Debug, Subcommand)]
pub enum AgentCommand {
    /// Unlock this machine's key and keep it at hand; print what a shell is to know
    #[command(after_help = help_sign::AGENT_START)]
    Start {
        /// Stay here instead of going to the background
        #[arg(long)]
        foreground: bool,
        /// Where to listen
        #[command(flatten)]
        socket: SocketArgs,
        /// Where the passphrase comes from
        #[command(flatten)]
        passphrase: PassphraseArgs,
    },
    /// Tell whether an agent runs, and whether it is of use
    #[command(after_help = help_sign::AGENT_STATUS)]
    Status {
        /// Where it listens
        #[command(flatten)]
        socket: SocketArgs,
        /// How to print
        #[command(flatten)]
        format: FormatArgs,
    },
    /// Print the key with which another tool verifies what this machine signs
    #[command(after_help = help_sign::AGENT_KEY)]
    Key {
        /// The tool, or the format
        format: KeyFormat,
        /// Where it listens
        #[command(flatten)]
        socket: SocketArgs,
        /// How to print
        #[command(flatten)]
        output: FormatArgs,
    },
    /// Have the agent wipe the key until the passphrase comes
    #[command(after_help = help_sign::AGENT_LOCK)]
    Lock {
        /// Where it listens
        #[command(flatten)]
        socket: SocketArgs,
    },
    /// Give the agent the passphrase
    #[command(after_help = help_sign::AGENT_UNLOCK)]
    Unlock {
        /// Where it listens
        #[command(flatten)]
        socket: SocketArgs,
        /// Where the passphrase comes from
        #[command(flatten)]
        passphrase: PassphraseArgs,
    },
    /// End the agent
    #[command(after_help = help_sign::AGENT_STOP)]
    Stop {
        /// Where it listens
        #[command(flatten)]
        socket: SocketArgs,
    },
    /// Have the Person certify this machine's SSH key, or another machine's, for stock tools
    #[command(after_help = help_sign::AGENT_CERTIFY)]
    Certify {
        /// Print what the Person's machine needs to certify this one
        #[arg(long, conflicts_with_all = ["request_file", "take"])]
        request: bool,
        /// Certify the machine that this came from, and print the certificate
        #[arg(long = "for", value_name = "FILE", conflicts_with = "take")]
        request_file: Option<PathBuf>,
        /// Keep the certificate that came back
        #[arg(long, value_name = "FILE")]
        take: Option<PathBuf>,
        /// Where the Person's key comes from
        #[command(flatten)]
        person: PersonKeyArgs,
        /// Where the machine's passphrase comes from
        #[command(flatten)]
        passphrase: PassphraseArgs,
    },
}

impl AgentCommand {
    pub(crate) fn paths_mut(&mut self) -> Vec<&mut PathBuf> {
        let optional: Vec<&mut Option<PathBuf>> = match self {
            Self::Start { socket, passphrase, .. } | Self::Unlock { socket, passphrase } => {
                vec![&mut socket.socket, &mut passphrase.passphrase_file]
            }
            Self::Status { socket, .. }
            | Self::Key { socket, .. }
            | Self::Lock { socket }
            | Self::Stop { socket } => vec![&mut socket.socket],
            Self::Certify { request_file, take, person, passphrase, .. } => vec![
                request_file,
                take,
                &mut person.words_file,
                &mut person.person_passphrase_file,
                &mut passphrase.passphrase_file,
            ],
        };
        optional.into_iter().flatten().collect()
    }
}
