//! The commands that resolve URIs and pipelines through the kernel.

use std::path::PathBuf;

use vigil_kernel::{Identifier, MediaType};

use super::{FormatArgs, help, parse_media_type, parse_pipeline};

/// What is to be resolved, and what may be read for that.
#[derive(Clone, Debug, clap::Args)]
pub struct RequestArgs {
    /// A URI, or a URI and calls behind bars: '@home/notes.txt | head 3'
    #[arg(value_name = "PIPELINE", value_parser = parse_pipeline)]
    pub uri: Identifier,
    /// The media type that is wanted, if it is not what comes
    #[arg(long = "as", value_name = "TYPE", value_parser = parse_media_type)]
    pub wanted: Option<MediaType>,
    /// Let `file:PATH` name files below this folder
    #[arg(long, value_name = "FOLDER")]
    pub files: Option<PathBuf>,
}

/// Arguments of `vigil resolve`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = help::RESOLVE)]
pub struct ResolveArgs {
    /// What is to be resolved
    #[command(flatten)]
    pub request: RequestArgs,
    /// Tell, step by step, which endpoint answers the name, instead of asking it
    #[arg(long)]
    pub explain: bool,
}

/// Arguments of `vigil why`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = help::WHY)]
pub struct WhyArgs {
    /// What is to be resolved
    #[command(flatten)]
    pub request: RequestArgs,
}

/// Arguments of `vigil endpoints`.
#[derive(Clone, Copy, Debug, clap::Args)]
#[command(after_help = help::ENDPOINTS)]
pub struct EndpointsArgs {
    /// How to print
    #[command(flatten)]
    pub format: FormatArgs,
}
