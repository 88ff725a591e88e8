//! Verifying: every byte that is stored is read back and compared.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use vigil_base::world::{DiskFault, RandomnessError};
use vigil_base::{Blame, Blamed, Vcid};

use crate::arena::{Arena, ArenaError, Described, Scan};
use crate::format::{ItemId, ItemKind, Located};
use crate::index::IndexError;
use crate::layout::Layout;
use crate::paths;
use crate::read::Depth;
use crate::read_error::ReadError;
use crate::store::Store;

/// What to verify, and how.
pub struct VerifyOptions<'a> {
    /// Of each hundred records, how many to read: 100 for all.
    pub percent: u8,
    /// How many threads read.
    pub threads: usize,
    /// Called now and then with how many stored bytes have been read, and how many there are.
    pub progress: &'a (dyn Fn(u64, u64) + Sync),
}

/// What verifying found.
#[derive(Clone, Debug, Default)]
pub struct VerifyReport {
    /// Arenas looked at.
    pub arenas: u64,
    /// Records read.
    pub records: u64,
    /// Items compared with their ids.
    pub items: u64,
    /// Stored bytes read.
    pub stored_bytes: u64,
    /// Bytes compared, decoded.
    pub raw_bytes: u64,
    /// Items whose bytes are not what their ids say.
    pub damaged: Vec<Located>,
    /// Blobs that cannot be read whole because of that.
    pub lost: Vec<Vcid>,
    /// Blobs whose layout is here and of which a chunk is not: what a crash leaves of an add that was
    /// never acknowledged. They count as damage only where something that is kept needs them, which
    /// only the caller can tell.
    pub unfinished: Vec<Vcid>,
    /// Ranges of arenas that no record describes: what crashes leave, or what damage did to a
    /// record's description.
    pub strays: Vec<Stray>,
    /// Arenas that cannot be read at all, and why.
    pub unreadable: Vec<(u32, String)>,
    /// Arenas whose seal is damaged or cut off; their records are compared all the same.
    pub seals: Vec<u32>,
    /// Items that arenas hold and the index did not know. It has been rebuilt.
    pub unindexed: u64,
    /// The index on disk was damaged, or spoke of other arenas; it has been taken back, and whoever
    /// writes next writes it anew. Nothing is lost by that.
    pub is_index_damaged: bool,
}

/// Bytes of an arena that no record describes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stray {
    /// The arena's number.
    pub arena: u32,
    /// Where they start.
    pub start: u64,
    /// Where they end.
    pub end: u64,
    /// The arena is sealed and its table lists items that lie there, or zeros should stand there: this
    /// is damage.
    pub is_damage: bool,
}

impl VerifyReport {
    /// Returns whether everything is as it was written.
    pub fn is_clean(&self) -> bool {
        self.damaged.is_empty()
            && self.lost.is_empty()
            && self.unreadable.is_empty()
            && self.seals.is_empty()
            && self.strays.iter().all(|stray| !stray.is_damage)
    }
}

