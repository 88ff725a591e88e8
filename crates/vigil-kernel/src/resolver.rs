//! The resolver: names, endpoints and kept traces as keys of the engine.
//!
//! How a name resolves is a key of its own, so that a change of a space reaches only what resolves
//! otherwise after it. What an endpoint gives is another: it is taken from a kept trace if everything
//! that the trace has read is as it was, and made otherwise.

use std::collections::BTreeSet;
use std::fmt;
use std::future::poll_fn;
use std::hash::{Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;

use vigil_base::Vcid;

use crate::context::{Context, Record, Wants};
use crate::convert;
use crate::endpoint::{Body, Call, Produced};
use crate::engine::{Cx, Failed, Failure, Key, panic_message};
use crate::host::{CHECKED_BYTES_MAX, HostFault};
use crate::keys::BindingKey;
use crate::pipeline::render;
use crate::profile::{Wait, nanos, thread_number};
use crate::recall::Asked;
use crate::refusal::{Reason, Refusal};
use crate::representation::{Label, Representation};
use crate::request::{MediaType, Request, Verb};
use crate::site::Site;
use crate::space::Bound;
use crate::trace::{Input, Trace};
use crate::why::{DERIVED, How, Story};

/// For what a computation waited: filled only while a profile is recorded.
pub type Waits = Mutex<Vec<Wait>>;

/// What a request has come to.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The representation, or why there is none.
    pub result: Result<Representation, Refusal>,
    /// The label of a refusal: it may tell of what was read before. That of a representation is its own.
    pub refusal_label: Label,
    /// What it, and all below it, needs of its caller.
    pub needs: BTreeSet<String>,
    /// Needs that must be granted before it can be made.
    pub wants: Wants,
    /// How it came about; no part of what it is.
    pub story: Story,
    /// Tells it from earlier answers; no part of what it is.
    pub serial: u64,
}

impl Answer {
    pub fn refused(refusal: Refusal) -> Self {
        let (refusal_label, needs, wants, story) = Default::default();
        Self { result: Err(refusal), refusal_label, needs, wants, story, serial: 0 }
    }

    /// Returns the label of what it says, be that bytes or a refusal.
    pub fn label(&self) -> &Label {
        match &self.result {
            Ok(representation) => &representation.label,
            Err(_) => &self.refusal_label,
        }
    }

    /// Returns the hash that stands for it in traces.
    pub fn digest(&self) -> Vcid {
        match &self.result {
            Ok(representation) => representation.digest(),
            Err(refusal) => refusal.digest(&self.refusal_label),
        }
    }
}

/// Says in a refusal how a computation failed.
pub fn refused(failure: &Failed) -> Refusal {
    let reason = match **failure {
        Failure::Cycle { .. } => Reason::Cycle,
        _ => Reason::Broken,
    };
    let refusal = Refusal::new(reason, failure.to_string());
    match **failure {
        Failure::Crowded { .. } => {
            refusal.hint("end the process that they run in, and begin it anew")
        }
        _ => refusal,
    }
}

/// A request in a scope.
#[derive(Clone)]
pub struct ResourceKey {
    pub site: Arc<Site>,
    pub scope: Arc<str>,
    pub request: Arc<Request>,
}

impl PartialEq for ResourceKey {
    fn eq(&self, other: &Self) -> bool {
        self.scope == other.scope && self.request == other.request
    }
}

impl Eq for ResourceKey {}

impl Hash for ResourceKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Sought(&self.request).hash(state);
    }
}

/// A request that is looked for: hashes as its key does in any scope. There are few scopes, and each write
/// to a hasher costs as much as ten bytes of one.
pub struct Sought<'a>(pub &'a Request);

impl Hash for Sought<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Request { verb, uri, arguments, wanted } = self.0;
        let is_plain = arguments.is_empty() && wanted.is_none();
        state.write(uri.as_str().as_bytes());
        state.write_u8(*verb as u8 | u8::from(is_plain) << 7);
        if !is_plain {
            (arguments, wanted).hash(state);
        }
    }
}

impl fmt::Debug for ResourceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // As people write it: this is how it stands in refusals, profiles and provenance.
        write!(f, "{}", render(&self.request.uri))?;
        match &self.request.wanted {
            Some(wanted) => write!(f, " as {wanted}"),
            None => Ok(()),
        }
    }
}

impl Key for ResourceKey {
    type Value = Arc<Answer>;

