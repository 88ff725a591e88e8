//! Typed keys and resources in one graph: a key may ask for resources, and an endpoint may read a key.
//!
//! What a key's value is made of, callers must be allowed, as if the endpoint had read it itself. A value
//! does not say so; the graph does. [`MarksKey`] looks in it which resources lie below a key and joins
//! what they carry. It is a key of its own, so that a value that comes out as before cuts off although
//! what lies below has changed, and a label that changed does not.

use std::collections::BTreeSet;
use std::sync::Arc;

use vigil_base::Vcid;

use crate::context::{Wants, flat};
use crate::engine::{Cx, Key};
use crate::keys::RootKey;
use crate::refusal::{Reason, Refusal};
use crate::representation::{Label, Representation};
use crate::request::{Identifier, Request};
use crate::resolver::{ResourceKey, refused};
use crate::site::Site;

/// What typed keys ask for resources through. Made by [`crate::Kernel::resources`]; cheap to clone, and
/// holds no engine, so a key may own it.
#[derive(Clone)]
pub struct Resources {
    pub(crate) site: Arc<Site>,
    pub(crate) scope: Arc<str>,
}

impl Resources {
    /// Asks for what answers a request, and records that the computation depends on it.
    pub async fn request(&self, cx: &Cx, request: Request) -> Result<Representation, Refusal> {
        let (site, scope) = (self.site.clone(), self.scope.clone());
        let key = ResourceKey { site, scope, request: Arc::new(request) };
        flat(cx.get(&key).await).result.clone()
    }

    /// Asks for the representation of a resource.
    pub async fn source(&self, cx: &Cx, uri: &Identifier) -> Result<Representation, Refusal> {
        self.request(cx, Request::source(uri.clone())).await
    }

    /// Asks for the bytes of a resource.
    pub async fn bytes(&self, cx: &Cx, uri: &Identifier) -> Result<Arc<[u8]>, Refusal> {
        let vcid = self.source(cx, uri).await?.vcid;
        self.read(vcid).inspect_err(|_| cx.set_transient())
    }

    /// Looks at the state of a root: `None` where there is none of that name.
    pub async fn root(&self, cx: &Cx, root: &str) -> Result<Option<Arc<[u8]>>, Refusal> {
        let state = cx.get(&RootKey { site: self.site.clone(), root: root.into() }).await;
        let state = state.map_err(|failure| refused(&failure))?;
        state.map_err(|fault| Refusal::new(Reason::World, fault.what))
    }

    fn read(&self, vcid: Vcid) -> Result<Arc<[u8]>, Refusal> {
        let world = |what| Refusal::new(Reason::World, what);
        let found = self.site.host.blobs.get(vcid).map_err(|fault| world(fault.what))?;
        found.ok_or_else(|| world(format!("the bytes {vcid} are gone from the store")))
    }
}

/// What the resources below a typed key carry, joined.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MarksKey<K>(pub K);

/// What answers carry beside their bytes.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Marks {
    /// The labels; `None` where nothing was read.
    pub label: Option<Label>,
    /// What must be granted.
    pub needs: BTreeSet<String>,
    /// What must be granted before it can be made.
    pub wants: Wants,
    /// Whether something was refused for a reason that does not last.
    pub is_passing: bool,
}

impl<K: Key> Key for MarksKey<K> {
    type Value = Arc<Marks>;

    async fn compute(&self, cx: &Cx) -> Arc<Marks> {
        // Its value is not looked at here; that it was computed is what counts, also if that failed.
        let _ = cx.get(&self.0).await;
        let below = cx.nearest_below::<K, ResourceKey>(&self.0);
        let mut marks = Marks::default();
        for answer in cx.get_all(below).await.into_iter().map(flat) {
            let label = answer.label();
            let joined = marks.label.as_ref().map_or_else(|| label.clone(), |own| own.join(label));
            marks.label = Some(joined);
            marks.needs.extend(answer.needs.iter().cloned());
            marks.wants.extend(answer.wants.iter().map(|(a, b)| (a.clone(), b.clone())));
            marks.is_passing |= answer.result.as_ref().is_err_and(|why| !why.is_lasting());
        }
        Arc::new(marks)
    }

    fn same(before: &Arc<Marks>, after: &Arc<Marks>) -> bool {
        before == after
    }

    fn weight(marks: &Arc<Marks>) -> usize {
        let needs: usize = marks.needs.iter().map(String::len).sum();
        size_of::<Marks>() + needs
    }
}
