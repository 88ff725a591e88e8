//! The resolver: names, endpoints and kept traces as keys of the engine.
//!
//! How a name resolves is a key of its own, so that a change of a space reaches only what resolves
//! otherwise after it. What an endpoint gives is another: it is taken from a kept trace if everything
//! that the trace has read is as it was, and made otherwise.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use vigil_base::Vcid;
use vigil_base::world::Clock;

use crate::context::{Context, Record, Wants};
use crate::convert;
use crate::endpoint::{Body, Call, Produced};
use crate::engine::{Cx, Failed, Failure, Key};
use crate::host::{Blobs, HostFault, Roots, TracePolicy, Traces};
use crate::keys::BindingKey;
use crate::lease::Holding;
use crate::profile::{Recorder, Wait, nanos, thread_number};
use crate::refusal::{Reason, Refusal};
use crate::representation::{Label, Representation};
use crate::request::{MediaType, Request, Verb};
use crate::space::Bound;
use crate::trace::{Input, Trace};
use crate::why::{How, Story};

/// Says whether bytes are of a media type, or what is wrong with them.
pub type Check = fn(&[u8]) -> Result<(), String>;

/// What the kernel runs on.
#[derive(Clone)]
pub struct Host {
    /// Keeps bytes.
    pub blobs: Arc<dyn Blobs>,
    /// Keeps traces.
    pub traces: Arc<dyn Traces>,
    /// Knows the state of roots.
    pub roots: Arc<dyn Roots>,
    /// Says how long answers take.
    pub clock: Arc<dyn Clock>,
    /// Judges kept traces.
    pub policy: Arc<dyn TracePolicy>,
    /// The machine's name in traces.
    pub machine: String,
    /// Media types whose bytes are looked at before they are believed.
    pub checks: BTreeMap<MediaType, Check>,
}

/// What all keys of one kernel share.
pub struct Site {
    pub host: Host,
    /// Needs that a caller has granted, for as long as it waits.
    approvals: Mutex<Vec<Approval>>,
    approval_last: AtomicU64,
    /// Kept traces that were dropped because they were damaged or contradicted themselves.
    pub traces_dropped: AtomicU64,
    /// The number of the next answer that is begun.
    pub serial: AtomicU64,
    pub profile: Recorder,
    pub holding: Holding,
}

/// For what a computation waited: filled only while a profile is recorded.
pub type Waits = Mutex<Vec<Wait>>;

struct Approval {
    id: u64,
    scope: Arc<str>,
    request: Request,
    needs: BTreeSet<String>,
}

impl Site {
    pub fn new(host: Host) -> Self {
        Self {
            host,
            approvals: Mutex::default(),
            approval_last: AtomicU64::new(0),
            traces_dropped: AtomicU64::new(0),
            serial: AtomicU64::new(1),
            profile: Recorder::default(),
            holding: Holding::default(),
        }
    }

    fn approvals(&self) -> MutexGuard<'_, Vec<Approval>> {
        self.approvals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that a caller who waits for it has granted what a request needs.
    pub fn approve(&self, scope: &Arc<str>, request: &Request, needs: &BTreeSet<String>) -> u64 {
        let id = self.approval_last.fetch_add(1, Ordering::Relaxed);
        let (scope, request, needs) = (scope.clone(), request.clone(), needs.clone());
        self.approvals().push(Approval { id, scope, request, needs });
        id
    }

    /// Takes approvals back.
    pub fn withdraw(&self, ids: &[u64]) {
        self.approvals().retain(|approval| !ids.contains(&approval.id));
    }

    fn is_approved(&self, scope: &str, request: &Request, needs: &BTreeSet<String>) -> bool {
        needs.is_empty()
            || self.approvals().iter().any(|approval| {
                &*approval.scope == scope
                    && approval.request == *request
                    && approval.needs.is_superset(needs)
            })
    }

    /// Returns the kept traces of a request that can be read; what cannot is dropped.
    fn kept(&self, request: &Request) -> Result<Vec<Trace>, HostFault> {
        let name = request.digest();
        let mut kept = Vec::new();
        for (claimed, bytes) in self.host.traces.find(name)? {
            let trace = Trace::decode(&bytes).ok();
            let is_honest = Vcid::of(&bytes) == claimed;
            match trace.filter(|trace| is_honest && trace.request == *request) {
                Some(trace) => kept.push(trace),
                None => {
                    self.traces_dropped.fetch_add(1, Ordering::Relaxed);
                    self.host.traces.forget(name, claimed)?;
                }
            }
        }
        Ok(kept)
    }
}

