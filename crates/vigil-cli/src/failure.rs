//! Why a command was not done: who can mend it, and what to do next.

use std::error::Error;
use std::io;
use std::path::PathBuf;

use vigil_base::world::{DiskError, DiskFault, RandomnessError};
use vigil_base::{Blame, Blamed, Name, Uri};
use vigil_dhall::Report;
use vigil_files::{AddError, ResolveError, RestoreError, WriteError};
use vigil_kernel::{Invocation, Reason, Refusal, render_pipeline};
use vigil_node::NodeError;
use vigil_store::{
    AppendError, ArenaError, CollectError, IndexError, NamesError, OpenError, PutError, ReadError,
    TransferError, VerifyError,
};
use vigil_trust::log::{LogError, PolicyRefusal};

use crate::human;
use crate::signing_failure::SigningError;
use crate::trust_failure::TrustError;

/// Why a command was not done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// The store could not be opened.
    #[error("could not open the store in {}", human::path(path))]
    Open {
        /// Its folder.
        path: PathBuf,
        /// What went wrong.
        source: OpenError,
    },
    /// Something could not be added.
    #[error("could not add {}", human::path(path))]
    Add {
        /// What.
        path: PathBuf,
        /// What went wrong.
        source: Box<AddError>,
    },
    /// A URI leads nowhere.
    #[error("`{uri}` cannot be followed")]
    Resolve {
        /// The URI.
        uri: Uri,
        /// What went wrong.
        source: Box<ResolveError>,
    },
    /// A request has no representation.
    #[error("`{uri}` cannot be resolved")]
    Refused {
        /// The request, as people write it.
        uri: String,
        /// Why.
        source: Box<RefusedBecause>,
    },
    /// A query has no answer.
    #[error("the query has no answer")]
    Query {
        /// Why.
        source: Box<RefusedBecause>,
    },
    /// There is no endpoint of that name.
    #[error("there is no endpoint `{name}`")]
    NoEndpoint {
        /// What was asked for.
        name: String,
    },
    /// Changes could not be watched, or a command not be run after one.
    #[error("could not watch for changes")]
    Watch(#[source] io::Error),
    /// The node could not be opened, or not finish.
    #[error(transparent)]
    Node(#[from] Box<NodeError>),
    /// Bytes of what a URI leads to could not be read.
    #[error("could not read `{uri}`")]
    Read {
        /// The URI.
        uri: Uri,
        /// What went wrong.
        source: Box<ReadError>,
    },
    /// What a URI leads to could not be written to standard output.
    #[error("could not write out `{uri}`")]
    Write {
        /// The URI.
        uri: Uri,
        /// What went wrong.
        source: Box<WriteError>,
    },
    /// What a URI leads to could not be restored.
    #[error("could not put `{uri}` at {}", human::path(path))]
    Restore {
        /// The URI.
        uri: Uri,
        /// Where it was to go.
        path: PathBuf,
        /// What went wrong.
        source: Box<RestoreError>,
    },
    /// A tree is needed, and the URI leads to something else.
    #[error("`{uri}` is not a tree")]
    NotATree {
        /// The URI.
        uri: Uri,
    },
    /// Bytes are needed, and the URI leads to a tree.
    #[error("`{uri}` is a tree, and has no bytes to print")]
    IsATree {
        /// The URI.
        uri: Uri,
    },
    /// No metadata is known.
    #[error("no metadata was kept with `{uri}`")]
    NoMetadata {
        /// The URI.
        uri: Uri,
    },
    /// Names could not be read or changed.
    #[error(transparent)]
    Names(#[from] NamesError),
    /// The store could not be written to.
    #[error(transparent)]
    Put(#[from] PutError),
    /// The store could not be verified.
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// Something could not be collected or repaired.
    #[error(transparent)]
    Collect(#[from] CollectError),
    /// An arena could not be listed, exported or imported.
    #[error(transparent)]
    Transfer(#[from] TransferError),
    /// The index could not be read.
    #[error("could not read the store's index")]
    Index(#[from] IndexError),
    /// The disk failed.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The system gave no random bytes.
    #[error(transparent)]
    Randomness(#[from] RandomnessError),
    /// A file that was given as an arena cannot be used.
    #[error("could not use {} as an arena", human::path(path))]
    Arena {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        source: ArenaError,
    },
    /// A file outside the store could not be read or written.
    #[error("could not {action} {}", human::path(path))]
    File {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Standard output could not be written.
    #[error("could not write to standard output")]
    Output(#[source] io::Error),
    /// Verifying found damage.
    #[error("the store is damaged: {what}")]
    Damaged {
        /// What is wrong.
        what: String,
    },
    /// Repairing could not save everything.
    #[error("{} could not be saved", human::count(*blobs, "blob", "blobs"))]
    Lost {
        /// How many blobs are lost.
        blobs: u64,
    },
    /// A tier could not be used.
    #[error("could not use the tier {}", name.as_str())]
    Tier {
        /// Which.
        name: Name,
        /// Who can mend it.
        blame: Blame,
        /// What went wrong.
        source: Box<dyn Error + Send + Sync>,
    },
    /// A transparency log, or what was said of one, is not as it should be.
    #[error("could not {action}")]
    Log {
        /// What was tried.
        action: String,
        /// Who can mend it.
        blame: Blame,
        /// What went wrong.
        source: Box<dyn Error + Send + Sync>,
    },
    /// A package is not as it should be, or is refused.
    #[error("could not {action}")]
    Pkg {
        /// What was tried.
        action: String,
        /// Who can mend it.
        blame: Blame,
        /// What went wrong.
        source: Box<dyn Error + Send + Sync>,
    },
    /// There is no such tier.
    #[error("{}", match name {
        Some(name) => format!("there is no tier {}", name.as_str()),
        None => "there is no tier".into(),
    })]
    NoTier {
        /// The name, if one was given.
        name: Option<Name>,
    },
    /// There are several tiers, and none was named.
    #[error("there are several tiers")]
    WhichTier,
    /// The tier holds arenas that are nowhere else.
    #[error("{} moved to {}, so it cannot be forgotten", human::count(*arenas, "arena was", "arenas were"), name.as_str())]
    TierNeeded {
        /// The tier.
        name: Name,
        /// How many arenas.
        arenas: u64,
    },
    /// An expression is wrong, or what it imports.
    #[error("{report}")]
    Expression {
        /// What is wrong, and where.
        report: Box<Report>,
        /// Who can mend it.
        blame: Blame,
    },
    /// Something cannot be converted to an expression, or from one.
    #[error("could not {action} {}", human::path(path))]
    Conversion {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What went wrong.
        source: Box<dyn Error + Send + Sync>,
    },
    /// Texts are not as they should be.
    #[error("{}", match paths.as_slice() {
        [path] => format!("{} is not {what}", human::path(path)),
        paths => {
            let names: Vec<String> = paths.iter().map(|path| human::path(path)).collect();
            format!("{} files are not {what}: {}", paths.len(), names.join(", "))
        }
    })]
    Untidy {
        /// How they should be.
        what: &'static str,
        /// The command that makes them so.
        command: &'static str,
        /// The files.
        paths: Vec<PathBuf>,
    },
    /// The editor left its server without the words that the protocol wants.
    #[error("the client sent `exit` without `shutdown`")]
    Abandoned,
    /// There is no such command to show a page about.
    #[error("there is no command `vigil {words}`")]
    NoCommand {
        /// What was asked for.
        words: String,
    },
    /// The machine did not run.
    #[error("the machine did not run")]
    Machine {
        /// Who can mend it.
        blame: Blame,
        /// What went wrong.
        source: Box<dyn Error + Send + Sync>,
        /// What to do about it.
        hint: Option<String>,
    },
    /// The machine ran, and was not content.
    #[error("the machine switched itself off with code {code}")]
    MachineCode {
        /// The code.
        code: u64,
    },
    /// The machine has no such Task to show.
    #[error("none of the machine's Tasks that can be seen is called `{name}`")]
    NoTask {
        /// What was asked for.
        name: String,
    },
    /// Something about identity was refused or failed.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// Something was not signed for other tools, or is not believed.
    #[error(transparent)]
    Signing(Box<SigningError>),
    /// A step of the tour went wrong.
    #[error("the tour stopped at `{step}`")]
    Tour {
        /// The command.
        step: String,
        /// Who can mend it.
        blame: Blame,
    },
}

/// Why a request was refused: what is wrong, where in the pipeline, and perhaps what to do.
#[derive(Clone, Debug)]
pub struct RefusedBecause {
    text: String,
    hint: Option<String>,
    blame: Blame,
}

impl From<Refusal> for RefusedBecause {
    fn from(refusal: Refusal) -> Self {
        let blame = refusal.blame();
        if let (Reason::Unresolved, Some(uri)) = (refusal.reason, refusal.chain.first()) {
            let text = match Invocation::from_uri(uri) {
                Some(Ok(call)) => format!("there is no call `{}`", call.name),
                _ => format!("nobody answers `{uri}`"),
            };
            let hint = match uri.as_str().contains(':') {
                true => {
                    "`vigil endpoints` lists who answers what, and `vigil resolve --explain` where it was looked for"
                }
                false => {
                    "a file is `file:PATH`, a name `@NAME`; `vigil endpoints` lists what else there is"
                }
            };
            return Self { text, hint: Some(hint.into()), blame };
        }
        let what = &refusal.message;
        let text = match &refusal.chain[..] {
            // Refused below what was asked for.
            [first, _, ..] => format!("`{}`: {what}", render_pipeline(first)),
            _ => what.clone(),
        };
        Self { text, hint: refusal.hint, blame }
    }
}

impl std::fmt::Display for RefusedBecause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

impl Error for RefusedBecause {}

impl Blamed for CommandError {
    fn blame(&self) -> Blame {
        match self {
            Self::Open { source, .. } => source.blame(),
            // What vanishes inside a folder is noted and skipped, so this is what was asked for.
            Self::Add { .. } if is_absent(self) => Blame::Caller,
            Self::Add { source, .. } => source.blame(),
            Self::Resolve { source, .. } => source.blame(),
            Self::Read { source, .. } => source.blame(),
            Self::Write { source, .. } => source.blame(),
            Self::Restore { source, .. } => source.blame(),
            Self::Refused { source, .. } | Self::Query { source } => source.blame,
            Self::Node(source) => source.blame(),
            Self::Names(source) => source.blame(),
            Self::Put(source) => source.blame(),
            Self::Verify(source) => source.blame(),
            Self::Collect(source) => source.blame(),
            Self::Transfer(source) => source.blame(),
            Self::NotATree { .. }
            | Self::IsATree { .. }
            | Self::NoMetadata { .. }
            | Self::NoTier { .. }
            | Self::WhichTier
            | Self::TierNeeded { .. }
            | Self::MachineCode { .. }
            | Self::NoTask { .. }
            | Self::NoEndpoint { .. }
            | Self::NoCommand { .. } => Blame::Caller,
            Self::Abandoned | Self::Conversion { .. } | Self::Untidy { .. } => Blame::Caller,
            Self::Tier { blame, .. }
            | Self::Log { blame, .. }
            | Self::Pkg { blame, .. }
            | Self::Expression { blame, .. }
            | Self::Machine { blame, .. } => *blame,
            Self::File { source, .. } => match source.kind() {
                io::ErrorKind::NotFound
                | io::ErrorKind::AlreadyExists
                | io::ErrorKind::IsADirectory => Blame::Caller,
                _ => Blame::World,
            },
            Self::Trust(source) => source.blame(),
            Self::Signing(source) => source.blame(),
            Self::Tour { blame, .. } => *blame,
            _ => Blame::World,
        }
    }
}

impl From<SigningError> for CommandError {
    fn from(source: SigningError) -> Self {
        Self::Signing(Box::new(source))
    }
}

impl CommandError {
    /// Returns the report to show in place of a message, where there is one.
    pub(crate) fn report(&self) -> Option<&Report> {
        match self {
            Self::Expression { report, .. } => Some(report),
            _ => None,
        }
    }

    /// Returns what to do about it, where that is not in the message.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NotATree { uri } => {
                Some(format!("`vigil cat {uri}` prints its bytes, `vigil stat {uri}` tells what it is"))
            }
            Self::IsATree { uri } => Some(format!(
                "`vigil get {uri} -o PATH` restores it, `vigil ls {uri}` lists it, `vigil tar {uri}` streams it"
            )),
            Self::NoMetadata { .. } => Some(
                "metadata is kept by `vigil add --metadata --name NAME` and found through that name".into(),
            ),
            Self::Damaged { .. } => Some(
                "`vigil repair` mends what it can; give it arenas that hold intact copies with `--from`".into(),
            ),
            Self::Lost { .. } => {
                Some("adding the same files again stores the lost bytes again".into())
            }
            Self::Restore { source, .. } if matches!(**source, RestoreError::Exists { .. }) => {
                Some("`--overwrite` replaces files that are in the way".into())
            }
            Self::NoTier { .. } => {
                Some("`vigil tier list` shows those that there are, `vigil tier add` adds one".into())
            }
            Self::WhichTier => Some("name one with `--tier NAME`".into()),
            Self::TierNeeded { .. } => Some("`vigil tier pull` brings back what was moved".into()),
            Self::Untidy { command, .. } => {
                Some(format!("`vigil dhall {command} --inplace FILE` makes it so"))
            }
            Self::Machine { hint, .. } => hint.clone(),
            Self::Refused { source, .. } | Self::Query { source } => source.hint.clone(),
            Self::NoEndpoint { .. } => Some("`vigil endpoints` lists all of them".into()),
            Self::NoTask { .. } => Some("`vigil vectra caps` shows all of them".into()),
            Self::Trust(source) => source.hint(),
            Self::Signing(source) => source.hint(),
            Self::NoCommand { .. } => Some("`vigil help` lists the commands".into()),
            Self::Tour { blame: Blame::Us, .. } => Some(crate::REPORT.into()),
            _ => causes(self).find_map(hint_of_cause),
        }
    }
}

