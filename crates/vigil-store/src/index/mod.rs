//! Where every item lies: sorted runs on disk, and an overlay in memory of what is not in them yet.
//!
//! It is a cache over the arenas, and never the only place that knows something.
//!
//! Invariants:
//! - an entry gets into a run only after the record that it points to is durable;
//! - a run or manifest that is damaged is noticed before it is believed, and rebuilt;
//! - every record before the covered end of an arena is in the runs or in the overlay.

mod manifest;
mod run;
mod trust;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use vigil_base::world::{Disk, DiskError, DiskFault, Lock, OpenMode};

use crate::append::Appended;
use crate::arena::{Arena, ArenaError};
use crate::format::{ALIGN, Class, HEADER_LEN, ItemId, Located, SealError};
use crate::paths;
use crate::remote::open_arena_file;
use manifest::{Covered, Manifest};
use run::{MergeError, Run, RunOpenError, RunWriter};

/// Why the index could not be read or written.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IndexError {
    /// The disk failed.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// An arena could not be read while its items were being listed.
    #[error("could not list the items of an arena")]
    Arena(#[from] ArenaError),
    /// The index was damaged again right after it was rebuilt: the disk does not keep what it is told.
    #[error("the index is damaged again right after it was rebuilt; check the disk")]
    Unstable,
}

/// The index of one class.
pub(crate) struct Index {
    disk: Arc<dyn Disk>,
    class: Class,
    state: RwLock<State>,
}

#[derive(Default)]
struct State {
    /// The manifest that `runs` come from. The overlay holds what lies beyond its covered ends.
    manifest: Manifest,
    runs: Vec<Arc<Run>>,
    overlay: Overlay,
    /// The overlay lists everything, and what is on disk is not to be believed.
    is_rebuilt: bool,
    /// Arenas that ended too early when the index was opened.
    cut: BTreeSet<u32>,
}

/// What is known beyond the runs.
#[derive(Default)]
struct Overlay {
    items: HashMap<ItemId, Located>,
    /// Further locations of ids that `items` has one of already.
    more: Vec<Located>,
    /// Items that a scan found listed, with other bytes than their ids say. Nothing may rely on them;
    /// they are kept so that a reader hears "corrupt" instead of "absent".
    damaged: HashMap<ItemId, Located>,
    /// Up to where each arena's items are in the runs or here.
    ends: BTreeMap<u32, Covered>,
    /// Arenas that this process writes.
    own: BTreeSet<u32>,
    /// Records of theirs behind a gap that nothing here covers: arena and start, to the end.
    ahead: BTreeMap<(u32, u64), u64>,
    /// Up to where this process has made records durable that others wrote.
    relied: BTreeMap<u32, u64>,
}

impl Overlay {
    fn insert(&mut self, located: Located) {
        match self.items.get(&located.id) {
            Some(present) if *present == located => {}
            Some(_) => self.more.push(located),
            None => _ = self.items.insert(located.id, located),
        }
    }

    fn find(&self, id: &ItemId, found: &mut dyn FnMut(Located)) {
        if let Some(first) = self.items.get(id) {
            found(*first);
            self.more.iter().filter(|more| more.id == *id).for_each(|more| found(*more));
        }
    }

    /// Drops entries that lie before the covered ends of `manifest`, since they are in its runs.
    fn forget_covered(&mut self, manifest: &Manifest) {
        let is_beyond = |item: &Located| match manifest.covered.get(&item.at.arena) {
            Some(covered) => u64::from(item.at.trailer) * ALIGN >= covered.end,
            None => true,
        };
        let mut kept: Vec<Located> = self.all().filter(is_beyond).collect();
        self.items.clear();
        self.more.clear();
        kept.drain(..).for_each(|item| self.insert(item));
    }

    /// Drops what lies in arenas that somebody has removed. The rising `numbers` are those there are.
    fn forget_gone(&mut self, numbers: &[u32]) {
        let is_here = |number: &u32| numbers.binary_search(number).is_ok();
        if self.ends.keys().all(is_here) {
            return;
        }
        self.ends.retain(|number, _| is_here(number));
        self.relied.retain(|number, _| is_here(number));
        self.damaged.retain(|_, item| is_here(&item.at.arena));
        let kept: Vec<Located> = self.all().filter(|item| is_here(&item.at.arena)).collect();
        self.items.clear();
        self.more.clear();
        kept.into_iter().for_each(|item| self.insert(item));
    }

