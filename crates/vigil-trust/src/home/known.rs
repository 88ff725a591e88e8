//! What is known of a puddle here: feeds, events that no feed here carries, and evidence of forks with both
//! of their sides.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::cmp::Reverse;

use vigil_base::Vcid;
use vigil_base::cbor::{DecodeError, Decoder, Encoder, Fault};
use vigil_base::world::{OpenMode, replace_file};

use super::bundle::EVENTS_BYTES_MAX;
use super::{Home, HomeError};
use crate::feed::{
    Batch, Equivocation, EquivocationError, Feed, FeedFile, FeedId, FeedsLock, feed_id_of,
    read_feeds,
};
use crate::keys::{CheckedKeys, KeyBytes};
use crate::puddle::{FeedMark, KeptBatches, MARKS_MAX, PuddleEvent, View, fold};
use crate::statement::{Statement, StatementError};

const EVENTS: &str = "feeds/events";
const EVENTS_TAG: &str = "vigil.puddle-events/1";
const FORK: &str = ".fork";
const RIVAL: &str = ".rival";

/// Longest file of one batch, in bytes: see `feed::BATCH_BYTES_MAX`.
const RIVAL_BYTES_MAX: usize = crate::feed::BATCH_BYTES_MAX + 1024;

/// What is known of a puddle here.
pub struct Known {
    /// What its events mean.
    pub view: View,
    /// The feeds, with what is torn or forked.
    pub feeds: Vec<FeedFile>,
    /// Of feeds that are forked, the batch that contradicts what is in the feed.
    pub rivals: Vec<Batch>,
    /// The events.
    pub statements: BTreeMap<Vcid, Statement>,
    /// Feeds of which there is evidence of a fork.
    pub frozen: BTreeSet<FeedId>,
    /// From which position on each of these cannot be relied upon.
    pub forks: BTreeMap<FeedId, u64>,
}

/// A file of evidence.
pub(super) struct EvidenceFile {
    /// The feed that it is named for.
    pub feed: FeedId,
    /// What it is called.
    pub file: String,
    /// What it holds.
    pub read: Result<Equivocation, EquivocationError>,
}

impl Known {
    /// Returns all batches, of both sides where a feed is forked.
    pub fn batches(&self) -> impl Iterator<Item = &Batch> {
        self.feeds.iter().flat_map(|file| &file.batches).chain(&self.rivals)
    }

    /// Returns which batches count of machines that were revoked.
    pub fn kept(&self) -> KeptBatches {
        KeptBatches::of(&self.view, self.batches().map(Batch::signed_header))
    }

    /// Returns what the Person has seen here of a machine, for its revocation: each of its feeds to its end, or
    /// to the last batch before a fork, since nobody can tell whose side is the machine's. Of more feeds than an
    /// event can name those are left out that say least: a thief who begins many stops no revocation.
    pub fn marks(&self, machine: &KeyBytes) -> Vec<FeedMark> {
        let feeds = self.feeds.iter().map(|file| &file.feed);
        let own = feeds.filter(|feed| feed.id().machine == *machine);
        let below = |feed: &Feed| self.forks.get(&feed.id()).copied().unwrap_or(u64::MAX);
        let marks = own.filter_map(|feed| FeedMark::below(feed, below(feed)));
        let mut marks: Vec<FeedMark> = marks.collect();
        marks.sort_unstable_by_key(|mark| (Reverse(mark.next), mark.incarnation));
        marks.truncate(MARKS_MAX);
        marks.sort_unstable();
        marks
    }

    /// Returns those of some events that no feed of `machine` carries. Whoever signs an event that names
    /// them puts them into their own feed first, so that no other machine can keep from anybody what the
    /// event needs.
    pub fn not_carried(&self, machine: &KeyBytes, events: &[Vcid]) -> Vec<&Statement> {
        let own = self.feeds.iter().filter(|file| file.feed.id().machine == *machine);
        let mut carried = BTreeMap::new();
        collect(own.flat_map(|file| &file.batches), &mut carried);
        let missing = events.iter().filter(|id| !carried.contains_key(*id));
        missing.filter_map(|id| self.statements.get(id)).collect()
    }
}

/// Finds the events among the entries of batches. What does not hold is nobody's word, whichever feed
/// carries it.
pub(super) fn collect<'a>(
    batches: impl IntoIterator<Item = &'a Batch>,
    statements: &mut BTreeMap<Vcid, Statement>,
) {
    let mut keys = CheckedKeys::default();
    for (_, entry) in batches.into_iter().flat_map(Batch::entries) {
        if Statement::is_tagged(entry)
            && let Ok(statement) = Statement::decode_among(entry, &mut keys)
            && PuddleEvent::is_tagged(&statement)
        {
            statements.insert(statement.id(), statement);
        }
    }
}

impl Home {
    /// Reads all feeds, and folds the events of a puddle that are in them.
    ///
    /// # Errors
    /// Fails where the disk does, where evidence is damaged, and where the puddle's genesis is nowhere.
    pub fn open_puddle(&self, id: Vcid) -> Result<Known, HomeError> {
        let feeds = read_feeds(&*self.disk)?;
        let evidence = self.evidence()?;
        let forks: BTreeMap<FeedId, u64> =
            evidence.iter().map(|evidence| (evidence.feed(), evidence.position())).collect();
        let frozen: BTreeSet<FeedId> = forks.keys().copied().collect();
        let rivals = self.rivals()?;
        let mut statements = self.events()?;
        let batches = feeds.iter().flat_map(|file| &file.batches);
        collect(batches.chain(&rivals), &mut statements);
        let view = fold(id, statements.values(), &frozen)?;
        Ok(Known { view, feeds, rivals, statements, frozen, forks })
    }

