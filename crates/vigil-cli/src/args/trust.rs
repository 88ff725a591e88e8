//! `vigil person`, `vigil machine` and `vigil puddle`: who signs, and who may do what.

use std::path::PathBuf;

use clap::Subcommand;
use vigil_base::Name;

use super::{FormatArgs, help_trust, parse_name, parse_size, parse_span};

/// Where a passphrase comes from.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct PassphraseArgs {
    /// Read the passphrase from the first line of this file instead of asking for it
    #[arg(long, value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
}

/// What guessing a passphrase is to cost.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct CostArgs {
    /// How much memory each guess takes: at least 64MiB
    #[arg(long, value_name = "SIZE", default_value = "256MiB", value_parser = parse_size)]
    pub memory: u64,
}

/// Where the Person's key comes from.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct PersonKeyArgs {
    /// Take the Person's key from the words in this file, not from the sealed key
    #[arg(long, value_name = "FILE")]
    pub words_file: Option<PathBuf>,
    /// Read the Person's passphrase from this file [default: the same as the machine's]
    #[arg(long, value_name = "FILE")]
    pub person_passphrase_file: Option<PathBuf>,
}

/// Arguments of `vigil person new`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = help_trust::PERSON_NEW)]
pub struct PersonNewArgs {
    /// What you are called
    #[arg(value_parser = parse_name)]
    pub name: Name,
    /// Write the words to this new file, which only you may read, instead of showing and asking them
    #[arg(long, value_name = "FILE")]
    pub words_file: Option<PathBuf>,
    /// Mix in rolls of a die from this file: digits from 1 to 6
    #[arg(long, value_name = "FILE")]
    pub dice: Option<PathBuf>,
    /// Keep no sealed key here: the words alone have it
    #[arg(long)]
    pub words_only: bool,
    /// Where the passphrase comes from
    #[command(flatten)]
    pub passphrase: PassphraseArgs,
    /// What guessing it costs
    #[command(flatten)]
    pub cost: CostArgs,
    /// How to print
    #[command(flatten)]
    pub format: FormatArgs,
}

/// Arguments of `vigil person recover`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = help_trust::PERSON_RECOVER)]
pub struct PersonRecoverArgs {
    /// What you are called
    #[arg(value_parser = parse_name)]
    pub name: Name,
    /// Read the words from this file instead of asking for them
    #[arg(long, value_name = "FILE")]
    pub words_file: Option<PathBuf>,
    /// Keep no sealed key here
    #[arg(long)]
    pub words_only: bool,
    /// Where the passphrase comes from
    #[command(flatten)]
    pub passphrase: PassphraseArgs,
    /// What guessing it costs
    #[command(flatten)]
    pub cost: CostArgs,
    /// How to print
    #[command(flatten)]
    pub format: FormatArgs,
}

/// What to do about people.
#[derive(Clone, Debug, Subcommand)]
pub enum PersonCommand {
    /// Make a Person: 24 words, shown once
    New(PersonNewArgs),
    /// Bring a Person back from its words
    Recover(PersonRecoverArgs),
    /// Show who you are: your key and its fingerprint as words
    #[command(after_help = help_trust::PERSON_SHOW)]
    Show {
        /// How to print
        #[command(flatten)]
        format: FormatArgs,
    },
    /// Know another person by their key, after comparing its fingerprint
    #[command(after_help = help_trust::PERSON_TRUST)]
    Trust {
        /// What you call them
        #[arg(value_parser = parse_name)]
        name: Name,
        /// Their public key: 64 hexadecimal digits
        key: String,
        /// The fingerprint's words as they told you, instead of being asked for them
        #[arg(long, value_name = "WORDS")]
        fingerprint: Option<String>,
    },
    /// List the people that you know
    #[command(after_help = help_trust::PERSON_LIST)]
    List {
        /// How to print
        #[command(flatten)]
        format: FormatArgs,
    },
    /// Know somebody no more
    #[command(after_help = help_trust::PERSON_FORGET)]
    Forget {
        /// What you call them
        #[arg(value_parser = parse_name)]
        name: Name,
    },
    /// Take new words and a new key after a compromise, and tell the puddle
    #[command(after_help = help_trust::PERSON_ROTATE)]
    Rotate {
        /// Write the new words to this new file, which only you may read, instead of showing and asking them
        #[arg(long, value_name = "FILE")]
        new_words_file: Option<PathBuf>,
        /// Where the old key comes from
        #[command(flatten)]
        person: PersonKeyArgs,
        /// Where the machine's passphrase comes from
        #[command(flatten)]
        passphrase: PassphraseArgs,
        /// What guessing it costs
        #[command(flatten)]
        cost: CostArgs,
    },
}

