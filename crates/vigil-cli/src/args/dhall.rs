//! `vigil dhall`: the language of builds.

use std::path::PathBuf;

use clap::Subcommand;

use super::help_dhall as help;
use super::{FormatArgs, parse_size};

/// Where an expression is read from.
#[derive(Clone, Debug, clap::Args)]
pub struct DhallInput {
    /// The file to read; - for standard input
    #[arg(value_name = "FILE", default_value = "-")]
    pub file: PathBuf,
    /// What imports and evaluation may do
    #[command(flatten)]
    pub bounds: DhallBounds,
}

/// What imports and evaluation may do.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Imports and limits")]
pub struct DhallBounds {
    /// Neither read nor fill the cache of imports
    #[arg(long)]
    pub no_cache: bool,
    /// Also read and fill dhall-haskell's cache of imports without a hash, which cannot be verified
    #[arg(long, conflicts_with = "no_cache")]
    pub semi_semantic_cache: bool,
    /// Refuse imports from the web
    #[arg(long)]
    pub offline: bool,
    /// How deep expressions may nest [default: 20000]
    #[arg(long, value_name = "LEVELS")]
    pub max_depth: Option<usize>,
    /// How many reductions evaluation may take [default: 1000000000]
    #[arg(long, value_name = "COUNT")]
    pub max_steps: Option<u64>,
    /// How many bytes of results evaluation may build [default: 4GiB]
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub max_memory: Option<u64>,
    /// How many imports may be loaded [default: 10000]
    #[arg(long, value_name = "COUNT")]
    pub max_imports: Option<usize>,
    /// How large one import may be [default: 256MiB]
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub max_import_size: Option<u64>,
}

/// How expressions are printed.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
pub struct DhallSigns {
    /// Write \, forall and -> for λ, ∀ and →
    #[arg(long)]
    pub ascii: bool,
}

/// Arguments of `vigil dhall type`, `normalize` and `resolve`.
#[derive(Clone, Debug, clap::Args)]
pub struct DhallPrintArgs {
    /// What to read
    #[command(flatten)]
    pub input: DhallInput,
    /// Which signs to print
    #[command(flatten)]
    pub signs: DhallSigns,
    /// How to print
    #[command(flatten)]
    pub format: FormatArgs,
}

/// Arguments of `vigil dhall normalize`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = help::NORMALIZE)]
pub struct DhallNormalizeArgs {
    /// Call every bound variable _, as hashing does
    #[arg(long)]
    pub alpha: bool,
    /// What to read, and how to print
    #[command(flatten)]
    pub print: DhallPrintArgs,
}

/// Arguments of `vigil dhall hash`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = help::HASH)]
pub struct DhallHashArgs {
    /// What to read
    #[command(flatten)]
    pub input: DhallInput,
    /// How to print
    #[command(flatten)]
    pub format: FormatArgs,
}

/// What becomes of a text that was written anew.
#[derive(Clone, Debug, clap::Args)]
pub struct DhallRewriteArgs {
    /// The files to read; - for standard input
    #[arg(value_name = "FILE", default_value = "-", num_args = 1..)]
    pub files: Vec<PathBuf>,
    /// Write each file anew, if it changes, instead of printing it
    #[arg(long, visible_alias = "in-place", conflicts_with = "check")]
    pub inplace: bool,
    /// Write nothing; refuse what would change
    #[arg(long)]
    pub check: bool,
    /// Also take the files that these import, by relative paths, and so on; each once, and
    /// before what imports it
    #[arg(long)]
    pub transitive: bool,
    /// Write \, forall and -> for λ, ∀ and → [default: as the file has them]
    #[arg(long, conflicts_with = "unicode")]
    pub ascii: bool,
    /// Write λ, ∀ and → for \, forall and -> [default: as the file has them]
    #[arg(long)]
    pub unicode: bool,
    /// How to print
    #[command(flatten)]
    pub format: FormatArgs,
}

/// Arguments of `vigil dhall freeze`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = help::FREEZE)]
pub struct DhallFreezeArgs {
    /// Freeze imports of files and variables, too, not only those from the web
    #[arg(long)]
    pub all: bool,
    /// Use hashes for the cache only: what has changed is imported all the same
    #[arg(long)]
    pub cache: bool,
    /// What to read and write
    #[command(flatten)]
    pub rewrite: DhallRewriteArgs,
    /// What imports and evaluation may do
    #[command(flatten)]
    pub bounds: DhallBounds,
}

