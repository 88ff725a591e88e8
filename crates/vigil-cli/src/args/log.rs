//! `vigil log`: transparency logs.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgGroup, Subcommand};

use super::{FormatArgs, help_log, parse_span};

/// Arguments of `vigil log init`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = help_log::INIT)]
pub struct LogInitArgs {
    /// The folder of the log
    pub folder: PathBuf,
    /// The log's name, such as example.com/log
    #[arg(long)]
    pub origin: String,
    /// The file of its secret key, made where there is none [default: FOLDER.key]
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
    /// How to print
    #[command(flatten)]
    pub format: FormatArgs,
}

/// Arguments of `vigil log append`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = help_log::APPEND)]
pub struct LogAppendArgs {
    /// The folder of the log
    pub folder: PathBuf,
    /// Each file is an entry; - is standard input
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Each line of the files is an entry, without its line feed
    #[arg(long)]
    pub lines: bool,
    /// The file of the log's secret key [default: FOLDER.key]
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
    /// How to print
    #[command(flatten)]
    pub format: FormatArgs,
}

/// Arguments of `vigil log prove`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = help_log::PROVE)]
#[command(group = ArgGroup::new("what").required(true).args(["index", "entry", "since"]))]
pub struct LogProveArgs {
    /// The folder of the log
    pub folder: PathBuf,
    /// Prove that this entry is in the log
    #[arg(long)]
    pub index: Option<u64>,
    /// Prove that the bytes of this file are an entry
    #[arg(long, value_name = "FILE")]
    pub entry: Option<PathBuf>,
    /// Prove that the log only grew since it had so many entries: a request to a witness
    #[arg(long, value_name = "SIZE")]
    pub since: Option<u64>,
    /// Where the proof goes [default: standard output]
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// Whom to believe.
#[derive(Clone, Debug, clap::Args)]
#[command(group = ArgGroup::new("trust").required(true).args(["policy", "log_key"]))]
pub struct LogTrustArgs {
    /// A policy file: logs, witnesses and a quorum
    #[arg(long, value_name = "FILE")]
    pub policy: Option<PathBuf>,
    /// The log's public key; no witness is asked for
    #[arg(long, value_name = "VKEY")]
    pub log_key: Option<String>,
}

/// Arguments of `vigil log verify`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = help_log::VERIFY)]
pub struct LogVerifyArgs {
    /// A .tlog-proof, a checkpoint, or a fraud proof
    pub file: PathBuf,
    /// The entry that the proof is about
    #[arg(long, value_name = "FILE")]
    pub entry: Option<PathBuf>,
    /// Count only witnesses that saw it within this time, such as 2d or 12h
    #[arg(long, value_name = "SPAN", value_parser = parse_span)]
    pub max_age: Option<Duration>,
    /// Whom to believe
    #[command(flatten)]
    pub trust: LogTrustArgs,
    /// How to print
    #[command(flatten)]
    pub format: FormatArgs,
}

/// Arguments of `vigil log witness`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = help_log::WITNESS)]
pub struct LogWitnessArgs {
    /// The folder of what the witness remembers
    pub folder: PathBuf,
    /// A request, as `vigil log prove --since` writes it; - is standard input
    #[arg(value_name = "REQUEST", requires = "log_keys")]
    pub request: Option<PathBuf>,
    /// The public key of a log that this witness looks at
    #[arg(long = "log-key", value_name = "VKEY")]
    pub log_keys: Vec<String>,
    /// The witness's name, when its key is made
    #[arg(long)]
    pub name: Option<String>,
    /// The file of its secret key, made where there is none [default: FOLDER.key]
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
    /// How to print
    #[command(flatten)]
    pub format: FormatArgs,
}

/// Arguments of `vigil log cosign`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = help_log::COSIGN)]
pub struct LogCosignArgs {
    /// The folder of the log
    pub folder: PathBuf,
    /// What a witness answered; - is standard input
    #[arg(value_name = "ANSWER")]
    pub answer: PathBuf,
    /// The public key of a witness whose signatures are welcome
    #[arg(long = "witness", value_name = "VKEY", required = true)]
    pub witnesses: Vec<String>,
    /// The file of the log's secret key [default: FOLDER.key]
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
    /// How to print
    #[command(flatten)]
    pub format: FormatArgs,
}

/// Arguments of `vigil log monitor`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = help_log::MONITOR)]
pub struct LogMonitorArgs {
    /// The folder of the log, or of a copy of it
    pub folder: PathBuf,
    /// The log's public key
    #[arg(long, value_name = "VKEY")]
    pub log_key: String,
    /// The file of what the monitor remembers, made at the first look
    #[arg(long, value_name = "FILE")]
    pub state: PathBuf,
    /// A copy of the log's folder as it was read before, to prove where a smaller view differs
    #[arg(long, value_name = "FOLDER")]
    pub copy: Option<PathBuf>,
    /// A checkpoint that somebody else was shown
    #[arg(long, value_name = "FILE")]
    pub gossip: Vec<PathBuf>,
    /// A fraud proof that somebody else made
    #[arg(long, value_name = "FILE")]
    pub freeze: Option<PathBuf>,
    /// Where a fraud proof goes
    #[arg(long, value_name = "FILE")]
    pub fraud: Option<PathBuf>,
    /// How to print
    #[command(flatten)]
    pub format: FormatArgs,
}

/// Arguments of `vigil log serve-dir`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = help_log::SERVE)]
pub struct LogServeArgs {
    /// The folder of the log
    pub folder: PathBuf,
    /// Where to listen; port 0 takes any that is free
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    pub listen: SocketAddr,
    /// Stop after so many answers
    #[arg(long, value_name = "COUNT")]
    pub answers: Option<u64>,
}

/// What to do with transparency logs.
#[derive(Clone, Debug, Subcommand)]
pub enum LogCommand {
    /// Start a log, and make its key
    Init(LogInitArgs),
    /// Append entries, and return when they are durable
    Append(LogAppendArgs),
    /// Prove that an entry is in a log, or that the log only grew
    Prove(LogProveArgs),
    /// Check a proof, a checkpoint or a fraud proof, with nothing else at hand
    Verify(LogVerifyArgs),
    /// Cosign what a log says, if it contains all that was cosigned before
    Witness(LogWitnessArgs),
    /// Add what witnesses answered to what the log says
    Cosign(LogCosignArgs),
    /// Read all that is new in a log, and catch it in a lie
    Monitor(LogMonitorArgs),
    /// Let a log be kept from an entry on only
    #[command(after_help = help_log::KEEP)]
    Keep {
        /// The folder of the log
        folder: PathBuf,
        /// The first entry that is kept
        #[arg(long, value_name = "INDEX")]
        from: u64,
        /// The file of the log's secret key [default: FOLDER.key]
        #[arg(long, value_name = "FILE")]
        key: Option<PathBuf>,
    },
    /// Serve the folder of a log over HTTP
    ServeDir(LogServeArgs),
}

impl LogCommand {
    /// Returns every path, to be looked for where the command was given.
    pub(crate) fn paths_mut(&mut self) -> Vec<&mut PathBuf> {
        match self {
            Self::Init(args) => [&mut args.folder].into_iter().chain(&mut args.key).collect(),
            Self::Append(args) => {
                let files = args.files.iter_mut().chain(&mut args.key);
                [&mut args.folder].into_iter().chain(files).collect()
            }
            Self::Prove(args) => {
                let files = args.entry.iter_mut().chain(&mut args.output);
                [&mut args.folder].into_iter().chain(files).collect()
            }
            Self::Verify(args) => {
                let files = args.entry.iter_mut().chain(&mut args.trust.policy);
                [&mut args.file].into_iter().chain(files).collect()
            }
            Self::Witness(args) => {
                let files = args.request.iter_mut().chain(&mut args.key);
                [&mut args.folder].into_iter().chain(files).collect()
            }
            Self::Cosign(args) => {
                [&mut args.folder, &mut args.answer].into_iter().chain(&mut args.key).collect()
            }
            Self::Monitor(args) => {
                let files = args.gossip.iter_mut().chain(&mut args.freeze).chain(&mut args.fraud);
                let files = files.chain(&mut args.copy);
                [&mut args.folder, &mut args.state].into_iter().chain(files).collect()
            }
            Self::Keep { folder, key, .. } => [folder].into_iter().chain(key).collect(),
            Self::ServeDir(args) => Vec::from([&mut args.folder]),
        }
    }
}
