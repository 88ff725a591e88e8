//! The command line: arguments, commands, progress, and errors as people read them.
//!
//! It reads no environment, clock or randomness: those come in as an [`Environment`]. It links
//! nothing heavy; what needs a network comes from the program, not from here.
//!
//! Invariants:
//! - standard output carries data only, standard error talk only;
//! - the exit code says who can mend what went wrong, and follows from the error's type;
//! - help, manual pages and completions come from the one table that parses the arguments.
#![forbid(unsafe_code)]

mod args;
mod calendar;
mod dhall;
mod environment;
mod failure;
mod human;
mod logs;
mod machine;
mod output;
mod query;
mod resolve;
mod retention;
mod run;
mod signing_failure;
mod talk;
mod tiers;
mod tour;
mod trust;
mod trust_failure;

pub use args::{
    AddArgs, AgentCommand, AnyName, ArenaCommand, Args, AttestArgs, AttestCommand, ByteRange,
    CatArgs, Command, CompletionsArgs, CostArgs, DhallBounds, DhallCommand, DhallDiffArgs,
    DhallFreezeArgs, DhallFromJsonArgs, DhallHashArgs, DhallInput, DhallNormalizeArgs,
    DhallPrintArgs, DhallRewriteArgs, DhallSigns, DiffArgs, FormatArgs, GcArgs, GetArgs,
    GlobalArgs, KeepArgs, KeyFormat, ListArgs, LogAppendArgs, LogCommand, LogCosignArgs,
    LogInitArgs, LogMonitorArgs, LogProveArgs, LogServeArgs, LogTrustArgs, LogVerifyArgs,
    LogWitnessArgs, MachineArgs, MachineCommand, ManArgs, NameCommand, PassphraseArgs,
    PersonCommand, PersonKeyArgs, PersonNewArgs, PersonRecoverArgs, PuddleCheckArgs, PuddleCommand,
    PuddleGrantArgs, RepairArgs, ResultFormat, SignArgs, SignFormat, SocketArgs, SqlArgs, StatArgs,
    StatusArgs, TarArgs, TierAddArgs, TierChoice, TierCommand, TimeSource, TourArgs, ValueError,
    VectraCommand, VectraRunArgs, VerifyArgs, VersionArgs,
};
pub use dhall::{DhallDoor, DhallSettings, EditedLine, LineEditor};
pub use environment::Environment;
pub use failure::{CommandError, RefusedBecause};
pub use logs::{LogDoor, LogDoorFailure};
pub use machine::{MachineDoor, MachineFailure, MachineHome, MachineSettings};
pub use output::Output;
pub use query::{NoQueries, Queries, QueryDoor, QueryRows, QuerySettings, QuerySpace};
pub use resolve::{Request, ResolveArgsError};
pub use run::{BUG, MISUSE, run};
pub use signing_failure::SigningError;
pub use talk::{Meter, Progress, Talk};
pub use tiers::{
    TierArena, TierDoor, TierFailure, TierLink, TierPulled, TierReport, TierSent, TierSettings,
};

pub use trust::{Steady, TrustDoor};
pub use trust_failure::TrustError;

/// What a person who met a bug is asked to do.
pub const REPORT: &str = "this is a bug in vigil; please report it with the lines above and the output of `vigil version`";
