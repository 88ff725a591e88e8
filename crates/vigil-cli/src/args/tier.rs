//! `vigil tier`: places that arenas and blobs are moved to.

use std::path::PathBuf;

use clap::Subcommand;
use vigil_base::{Name, Uri};

use super::{FormatArgs, help, parse_name, parse_uri};

/// Which tier is meant.
#[derive(Clone, Debug, clap::Args)]
pub struct TierChoice {
    /// The tier [default: the only one]
    #[arg(long = "tier", value_name = "NAME", value_parser = parse_name)]
    pub name: Option<Name>,
}

/// Arguments of `vigil tier add`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = help::TIER_ADD)]
pub struct TierAddArgs {
    /// Where it is: s3://BUCKET/PREFIX or file:///FOLDER
    pub address: String,
    /// What to call it here
    #[arg(long, default_value = "tier", value_parser = parse_name)]
    pub name: Name,
    /// The S3 server, such as http://127.0.0.1:9000 [default: AWS_ENDPOINT_URL_S3 or AWS's own]
    #[arg(long, value_name = "URL")]
    pub endpoint: Option<String>,
    /// The region [default: AWS_REGION, or the profile's]
    #[arg(long)]
    pub region: Option<String>,
    /// The profile whose keys to use [default: AWS_PROFILE, or the keys in the environment]
    #[arg(long)]
    pub profile: Option<String>,
    /// Encrypt everything there with the key in this file: 32 bytes, or 64 hexadecimal digits
    #[arg(long, value_name = "FILE", conflicts_with = "passphrase_file")]
    pub key_file: Option<PathBuf>,
    /// Encrypt everything there with the passphrase in this file
    #[arg(long, value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
    /// How to print
    #[command(flatten)]
    pub format: FormatArgs,
}

/// What to do with tiers.
#[derive(Clone, Debug, Subcommand)]
pub enum TierCommand {
    /// Remember a place, after asking whether it can be used
    Add(TierAddArgs),
    /// List the places that are remembered
    #[command(after_help = help::TIER_LIST)]
    List {
        /// How to print
        #[command(flatten)]
        format: FormatArgs,
    },
    /// Forget a place; what lies there stays there
    #[command(after_help = help::TIER_REMOVE)]
    Remove {
        /// Its name
        #[arg(value_parser = parse_name)]
        name: Name,
    },
    /// Send sealed arenas, or single blobs
    #[command(after_help = help::TIER_PUSH)]
    Push {
        /// Send the bytes that these URIs lead to instead of arenas
        #[arg(value_name = "URI", value_parser = parse_uri)]
        uris: Vec<Uri>,
        /// Send only this arena, as `vigil arena list` numbers it
        #[arg(long, value_name = "NUMBER", conflicts_with = "uris")]
        arena: Vec<u32>,
        /// Read each arena back, compare it, and then remove its file here
        #[arg(long = "move", conflicts_with = "uris")]
        moves: bool,
        /// Which tier
        #[command(flatten)]
        tier: TierChoice,
        /// How to print
        #[command(flatten)]
        format: FormatArgs,
    },
    /// Fetch the arenas that are not here, or single blobs, and compare them with their names
    #[command(after_help = help::TIER_PULL)]
    Pull {
        /// Fetch these blobs instead of arenas: ca:// URIs
        #[arg(value_name = "URI", value_parser = parse_uri)]
        uris: Vec<Uri>,
        /// Which tier
        #[command(flatten)]
        tier: TierChoice,
        /// How to print
        #[command(flatten)]
        format: FormatArgs,
    },
    /// Tell which arenas are here, which are there, and which at both places
    #[command(after_help = help::TIER_STATUS)]
    Status {
        /// Which tier
        #[command(flatten)]
        tier: TierChoice,
        /// How to print
        #[command(flatten)]
        format: FormatArgs,
    },
}
