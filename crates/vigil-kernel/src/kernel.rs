//! The kernel: `source(request) → representation`, with everything that follows from that.

use std::collections::BTreeSet;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use vigil_base::Vcid;

use crate::endpoint::{Call, Given};
use crate::engine::{Edit, Engine, EngineOptions, Failed, Key};
use crate::host::{Authority, HostFault, Traces};
use crate::keys::{BindingKey, RootKey, ScopeKey};
use crate::profile::Profile;
use crate::refusal::{Reason, Refusal};
use crate::representation::{Label, Representation};
use crate::request::{Argument, GIVEN, Identifier, MediaType, Request, Verb};
use crate::resolver::{Answer, ResourceKey, Sought, refused};
use crate::site::{Host, Site};
use crate::space::{Explanation, Space};
use crate::trace::Trace;
use crate::typed::Resources;

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
    /// It says that it was made here, and it is not among what was: that anybody can write.
    #[error(
        "the trace of {uri} says that this machine, {machine}, made it, and it is not kept here; \
         what it tells of can be made anew by resolving that once"
    )]
    NotOurs {
        /// What it answers.
        uri: Identifier,
        /// This machine's name in traces.
        machine: String,
    },
    /// It could not be kept.
    #[error("the trace could not be kept")]
    Host(#[from] HostFault),
}

impl vigil_base::Blamed for ImportError {
    fn blame(&self) -> vigil_base::Blame {
        match self {
            Self::Damaged(_) | Self::NotOurs { .. } => vigil_base::Blame::Caller,
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

    pub(crate) fn traces(&self) -> &dyn Traces {
        &*self.site.host.traces
    }

    /// Returns the key of a request.
    pub(crate) fn key(&self, scope: &Arc<str>, request: &Request) -> ResourceKey {
        let request = Arc::new(request.clone());
        ResourceKey { site: self.site.clone(), scope: scope.clone(), request }
    }

    /// Returns what typed keys ask for resources of a scope through.
    pub fn resources(&self, scope: &str) -> Resources {
        Resources { site: self.site.clone(), scope: scope.into() }
    }

    /// Reads a typed key, holding what it reads of resources against collection meanwhile. Whoever has a
    /// key's type owns the machine: nobody is asked what it may have.
    pub async fn get<K: Key>(&self, key: &K) -> Result<K::Value, Refusal> {
        let _running = self.site.holding.begin(&self.site, &self.engine).map_err(world)?;
        self.engine.get(key).await.map_err(|failure| refused(&failure))
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
        // What is taken in is taken in each time; an endpoint that tried to may have left an answer.
        let is_looked_for = request.verb != Verb::Sink && !self.site.profile.is_on();
        if !is_looked_for || !self.site.holding.is_held() {
            return None;
        }
        let is = |key: &ResourceKey| *key.scope == *scope && *key.request == *request;
        let found = self.engine.peek_like::<ResourceKey>(&Sought(request), is);
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
            // What is wanted may be named after what was read.
            check_label(authority, answer.label(), &key.request.uri)?;
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
        check_needs(authority, &bound.needs(&call).0, &request.uri)?;
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
        let given = Given { representation, blobs, changes: Mutex::default() };
        let taken = catch_unwind(AssertUnwindSafe(|| bound.endpoint.sink(&call, &given)));
        let taken = taken.unwrap_or_else(|_| {
            let text = format!("the endpoint {name} panicked while it took something in");
            Err(Refusal::new(Reason::Broken, text))
        });
        // However it ended: it may have written before it failed.
        let changes = given.changes.into_inner().unwrap_or_else(PoisonError::into_inner);
        changes.iter().for_each(|root| self.root_changed(root));
        taken.map_err(|refusal| refusal.met_by(&request.uri))?;
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

    /// Returns how many kept traces were dropped because they were damaged or contradicted themselves.
    pub fn traces_dropped(&self) -> u64 {
        self.site.traces_dropped.load(Ordering::Relaxed)
    }

    /// Takes in a trace from elsewhere. Whether it is ever used, the policy says; that its inputs are as
    /// they were, and its bytes what they claim, is looked at each time. One that this machine is said to
    /// have made is refused unless it is kept already: the policy believes what carries its name.
    pub fn import_trace(&self, record: &[u8]) -> Result<Trace, ImportError> {
        let trace = Trace::decode(record).map_err(ImportError::Damaged)?;
        let (filed, name) = (trace.request.digest(), Vcid::of(record));
        let Host { traces, machine, .. } = &self.site.host;
        if trace.machine != *machine {
            traces.keep(filed, record)?;
        } else if !traces.find(filed)?.iter().any(|(other, _)| *other == name) {
            let (uri, machine) = (trace.request.uri, machine.clone());
            return Err(ImportError::NotOurs { uri, machine });
        }
        Ok(trace)
    }
}

/// Hands an answer out, if the caller may have it.
fn allow(
    authority: &dyn Authority,
    answer: &Answer,
    request: &Request,
) -> Result<Representation, Refusal> {
    may_have(authority, answer, &request.uri)?;
    answer.result.clone()
}

/// Says why a caller may not have an answer, before anything of it is said: a refusal may tell of a secret
/// too.
pub(crate) fn may_have(
    authority: &dyn Authority,
    answer: &Answer,
    uri: &Identifier,
) -> Result<(), Refusal> {
    check_needs(authority, &answer.needs, uri)?;
    check_label(authority, answer.label(), uri)
}

fn check_label(authority: &dyn Authority, label: &Label, uri: &Identifier) -> Result<(), Refusal> {
    match label.secrecy.iter().find(|tag| !authority.is_cleared(tag)) {
        None => Ok(()),
        Some(tag) => {
            let text = format!("{uri} is labelled `{tag}`, which the caller is not cleared for");
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
