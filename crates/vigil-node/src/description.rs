//! One description per endpoint: its name, what it is for, which URIs it answers, what its calls take,
//! what it gives, and the function that answers.
//!
//! An endpoint is one item of a list in one file; grammar, help, completion and the reading of
//! arguments all come from that item.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::{Arc, Weak};

use vigil_base::Vcid;
use vigil_kernel::{
    Argument, Body, Call, Context, Endpoint, Grammar, Identifier, Invocation, Label, MediaType,
    OPERAND, Parameter, Produced, Reason, Refusal, Representation, Serving, render_pipeline,
    shorten,
};

use crate::blob::{BlobReader, Lost};
use crate::endpoints::{TREE_TYPE, version};
use crate::host::StoreHost;

/// Longest text that an argument takes from another resource, in bytes.
const ARGUMENT_BYTES_MAX: u64 = 1 << 20;

/// An endpoint as one item.
#[derive(Clone, Copy)]
pub struct Description {
    /// Its name; calls go by it too.
    pub name: &'static str,
    /// One line that says what it is for.
    pub help: &'static str,
    /// The pattern of the URIs that it answers; `None` for calls: `… | name`.
    pub pattern: Option<&'static str>,
    /// What its calls take beside what is piped in.
    pub parameters: &'static [Parameter],
    /// The media types that it gives; empty for any.
    pub gives: &'static [&'static str],
    /// Whether it only looks up what is kept, which costs no more than a record of it would.
    pub only_looks_up: bool,
    /// Answers.
    pub serve: for<'a> fn(Asked<'a>) -> Serving<'a>,
}

impl Description {
    /// Returns the pattern of the URIs that it answers.
    pub fn pattern(&self) -> String {
        match self.pattern {
            Some(pattern) => pattern.to_owned(),
            None => format!("active:{}{{call:call}}", self.name),
        }
    }
}

/// A text that must be there, in a list of parameters.
pub const fn needed(name: &'static str, help: &'static str) -> Parameter {
    Parameter { name, help, default: None, choices: &[] }
}

/// A text that may be left out.
pub const fn optional(name: &'static str, help: &'static str, default: &'static str) -> Parameter {
    Parameter { name, help, default: Some(default), choices: &[] }
}

/// One of several texts, the first of which it is where it is left out.
pub const fn choice(
    name: &'static str,
    help: &'static str,
    choices: &'static [&'static str],
) -> Parameter {
    Parameter { name, help, default: Some(choices[0]), choices }
}

/// An endpoint that is made of its description.
pub struct Described {
    description: Description,
    grammar: Grammar,
    gives: Vec<MediaType>,
    /// Weak, so that a list of endpoints keeps no store open.
    host: Weak<StoreHost>,
}

impl Described {
    /// Makes an endpoint over a host; one that is gone answers nothing, but can still be listed.
    pub fn new(description: &Description, host: Weak<StoreHost>) -> Self {
        let grammar = Grammar::new(&description.pattern()).expect("patterns here are tested");
        let gives = description.gives.iter().map(|name| media_type(name)).collect();
        Self { description: *description, grammar, gives, host }
    }
}

impl Endpoint for Described {
    fn name(&self) -> &str {
        self.description.name
    }

    fn help(&self) -> &str {
        self.description.help
    }

    fn grammar(&self) -> &Grammar {
        &self.grammar
    }

    fn version(&self) -> Vcid {
        version()
    }

    fn gives(&self) -> &[MediaType] {
        &self.gives
    }

    fn parameters(&self) -> &[Parameter] {
        self.description.parameters
    }

    fn only_looks_up(&self) -> bool {
        self.description.only_looks_up
    }

    fn serve<'a>(&'a self, call: &'a Call, context: &'a Context<'a>) -> Serving<'a> {
        let Some(host) = self.host.upgrade() else {
            let refusal = Refusal::new(Reason::World, "the node is closed");
            return Box::pin(async { Err(refusal) });
        };
        let parameters = self.description.parameters;
        (self.description.serve)(Asked { call, context, host, parameters })
    }
}

/// Reads a media type of this crate.
pub fn media_type(name: &str) -> MediaType {
    MediaType::new(name).expect("media types here are tested")
}

/// What is wrong, and what to do about it: said by what cannot make a refusal itself.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct Complaint {
    /// What is wrong. It may repeat what came from outside.
    pub what: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl From<String> for Complaint {
    fn from(what: String) -> Self {
        Self { what, hint: None }
    }
}

