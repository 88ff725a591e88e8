//! Spaces: which endpoint answers which name.
//!
//! A space is built from the bottom up and then never changes, so spaces cannot contain one another in
//! a circle. To look a name up it asks, in this order: what is laid over it, its aliases, its own
//! endpoints, what is mounted in it, what it imports.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use vigil_base::Vcid;
use vigil_base::cbor::Encoder;

use crate::endpoint::{Call, Endpoint};
use crate::grammar::Parts;
use crate::representation::write_set;
use crate::request::{Identifier, MediaType};

/// Most aliases and mounts that one name may go through.
const REWRITES_MAX: usize = 32;

/// Most patterns that are listed where none fits.
const TRIED_SHOWN_MAX: usize = 8;

/// Deepest nesting of spaces.
const DEPTH_MAX: usize = 32;

/// Turns one media type into another by asking for a URI made of the first one's.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Converter {
    /// What it reads.
    pub from: MediaType,
    /// What it gives.
    pub to: MediaType,
    /// What it costs, compared with others.
    pub cost: u32,
    /// The name of the call: `active:NAME+of@URI` is what is asked for.
    pub call: String,
}

/// Which endpoint answers which name.
pub struct Space {
    name: String,
    depth: usize,
    overlays: Vec<Arc<Space>>,
    aliases: Vec<(String, String)>,
    endpoints: Vec<Installed>,
    mounts: Vec<Mount>,
    imports: Vec<Arc<Space>>,
    converters: Vec<Converter>,
}

/// An endpoint, and what it may use of the world without its caller's grant.
struct Installed {
    endpoint: Arc<dyn Endpoint>,
    owned: Arc<BTreeSet<String>>,
}

struct Mount {
    at: String,
    root: String,
    space: Arc<Space>,
}

/// Why something cannot be part of a space.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SpaceError {
    /// Two endpoints would answer the same name.
    #[error(
        "`{first}` and `{second}` both answer `{example}`; a space has one endpoint for a name"
    )]
    Overlap {
        /// The grammar that was there.
        first: String,
        /// The one that was to be added.
        second: String,
        /// A name that fits both.
        example: String,
    },
    /// Spaces are nested too deep.
    #[error("spaces are nested at most {DEPTH_MAX} deep")]
    Deep,
}

/// The endpoint that answers a name.
#[derive(Clone)]
pub struct Bound {
    /// The endpoint.
    pub endpoint: Arc<dyn Endpoint>,
    /// Its version when the name was looked up.
    pub version: Vcid,
    /// The name as the endpoint knows it.
    pub uri: Identifier,
    /// The parts of that name.
    pub parts: Parts,
    /// The needs that it owns by its installation.
    pub owned: Arc<BTreeSet<String>>,
}

impl Bound {
    /// Returns what a call needs, split into what its caller must grant and what the endpoint owns.
    pub fn needs(&self, call: &Call) -> (BTreeSet<String>, BTreeSet<String>) {
        self.endpoint.needs(call).into_iter().partition(|need| !self.owned.contains(need))
    }
}

impl fmt::Debug for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} as {} by {}", self.uri, self.endpoint.name(), self.version)
    }
}

/// How a name was looked up, step by step.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Explanation {
    /// Each step, with how deep in the spaces it was.
    pub steps: Vec<(usize, String)>,
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (depth, step) in &self.steps {
            writeln!(f, "{:indent$}{step}", "", indent = 2 * depth)?;
        }
        Ok(())
    }
}

/// The way of a name through spaces.
struct Search<'a> {
    explanation: &'a mut Explanation,
    rewrites_left: usize,
}

impl Search<'_> {
    fn say(&mut self, depth: usize, step: String) {
        self.explanation.steps.push((depth, step));
    }
}

