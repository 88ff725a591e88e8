//! Endpoints: what answers requests.

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;

use vigil_base::Vcid;

use crate::context::Context;
use crate::grammar::{Grammar, Parts};
use crate::refusal::Refusal;
use crate::representation::Label;
use crate::request::{MediaType, Request};

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

/// An answer that is being made.
pub type Serving<'a> = Pin<Box<dyn Future<Output = Result<Produced, Refusal>> + Send + 'a>>;

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
    /// Returns what it needs of the world that its caller must grant, such as `network:example.org`.
    fn needs(&self, call: &Call) -> BTreeSet<String> {
        let _ = call;
        BTreeSet::new()
    }
    /// Answers.
    fn serve<'a>(&'a self, call: &'a Call, context: &'a Context<'a>) -> Serving<'a>;
}