impl From<&str> for Complaint {
    fn from(what: &str) -> Self {
        Self::from(what.to_owned())
    }
}

impl Complaint {
    /// Makes a complaint that says what to do.
    pub fn with_hint(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { what: what.into(), hint: Some(hint.into()) }
    }

    /// Refuses for this reason, for which a request makes no sense. `about` says what is complained of.
    pub fn refuse(self, about: &str) -> Refusal {
        let text = if about.is_empty() { self.what } else { format!("{about}: {}", self.what) };
        Refusal { hint: self.hint, ..misuse(text) }
    }

    /// Returns the complaint that a stream ended with, if it did.
    fn in_error(error: &std::io::Error) -> Option<&Self> {
        let mut next: Option<&(dyn std::error::Error + 'static)> = error.get_ref().map(|e| e as _);
        while let Some(error) = next {
            if let Some(complaint) = error.downcast_ref::<Self>() {
                return Some(complaint);
            }
            let inside = error.downcast_ref::<std::io::Error>().and_then(|error| error.get_ref());
            next = inside.map(|e| e as _).or_else(|| error.source());
        }
        None
    }
}

/// Says that a request makes no sense.
pub fn misuse(text: impl Into<String>) -> Refusal {
    Refusal::new(Reason::Misuse, text)
}

/// Says that the machine, a disk or a link failed.
pub fn world(text: impl Into<String>) -> Refusal {
    Refusal::new(Reason::World, text)
}

/// What an endpoint is asked, and what it answers with.
pub struct Asked<'a> {
    /// The request.
    pub call: &'a Call,
    /// The way to other resources.
    pub context: &'a Context<'a>,
    /// The way to streams of bytes that are kept, or to be kept.
    pub host: Arc<StoreHost>,
    parameters: &'static [Parameter],
}

/// What a call gave: what is piped in, and the arguments as texts.
pub struct Given {
    /// The name of what is piped in, as people write it.
    pub operand: String,
    /// What that is.
    pub found: Representation,
    texts: BTreeMap<&'static str, String>,
}

impl Given {
    /// Returns an argument.
    pub fn text(&self, name: &str) -> &str {
        self.texts.get(name).map_or("", String::as_str)
    }

    /// Returns whether a choice of `no` and `yes` is `yes`.
    pub fn is(&self, name: &str) -> bool {
        self.text(name) == "yes"
    }

    /// Returns an argument that is a whole number.
    pub fn number(&self, name: &str) -> Result<u64, Refusal> {
        let text = self.text(name);
        text.parse().map_err(|_| {
            misuse(format!("`{name}` is a whole number, and `{}` is none", shorten(text)))
        })
    }

    /// Returns an argument that is a number within bounds.
    pub fn number_in(&self, name: &str, min: u64, max: u64) -> Result<u64, Refusal> {
        match self.number(name)? {
            number if (min..=max).contains(&number) => Ok(number),
            number => {
                Err(misuse(format!("`{name}` goes from {min} to {max}, and is {number} here")))
            }
        }
    }
}