    /// Returns the keys of the Person whose puddle it is, the first one first, also where evidence of forks is
    /// damaged: that is about machines.
    ///
    /// # Errors
    /// Fails where the disk does, and where the puddle's genesis is nowhere.
    pub fn persons_of(&self, id: Vcid) -> Result<Vec<KeyBytes>, HomeError> {
        let (feeds, mut statements) = (read_feeds(&*self.disk)?, self.events()?);
        let batches = feeds.iter().flat_map(|file| &file.batches);
        collect(batches.chain(&self.rivals()?), &mut statements);
        Ok(fold(id, statements.values(), &BTreeSet::new())?.persons)
    }

    /// Returns the events that no feed here carries.
    pub(super) fn events(&self) -> Result<BTreeMap<Vcid, Statement>, HomeError> {
        // What is kept is as much as is taken, but for the heads of its records.
        let bytes_max = 2 * EVENTS_BYTES_MAX;
        let Some(bytes) = self.read_up_to(bytes_max, EVENTS, EVENTS)? else {
            return Ok(BTreeMap::new());
        };
        let read = || {
            let mut decoder = Decoder::record(&bytes, EVENTS_TAG, 2)?;
            let (mut statements, mut keys) = (BTreeMap::new(), CheckedKeys::default());
            for _ in 0..decoder.array()? {
                let at = decoder.offset();
                match Statement::decode_among(decoder.bytes()?, &mut keys) {
                    Ok(statement) => _ = statements.insert(statement.id(), statement),
                    Err(StatementError::Decode(error)) => return Err(error),
                    Err(_) => return decoder.fault(at, Fault::Range),
                }
            }
            decoder.finish()?;
            Ok(statements)
        };
        read().map_err(|source: DecodeError| HomeError::Damaged { file: EVENTS, source })
    }

    pub(super) fn set_events<'a>(
        &self,
        _: &FeedsLock,
        events: impl ExactSizeIterator<Item = &'a Statement>,
    ) -> Result<(), HomeError> {
        let mut encoder = Encoder::record(EVENTS_TAG, 2);
        encoder.array(events.len());
        events.for_each(|event| encoder.bytes(&event.encode()));
        Ok(replace_file(&*self.disk, EVENTS, &encoder.finish())?)
    }

    /// Returns all evidence of forks.
    ///
    /// # Errors
    /// Fails where the disk does, and for damaged evidence: without it a frozen machine would count again.
    pub fn evidence(&self) -> Result<Vec<Equivocation>, HomeError> {
        let mut found = Vec::new();
        for EvidenceFile { file, read, .. } in self.read_evidence()? {
            found.push(read.map_err(|source| HomeError::Evidence { file, source })?);
        }
        Ok(found)
    }

    /// Reads all evidence, also what is damaged.
    pub(super) fn read_evidence(&self) -> Result<Vec<EvidenceFile>, HomeError> {
        let mut found = Vec::new();
        for (feed, file) in self.feed_files(FORK)? {
            let read = Equivocation::decode(&self.read_feed_file(&file, 4096)?);
            found.push(EvidenceFile { feed, file, read });
        }
        Ok(found)
    }

    fn rivals(&self) -> Result<Vec<Batch>, HomeError> {
        let mut found = Vec::new();
        for (_, file) in self.feed_files(RIVAL)? {
            let read = Batch::decode(&self.read_feed_file(&file, RIVAL_BYTES_MAX)?);
            found.push(read.map_err(|source| HomeError::Rival { file, source })?);
        }
        Ok(found)
    }

    /// Lists the files of feeds with an ending, in the order of their names.
    fn feed_files(&self, ending: &str) -> Result<Vec<(FeedId, String)>, HomeError> {
        let names = self.disk.list("feeds")?;
        let found = names.into_iter().filter_map(|name| Some((feed_id_of(&name, ending)?, name)));
        let mut found: Vec<(FeedId, String)> = found.collect();
        found.sort_unstable();
        Ok(found)
    }

    fn read_feed_file(&self, name: &str, bytes_max: usize) -> Result<Vec<u8>, HomeError> {
        let file = self.disk.open(&format!("feeds/{name}"), OpenMode::Read)?;
        let len = file.len()?.min(bytes_max as u64);
        let mut bytes = vec![0; len as usize];
        let read = file.read_at(0, &mut bytes)?;
        bytes.truncate(read);
        Ok(bytes)
    }

    pub(super) fn set_evidence(
        &self,
        _: &FeedsLock,
        evidence: &Equivocation,
    ) -> Result<(), HomeError> {
        let path = format!("feeds/{}{FORK}", evidence.feed());
        Ok(replace_file(&*self.disk, &path, &evidence.encode())?)
    }

    pub(super) fn set_rival(&self, _: &FeedsLock, rival: &Batch) -> Result<(), HomeError> {
        let path = format!("feeds/{}{RIVAL}", rival.header().feed);
        Ok(replace_file(&*self.disk, &path, &rival.encode())?)
    }
}