/// Arguments of `vigil dhall diff`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = help::DIFF)]
pub struct DhallDiffArgs {
    /// The first file; - for standard input
    pub left: PathBuf,
    /// The second file
    pub right: PathBuf,
    /// What imports and evaluation may do
    #[command(flatten)]
    pub bounds: DhallBounds,
    /// How to print
    #[command(flatten)]
    pub format: FormatArgs,
}

/// Arguments of `vigil dhall from-json`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = help::FROM_JSON)]
pub struct DhallFromJsonArgs {
    /// The type that the JSON has, as an expression, such as 'List Natural' or ./Type.dhall
    #[arg(value_name = "TYPE")]
    pub ty: String,
    /// What to read
    #[command(flatten)]
    pub input: DhallInput,
    /// Which signs to print
    #[command(flatten)]
    pub signs: DhallSigns,
}

/// What to do with expressions of the language Dhall.
#[derive(Clone, Debug, Subcommand)]
pub enum DhallCommand {
    /// Print the type of an expression
    #[command(after_help = help::TYPE)]
    Type(DhallPrintArgs),
    /// Print the normal form of an expression
    Normalize(DhallNormalizeArgs),
    /// Print the semantic hash of an expression: that of its normal form
    Hash(DhallHashArgs),
    /// Add to imports the hash of what they lead to
    Freeze(DhallFreezeArgs),
    /// Simplify and mend an expression, and format it
    #[command(after_help = help::LINT)]
    Lint(DhallRewriteArgs),
    /// Write an expression in the standard style, with its comments
    #[command(after_help = help::FORMAT)]
    Format(DhallRewriteArgs),
    /// Tell in what the normal forms of two files differ
    Diff(DhallDiffArgs),
    /// Print an expression with its imports resolved
    #[command(after_help = help::RESOLVE)]
    Resolve(DhallPrintArgs),
    /// Write the binary form of an expression, imports and all
    #[command(after_help = help::ENCODE)]
    Encode {
        /// The file to read; - for standard input
        #[arg(value_name = "FILE", default_value = "-")]
        file: PathBuf,
    },
    /// Print the expression that a binary form stands for
    #[command(after_help = help::DECODE)]
    Decode {
        /// The file to read; - for standard input
        #[arg(value_name = "FILE", default_value = "-")]
        file: PathBuf,
        /// Which signs to print
        #[command(flatten)]
        signs: DhallSigns,
        /// How to print
        #[command(flatten)]
        format: FormatArgs,
    },
    /// Print data as JSON
    #[command(after_help = help::TO_JSON)]
    ToJson(DhallInput),
    /// Print data as YAML
    #[command(after_help = help::TO_YAML)]
    ToYaml(DhallInput),
    /// Print the expression that JSON is under a type
    FromJson(DhallFromJsonArgs),
    /// Evaluate what is typed, line by line
    #[command(after_help = help::REPL)]
    Repl {
        /// What imports and evaluation may do
        #[command(flatten)]
        bounds: DhallBounds,
    },
    /// Serve an editor through the language server protocol, on standard input and output
    #[command(after_help = help::LSP)]
    Lsp {
        /// What imports and evaluation may do
        #[command(flatten)]
        bounds: DhallBounds,
    },
}

impl DhallCommand {
    /// Returns every path that was typed.
    pub(crate) fn paths_mut(&mut self) -> Vec<&mut PathBuf> {
        match self {
            Self::Type(args) | Self::Resolve(args) => vec![&mut args.input.file],
            Self::Normalize(args) => vec![&mut args.print.input.file],
            Self::Hash(args) => vec![&mut args.input.file],
            Self::Freeze(args) => args.rewrite.files.iter_mut().collect(),
            Self::Lint(args) | Self::Format(args) => args.files.iter_mut().collect(),
            Self::Diff(args) => vec![&mut args.left, &mut args.right],
            Self::Encode { file } | Self::Decode { file, .. } => vec![file],
            Self::ToJson(input) | Self::ToYaml(input) => vec![&mut input.file],
            Self::FromJson(args) => vec![&mut args.input.file],
            Self::Repl { .. } | Self::Lsp { .. } => Vec::new(),
        }
    }
}
