//! The context: the only way from an endpoint to another resource.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use vigil_base::Vcid;

use crate::engine::{Cx, Failed, Key};
use crate::keys::RootKey;
use crate::profile::Wait;
use crate::refusal::{Reason, Refusal};
use crate::representation::{Label, Representation};
use crate::request::{Identifier, Request};
use crate::resolver::{Answer, ResourceKey, Waits, refused};
use crate::trace::{Input, Read};
use crate::typed::MarksKey;

/// Needs that nobody has granted yet, by the request that has them.
pub type Wants = BTreeMap<Request, BTreeSet<String>>;

/// What an endpoint reads through. Everything that is read is recorded.
pub struct Context<'a> {
    cx: &'a Cx,
    /// Who reads.
    key: &'a ResourceKey,
    record: Mutex<Record>,
    /// For a profile.
    waits: &'a Waits,
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
    /// Whether something was read that only this process can name, so that no trace can tell of it.
    pub is_local: bool,
}

impl Record {
    /// Joins the label of something that was read.
    fn join(&mut self, label: &Label) {
        let joined = self.label.as_ref().map_or_else(|| label.clone(), |own| own.join(label));
        self.label = Some(joined);
    }
}

impl<'a> Context<'a> {
    pub(crate) fn new(cx: &'a Cx, key: &'a ResourceKey, waits: &'a Waits) -> Self {
        Self { cx, key, record: Mutex::default(), waits }
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
        let found = self.key.site.host.blobs.get(vcid);
        let found = found.map_err(|fault| self.passing(&fault.what))?;
        found.ok_or_else(|| self.passing(&format!("the bytes {vcid} are gone from the store")))
    }

    /// Looks for bytes that are named by what they are, and says how many there are. Such a name never
    /// changes its meaning; that nothing is kept under it today is a matter of the world.
    pub fn find(&self, vcid: Vcid) -> Result<u64, Refusal> {
        let found = self.key.site.host.blobs.size(vcid);
        let found = found.map_err(|fault| self.passing(&fault.what))?;
        found.ok_or_else(|| self.passing(&format!("nothing named {vcid} is kept here")))
    }

    /// Reads a typed key of this process: a build target, a manifest that was taken apart. What the key has
    /// read of resources counts as read here: its labels and needs are the answer's too. No trace can tell
    /// of a key that has no name elsewhere, so the answer is kept in memory and made anew by the next
    /// process; what is made of it is kept as ever.
    pub async fn get<K: Key>(&self, key: &K) -> Result<K::Value, Refusal> {
        self.record().is_local = true;
        let value = self.cx.get(key).await;
        let marks = self.cx.get(&MarksKey(key.clone())).await;
        let marks = marks.map_err(|failure| self.failed(&failure))?;
        let mut record = self.record();
        marks.label.iter().for_each(|label| record.join(label));
        record.needs.extend(marks.needs.iter().cloned());
        record.wants.extend(marks.wants.iter().map(|(a, b)| (a.clone(), b.clone())));
        record.is_passing |= marks.is_passing;
        drop(record);
        value.map_err(|failure| self.failed(&failure))
    }

    /// Says in a refusal that a computation failed, which does not last.
    fn failed(&self, failure: &Failed) -> Refusal {
        self.record().is_passing = true;
        refused(failure).met_by(&self.key.request.uri)
    }

    fn passing(&self, what: &str) -> Refusal {
        self.record().is_passing = true;
        Refusal::new(Reason::World, what).met_by(&self.key.request.uri)
    }

    /// Asks another request.
    pub async fn request(&self, request: Request) -> Result<Representation, Refusal> {
        let mut all = self.request_all(vec![request]).await;
        all.pop().expect("one request has one answer")
    }

    /// Asks requests that are all needed, so that they may be answered at once, now and whenever it is
    /// looked whether they are as they were.
    pub async fn request_all(
        &self,
        requests: Vec<Request>,
    ) -> Vec<Result<Representation, Refusal>> {
        let answers = self.answers(&requests).await;
        let both = requests.into_iter().zip(answers).enumerate();
        both.map(|(index, (request, answer))| self.take_in(request, &answer, index > 0)).collect()
    }

    /// Asks for the representations of resources that are all needed.
    pub async fn source_all(&self, uris: &[Identifier]) -> Vec<Result<Representation, Refusal>> {
        self.request_all(uris.iter().cloned().map(Request::source).collect()).await
    }

