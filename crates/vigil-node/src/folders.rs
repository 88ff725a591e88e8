//! Folders as inputs that are looked at again and again: what was known of each lies in a record in the
//! store's cache, so that only what may have changed is read.
//!
//! Invariants:
//! - a record is written after what it names is on disk;
//! - a record that is lost, cut short or damaged costs time, and never changes an answer.

use std::collections::HashMap;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use vigil_base::Vcid;
use vigil_base::world::{FileStart, read_file};
use vigil_kernel::{Blobs as _, Era, HostFault};

use crate::host::{StoreHost, fault};
use crate::worktree::{Watching, WorkTree};

/// The folder of the records, in the store's cache.
const RECORDS: &str = "cache/worktrees";

/// Most records that are kept, and longest that is read: a hundred bytes for each file.
const RECORDS_MAX: usize = 64;
const RECORD_BYTES_MAX: usize = 1 << 30;

/// Most folders that are kept open.
const OPEN_MAX: usize = 64;

/// What is known of a folder, and in which era of the store that was kept.
struct Known {
    tree: WorkTree,
    era: Option<Era>,
}

/// The folders that were looked at.
#[derive(Default)]
pub struct Folders {
    known: Mutex<HashMap<PathBuf, Arc<Mutex<Known>>>>,
}

impl Folders {
    /// Looks at an open folder, and returns its tree, which is kept.
    pub fn look(
        &self,
        folder: &OwnedFd,
        skips: &[(u64, u64)],
        host: &StoreHost,
    ) -> Result<Vcid, HostFault> {
        let open = PathBuf::from(format!("/proc/self/fd/{}", folder.as_raw_fd()));
        let place = std::fs::read_link(&open).map_err(|error| fault(&error))?;
        let fresh = || match WorkTree::open(&open) {
            Ok(tree) => Ok(Known { tree: tree.without(skips.to_vec()), era: None }),
            Err(error) => Err(fault(&error)),
        };
        let mut all = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= OPEN_MAX && !all.contains_key(&place) {
            // Each keeps a folder open; what it knows is in its record.
            all.clear();
        }
        let known = match all.get(&place) {
            Some(known) => known.clone(),
            None => all.entry(place.clone()).or_insert(Arc::new(Mutex::new(fresh()?))).clone(),
        };
        drop(all);
        let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
        if !known.tree.is(folder) {
            // The path leads to another folder by now.
            *known = fresh()?;
        }
        let Known { tree, era } = &mut *known;
        let lease = host.lease()?;
        let is_first = era.is_none();
        if is_first {
            *era = recall(host, &place, tree)?;
        } else if *tree.watching() == Watching::Off {
            // Who looks twice will look again.
            tree.watch();
        }
        if *era != Some(lease.era) {
            tree.forget_gone(host)?;
        }
        let had_record = era.is_some();
        *era = Some(lease.era);
        let found = tree.refresh(host, &*host.store().world().clock);
        let found = found.map_err(|error| fault(&error))?;
        if found.read > 0 || !found.changes.is_empty() || !had_record {
            host.commit().map_err(|error| fault(&error))?;
            keep(host, &place, &tree.record(lease.era))?;
        }
        Ok(found.tree)
    }
}

/// Returns where the record of a folder lies.
fn path_of(place: &std::path::Path) -> String {
    format!("{RECORDS}/{}", Vcid::of(place.as_os_str().as_encoded_bytes()).to_hex())
}

/// Takes in what an earlier process has known of a folder; returns the era in which it was kept.
fn recall(
    host: &StoreHost,
    place: &std::path::Path,
    tree: &mut WorkTree,
) -> Result<Option<Era>, HostFault> {
    let record = read_file(&*host.store().world().disk, &path_of(place), RECORD_BYTES_MAX);
    let record = record.map_err(|error| fault(&error))?.and_then(FileStart::whole);
    // A damaged one is as good as none: the files are read again.
    Ok(record.and_then(|record| tree.recall(&record).ok()))
}

fn keep(host: &StoreHost, place: &std::path::Path, record: &[u8]) -> Result<(), HostFault> {
    let disk = &*host.store().world().disk;
    let path = path_of(place);
    host.replace(RECORDS, &path, record)?;
    let records = disk.list(RECORDS).map_err(|error| fault(&error))?;
    // Nobody knows which will be asked for again; what is forgotten is read again.
    for name in records.iter().take(records.len().saturating_sub(RECORDS_MAX)) {
        let other = format!("{RECORDS}/{name}");
        if other == path {
            continue;
        }
        disk.remove(&other).map_err(|error| fault(&error))?;
    }
    Ok(())
}
