//! The node: a store, a kernel over it, and the endpoints that a fresh node has.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use vigil_base::{Blame, Blamed};
use vigil_kernel::engine::EngineOptions;
use vigil_kernel::{
    Host, Kernel, OfMachines, Owner, Refusal, Representation, Request, Space, SpaceError,
};
use vigil_store::Store;

use crate::endpoints::{Content, Data, Files, Names, Text, Unzstd};
use crate::host::{HostError, StoreHost};

/// The scope in which a node's own requests are resolved.
pub const SCOPE: &str = "node";

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
    /// Two endpoints overlap.
    #[error("the node's own endpoints overlap")]
    Space(#[from] SpaceError),
}

impl Blamed for NodeError {
    fn blame(&self) -> Blame {
        match self {
            Self::Host(source) => source.blame(),
            Self::Space(_) => Blame::Us,
        }
    }
}

impl Node {
    /// Opens a node over a store; files below `files`, if given, may be read.
    pub fn open(store: Store, files: Option<PathBuf>) -> Result<Self, NodeError> {
        let clock = store.world().clock.clone();
        let machine = store.site().to_string();
        let host = Arc::new(StoreHost::new(store, files)?);
        let kernel_host = Host {
            blobs: host.clone(),
            traces: host.clone(),
            roots: host.clone(),
            clock,
            policy: Arc::new(OfMachines(vec![machine.clone()])),
            machine,
            checks: BTreeMap::new(),
        };
        let kernel = Kernel::new(kernel_host, EngineOptions::default());
        kernel.set_scope(SCOPE, Self::space()?);
        Ok(Self { kernel, host })
    }

    /// Returns the space of a fresh node.
    pub fn space() -> Result<Space, SpaceError> {
        Space::new(SCOPE)
            .with(Arc::new(Content::default()))?
            .with(Arc::new(Names::default()))?
            .with(Arc::new(Files::default()))?
            .with(Arc::new(Data::default()))?
            .with(Arc::new(Text::head()))?
            .with(Arc::new(Text::lines()))?
            .with(Arc::new(Text::grep()))?
            .with(Arc::new(Unzstd::default()))
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

    /// Makes durable what was made.
    pub fn finish(&self) -> Result<(), NodeError> {
        Ok(self.host.finish()?)
    }
}
