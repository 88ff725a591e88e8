//! The store as the kernel's host: blobs, traces and the state of names and files.

use std::io::Read;
use std::sync::{Arc, Mutex, PoisonError};

use vigil_base::cbor::Encoder;
use vigil_base::world::{Disk, OpenMode};
use vigil_base::{Blame, Blamed, Name, Vcid};
use vigil_kernel::{Blobs, Era, HostFault, KeptTrace, Lease, MediaType, Roots, Trace, Traces};
use vigil_store::{NamesError, PutError, ReadError, Store, Writer};

use crate::blob::{BlobReader, Lost};
use crate::endpoints::TREE_TYPE;
use crate::files::Files;
use crate::folders::Folders;
use crate::shared_names::SharedNames;
use crate::traces::{self, TRACES};
use crate::whole::Whole;
use crate::worktree::Intake;

/// Why a host could not be made, or not finish.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HostError {
    /// The store could not be written.
    #[error("could not write to the store")]
    Put(#[from] PutError),
}

impl Blamed for HostError {
    fn blame(&self) -> Blame {
        Blame::World
    }
}

/// A store, and perhaps a folder whose files may be read, and names that people vouch for.
pub struct StoreHost {
    store: Store,
    /// Open from the first put to the end, so that what is made is not collected meanwhile.
    writer: Mutex<Option<Arc<Writer>>>,
    /// Tells this host's temporary files from those of other processes.
    suffix: String,
    files: Option<Files>,
    folders: Folders,
    whole: Whole,
    /// Whether what was kept of earlier runs is left aside.
    is_fresh: bool,
    names: Option<SharedNames>,
}

impl StoreHost {
    /// Makes a host of a store; files below the folder of `files`, if given, may be read, and `names` tells
    /// what people vouch for.
    pub fn new(store: Store, files: Option<Files>, names: Option<SharedNames>) -> Self {
        let mut random = [0; 8];
        let world = store.world();
        // Without random bytes two processes might write one temporary file, and then find it damaged.
        let suffix = match world.randomness.fill(&mut random) {
            Ok(()) => format!("{:016x}", u64::from_le_bytes(random)),
            Err(_) => "plain".to_owned(),
        };
        let (writer, folders, whole) = Default::default();
        Self { store, writer, suffix, files, names, folders, whole, is_fresh: false }
    }

    /// Leaves aside what was kept of earlier runs, so that everything is made anew and then kept.
    pub fn fresh(self, is_fresh: bool) -> Self {
        Self { is_fresh, ..self }
    }

    /// Returns the writer, which several threads may use at once.
    pub(crate) fn writer(&self) -> Result<Arc<Writer>, HostFault> {
        let mut place = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(writer) = &*place {
            return Ok(writer.clone());
        }
        let writer = Arc::new(self.store.writer().map_err(|error| fault(&error))?);
        Ok(place.insert(writer).clone())
    }

    /// Makes durable what was put.
    pub fn finish(&self) -> Result<(), HostError> {
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        match writer.map(Arc::try_unwrap) {
            Some(Ok(writer)) => Ok(writer.finish()?),
            // Somebody is still putting; they have their own end.
            Some(Err(shared)) => Ok(shared.commit()?),
            None => Ok(()),
        }
    }

    /// Makes durable what was put so far.
    pub(crate) fn commit(&self) -> Result<(), HostError> {
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).clone();
        writer.map_or(Ok(()), |writer| Ok(writer.commit()?))
    }

    /// Returns where files may be read.
    pub(crate) fn files(&self) -> Option<&Files> {
        self.files.as_ref()
    }

    /// Returns the store.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Opens bytes to be read as a stream.
    pub fn open(&self, vcid: Vcid) -> Result<BlobReader, HostFault> {
        let blob = self.store.find(vcid).map_err(|error| fault(&error))?;
        Ok(BlobReader::new(self.store.clone(), blob))
    }

    /// Returns whether bytes are kept here.
    pub fn is_here(&self, vcid: Vcid) -> Result<bool, HostFault> {
        self.store.contains(vcid).map_err(|error| fault(&error))
    }

    /// Keeps a stream of any length, and returns its name and length.
    pub fn put_stream(&self, source: &mut dyn Read) -> Result<(Vcid, u64), Lost> {
        let writer = self.writer().map_err(Lost::Store)?;
        let mut put = || {
            let mut batch = writer.batch()?;
            let kept = batch.put_stream(source)?;
            batch.finish()?;
            writer.settle()?;
            Ok(kept)
        };
        put().map_err(|error| match error {
            PutError::Source(error) => Lost::Source(error),
            error => Lost::Store(fault(&error)),
        })
    }

    /// Returns the newest kept trace of each request, of at most `max` requests: to tell people in what
    /// a request differs from one that was answered.
    pub fn all_traces(&self, max: usize) -> Result<Vec<Trace>, HostFault> {
        let names = self.store.world().disk.list(TRACES).map_err(|error| fault(&error))?;
        let mut traces = Vec::new();
        for name in names.iter().take(max) {
            let Some(digest) = traces::request_of(name) else { continue };
            let kept = self.read_traces(digest)?;
            traces.extend(kept.first().and_then(|(_, bytes)| Trace::decode(bytes).ok()));
        }
        Ok(traces)
    }

    fn write_traces(&self, request: Vcid, traces: &[KeptTrace]) -> Result<(), HostFault> {
        let (path, bytes) = traces::written(request, traces)?;
        self.replace(TRACES, &path, &bytes)
    }

    fn read_traces(&self, request: Vcid) -> Result<Vec<KeptTrace>, HostFault> {
        traces::read(&*self.store.world().disk, request)
    }

    /// Writes a file that may be lost, and does not wait for the disk: a crash leaves the one before, or
    /// one that is cut short.
    pub(crate) fn replace(&self, folder: &str, path: &str, bytes: &[u8]) -> Result<(), HostFault> {
        let disk: &dyn Disk = &*self.store.world().disk;
        let beside = format!("{path}.{}", self.suffix);
        let write = || {
            disk.create_folder(folder)?;
            let file = disk.open(&beside, OpenMode::Create)?;
            file.set_len(0)?;
            file.write_at(0, bytes)?;
            drop(file);
            disk.rename(&beside, path)
        };
        write().map_err(|error| {
            // What is half written is of no use; where it cannot be removed either, `gc` does.
            let _ = disk.remove(&beside);
            fault(&error)
        })
    }

    fn read_name(&self, name: &str) -> Result<Option<Vec<u8>>, HostFault> {
        let Ok(name) = Name::new(name) else { return Ok(None) };
        match self.store.versions(&name) {
            Ok(versions) => {
                let mut encoder = Encoder::new();
                encoder.array(2 * versions.len());
                for version in &versions {
                    encoder.unsigned(version.kind.code());
                    encoder.bytes(version.vcid.as_bytes());
                }
                Ok(Some(encoder.finish()))
            }
            Err(NamesError::Absent { .. }) => Ok(None),
            Err(error) => Err(fault(&error)),
        }
    }
}

