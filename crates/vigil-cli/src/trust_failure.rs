//! Why a command about identity was not done. No message holds a secret.

use std::io;
use std::path::PathBuf;

use vigil_base::world::Moment;
use vigil_base::{Blame, Blamed, Name};
use vigil_trust::agent::AttestError;
use vigil_trust::feed::{AppendError, FeedLogError};
use vigil_trust::home::{BundleError, HomeError};
use vigil_trust::puddle::{Denial, ScopeError};
use vigil_trust::seal::{OpenSealedError, SealError};
use vigil_trust::{ConfidenceError, DiceError, KeyError, StatementError, WordsError};

use crate::human;

/// Why a command about identity was not done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrustError {
    /// There is a Person here already.
    #[error("there is a Person here already: {}", name.as_str())]
    PersonExists {
        /// Who.
        name: Name,
    },
    /// Another machine has been enrolled in an agent's store.
    #[error(
        "the agent's key is of another machine than the one that is enrolled here now; end it with `vigil agent stop`"
    )]
    AnotherMachine,
    /// There is no Person here.
    #[error("there is no Person here")]
    NoPerson,
    /// This machine is enrolled already.
    #[error("this machine is enrolled already")]
    MachineExists,
    /// This machine is not enrolled.
    #[error("this machine has no key of its own")]
    NoMachine,
    /// This machine is in a puddle already.
    #[error("this machine is in a puddle already")]
    PuddleExists,
    /// This machine is in no puddle.
    #[error("this machine is in no puddle")]
    NoPuddle,
    /// The Person's key is not kept here.
    #[error("the Person's key is not kept here")]
    NoPersonKey,
    /// The words or the key are those of somebody else.
    #[error("these are not the words of the Person here")]
    AnotherPerson,
    /// The puddle speaks for another Person.
    #[error("the puddle answers to another key than the Person's here")]
    NotThePerson,
    /// The answer was not the word that was asked for.
    #[error("that is not word {number}")]
    WrongWord {
        /// Which, from 1.
        number: usize,
    },
    /// A fingerprint is another one.
    #[error("the fingerprints differ: do not go on")]
    Fingerprint,
    /// A text is no public key.
    #[error("a public key is 64 hexadecimal digits")]
    KeyText,
    /// A key is none.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// Somebody is known by that name or key.
    #[error("somebody is known by that name or key: {}", name.as_str())]
    KnownAlready {
        /// As whom.
        name: Name,
    },
    /// Nobody is known by that name.
    #[error("nobody is known as {}", name.as_str())]
    Unknown {
        /// The name.
        name: Name,
    },
    /// No machine or grant is meant, or several are.
    #[error("`{text}` means {}", if *found == 0 { "no machine and no grant here" } else { "more than one of them" })]
    Which {
        /// What was given.
        text: String,
        /// How many it could mean.
        found: usize,
    },
    /// A text is no lease.
    #[error("a lease is a span of time such as 30d, at most ten years, or `never`")]
    Lease,
    /// The bundle is of another puddle.
    #[error("the bundle is of another puddle")]
    AnotherPuddle,
    /// This machine is not in the puddle of the bundle.
    #[error("this machine has not been admitted to the puddle of the bundle")]
    NotAdmitted,
    /// What was just signed has no effect.
    #[error("the puddle does not take it: {reason}")]
    NotTaken {
        /// Why.
        reason: String,
    },
    /// A text is no pairing code.
    #[error("this is not a pairing code")]
    Code,
    /// A pairing code does not hold.
    #[error("this pairing code does not hold")]
    Request(#[source] StatementError),
    /// Nobody answered.
    #[error("nobody answered")]
    NoAnswer,
    /// The answer is no text.
    #[error("the answer is no text in UTF-8")]
    NoText,
    /// The clock is behind what it showed before.
    #[error("this machine's clock is {} behind what it showed before", human::clock_span(*behind))]
    ClockBehind {
        /// By how many seconds.
        behind: u64,
    },
    /// Something was signed later than it is here.
    #[error(
        "the Person signed at {}, and here it is {}: one of two clocks is wrong",
        human::moment(*signed),
        human::moment(*now)
    )]
    ClockDoubt {
        /// When it was signed.
        signed: Moment,
        /// What time it is here.
        now: Moment,
    },
    /// A machine may not do something.
    #[error("{machine} may not {what}")]
    Denied {
        /// The machine, as it was asked for.
        machine: String,
        /// What was asked for.
        what: String,
        /// The rule that stands against it.
        source: Denial,
    },
    /// Two passphrases differ.
    #[error("the two passphrases differ")]
    Differ,
    /// The terminal or the system failed.
    #[error("could not {action}")]
    System {
        /// What was tried.
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// Others could read the folder.
    #[error("others may read {}", human::path(path))]
    Open {
        /// The folder.
        path: PathBuf,
    },
    /// Something that was checked does not hold.
    #[error("not everything holds: {what}")]
    Broken {
        /// What does not.
        what: String,
    },
    /// There is no randomness to be sure of.
    #[error(transparent)]
    Confidence(#[from] ConfidenceError),
    /// The dice are none.
    #[error(transparent)]
    Dice(#[from] DiceError),
    /// The words are none.
    #[error(transparent)]
    Words(#[from] WordsError),
    /// A key could not be sealed.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// A key could not be unsealed.
    #[error(transparent)]
    Unseal(#[from] OpenSealedError),
    /// A grant's words are none.
    #[error(transparent)]
    Scope(#[from] ScopeError),
    /// A file could not be used.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// A bundle does not hold.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// The machine's feed could not be opened.
    #[error(transparent)]
    Feed(#[from] FeedLogError),
    /// The machine's feed could not be written.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// Nothing was attested in the feed.
    #[error(transparent)]
    Attest(#[from] AttestError),
}

impl Blamed for TrustError {
    fn blame(&self) -> Blame {
        match self {
            Self::System { .. } => Blame::World,
            Self::Confidence(source) => source.blame(),
            Self::Seal(source) => source.blame(),
            Self::Unseal(source) => source.blame(),
            Self::Home(source) => source.blame(),
            Self::Feed(source) => source.blame(),
            Self::Append(source) => source.blame(),
            Self::Attest(source) => source.blame(),
            _ => Blame::Caller,
        }
    }
}

impl TrustError {
    /// Returns what to do about it.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::PersonExists { .. } => {
                "`vigil person rotate` takes new words; `--store PATH` names another folder"
            }
            Self::NoPerson => {
                "`vigil person new NAME` makes one, `vigil person recover NAME` brings one back"
            }
            Self::MachineExists => {
                "`vigil machine show` shows its key; `--store PATH` names another folder"
            }
            Self::NoMachine => "`vigil machine enroll NAME` makes one",
            Self::PuddleExists => "`vigil puddle show` shows it",
            Self::NoPuddle => {
                "`vigil puddle create NAME` begins one, `vigil puddle join` joins one"
            }
            Self::NoPersonKey => "give the words with `--words-file FILE`",
            Self::NotThePerson => {
                "bring the puddle's newest events with `vigil puddle import`, or use the Person that it answers to"
            }
            Self::WrongWord { .. } => "write the words down and begin again; nothing was kept",
            Self::Fingerprint => {
                "somebody may have swapped the key on its way; get it again in another way"
            }
            Self::KeyText | Self::Key(_) => "`vigil person show` prints it on their machine",
            Self::Unknown { .. } => "`vigil person list` lists those who are",
            Self::Which { .. } => "`vigil puddle show` shows names, keys and ids",
            Self::NotAdmitted => {
                "carry the code that `vigil puddle join` prints to `vigil puddle admit`, and export after that"
            }
            Self::Code | Self::Request(_) => "copy the whole line that `vigil puddle join` printed",
            Self::NoAnswer => {
                "`--passphrase-file`, `--words-file` and `--fingerprint` answer without a terminal"
            }
            Self::ClockBehind { .. } | Self::ClockDoubt { .. } => {
                "set the clock; `vigil puddle time` shows both, and settles which one to believe"
            }
            Self::Denied { source: Denial::Stale { .. }, .. } => {
                "take a newer bundle with `vigil puddle import`; where the Person's key is, `vigil puddle renew`"
            }
            Self::Denied { source: Denial::Doubtful { .. }, .. } => {
                "`vigil puddle time` shows both clocks, and settles which one to believe"
            }
            Self::Denied { .. } => "`vigil puddle show` shows what each machine may do",
            Self::Open { .. } => {
                "`chmod -R go= ` that folder, and consider new keys if others use this machine"
            }
            Self::Confidence(source) => source.hint(),
            Self::Unseal(source) => source.hint(),
            _ => return None,
        };
        Some(hint.into())
    }
}
