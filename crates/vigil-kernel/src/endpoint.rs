//! Endpoints: what answers requests.

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use vigil_base::Vcid;

use crate::context::Context;
use crate::grammar::{Grammar, Parts};
use crate::host::Blobs;
use crate::refusal::{Reason, Refusal};
use crate::representation::{Label, Representation};
use crate::request::{MediaType, Request, Verb};

/// What an endpoint is asked to do.
#[derive(Clone, Debug)]
pub struct Call {
    /// The request, with the name as the endpoint knows it.
    pub request: Request,
    /// The parts of the name, by the endpoint's grammar.
    pub parts: Parts,
}

/// What an endpoint gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Produced {
    /// The bytes.
    pub body: Body,
    /// How to read them.
    pub media_type: MediaType,
    /// Tags of its own: secrecy is added to that of what was read; integrity counts only where all
    /// that was read has it too.
    pub label: Label,
}

/// The bytes that an endpoint gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// Here they are.
    Bytes(Vec<u8>),
    /// Here they are, and they hash to this. The kernel looks.
    Claimed(Vcid, Vec<u8>),
    /// They are kept under this name already. The kernel looks.
    Kept(Vcid),
}

impl Produced {
    /// Gives bytes without a label.
    pub fn bytes(media_type: MediaType, bytes: Vec<u8>) -> Self {
        Self { body: Body::Bytes(bytes), media_type, label: Label::default() }
    }
}

/// What an endpoint is to take in.
pub struct Given<'a> {
    /// What it is. Its label goes with the bytes.
    pub representation: Representation,
    pub(crate) blobs: &'a dyn Blobs,
    pub(crate) changes: Mutex<BTreeSet<String>>,
}

impl Given<'_> {
    /// Returns the bytes.
    pub fn bytes(&self) -> Result<Arc<[u8]>, Refusal> {
        let vcid = self.representation.vcid;
        let world = |what: String| Refusal::new(Reason::World, what);
        let found = self.blobs.get(vcid).map_err(|fault| world(fault.what))?;
        found.ok_or_else(|| world(format!("the bytes {vcid} are gone from the store")))
    }

    /// Says that a root is going to change. Said before anything is written, so that whoever has read it
    /// looks again even if the endpoint fails half way.
    pub fn changes(&self, root: &str) {
        let mut changes = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        changes.insert(root.to_owned());
    }
}

/// An answer that is being made.
pub type Serving<'a> = Pin<Box<dyn Future<Output = Result<Produced, Refusal>> + Send + 'a>>;

/// An argument of a call, beside what is piped in. Without a key, the first one given is the first
/// of these, and so on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Its key.
    pub name: &'static str,
    /// What it is for, in a few words.
    pub help: &'static str,
    /// What it is where it is not given; `None` where it must be.
    pub default: Option<&'static str>,
    /// The texts that it may be; empty for any.
    pub choices: &'static [&'static str],
}

/// What answers requests for the URIs of its grammar.
///
/// What it gives must follow from the call, from its version, and from what it read through the
/// context. It never sees who asks.
pub trait Endpoint: Send + Sync {
    /// Returns its name, for people.
    fn name(&self) -> &str;
    /// Returns one line that says what it is for.
    fn help(&self) -> &str;
    /// Returns which URIs it answers.
    fn grammar(&self) -> &Grammar;
    /// Returns the hash of all that its answers follow from beside the call: its code and what that
    /// is built on, or itself where it is data.
    fn version(&self) -> Vcid;
    /// Returns the media types that it gives; empty for any.
    fn gives(&self) -> &[MediaType] {
        &[]
    }
    /// Returns what its calls take beside what is piped in.
    fn parameters(&self) -> &[Parameter] {
        &[]
    }
    /// Returns whether to answer costs no more than to read a trace would, because it only looks up what
    /// is kept: then no trace is looked for or kept.
    fn only_looks_up(&self) -> bool {
        false
    }
    /// Returns what it needs of the world, such as `network:example.org`. Its caller must grant it, but for
    /// what it owns by its installation: see [`crate::Space::install`].
    fn needs(&self, call: &Call) -> BTreeSet<String> {
        let _ = call;
        BTreeSet::new()
    }
    /// Returns the secrecy tags that whatever it gives to a call carries, refusals among them: what it
    /// says beside its bytes may tell of them too. A kept run that lacks one is not believed.
    fn secrecy(&self, call: &Call) -> BTreeSet<String> {
        let _ = call;
        BTreeSet::new()
    }
    /// Returns the verbs beside `source` that it answers itself. The kernel makes `exists` and `meta` of
    /// what `source` gives where they are not among them, and lets nothing in where `sink` is not.
    ///
    /// To `exists` it gives the text `true` or `false`, to `meta` the record of the representation.
    fn verbs(&self) -> &[Verb] {
        &[]
    }
    /// Takes something in; which roots that changes it says through [`Given::changes`]. Called once for
    /// each request, by the thread that asks, after the caller has granted what the endpoint needs.
    fn sink(&self, call: &Call, given: &Given<'_>) -> Result<(), Refusal> {
        let _ = given;
        let text = format!("{} takes nothing in", self.name());
        Err(Refusal::new(Reason::Misuse, text).met_by(&call.request.uri))
    }
    /// Answers.
    fn serve<'a>(&'a self, call: &'a Call, context: &'a Context<'a>) -> Serving<'a>;
}
