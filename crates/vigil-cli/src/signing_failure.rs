//! Why a command that signs for other tools was not done. No message holds a secret.

use vigil_base::{Blame, Blamed};
use vigil_node::agent::AgentError;
use vigil_node::attest::RepositoryError;
use vigil_node::shared_names::SharedNamesError;
use vigil_trust::attestations::AttestationError;
use vigil_trust::formats::{
    AllowedSignersError, CertificateError, JsonError, MinisignError, SignError, SignifyError,
    WrongPurpose,
};
use vigil_trust::names::AttName;

use crate::human;

/// Why a command that signs for other tools was not done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SigningError {
    /// The agent could not be started, or did not do it.
    #[error(transparent)]
    Agent(#[from] AgentError),
    /// The agent in the background ended at once.
    #[error("the agent did not start: {said}")]
    NotStarted {
        /// What it said.
        said: String,
    },
    /// The system does not say where this program is.
    #[error("the system does not say where this program is, so it cannot go to the background")]
    NoProgram,
    /// Nobody has certified this machine.
    #[error("no Person has certified this machine's SSH key")]
    NoCertificate,
    /// What should be a certificate is none.
    #[error("this is no certificate of a machine")]
    Certificate(#[from] CertificateError),
    /// The certificate is of another key.
    #[error("the certificate is of another machine's key")]
    AnotherKey,
    /// What should be a request is none.
    #[error("this is no request for a certificate")]
    Request,
    /// The certificate cannot be made.
    #[error("the certificate cannot be made")]
    Certify(#[from] SignError<WrongPurpose, CertificateError>),
    /// The list of signers cannot be used.
    #[error(transparent)]
    Signers(#[from] AllowedSignersError),
    /// The repository could not be used.
    #[error(transparent)]
    Repository(#[from] RepositoryError),
    /// What is to be said cannot be said.
    #[error("what is to be said is no JSON object")]
    Data,
    /// What is to be said is no JSON.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// The feed cannot hold it.
    #[error("this cannot be said in a feed")]
    Entry(#[from] AttestationError),
    /// minisign cannot hold it.
    #[error(transparent)]
    Minisign(#[from] MinisignError),
    /// signify cannot hold it.
    #[error(transparent)]
    Signify(#[from] SignifyError),
    /// Data and provenance were both asked for.
    #[error("`slsa` says how something came about, and takes no data")]
    DataForSlsa,
    /// Nobody would believe this machine.
    #[error("this machine was revoked: nobody who has heard of it believes what it attests")]
    Revoked,
    /// Nobody would believe this machine until its Person has decided.
    #[error(
        "this machine is frozen, since it has said two things at one position: nobody believes what it attests"
    )]
    Frozen,
    /// Attestations are not believed.
    #[error("{} refused", human::count(*count, "attestation is", "attestations are"))]
    Refused {
        /// How many.
        count: u64,
    },
    /// Nobody set the name.
    #[error("nobody here has set {name}")]
    NoName {
        /// The name.
        name: AttName,
    },
    /// The name means nothing that can be relied upon.
    #[error("{name} has no meaning: {meaning}")]
    NoMeaning {
        /// The name.
        name: AttName,
        /// Why: a word.
        meaning: &'static str,
    },
    /// Shared names could not be looked at, or not followed.
    #[error(transparent)]
    Names(#[from] SharedNamesError),
    /// No other puddle speaks for the domain.
    #[error("no other puddle speaks for {domain} here")]
    NotFollowed {
        /// The domain.
        domain: String,
    },
    /// There is nothing to be believed.
    #[error("there are no attestations")]
    Nothing,
}

impl Blamed for SigningError {
    fn blame(&self) -> Blame {
        match self {
            Self::Agent(source) => source.blame(),
            Self::Repository(source) => source.blame(),
            Self::Names(source) => source.blame(),
            Self::NoProgram => Blame::World,
            _ => Blame::Caller,
        }
    }
}

impl SigningError {
    /// Returns what to do about it.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Agent(source) => return source.hint().map(Into::into),
            Self::Repository(source) => return source.hint().map(Into::into),
            Self::Names(source) => return source.hint().map(Into::into),
            Self::NotFollowed { .. } => "`vigil name domains` lists those that are followed",
            Self::NoProgram => "`vigil agent start --foreground` stays where it is",
            Self::NoCertificate => "`vigil agent certify` makes a certificate",
            Self::Certificate(_) | Self::AnotherKey => {
                "`vigil agent certify --request` begins anew"
            }
            Self::Minisign(_) | Self::Signify(_) => "`--name` says what the file is called",
            Self::Request => "`vigil agent certify --request` on that machine prints one",
            Self::Revoked => {
                "attest on another machine; `vigil --store PATH machine enroll` begins anew with a new key here"
            }
            Self::Frozen => {
                "carry what `vigil puddle join` prints to `vigil puddle admit`, which forgives it, and import after that"
            }
            Self::Refused { .. } => "each line above says why; bring back the file, or the signer",
            Self::NoName { .. } => "`vigil name list --shared` shows those that there are",
            Self::NoMeaning { meaning: "conflict", .. } => "`vigil name set` settles it",
            Self::NoMeaning { meaning: "frozen", .. } => {
                "`vigil puddle show` tells which machine's feed was forked"
            }
            Self::Nothing => "`vigil attest URI --predicate TYPE` makes one",
            _ => return None,
        };
        Some(hint.into())
    }
}
