//! Whether the index on disk speaks of the arenas that are there.
//!
//! Somebody may have restored the one or the others from a backup, deleted an arena, or copied the
//! index of another store. What such an index lists and no arena holds must not be left out when it is
//! put again, so the two are compared when a store is opened: which arenas, and how long.

use std::collections::BTreeSet;

use vigil_base::world::{DiskError, DiskFault, Lock, OpenMode};

use super::manifest::{Covered, Manifest};
use super::run::{Run, RunOpenError};
use super::{Index, IndexError, RETRIES_MAX, State};
use crate::arena::{Arena, ArenaError};
use crate::checked::{self, Loaded};
use crate::format::{Check, HEADER_LEN, Header, Located, SealError};
use crate::paths;
use crate::remote::open_arena_file;

/// What became of an arena since it was covered.
enum Held {
    /// Everything that is in the runs may be there.
    Whole,
    /// It is gone, or ends before its covered end.
    Short,
    /// It is another arena.
    Another,
}

impl Index {
    /// Lists everything anew where the index is of another day, or of another store, than the arenas.
    pub(super) fn compare_with_arenas(&self) -> Result<(), IndexError> {
        let manifest = self.read().manifest.clone();
        let mut short = BTreeSet::new();
        let mut is_of_others = false;
        for (number, covered) in &manifest.covered {
            match self.held(*number, covered, manifest.marks.get(number))? {
                Held::Whole => {}
                Held::Short => _ = short.insert(*number),
                Held::Another => is_of_others = true,
            }
        }
        if short.is_empty() && !is_of_others {
            return Ok(());
        }
        // Whoever removes arenas has taken the manifest back before; then nothing is missing.
        let path = paths::manifest(&self.class);
        let is_current = Manifest::load(&*self.disk, &path)?.as_ref() == Some(&manifest);
        let mut missing: Vec<Located> = Vec::new();
        if is_current && !is_of_others {
            self.for_each(&mut |item| {
                if short.contains(&item.at.arena) {
                    missing.push(item);
                }
            })?;
        }
        self.rebuild()?;
        // Kept, so that a reader hears what has been lost.
        let State { overlay, cut, .. } = &mut *self.write();
        missing.retain(|item| !overlay.items.contains_key(&item.id));
        overlay.damaged.extend(missing.into_iter().map(|item| (item.id, item)));
        if is_current && !is_of_others {
            *cut = short;
        }
        Ok(())
    }

    fn held(
        &self,
        number: u32,
        covered: &Covered,
        mark: Option<&Check>,
    ) -> Result<Held, IndexError> {
        let file = match open_arena_file(&*self.disk, number, None) {
            Ok(file) => file,
            Err(error) if matches!(error.fault, DiskFault::Absent | DiskFault::NotAFile) => {
                return Ok(Held::Short);
            }
            Err(error) => return Err(error.into()),
        };
        let mut header = [0; HEADER_LEN];
        let read = file.read_at(0, &mut header)?;
        let is_marked = mark.is_some_and(|mark| header.ends_with(mark));
        // A header that is damaged says nothing; `verify` and `repair` see to it.
        if !is_marked && Header::decode(&header[..read]).is_ok() {
            return Ok(Held::Another);
        }
        let is_short = file.len()? < covered.end;
        let has_lost_seal = || match Arena::open(file, number) {
            Ok(arena) => Ok(arena.seal()? == Err(SealError::Absent)),
            Err(ArenaError::Header { .. }) => Ok(false),
            Err(error) => Err(error),
        };
        let is_short = is_short || (covered.is_sealed && has_lost_seal()?);
        Ok(if is_short { Held::Short } else { Held::Whole })
    }

    /// Notes which arenas `manifest` covers.
    pub(super) fn mark_arenas(&self, manifest: &mut Manifest) -> Result<(), DiskError> {
        let Manifest { covered, marks, .. } = manifest;
        marks.retain(|number, _| covered.contains_key(number));
        for number in covered.keys() {
            if marks.contains_key(number) {
                continue;
            }
            let file = match open_arena_file(&*self.disk, *number, None) {
                Ok(file) => file,
                // Somebody removes it just now, and this manifest with it.
                Err(error) if error.fault == DiskFault::Absent => continue,
                Err(error) => return Err(error),
            };
            let mut mark = Check::default();
            file.read_at((HEADER_LEN - mark.len()) as u64, &mut mark)?;
            marks.insert(*number, mark);
        }
        Ok(())
    }

    /// Returns whether the index lists exactly this place for an item.
    pub fn has(&self, item: &Located) -> Result<bool, IndexError> {
        let mut is_listed = false;
        self.find(&item.id, &mut |found| is_listed |= found == *item)?;
        Ok(is_listed)
    }

    /// Returns the arenas that were found to be gone, or shorter than they were.
    pub fn cut_arenas(&self) -> BTreeSet<u32> {
        self.read().cut.clone()
    }

    /// Calls `visit` with every item that is known to be lost or damaged.
    pub fn for_each_damaged(&self, visit: &mut dyn FnMut(Located)) {
        self.read().overlay.damaged.values().copied().for_each(visit);
    }

    /// Reads everything that is on disk of the index; returns whether it is whole. No index is whole.
    pub fn is_sound(&self) -> Result<bool, IndexError> {
        let path = paths::manifest(&self.class);
        for _ in 0..RETRIES_MAX {
            let manifest = match Manifest::load(&*self.disk, &path)? {
                Some(manifest) => manifest,
                None => {
                    let loaded = checked::load(&*self.disk, &path, 0)?;
                    return Ok(matches!(loaded, Loaded::Absent));
                }
            };
            let mut is_sound = true;
            for (file, _) in &manifest.runs {
                is_sound &= match Run::open(&*self.disk, &paths::run(&self.class, *file)) {
                    Ok(run) => run.for_each(&mut |_| {}).is_ok(),
                    Err(RunOpenError::Damaged(_)) => false,
                    Err(RunOpenError::Disk(error)) if error.fault == DiskFault::Absent => false,
                    Err(RunOpenError::Disk(error)) => return Err(error.into()),
                };
            }
            // Another process may have merged runs away meanwhile.
            if is_sound || Manifest::load(&*self.disk, &path)?.as_ref() == Some(&manifest) {
                return Ok(is_sound);
            }
        }
        Ok(true)
    }

    /// Takes back what is on disk of the index, where that may be written, and lists everything anew.
    pub fn withdraw(&self) -> Result<(), IndexError> {
        match self.remove_manifest() {
            // Who may only read has the right list in memory.
            Err(error) if error.fault == DiskFault::Denied => {}
            other => other?,
        }
        self.rebuild()
    }

    fn remove_manifest(&self) -> Result<(), DiskError> {
        let lock = self.disk.open(paths::INDEX_LOCK, OpenMode::Create)?;
        lock.lock(Lock::Exclusive, true)?;
        self.disk.remove(&paths::manifest(&self.class))
    }
}
