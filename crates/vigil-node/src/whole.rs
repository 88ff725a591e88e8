//! Whether trees are kept with all that they name. Files may go without the tree that names them: they lay
//! in another arena, or a crash took what nobody had waited for.
//!
//! Invariant: a tree is looked through once for as long as nothing is removed.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use vigil_base::{References as _, TreeReferences, Vcid};
use vigil_kernel::{Era, HostFault};
use vigil_store::{ReadError, Store};

use crate::host::fault;

/// Most trees that are followed for one answer: 32 bytes each. What has more is made again.
const TREES_MAX: usize = 1 << 22;

/// The trees that are known to be whole, and in which era of the store.
#[derive(Default)]
pub struct Whole {
    known: Mutex<(Option<Era>, HashSet<Vcid>)>,
}

impl Whole {
    /// Says in which era the store is; what was known in another one is forgotten.
    pub fn enter(&self, era: Era) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.0 != Some(era) {
            *known = (Some(era), HashSet::new());
        }
    }

    /// Returns whether a tree and all below it are kept.
    pub fn is_whole(&self, store: &Store, tree: Vcid) -> Result<bool, HostFault> {
        let known = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let era = known().0;
        let mut met = HashSet::new();
        let mut open = vec![tree];
        while let Some(tree) = open.pop() {
            if known().1.contains(&tree) || !met.insert(tree) {
                continue;
            }
            let record = match store.read(tree) {
                Ok(record) => record,
                Err(ReadError::Absent { .. }) => return Ok(false),
                Err(error) => return Err(fault(&error)),
            };
            let mut files = Vec::new();
            let found = TreeReferences.references(&record, &mut |vcid, is_tree| match is_tree {
                true => open.push(vcid),
                false => files.push(vcid),
            });
            if found.is_err() || met.len() > TREES_MAX {
                return Ok(false);
            }
            for file in files {
                if !store.contains(file).map_err(|error| fault(&error))? {
                    return Ok(false);
                }
            }
        }
        let mut known = known();
        if known.0 == era {
            known.1.extend(met);
        }
        Ok(true)
    }
}
