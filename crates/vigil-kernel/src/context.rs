//! The context: the only way from an endpoint to another resource.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use vigil_base::Vcid;

use crate::engine::Cx;
use crate::keys::RootKey;
use crate::refusal::{Reason, Refusal};
use crate::representation::{Label, Representation};
use crate::request::{Identifier, Request};
use crate::resolver::{Answer, ResourceKey, Site, refused};
use crate::trace::{Input, Read};

/// Needs that nobody has granted yet, by the request that has them.
pub type Wants = BTreeMap<Request, BTreeSet<String>>;

/// What an endpoint reads through. Everything that is read is recorded.
pub struct Context<'a> {
    cx: &'a Cx,
    site: Arc<Site>,
    scope: Arc<str>,
    uri: Identifier,
    record: Mutex<Record>,
}

/// What was read, and what follows from that.
#[derive(Default)]
pub struct Record {
    /// What was read, in order.
    pub inputs: Vec<Input>,
    /// The labels of what was read, joined.
    pub label: Option<Label>,
    /// The needs of what was read, joined.
    pub needs: BTreeSet<String>,
    /// What was noted about the use of needs.
    pub evidence: BTreeSet<String>,
    /// Needs below that were not granted.
    pub wants: Wants,
    /// Whether something failed for a reason that does not last.
    pub is_passing: bool,
}

impl<'a> Context<'a> {
    pub(crate) fn new(cx: &'a Cx, site: Arc<Site>, scope: Arc<str>, uri: Identifier) -> Self {
        Self { cx, site, scope, uri, record: Mutex::default() }
    }

    fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives what was recorded, and begins anew.
    pub(crate) fn take_record(&self) -> Record {
        std::mem::take(&mut self.record())
    }

    /// Asks for the representation of another resource.
    pub async fn source(&self, uri: &Identifier) -> Result<Representation, Refusal> {
        self.request(Request::source(uri.clone())).await
    }

    /// Asks for the bytes of another resource.
    pub async fn bytes(&self, uri: &Identifier) -> Result<Arc<[u8]>, Refusal> {
        let representation = self.source(uri).await?;
        self.read(representation.vcid)
    }

    /// Reads bytes that a representation names.
    pub fn read(&self, vcid: Vcid) -> Result<Arc<[u8]>, Refusal> {
        let found = self.site.host.blobs.get(vcid);
        let found = found.map_err(|fault| self.passing(&fault.what))?;
        found.ok_or_else(|| self.passing(&format!("the bytes {vcid} are gone from the store")))
    }

    /// Looks for bytes that are named by what they are, and says how many there are. Such a name never
    /// changes its meaning; that nothing is kept under it today is a matter of the world.
    pub fn find(&self, vcid: Vcid) -> Result<u64, Refusal> {
        let found = self.site.host.blobs.size(vcid);
        let found = found.map_err(|fault| self.passing(&fault.what))?;
        found.ok_or_else(|| self.passing(&format!("nothing named {vcid} is kept here")))
    }

    fn passing(&self, what: &str) -> Refusal {
        self.record().is_passing = true;
        Refusal::new(Reason::World, what).met_by(&self.uri)
    }

    /// Asks another request.
    pub async fn request(&self, request: Request) -> Result<Representation, Refusal> {
        let key = ResourceKey {
            site: self.site.clone(),
            scope: self.scope.clone(),
            request: Arc::new(request.clone()),
        };
        let answer = match self.cx.get(&key).await {
            Ok(answer) => answer,
            Err(failure) => Arc::new(Answer::refused(refused(&failure))),
        };
        let mut record = self.record();
        let input = Input { what: Read::Resource(request), gave: answer.digest() };
        record.inputs.push(input);
        record.needs.extend(answer.needs.iter().cloned());
        record.wants.extend(answer.wants.iter().map(|(a, b)| (a.clone(), b.clone())));
        match &answer.result {
            Ok(representation) => {
                let label = &representation.label;
                let joined = record.label.as_ref().map_or_else(|| label.clone(), |l| l.join(label));
                record.label = Some(joined);
                Ok(representation.clone())
            }
            Err(refusal) => {
                record.is_passing |= !refusal.is_lasting();
                Err(refusal.clone().met_by(&self.uri))
            }
        }
    }

    /// Looks at the state of a root: `None` where there is none of that name.
    pub async fn root(&self, root: &str) -> Result<Option<Arc<[u8]>>, Refusal> {
        let key = RootKey { site: self.site.clone(), root: root.into() };
        let state = match self.cx.get(&key).await {
            Ok(state) => state,
            Err(failure) => return Err(refused(&failure)),
        };
        let state = state.map_err(|fault| self.passing(&fault.what))?;
        let input =
            Input { what: Read::Root(root.to_owned()), gave: root_digest(state.as_deref()) };
        self.record().inputs.push(input);
        Ok(state)
    }

    /// Says that what is being made tells of this moment, so that it is shared in the run and kept nowhere.
    pub fn keep_nothing(&self) {
        self.record().is_passing = true;
    }

    /// Notes how a need was used.
    pub fn note(&self, evidence: &str) {
        self.record().evidence.insert(evidence.to_owned());
    }

    /// Returns what reading again gives now, as a trace records it.
    pub(crate) async fn look(&self, what: &Read) -> Vcid {
        match what {
            Read::Resource(request) => match self.request(request.clone()).await {
                Ok(representation) => representation.digest(),
                Err(_) => self.record().inputs.last().map_or(Vcid::of(&[]), |input| input.gave),
            },
            Read::Root(root) => match self.root(root).await {
                Ok(state) => root_digest(state.as_deref()),
                Err(refusal) => refusal.digest(),
            },
        }
    }
}

/// Returns the hash that stands for the state of a root in traces.
fn root_digest(state: Option<&[u8]>) -> Vcid {
    match state {
        Some(state) => Vcid::of(state),
        None => Vcid::of(b"vigil.root/absent"),
    }
}