/// What a request has come to.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The representation, or why there is none.
    pub result: Result<Representation, Refusal>,
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
        let (needs, wants) = Default::default();
        Self { result: Err(refusal), needs, wants, story: Story::default(), serial: 0 }
    }

    /// Returns the hash that stands for it in traces.
    pub fn digest(&self) -> Vcid {
        match &self.result {
            Ok(representation) => representation.digest(),
            Err(refusal) => refusal.digest(),
        }
    }
}

/// Says in a refusal how a computation failed.
pub fn refused(failure: &Failed) -> Refusal {
    let reason = match **failure {
        Failure::Cycle { .. } => Reason::Cycle,
        _ => Reason::Broken,
    };
    Refusal::new(reason, failure.to_string())
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
        // As of the pair that `Kernel::resolve` looks for.
        (&*self.scope, &*self.request).hash(state);
    }
}

impl fmt::Debug for ResourceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.request.uri)?;
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
        (&before.result, &before.needs, &before.wants)
            == (&after.result, &after.needs, &after.wants)
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
                return Answer::refused(refusal);
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
        let own_needs = bound.endpoint.needs(&call);
        let context = Context::new(cx, self, waits);
        let why = match self.find_kept(cx, &context, bound, &call, &own_needs).await {
            Ok(answer) => return answer,
            Err(why) => why,
        };
        context.take_record();
        if !self.site.is_approved(&self.scope, &self.request, &own_needs) {
            let text = format!("{} needs {}", self.request.uri, list(&own_needs));
            let refusal = Refusal::new(Reason::Denied, text).met_by(&self.request.uri);
            let wants = [((*self.request).clone(), own_needs)].into();
            return Answer { wants, ..Answer::refused(refusal) };
        }
        let produced = bound.endpoint.serve(&call, &context).await;
        let mut record = context.take_record();
        record.needs.extend(own_needs);
        let maker = Maker { name: bound.endpoint.name(), version: bound.version, why };
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

    /// Looks for a kept trace whose inputs are all as they were; says why there is none.
    async fn find_kept(
        &self,
        cx: &Cx,
        context: &Context<'_>,
        bound: &Bound,
        call: &Call,
        own_needs: &BTreeSet<String>,
    ) -> Result<Answer, String> {
        let mut why = None;
        let kept = self.site.kept(&call.request).map_err(|fault| fault.what)?;
        for trace in &kept {
            context.take_record();
            let differs = match self.difference(context, bound, trace, &kept).await {
                Some(differs) => differs,
                None => match self.take_over(context, trace, own_needs) {
                    Ok(answer) => {
                        if context.take_record().is_passing {
                            cx.set_transient();
                        }
                        return Ok(answer);
                    }
                    Err(why) => why,
                },
            };
            why.get_or_insert(differs);
        }
        Err(why.unwrap_or_else(|| "there is no earlier run".to_owned()))
    }

    /// Returns the first thing in which a kept trace differs from what would be found now.
    async fn difference(
        &self,
        context: &Context<'_>,
        bound: &Bound,
        trace: &Trace,
        kept: &[Trace],
    ) -> Option<String> {
        if trace.endpoint != bound.endpoint.name() {
            let (was, is) = (&trace.endpoint, bound.endpoint.name());
            return Some(format!("the endpoint was {was}, and is {is}"));
        }
        if trace.version != bound.version {
            return Some(format!(
                "the endpoint's version was {}, and is {}",
                trace.version, bound.version
            ));
        }
        if !self.site.host.policy.accepts(trace, kept) {
            return Some(format!("the policy does not accept the run of {}", trace.machine));
        }
        for group in trace.groups() {
            if let Some((input, gives)) = context.first_changed(group).await {
                let name = input.name();
                return Some(format!("the input {name} gave {}, and gives {gives}", input.gave));
            }
        }
        None
    }

    /// Takes the output of a kept trace whose inputs hold, unless it contradicts them.
    fn take_over(
        &self,
        context: &Context<'_>,
        trace: &Trace,
        own_needs: &BTreeSet<String>,
    ) -> Result<Answer, String> {
        let record = context.take_record();
        let (request, record_name) = (trace.request.digest(), trace.digest());
        let drop_it = |text: String| {
            self.site.traces_dropped.fetch_add(1, Ordering::Relaxed);
            match self.site.host.traces.forget(request, record_name) {
                Ok(()) => text,
                Err(fault) => format!("{text}; {}", fault.what),
            }
        };
        let secrets = record.label.clone().unwrap_or_default().secrecy;
        let all_needs: BTreeSet<String> = record.needs.union(own_needs).cloned().collect();
        let output = &trace.output;
        if !output.label.secrecy.is_superset(&secrets) || !trace.needs.is_superset(&all_needs) {
            return Err(drop_it(
                "the kept trace hides what its inputs need or must keep".to_owned(),
            ));
        }
        match self.site.host.blobs.size(output.vcid) {
            Err(fault) => return Err(fault.what),
            Ok(None) => return Err(format!("the bytes {} are not kept any longer", output.vcid)),
            Ok(Some(size)) if size != output.size => {
                return Err(drop_it(format!(
                    "{} has {size} bytes, not {}",
                    output.vcid, output.size
                )));
            }
            Ok(Some(_)) => {}
        }
        Ok(Answer {
            result: Ok(output.clone()),
            needs: trace.needs.clone(),
            wants: Wants::new(),
            story: Story {
                endpoint: trace.endpoint.clone(),
                version: Some(trace.version),
                inputs: trace.inputs.clone(),
                trace: Some(record_name),
                filed_under: Some(request),
                how: How::Kept,
                why: format!("kept by {}", trace.machine),
                nanos: 0,
            },
            serial: 0,
        })
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
        let maker = Maker { name, version, why: "made of other answers each time".to_owned() };
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
        let label =
            |own: &Label| record.label.as_ref().map_or_else(|| own.clone(), |l| l.join(own));
        let made = produced.and_then(|produced| {
            let (vcid, size) = self.take_in(&maker, &produced)?;
            let label = label(&produced.label);
            Ok(Representation { vcid, media_type: produced.media_type, size, label })
        });
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
        if let (Ok(output), false) = (&result, passing) {
            let trace = Trace {
                request,
                endpoint: maker.name.to_owned(),
                version: maker.version,
                inputs: record.inputs,
                output: output.clone(),
                needs: record.needs.clone(),
                evidence: record.evidence,
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
        Answer { result, needs: record.needs, wants: record.wants, story, serial: 0 }
    }

    /// Takes in the bytes, after looking whether they are what the endpoint says.
    fn take_in(&self, maker: &Maker<'_>, produced: &Produced) -> Result<(Vcid, u64), Refusal> {
        let world = |fault: HostFault| Refusal::new(Reason::World, fault.what);
        let host = &self.site.host;
        let check = host.checks.get(&produced.media_type);
        let look = |bytes: &[u8]| match check.map_or(Ok(()), |check| check(bytes)) {
            Ok(()) => Ok(()),
            Err(why) => Err(broken(
                maker,
                &format!(
                    "says that its bytes are {}, and they are not: {why}",
                    produced.media_type
                ),
            )),
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
                    let bytes = host.blobs.get(*vcid).map_err(world)?;
                    look(&bytes.unwrap_or_default())?;
                }
                Ok((*vcid, size))
            }
        }
    }
}

/// Who made an answer, and why it had to be made.
struct Maker<'a> {
    name: &'a str,
    version: Vcid,
    why: String,
}

/// Looks whether what an endpoint gives to `exists` or `meta` is that.
fn check_verb(maker: &Maker<'_>, verb: Verb, produced: Produced) -> Result<Produced, Refusal> {
    let (is_right, want) = match (verb, &produced.body) {
        (Verb::Exists, Body::Bytes(bytes)) => {
            (matches!(&bytes[..], b"true" | b"false"), "`true` or `false`")
        }
        (Verb::Meta, Body::Bytes(bytes)) => {
            (Representation::decode(bytes).is_ok(), "the record of a representation")
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

fn one_of(types: &[MediaType]) -> String {
    let names: Vec<&str> = types.iter().map(MediaType::as_str).collect();
    names.join(" or ")
}

fn list(needs: &BTreeSet<String>) -> String {
    needs.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}