    async fn compute(&self, cx: &Cx) -> Arc<Answer> {
        let serial = self.site.serial.fetch_add(1, Ordering::Relaxed);
        let began = (self.site.host.clock.now(), thread_number());
        let waits = Waits::default();
        let mut answer = self.answer(cx, &waits).await;
        answer.story.nanos = nanos(began.0, self.site.host.clock.now());
        answer.serial = serial;
        if self.site.profile.is_on() {
            let waits = waits.into_inner().unwrap_or_else(PoisonError::into_inner);
            self.site.profile.computed(self, &answer, began, waits);
        }
        Arc::new(answer)
    }

    fn same(before: &Arc<Answer>, after: &Arc<Answer>) -> bool {
        (&before.result, before.label(), &before.needs, &before.wants)
            == (&after.result, after.label(), &after.needs, &after.wants)
    }

    fn is_transient(answer: &Arc<Answer>) -> bool {
        !answer.wants.is_empty() || answer.result.as_ref().is_err_and(|why| !why.is_lasting())
    }

    fn weight(answer: &Arc<Answer>) -> usize {
        let inputs: usize = answer.story.inputs.len() * size_of::<Input>();
        let refusal = answer.result.as_ref().err().map_or(0, |refusal| refusal.message.len());
        size_of::<Answer>() + inputs + answer.story.why.len() + refusal
    }

    fn fingerprint(answer: &Arc<Answer>) -> Option<u128> {
        // What `same` compares, as one text.
        let text = format!("{} {:?} {:?}", answer.digest(), answer.needs, answer.wants);
        let chain = answer.result.as_ref().err().map(|refusal| format!("{:?}", refusal.chain));
        let digest = Vcid::of(format!("{text} {chain:?}").as_bytes());
        let (first, _) = digest.as_bytes().split_first_chunk::<16>()?;
        Some(u128::from_le_bytes(*first))
    }
}

impl ResourceKey {
    /// Returns the key of another request in the same scope.
    pub fn beside(&self, request: &Request) -> Self {
        let request = Arc::new(request.clone());
        Self { site: self.site.clone(), scope: self.scope.clone(), request }
    }

    async fn answer(&self, cx: &Cx, waits: &Waits) -> Answer {
        let binding = BindingKey { scope: self.scope.clone(), uri: self.request.uri.clone() };
        let bound = match cx.get(&binding).await {
            Ok(Ok(bound)) => bound,
            Ok(Err(refusal)) if self.request.verb != Verb::Exists => {
                return Answer::refused(refusal.met_by(&self.request.uri));
            }
            Ok(Err(_)) => return self.derive(cx, waits, "exists").await,
            Err(failure) => return Answer::refused(refused(&failure)),
        };
        let is_own = bound.endpoint.verbs().contains(&self.request.verb);
        match (self.request.verb, &self.request.wanted) {
            (Verb::Source, None) => self.serve(cx, waits, &bound).await,
            (Verb::Source, Some(_)) => self.derive(cx, waits, "transreption").await,
            (Verb::Exists | Verb::Meta, _) if is_own => self.serve(cx, waits, &bound).await,
            (Verb::Exists, _) => self.derive(cx, waits, "exists").await,
            (Verb::Meta, _) => self.derive(cx, waits, "meta").await,
            (Verb::Sink, _) => {
                let text = "what answers a request changes nothing outside: only a caller sinks";
                Answer::refused(Refusal::new(Reason::Misuse, text).met_by(&self.request.uri))
            }
        }
    }

