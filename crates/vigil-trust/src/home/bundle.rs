//! What one machine packs for another: events, feeds, and evidence of forks.
//!
//! Events go apart from the feeds that carried them, because a feed may have to stay behind: what a machine
//! said after it was revoked, or where it was forked, or more than one machine may make others keep. So
//! whoever has a machine's key, and may be revoked already, stops no bundle and fills no disk.
//!
//! Invariants: an event that counts is taken whatever becomes of the feed that carried it; what does not
//! count is neither packed nor taken; what is packed fits into what is taken.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use vigil_base::cbor::{DecodeError, Decoder, Encoder};
use vigil_base::{Blame, Blamed, Vcid};

use super::known::{EvidenceFile, Known, collect};
use super::{Home, HomeError};
use crate::feed::{
    Batch, BatchError, Equivocation, EquivocationError, FeedError, FeedFile, FeedId, FeedsLock,
    keep_under, lock_feeds, read_feeds, settle_under, sync_feed,
};
use crate::keys::{CheckedKeys, KeyBytes};
use crate::puddle::{Event, FoldError, KeptBatches, MachineState, PuddleEvent, View, fold};
use crate::statement::{Statement, StatementError};

const TAG: &str = "vigil.puddle-bundle/1";

/// Most bytes of events in a bundle, and of those that are kept apart. A grant has some 500 bytes.
pub const EVENTS_BYTES_MAX: usize = 32 << 20;

/// Most bytes of batches in a bundle. With events and evidence it stays below the longest record.
pub const FEEDS_BYTES_MAX: usize = 192 << 20;

/// Most bytes of one machine's feeds that another machine takes.
pub const MACHINE_BYTES_MAX: usize = 64 << 20;

/// Most pieces of evidence against one machine: one is enough to freeze it.
const EVIDENCE_MAX: usize = 16;

/// What a file takes at least, so that a machine cannot make others keep any number of short feeds.
const FILE_BYTES_MIN: usize = 4096;

const _: () = assert!(
    EVENTS_BYTES_MAX + FEEDS_BYTES_MAX + (16 << 20) <= vigil_base::limits::RECORD_BYTES_MAX,
    "a bundle can be read"
);

/// What became of a bundle.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// How many batches were new.
    pub batches: usize,
    /// How many events were new.
    pub events: usize,
    /// How many feeds have batches that do not follow what is here.
    pub missing: usize,
    /// Machines of which more was sent than is taken.
    pub over: BTreeSet<KeyBytes>,
    /// Feeds of which there is evidence of a fork.
    pub forks: BTreeSet<FeedId>,
}

/// A bundle, as it was packed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packed {
    /// The bundle.
    pub bundle: Bundle,
    /// Machines whose feeds did not fit; their events did.
    pub over: BTreeSet<KeyBytes>,
}

/// What one machine packed for another. Each event, batch and piece of evidence has been checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bundle {
    /// The puddle that it is about.
    pub puddle: Vcid,
    /// The events that count.
    pub events: Vec<Statement>,
    /// Batches, those of one feed in order; where one contradicts another, both.
    pub batches: Vec<Batch>,
    /// Evidence of forks.
    pub evidence: Vec<Equivocation>,
}