/// What to do about this machine's identity.
#[derive(Clone, Debug, Subcommand)]
pub enum MachineCommand {
    /// Make this machine's key, which never leaves it
    #[command(after_help = help_trust::MACHINE_ENROLL)]
    Enroll {
        /// What the machine is called
        #[arg(value_parser = parse_name)]
        name: Name,
        /// Where the passphrase comes from
        #[command(flatten)]
        passphrase: PassphraseArgs,
        /// Where the Person's key comes from, to certify this machine's SSH key at once
        #[command(flatten)]
        person: PersonKeyArgs,
        /// What guessing it costs
        #[command(flatten)]
        cost: CostArgs,
        /// How to print
        #[command(flatten)]
        format: FormatArgs,
    },
    /// Show this machine's key and its fingerprint as words
    #[command(after_help = help_trust::MACHINE_SHOW)]
    Show {
        /// How to print
        #[command(flatten)]
        format: FormatArgs,
    },
    /// Try the passphrase
    #[command(after_help = help_trust::MACHINE_UNLOCK)]
    Unlock {
        /// Where the passphrase comes from
        #[command(flatten)]
        passphrase: PassphraseArgs,
    },
}

/// Arguments of `vigil puddle grant`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = help_trust::PUDDLE_GRANT)]
pub struct PuddleGrantArgs {
    /// Which machine may do it: its name, or the start of its key
    pub machine: String,
    /// In which subsystem
    #[arg(long, value_name = "WORD")]
    pub subsystem: String,
    /// What it may do there
    #[arg(long, value_name = "WORDS", value_delimiter = ',', required = true)]
    pub verbs: Vec<String>,
    /// Below which resource; everything if none is named
    #[arg(long, value_name = "PATH", default_value = "")]
    pub prefix: String,
    /// For how long: 36h, 7d, 1y; for ever if nothing is said
    #[arg(long = "for", value_name = "SPAN", value_parser = parse_span)]
    pub span: Option<std::time::Duration>,
    /// Grant as this machine, under a grant that it has, not as the Person: the start of its id
    #[arg(long, value_name = "GRANT")]
    pub under: Option<String>,
    /// Where the Person's key comes from
    #[command(flatten)]
    pub person: PersonKeyArgs,
    /// Where the machine's passphrase comes from
    #[command(flatten)]
    pub passphrase: PassphraseArgs,
    /// How to print
    #[command(flatten)]
    pub format: FormatArgs,
}

/// Arguments of `vigil puddle check`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = help_trust::PUDDLE_CHECK)]
pub struct PuddleCheckArgs {
    /// Which machine: its name, or the start of its key
    pub machine: String,
    /// In which subsystem
    #[arg(long, value_name = "WORD")]
    pub subsystem: String,
    /// What it wants to do there
    #[arg(long, value_name = "WORD")]
    pub verb: String,
    /// To which resource; to everything if none is named
    #[arg(long, value_name = "PATH", default_value = "")]
    pub path: String,
    /// How to print
    #[command(flatten)]
    pub format: FormatArgs,
}

/// Whom to believe about the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum TimeSource {
    /// This machine's clock: what was signed later bears a wrong date
    Clock,
    /// What the Person signed last: this machine's clock is behind
    Signed,
}