    /// Answers from a kept trace, or by asking the endpoint.
    async fn serve(&self, cx: &Cx, waits: &Waits, bound: &Bound) -> Answer {
        let call = Call {
            request: Request { uri: bound.uri.clone(), ..(*self.request).clone() },
            parts: bound.parts.clone(),
        };
        let (own_needs, owned) = bound.needs(&call);
        let secrecy = bound.endpoint.secrecy(&call);
        let context = Context::new(cx, self, waits);
        let asked = Asked { bound, call: &call, needs: &own_needs, secrecy: &secrecy };
        let why = match self.find_kept(&context, &asked).await {
            Ok(answer) => return answer,
            Err(why) => why,
        };
        context.take_record();
        if !self.site.is_approved(&self.scope, &self.request, &own_needs) {
            let needs: Vec<&str> = own_needs.iter().map(String::as_str).collect();
            let text = format!("{} needs {}", self.request.uri, needs.join(", "));
            let refusal = Refusal::new(Reason::Denied, text).met_by(&self.request.uri);
            let wants = [((*self.request).clone(), own_needs)].into();
            return Answer { wants, ..Answer::refused(refusal) };
        }
        let (name, is_kept) = (bound.endpoint.name(), !bound.endpoint.only_looks_up());
        let maker = Maker { name, version: bound.version, why, is_kept, secrecy };
        let produced = contain(&maker, async { bound.endpoint.serve(&call, &context).await }).await;
        let mut record = context.take_record();
        record.needs.extend(own_needs);
        let uses = owned.iter().map(|need| format!("{} owns {need}", maker.name));
        record.evidence.extend(uses);
        let gives = bound.endpoint.gives();
        let is_source = call.request.verb == Verb::Source;
        let produced = produced.and_then(|produced| match gives.contains(&produced.media_type) {
            false if is_source && !gives.is_empty() => Err(broken(
                &maker,
                &format!("says that it gives {}, and gave {}", one_of(gives), produced.media_type),
            )),
            _ => check_verb(&maker, call.request.verb, produced),
        });
        self.conclude(cx, call.request, maker, produced, record)
    }

    /// Answers what the kernel itself knows how to make of other answers.
    async fn derive(&self, cx: &Cx, waits: &Waits, name: &'static str) -> Answer {
        let context = Context::new(cx, self, waits);
        let plain = Request { verb: Verb::Source, wanted: None, ..(*self.request).clone() };
        let produced = match name {
            "exists" => match context.request(plain).await {
                Ok(_) => Ok(text("true")),
                Err(refusal) if matches!(refusal.reason, Reason::Absent | Reason::Unresolved) => {
                    Ok(text("false"))
                }
                Err(refusal) => Err(refusal),
            },
            "meta" => context.request(plain).await.map(|representation| Produced {
                body: Body::Bytes(representation.encode()),
                media_type: MediaType::new("application/cbor").expect("it is one"),
                label: Label::default(),
            }),
            _ => convert::transrept(cx, &context, &self.scope, &self.request).await,
        };
        let version =
            Vcid::of(format!("vigil-kernel {name} {}", env!("CARGO_PKG_VERSION")).as_bytes());
        let (why, secrecy) = (DERIVED.to_owned(), BTreeSet::new());
        let maker = Maker { name, version, why, is_kept: false, secrecy };
        let record = context.take_record();
        self.conclude(cx, (*self.request).clone(), maker, produced, record)
    }

    /// Checks and keeps what was made, and says how.
    fn conclude(
        &self,
        cx: &Cx,
        request: Request,
        maker: Maker<'_>,
        produced: Result<Produced, Refusal>,
        record: Record,
    ) -> Answer {
        let passing = record.is_passing || !record.wants.is_empty();
        if passing {
            cx.set_transient();
        }
        let label = |own: &Label| {
            let joined = record.label.as_ref().map_or_else(|| own.clone(), |l| l.join(own));
            let secrecy = joined.secrecy.union(&maker.secrecy).cloned().collect();
            Label { secrecy, ..joined }
        };
        let made = produced.and_then(|produced| {
            let (vcid, size) = self.take_in(&maker, &produced)?;
            let label = label(&produced.label);
            Ok(Representation { vcid, media_type: produced.media_type, size, label })
        });
        // Nothing vouches for a refusal, and it may tell of whatever was read.
        let refusal_label = if made.is_err() { label(&Label::default()) } else { Label::default() };
        let refusal_label = Label { integrity: BTreeSet::new(), ..refusal_label };
        let mut story = Story {
            endpoint: maker.name.to_owned(),
            version: Some(maker.version),
            inputs: record.inputs.clone(),
            trace: None,
            filed_under: None,
            how: How::Made,
            why: maker.why.clone(),
            nanos: 0,
        };
        let result = made.map_err(|refusal| refusal.met_by(&self.request.uri));
        if let (Ok(output), false, true) = (&result, passing || record.is_local, maker.is_kept) {
            let trace = Trace {
                request,
                endpoint: maker.name.to_owned(),
                version: maker.version,
                inputs: record.inputs.clone(),
                output: output.clone(),
                needs: record.needs.clone(),
                evidence: record.evidence.clone(),
                machine: self.site.host.machine.clone(),
            };
            let bytes = trace.encode();
            let filed_under = trace.request.digest();
            story.trace = Some(Vcid::of(&bytes));
            story.filed_under = Some(filed_under);
            // What cannot be kept is made again next time; the answer is right all the same.
            if let Err(fault) = self.site.host.traces.keep(filed_under, &bytes) {
                story.why = format!("{}; not kept: {}", story.why, fault.what);
            }
        }
        let Record { needs, wants, .. } = record;
        Answer { result, refusal_label, needs, wants, story, serial: 0 }
    }

