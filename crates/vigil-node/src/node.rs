//! The node: a store, a kernel over it, and the endpoints that a fresh node has.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Weak};

use vigil_base::{Blame, Blamed, Vcid};
use vigil_kernel::engine::EngineOptions;
use vigil_kernel::{
    Host, HostFault, ImportError, Kernel, Owner, Provenance, Refusal, Representation, Request,
    Space, SpaceError,
};
use vigil_store::Store;
use vigil_trust::gate::Quorum;

use crate::description::Described;
use crate::endpoints::{converters, descriptions};
use crate::files::Files;
use crate::host::{HostError, StoreHost, decode, encode};
use crate::nearest;
use crate::vouched::Vouched;

/// The scope in which a node's own requests are resolved.
pub const SCOPE: &str = "node";

/// What a node may read and believe beside its store.
#[derive(Clone, Debug, Default)]
pub struct NodeOptions {
    /// Where files may be read.
    pub files: Option<Files>,
    /// Machines whose traces are used beside this one's own: the sites of their stores.
    pub machines: Vec<String>,
    /// How many of them must agree, and none disagree; each is believed alone if none.
    pub agreeing: Option<usize>,
}

/// A kernel over a store.
pub struct Node {
    kernel: Kernel,
    host: Arc<StoreHost>,
}

/// Why a node could not be made, or not finish.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NodeError {
    /// The store could not be used.
    #[error("could not use the store")]
    Host(#[from] HostError),
    /// Traces could not be read.
    #[error("could not read what was kept of earlier runs")]
    Traces(#[from] HostFault),
    /// A file of traces is damaged, or none.
    #[error("the bytes are no file of traces")]
    Damaged(#[source] vigil_base::cbor::DecodeError),
    /// A trace could not be taken in.
    #[error(transparent)]
    Import(#[from] ImportError),
    /// Two endpoints overlap.
    #[error("the node's own endpoints overlap")]
    Space(#[from] SpaceError),
}

impl Blamed for NodeError {
    fn blame(&self) -> Blame {
        match self {
            Self::Host(source) => source.blame(),
            Self::Import(source) => source.blame(),
            Self::Traces(_) => Blame::World,
            Self::Damaged(_) => Blame::Caller,
            Self::Space(_) => Blame::Us,
        }
    }
}

fn policy(machines: Vec<String>, agreeing: Option<usize>, own: &str) -> Vouched {
    let (mut trusted, mut voters) = (BTreeSet::from([own.to_owned()]), BTreeMap::new());
    match agreeing {
        None => trusted.extend(machines),
        Some(_) => voters.extend(machines.into_iter().map(|site| (site.clone(), site))),
    }
    let quorum = agreeing.map(|agreeing| Quorum { agreeing, disagreeing: 0 });
    Vouched { trusted, voters, quorum }
}

impl Node {
    /// Opens a node over a store.
    pub fn open(store: Store, options: NodeOptions) -> Result<Self, NodeError> {
        let clock = store.world().clock.clone();
        let machine = store.site().to_string();
        let host = Arc::new(StoreHost::new(store, options.files));
        let kernel_host = Host {
            blobs: host.clone(),
            traces: host.clone(),
            roots: host.clone(),
            clock,
            policy: Arc::new(policy(options.machines, options.agreeing, &machine)),
            machine,
            checks: BTreeMap::new(),
        };
        let kernel = Kernel::new(kernel_host, EngineOptions::default());
        kernel.set_scope(SCOPE, Self::space(Arc::downgrade(&host))?);
        Ok(Self { kernel, host })
    }

    /// Returns the space of a fresh node over a host. Over one that is gone (`Weak::new()`) it can be
    /// listed and asked how names resolve.
    pub fn space(host: Weak<StoreHost>) -> Result<Space, SpaceError> {
        let mut space = Space::new(SCOPE);
        for description in descriptions() {
            space = space.with(Arc::new(Described::new(description, host.clone())))?;
        }
        Ok(converters().into_iter().fold(space, Space::converter))
    }

    /// Returns the host.
    pub fn host(&self) -> &Arc<StoreHost> {
        &self.host
    }

    /// Returns the kernel.
    pub fn kernel(&self) -> &Kernel {
        &self.kernel
    }

    /// Resolves a request of the machine's owner, on this thread.
    pub fn resolve(&self, request: Request) -> Result<Representation, Refusal> {
        let answer = self.kernel.resolve(Arc::new(Owner), SCOPE, request);
        self.kernel.engine().block_on(answer)
    }

    /// Returns how what was found for a request came about, and for what was made in what the nearest
    /// earlier run differed.
    pub fn why(&self, request: &Request) -> Result<Vec<Provenance>, NodeError> {
        let mut list = self.kernel.why(SCOPE, request);
        nearest::tell(&self.host, &mut list)?;
        Ok(list)
    }

    /// Returns the traces that an answer rests on, as one file, and how many there are. Drawn in
    /// `docs/format/store.md`.
    pub fn export_traces(&self, request: &Request) -> Result<(u64, Vec<u8>), NodeError> {
        let records = self.kernel.export_traces(SCOPE, request)?;
        let named = records.into_iter().map(|record| (Vcid::of(&record), record.into()));
        let named: Vec<_> = named.collect();
        Ok((named.len() as u64, encode(&named)))
    }

    /// Takes in a file of traces, and returns how many it has. What they name has to come some other
    /// way, and whether they are used, the policy says.
    pub fn import_traces(&self, bytes: &[u8]) -> Result<u64, NodeError> {
        let records = decode(bytes).map_err(NodeError::Damaged)?;
        for (_, record) in &records {
            self.kernel.import_trace(record)?;
        }
        Ok(records.len() as u64)
    }

    /// Makes durable what was made.
    pub fn finish(&self) -> Result<(), NodeError> {
        Ok(self.host.finish()?)
    }
}
