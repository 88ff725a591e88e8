//! The kernel: `source(request) → representation`, with everything that follows from that.

use std::collections::{BTreeSet, HashMap};
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use vigil_base::Vcid;

use crate::endpoint::{Call, Given};
use crate::engine::{Edit, Engine, EngineOptions, Failed};
use crate::host::{Authority, HostFault};
use crate::keys::{BindingKey, RootKey, ScopeKey};
use crate::profile::Profile;
use crate::refusal::{Reason, Refusal};
use crate::representation::{Label, Representation};
use crate::request::{Argument, GIVEN, Identifier, MediaType, Request, Verb};
use crate::resolver::{Answer, Host, ResourceKey, Site, refused};
use crate::space::{Explanation, Space};
use crate::trace::{Read, Trace};
use crate::why::Provenance;

/// Most answers that a provenance tree shows.
const PROVENANCE_MAX: usize = 10_000;

/// Finds the endpoint for a request, keeps what it gives, and records how it came about.
///
/// Cheap to clone. It has no threads of its own: see [`Engine`].
#[derive(Clone)]
pub struct Kernel {
    engine: Engine,
    site: Arc<Site>,
}

/// Why a trace from elsewhere was not taken in.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// The bytes are no trace.
    #[error("the bytes are not a trace")]
    Damaged(#[source] vigil_base::cbor::DecodeError),
    /// It could not be kept.
    #[error("the trace could not be kept")]
    Host(#[from] HostFault),
}

impl vigil_base::Blamed for ImportError {
    fn blame(&self) -> vigil_base::Blame {
        match self {
            Self::Damaged(_) => vigil_base::Blame::Caller,
            Self::Host(_) => vigil_base::Blame::World,
        }
    }
}

/// Needs that are granted for as long as somebody waits.
struct Granted {
    site: Arc<Site>,
    ids: Vec<u64>,
}

impl Drop for Granted {
    fn drop(&mut self) {
        self.site.withdraw(&self.ids);
    }
}

impl Kernel {
    /// Makes a kernel without scopes.
    pub fn new(host: Host, options: EngineOptions) -> Self {
        Self { engine: Engine::new(options), site: Arc::new(Site::new(host)) }
    }

    /// Returns the engine, to be run by whoever has threads.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Gives a scope its space. What resolves otherwise than before is asked again, and no more.
    pub fn set_scope(&self, scope: &str, space: Space) {
        let space = Some(Arc::new(space));
        self.edit(|edit| edit.set(&ScopeKey(scope.into()), space));
    }

    fn edit(&self, edits: impl FnOnce(&mut Edit<'_>)) {
        self.site.profile.edited();
        self.engine.edit(edits);
    }

    fn key(&self, scope: &Arc<str>, request: &Request) -> ResourceKey {
        let request = Arc::new(request.clone());
        ResourceKey { site: self.site.clone(), scope: scope.clone(), request }
    }

    /// Resolves a request for a caller.
    ///
    /// Who asks plays no part in what is found, or whether it is found again; whether the caller may
    /// have it is looked at each time, and a denial is kept nowhere.
    pub fn resolve(
        &self,
        authority: Arc<dyn Authority>,
        scope: &str,
        request: Request,
    ) -> impl Future<Output = Result<Representation, Refusal>> + Send + use<> {
        let found = match self.look_for(&*authority, scope, &request) {
            Some(answer) => Ok(answer),
            None => Err(self.clone().resolve_boxed(authority, scope.into(), request)),
        };
        async move {
            match found {
                Ok(answer) => answer,
                Err(asked) => asked.await,
            }
        }
    }

    /// Boxed, so that what is at hand does not move about room for what is not.
    fn resolve_boxed(
        self,
        authority: Arc<dyn Authority>,
        scope: Arc<str>,
        request: Request,
    ) -> Pin<Box<dyn Future<Output = Result<Representation, Refusal>> + Send>> {
        Box::pin(async move {
            match request.verb {
                Verb::Sink => self.sink_for(&*authority, &scope, &request).await,
                _ => self.resolve_for(&*authority, &scope, &request).await,
            }
        })
    }

    /// Returns what is at hand for a caller, without a future, a key, or room for either.
    fn look_for(
        &self,
        authority: &dyn Authority,
        scope: &str,
        request: &Request,
    ) -> Option<Result<Representation, Refusal>> {
        if !self.site.holding.is_held() || self.site.profile.is_on() {
            return None;
        }
        let is = |key: &ResourceKey| *key.scope == *scope && *key.request == *request;
        let found = self.engine.peek_like::<ResourceKey>(&(scope, request), is);
        let answer = found?.ok().filter(|answer| answer.wants.is_empty())?;
        Some(allow(authority, &answer, request))
    }

    async fn resolve_for(
        &self,
        authority: &dyn Authority,
        scope: &Arc<str>,
        request: &Request,
    ) -> Result<Representation, Refusal> {
        let key = self.key(scope, request);
        let profile = &self.site.profile;
        let _running = self.site.holding.begin(&self.site, &self.engine).map_err(world)?;
        let peek = |key: &ResourceKey| self.engine.peek(key).and_then(Result::ok);
        let asked = profile.is_on().then(|| profile.ask(&key, &peek)).flatten();
        let answer = self.answer_for(authority, &key).await?;
        if let Some(asked) = asked {
            profile.question(profile.answered(asked, &key, &answer, &peek));
        }
        allow(authority, &answer, request)
    }

    /// Returns an answer whose needs, where they must be granted first, the caller has granted.
    async fn answer_for(
        &self,
        authority: &dyn Authority,
        key: &ResourceKey,
    ) -> Result<Arc<Answer>, Refusal> {
        let mut granted = Granted { site: self.site.clone(), ids: Vec::new() };
        loop {
            let answer = self.engine.get(key).await;
            let answer =
                answer.map_err(|failure: Failed| refused(&failure).met_by(&key.request.uri))?;
            if answer.wants.is_empty() {
                return Ok(answer);
            }
            for (needing, needs) in &answer.wants {
                check_needs(authority, needs, &needing.uri)?;
            }
            for (needing, needs) in &answer.wants {
                granted.ids.push(self.site.approve(&key.scope, needing, needs));
            }
            self.engine.edit(|edit| {
                for needing in answer.wants.keys() {
                    edit.invalidate(&key.beside(needing));
                }
            });
        }
    }

    /// Lets an endpoint take something in, for a caller. It happens once, outside of the engine: what
    /// the engine computes may be computed again, and changes nothing.
    async fn sink_for(
        &self,
        authority: &dyn Authority,
        scope: &Arc<str>,
        request: &Request,
    ) -> Result<Representation, Refusal> {
        let _running = self.site.holding.begin(&self.site, &self.engine).map_err(world)?;
        let binding = BindingKey { scope: scope.clone(), uri: request.uri.clone() };
        let bound = self.engine.get(&binding).await.map_err(|failure| refused(&failure))??;
        let name = bound.endpoint.name();
        if !bound.endpoint.verbs().contains(&Verb::Sink) {
            let text = format!("{name} takes nothing in");
            return Err(Refusal::new(Reason::Misuse, text).met_by(&request.uri));
        }
        let call = Call {
            request: Request { uri: bound.uri.clone(), ..request.clone() },
            parts: bound.parts.clone(),
        };
        check_needs(authority, &bound.endpoint.needs(&call), &request.uri)?;
        let blobs = &*self.site.host.blobs;
        let representation = match request.arguments.get(GIVEN) {
            Some(Argument::Reference(uri)) => {
                let given = Request::source(uri.clone());
                self.resolve_for(authority, scope, &given).await?
            }
            Some(Argument::Value(text)) => Representation {
                vcid: blobs.put(text.as_bytes()).map_err(world)?,
                media_type: MediaType::new("text/plain").expect("it is one"),
                size: text.len() as u64,
                label: Label::default(),
            },
            None => {
                let text = format!("what is {name} to take in? give it as the argument `{GIVEN}`");
                return Err(Refusal::new(Reason::Misuse, text).met_by(&request.uri));
            }
        };
        let given = Given { representation, blobs };
        let taken = catch_unwind(AssertUnwindSafe(|| bound.endpoint.sink(&call, &given)));
        let taken = taken.unwrap_or_else(|_| {
            let text = format!("the endpoint {name} panicked while it took something in");
            Err(Refusal::new(Reason::Broken, text))
        });
        for root in taken.map_err(|refusal| refusal.met_by(&request.uri))? {
            self.root_changed(&root);
        }
        Ok(given.representation)
    }

    /// Lets the host collect what nobody keeps, as soon as no request is running. What an answer names
    /// may be gone after this, unless it is asked for again.
    pub fn let_collect(&self) {
        self.site.holding.let_go();
    }

    /// Begins to record what runs when, and what it waits for. What was recorded before is dropped.
    pub fn start_profile(&self) {
        self.site.profile.start();
    }

    /// Ends recording and gives the record.
    pub fn stop_profile(&self) -> Profile {
        self.site.profile.stop()
    }

    /// Says that a root may have changed: it is looked at when it is next needed.
    pub fn root_changed(&self, root: &str) {
        let key = RootKey { site: self.site.clone(), root: root.into() };
        self.edit(|edit| edit.invalidate(&key));
    }

    /// Says what a root is now, by somebody who has looked.
    pub fn set_root(&self, root: &str, state: Option<&[u8]>) {
        let key = RootKey { site: self.site.clone(), root: root.into() };
        self.edit(|edit| edit.set(&key, Ok(state.map(Arc::from))));
    }

    /// Begins a run: what failed for a reason of the world is tried again when it is next needed.
    pub fn begin_run(&self) {
        self.site.profile.edited();
        self.engine.begin_run();
    }

    /// Says, step by step, how a name resolves in a scope, or why it does not.
    pub fn explain(&self, scope: &str, uri: &Identifier) -> Explanation {
        match self.scope(scope) {
            Some(space) => space.resolve(uri).1,
            None => Explanation { steps: vec![(0, format!("there is no scope `{scope}`"))] },
        }
    }

    /// Returns the space of a scope.
    pub fn scope(&self, scope: &str) -> Option<Arc<Space>> {
        // A space that was set and not used yet is no answer that could be peeked at.
        self.engine.block_on(self.engine.get(&ScopeKey(scope.into()))).ok().flatten()
    }

    /// Returns how what was last found for a request came about: the first of the list, and what it
    /// was made of. Empty if nothing was found yet, or something below has changed since.
    pub fn why(&self, scope: &str, request: &Request) -> Vec<Provenance> {
        let scope: Arc<str> = scope.into();
        let mut list: Vec<Provenance> = Vec::new();
        let mut places: HashMap<Request, usize> = HashMap::new();
        let mut open: Vec<(Request, Option<usize>)> = vec![(request.clone(), None)];
        while let Some((request, above)) = open.pop() {
            let known = places.get(&request).copied();
            let place = known.unwrap_or(list.len());
            if let Some(above) = above {
                list[above].below.push(place);
            }
            if known.is_some() || list.len() >= PROVENANCE_MAX {
                continue;
            }
            let Some(Ok(answer)) = self.engine.peek(&self.key(&scope, &request)) else {
                if let Some(above) = above {
                    list[above].below.pop();
                }
                continue;
            };
            places.insert(request.clone(), place);
            for input in answer.story.inputs.iter().rev() {
                if let Read::Resource(below) = &input.what {
                    open.push((below.clone(), Some(place)));
                }
            }
            let key = self.key(&scope, &request);
            list.push(Provenance {
                name: format!("{key:?}"),
                gave: answer.result.clone().map_err(|refusal| refusal.message),
                story: answer.story.clone(),
                below: Vec::new(),
            });
        }
        list
    }

    /// Returns how many kept traces were dropped because they were damaged or contradicted themselves.
    pub fn traces_dropped(&self) -> u64 {
        self.site.traces_dropped.load(Ordering::Relaxed)
    }

    /// Returns the records of all traces that an answer rests on, to be taken in elsewhere.
    pub fn export_traces(&self, scope: &str, request: &Request) -> Result<Vec<Vec<u8>>, HostFault> {
        let mut records = Vec::new();
        let mut done: BTreeSet<Vcid> = BTreeSet::new();
        for item in self.why(scope, request) {
            let Some(name) = item.story.trace.filter(|name| done.insert(*name)) else { continue };
            let found = self.trace_record(&item, name)?;
            records.extend(found);
        }
        Ok(records)
    }

    fn trace_record(&self, item: &Provenance, name: Vcid) -> Result<Option<Vec<u8>>, HostFault> {
        let Some(filed) = item.story.filed_under else { return Ok(None) };
        let kept = self.site.host.traces.find(filed)?;
        Ok(kept.into_iter().find(|(other, _)| *other == name).map(|(_, bytes)| bytes.to_vec()))
    }

    /// Takes in a trace from elsewhere. Whether it is ever used, the policy says; that its inputs are as
    /// they were, and its bytes what they claim, is looked at each time.
    pub fn import_trace(&self, record: &[u8]) -> Result<Trace, ImportError> {
        let trace = Trace::decode(record).map_err(ImportError::Damaged)?;
        self.site.host.traces.keep(trace.request.digest(), record)?;
        Ok(trace)
    }
}

/// Hands an answer out, if the caller may have it.
fn allow(
    authority: &dyn Authority,
    answer: &Answer,
    request: &Request,
) -> Result<Representation, Refusal> {
    check_needs(authority, &answer.needs, &request.uri)?;
    let representation = answer.result.clone()?;
    let secret = representation.label.secrecy.iter().find(|tag| !authority.is_cleared(tag));
    match secret {
        None => Ok(representation),
        Some(tag) => {
            let text =
                format!("{} is labelled `{tag}`, which the caller is not cleared for", request.uri);
            Err(Refusal::new(Reason::Denied, text))
        }
    }
}

fn world(fault: HostFault) -> Refusal {
    Refusal::new(Reason::World, fault.what)
}

fn check_needs(
    authority: &dyn Authority,
    needs: &BTreeSet<String>,
    uri: &Identifier,
) -> Result<(), Refusal> {
    for need in needs {
        if let Err(why) = authority.grants(need) {
            let text = format!("{uri} needs `{need}`, which is not granted: {why}");
            return Err(Refusal::new(Reason::Denied, text));
        }
    }
    Ok(())
}
