//! The node: a store, a kernel over it, and the endpoints that a fresh node has.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use vigil_base::{Blame, Blamed, Vcid};
use vigil_kernel::engine::{EngineOptions, Pool};
use vigil_kernel::{
    Host, HostFault, ImportError, Kernel, Owner, Provenance, Refusal, Representation, Request,
    Space, SpaceError,
};
use vigil_store::Store;
use vigil_trust::gate::Quorum;

use crate::checks::checks;
use crate::description::Described;
use crate::endpoints::{converters, descriptions};
use crate::files::Files;
use crate::host::{HostError, StoreHost};
use crate::nearest;
use crate::shared_names::SharedNames;
use crate::traces::{decode, encode};
use crate::vouched::Vouched;

/// The scope in which a node's own requests are resolved.
pub const SCOPE: &str = "node";

/// What a node may read, believe and use beside its store.
#[derive(Clone, Debug)]
pub struct NodeOptions {
    /// Where files may be read.
    pub files: Option<Files>,
    /// The folder in which this machine keeps what it knows of people and of the names they vouch for.
    pub trust: Option<PathBuf>,
    /// Machines whose traces are used beside this one's own: the sites of their stores.
    pub machines: Vec<String>,
    /// How many of them must agree, and none disagree; each is believed alone if none.
    pub agreeing: Option<usize>,
    /// How many threads make answers. Without any, who asks makes them.
    pub threads: usize,
    /// How long an endpoint may hold a thread without yielding or reading on. Then it is named, whoever
    /// waits for it is refused, and its thread is replaced. Of use only with threads.
    pub patience: Duration,
    /// Most bytes of answers to keep in memory; what is dropped is found or made again.
    pub memory_bytes_max: usize,
    /// Whether everything is made anew, whatever was kept of earlier runs.
    pub is_fresh: bool,
}

/// As long as what reads nothing may compute: the longest text is sorted, and the longest program runs, in
/// a part of it.
const PATIENCE: Duration = Duration::from_secs(600);

/// Answers take some hundreds of bytes each, so this is a million of them.
const MEMORY_BYTES_MAX: usize = 512 << 20;

impl Default for NodeOptions {
    fn default() -> Self {
        Self {
            files: None,
            trust: None,
            machines: Vec::new(),
            agreeing: None,
            threads: 0,
            patience: PATIENCE,
            memory_bytes_max: MEMORY_BYTES_MAX,
            is_fresh: false,
        }
    }
}

/// A kernel over a store.
pub struct Node {
    kernel: Kernel,
    host: Arc<StoreHost>,
    options: NodeOptions,
    /// Started with the first question; `None` where there are to be no threads, or none were to be had.
    pool: OnceLock<Option<Pool>>,
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
        let names = options.trust.clone().map(SharedNames::new);
        let host = StoreHost::new(store, options.files.clone(), names).fresh(options.is_fresh);
        let host = Arc::new(host);
        let engine = EngineOptions {
            memory_bytes_max: options.memory_bytes_max,
            patience: Some((options.patience, clock.clone())),
            ..EngineOptions::default()
        };
        let kernel_host = Host {
            blobs: host.clone(),
            traces: host.clone(),
            roots: host.clone(),
            clock,
            policy: Arc::new(policy(options.machines.clone(), options.agreeing, &machine)),
            machine,
            checks: checks(),
        };
        let kernel = Kernel::new(kernel_host, engine);
        kernel.set_scope(SCOPE, Self::space(Arc::downgrade(&host))?);
        Ok(Self { kernel, host, options, pool: OnceLock::new() })
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

    /// Resolves a request of the machine's owner.
    pub fn resolve(&self, request: Request) -> Result<Representation, Refusal> {
        let answer = self.kernel.resolve(Arc::new(Owner), SCOPE, request);
        match self.pool.get_or_init(|| self.start_pool()) {
            Some(pool) => pool.wait(answer),
            None => self.kernel.engine().block_on(answer),
        }
    }

    fn start_pool(&self) -> Option<Pool> {
        let count = self.options.threads;
        // Where no thread is to be had, this one does what there is to do.
        (count > 0).then(|| Pool::start(self.kernel.engine(), count).ok()).flatten()
    }

    /// Returns how what was found for a request came about, and for what was made in what the nearest
    /// earlier run differed.
    pub fn why(&self, request: &Request) -> Result<Vec<Provenance>, NodeError> {
        let mut list = self.kernel.why(SCOPE, request);
        nearest::tell(&self.host, &mut list, self.options.is_fresh)?;
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