/// Why verifying could not go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// An arena could not be read.
    #[error("could not read an arena")]
    Arena(#[from] ArenaError),
    /// The index could not be read.
    #[error("could not read the index")]
    Index(#[from] IndexError),
    /// There were no random bytes to draw a sample by.
    #[error("could not draw a sample")]
    Randomness(#[from] RandomnessError),
}

impl Blamed for VerifyError {
    fn blame(&self) -> Blame {
        Blame::World
    }
}

/// Records of one arena that are to be read.
struct Work {
    arena: Arc<Arena>,
    records: Vec<Described>,
}

/// What comparing has found so far: only what is wrong is kept item by item.
#[derive(Default)]
struct Compared {
    intact: u64,
    raw_bytes: u64,
    unindexed: Vec<Located>,
    unclean: Vec<Stray>,
    damaged: Vec<Located>,
}

impl Compared {
    fn take_in(&mut self, other: Self) {
        self.intact += other.intact;
        self.raw_bytes += other.raw_bytes;
        self.unindexed.extend(other.unindexed);
        self.unclean.extend(other.unclean);
        self.damaged.extend(other.damaged);
    }
}

impl Work {
    /// Calls `visit` with every item that the records list, at its place.
    fn for_each(&self, mut visit: impl FnMut(Located)) {
        for (record, items) in &self.records {
            self.arena.locate(record, items, |located, _| visit(located));
        }
    }

    /// Returns whether a record lists the item at its place. Records lie in the order of trailers.
    fn lists(&self, item: &Located) -> bool {
        let trailer_at = u64::from(item.at.trailer) * crate::format::ALIGN;
        let found = self.records.binary_search_by_key(&trailer_at, |(record, _)| record.trailer_at);
        let Some((record, items)) = found.ok().and_then(|index| self.records.get(index)) else {
            return false;
        };
        let mut is_listed = false;
        self.arena.locate(record, items, |located, _| is_listed |= located == *item);
        is_listed
    }
}

/// Records handed to a thread at once.
const STEP: usize = 8;

impl Store {
    /// Reads and compares everything that is stored in this class, here and in attached tiers.
    pub fn verify(&self, options: &VerifyOptions<'_>) -> Result<VerifyReport, VerifyError> {
        self.refresh()?;
        let mut report = VerifyReport::default();
        let cut = self.inner.index.cut_arenas();
        let mut work = Vec::new();
        for number in paths::arena_numbers(&*self.inner.world.disk).map_err(IndexError::from)? {
            match self.list_records(number, &mut report) {
                Ok(Some(listed)) => work.push(listed),
                Ok(None) => {}
                // Somebody has removed it since it was listed, or a link leads nowhere.
                Err(ArenaError::Disk(error)) if error.fault == DiskFault::Absent => {}
                Err(ArenaError::Disk(error)) if error.fault != DiskFault::NotAFile => {
                    return Err(ArenaError::Disk(error).into());
                }
                Err(error) => report.unreadable.push((number, chain(&error))),
            }
        }
        // What has lost its seal, or all of its end, is told even if no item lay there.
        report.seals.extend(
            cut.into_iter().filter(|number| !report.seals.contains(number)).collect::<Vec<_>>(),
        );
        if options.percent < 100 {
            self.sample(&mut work, options.percent)?;
        }
        self.compare(&work, options, &mut report)?;
        if options.percent == 100 {
            report.is_index_damaged = !self.inner.index.is_sound()?;
            report.is_index_damaged |= self.compare_index(&work, &mut report)?;
        }
        report.is_index_damaged |= report.unindexed > 0;
        if report.is_index_damaged {
            self.inner.index.withdraw()?;
        }
        self.find_lost(&mut report)?;
        Ok(report)
    }

    /// Looks for what the index lists and no arena holds: it is damaged, unless it lies elsewhere.
    /// Returns whether the index gave other places for items that are there.
    fn compare_index(&self, work: &[Work], report: &mut VerifyReport) -> Result<bool, VerifyError> {
        let known: HashSet<Located> = report.damaged.iter().copied().collect();
        let arenas: HashMap<u32, &Work> =
            work.iter().map(|work| (work.arena.number, work)).collect();
        let is_news = |item: &Located| {
            let is_listed = arenas.get(&item.at.arena).is_some_and(|work| work.lists(item));
            !is_listed && !known.contains(item)
        };
        let mut doubtful: Vec<Located> = Vec::new();
        let mut note = |item: Located| {
            if is_news(&item) {
                doubtful.push(item);
            }
        };
        self.inner.index.for_each(&mut note)?;
        self.inner.index.for_each_damaged(&mut note);
        // What has been appended since the arenas were listed is there all the same.
        doubtful.retain(|item| self.inner.item_at(item, Depth::Front).is_err());
        doubtful.sort_unstable();
        doubtful.dedup();
        // Of whatever kind it is: a blob is there whether it is whole or laid out.
        let wanted: HashSet<ItemId> = doubtful.iter().map(|item| item.id).collect();
        let mut elsewhere: HashSet<ItemId> = HashSet::new();
        if !wanted.is_empty() {
            work.iter().for_each(|work| {
                work.for_each(|item| {
                    if wanted.contains(&item.id) && !known.contains(&item) {
                        elsewhere.insert(item.id);
                    }
                });
            });
        }
        let listed = doubtful.len();
        doubtful.retain(|item| !elsewhere.contains(&item.id));
        let is_stale = doubtful.len() < listed;
        report.damaged.extend(doubtful);
        Ok(is_stale)
    }

    fn list_records(
        &self,
        number: u32,
        report: &mut VerifyReport,
    ) -> Result<Option<Work>, ArenaError> {
        let arena = match self.inner.arena(number) {
            Ok(arena) => arena,
            // What a crash leaves of an arena whose header was never written holds nothing.
            Err(ArenaError::Header { .. }) if self.is_stillborn(number)? => return Ok(None),
            Err(error) => return Err(error),
        };
        if arena.header.class != self.inner.options.class {
            return Ok(None);
        }
        report.arenas += 1;
        let table: Vec<Located> = match arena.seal()? {
            Err(crate::format::SealError::Absent) => Vec::new(),
            Err(_) => {
                report.seals.push(number);
                Vec::new()
            }
            Ok(seal) => match arena.sealed_items(&seal) {
                Ok(items) if crate::append::sealed_root(&items) == seal.root => items,
                _ => {
                    report.seals.push(number);
                    Vec::new()
                }
            },
        };
        let (records, scan) = arena.records()?;
        for (start, end) in scan.strays {
            let range = start..end;
            let lies_there = |item: &&Located| {
                range.contains(&(u64::from(item.at.trailer) * crate::format::ALIGN))
            };
            let mut hidden = table.iter().filter(lies_there).copied().peekable();
            let is_damage = hidden.peek().is_some();
            report.damaged.extend(hidden);
            report.strays.push(Stray { arena: number, start, end, is_damage });
        }
        Ok(Some(Work { arena, records }))
    }

    /// Returns whether arena `number` got no further than its header, which a crash may have torn.
    pub(crate) fn is_stillborn(&self, number: u32) -> Result<bool, ArenaError> {
        let file = crate::remote::open_arena_file(&*self.inner.world.disk, number, None)?;
        Ok(file.len()? <= crate::format::HEADER_LEN as u64)
    }

    fn sample(&self, work: &mut [Work], percent: u8) -> Result<(), RandomnessError> {
        for arena in work {
            let mut draws = vec![0; arena.records.len() * 2];
            self.inner.world.randomness.fill(&mut draws)?;
            let mut draws =
                draws.chunks_exact(2).map(|two| u16::from_le_bytes([two[0], two[1]]) % 100);
            arena.records.retain(|_| draws.next().is_some_and(|draw| draw < u16::from(percent)));
        }
        Ok(())
    }

    fn compare(
        &self,
        work: &[Work],
        options: &VerifyOptions<'_>,
        report: &mut VerifyReport,
    ) -> Result<(), VerifyError> {
        let flat: Vec<(&Arc<Arena>, &Described)> = work
            .iter()
            .flat_map(|arena| arena.records.iter().map(|record| (&arena.arena, record)))
            .collect();
        let total: u64 = flat.iter().map(|(_, (record, _))| record.trailer.payload_len).sum();
        let (next, done) = (AtomicUsize::new(0), AtomicU64::new(0));
        let found = Mutex::new(Compared::default());
        let compare_some = || -> Result<(), VerifyError> {
            loop {
                let start = next.fetch_add(STEP, Ordering::Relaxed);
                let Some(some) = flat.get(start..(start + STEP).min(flat.len())) else { break };
                if some.is_empty() {
                    break;
                }
                let mut compared = Compared::default();
                for (arena, (record, items)) in some {
                    let mut scan = Scan::default();
                    arena.check_items(record, items, &mut scan)?;
                    for item in &scan.items {
                        if !self.inner.index.has(item)? {
                            compared.unindexed.push(*item);
                        }
                    }
                    let unclean = scan.unclean.iter();
                    compared.unclean.extend(unclean.map(|(start, end)| Stray {
                        arena: arena.number,
                        start: *start,
                        end: *end,
                        is_damage: true,
                    }));
                    compared.intact += scan.items.len() as u64;
                    compared.raw_bytes +=
                        scan.items.iter().map(|item| u64::from(item.at.len)).sum::<u64>();
                    compared.damaged.extend(scan.damaged);
                    let bytes = record.trailer.payload_len;
                    let read = done.fetch_add(bytes, Ordering::Relaxed) + bytes;
                    (options.progress)(read, total);
                }
                found.lock().unwrap_or_else(PoisonError::into_inner).take_in(compared);
            }
            Ok(())
        };
        let threads = options.threads.max(1);
        std::thread::scope(|scope| {
            let running: Vec<_> = (0..threads).map(|_| scope.spawn(compare_some)).collect();
            running.into_iter().try_for_each(|thread| match thread.join() {
                Ok(result) => result,
                Err(panic) => std::panic::resume_unwind(panic),
            })
        })?;
        let compared = found.into_inner().unwrap_or_else(PoisonError::into_inner);
        report.records += flat.len() as u64;
        report.stored_bytes += total;
        report.items += compared.intact + compared.damaged.len() as u64;
        report.raw_bytes += compared.raw_bytes;
        report.damaged.extend(compared.damaged);
        report.strays.extend(compared.unclean);
        report.unindexed = self.count_unindexed(&compared.unindexed)?;
        Ok(())
    }

    /// Returns how many of the items the index does not list at their places.
    fn count_unindexed(&self, items: &[Located]) -> Result<u64, IndexError> {
        if !items.is_empty() {
            // Another process may have written them since the index was read.
            self.refresh()?;
        }
        items.iter().try_fold(0, |count, item| Ok(count + u64::from(!self.inner.index.has(item)?)))
    }

    /// Names the blobs that cannot be read whole: damaged ones without another copy, and those of
    /// which a chunk is damaged or missing.
    fn find_lost(&self, report: &mut VerifyReport) -> Result<(), VerifyError> {
        let mut bad: HashSet<ItemId> = HashSet::new();
        for located in &report.damaged {
            let mut copies = 0;
            self.inner.index.find(&located.id, &mut |copy| {
                copies += u64::from(copy.kind == located.kind && !report.damaged.contains(&copy));
            })?;
            if copies == 0 {
                bad.insert(located.id);
            }
        }
        let mut lost: Vec<Vcid> = report
            .damaged
            .iter()
            .filter(|item| item.kind != ItemKind::Chunk && bad.contains(&item.id))
            .map(|item| item.id.to_vcid())
            .collect();
        let mut layouts = Vec::new();
        self.inner.index.for_each(&mut |item| {
            if item.kind == ItemKind::Layout {
                layouts.push(item.id);
            }
        })?;
        for id in layouts {
            match self.layout_of(id) {
                Ok(layout) if layout.chunks().iter().any(|(id, _)| bad.contains(id)) => {
                    lost.push(id.to_vcid());
                }
                Ok(layout) if self.has_chunks(&layout)? => {}
                Ok(_) => report.unfinished.push(id.to_vcid()),
                Err(_) => lost.push(id.to_vcid()),
            }
        }
        lost.sort_unstable();
        lost.dedup();
        report.lost = lost;
        Ok(())
    }

    pub(crate) fn layout_of(&self, id: ItemId) -> Result<Layout, ReadError> {
        let vcid = id.to_vcid();
        let bytes = self.inner.item(vcid, id, ItemKind::Layout, Depth::Full)?;
        Layout::decode(&bytes).ok_or(ReadError::Incomplete { vcid })
    }

    fn has_chunks(&self, layout: &Layout) -> Result<bool, IndexError> {
        for (id, _) in layout.chunks() {
            if !self.inner.index.contains(id)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Joins the messages of an error and its sources.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text += &format!(": {inner}");
        source = inner.source();
    }
    text
}