impl Asked<'_> {
    /// Reads the arguments, and asks for what is piped in.
    pub async fn given(&self) -> Result<Given, Refusal> {
        let mut call = match Invocation::from_uri(&self.call.request.uri) {
            Some(Ok(call)) => call,
            Some(Err(error)) => return Err(misuse(error.to_string())),
            None => return Err(misuse(format!("{} is no call", self.call.request.uri))),
        };
        let operand = match call.arguments.remove(OPERAND) {
            Some(Argument::Reference(uri)) => uri,
            _ => {
                let name = &call.name;
                let refusal = misuse(format!("nothing is piped into `{name}`"));
                return Err(refusal.hint(format!("write URI | {name}")));
            }
        };
        let mut texts = BTreeMap::new();
        for (index, parameter) in self.parameters.iter().enumerate() {
            let text = self.take(&mut call, index, parameter).await?;
            texts.insert(parameter.name, text);
        }
        if let Some(key) = call.arguments.keys().next() {
            let refusal = misuse(format!("`{}` has no argument `{}`", call.name, shorten(key)));
            return Err(refusal.hint(format!("it takes {}", takes(self.parameters))));
        }
        let found = self.context.source(&operand).await?;
        Ok(Given { operand: render_pipeline(&operand), found, texts })
    }

    async fn take(
        &self,
        call: &mut Invocation,
        index: usize,
        parameter: &Parameter,
    ) -> Result<String, Refusal> {
        let name = parameter.name;
        let named = call.arguments.remove(name);
        let numbered = call.arguments.remove(&(index + 1).to_string());
        let argument = match (named, numbered) {
            (Some(_), Some(_)) => {
                return Err(misuse(format!("`{name}` is given twice, once without its key")));
            }
            (Some(argument), None) | (None, Some(argument)) => argument,
            (None, None) => {
                let missing =
                    || misuse(format!("`{}` needs `{name}`: {}", call.name, parameter.help));
                return parameter.default.map(str::to_owned).ok_or_else(missing);
            }
        };
        let text = match argument {
            Argument::Value(text) => text,
            Argument::Reference(uri) => self.text_of(&uri).await?,
        };
        let choices = parameter.choices;
        if choices.is_empty() || choices.contains(&text.as_str()) {
            return Ok(text);
        }
        let choices = choices.join(", ");
        Err(misuse(format!("`{name}` is one of {choices}, and `{}` is not", shorten(&text))))
    }

    /// Reads a short text for an argument; a line end behind it is no part of it.
    async fn text_of(&self, uri: &Identifier) -> Result<String, Refusal> {
        let found = self.context.source(uri).await?;
        if found.size > ARGUMENT_BYTES_MAX {
            let size = found.size;
            let uri = render_pipeline(uri);
            return Err(misuse(format!(
                "{uri} has {size} bytes; an argument has at most {ARGUMENT_BYTES_MAX}"
            )));
        }
        let bytes = self.context.read(found.vcid)?;
        match std::str::from_utf8(&bytes) {
            Ok(text) => Ok(text.strip_suffix('\n').unwrap_or(text).to_owned()),
            Err(_) => Err(misuse(format!("{} is not text", render_pipeline(uri)))),
        }
    }

    /// Opens the bytes of what is piped in.
    pub fn open(&self, given: &Given) -> Result<BlobReader, Refusal> {
        if given.found.media_type.as_str() == TREE_TYPE {
            let refusal = misuse(format!("{} is a tree, and bytes are needed", given.operand));
            return Err(refusal.hint("name a file in it, or pipe it into `tar`"));
        }
        self.host.open(given.found.vcid).map_err(|fault| world(fault.what))
    }

    /// Reads all of what is piped in, if it is not longer than `max`.
    pub fn whole(&self, given: &Given, max: u64) -> Result<Vec<u8>, Refusal> {
        let mut reader = self.open(given)?;
        if given.found.size > max {
            let (uri, size) = (&given.operand, given.found.size);
            return Err(misuse(format!(
                "{uri} has {size} bytes, and no more than {max} are taken at once"
            )));
        }
        let mut bytes = Vec::with_capacity(given.found.size as usize);
        reader.read_to_end(&mut bytes).map_err(|error| world(error.to_string()))?;
        Ok(bytes)
    }

    /// Keeps a stream. `what` is said of bytes that the stream itself refuses to read on.
    pub fn keep(
        &self,
        media: &str,
        source: &mut dyn Read,
        what: &str,
    ) -> Result<Produced, Refusal> {
        let kept = self.host.put_stream(source);
        let (vcid, _) = kept.map_err(|failure| match failure {
            Lost::Store(fault) => world(fault.what),
            Lost::Source(error) => source_refused(&error, what),
        })?;
        Ok(kept_as(media, vcid))
    }
}

/// Says why a stream ended early: by what it holds, or because the store below it failed.
pub fn source_refused(error: &std::io::Error, what: &str) -> Refusal {
    match BlobReader::fault_in(error) {
        Some(fault) => world(fault.what),
        None => {
            let hint = Complaint::in_error(error).and_then(|complaint| complaint.hint.clone());
            Complaint { what: error.to_string(), hint }.refuse(what)
        }
    }
}

/// Gives what is kept already.
pub fn kept_as(media: &str, vcid: Vcid) -> Produced {
    Produced { body: Body::Kept(vcid), media_type: media_type(media), label: Label::default() }
}

/// Says in one line what a call takes.
pub fn takes(parameters: &[Parameter]) -> String {
    if parameters.is_empty() {
        return "no arguments".to_owned();
    }
    let shown = parameters.iter().map(|parameter| match parameter {
        Parameter { name, default: Some(default), choices: [], .. } => format!("{name}={default}"),
        Parameter { name, default: Some(_), choices, .. } => {
            format!("{name}={}", choices.join("/"))
        }
        Parameter { name, .. } => format!("{name}=TEXT"),
    });
    shown.collect::<Vec<_>>().join(" ")
}
