//! What a kernel needs of its host: bytes that are kept, traces that are kept, the state of roots, and
//! who is asking. The kernel itself opens nothing.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use vigil_base::Vcid;

use crate::trace::Trace;

/// The host could not do something for a reason of the world.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct HostFault {
    /// What went wrong.
    pub what: String,
}

/// Bytes by what they are.
pub trait Blobs: Send + Sync {
    /// Keeps bytes that can be made again, and so need not be waited for on disk.
    fn put(&self, bytes: &[u8]) -> Result<Vcid, HostFault>;
    /// Returns bytes, compared with their name; `None` if they are not kept.
    fn get(&self, vcid: Vcid) -> Result<Option<Arc<[u8]>>, HostFault>;
    /// Returns how many bytes there are; `None` if they are not kept.
    fn size(&self, vcid: Vcid) -> Result<Option<u64>, HostFault>;
    /// Holds everything that is kept, and all that is put, against collection until the lease is
    /// dropped. A host that never removes anything need not do anything for that.
    fn lease(&self) -> Result<Lease, HostFault> {
        Ok(Lease { era: Era(0), held: Box::new(()) })
    }
}

/// Changes whenever something that was kept may have been removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Era(pub u64);

/// Holds what a host keeps against collection.
pub struct Lease {
    /// When it was taken.
    pub era: Era,
    /// What is let go when it is dropped.
    pub held: Box<dyn Send>,
}

/// The record of a trace, and the name that it was kept under.
pub type KeptTrace = (Vcid, Arc<[u8]>);

/// Traces by the hash of the request that they answer.
pub trait Traces: Send + Sync {
    /// Returns what is kept for a request, the newest first: each with the name that it was kept under.
    fn find(&self, request: Vcid) -> Result<Vec<KeptTrace>, HostFault>;
    /// Keeps the record of a trace.
    fn keep(&self, request: Vcid, trace: &[u8]) -> Result<(), HostFault>;
    /// Forgets a record that turned out to be damaged.
    fn forget(&self, request: Vcid, trace: Vcid) -> Result<(), HostFault>;
}

/// The state of what changes outside: names, files, heads of streams.
pub trait Roots: Send + Sync {
    /// Returns the state of a root as bytes: its endpoint knows what they mean. A root that is not
    /// there has a state too: `None`.
    fn look(&self, root: &str) -> Result<Option<Vec<u8>>, HostFault>;
}

/// What a caller may do and see.
pub trait Authority: Send + Sync {
    /// Returns why a need is not granted, or nothing.
    fn grants(&self, need: &str) -> Result<(), String>;
    /// Returns whether bytes with this secrecy tag may be handed out.
    fn is_cleared(&self, tag: &str) -> bool;
}

/// The machine's owner: may do and see everything.
#[derive(Clone, Copy, Debug, Default)]
pub struct Owner;

impl Authority for Owner {
    fn grants(&self, _: &str) -> Result<(), String> {
        Ok(())
    }

    fn is_cleared(&self, _: &str) -> bool {
        true
    }
}

/// Which kept traces may stand for running an endpoint again.
pub trait TracePolicy: Send + Sync {
    /// Judges a trace; `others` are all that are kept for the same request, itself among them.
    fn accepts(&self, trace: &Trace, others: &[Trace]) -> bool;
}

/// Accepts traces of machines that are named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OfMachines(pub Vec<String>);

impl TracePolicy for OfMachines {
    fn accepts(&self, trace: &Trace, _: &[Trace]) -> bool {
        self.0.contains(&trace.machine)
    }
}

/// Accepts what so many machines agree on: the same endpoint, version, inputs and output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Agreed(pub usize);

impl TracePolicy for Agreed {
    fn accepts(&self, trace: &Trace, others: &[Trace]) -> bool {
        let agrees = |other: &&Trace| {
            (&other.endpoint, other.version, &other.inputs, &other.output)
                == (&trace.endpoint, trace.version, &trace.inputs, &trace.output)
        };
        let mut machines: Vec<&str> =
            others.iter().filter(agrees).map(|other| other.machine.as_str()).collect();
        machines.sort_unstable();
        machines.dedup();
        machines.len() >= self.0
    }
}

/// Most traces that [`Memory`] keeps for one request.
const TRACES_MAX: usize = 8;

