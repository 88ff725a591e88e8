//! Traces in the store's folder: one small file for each request. Drawn in `docs/format/store.md`.
//!
//! They are written without waiting for the disk: a file that a crash has cut short is found damaged and
//! dropped.
//!
//! Invariants:
//! - what is written can be read back: no file grows beyond what is read;
//! - any of them may go at any time, at the price of making something again.

use std::sync::Arc;

use vigil_base::Vcid;
use vigil_base::cbor::{DecodeError, Decoder, Encoder};
use vigil_base::world::{Disk, DiskFault, FileStart, Moment, OpenMode, read_file};
use vigil_kernel::{HostFault, KeptTrace, Trace};
use vigil_store::Store;

use crate::host::fault;

/// The folder of the traces.
pub const TRACES: &str = "traces";
const TAG: &str = "vigil.traces/1";

/// Most traces that are kept for one request.
const TRACES_MAX: usize = 8;

/// Beyond so many bytes, only the newest trace of a request is kept. All of them are read whenever somebody
/// asks for it.
const SEVERAL_BYTES_MAX: usize = 16 << 20;

/// Longest trace that is kept: of an answer that was made of a million others, each of which takes some 150
/// bytes. A file of traces from elsewhere is no longer than that either.
pub const TRACES_BYTES_MAX: u64 = 256 << 20;

/// What a file of traces has beside them, at most.
const AROUND_BYTES: usize = 4096;

/// How long a trace is kept after it was written.
const AGE_NANOSECONDS_MAX: i64 = 180 * 24 * 3600 * 1_000_000_000;

/// How long a file that is being written may take.
const STRAY_NANOSECONDS_MIN: i64 = 3600 * 1_000_000_000;

/// Most requests that have traces after a collection, and most bytes of them.
const FILES_MAX: usize = 200_000;
const ALL_BYTES_MAX: u64 = 1 << 30;

/// What was found among the traces, and went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CollectedTraces {
    /// Requests whose traces stay.
    pub kept: u64,
    /// Requests whose traces went: they were old, damaged, too many, or what they tell of is not kept.
    pub dropped: u64,
    /// Files that processes have left half written.
    pub strays: u64,
}

fn path(request: Vcid) -> String {
    format!("{TRACES}/{}.cbor", request.to_hex())
}

/// Returns the request whose traces a file has, by its name.
pub fn request_of(name: &str) -> Option<Vcid> {
    Vcid::from_hex(name.strip_suffix(".cbor")?).ok()
}

/// Whether a file is one that a process writes beside the one that it is to replace.
fn is_beside(name: &str) -> bool {
    name.rsplit_once('.').is_some_and(|(before, _)| request_of(before).is_some())
}

/// Reads the traces of a request, the newest first. A damaged file is as good as none.
pub fn read(disk: &dyn Disk, request: Vcid) -> Result<Vec<KeptTrace>, HostFault> {
    let file = read_file(disk, &path(request), TRACES_BYTES_MAX as usize + AROUND_BYTES);
    // We write none that is longer.
    let bytes = file.map_err(|error| fault(&error))?.and_then(FileStart::whole);
    Ok(bytes.and_then(|bytes| decode(&bytes).ok()).unwrap_or_default())
}

/// Returns where traces of a request go, and the bytes of the file: as many as may be kept together.
pub fn written(request: Vcid, traces: &[KeptTrace]) -> Result<(String, Vec<u8>), HostFault> {
    let mut bytes = 0;
    let fitting = traces.iter().take(TRACES_MAX).enumerate().take_while(|(index, (_, trace))| {
        bytes += trace.len();
        *index == 0 || bytes <= SEVERAL_BYTES_MAX
    });
    let fitting = fitting.count();
    if traces.first().is_some_and(|(_, trace)| trace.len() as u64 > TRACES_BYTES_MAX) {
        let what = format!("the record of what was read is longer than {TRACES_BYTES_MAX} bytes");
        return Err(HostFault { what });
    }
    Ok((path(request), encode(&traces[..fitting])))
}

pub fn encode(traces: &[KeptTrace]) -> Vec<u8> {
    let mut encoder = Encoder::record(TAG, 2);
    encoder.array(traces.len());
    for (name, bytes) in traces {
        encoder.array(2);
        encoder.bytes(name.as_bytes());
        encoder.bytes(bytes);
    }
    encoder.finish()
}

pub fn decode(bytes: &[u8]) -> Result<Vec<KeptTrace>, DecodeError> {
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

/// Removes traces that are old, damaged, too many, or tell of bytes that are not kept, and files that
/// processes have left half written; or only counts them.
pub fn collect_traces(store: &Store, is_dry_run: bool) -> Result<CollectedTraces, HostFault> {
    let disk: &dyn Disk = &*store.world().disk;
    let now = store.world().clock.now();
    let mut collected = CollectedTraces::default();
    let remove = |name: &str| match is_dry_run {
        true => Ok(()),
        false => disk.remove(&format!("{TRACES}/{name}")).map_err(|error| fault(&error)),
    };
    let mut kept: Vec<(Moment, u64, String)> = Vec::new();
    for name in disk.list(TRACES).map_err(|error| fault(&error))? {
        let file = match disk.open(&format!("{TRACES}/{name}"), OpenMode::Read) {
            Ok(file) => file,
            // Another process has replaced or removed it.
            Err(error) if error.fault == DiskFault::Absent => continue,
            Err(error) => return Err(fault(&error)),
        };
        let at = file.written_at().map_err(|error| fault(&error))?.unwrap_or(now);
        let age = now.0.saturating_sub(at.0);
        match request_of(&name) {
            Some(request) if age <= AGE_NANOSECONDS_MAX && is_of_use(store, request)? => {
                kept.push((at, file.len().map_err(|error| fault(&error))?, name));
            }
            Some(_) => {
                remove(&name)?;
                collected.dropped += 1;
            }
            None if is_beside(&name) && age > STRAY_NANOSECONDS_MIN => {
                remove(&name)?;
                collected.strays += 1;
            }
            // Somebody is writing it, or it is not ours.
            None => {}
        }
    }
    kept.sort_by(|one, other| other.cmp(one));
    let mut bytes = 0;
    for (_, len, name) in &kept {
        bytes += len;
        if collected.kept < FILES_MAX as u64 && bytes <= ALL_BYTES_MAX {
            collected.kept += 1;
        } else {
            remove(name)?;
            collected.dropped += 1;
        }
    }
    Ok(collected)
}

/// Whether any trace of a request tells of something that is kept.
fn is_of_use(store: &Store, request: Vcid) -> Result<bool, HostFault> {
    for (_, bytes) in read(&*store.world().disk, request)? {
        let Ok(trace) = Trace::decode(&bytes) else { continue };
        if store.contains(trace.output.vcid).map_err(|error| fault(&error))? {
            return Ok(true);
        }
    }
    Ok(false)
}
