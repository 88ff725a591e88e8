//! Provenance: how an answer came about, as a tree.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use vigil_base::Vcid;

use crate::host::{Authority, HostFault, Owner};
use crate::kernel::{Kernel, may_have};
use crate::keys::RootKey;
use crate::pipeline;
use crate::representation::Representation;
use crate::request::Request;
use crate::resolver::{Answer, ResourceKey};
use crate::trace::{Input, Read};

/// Why there is no trace of what is quickly found, and of what the kernel makes of other answers.
pub const LOOKED_UP: &str = "looked up each time";
pub const DERIVED: &str = "made of other answers each time";

/// Whether an answer was made or found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum How {
    /// It was made by its endpoint.
    #[default]
    Made,
    /// It was taken from a kept trace, whose inputs were all as they had been.
    Kept,
}

/// How one answer came about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Story {
    /// Who answered.
    pub endpoint: String,
    /// Which version of it.
    pub version: Option<Vcid>,
    /// What was read.
    pub inputs: Vec<Input>,
    /// The trace's name, if one was kept.
    pub trace: Option<Vcid>,
    /// The hash of the request that it is filed under, as its endpoint knows it.
    pub filed_under: Option<Vcid>,
    /// Whether it was made or found.
    pub how: How,
    /// For what was made: in what the nearest earlier run differed.
    pub why: String,
    /// How long it took, with what it waited for, in nanoseconds.
    pub nanos: u64,
}

/// An answer's story and those below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provenance {
    /// What was asked for.
    pub name: String,
    /// What it gave, or why it gave nothing.
    pub gave: Result<Representation, String>,
    /// How it came about.
    pub story: Story,
    /// Indices, in the list that this is part of, of what it read; roots stand in the story.
    pub below: Vec<usize>,
    /// How many of the answers that it read are not in the list: there are too many of them, or what they
    /// were has been dropped to save memory since.
    pub hidden: usize,
}

impl Input {
    /// Returns the name of what was read.
    pub fn name(&self) -> String {
        match &self.what {
            Read::Resource(request) => pipeline::render(&request.uri),
            Read::Root(root) => format!("root {root}"),
        }
    }
}

/// Most answers that a provenance tree shows.
const PROVENANCE_MAX: usize = 10_000;

impl Kernel {
    /// Returns how what was last found for a request came about, for the machine's owner: see
    /// [`Kernel::why_for`].
    pub fn why(&self, scope: &str, request: &Request) -> Vec<Provenance> {
        self.why_for(&Owner, scope, request)
    }

    /// Returns how what was last found for a request came about: the first of the list, and what it
    /// was made of. Empty if nothing was found yet, or something below has changed since. Of an answer that
    /// the caller may not have only that is said.
    pub fn why_for(
        &self,
        authority: &dyn Authority,
        scope: &str,
        request: &Request,
    ) -> Vec<Provenance> {
        let scope: Arc<str> = scope.into();
        let mut list: Vec<Provenance> = Vec::new();
        let mut places: HashMap<Request, usize> = HashMap::new();
        let mut open: Vec<(Request, Option<usize>)> = vec![(request.clone(), None)];
        while let Some((request, above)) = open.pop() {
            let known = places.get(&request).copied();
            let place = known.or_else(|| {
                let key = self.key(&scope, &request);
                let answer = self.engine().peek(&key)?.ok()?;
                (list.len() < PROVENANCE_MAX).then(|| {
                    list.push(Provenance::of(&key, &answer, authority));
                    list.len() - 1
                })
            });
            match (above, place) {
                (Some(above), Some(place)) => list[above].below.push(place),
                (Some(above), None) => list[above].hidden += 1,
                (None, _) => {}
            }
            let Some(place) = place.filter(|_| known.is_none()) else { continue };
            for input in list[place].story.inputs.iter().rev() {
                if let Read::Resource(below) = &input.what {
                    open.push((below.clone(), Some(place)));
                }
            }
            places.insert(request, place);
        }
        list
    }

    /// Returns the roots that what was last found for a request follows from, however it ended and however
    /// many there are: also where it failed, and through typed keys.
    pub fn roots_below(&self, scope: &str, request: &Request) -> BTreeSet<String> {
        let key = self.key(&scope.into(), request);
        let roots = self.engine().all_below::<ResourceKey, RootKey>(&key);
        roots.into_iter().map(|key| key.root.to_string()).collect()
    }

    /// Returns the records of all traces that an answer rests on, to be taken in elsewhere.
    pub fn export_traces(&self, scope: &str, request: &Request) -> Result<Vec<Vec<u8>>, HostFault> {
        let mut records = Vec::new();
        let mut done: BTreeSet<Vcid> = BTreeSet::new();
        let key = self.key(&scope.into(), request);
        for key in self.engine().all_below::<ResourceKey, ResourceKey>(&key) {
            let Some(Ok(answer)) = self.engine().peek(&key) else { continue };
            let Story { trace: Some(name), filed_under: Some(filed), .. } = answer.story else {
                continue;
            };
            if done.insert(name) {
                let kept = self.traces().find(filed)?;
                let found = kept.into_iter().find(|(other, _)| *other == name);
                records.extend(found.map(|(_, bytes)| bytes.to_vec()));
            }
        }
        Ok(records)
    }
}

impl Provenance {
    fn of(key: &ResourceKey, answer: &Answer, authority: &dyn Authority) -> Self {
        let name = format!("{key:?}");
        let (below, hidden) = Default::default();
        if let Err(refusal) = may_have(authority, answer, &key.request.uri) {
            let story = Story::default();
            return Self { name, gave: Err(refusal.message), story, below, hidden };
        }
        let gave = answer.result.clone().map_err(|refusal| refusal.message);
        Self { name, gave, story: answer.story.clone(), below, hidden }
    }
}

/// Deepest level that is printed.
const DEPTH_MAX: usize = 64;

/// Writes the tree below the first of the list, each answer once.
pub fn render(list: &[Provenance]) -> String {
    let mut out = String::new();
    let mut shown = vec![false; list.len()];
    let mut open = vec![(0, 0)];
    while let Some((index, depth)) = open.pop() {
        let Some(item) = list.get(index) else { continue };
        let indent = "  ".repeat(depth);
        if std::mem::replace(&mut shown[index], true) {
            out += &format!("{indent}{} (see above)\n", item.name);
            continue;
        }
        let how = match item.story.how {
            How::Made => "made",
            How::Kept => "kept",
        };
        let gave = match &item.gave {
            Ok(found) => format!("{} {} {} B", found.vcid, found.media_type, found.size),
            Err(text) => format!("refused: {}", text.lines().next().unwrap_or_default()),
        };
        let micros = item.story.nanos / 1000;
        out += &format!("{indent}{}\n{indent}  gave {gave}\n", item.name);
        let version = item.story.version.map(|version| version.to_hex()[..12].to_owned());
        out += &format!(
            "{indent}  {how} by {} {} in {micros} µs ({})\n",
            item.story.endpoint,
            version.unwrap_or_default(),
            item.story.why
        );
        for input in &item.story.inputs {
            if let Read::Root(root) = &input.what {
                out += &format!("{indent}  root {root} was {}\n", input.gave);
            }
        }
        if item.hidden > 0 {
            out += &format!("{indent}  and {} that are not shown\n", item.hidden);
        }
        if depth >= DEPTH_MAX && !item.below.is_empty() {
            out += &format!("{indent}  and {} deeper down\n", item.below.len());
        }
        if depth < DEPTH_MAX {
            open.extend(item.below.iter().rev().map(|below| (*below, depth + 1)));
        }
    }
    out
}