    async fn answers(&self, requests: &[Request]) -> Vec<Arc<Answer>> {
        let keys: Vec<ResourceKey> =
            requests.iter().map(|request| self.key.beside(request)).collect();
        let profile = &self.key.site.profile;
        let peek = |key: &ResourceKey| self.cx.peek(key).and_then(Result::ok);
        let asked = profile
            .is_on()
            .then(|| keys.iter().map(|key| profile.ask(key, &peek)).collect::<Vec<_>>());
        let answers = self.cx.get_all(keys.iter().cloned()).await;
        let answers: Vec<Arc<Answer>> = answers.into_iter().map(flat).collect();
        for ((asked, key), answer) in asked.into_iter().flatten().zip(&keys).zip(&answers) {
            let waits = asked.map(|asked| profile.answered(asked, key, answer, &peek));
            self.note_waits(waits.unwrap_or_default());
        }
        answers
    }

    fn note_waits(&self, waits: Vec<Wait>) {
        self.waits.lock().unwrap_or_else(PoisonError::into_inner).extend(waits);
    }

    fn take_in(
        &self,
        request: Request,
        answer: &Answer,
        with_previous: bool,
    ) -> Result<Representation, Refusal> {
        let mut record = self.record();
        let gave = answer.digest();
        record.inputs.push(Input { what: Read::Resource(request), gave, with_previous });
        record.needs.extend(answer.needs.iter().cloned());
        record.wants.extend(answer.wants.iter().map(|(a, b)| (a.clone(), b.clone())));
        // That there is nothing, and why, may be as secret as what there is.
        record.join(answer.label());
        match &answer.result {
            Ok(representation) => Ok(representation.clone()),
            Err(refusal) => {
                record.is_passing |= !refusal.is_lasting();
                Err(refusal.clone().met_by(&self.key.request.uri))
            }
        }
    }

    /// Looks at the state of a root: `None` where there is none of that name.
    pub async fn root(&self, root: &str) -> Result<Option<Arc<[u8]>>, Refusal> {
        let mut all = self.roots(&[root]).await;
        all.pop().expect("one root has one state")
    }

    /// Looks at the states of roots that are all needed.
    pub async fn roots(&self, roots: &[&str]) -> Vec<Result<Option<Arc<[u8]>>, Refusal>> {
        let key = |root: &&str| RootKey { site: self.key.site.clone(), root: (*root).into() };
        let states = self.cx.get_all(roots.iter().map(key)).await;
        let mut taken = Vec::with_capacity(roots.len());
        for (index, (root, state)) in roots.iter().zip(states).enumerate() {
            let state = match state {
                Ok(Ok(state)) => Ok(state),
                Ok(Err(fault)) => Err(self.passing(&fault.what)),
                Err(failure) => Err(self.failed(&failure)),
            };
            if let Ok(state) = &state {
                let what = Read::Root((*root).to_owned());
                let gave = root_digest(state.as_deref());
                self.record().inputs.push(Input { what, gave, with_previous: index > 0 });
            }
            taken.push(state);
        }
        taken
    }

    /// Returns the first of the inputs, which were asked for together, that gives something else now,
    /// and what that is. All of them are looked at.
    pub(crate) async fn first_changed<'i>(&self, inputs: &'i [Input]) -> Option<(&'i Input, Vcid)> {
        let mut requests = Vec::new();
        let mut roots = Vec::new();
        for input in inputs {
            match &input.what {
                Read::Resource(request) => requests.push(request.clone()),
                Read::Root(root) => roots.push(root.as_str()),
            }
        }
        let states = self.roots(&roots).await;
        let answers = self.answers(&requests).await;
        for (request, answer) in requests.into_iter().zip(&answers) {
            // What it was refused for is in the record.
            let _ = self.take_in(request, answer, false);
        }
        let (mut states, mut answers) = (states.into_iter(), answers.into_iter());
        let mut now = |input: &Input| match &input.what {
            Read::Resource(_) => answers.next().map(|answer| answer.digest()),
            Read::Root(_) => states.next().map(|state| match state {
                Ok(state) => root_digest(state.as_deref()),
                Err(refusal) => refusal.digest(&Label::default()),
            }),
        };
        let both = inputs.iter().filter_map(|input| Some((input, now(input)?)));
        both.into_iter().find(|(input, gives)| input.gave != *gives)
    }

    /// Says that what is being made tells of this moment, so that it is shared in the run and kept nowhere.
    pub fn keep_nothing(&self) {
        self.record().is_passing = true;
    }

    /// Notes how a need was used.
    pub fn note(&self, evidence: &str) {
        self.record().evidence.insert(evidence.to_owned());
    }
}

/// Takes an answer that could not be computed for one that refuses.
pub fn flat(answer: Result<Arc<Answer>, Failed>) -> Arc<Answer> {
    answer.unwrap_or_else(|failure| Arc::new(Answer::refused(refused(&failure))))
}

/// Returns the hash that stands for the state of a root in traces.
fn root_digest(state: Option<&[u8]>) -> Vcid {
    match state {
        Some(state) => Vcid::of(state),
        None => Vcid::of(b"vigil.root/absent"),
    }
}