/// Why bytes are not a bundle that holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BundleError {
    /// The bytes are not such a record.
    #[error("this is not a bundle of a puddle")]
    Decode(#[from] DecodeError),
    /// An event in it does not hold.
    #[error("event {number} of the bundle does not hold")]
    Event {
        /// Which, from 1.
        number: usize,
        /// Why.
        source: StatementError,
    },
    /// A batch in it does not hold.
    #[error("batch {number} of the bundle does not hold")]
    Batch {
        /// Which, from 1.
        number: usize,
        /// Why.
        source: BatchError,
    },
    /// Evidence in it does not hold.
    #[error("evidence in the bundle does not hold")]
    Evidence(#[from] EquivocationError),
}

impl Blamed for BundleError {
    fn blame(&self) -> Blame {
        Blame::Caller
    }
}

impl Bundle {
    /// Reads a bundle and checks every signature in it.
    ///
    /// # Errors
    /// Fails for whatever does not hold.
    pub fn decode(bytes: &[u8]) -> Result<Self, BundleError> {
        let mut decoder = Decoder::record(bytes, TAG, 5)?;
        let puddle = Vcid::from_bytes(decoder.byte_array()?);
        let (mut events, mut keys) = (Vec::new(), CheckedKeys::default());
        for number in 1..=decoder.array()? {
            let event = Statement::decode_among(decoder.bytes()?, &mut keys);
            events.push(event.map_err(|source| BundleError::Event { number, source })?);
        }
        let mut batches = Vec::new();
        for number in 1..=decoder.array()? {
            let batch = Batch::decode(decoder.bytes()?);
            batches.push(batch.map_err(|source| BundleError::Batch { number, source })?);
        }
        let mut evidence = Vec::new();
        for _ in 0..decoder.array()? {
            evidence.push(Equivocation::decode(decoder.bytes()?)?);
        }
        decoder.finish()?;
        Ok(Self { puddle, events, batches, evidence })
    }

    /// Writes a bundle.
    pub fn encode(&self) -> Vec<u8> {
        let mut encoder = Encoder::record(TAG, 5);
        encoder.bytes(self.puddle.as_bytes());
        encoder.array(self.events.len());
        self.events.iter().for_each(|event| encoder.bytes(&event.encode()));
        encoder.array(self.batches.len());
        self.batches.iter().for_each(|batch| encoder.bytes(&batch.encode()));
        encoder.array(self.evidence.len());
        self.evidence.iter().for_each(|evidence| encoder.bytes(&evidence.encode()));
        encoder.finish_part()
    }

    /// Folds what the bundle says on its own.
    ///
    /// # Errors
    /// Fails where the event that began the puddle is not in it.
    pub fn view(&self) -> Result<View, FoldError> {
        let mut statements = BTreeMap::new();
        collect(&self.batches, &mut statements);
        self.add_events(&mut statements);
        let frozen = self.evidence.iter().map(Equivocation::feed).collect();
        fold(self.puddle, statements.values(), &frozen)
    }

    fn add_events(&self, statements: &mut BTreeMap<Vcid, Statement>) {
        let events = self.events.iter().filter(|event| PuddleEvent::is_tagged(event));
        statements.extend(events.map(|event| (event.id(), event.clone())));
    }
}

/// Tells which batches are of use.
struct Use<'a> {
    view: &'a View,
    forks: &'a BTreeMap<FeedId, u64>,
    kept: KeptBatches,
}

impl Use<'_> {
    fn is_revoked(&self, machine: &KeyBytes) -> bool {
        let machine = self.view.machines.get(machine);
        machine.is_some_and(|machine| matches!(machine.state, MachineState::Revoked { .. }))
    }

    fn has(&self, batch: &Batch) -> bool {
        let header = batch.header();
        let Some(machine) = self.view.machines.get(&header.feed.machine) else { return false };
        if machine.pardons.contains(&header.feed.incarnation) {
            return false;
        }
        if self.is_revoked(&header.feed.machine) {
            return self.kept.contains(&batch.id());
        }
        // Both sides of a fork are shown, and nothing that follows either.
        self.forks.get(&header.feed).is_none_or(|position| header.first <= *position)
    }

    /// Finds the feeds that the Person has decided while a file here has something else in their place: all
    /// batches of each, in order.
    fn displaced(&self, here: &[FeedFile], sent: &[Batch]) -> BTreeMap<FeedId, Vec<Batch>> {
        let mut displaced = BTreeMap::new();
        for file in here {
            let feed = file.feed.id();
            // A machine's own word on itself, which may be its thief's, displaces nothing.
            let is_decided = self.view.machines.get(&feed.machine).is_some_and(|machine| {
                matches!(machine.state, MachineState::Revoked { by, .. } if self.view.signed.contains_key(&by))
            });
            if !is_decided || file.batches.iter().all(|batch| self.has(batch)) {
                continue;
            }
            let of_feed = sent.iter().filter(|batch| batch.header().feed == feed);
            let chain: BTreeMap<u64, &Batch> = file
                .batches
                .iter()
                .chain(of_feed)
                .filter(|batch| self.has(batch))
                .map(|batch| (batch.header().first, batch))
                .collect();
            let here = file.batches.iter().filter(|batch| self.has(batch)).count();
            if here < chain.len() {
                displaced.insert(feed, chain.into_values().cloned().collect());
            }
        }
        displaced
    }
}

