//! Getting space back: arenas without live items are dropped, and what still lives in mostly dead
//! ones is copied to new arenas. Nothing is changed in place.
//!
//! The order is what makes a crash harmless: copies are durable before the index is taken back, the
//! index is taken back before a file is removed, and it is rebuilt from what is there then.

use std::collections::HashSet;

use vigil_base::world::{DiskError, DiskFault, Lock};
use vigil_base::{Blame, Blamed, References, Vcid};

use crate::arena::{Arena, ArenaError};
use crate::format::{Item, ItemId, ItemKind, Located, RecordKind, SealError};
use crate::index::IndexError;
use crate::paths;
use crate::put::{PutError, Writer};
use crate::read_error::ReadError;
use crate::store::{OpenError, Options, Store};

/// Something to keep: an id, and whether it is a record with references.
pub type Keep = (Vcid, bool);

/// How to collect.
pub struct CollectOptions<'a> {
    /// What to keep, with everything that it refers to.
    pub keep: &'a [Keep],
    /// Says what records refer to.
    pub references: &'a dyn References,
    /// Only report.
    pub is_dry_run: bool,
    /// An arena is copied when at least this many percent of its bytes are dead.
    pub dead_percent_min: u8,
}

/// What collecting did, or would do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CollectReport {
    /// Blobs that are kept.
    pub live_blobs: u64,
    /// Items that nothing kept refers to.
    pub dead_items: u64,
    /// Their bytes before compression.
    pub dead_bytes: u64,
    /// Arenas removed because nothing in them lives.
    pub dropped: Vec<u32>,
    /// Arenas whose live items were copied to new ones.
    pub copied: Vec<u32>,
    /// Bytes of the removed files, less those of the new ones.
    pub freed_bytes: i64,
}

