//! Mending: damaged arenas are copied anew from what is intact in them and what others can supply.
//!
//! Afterwards nothing damaged is left in the index: what nobody could supply is absent, so that
//! adding it again stores it again. The damaged files are kept aside, under `damaged/`.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use vigil_base::world::{DiskFault, Lock};
use vigil_base::{Hasher, Vcid};

use crate::arena::{Arena, ArenaError, Scan, is_item};
use crate::collect::{CollectError, copy_items};
use crate::format::{Item, ItemId, ItemKind, Located};
use crate::layout::Layout;
use crate::paths;
use crate::read::Depth;
use crate::store::Store;

/// Where intact copies may be had. What it returns is compared with the id.
pub trait Supply {
    /// Returns bytes that may be those of the item, or `None`.
    fn item(&self, id: &ItemId, kind: ItemKind) -> Option<Vec<u8>>;
}

/// What repairing did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RepairReport {
    /// Damaged arenas that were replaced.
    pub replaced: Vec<u32>,
    /// Items that were copied from them intact.
    pub saved: u64,
    /// Items for which an intact copy was found elsewhere.
    pub mended: u64,
    /// Blobs for which none was found: the damaged ones, and those that need a chunk of them.
    pub lost: Vec<Vcid>,
}

/// The folder for damaged files.
const DAMAGED: &str = "damaged";

/// What is wrong with one arena.
struct Damage {
    number: u32,
    arena: Option<Arc<Arena>>,
    intact: Vec<Located>,
    damaged: Vec<Located>,
}

impl Store {
    /// Replaces every arena that has damage, using what `supply` has.
    pub fn repair(&self, supply: &dyn Supply) -> Result<RepairReport, CollectError> {
        let Some(_lock) = self.inner.lock_use(Lock::Exclusive, false)? else {
            return Err(CollectError::InUse);
        };
        let listed = self.listed_in_damage()?;
        let cut = self.inner.index.cut_arenas();
        if self.inner.index.is_sound()? {
            self.inner.index.rebuild()?;
        } else {
            self.inner.index.withdraw()?;
        }
        let damages = self.find_damage(listed, &cut)?;
        let mut report = RepairReport::default();
        let mut lost: HashSet<ItemId> = HashSet::new();
        let fresh = self.fresh()?;
        let writer = fresh.start_writer(None)?;
        for damage in &damages {
            report.replaced.push(damage.number);
            if let Some(arena) = &damage.arena {
                let wanted = damage.intact.iter().map(|item| (item.at.trailer, item.at.inner));
                copy_items(arena, &wanted.collect(), &writer)?;
            }
            report.saved += damage.intact.len() as u64;
            let mut batch = writer.batch()?;
            for located in &damage.damaged {
                match self.supplied(located, supply) {
                    Some(bytes) => {
                        batch.put_claimed(located.id, located.kind, &bytes)?;
                        report.mended += 1;
                    }
                    None => _ = lost.insert(located.id),
                }
            }
            batch.finish()?;
        }
        writer.commit()?;
        if !damages.is_empty() {
            self.set_aside(&damages)?;
        }
        // Before the writer goes, so that nobody can remove the copies it has made.
        self.inner.index.rebuild()?;
        report.lost = self.lost_blobs(&damages, &lost)?;
        Ok(report)
    }

    /// Returns what the index lists in arenas that cannot say so any more themselves: those without
    /// their header, and those that are gone or cut.
    fn listed_in_damage(&self) -> Result<BTreeMap<u32, Vec<Located>>, CollectError> {
        let mut headless = HashSet::new();
        for number in paths::arena_numbers(&*self.inner.world.disk)? {
            if let Err(ArenaError::Header { .. }) = self.inner.arena(number) {
                headless.insert(number);
            }
        }
        let mut listed: BTreeMap<u32, Vec<Located>> = BTreeMap::new();
        if !headless.is_empty() {
            self.inner.index.for_each(&mut |item| {
                if headless.contains(&item.at.arena) {
                    listed.entry(item.at.arena).or_default().push(item);
                }
            })?;
        }
        self.inner.index.for_each_damaged(&mut |item| {
            listed.entry(item.at.arena).or_default().push(item);
        });
        for items in listed.values_mut() {
            items.sort_unstable();
            items.dedup();
        }
        Ok(listed)
    }