    /// Takes in the bytes, after looking whether they are what the endpoint says.
    fn take_in(&self, maker: &Maker<'_>, produced: &Produced) -> Result<(Vcid, u64), Refusal> {
        let world = |fault: HostFault| Refusal::new(Reason::World, fault.what);
        let host = &self.site.host;
        let check = host.checks.get(&produced.media_type);
        let look = |bytes: &[u8]| {
            let start = &bytes[..bytes.len().min(CHECKED_BYTES_MAX)];
            check.map_or(Ok(()), |check| check(start)).map_err(|why| {
                let kind = &produced.media_type;
                broken(maker, &format!("says that its bytes are {kind}, and they are not: {why}"))
            })
        };
        match &produced.body {
            Body::Bytes(bytes) => {
                look(bytes)?;
                Ok((host.blobs.put(bytes).map_err(world)?, bytes.len() as u64))
            }
            Body::Claimed(claimed, bytes) => {
                let vcid = Vcid::of(bytes);
                if vcid != *claimed {
                    let text = format!("says that its bytes are {claimed}, and they are {vcid}");
                    return Err(broken(maker, &text));
                }
                look(bytes)?;
                Ok((host.blobs.put(bytes).map_err(world)?, bytes.len() as u64))
            }
            Body::Kept(vcid) => {
                let Some(size) = host.blobs.size(*vcid).map_err(world)? else {
                    return Err(broken(maker, &format!("says that {vcid} is kept, and it is not")));
                };
                if check.is_some() {
                    look(&host.blobs.start(*vcid, CHECKED_BYTES_MAX).map_err(world)?)?;
                }
                Ok((*vcid, size))
            }
        }
    }
}

/// Who made an answer, and why it had to be made.
pub struct Maker<'a> {
    pub name: &'a str,
    pub version: Vcid,
    pub why: String,
    /// Whether a trace of it is kept.
    pub is_kept: bool,
    /// Tags that whatever it gives carries.
    pub secrecy: BTreeSet<String>,
}

/// Runs an endpoint. A panic is its broken word: what it says may tell of what was read, so it gets the
/// label of that, as any refusal does.
async fn contain(
    maker: &Maker<'_>,
    serving: impl Future<Output = Result<Produced, Refusal>>,
) -> Result<Produced, Refusal> {
    let mut serving = pin!(serving);
    let polled = poll_fn(|context| {
        let polled = catch_unwind(AssertUnwindSafe(|| serving.as_mut().poll(context)));
        polled.unwrap_or_else(|panic| {
            Poll::Ready(Err(broken(maker, &format!("panicked: {}", panic_message(&*panic)))))
        })
    });
    polled.await
}

/// Looks whether what an endpoint gives to `exists` or `meta` is that.
pub fn check_verb(
    maker: &Maker<'_>,
    verb: Verb,
    mut produced: Produced,
) -> Result<Produced, Refusal> {
    let (is_right, want) = match (verb, &produced.body) {
        (Verb::Exists, Body::Bytes(bytes)) => {
            (matches!(&bytes[..], b"true" | b"false"), "`true` or `false`")
        }
        (Verb::Meta, Body::Bytes(bytes)) => {
            let described = Representation::decode(bytes);
            // Who may not have the bytes may not know what they are.
            let own = described.as_ref().map(|it| it.label.join(&produced.label));
            produced.label = own.unwrap_or_default();
            (described.is_ok(), "the record of a representation")
        }
        (Verb::Exists | Verb::Meta, _) => (false, "the bytes of an answer"),
        _ => (true, ""),
    };
    match is_right {
        true => Ok(produced),
        false => Err(broken(maker, &format!("answers `{verb}` itself, and gave not {want}"))),
    }
}

fn broken(maker: &Maker<'_>, what: &str) -> Refusal {
    Refusal::new(Reason::Broken, format!("the endpoint {} {what}", maker.name))
}

fn text(text: &str) -> Produced {
    Produced::bytes(MediaType::new("text/plain").expect("it is one"), text.into())
}

/// Returns the names of media types.
pub fn one_of(types: &[MediaType]) -> String {
    let names: Vec<&str> = types.iter().map(MediaType::as_str).collect();
    names.join(" or ")
}