/// What to do about a puddle.
#[derive(Clone, Debug, Subcommand)]
pub enum PuddleCommand {
    /// Begin a puddle with this machine
    #[command(after_help = help_trust::PUDDLE_CREATE)]
    Create {
        /// What it is called
        #[arg(value_parser = parse_name)]
        name: Name,
        /// How long a machine may rely on what it last heard: a span such as 30d, or `never` for sites that
        /// nothing reaches
        #[arg(long, value_name = "SPAN", default_value = "30d")]
        lease: String,
        /// Where the Person's key comes from
        #[command(flatten)]
        person: PersonKeyArgs,
        /// Where the machine's passphrase comes from
        #[command(flatten)]
        passphrase: PassphraseArgs,
        /// How to print
        #[command(flatten)]
        format: FormatArgs,
    },
    /// Join a puddle: print this machine's pairing code, or take the bundle that came back for it
    #[command(after_help = help_trust::PUDDLE_JOIN)]
    Join {
        /// The bundle that came back
        #[arg(long, value_name = "FILE")]
        bundle: Option<PathBuf>,
        /// The words of the Person's fingerprint, instead of being asked for them; nobody is asked about a
        /// Person who is known here
        #[arg(long, value_name = "WORDS", requires = "bundle")]
        fingerprint: Option<String>,
        /// Where the machine's passphrase comes from
        #[command(flatten)]
        passphrase: PassphraseArgs,
    },
    /// Let a machine join, by its pairing code
    #[command(after_help = help_trust::PUDDLE_ADMIT)]
    Admit {
        /// The code that `vigil puddle join` printed there, or `-` to read it from standard input
        code: String,
        /// The fingerprint's words as that machine shows them, instead of being asked for them
        #[arg(long, value_name = "WORDS")]
        fingerprint: Option<String>,
        /// Where the Person's key comes from
        #[command(flatten)]
        person: PersonKeyArgs,
        /// Where the machine's passphrase comes from
        #[command(flatten)]
        passphrase: PassphraseArgs,
    },
    /// Let a machine do something
    Grant(PuddleGrantArgs),
    /// Take away a machine, or a grant and all that was granted under it
    #[command(after_help = help_trust::PUDDLE_REVOKE)]
    Revoke {
        /// The machine's name or the start of its key, or the start of a grant's id
        target: String,
        /// Why, for people
        #[arg(long, default_value = "")]
        reason: String,
        /// Where the Person's key comes from
        #[command(flatten)]
        person: PersonKeyArgs,
        /// Where the machine's passphrase comes from
        #[command(flatten)]
        passphrase: PassphraseArgs,
    },
    /// Write the list by which ssh-keygen and git refuse what revoked machines sign
    #[command(after_help = help_trust::PUDDLE_KRL)]
    Krl {
        /// Where to
        #[arg(long, short, value_name = "FILE")]
        output: PathBuf,
        /// How to print
        #[command(flatten)]
        format: FormatArgs,
    },
    /// Ask whether a machine may do something, and by which chain of grants, or which rule is against it
    Check(PuddleCheckArgs),
    /// Say that the Person is still there, so that leases begin anew
    #[command(after_help = help_trust::PUDDLE_RENEW)]
    Renew {
        /// Where the Person's key comes from
        #[command(flatten)]
        person: PersonKeyArgs,
        /// Where the machine's passphrase comes from
        #[command(flatten)]
        passphrase: PassphraseArgs,
    },
    /// Show by what time leases and grants are judged here, and settle a doubt about it
    #[command(after_help = help_trust::PUDDLE_TIME)]
    Time {
        /// Whom to believe from now on
        #[arg(long, value_name = "SOURCE")]
        from: Option<TimeSource>,
        /// How to print
        #[command(flatten)]
        format: FormatArgs,
    },
    /// Show the machines and what they may do, as a tree
    #[command(after_help = help_trust::PUDDLE_SHOW)]
    Show {
        /// How to print
        #[command(flatten)]
        format: FormatArgs,
    },
    /// Check every signature, every feed and every chain, here or in a bundle
    #[command(after_help = help_trust::PUDDLE_VERIFY)]
    Verify {
        /// A bundle; what is here if none is named
        bundle: Option<PathBuf>,
        /// How to print
        #[command(flatten)]
        format: FormatArgs,
    },
    /// Pack all feeds into a bundle for another machine
    #[command(after_help = help_trust::PUDDLE_EXPORT)]
    Export {
        /// Where to
        #[arg(long, short, value_name = "FILE")]
        output: PathBuf,
    },
    /// Take what is new from a bundle
    #[command(after_help = help_trust::PUDDLE_IMPORT)]
    Import {
        /// The bundle
        bundle: PathBuf,
        /// How to print
        #[command(flatten)]
        format: FormatArgs,
    },
}

impl PersonCommand {
    pub(crate) fn paths_mut(&mut self) -> Vec<&mut PathBuf> {
        let optional: Vec<&mut Option<PathBuf>> = match self {
            Self::New(args) => {
                vec![&mut args.words_file, &mut args.dice, &mut args.passphrase.passphrase_file]
            }
            Self::Recover(args) => {
                vec![&mut args.words_file, &mut args.passphrase.passphrase_file]
            }
            Self::Rotate { new_words_file, person, passphrase, .. } => vec![
                new_words_file,
                &mut person.words_file,
                &mut person.person_passphrase_file,
                &mut passphrase.passphrase_file,
            ],
            Self::Show { .. } | Self::Trust { .. } | Self::List { .. } | Self::Forget { .. } => {
                Vec::new()
            }
        };
        optional.into_iter().flatten().collect()
    }
}

impl MachineCommand {
    pub(crate) fn paths_mut(&mut self) -> Vec<&mut PathBuf> {
        match self {
            Self::Enroll { passphrase, person, .. } => [
                &mut passphrase.passphrase_file,
                &mut person.words_file,
                &mut person.person_passphrase_file,
            ]
            .into_iter()
            .flatten()
            .collect(),
            Self::Unlock { passphrase } => passphrase.passphrase_file.iter_mut().collect(),
            Self::Show { .. } => Vec::new(),
        }
    }
}

impl PuddleCommand {
    pub(crate) fn paths_mut(&mut self) -> Vec<&mut PathBuf> {
        fn of<'a>(
            person: &'a mut PersonKeyArgs,
            passphrase: &'a mut PassphraseArgs,
        ) -> Vec<&'a mut PathBuf> {
            [
                &mut person.words_file,
                &mut person.person_passphrase_file,
                &mut passphrase.passphrase_file,
            ]
            .into_iter()
            .flatten()
            .collect()
        }
        match self {
            Self::Create { person, passphrase, .. }
            | Self::Admit { person, passphrase, .. }
            | Self::Revoke { person, passphrase, .. }
            | Self::Renew { person, passphrase } => of(person, passphrase),
            Self::Grant(args) => of(&mut args.person, &mut args.passphrase),
            Self::Join { bundle, passphrase, .. } => {
                bundle.iter_mut().chain(&mut passphrase.passphrase_file).collect()
            }
            Self::Verify { bundle, .. } => bundle.iter_mut().collect(),
            Self::Export { output } | Self::Krl { output, .. } => vec![output],
            Self::Import { bundle, .. } => vec![bundle],
            Self::Show { .. } | Self::Check(_) | Self::Time { .. } => Vec::new(),
        }
    }
}