    fn find_damage(
        &self,
        mut listed: BTreeMap<u32, Vec<Located>>,
        cut: &BTreeSet<u32>,
    ) -> Result<Vec<Damage>, CollectError> {
        let mut damages = Vec::new();
        for number in paths::arena_numbers(&*self.inner.world.disk)? {
            if self.moved(number)?.is_some() {
                continue;
            }
            let listed = listed.remove(&number);
            let arena = match self.inner.arena(number) {
                Ok(arena) if arena.header.class == self.inner.options.class => arena,
                Ok(_) => continue,
                // What a crash leaves of an arena whose header was never written holds nothing.
                Err(ArenaError::Header { .. })
                    if listed.is_none() && self.is_stillborn(number)? =>
                {
                    continue;
                }
                // A folder or pipe that somebody has put there, or a link that leads nowhere.
                Err(ArenaError::Disk(error))
                    if matches!(error.fault, DiskFault::NotAFile | DiskFault::Absent) =>
                {
                    continue;
                }
                // Without its header an arena's records cannot be told from other bytes.
                Err(ArenaError::Header { .. }) => {
                    let damaged = listed.unwrap_or_default();
                    let damage = Damage { number, arena: None, intact: Vec::new(), damaged };
                    damages.push(damage);
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            let seal = arena.seal()?;
            let Scan { items, mut damaged, unclean, .. } = arena.scan(0)?;
            let known: HashSet<Located> = items.iter().chain(&damaged).copied().collect();
            damaged.extend(listed.into_iter().flatten().filter(|item| !known.contains(item)));
            let mut is_bad = !damaged.is_empty() || !unclean.is_empty() || cut.contains(&number);
            match &seal {
                Ok(seal) => match arena.sealed_items(seal) {
                    // What the table lists and no record describes any more is damaged too.
                    Ok(table) => {
                        let known: HashSet<Located> =
                            items.iter().chain(&damaged).copied().collect();
                        damaged.extend(table.into_iter().filter(|item| !known.contains(item)));
                        is_bad |= !damaged.is_empty();
                    }
                    Err(_) => is_bad = true,
                },
                Err(crate::format::SealError::Absent) => {}
                Err(_) => is_bad = true,
            }
            if is_bad {
                damages.push(Damage { number, arena: Some(arena), intact: items, damaged });
            }
        }
        let gone = |(number, damaged)| Damage { number, arena: None, intact: Vec::new(), damaged };
        damages.extend(listed.into_iter().map(gone));
        Ok(damages)
    }

    /// Returns proven bytes of an item: of another copy here, or of one that `supply` has.
    fn supplied(&self, located: &Located, supply: &dyn Supply) -> Option<Vec<u8>> {
        let Located { id, kind, .. } = *located;
        let vcid = id.to_vcid();
        if let Ok(bytes) = self.inner.item(vcid, id, kind, Depth::Front) {
            return Some(bytes.to_vec());
        }
        let bytes = supply.item(&id, kind)?;
        let item = Item { id, kind, len: located.at.len };
        let is_proven = match kind {
            ItemKind::Blob | ItemKind::Chunk => is_item(&item, &bytes),
            ItemKind::Layout => self.leads_to(&bytes, vcid, supply),
        };
        is_proven.then_some(bytes)
    }

    /// Returns whether a layout's chunks, put together, have the hash `vcid`.
    fn leads_to(&self, layout: &[u8], vcid: Vcid, supply: &dyn Supply) -> bool {
        let Some(layout) = Layout::decode(layout) else { return false };
        let mut hasher = Hasher::new();
        for (id, _) in layout.chunks() {
            let here = self.inner.item(vcid, *id, ItemKind::Chunk, Depth::Full);
            let bytes = here.map(|bytes| bytes.to_vec()).ok();
            let bytes = bytes.or_else(|| supply.item(id, ItemKind::Chunk));
            match bytes {
                Some(bytes) => hasher.update(&bytes),
                None => return false,
            }
        }
        hasher.finish() == vcid
    }

    /// Moves damaged files out of the way and takes the copies into the index.
    fn set_aside(&self, damages: &[Damage]) -> Result<(), CollectError> {
        let disk = &*self.inner.world.disk;
        paths::retire_numbers(disk)?;
        disk.create_folder(DAMAGED)?;
        let numbers: Vec<u32> = damages.iter().map(|damage| damage.number).collect();
        let path = paths::manifest(&self.inner.options.class);
        disk.remove(&path)?;
        for number in &numbers {
            match disk.rename(&paths::arena(*number), &format!("{DAMAGED}/{number:08}.arena")) {
                Err(error) if error.fault == DiskFault::Absent => {}
                renamed => renamed?,
            }
        }
        disk.sync_folder(DAMAGED)?;
        self.remove_arenas(&[])?;
        Ok(())
    }

    fn lost_blobs(
        &self,
        damages: &[Damage],
        lost: &HashSet<ItemId>,
    ) -> Result<Vec<Vcid>, CollectError> {
        let damaged = damages.iter().flat_map(|damage| &damage.damaged);
        let mut blobs: Vec<Vcid> = damaged
            .filter(|item| item.kind != ItemKind::Chunk && lost.contains(&item.id))
            .map(|item| item.id.to_vcid())
            .collect();
        let mut layouts = Vec::new();
        self.inner.index.for_each(&mut |item| {
            if item.kind == ItemKind::Layout {
                layouts.push(item.id);
            }
        })?;
        for id in layouts {
            let is_whole = self
                .layout_of(id)
                .is_ok_and(|layout| layout.chunks().iter().all(|(id, _)| !lost.contains(id)));
            if !is_whole {
                blobs.push(id.to_vcid());
            }
        }
        blobs.sort_unstable();
        blobs.dedup();
        Ok(blobs)
    }
}

/// Supplies items from other arenas.
pub struct ArenaSupply {
    arenas: Vec<Arc<Arena>>,
    items: std::collections::HashMap<(ItemId, ItemKind), (usize, Located)>,
}

impl ArenaSupply {
    /// Lists the items of `arenas`: from the table where there is a sound one, else by a scan.
    pub fn new(arenas: Vec<Arc<Arena>>) -> Result<Self, ArenaError> {
        let mut items = std::collections::HashMap::new();
        for (index, arena) in arenas.iter().enumerate() {
            let listed = match arena.seal()? {
                Ok(seal) => arena.sealed_items(&seal)?,
                Err(_) => arena.scan(0)?.items,
            };
            items.extend(listed.into_iter().map(|item| ((item.id, item.kind), (index, item))));
        }
        Ok(Self { arenas, items })
    }
}

impl Supply for ArenaSupply {
    fn item(&self, id: &ItemId, kind: ItemKind) -> Option<Vec<u8>> {
        let (index, located) = self.items.get(&(*id, kind))?;
        self.arenas[*index].read_item(located).ok()
    }
}

/// Supplies nothing: only other copies in the store itself are used.
pub struct NoSupply;

impl Supply for NoSupply {
    fn item(&self, _: &ItemId, _: ItemKind) -> Option<Vec<u8>> {
        None
    }
}
