//! The store as the kernel's host: blobs, traces and the state of names and files.
//!
//! Traces lie below the store's folder, one small file for each request, and are written without waiting
//! for the disk: a file that a crash has cut short is found damaged and dropped. Drawn in
//! `docs/format/store.md`.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use vigil_base::cbor::{DecodeError, Decoder, Encoder};
use vigil_base::world::{Disk, DiskFault, OpenMode};
use vigil_base::{Blame, Blamed, Name, Vcid};
use vigil_kernel::{Blobs, Era, HostFault, KeptTrace, Lease, Roots, Traces};
use vigil_store::{NamesError, PutError, ReadError, Store, Writer};

/// The folder of the traces.
const TRACES: &str = "traces";
const TAG: &str = "vigil.traces/1";

/// Most traces that are kept for one request, and longest file of them that is read.
const TRACES_MAX: usize = 8;
const TRACES_BYTES_MAX: u64 = 16 << 20;

/// Largest file that is taken in as an input.
const FILE_BYTES_MAX: u64 = 256 << 20;

/// Why a host could not be made, or not finish.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HostError {
    /// The store could not be written.
    #[error("could not write to the store")]
    Put(#[from] PutError),
    /// The folder for traces could not be made.
    #[error(transparent)]
    Disk(#[from] vigil_base::world::DiskError),
}

impl Blamed for HostError {
    fn blame(&self) -> Blame {
        Blame::World
    }
}

/// A store, and perhaps a folder whose files may be read.
pub struct StoreHost {
    store: Store,
    /// Open from the first put to the end, so that what is made is not collected meanwhile.
    writer: Mutex<Option<Writer>>,
    /// Tells this host's temporary files from those of other processes.
    suffix: String,
    files: Option<PathBuf>,
}

impl StoreHost {
    /// Makes a host of a store; files below `files`, if given, may be read.
    pub fn new(store: Store, files: Option<PathBuf>) -> Result<Self, HostError> {
        let mut random = [0; 8];
        let world = store.world();
        world.disk.create_folder(TRACES)?;
        // Without random bytes two processes might write one temporary file, and then find it damaged.
        let suffix = match world.randomness.fill(&mut random) {
            Ok(()) => format!("{:016x}", u64::from_le_bytes(random)),
            Err(_) => "plain".to_owned(),
        };
        Ok(Self { store, writer: Mutex::new(None), suffix, files })
    }

    fn writer(&self) -> MutexGuard<'_, Option<Writer>> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes durable what was put.
    pub fn finish(&self) -> Result<(), HostError> {
        match self.writer().take() {
            Some(writer) => Ok(writer.finish()?),
            None => Ok(()),
        }
    }

    fn path(request: Vcid) -> String {
        format!("{TRACES}/{}.cbor", request.to_hex())
    }

    fn read_traces(&self, request: Vcid) -> Result<Vec<KeptTrace>, HostFault> {
        let file = match self.store.world().disk.open(&Self::path(request), OpenMode::Read) {
            Ok(file) => file,
            Err(error) if error.fault == DiskFault::Absent => return Ok(Vec::new()),
            Err(error) => return Err(fault(&error)),
        };
        let len = file.len().map_err(|error| fault(&error))?;
        let mut bytes = vec![0; len.min(TRACES_BYTES_MAX) as usize];
        let count = file.read_at(0, &mut bytes).map_err(|error| fault(&error))?;
        // A damaged file is as good as none: what it told of is made again.
        Ok(decode(&bytes[..count]).unwrap_or_default())
    }

    fn write_traces(&self, request: Vcid, traces: &[KeptTrace]) -> Result<(), HostFault> {
        let disk: &dyn Disk = &*self.store.world().disk;
        let path = Self::path(request);
        let beside = format!("{path}.{}", self.suffix);
        let write = || {
            let file = disk.open(&beside, OpenMode::Create)?;
            file.set_len(0)?;
            file.write_at(0, &encode(traces))?;
            drop(file);
            disk.rename(&beside, &path)
        };
        write().map_err(|error| fault(&error))
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

    /// Takes a file below the allowed folder into the store; its state is what it holds.
    fn read_file(&self, path: &str) -> Result<Option<Vec<u8>>, HostFault> {
        let Some(folder) = &self.files else { return Ok(None) };
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let failed = |errno: Errno| HostFault { what: format!("could not read {path}: {errno}") };
        let folder = rustix::fs::open(folder, flags | OFlags::DIRECTORY, Mode::empty());
        let folder = folder.map_err(failed)?;
        // Non-blocking, so that a pipe that nobody writes to does not hold the thread.
        let flags = flags | OFlags::NONBLOCK;
        let beneath = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        let file = match rustix::fs::openat2(&folder, path, flags, Mode::empty(), beneath) {
            Ok(file) => file,
            // Outside of the folder is nowhere.
            Err(Errno::NOENT | Errno::NOTDIR | Errno::XDEV | Errno::LOOP | Errno::INVAL) => {
                return Ok(None);
            }
            Err(errno) => return Err(failed(errno)),
        };
        let stat = rustix::fs::fstat(&file).map_err(failed)?;
        if rustix::fs::FileType::from_raw_mode(stat.st_mode) != rustix::fs::FileType::RegularFile {
            return Ok(None);
        }
        let mut bytes = Vec::new();
        let mut limited = std::io::Read::take(std::fs::File::from(file), FILE_BYTES_MAX + 1);
        std::io::Read::read_to_end(&mut limited, &mut bytes).map_err(|error| fault(&error))?;
        if bytes.len() as u64 > FILE_BYTES_MAX {
            let what = format!("{path} has more than {FILE_BYTES_MAX} bytes; add it instead");
            return Err(HostFault { what });
        }
        Ok(Some(self.put(&bytes)?.as_bytes().to_vec()))
    }
}

/// Says the whole chain of an error in one line.
fn fault(error: &dyn std::error::Error) -> HostFault {
    let mut what = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        what += &format!(": {inner}");
        source = inner.source();
    }
    HostFault { what }
}

fn encode(traces: &[KeptTrace]) -> Vec<u8> {
    let mut encoder = Encoder::record(TAG, 2);
    encoder.array(traces.len());
    for (name, bytes) in traces {
        encoder.array(2);
        encoder.bytes(name.as_bytes());
        encoder.bytes(bytes);
    }
    encoder.finish()
}

fn decode(bytes: &[u8]) -> Result<Vec<KeptTrace>, DecodeError> {
    let mut decoder = Decoder::record(bytes, TAG, 2)?;
    let mut traces = Vec::new();
    for _ in 0..decoder.array()? {
        decoder.array_of(2)?;
        let name = Vcid::from_bytes(decoder.byte_array()?);
        traces.push((name, Arc::from(decoder.bytes()?)));
    }
    decoder.finish()?;
    Ok(traces)
}

impl Blobs for StoreHost {
    fn put(&self, bytes: &[u8]) -> Result<Vcid, HostFault> {
        let mut place = self.writer();
        let writer = match &mut *place {
            Some(writer) => writer,
            empty => empty.insert(self.store.writer().map_err(|error| fault(&error))?),
        };
        writer.put(bytes).map_err(|error| fault(&error))
    }

    fn get(&self, vcid: Vcid) -> Result<Option<Arc<[u8]>>, HostFault> {
        match self.store.read(vcid) {
            Ok(bytes) => Ok(Some(bytes.into())),
            Err(ReadError::Absent { .. }) => Ok(None),
            Err(error) => Err(fault(&error)),
        }
    }

    fn size(&self, vcid: Vcid) -> Result<Option<u64>, HostFault> {
        if !self.store.contains(vcid).map_err(|error| fault(&error))? {
            return Ok(None);
        }
        Ok(Some(self.store.find(vcid).map_err(|error| fault(&error))?.len()))
    }

    fn lease(&self) -> Result<Lease, HostFault> {
        let hold = self.store.hold().map_err(|error| fault(&error))?;
        Ok(Lease { era: Era(hold.generation()), held: Box::new(hold) })
    }
}

impl Traces for StoreHost {
    fn find(&self, request: Vcid) -> Result<Vec<KeptTrace>, HostFault> {
        self.read_traces(request)
    }

    fn keep(&self, request: Vcid, trace: &[u8]) -> Result<(), HostFault> {
        let mut traces = self.read_traces(request)?;
        let name = Vcid::of(trace);
        traces.retain(|(other, _)| *other != name);
        traces.insert(0, (name, trace.into()));
        traces.truncate(TRACES_MAX);
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
            Some(("file", path)) => self.read_file(path),
            _ => Ok(None),
        }
    }
}