/// Orders events by how much would be missed without them: what the Person signed and whatever that names
/// as seen, what takes something away, and the rest. What does not count is left out, but for what the
/// Person signed and may count later.
fn events_that_count<'a>(
    view: &View,
    statements: &'a BTreeMap<Vcid, Statement>,
) -> Vec<&'a Statement> {
    let mut ranks: BTreeMap<Vcid, u8> = BTreeMap::new();
    let mut seen: Vec<Vcid> = Vec::new();
    for (id, statement) in statements {
        let Ok(event) = PuddleEvent::decode(statement) else { continue };
        let is_person = view.persons.contains(&statement.author());
        let refusal = view.refused.get(id);
        let counts = refusal.is_none_or(|refusal| is_person && refusal.is_expected());
        if !counts || event.puddle.unwrap_or(*id) != view.id {
            continue;
        }
        let is_taken_away = matches!(event.event, Event::Revoke { .. });
        ranks.insert(*id, if is_person { 0 } else { 2 - u8::from(is_taken_away) });
        if is_person {
            seen.extend(event.after);
        }
    }
    // Without what it names as seen, an event waits.
    while let Some(id) = seen.pop() {
        let Some(statement) = statements.get(&id) else { continue };
        if ranks.insert(id, 0) != Some(0)
            && let Ok(event) = PuddleEvent::decode(statement)
        {
            seen.extend(event.after);
        }
    }
    let mut order: Vec<(u8, Vcid)> = ranks.into_iter().map(|(id, rank)| (rank, id)).collect();
    order.sort_unstable();
    let mut bytes = 0;
    let fits = |statement: &&Statement| {
        bytes += statement.encode().len();
        bytes <= EVENTS_BYTES_MAX
    };
    order.iter().filter_map(|(_, id)| statements.get(id)).take_while(fits).collect()
}

/// The batches of one machine that are of use, and how much each takes.
#[derive(Default)]
struct Wanted<'a> {
    batches: Vec<(&'a Batch, usize)>,
    bytes: usize,
}

/// Finds what of some batches is of use, by machines.
fn wanted<'a>(
    batches: impl Iterator<Item = &'a Batch>,
    is_wanted: impl Fn(&Batch) -> bool,
) -> BTreeMap<KeyBytes, Wanted<'a>> {
    let mut by_machine: BTreeMap<KeyBytes, Wanted<'a>> = BTreeMap::new();
    let mut feeds = BTreeSet::new();
    for batch in batches.filter(|batch| is_wanted(batch)) {
        let feed = batch.header().feed;
        let of_file = if feeds.insert(feed) { FILE_BYTES_MIN } else { 0 };
        let machine = by_machine.entry(feed.machine).or_default();
        let bytes = batch.encode().len() + of_file;
        machine.batches.push((batch, bytes));
        machine.bytes += bytes;
    }
    by_machine
}

/// Gives each machine its share: what all could have alike, and what others leave goes to those who need
/// more. Of a machine that needs more still, what was said first is packed.
fn shares<'a>(
    by_machine: BTreeMap<KeyBytes, Wanted<'a>>,
    over: &mut BTreeSet<KeyBytes>,
) -> Vec<&'a Batch> {
    let mut machines: Vec<(KeyBytes, Wanted<'a>)> = by_machine.into_iter().collect();
    machines.sort_by_key(|(_, wanted)| wanted.bytes);
    let (mut left, mut packed) = (FEEDS_BYTES_MAX, Vec::new());
    for (at, (machine, wanted)) in machines.iter().enumerate() {
        let share = (left / (machines.len() - at)).min(MACHINE_BYTES_MAX);
        let mut used = 0;
        for (batch, bytes) in &wanted.batches {
            if used + bytes > share {
                over.insert(*machine);
                break;
            }
            used += bytes;
            packed.push(*batch);
        }
        left -= used;
    }
    packed
}

