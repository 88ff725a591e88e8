//! A store in a folder, and a kernel over it that keeps what it makes in memory.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use vigil_base::Vcid;
use vigil_base::world::{Clock, Moment, Randomness, RandomnessError};
use vigil_kernel::engine::EngineOptions;
use vigil_kernel::{
    Blobs, Body, Call, Context, Endpoint, Grammar, Host, HostFault, Kernel, Label, MediaType,
    Memory, OfMachines, Produced, Reason, Refusal, Representation, Serving, Space,
};
use vigil_query::{Engine, Reading, Settings, Source};
use vigil_store::{FolderDisk, Options, Store, World};

use crate::Failure;

/// The scope of the kernel.
pub const SCOPE: &str = "bench";

struct Still;

impl Clock for Still {
    fn now(&self) -> Moment {
        Moment(0)
    }
}

impl Randomness for Still {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), RandomnessError> {
        bytes.fill(7);
        Ok(())
    }
}

/// A store.
pub struct Shelf {
    /// It.
    pub store: Store,
}

fn bytes_type() -> MediaType {
    MediaType::new("application/octet-stream").expect("it is one")
}

impl Shelf {
    /// Opens the store in a folder.
    pub fn open(folder: &Path) -> Result<Self, Failure> {
        let disk = Arc::new(FolderDisk::new(folder));
        let world = World { disk, clock: Arc::new(Still), randomness: Arc::new(Still) };
        Ok(Self { store: Store::open(world, Options::default())? })
    }

    /// Stores bytes.
    pub fn put(&self, name: &str, bytes: &[u8]) -> Result<Source, Failure> {
        let writer = self.store.writer()?;
        let vcid = writer.put(bytes)?;
        writer.finish()?;
        let (media_type, size) = (bytes_type(), bytes.len() as u64);
        let found = Representation { vcid, media_type, size, label: Label::default() };
        Ok(Source { name: name.to_owned(), found, reading: Reading::default() })
    }

    /// Makes a kernel that answers queries.
    pub fn kernel(&self) -> Result<Kernel, Failure> {
        let memory = Arc::new(Memory::default());
        let host = Host {
            blobs: Arc::new(Kept { store: self.store.clone(), memory: memory.clone() }),
            traces: memory.clone(),
            roots: memory,
            clock: Arc::new(Still),
            policy: Arc::new(OfMachines(vec!["here".to_owned()])),
            machine: "here".to_owned(),
            checks: BTreeMap::new(),
        };
        let kernel = Kernel::new(host, EngineOptions::default());
        let engine = Arc::new(Engine::new(self.store.clone(), Settings::default()));
        let space = Space::new(SCOPE)
            .with(Arc::new(Content {
                store: self.store.clone(),
                grammar: Grammar::new("ca://{name:rest}")?,
            }))?
            .import(Arc::new(vigil_query::space(&engine)?))?;
        kernel.set_scope(SCOPE, space);
        Ok(kernel)
    }
}

/// What is stored, and in memory what is made.
struct Kept {
    store: Store,
    memory: Arc<Memory>,
}

impl Blobs for Kept {
    fn put(&self, bytes: &[u8]) -> Result<Vcid, HostFault> {
        self.memory.put(bytes)
    }

    fn get(&self, vcid: Vcid) -> Result<Option<Arc<[u8]>>, HostFault> {
        match self.memory.get(vcid)? {
            Some(bytes) => Ok(Some(bytes)),
            None => Ok(self.store.read(vcid).ok().map(Into::into)),
        }
    }

    fn size(&self, vcid: Vcid) -> Result<Option<u64>, HostFault> {
        match self.memory.size(vcid)? {
            Some(size) => Ok(Some(size)),
            None => Ok(self.store.find(vcid).ok().map(|blob| blob.len())),
        }
    }
}

/// `ca://` for blobs.
struct Content {
    store: Store,
    grammar: Grammar,
}

impl Endpoint for Content {
    fn name(&self) -> &str {
        "content"
    }

    fn help(&self) -> &str {
        "what is stored"
    }

    fn grammar(&self) -> &Grammar {
        &self.grammar
    }

    fn version(&self) -> Vcid {
        Vcid::of(b"content")
    }

    fn serve<'a>(&'a self, call: &'a Call, _: &'a Context<'a>) -> Serving<'a> {
        Box::pin(async move {
            let vcid = call.parts["name"].parse().ok();
            let vcid = vcid.filter(|vcid| self.store.contains(*vcid).unwrap_or(false));
            let vcid = vcid.ok_or_else(|| Refusal::new(Reason::Absent, "there is no such blob"))?;
            Ok(Produced {
                body: Body::Kept(vcid),
                media_type: bytes_type(),
                label: Label::default(),
            })
        })
    }
}