/// Returns an error and its sources, from the outside in.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    let mut next = Some(error);
    std::iter::from_fn(move || {
        let error = next?;
        next = error.source();
        Some(error)
    })
}

/// Whether the reason is that a file outside the store is not there.
fn is_absent(error: &CommandError) -> bool {
    causes(error).any(|cause| {
        let io: Option<&io::Error> = seen(cause);
        let errno_kind = io.map(io::Error::kind);
        errno_kind == Some(io::ErrorKind::NotFound)
    })
}

/// Sees an error of type `E`, in a box or without.
fn seen<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    error.downcast_ref().or_else(|| error.downcast_ref::<Box<E>>().map(|boxed| &**boxed))
}

/// Wrappers that print like what they wrap hide it from `source`, so each is looked into.
fn hint_of_cause(error: &(dyn Error + 'static)) -> Option<String> {
    let names = match error.downcast_ref() {
        Some(CommandError::Names(error)) => Some(error),
        _ => seen(error),
    };
    if let Some(NamesError::Absent { .. }) = names {
        return Some("`vigil name list` shows the names that there are".into());
    }
    if let Some(NamesError::NoVersion { name, .. }) = names {
        return Some(format!("`vigil name show {name}` shows its versions"));
    }
    if let Some(OpenError::NotAStore { .. }) = seen(error) {
        return Some("choose another folder with `--store PATH` or VIGIL_STORE".into());
    }
    if let Some(ReadError::Absent { .. }) = seen(error) {
        return Some("it is not in this store; `--store PATH` names another".into());
    }
    match seen(error) {
        Some(LogError::NoLog { .. }) => return Some("`vigil log init` starts one".into()),
        Some(LogError::SetBack { .. }) => {
            return Some(
                "a log may not be restored from a backup: begin another under another name".into(),
            );
        }
        _ => {}
    }
    if let Some(PolicyRefusal::Quorum { .. }) = seen(error) {
        return Some("ask its owner for a proof with more cosignatures, or believe fewer with another policy".into());
    }
    match disk_fault(error)? {
        DiskFault::Full => Some(
            "nothing that was acknowledged is lost; make room, or name a store on another disk with `--store PATH`"
                .into(),
        ),
        DiskFault::Denied => {
            Some("check who may write there, or name another store with `--store PATH`".into())
        }
        _ => None,
    }
}

fn disk_fault(error: &(dyn Error + 'static)) -> Option<DiskFault> {
    let disk: Option<&DiskError> = match error.downcast_ref() {
        Some(CommandError::Disk(disk)) => Some(disk),
        _ => match seen(error) {
            Some(OpenError::Disk(disk)) => Some(disk),
            _ => match (seen(error), seen(error)) {
                (Some(IndexError::Disk(disk)), _) | (_, Some(AppendError::Disk(disk))) => {
                    Some(disk)
                }
                _ => seen(error),
            },
        },
    };
    disk.map(|disk| disk.fault)
}

/// Returns the exit code for an error.
pub(crate) fn exit_code(blame: Blame) -> u8 {
    match blame {
        Blame::Caller => 1,
        Blame::World => 3,
        Blame::Us => 70,
    }
}