/// Evidence against machines of a puddle, so many pieces against each.
fn evidence_that_counts<'a>(
    view: &View,
    evidence: impl Iterator<Item = &'a Equivocation>,
) -> Vec<&'a Equivocation> {
    let mut counts: BTreeMap<KeyBytes, usize> = BTreeMap::new();
    let is_open = |evidence: &Equivocation| {
        let feed = evidence.feed();
        let machine = view.machines.get(&feed.machine)?;
        Some(!machine.pardons.contains(&feed.incarnation))
    };
    let mut known: Vec<(bool, &Equivocation)> =
        evidence.filter_map(|evidence| Some((!is_open(evidence)?, evidence))).collect();
    // Those that are not forgiven come first.
    known.sort_by_key(|(is_forgiven, evidence)| (*is_forgiven, evidence.feed()));
    known.retain(|(_, evidence)| {
        let count = counts.entry(evidence.feed().machine).or_default();
        *count += 1;
        *count <= EVIDENCE_MAX
    });
    known.into_iter().map(|(_, evidence)| evidence).collect()
}

impl Home {
    /// Packs what counts of a puddle for another machine. What is packed is durable here before: a machine
    /// that showed what it then lost would sign another batch in its place.
    ///
    /// # Errors
    /// Fails where the disk does, and for damaged evidence.
    pub fn bundle(&self, known: &Known) -> Result<Packed, HomeError> {
        for file in &known.feeds {
            sync_feed(&*self.disk, file.feed.id())?;
        }
        let view = &known.view;
        let evidence = self.evidence()?;
        let of_use = Use { view, forks: &known.forks, kept: known.kept() };
        let is_wanted = |batch: &Batch| of_use.has(batch);
        let mut over = BTreeSet::new();
        let batches = shares(wanted(known.batches(), is_wanted), &mut over);
        let evidence = evidence_that_counts(view, evidence.iter());
        let bundle = Bundle {
            puddle: view.id,
            events: events_that_count(view, &known.statements).into_iter().cloned().collect(),
            batches: batches.into_iter().cloned().collect(),
            evidence: evidence.into_iter().cloned().collect(),
        };
        Ok(Packed { bundle, over })
    }

    /// Takes what another machine packed: events, new batches of the puddle's machines as far as they count,
    /// and evidence of forks where batches contradict what is here. Gaps take what fits; feeds of strangers
    /// are left out.
    ///
    /// # Errors
    /// Fails where the disk does, and where neither side has the puddle's genesis.
    pub fn take_bundle(&self, bundle: &Bundle) -> Result<Taken, HomeError> {
        self.disk.create_folder("feeds")?;
        let lock = lock_feeds(&*self.disk)?;
        let here = read_feeds(&*self.disk)?;
        let mut statements = self.events()?;
        collect(here.iter().flat_map(|file| &file.batches), &mut statements);
        let before: BTreeSet<Vcid> = statements.keys().copied().collect();
        collect(&bundle.batches, &mut statements);
        bundle.add_events(&mut statements);
        let members = fold(bundle.puddle, statements.values(), &BTreeSet::new())?;
        let evidence = evidence_that_counts(&members, bundle.evidence.iter());
        let mut forks = self.forks_here()?;
        forks.extend(evidence.iter().map(|evidence| (evidence.feed(), evidence.position())));
        let view = fold(bundle.puddle, statements.values(), &forks.keys().copied().collect())?;
        let mut taken = Taken::default();
        let headers = here.iter().flat_map(|file| file.feed.headers());
        let headers = headers.chain(bundle.batches.iter().map(Batch::signed_header));
        let of_use = Use { view: &view, forks: &forks, kept: KeptBatches::of(&view, headers) };
        let displaced = of_use.displaced(&here, &bundle.batches);
        let is_wanted =
            |batch: &Batch| of_use.has(batch) && !displaced.contains_key(&batch.header().feed);
        for (machine, wanted) in wanted(bundle.batches.iter(), is_wanted) {
            let batches = within_quota(&here, &of_use, machine, wanted, &mut taken);
            for part in batches.chunk_by(|one, two| one.header().feed == two.header().feed) {
                self.take_feed(&lock, part, &mut taken)?;
            }
        }
        self.take_evidence(&lock, &evidence, &mut taken)?;
        let events = events_that_count(&view, &statements);
        taken.events = events.iter().filter(|event| !before.contains(&event.id())).count();
        self.keep_apart(&lock, events, &displaced)?;
        // Last: what counts of the events in what is put aside has been kept apart by now.
        for (feed, batches) in displaced {
            taken.batches += settle_under(&lock, &*self.disk, feed, &batches)?;
        }
        Ok(taken)
    }

