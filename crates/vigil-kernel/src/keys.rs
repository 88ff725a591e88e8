//! What answers rest on beside other answers, as keys of the engine: scopes, how a name resolves in
//! one, and the state of roots.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use vigil_base::Vcid;

use crate::engine::{Cx, Key};
use crate::host::HostFault;
use crate::refusal::{Reason, Refusal};
use crate::request::Identifier;
use crate::resolver::refused;
use crate::site::Site;
use crate::space::{Bound, Space};

/// A space by name, as its owner has set it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ScopeKey(pub Arc<str>);

impl Key for ScopeKey {
    type Value = Option<Arc<Space>>;

    async fn compute(&self, _: &Cx) -> Self::Value {
        None
    }

    fn same(before: &Self::Value, after: &Self::Value) -> bool {
        match (before, after) {
            (Some(before), Some(after)) => before.is_same(after),
            (before, after) => before.is_none() && after.is_none(),
        }
    }
}

/// Which endpoint answers a name in a scope.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BindingKey {
    pub scope: Arc<str>,
    pub uri: Identifier,
}

impl Key for BindingKey {
    type Value = Result<Arc<Bound>, Refusal>;

    async fn compute(&self, cx: &Cx) -> Self::Value {
        let space = cx.get(&ScopeKey(self.scope.clone())).await.map_err(|f| refused(&f))?;
        let Some(space) = space else {
            let text = format!("there is no scope `{}`", self.scope);
            return Err(Refusal::new(Reason::Unresolved, text));
        };
        let (bound, explanation) = space.resolve(&self.uri);
        bound.map(Arc::new).ok_or_else(|| {
            let text = format!("`{}` leads nowhere:\n{explanation}", self.uri);
            Refusal::new(Reason::Unresolved, text.trim_end())
        })
    }

    fn same(before: &Self::Value, after: &Self::Value) -> bool {
        match (before, after) {
            (Ok(a), Ok(b)) => {
                (a.version, &a.uri, a.endpoint.name(), &a.owned)
                    == (b.version, &b.uri, b.endpoint.name(), &b.owned)
                    && (a.endpoint.verbs(), a.endpoint.gives())
                        == (b.endpoint.verbs(), b.endpoint.gives())
            }
            (Err(a), Err(b)) => a == b,
            _ => false,
        }
    }
}

/// The state of a root.
#[derive(Clone)]
pub struct RootKey {
    pub site: Arc<Site>,
    pub root: Arc<str>,
}

impl PartialEq for RootKey {
    fn eq(&self, other: &Self) -> bool {
        self.root == other.root
    }
}

impl Eq for RootKey {}

impl Hash for RootKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.root.hash(state);
    }
}

impl fmt::Debug for RootKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "root {}", self.root)
    }
}

impl Key for RootKey {
    type Value = Result<Option<Arc<[u8]>>, HostFault>;

    async fn compute(&self, _: &Cx) -> Self::Value {
        Ok(self.site.host.roots.look(&self.root)?.map(Arc::from))
    }

    fn same(before: &Self::Value, after: &Self::Value) -> bool {
        before == after
    }

    fn is_transient(value: &Self::Value) -> bool {
        value.is_err()
    }

    fn weight(value: &Self::Value) -> usize {
        let held = match value {
            Ok(state) => state.as_ref().map_or(0, |state| state.len()),
            Err(fault) => fault.what.len(),
        };
        size_of::<Self::Value>() + held
    }

    fn fingerprint(value: &Self::Value) -> Option<u128> {
        let text = format!("{value:?}");
        let digest = Vcid::of(text.as_bytes());
        Some(u128::from_le_bytes(*digest.as_bytes().first_chunk()?))
    }
}
