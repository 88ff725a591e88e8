//! `vigil pkg`: packages.

use std::path::PathBuf;

use clap::Subcommand;
use vigil_base::{EntryName, TreePath};
use vigil_trust::names::AttName;
use vigil_trust::package::{Dependency, Need, PackageName};

use super::{FormatArgs, PassphraseArgs, help_pkg};

/// Arguments of `vigil pkg build`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = help_pkg::BUILD)]
pub struct PkgBuildArgs {
    /// The folder that the package holds
    pub folder: PathBuf,
    /// What it is called: domain/name@version
    #[arg(long, value_parser = parse_att_name)]
    pub name: AttName,
    /// What it is, in a line
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub summary: String,
    /// A program that it starts, and where it lies in the folder: NAME=PATH
    #[arg(long = "program", value_name = "NAME=PATH", value_parser = parse_program)]
    pub programs: Vec<(EntryName, TreePath)>,
    /// What it needs of the world, such as clock or network:example.org
    #[arg(long = "needs", value_name = "NEED", value_parser = Need::parse)]
    pub needs: Vec<Need>,
    /// A package that it needs, at this version or a later one: domain/name@version
    #[arg(long = "depends", value_name = "NAME@VERSION", value_parser = parse_dependency)]
    pub dependencies: Vec<Dependency>,
    /// Where the package goes
    #[arg(long, short, value_name = "FILE")]
    pub output: PathBuf,
    /// How to print
    #[command(flatten)]
    pub format: FormatArgs,
}

/// Arguments of `vigil pkg attest`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = help_pkg::ATTEST)]
pub struct PkgAttestArgs {
    /// The package that was rebuilt
    pub file: PathBuf,
    /// The folder that came out of the rebuild
    pub folder: PathBuf,
    /// What the build was seen to need of the world
    #[arg(long = "used", value_name = "NEED", value_parser = Need::parse)]
    pub used: Vec<Need>,
    /// Where the attestation goes
    #[arg(long, short, value_name = "FILE")]
    pub output: PathBuf,
    /// Who signs
    #[command(flatten)]
    pub signer: SignerArgs,
}

/// Who signs: this machine, by a grant of the Person, or the Person.
#[derive(Clone, Debug, clap::Args)]
pub struct SignerArgs {
    /// Sign as the Person whose words are in this file, not as this machine
    #[arg(long, value_name = "FILE")]
    pub words_file: Option<PathBuf>,
    /// Where the machine's passphrase comes from
    #[command(flatten)]
    pub passphrase: PassphraseArgs,
}

/// Arguments of `vigil pkg publish`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = help_pkg::PUBLISH)]
pub struct PkgPublishArgs {
    /// The package
    pub file: PathBuf,
    /// The folder of a log that the claim is appended to, and that the proof is from
    #[arg(long, value_name = "FOLDER")]
    pub log: Option<PathBuf>,
    /// The file of the log's secret key [default: FOLDER.key]
    #[arg(long, value_name = "FILE")]
    pub log_key: Option<PathBuf>,
    /// An attestation of a rebuilder
    #[arg(long = "attestation", value_name = "FILE")]
    pub attestations: Vec<PathBuf>,
    /// A .minisig over the manifest, as `vigil pkg inspect --manifest` writes it
    #[arg(long, value_name = "FILE")]
    pub minisign: Vec<PathBuf>,
    /// A sigstore bundle that says what was rebuilt
    #[arg(long, value_name = "FILE")]
    pub sigstore: Vec<PathBuf>,
    /// Sign nothing: only put in what was given
    #[arg(long)]
    pub unsigned: bool,
    /// Who signs
    #[command(flatten)]
    pub signer: SignerArgs,
    /// How to print
    #[command(flatten)]
    pub format: FormatArgs,
}

/// By what packages are judged.
#[derive(Clone, Debug, clap::Args)]
pub struct PkgTrustArgs {
    /// The policy [default: pkg.policy in the store, or what `vigil pkg policy` prints]
    #[arg(long, value_name = "FILE")]
    pub policy: Option<PathBuf>,
    /// What is known of somebody's puddle, as `vigil puddle export` packs it: what was revoked
    #[arg(long = "bundle", value_name = "FILE")]
    pub bundles: Vec<PathBuf>,
    /// A fraud proof against a log, from then on believed about nothing
    #[arg(long = "fraud", value_name = "FILE")]
    pub frauds: Vec<PathBuf>,
}

/// Where packages are installed.
#[derive(Clone, Debug, clap::Args)]
pub struct PkgPlaceArgs {
    /// The folder of what is installed [default: packages in the store]
    #[arg(long, value_name = "FOLDER")]
    pub into: Option<PathBuf>,
}

/// Arguments of `vigil pkg verify`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = help_pkg::VERIFY)]
pub struct PkgVerifyArgs {
    /// The packages
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Show how each fares by every rule
    #[arg(long)]
    pub explain: bool,
    /// By what it is judged
    #[command(flatten)]
    pub trust: PkgTrustArgs,
    /// Where what is installed lies
    #[command(flatten)]
    pub place: PkgPlaceArgs,
    /// How to print
    #[command(flatten)]
    pub format: FormatArgs,
}