    fn all(&self) -> impl Iterator<Item = Located> {
        self.items.values().chain(&self.more).copied()
    }
}

/// A run absorbs younger ones once they are at least a half of its size, so that there are about
/// log₂(n) runs and each entry is rewritten about log₂(n) times.
const MERGE_RATIO: u64 = 2;

/// Merging and reopening race with other processes; after so many losses something else is wrong.
const RETRIES_MAX: usize = 16;

impl Index {
    /// Opens the index of `class`, and adds what arenas hold beyond it.
    pub fn open(disk: Arc<dyn Disk>, class: Class) -> Result<Self, IndexError> {
        let index = Self { disk, class, state: RwLock::default() };
        index.refresh()?;
        index.compare_with_arenas()?;
        Ok(index)
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Calls `found` with every location of `id` that is known.
    pub fn find(&self, id: &ItemId, found: &mut dyn FnMut(Located)) -> Result<(), IndexError> {
        for _ in 0..2 {
            let state = self.read();
            state.overlay.find(id, found);
            let result = state.runs.iter().try_for_each(|run| run.find(id, found));
            drop(state);
            match result {
                Ok(()) => return Ok(()),
                Err(_damaged) => self.rebuild()?,
            }
        }
        Err(IndexError::Unstable)
    }

    /// Returns whether an item of this id is known.
    pub fn contains(&self, id: &ItemId) -> Result<bool, IndexError> {
        let mut is_known = false;
        self.find(id, &mut |_| is_known = true)?;
        Ok(is_known)
    }

    /// Adds the items of a record that was just appended.
    pub fn insert(&self, appended: &Appended) {
        let Some(first) = appended.located.first() else { return };
        let number = first.at.arena;
        let mut state = self.write();
        let State { manifest, overlay, .. } = &mut *state;
        appended.located.iter().for_each(|item| overlay.insert(*item));
        overlay.own.insert(number);
        overlay.ahead.insert((number, appended.start), appended.end);
        let in_runs = manifest.covered.get(&number).map(|covered| covered.end);
        let here = overlay.ends.get(&number).map(|covered| covered.end);
        let mut end = in_runs.max(here).unwrap_or(0).max(HEADER_LEN as u64);
        // Threads come here in another order than they appended in, and somebody else may have
        // appended before this process took the arena over: an end never passes over a gap.
        while let Some((key, next)) = overlay.ahead.range((number, 0)..=(number, end)).next() {
            let key = *key;
            end = end.max(*next);
            overlay.ahead.remove(&key);
        }
        overlay.ends.entry(number).or_insert(Covered { end, is_sealed: false }).end = end;
    }

    /// Notes that this process writes no arena any more.
    pub fn disown(&self) {
        self.write().overlay.own.clear();
    }

    /// Returns how many entries are only in memory.
    pub fn overlay_len(&self) -> usize {
        let state = self.read();
        state.overlay.items.len() + state.overlay.more.len()
    }

    /// Returns how many entries there are; one item with two locations counts twice.
    pub fn len(&self) -> u64 {
        self.read().runs.iter().map(|run| run.len() as u64).sum::<u64>() + self.overlay_len() as u64
    }

    /// Returns the manifest's generation: another one after each publishing, and after arenas went.
    pub fn generation(&self) -> u64 {
        self.read().manifest.generation
    }

    /// Takes in what other processes have published or appended.
    pub fn refresh(&self) -> Result<(), IndexError> {
        for _ in 0..RETRIES_MAX {
            let before = self.read().manifest.clone();
            let Some(manifest) = Manifest::load(&*self.disk, &paths::manifest(&self.class))? else {
                let mut state = self.write();
                if state.is_rebuilt {
                    // Until somebody publishes, there is nothing but the arenas to look at, and what
                    // they held before has been listed.
                    return self.cover_arenas(&mut state);
                }
                drop(state);
                return self.rebuild();
            };
            match self.open_runs(&manifest) {
                Ok(runs) => {
                    let mut state = self.write();
                    if state.manifest != before {
                        // Another thread has published meanwhile: this manifest may be the older.
                        continue;
                    }
                    // What a rebuild has listed is complete without runs that may be damaged.
                    if !state.is_rebuilt && manifest != state.manifest {
                        if !manifest.reaches(&state.manifest) {
                            // Whoever rebuilt the index saw less than the runs that go now, or has
                            // removed arenas. What lies between is in neither, and what the overlay
                            // lists may be gone: the arenas are listed from the new ends on.
                            let own = std::mem::take(&mut state.overlay.own);
                            state.overlay = Overlay { own, ..Overlay::default() };
                        }
                        state.overlay.forget_covered(&manifest);
                        state.manifest = manifest;
                        state.runs = runs;
                    }
                    return self.cover_arenas(&mut state);
                }
                Err(RunOpenError::Damaged(_)) => return self.rebuild(),
                // Another process has merged the run away and saved a newer manifest.
                Err(RunOpenError::Disk(error)) if error.fault == DiskFault::Absent => {}
                Err(RunOpenError::Disk(error)) => return Err(error.into()),
            }
        }
        self.rebuild()
    }

    fn open_runs(&self, manifest: &Manifest) -> Result<Vec<Arc<Run>>, RunOpenError> {
        let known: HashMap<u64, Arc<Run>> = {
            let state = self.read();
            if *manifest == state.manifest {
                return Ok(state.runs.clone());
            }
            let files = state.manifest.runs.iter().map(|(file, _)| *file);
            files.zip(state.runs.iter().cloned()).collect()
        };
        let open = |(file, _): &(u64, u64)| match known.get(file) {
            Some(run) if run.is_current(&*self.disk)? => Ok(run.clone()),
            _ => Ok(Arc::new(Run::open(&*self.disk, &paths::run(&self.class, *file))?)),
        };
        manifest.runs.iter().map(open).collect()
    }

    /// Forgets all that is known, and lists the items of every arena anew.
    pub fn rebuild(&self) -> Result<(), IndexError> {
        let mut state = self.write();
        // The number of the next run and the generation go on, so that no process that still has the
        // old manifest can take a new file for an old one.
        let manifest = Manifest {
            generation: state.manifest.generation + 1,
            run_next: self.run_file_next()?,
            ..Manifest::default()
        };
        *state = State { manifest, is_rebuilt: true, ..State::default() };
        self.cover_arenas(&mut state)
    }

    fn run_files(&self) -> Result<Vec<u64>, DiskError> {
        let names = self.disk.list(&paths::index_folder(&self.class))?;
        Ok(names.iter().filter_map(|name| name.strip_suffix(".run")?.parse().ok()).collect())
    }

    fn run_file_next(&self) -> Result<u64, DiskError> {
        Ok(self.run_files()?.into_iter().max().map_or(1, |last| last.saturating_add(1)))
    }

    /// Lists the items that lie behind the covered end of each arena of this class.
    fn cover_arenas(&self, state: &mut State) -> Result<(), IndexError> {
        let numbers = paths::arena_numbers(&*self.disk)?;
        state.overlay.forget_gone(&numbers);
        for number in numbers {
            let in_runs = state.manifest.covered.get(&number).copied();
            let here = state.overlay.ends.get(&number).copied();
            if in_runs.into_iter().chain(here).any(|covered| covered.is_sealed) {
                continue;
            }
            let file = match open_arena_file(&*self.disk, number, None) {
                Ok(file) => file,
                Err(error) if matches!(error.fault, DiskFault::Absent | DiskFault::NotAFile) => {
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            // An arena without a whole header holds nothing yet; `verify` tells a damaged one.
            let arena = match Arena::open(file, number) {
                Ok(arena) if arena.header.class == self.class => arena,
                Ok(_) | Err(ArenaError::Header { .. }) => continue,
                Err(error) => return Err(error.into()),
            };
            let from =
                in_runs.into_iter().chain(here).map(|covered| covered.end).max().unwrap_or(0);
            let (items, damaged, covered) = list_items(&arena, from)?;
            items.into_iter().for_each(|item| state.overlay.insert(item));
            state.overlay.damaged.extend(damaged.into_iter().map(|item| (item.id, item)));
            if covered.is_sealed {
                // The seal came after the last sync that this process knows of.
                state.overlay.relied.remove(&number);
            }
            state.overlay.ends.insert(number, covered);
        }
        // Whatever had been appended by now has been listed.
        state.overlay.ahead.clear();
        Ok(())
    }

    /// Makes records of other writers that the overlay lists durable, so that this process may rely
    /// on them: they were found in files that nobody may have synced yet.
    pub fn sync_found(&self) -> Result<(), IndexError> {
        let found: Vec<(u32, u64)> = {
            let overlay = &self.read().overlay;
            // A seal that was found is no more certain to survive than a record.
            let is_new = |(number, covered): &(&u32, &Covered)| {
                !overlay.own.contains(number)
                    && overlay.relied.get(number).is_none_or(|end| *end < covered.end)
            };
            let found = overlay.ends.iter().filter(is_new);
            found.map(|(number, covered)| (*number, covered.end)).collect()
        };
        for (number, end) in found {
            match open_arena_file(&*self.disk, number, None) {
                Ok(file) => file.sync()?,
                Err(error) if error.fault == DiskFault::Absent => return self.rebuild(),
                Err(error) => return Err(error.into()),
            }
            self.write().overlay.relied.insert(number, end);
        }
        Ok(())
    }

    /// Returns where a damaged copy of an item lies, if a scan met one.
    pub fn find_damaged(&self, id: &ItemId) -> Option<Located> {
        self.read().overlay.damaged.get(id).copied()
    }

    /// Moves the overlay's entries into a run, as far as their records are durable. `own_end` says up
    /// to which byte that is in an arena that this process writes; `None` for not at all.
    pub fn publish(&self, own_end: &dyn Fn(u32) -> Option<u64>) -> Result<(), IndexError> {
        self.disk.create_folder(&paths::index_folder(&self.class))?;
        let lock = self.disk.open(paths::INDEX_LOCK, OpenMode::Create)?;
        lock.lock(Lock::Exclusive, true)?;
        for _ in 0..2 {
            let mut state = self.write();
            let on_disk = Manifest::load(&*self.disk, &paths::manifest(&self.class))?;
            if on_disk.is_none() {
                // The first index of this class: without this, the power could take it away whole.
                self.disk.sync_folder(paths::INDEX)?;
                self.disk.sync_folder("")?;
            }
            let mut base = match on_disk {
                Some(manifest) if !state.is_rebuilt => manifest,
                _ if state.is_rebuilt => state.manifest.clone(),
                _ => Manifest::default(),
            };
            base.run_next = base.run_next.max(self.run_file_next()?);
            // A process that rebuilt may have published runs that reach less far than those this one
            // started from. Then only a rebuild of its own is sure to list everything.
            if !state.overlay.ahead.is_empty() {
                self.cover_arenas(&mut state)?;
            }
            if state.is_rebuilt || base.reaches(&state.manifest) {
                match self.publish_over(base, &mut state, own_end) {
                    Ok(()) => return Ok(()),
                    Err(MergeError::Disk(error)) => return Err(error.into()),
                    Err(MergeError::Damaged(_)) => {}
                }
            }
            drop(state);
            self.rebuild()?;
        }
        Err(IndexError::Unstable)
    }

    fn publish_over(
        &self,
        mut manifest: Manifest,
        state: &mut State,
        own_end: &dyn Fn(u32) -> Option<u64>,
    ) -> Result<(), MergeError> {
        let durable = |number: &u32| match state.overlay.own.contains(number) {
            true => own_end(*number),
            false => state.overlay.relied.get(number).copied(),
        };
        let ends: BTreeMap<u32, Covered> = state
            .overlay
            .ends
            .iter()
            .map(|(number, covered)| {
                let end = durable(number).unwrap_or(0).min(covered.end);
                let is_sealed = covered.is_sealed && end == covered.end;
                (*number, Covered { end, is_sealed })
            })
            .collect();
        let is_ready = |item: &Located| {
            let end = ends.get(&item.at.arena).map_or(0, |covered| covered.end);
            u64::from(item.at.trailer) * ALIGN < end
        };
        let mut ready: Vec<Located> = state.overlay.all().filter(is_ready).collect();
        ready.sort_unstable();
        let mut obsolete = Vec::new();
        self.add_run(&mut manifest, &ready, &mut obsolete)?;
        for (number, covered) in ends {
            let slot = manifest.covered.entry(number).or_insert(covered);
            slot.end = slot.end.max(covered.end);
            slot.is_sealed |= covered.is_sealed;
        }
        self.mark_arenas(&mut manifest)?;
        manifest.generation += 1;
        let runs = manifest.runs.iter().map(|(file, _)| self.open_run(*file));
        let runs = runs.collect::<Result<_, _>>()?;
        manifest.save(&*self.disk, &paths::manifest(&self.class))?;
        if state.is_rebuilt {
            // What the manifest before listed: nothing names these files any more.
            let files = self.run_files()?;
            let is_listed = |file: &u64| manifest.runs.iter().any(|(listed, _)| listed == file);
            obsolete = files.into_iter().filter(|file| !is_listed(file)).collect();
        }
        state.overlay.forget_covered(&manifest);
        state.runs = runs;
        state.manifest = manifest;
        state.is_rebuilt = false;
        // Other processes may still read these; they keep their maps, or load the new manifest.
        obsolete.iter().try_for_each(|file| self.disk.remove(&paths::run(&self.class, *file)))?;
        Ok(())
    }

    fn open_run(&self, file: u64) -> Result<Arc<Run>, MergeError> {
        match Run::open(&*self.disk, &paths::run(&self.class, file)) {
            Ok(run) => Ok(Arc::new(run)),
            Err(RunOpenError::Disk(error)) => Err(error.into()),
            Err(RunOpenError::Damaged(damaged)) => Err(damaged.into()),
        }
    }

    /// Writes `ready` as the youngest run of `manifest`, together with the runs it outgrows.
    fn add_run(
        &self,
        manifest: &mut Manifest,
        ready: &[Located],
        obsolete: &mut Vec<u64>,
    ) -> Result<(), MergeError> {
        if ready.is_empty() {
            return Ok(());
        }
        let mut entries = ready.len() as u64;
        let mut absorbed = Vec::new();
        while let Some((file, count)) = manifest.runs.last().copied() {
            if count > entries * MERGE_RATIO {
                break;
            }
            manifest.runs.pop();
            obsolete.push(file);
            entries += count;
            absorbed.push(self.open_run(file)?);
        }
        let file = manifest.run_next;
        manifest.run_next += 1;
        let mut writer = RunWriter::create(&*self.disk, &paths::run(&self.class, file))?;
        run::merge(&absorbed, ready, &mut writer)?;
        let count = writer.finish()?;
        manifest.runs.push((file, count));
        Ok(())
    }

    /// Calls `visit` with every entry, in no particular order; an entry may come twice.
    pub fn for_each(&self, visit: &mut dyn FnMut(Located)) -> Result<(), IndexError> {
        let (runs, overlay): (Vec<Arc<Run>>, Vec<Located>) = {
            let state = self.read();
            (state.runs.clone(), state.overlay.all().collect())
        };
        overlay.into_iter().for_each(&mut *visit);
        if runs.iter().try_for_each(|run| run.for_each(visit)).is_err() {
            self.rebuild()?;
            self.read().overlay.all().for_each(visit);
        }
        Ok(())
    }

    /// Writes the index anew, as one run over the arenas that exist now. The caller holds the use
    /// lock exclusively.
    pub fn replace(&self) -> Result<(), IndexError> {
        self.disk.remove(&paths::manifest(&self.class))?;
        self.rebuild()?;
        self.sync_found()?;
        self.publish(&|_| None)
    }
}

/// Lists the items of `arena` from byte `from` on, intact and damaged ones: from its table where it
/// is sealed, else by a scan.
fn list_items(
    arena: &Arena,
    from: u64,
) -> Result<(Vec<Located>, Vec<Located>, Covered), ArenaError> {
    match arena.seal()? {
        Ok(seal) => match arena.sealed_items(&seal) {
            Ok(items) => Ok((items, Vec::new(), Covered { end: seal.table_at, is_sealed: true })),
            Err(ArenaError::Damaged { .. }) => {
                let scan = arena.scan(0)?;
                Ok((scan.items, scan.damaged, Covered { end: scan.end, is_sealed: true }))
            }
            Err(error) => Err(error),
        },
        Err(SealError::Absent | SealError::Damaged) => {
            let scan = arena.scan(from)?;
            // What the scan could not read as records may still be growing, so the next scan starts
            // behind the last record that is whole.
            let end =
                scan.strays.last().filter(|stray| stray.1 == scan.end).map_or(scan.end, |s| s.0);
            Ok((scan.items, scan.damaged, Covered { end, is_sealed: false }))
        }
    }
}