/// Why nothing was collected.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CollectError {
    /// Another process uses the store.
    #[error("another process is writing to this store; try again when it is done")]
    InUse,
    /// What is to be kept could not be followed, so it is not known what may go.
    #[error(
        "could not follow what is to be kept, so nothing was removed; run `vigil verify` and `vigil repair` first"
    )]
    Follow(#[source] ReadError),
    /// A record that is to be kept does not say what it refers to.
    #[error("{vcid} is to be kept as a record, but it is not one; nothing was removed")]
    NotARecord {
        /// The record.
        vcid: Vcid,
        /// What is wrong with it.
        source: vigil_base::cbor::DecodeError,
    },
    /// A copy could not be written.
    #[error("could not copy what is to be kept")]
    Put(#[from] PutError),
    /// An arena could not be read.
    #[error("could not read an arena")]
    Arena(#[from] ArenaError),
    /// The index could not be read or written.
    #[error("could not use the store's index")]
    Index(#[from] IndexError),
    /// The store could not be opened once more.
    #[error("could not open the store for the copies")]
    Open(#[from] OpenError),
    /// The disk failed.
    #[error(transparent)]
    Disk(#[from] DiskError),
}

impl Blamed for CollectError {
    fn blame(&self) -> Blame {
        Blame::World
    }
}

/// Ids that live, by their first 16 bytes: half the memory, and a collision only keeps too much.
#[derive(Default)]
struct Live(HashSet<[u8; 16]>);

impl Live {
    fn insert(&mut self, id: &ItemId) -> bool {
        self.0.insert(crate::format::array_at(&id.0, 0))
    }

    fn contains(&self, id: &ItemId) -> bool {
        self.0.contains(&crate::format::array_at::<16>(&id.0, 0))
    }
}

/// What is to become of one arena.
struct Plan {
    number: u32,
    bytes: u64,
    live: Vec<Located>,
    dead_bytes: u64,
    dead_items: u64,
    is_here: bool,
}

impl Store {
    /// Removes what nothing in `options.keep` leads to.
    pub fn collect(&self, options: &CollectOptions<'_>) -> Result<CollectReport, CollectError> {
        let inner = &self.inner;
        let Some(_lock) = inner.lock_use(Lock::Exclusive, false)? else {
            return Err(CollectError::InUse);
        };
        self.refresh()?;
        let mut report = CollectReport::default();
        let live = self.mark(options, &mut report)?;
        let mut plans = Vec::new();
        let is_worth = |plan: &Plan| {
            let total = plan.bytes.max(1);
            plan.dead_items > 0
                && (plan.live.is_empty()
                    || plan.is_here
                        && plan.dead_bytes * 100 >= total * u64::from(options.dead_percent_min))
        };
        for number in paths::arena_numbers(&*inner.world.disk)? {
            let Some(plan) = self.plan(number, &live)? else { continue };
            report.dead_items += plan.dead_items;
            report.dead_bytes += plan.dead_bytes;
            let is_empty = plan.bytes > 0 && plan.live.is_empty() && plan.dead_items == 0;
            if is_worth(&plan) || is_empty {
                plans.push(plan);
            }
        }
        for plan in &plans {
            let list = if plan.live.is_empty() { &mut report.dropped } else { &mut report.copied };
            list.push(plan.number);
            report.freed_bytes += plan.bytes as i64;
        }
        if options.is_dry_run || plans.is_empty() {
            return Ok(report);
        }
        report.freed_bytes -= self.copy_live(&plans)? as i64;
        self.remove_arenas(&plans.iter().map(|plan| plan.number).collect::<Vec<_>>())?;
        Ok(report)
    }

    fn mark(
        &self,
        options: &CollectOptions<'_>,
        report: &mut CollectReport,
    ) -> Result<Live, CollectError> {
        let mut live = Live::default();
        let mut followed = Live::default();
        let mut todo: Vec<Keep> = options.keep.to_vec();
        while let Some((vcid, is_record)) = todo.pop() {
            let id = ItemId::from(vcid);
            if live.insert(&id) {
                report.live_blobs += 1;
                self.mark_chunks(vcid, &mut live)?;
            }
            if !is_record || !followed.insert(&id) {
                continue;
            }
            let bytes = self.read(vcid).map_err(CollectError::Follow)?;
            let mut marked = Ok(());
            let mut mark = |vcid, is_record| {
                if is_record {
                    todo.push((vcid, true));
                } else if marked.is_ok() && live.insert(&ItemId::from(vcid)) {
                    report.live_blobs += 1;
                    marked = self.mark_chunks(vcid, &mut live);
                }
            };
            options
                .references
                .references(&bytes, &mut mark)
                .map_err(|source| CollectError::NotARecord { vcid, source })?;
            marked?;
        }
        Ok(live)
    }

    /// A blob may be stored whole and as chunks; both ways live.
    fn mark_chunks(&self, vcid: Vcid, live: &mut Live) -> Result<(), CollectError> {
        let id = ItemId::from(vcid);
        let mut is_laid_out = false;
        let mut is_stored = false;
        self.inner.index.find(&id, &mut |located| {
            is_stored = true;
            is_laid_out |= located.kind == ItemKind::Layout;
        })?;
        if !is_stored {
            return Err(CollectError::Follow(ReadError::Absent { vcid }));
        }
        if is_laid_out {
            let layout = self.layout_of(id).map_err(CollectError::Follow)?;
            layout.chunks().iter().for_each(|(id, _)| _ = live.insert(id));
        }
        Ok(())
    }

    fn plan(&self, number: u32, live: &Live) -> Result<Option<Plan>, CollectError> {
        let arena = match self.inner.arena(number) {
            Ok(arena) if arena.header.class == self.inner.options.class => arena,
            Ok(_) | Err(ArenaError::Header { .. }) => return Ok(None),
            // A folder or pipe that somebody has put there, or a link that leads nowhere.
            Err(ArenaError::Disk(error))
                if matches!(error.fault, DiskFault::NotAFile | DiskFault::Absent) =>
            {
                return Ok(None);
            }
            Err(error) => return Err(error.into()),
        };
        let items = match arena.seal()? {
            Ok(seal) => arena.sealed_items(&seal)?,
            Err(SealError::Absent) => arena.scan(0)?.items,
            // What a damaged arena still holds is for `repair` to save.
            Err(_) => return Ok(None),
        };
        let mut plan = Plan {
            number,
            bytes: arena.file().len()?,
            live: items,
            dead_bytes: 0,
            dead_items: 0,
            is_here: self.moved(number)?.is_none(),
        };
        plan.live.retain(|item| {
            let lives = live.contains(&item.id);
            plan.dead_bytes += if lives { 0 } else { u64::from(item.at.len) };
            plan.dead_items += u64::from(!lives);
            lives
        });
        Ok(Some(plan))
    }

    /// Copies the live items of arenas that are to go, each once, and returns the bytes written.
    fn copy_live(&self, plans: &[Plan]) -> Result<u64, CollectError> {
        let going: HashSet<u32> = plans.iter().map(|plan| plan.number).collect();
        let mut copied = HashSet::new();
        let fresh = self.fresh()?;
        let writer = fresh.start_writer(None)?;
        for plan in plans.iter().filter(|plan| !plan.live.is_empty()) {
            let arena = self.inner.arena(plan.number)?;
            let mut wanted = HashSet::new();
            for item in &plan.live {
                let mut is_elsewhere = false;
                self.inner.index.find(&item.id, &mut |copy| {
                    is_elsewhere |= copy.kind == item.kind && !going.contains(&copy.at.arena);
                })?;
                if !is_elsewhere && copied.insert((item.id, item.kind)) {
                    wanted.insert((item.at.trailer, item.at.inner));
                }
            }
            copy_items(&arena, &wanted, &writer)?;
        }
        writer.commit()?;
        let mut written = 0;
        for number in fresh.inner.frames.numbers().into_iter().chain(fresh.inner.extents.numbers())
        {
            written += fresh.inner.arena(number)?.file().len()?;
        }
        Ok(written)
    }

    /// Opens the store once more, to append to new arenas only: never to one that is about to go.
    pub(crate) fn fresh(&self) -> Result<Self, CollectError> {
        let options = Options { continues_arenas: false, ..self.inner.options.clone() };
        Ok(Self::open(self.inner.world.clone(), options)?)
    }

    /// Takes the index back, removes arenas, and rebuilds it. The caller holds the use lock.
    pub(crate) fn remove_arenas(&self, numbers: &[u32]) -> Result<(), IndexError> {
        let disk = &*self.inner.world.disk;
        paths::retire_numbers(disk)?;
        disk.remove(&paths::manifest(&self.inner.options.class))?;
        disk.create_folder(&paths::index_folder(&self.inner.options.class))?;
        disk.sync_folder(&paths::index_folder(&self.inner.options.class))?;
        self.inner.forget_arenas();
        for number in numbers {
            disk.remove(&paths::arena(*number))?;
            self.forget_moved(*number)?;
        }
        for name in disk.list(paths::ARENAS)? {
            if name.ends_with(".import") {
                disk.remove(&format!("{}/{name}", paths::ARENAS))?;
            }
        }
        disk.sync_folder(paths::ARENAS)?;
        self.inner.index.replace()
    }
}

/// Copies the items at the `wanted` places (trailer, inner) of an arena.
pub(crate) fn copy_items(
    arena: &Arena,
    wanted: &HashSet<(u32, u32)>,
    writer: &Writer,
) -> Result<(), CollectError> {
    let mut batch = writer.batch()?;
    for (record, items) in arena.records()?.0 {
        let mut places: Vec<(Located, Item)> = Vec::new();
        arena.locate(&record, &items, |located, item| {
            if wanted.contains(&(located.at.trailer, located.at.inner)) {
                places.push((located, *item));
            }
        });
        if places.is_empty() {
            continue;
        }
        if record.trailer.kind == RecordKind::Extent {
            let items: Vec<Item> = places.iter().map(|(_, item)| *item).collect();
            batch.copy_extent::<CollectError>(&items, |index| {
                Ok(arena.read_item(&places[index].0)?)
            })?;
        } else if places.len() == items.len() {
            batch.copy_frame(&arena.payload(&record)?, &record.trailer, &items)?;
        } else {
            let frame = arena.decode_frame(&record)?;
            for (located, item) in places {
                let start = located.at.inner as usize;
                let bytes = &frame[start..start + located.at.len as usize];
                batch.put_claimed(item.id, item.kind, bytes)?;
            }
        }
    }
    batch.finish()?;
    Ok(())
}