    /// Returns from where on feeds are forked. Evidence that is damaged still says which feed it is of; all
    /// of that is of use, since it may bring the evidence back.
    fn forks_here(&self) -> Result<BTreeMap<FeedId, u64>, HomeError> {
        let position =
            |file: &EvidenceFile| file.read.as_ref().map_or(u64::MAX, Equivocation::position);
        Ok(self.read_evidence()?.iter().map(|file| (file.feed, position(file))).collect())
    }

    fn take_evidence(
        &self,
        lock: &FeedsLock,
        evidence: &[&Equivocation],
        taken: &mut Taken,
    ) -> Result<(), HomeError> {
        let mut kept: BTreeMap<KeyBytes, BTreeSet<FeedId>> = BTreeMap::new();
        for file in self.read_evidence()?.iter().filter(|file| file.read.is_ok()) {
            kept.entry(file.feed.machine).or_default().insert(file.feed);
        }
        for evidence in evidence {
            let of_machine = kept.entry(evidence.feed().machine).or_default();
            taken.forks.insert(evidence.feed());
            if of_machine.len() < EVIDENCE_MAX && of_machine.insert(evidence.feed()) {
                self.set_evidence(lock, evidence)?;
            }
        }
        Ok(())
    }

    /// Keeps those of some events that no feed here carries which stays as it is.
    fn keep_apart(
        &self,
        lock: &FeedsLock,
        events: Vec<&Statement>,
        displaced: &BTreeMap<FeedId, Vec<Batch>>,
    ) -> Result<(), HomeError> {
        let mut feeds = read_feeds(&*self.disk)?;
        feeds.retain(|file| !displaced.contains_key(&file.feed.id()));
        let mut carried = BTreeMap::new();
        collect(feeds.iter().flat_map(|file| &file.batches), &mut carried);
        let apart: BTreeMap<Vcid, &Statement> = events
            .into_iter()
            .map(|event| (event.id(), event))
            .filter(|(id, _)| !carried.contains_key(id))
            .collect();
        if !apart.keys().eq(self.events()?.keys()) {
            self.set_events(lock, apart.into_values())?;
        }
        Ok(())
    }

    fn take_feed(
        &self,
        lock: &FeedsLock,
        batches: &[Batch],
        taken: &mut Taken,
    ) -> Result<(), HomeError> {
        let Some(id) = batches.first().map(|batch| batch.header().feed) else { return Ok(()) };
        let kept = keep_under(lock, &*self.disk, id, batches)?;
        taken.batches += kept.count;
        match kept.refused {
            Some((rival, FeedError::Forked(evidence))) => {
                self.set_rival(lock, &rival)?;
                self.set_evidence(lock, &evidence)?;
                taken.forks.insert(id);
            }
            Some(_) => taken.missing += 1,
            None => {}
        }
        Ok(())
    }
}

/// Returns a machine's batches up to what is taken of one machine, with what is here of it. Of one that was
/// revoked only what counts is reckoned, so that what its thief has said before keeps nothing away.
fn within_quota(
    here: &[FeedFile],
    of_use: &Use<'_>,
    machine: KeyBytes,
    wanted: Wanted<'_>,
    taken: &mut Taken,
) -> Vec<Batch> {
    let own = here.iter().filter(|file| file.feed.id().machine == machine);
    let is_revoked = of_use.is_revoked(&machine);
    let len = |file: &FeedFile| {
        let kept = file.batches.iter().filter(|batch| of_use.has(batch));
        let kept = kept.map(|batch| batch.encode().len()).sum();
        if is_revoked { kept } else { (file.end as usize).max(FILE_BYTES_MIN) }
    };
    let mut bytes: usize = own.map(len).sum();
    let known: BTreeSet<Vcid> =
        here.iter().flat_map(|file| file.feed.headers()).map(|header| header.id()).collect();
    let mut batches = Vec::new();
    for (batch, len) in wanted.batches {
        if !known.contains(&batch.id()) {
            bytes += len;
            if bytes > MACHINE_BYTES_MAX {
                taken.over.insert(machine);
                break;
            }
        }
        batches.push(batch.clone());
    }
    batches
}
