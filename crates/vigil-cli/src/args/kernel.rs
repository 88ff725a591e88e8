//! The commands that resolve URIs and pipelines through the kernel.

use std::path::PathBuf;

use clap::Subcommand;
use vigil_base::Uri;
use vigil_kernel::{Identifier, MediaType, render_pipeline};

use super::{FormatArgs, help, parse_media_type, parse_pipeline, parse_target};

/// A URI of the store, or any other URI or pipeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Its one URI.
    pub uri: Identifier,
    /// The same as a URI of the store, where it is one.
    pub plain: Option<Uri>,
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&render_pipeline(&self.uri))
    }
}

/// What may be read to resolve something, and what is recorded meanwhile.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Resolving")]
pub struct ReachArgs {
    /// Let `file:PATH` name files and folders below this folder [default: the one that you are in]
    #[arg(long, value_name = "FOLDER")]
    pub files: Option<PathBuf>,
    /// Also use what this machine has made, by its store's site; may be given more than once
    #[arg(long, value_name = "SITE")]
    pub accept: Vec<String>,
    /// Make everything anew, whatever was kept of earlier runs
    #[arg(long)]
    pub fresh: bool,
    /// Use what they have made only if so many of them agree, and none disagrees
    #[arg(long, value_name = "COUNT", requires = "accept", value_parser = clap::value_parser!(u16).range(1..))]
    pub agreeing: Option<u16>,
    /// Record what ran when, as a file that chrome://tracing and Perfetto show
    #[arg(long, value_name = "FILE")]
    pub profile: Option<PathBuf>,
}

/// What is to be resolved, and what may be read for that.
#[derive(Clone, Debug, clap::Args)]
pub struct RequestArgs {
    /// A URI, or a URI and calls behind bars: '@home/notes.txt | head 3'
    #[arg(value_name = "PIPELINE", value_parser = parse_target)]
    pub target: Target,
    /// The media type that is wanted, if it is not what comes
    #[arg(long = "as", value_name = "TYPE", value_parser = parse_media_type)]
    pub wanted: Option<MediaType>,
    /// What may be read
    #[command(flatten)]
    pub reach: ReachArgs,
}

/// Arguments of `vigil resolve`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = help::RESOLVE)]
pub struct ResolveArgs {
    /// What is to be resolved
    #[command(flatten)]
    pub request: RequestArgs,
    /// Tell, step by step, who would answer, instead of asking
    #[arg(long)]
    pub explain: bool,
    /// How to print
    #[command(flatten)]
    pub format: FormatArgs,
}

/// Arguments of `vigil why`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = help::WHY)]
pub struct WhyArgs {
    /// What is to be resolved
    #[command(flatten)]
    pub request: RequestArgs,
    /// How to print
    #[command(flatten)]
    pub format: FormatArgs,
}

/// Arguments of `vigil watch`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = help::WATCH)]
pub struct WatchArgs {
    /// What is to be resolved
    #[command(flatten)]
    pub request: RequestArgs,
    /// Run this in a shell after each change; VIGIL_VCID and VIGIL_URI tell what it is now
    #[arg(long, value_name = "COMMAND")]
    pub exec: Option<String>,
    /// End after the first change
    #[arg(long)]
    pub once: bool,
    /// How to print
    #[command(flatten)]
    pub format: FormatArgs,
}

/// Arguments of `vigil endpoints`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = help::ENDPOINTS)]
pub struct EndpointsArgs {
    /// Tell more about this one
    #[arg(value_name = "NAME")]
    pub name: Option<String>,
    /// List which calls lead from one media type to another
    #[arg(long, conflicts_with = "name")]
    pub converters: bool,
    /// How to print
    #[command(flatten)]
    pub format: FormatArgs,
}

/// Arguments of `vigil complete`, which the completions of shells call.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = help::COMPLETE)]
pub struct CompleteArgs {
    /// The line as it is typed so far
    #[arg(value_name = "LINE")]
    pub line: String,
    /// Characters at which the shell breaks words
    #[arg(long, value_name = "CHARACTERS", default_value = "")]
    pub breaks: String,
}

/// What to do with traces.
#[derive(Clone, Debug, Subcommand)]
pub enum TraceCommand {
    /// Write the traces that an answer rests on to a file
    #[command(after_help = help::TRACE_EXPORT)]
    Export {
        /// What is to be resolved
        #[command(flatten)]
        request: RequestArgs,
        /// The file
        #[arg(long, short, value_name = "FILE")]
        output: PathBuf,
    },
    /// Take in traces that another store has written
    #[command(after_help = help::TRACE_IMPORT)]
    Import {
        /// The files
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// How to print
        #[command(flatten)]
        format: FormatArgs,
    },
}

/// Reads a URI or a pipeline that names no store's URI first.
pub(super) fn pipeline_of(text: &str) -> Result<Target, super::ValueError> {
    Ok(Target { uri: parse_pipeline(text)?, plain: None })
}