/// Says the whole chain of an error in one line.
pub fn fault(error: &dyn std::error::Error) -> HostFault {
    let mut what = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        what += &format!(": {inner}");
        source = inner.source();
    }
    HostFault { what }
}

impl Blobs for StoreHost {
    fn put(&self, bytes: &[u8]) -> Result<Vcid, HostFault> {
        self.writer()?.put(bytes).map_err(|error| fault(&error))
    }

    fn get(&self, vcid: Vcid) -> Result<Option<Arc<[u8]>>, HostFault> {
        match self.store.read(vcid) {
            Ok(bytes) => Ok(Some(bytes.into())),
            Err(ReadError::Absent { .. }) => Ok(None),
            Err(error) => Err(fault(&error)),
        }
    }

    fn start(&self, vcid: Vcid, bytes_max: usize) -> Result<Vec<u8>, HostFault> {
        let blob = match self.store.find(vcid) {
            Ok(blob) => blob,
            Err(ReadError::Absent { .. }) => return Ok(Vec::new()),
            Err(error) => return Err(fault(&error)),
        };
        let mut bytes = vec![0; blob.len().min(bytes_max as u64) as usize];
        self.store.read_range(&blob, 0, &mut bytes).map_err(|error| fault(&error))?;
        Ok(bytes)
    }

    fn size(&self, vcid: Vcid) -> Result<Option<u64>, HostFault> {
        if !self.store.contains(vcid).map_err(|error| fault(&error))? {
            return Ok(None);
        }
        Ok(Some(self.store.find(vcid).map_err(|error| fault(&error))?.len()))
    }

    fn is_whole(&self, vcid: Vcid, media_type: &MediaType) -> Result<bool, HostFault> {
        match media_type.as_str() == TREE_TYPE {
            true => self.whole.is_whole(&self.store, vcid),
            false => self.is_here(vcid),
        }
    }

    fn lease(&self) -> Result<Lease, HostFault> {
        let hold = self.store.hold().map_err(|error| fault(&error))?;
        let era = Era(hold.generation());
        self.whole.enter(era);
        Ok(Lease { era, held: Box::new(hold) })
    }
}

impl Intake for StoreHost {
    fn take_in(&self, source: &mut dyn Read) -> Result<Vcid, Lost> {
        Ok(self.put_stream(source)?.0)
    }
}

impl Traces for StoreHost {
    fn find(&self, request: Vcid) -> Result<Vec<KeptTrace>, HostFault> {
        match self.is_fresh {
            true => Ok(Vec::new()),
            false => self.read_traces(request),
        }
    }

    fn keep(&self, request: Vcid, trace: &[u8]) -> Result<(), HostFault> {
        let mut traces = self.read_traces(request)?;
        let name = Vcid::of(trace);
        traces.retain(|(other, _)| *other != name);
        traces.insert(0, (name, trace.into()));
        self.write_traces(request, &traces)
    }

    fn forget(&self, request: Vcid, trace: Vcid) -> Result<(), HostFault> {
        let mut traces = self.read_traces(request)?;
        traces.retain(|(other, _)| *other != trace);
        self.write_traces(request, &traces)
    }
}

impl Roots for StoreHost {
    fn look(&self, root: &str) -> Result<Option<Vec<u8>>, HostFault> {
        match root.split_once('/') {
            Some(("name", name)) => self.read_name(name),
            Some(("att", name)) => match &self.names {
                Some(names) => names.look(name).map_err(|error| fault(&error)),
                None => Ok(None),
            },
            Some(("file", path)) => match &self.files {
                Some(files) => files.look(path, self, &self.folders),
                None => Ok(None),
            },
            _ => Ok(None),
        }
    }
}