impl Space {
    /// Makes an empty space.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            depth: 1,
            overlays: Vec::new(),
            aliases: Vec::new(),
            endpoints: Vec::new(),
            mounts: Vec::new(),
            imports: Vec::new(),
            converters: Vec::new(),
        }
    }

    /// Returns the name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Adds an endpoint, unless another one of this space answers one of its names.
    pub fn with(self, endpoint: Arc<dyn Endpoint>) -> Result<Self, SpaceError> {
        self.install(endpoint, BTreeSet::new())
    }

    /// As [`Space::with`], for an endpoint that owns some of its needs: whoever installs it grants them
    /// to it, its own secret for instance, so that no caller has to. That they were used stands in the
    /// evidence of its traces.
    pub fn install(
        mut self,
        endpoint: Arc<dyn Endpoint>,
        owned: BTreeSet<String>,
    ) -> Result<Self, SpaceError> {
        for Installed { endpoint: other, .. } in &self.endpoints {
            if let Some(example) = other.grammar().overlap(endpoint.grammar()) {
                return Err(SpaceError::Overlap {
                    first: other.grammar().to_string(),
                    second: endpoint.grammar().to_string(),
                    example,
                });
            }
        }
        self.endpoints.push(Installed { endpoint, owned: Arc::new(owned) });
        Ok(self)
    }

    /// Takes over the names of another space, after its own.
    pub fn import(mut self, space: Arc<Self>) -> Result<Self, SpaceError> {
        self.deepen(&space)?;
        self.imports.push(space);
        Ok(self)
    }

    /// Lays another space over this one: its names come first.
    pub fn overlay(mut self, space: Arc<Self>) -> Result<Self, SpaceError> {
        self.deepen(&space)?;
        self.overlays.insert(0, space);
        Ok(self)
    }

    /// Names what another space calls `root…` here `at…`.
    pub fn mount(mut self, at: &str, root: &str, space: Arc<Self>) -> Result<Self, SpaceError> {
        self.deepen(&space)?;
        self.mounts.push(Mount { at: at.to_owned(), root: root.to_owned(), space });
        Ok(self)
    }

    /// Lets `from…` mean `to…`, both in this space.
    pub fn alias(mut self, from: &str, to: &str) -> Self {
        self.aliases.push((from.to_owned(), to.to_owned()));
        self
    }

    /// Adds a converter.
    pub fn converter(mut self, converter: Converter) -> Self {
        self.converters.push(converter);
        self
    }

    fn deepen(&mut self, inner: &Self) -> Result<(), SpaceError> {
        self.depth = self.depth.max(inner.depth + 1);
        if self.depth > DEPTH_MAX { Err(SpaceError::Deep) } else { Ok(()) }
    }

    fn inner_spaces(&self) -> impl Iterator<Item = &Arc<Self>> {
        let mounted = self.mounts.iter().map(|mount| &mount.space);
        self.overlays.iter().chain(mounted).chain(&self.imports)
    }

    /// Returns the converters of this space and of those in it.
    pub fn converters(&self) -> Vec<Converter> {
        let inner = self.inner_spaces().flat_map(|space| space.converters());
        let mut all: Vec<Converter> = self.converters.iter().cloned().chain(inner).collect();
        all.sort();
        all.dedup();
        all
    }

    /// Returns the endpoints of this space and of those in it, with the space that has them.
    pub fn endpoints(&self) -> Vec<(String, Arc<dyn Endpoint>)> {
        let own = self.endpoints.iter().map(|it| (self.name.clone(), it.endpoint.clone()));
        own.chain(self.inner_spaces().flat_map(|space| space.endpoints())).collect()
    }

    /// Returns a hash of all that a lookup may depend on.
    pub fn digest(&self) -> Vcid {
        let mut encoder = Encoder::record("vigil.space/2", 8);
        encoder.text(&self.name);
        encoder.array(self.overlays.len());
        self.overlays.iter().for_each(|space| encoder.bytes(space.digest().as_bytes()));
        encoder.array(2 * self.aliases.len());
        for (from, to) in &self.aliases {
            encoder.text(from);
            encoder.text(to);
        }
        encoder.array(6 * self.endpoints.len());
        for Installed { endpoint, owned } in &self.endpoints {
            encoder.text(endpoint.name());
            encoder.text(endpoint.grammar().pattern());
            encoder.bytes(endpoint.version().as_bytes());
            encoder.array(endpoint.verbs().len());
            endpoint.verbs().iter().for_each(|verb| encoder.unsigned(*verb as u64));
            encoder.array(endpoint.gives().len());
            endpoint.gives().iter().for_each(|kind| encoder.text(kind.as_str()));
            write_set(&mut encoder, owned);
        }
        encoder.array(3 * self.mounts.len());
        for mount in &self.mounts {
            encoder.text(&mount.at);
            encoder.text(&mount.root);
            encoder.bytes(mount.space.digest().as_bytes());
        }
        encoder.array(self.imports.len());
        self.imports.iter().for_each(|space| encoder.bytes(space.digest().as_bytes()));
        encoder.array(4 * self.converters.len());
        for converter in &self.converters {
            encoder.text(converter.from.as_str());
            encoder.text(converter.to.as_str());
            encoder.unsigned(u64::from(converter.cost));
            encoder.text(&converter.call);
        }
        Vcid::of(&encoder.finish())
    }

    /// Returns whether another space looks up the same names in the same way and finds the very same
    /// endpoints: one that was made anew may run on something else.
    pub fn is_same(&self, other: &Self) -> bool {
        let (own, others) = (self.endpoints(), other.endpoints());
        let mut both = own.iter().zip(&others);
        own.len() == others.len()
            && both.all(|((_, a), (_, b))| Arc::ptr_eq(a, b))
            && self.digest() == other.digest()
    }

    /// Finds the endpoint that answers a name, and says how.
    pub fn resolve(&self, uri: &Identifier) -> (Option<Bound>, Explanation) {
        let mut explanation = Explanation::default();
        let mut search = Search { explanation: &mut explanation, rewrites_left: REWRITES_MAX };
        let bound = self.search(uri.clone(), 0, &mut search);
        (bound, explanation)
    }

    fn search(&self, uri: Identifier, depth: usize, search: &mut Search<'_>) -> Option<Bound> {
        let mut uri = uri;
        loop {
            search.say(depth, format!("{}: {uri}", self.name));
            for space in &self.overlays {
                if let Some(bound) = space.search(uri.clone(), depth + 1, search) {
                    return Some(bound);
                }
            }
            let alias = self.aliases.iter().find(|(from, _)| uri.as_str().starts_with(from));
            let Some((from, to)) = alias else { break };
            uri = self.rewrite(&uri, from, to, depth, search)?;
        }
        for Installed { endpoint, owned } in &self.endpoints {
            if let Some(parts) = endpoint.grammar().parse(uri.as_str()) {
                search.say(depth, format!("{} answers {}", endpoint.name(), endpoint.grammar()));
                let (endpoint, owned) = (endpoint.clone(), owned.clone());
                return Some(Bound { version: endpoint.version(), endpoint, uri, parts, owned });
            }
        }
        for mount in &self.mounts {
            if uri.as_str().starts_with(&mount.at) {
                let inner = self.rewrite(&uri, &mount.at, &mount.root, depth, search)?;
                // What is mounted here is named here and nowhere else.
                return mount.space.search(inner, depth + 1, search);
            }
        }
        for space in &self.imports {
            if let Some(bound) = space.search(uri.clone(), depth + 1, search) {
                return Some(bound);
            }
        }
        let tried = self.endpoints.iter().map(|it| it.endpoint.grammar().pattern());
        let tried: Vec<&str> = tried.collect();
        let tried = match tried.len() {
            0 => "no endpoints".to_owned(),
            count if count > TRIED_SHOWN_MAX => format!("none of {count} patterns is like it"),
            _ => tried.join(", "),
        };
        search.say(depth, format!("{} has no such name ({tried})", self.name));
        None
    }

    fn rewrite(
        &self,
        uri: &Identifier,
        from: &str,
        to: &str,
        depth: usize,
        search: &mut Search<'_>,
    ) -> Option<Identifier> {
        let text = format!("{to}{}", &uri.as_str()[from.len()..]);
        let Some(left) = search.rewrites_left.checked_sub(1) else {
            search
                .say(depth, format!("{uri} was renamed {REWRITES_MAX} times; that leads nowhere"));
            return None;
        };
        search.rewrites_left = left;
        search.say(depth, format!("{from}… means {to}… here"));
        match Identifier::new(&text) {
            Ok(uri) => Some(uri),
            Err(error) => {
                search.say(depth, error.to_string());
                None
            }
        }
    }
}