/// Arguments of `vigil pkg install`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = help_pkg::INSTALL)]
pub struct PkgInstallArgs {
    /// The packages, and those that they need
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Let a package be older than what is installed
    #[arg(long)]
    pub allow_downgrade: bool,
    /// By what it is judged
    #[command(flatten)]
    pub trust: PkgTrustArgs,
    /// Where to install
    #[command(flatten)]
    pub place: PkgPlaceArgs,
    /// How to print
    #[command(flatten)]
    pub format: FormatArgs,
}

/// What to do with packages.
#[derive(Clone, Debug, Subcommand)]
pub enum PkgCommand {
    /// Make a package of a folder
    Build(PkgBuildArgs),
    /// Show what a package says, believing nothing
    #[command(after_help = help_pkg::INSPECT)]
    Inspect {
        /// The package
        file: PathBuf,
        /// Write the manifest's bytes here, for signatures in other formats
        #[arg(long, value_name = "FILE")]
        manifest: Option<PathBuf>,
        /// How to print
        #[command(flatten)]
        format: FormatArgs,
    },
    /// Say what came out of a rebuild of a package
    Attest(PkgAttestArgs),
    /// Sign a package, log it, and put in what others say of it
    Publish(Box<PkgPublishArgs>),
    /// Judge packages, with nothing else at hand
    Verify(PkgVerifyArgs),
    /// Install packages that the policy lets in, all or none
    Install(PkgInstallArgs),
    /// Remove packages, and what only they needed
    #[command(after_help = help_pkg::UNINSTALL)]
    Uninstall {
        /// The packages: domain/name
        #[arg(required = true, value_name = "PACKAGE", value_parser = PackageName::parse)]
        packages: Vec<PackageName>,
        /// Where they are installed
        #[command(flatten)]
        place: PkgPlaceArgs,
    },
    /// List what is installed
    #[command(after_help = help_pkg::LIST)]
    List {
        /// List generations instead
        #[arg(long)]
        generations: bool,
        /// Where it is installed
        #[command(flatten)]
        place: PkgPlaceArgs,
        /// How to print
        #[command(flatten)]
        format: FormatArgs,
    },
    /// Go back to what was installed before
    #[command(after_help = help_pkg::ROLLBACK)]
    Rollback {
        /// To this generation, not to the one before
        #[arg(long, value_name = "NUMBER")]
        to: Option<u64>,
        /// Where it is installed
        #[command(flatten)]
        place: PkgPlaceArgs,
    },
    /// Print the policy that holds where none is given, with all that could be said
    #[command(after_help = help_pkg::POLICY)]
    Policy,
}

impl SignerArgs {
    fn paths_mut(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        self.words_file.iter_mut().chain(self.passphrase.passphrase_file.iter_mut())
    }
}

impl PkgTrustArgs {
    fn paths_mut(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        self.policy.iter_mut().chain(&mut self.bundles).chain(&mut self.frauds)
    }
}

impl PkgCommand {
    /// Returns every path that was typed.
    pub fn paths_mut(&mut self) -> Vec<&mut PathBuf> {
        match self {
            Self::Build(args) => vec![&mut args.folder, &mut args.output],
            Self::Inspect { file, manifest, .. } => {
                std::iter::once(file).chain(manifest.iter_mut()).collect()
            }
            Self::Attest(args) => {
                let own = [&mut args.file, &mut args.folder, &mut args.output];
                own.into_iter().chain(args.signer.paths_mut()).collect()
            }
            Self::Publish(args) => std::iter::once(&mut args.file)
                .chain(args.log.iter_mut())
                .chain(args.log_key.iter_mut())
                .chain(&mut args.attestations)
                .chain(&mut args.minisign)
                .chain(&mut args.sigstore)
                .chain(args.signer.paths_mut())
                .collect(),
            Self::Verify(args) => {
                let trust = args.trust.paths_mut();
                args.files.iter_mut().chain(trust).chain(args.place.into.iter_mut()).collect()
            }
            Self::Install(args) => {
                let trust = args.trust.paths_mut();
                args.files.iter_mut().chain(trust).chain(args.place.into.iter_mut()).collect()
            }
            Self::Uninstall { place, .. }
            | Self::List { place, .. }
            | Self::Rollback { place, .. } => place.into.iter_mut().collect(),
            Self::Policy => Vec::new(),
        }
    }
}

fn parse_att_name(text: &str) -> Result<AttName, vigil_trust::names::AttNameError> {
    AttName::parse(text)
}

fn parse_dependency(text: &str) -> Result<Dependency, vigil_trust::names::AttNameError> {
    let name = AttName::parse(text)?;
    Ok(Dependency { package: PackageName::of(&name), least: name.version().into() })
}

fn parse_program(text: &str) -> Result<(EntryName, TreePath), String> {
    let (name, path) = text.split_once('=').ok_or("a program is NAME=PATH")?;
    let name = EntryName::new(name).map_err(|error| error.to_string())?;
    Ok((name, TreePath::parse(path).map_err(|error| error.to_string())?))
}