/// Bytes, traces and roots in memory: a host for tests and for programs that keep nothing.
#[derive(Default)]
pub struct Memory {
    inside: Mutex<Inside>,
}

#[derive(Default)]
struct Inside {
    blobs: BTreeMap<Vcid, Arc<[u8]>>,
    traces: BTreeMap<Vcid, Vec<KeptTrace>>,
    roots: BTreeMap<String, Vec<u8>>,
    fault: Option<String>,
    era: u64,
    /// A clone of it for each lease.
    leased: Arc<()>,
}

impl Memory {
    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets the state of a root, or removes it.
    pub fn set_root(&self, root: &str, state: Option<&[u8]>) {
        match state {
            Some(state) => self.inside().roots.insert(root.to_owned(), state.to_vec()),
            None => self.inside().roots.remove(root),
        };
    }

    /// Lets every look at a root fail with this text, or work again.
    pub fn set_fault(&self, fault: Option<&str>) {
        self.inside().fault = fault.map(str::to_owned);
    }

    /// Forgets bytes.
    pub fn remove_blob(&self, vcid: Vcid) {
        self.inside().blobs.remove(&vcid);
    }

    /// Removes all bytes but those that `is_kept` names; nothing while a lease is held. Returns whether
    /// it did.
    pub fn collect(&self, is_kept: impl Fn(Vcid) -> bool) -> bool {
        let mut inside = self.inside();
        if Arc::strong_count(&inside.leased) > 1 {
            return false;
        }
        inside.blobs.retain(|vcid, _| is_kept(*vcid));
        inside.era += 1;
        true
    }

    /// Changes the records of all traces: for tests of damage.
    pub fn edit_traces(&self, edit: impl Fn(&mut Vec<u8>)) {
        for (_, bytes) in self.inside().traces.values_mut().flatten() {
            let mut record = bytes.to_vec();
            edit(&mut record);
            *bytes = record.into();
        }
    }

    /// Returns the records of all traces, by request.
    pub fn traces(&self) -> Vec<(Vcid, Arc<[u8]>)> {
        let inside = self.inside();
        let all = inside.traces.iter();
        all.flat_map(|(request, list)| list.iter().map(|(_, bytes)| (*request, bytes.clone())))
            .collect()
    }
}

impl Blobs for Memory {
    fn put(&self, bytes: &[u8]) -> Result<Vcid, HostFault> {
        let vcid = Vcid::of(bytes);
        self.inside().blobs.entry(vcid).or_insert_with(|| bytes.into());
        Ok(vcid)
    }

    fn get(&self, vcid: Vcid) -> Result<Option<Arc<[u8]>>, HostFault> {
        Ok(self.inside().blobs.get(&vcid).cloned())
    }

    fn size(&self, vcid: Vcid) -> Result<Option<u64>, HostFault> {
        Ok(self.inside().blobs.get(&vcid).map(|bytes| bytes.len() as u64))
    }

    fn lease(&self) -> Result<Lease, HostFault> {
        let inside = self.inside();
        Ok(Lease { era: Era(inside.era), held: Box::new(inside.leased.clone()) })
    }
}

impl Traces for Memory {
    fn find(&self, request: Vcid) -> Result<Vec<KeptTrace>, HostFault> {
        Ok(self.inside().traces.get(&request).cloned().unwrap_or_default())
    }

    fn keep(&self, request: Vcid, trace: &[u8]) -> Result<(), HostFault> {
        let mut inside = self.inside();
        let list = inside.traces.entry(request).or_default();
        let name = Vcid::of(trace);
        list.retain(|(other, _)| *other != name);
        list.insert(0, (name, trace.into()));
        list.truncate(TRACES_MAX);
        Ok(())
    }

    fn forget(&self, request: Vcid, trace: Vcid) -> Result<(), HostFault> {
        if let Some(list) = self.inside().traces.get_mut(&request) {
            list.retain(|(other, _)| *other != trace);
        }
        Ok(())
    }
}

impl Roots for Memory {
    fn look(&self, root: &str) -> Result<Option<Vec<u8>>, HostFault> {
        let inside = self.inside();
        match &inside.fault {
            Some(what) => Err(HostFault { what: what.clone() }),
            None => Ok(inside.roots.get(root).cloned()),
        }
    }
}
