//! What all keys of one kernel share: its host, what callers have granted, and counts.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use vigil_base::Vcid;
use vigil_base::world::Clock;

use crate::host::{Blobs, HostFault, Roots, TracePolicy, Traces};
use crate::lease::Holding;
use crate::profile::Recorder;
use crate::request::{MediaType, Request};
use crate::trace::Trace;

/// Says whether bytes are of a media type, or what is wrong with them. It is shown the first 64 KiB.
pub type Check = fn(&[u8]) -> Result<(), String>;

/// What the kernel runs on.
#[derive(Clone)]
pub struct Host {
    /// Keeps bytes.
    pub blobs: Arc<dyn Blobs>,
    /// Keeps traces.
    pub traces: Arc<dyn Traces>,
    /// Knows the state of roots.
    pub roots: Arc<dyn Roots>,
    /// Says how long answers take.
    pub clock: Arc<dyn Clock>,
    /// Judges kept traces.
    pub policy: Arc<dyn TracePolicy>,
    /// The machine's name in traces.
    pub machine: String,
    /// Media types whose bytes are looked at before they are believed.
    pub checks: BTreeMap<MediaType, Check>,
}

/// What all keys of one kernel share.
pub struct Site {
    pub host: Host,
    /// Needs that a caller has granted, for as long as it waits.
    approvals: Mutex<Vec<Approval>>,
    approval_last: AtomicU64,
    /// Kept traces that were dropped because they were damaged or contradicted themselves.
    pub traces_dropped: AtomicU64,
    /// The number of the next answer that is begun.
    pub serial: AtomicU64,
    pub profile: Recorder,
    pub holding: Holding,
}

struct Approval {
    id: u64,
    scope: Arc<str>,
    request: Request,
    needs: BTreeSet<String>,
}

impl Site {
    pub fn new(host: Host) -> Self {
        Self {
            host,
            approvals: Mutex::default(),
            approval_last: AtomicU64::new(0),
            traces_dropped: AtomicU64::new(0),
            serial: AtomicU64::new(1),
            profile: Recorder::default(),
            holding: Holding::default(),
        }
    }

    fn approvals(&self) -> MutexGuard<'_, Vec<Approval>> {
        self.approvals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that a caller who waits for it has granted what a request needs.
    pub fn approve(&self, scope: &Arc<str>, request: &Request, needs: &BTreeSet<String>) -> u64 {
        let id = self.approval_last.fetch_add(1, Ordering::Relaxed);
        let (scope, request, needs) = (scope.clone(), request.clone(), needs.clone());
        self.approvals().push(Approval { id, scope, request, needs });
        id
    }

    /// Takes approvals back.
    pub fn withdraw(&self, ids: &[u64]) {
        self.approvals().retain(|approval| !ids.contains(&approval.id));
    }

    /// Returns whether a caller that waits has granted what a request needs.
    pub fn is_approved(&self, scope: &str, request: &Request, needs: &BTreeSet<String>) -> bool {
        needs.is_empty()
            || self.approvals().iter().any(|approval| {
                &*approval.scope == scope
                    && approval.request == *request
                    && approval.needs.is_superset(needs)
            })
    }

    /// Returns the kept traces of a request that can be read; what cannot is dropped.
    pub fn kept(&self, request: &Request) -> Result<Vec<Trace>, HostFault> {
        let name = request.digest();
        let mut kept = Vec::new();
        for (claimed, bytes) in self.host.traces.find(name)? {
            let trace = Trace::decode(&bytes).ok();
            let is_honest = Vcid::of(&bytes) == claimed;
            match trace.filter(|trace| is_honest && trace.request == *request) {
                Some(trace) => kept.push(trace),
                None => {
                    self.traces_dropped.fetch_add(1, Ordering::Relaxed);
                    self.host.traces.forget(name, claimed)?;
                }
            }
        }
        Ok(kept)
    }
}
