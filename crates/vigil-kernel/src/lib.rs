//! One resolution for everything: requests, endpoints, and results that know how they came about.
//!
//! Two levels. The [`engine`] computes values of typed keys from one another, each once, and again only
//! when something that was read has changed. On it stands the resolver: a [`Kernel`] finds the
//! [`Endpoint`] for a [`Request`] in a [`Space`], keeps the [`Representation`] that it gives, and records
//! in a [`Trace`] how it came about, so that the next process, or another machine, need not make it
//! again.
//!
//! Invariants:
//! - it knows no scheme by name, opens no file and no socket, and reads no clock of its own: its tests
//!   need only memory;
//! - who asks is no part of what is asked: whether the caller may have an answer is looked at each time;
//! - what failed for a reason of the world, or was denied, is never kept.

mod context;
mod convert;
mod endpoint;
pub mod engine;
mod grammar;
mod host;
mod kernel;
mod keys;
mod lease;
mod pipeline;
mod profile;
mod recall;
mod refusal;
mod representation;
mod request;
mod resolver;
mod site;
mod space;
mod trace;
mod typed;
mod why;

pub use context::{Context, Wants};
pub use convert::cheapest;
pub use endpoint::{Body, Call, Endpoint, Given, Parameter, Produced, Serving};
pub use grammar::{BuildError, Grammar, GrammarError, Parts};
pub use host::{
    Agreed, Authority, Blobs, Era, HostFault, KeptTrace, Lease, Memory, OfMachines, Owner, Roots,
    TracePolicy, Traces,
};
pub use kernel::{ImportError, Kernel};
pub use pipeline::{
    ACTIVE, Invocation, OPERAND, PipelineError, parse as parse_pipeline, piped,
    render as render_pipeline,
};
pub use profile::{Outcome, Profile, Question, Span, Stretch, Wait};
pub use refusal::{Reason, Refusal, shorten};
pub use representation::{Label, Representation};
pub use request::{
    Argument, GIVEN, Identifier, IdentifierError, MediaType, MediaTypeError, Request, Verb,
};
pub use site::{Check, Host};
pub use space::{Bound, Converter, Explanation, Space, SpaceError};
pub use trace::{Input, Read, Trace};
pub use typed::Resources;
pub use why::{How, Provenance, Story, render as render_provenance};
