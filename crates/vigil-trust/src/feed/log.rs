//! Feeds on a disk: one file each, of length-prefixed batches.
//!
//! Invariants: what [`FeedLog::append`] returned for is durable; no position of a feed is ever signed
//! twice, whatever is lost: after a torn tail, in another place, or where the pointer to the own feed is
//! gone, a new incarnation begins, whose first entry names the one before. No file of ours is cut.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use vigil_base::cbor::{DecodeError, Decoder, Encoder};
use vigil_base::world::{
    self, Disk, DiskError, DiskFault, DiskFile, Lock, Moment, OpenMode, Randomness,
    RandomnessError, replace_file,
};
use vigil_base::{Blame, Blamed, Vcid};

use super::batch::{BATCH_BYTES_MAX, BATCH_ENTRIES_MAX, Batch, FeedId, Incarnation, SignedHeader};
use super::{Accepted, Feed, FeedError};
use crate::keys::{KeyBytes, SecretKey};

const FOLDER: &str = "feeds";
const OWN: &str = "feeds/own";
const LOCK: &str = "feeds/lock";
const SUFFIX: &str = ".feed";
const MAGIC: [u8; 8] = *b"vigfeed\x01";
const PREFIX_LEN: usize = 4;
/// A batch's entries, its header and signature, and room for the heads of their records.
const FRAME_BYTES_MAX: usize = BATCH_BYTES_MAX + 1024;

/// Longest pointer to the own feed, in bytes: tags, key, incarnations, hashes, and what is said first.
const OWN_BYTES_MAX: usize = 512;

const OWN_TAG: &str = "vigil.own-feed/1";
const CONTINUES_TAG: &str = "vigil.feed-continues/1";

/// Why the own feed could not be opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FeedLogError {
    /// The disk failed.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// There is no randomness for a new incarnation.
    #[error(transparent)]
    Randomness(#[from] RandomnessError),
    /// Another process is writing.
    #[error("another process is writing to this machine's feeds; try again when it is done")]
    Busy,
}

impl Blamed for FeedLogError {
    fn blame(&self) -> Blame {
        Blame::World
    }
}

/// Why entries were not appended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AppendError {
    /// The disk failed. Whether the entries are there is known after opening the feed again.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// An earlier append failed.
    #[error("an append to this feed has failed before; open it again")]
    Broken,
    /// One entry alone is too long.
    #[error("an entry of {bytes} bytes is longer than a batch may be")]
    Long {
        /// How long it is.
        bytes: usize,
    },
}

impl Blamed for AppendError {
    fn blame(&self) -> Blame {
        match self {
            Self::Disk(_) | Self::Broken => Blame::World,
            Self::Long { .. } => Blame::Caller,
        }
    }
}

/// Why a machine began a new incarnation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fresh {
    /// There was none, or its pointer could not be read.
    First,
    /// The files lie elsewhere than where they were written: a backup or a clone.
    Moved,
    /// The end of the file was torn or damaged.
    Torn,
}

/// A feed as a file has it.
pub struct FeedFile {
    /// The headers, and what is frozen.
    pub feed: Feed,
    /// The batches that hold, in order.
    pub batches: Vec<Batch>,
    /// How many bytes of the file these take.
    pub end: u64,
    /// Whether bytes follow that are no batch of this feed.
    pub is_torn: bool,
}

fn path_of(id: FeedId) -> String {
    format!("{FOLDER}/{id}{SUFFIX}")
}

/// Returns the feed that a file with an ending is named for.
pub(crate) fn feed_id_of(name: &str, ending: &str) -> Option<FeedId> {
    let (machine, incarnation) = name.strip_suffix(ending)?.split_once('-')?;
    let machine = KeyBytes(*Vcid::from_hex(machine).ok()?.as_bytes());
    let incarnation = Vcid::from_hex(&format!("{incarnation}{incarnation}")).ok()?;
    let incarnation = Incarnation(incarnation.as_bytes()[..16].try_into().ok()?);
    Some(FeedId { machine, incarnation })
}

/// Reads as much of a feed's file as holds. What follows is told of, and left alone.
fn read_file(file: &dyn DiskFile, id: FeedId) -> Result<FeedFile, DiskError> {
    let mut found = FeedFile { feed: Feed::new(id), batches: Vec::new(), end: 0, is_torn: false };
    let len = file.len()?;
    if len == 0 {
        // Made, and nothing written yet.
        return Ok(found);
    }
    let mut magic = [0; MAGIC.len()];
    if file.read_at(0, &mut magic)? != magic.len() || magic != MAGIC {
        found.is_torn = true;
        return Ok(found);
    }
    found.end = MAGIC.len() as u64;
    while found.end < len {
        match read_frame(file, found.end, len)? {
            Some((batch, end)) if found.feed.accept(&batch) == Ok(Accepted::New) => {
                found.batches.push(batch);
                found.end = end;
            }
            _ => {
                found.is_torn = true;
                break;
            }
        }
    }
    Ok(found)
}

/// Reads the batch at `at`, and says where the next one is; none where there is no whole one.
fn read_frame(file: &dyn DiskFile, at: u64, len: u64) -> Result<Option<(Batch, u64)>, DiskError> {
    let mut prefix = [0; PREFIX_LEN];
    if file.read_at(at, &mut prefix)? != PREFIX_LEN {
        return Ok(None);
    }
    let frame_len = u32::from_le_bytes(prefix) as usize;
    let start = at + PREFIX_LEN as u64;
    if frame_len > FRAME_BYTES_MAX || start + frame_len as u64 > len {
        return Ok(None);
    }
    let mut bytes = vec![0; frame_len];
    if file.read_at(start, &mut bytes)? != frame_len {
        return Ok(None);
    }
    Ok(Batch::decode(&bytes).ok().map(|batch| (batch, start + frame_len as u64)))
}

fn frame(batch: &Batch) -> Vec<u8> {
    let bytes = batch.encode();
    let mut frame = Vec::with_capacity(PREFIX_LEN + bytes.len());
    frame.extend((bytes.len() as u32).to_le_bytes());
    frame.extend(bytes);
    frame
}

/// Reads all feeds that are there: the own ones and those of others, in the order of their ids.
///
/// # Errors
/// Fails where the disk does. Damage is told of in each [`FeedFile`].
pub fn read_feeds(disk: &dyn Disk) -> Result<Vec<FeedFile>, DiskError> {
    let mut ids: Vec<FeedId> =
        disk.list(FOLDER)?.iter().filter_map(|name| feed_id_of(name, SUFFIX)).collect();
    ids.sort_unstable();
    ids.into_iter().map(|id| read_file(&*disk.open(&path_of(id), OpenMode::Read)?, id)).collect()
}

/// Makes durable what was read of a feed, before anybody else is shown it.
pub(crate) fn sync_feed(disk: &dyn Disk, id: FeedId) -> Result<(), DiskError> {
    disk.open(&path_of(id), OpenMode::Write)?.sync()
}

/// What became of batches that were to be kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// How many were new, and are durable now.
    pub count: usize,
    /// The next one, and why it and those after it were not taken.
    pub refused: Option<(Batch, FeedError)>,
}

/// Keeps batches of another machine's feed, durably, up to the first that does not belong there.
///
/// # Errors
/// Fails where the disk does.
pub fn keep(disk: &dyn Disk, id: FeedId, batches: &[Batch]) -> Result<Kept, KeepError> {
    disk.create_folder(FOLDER)?;
    let lock = lock_feeds(disk)?;
    Ok(keep_under(&lock, disk, id, batches)?)
}

/// Does what [`keep`] does, for whoever has the lock already.
pub(crate) fn keep_under(
    _: &FeedsLock,
    disk: &dyn Disk,
    id: FeedId,
    batches: &[Batch],
) -> Result<Kept, DiskError> {
    let file = disk.open(&path_of(id), OpenMode::Create)?;
    let mut found = read_file(&*file, id)?;
    let mut bytes = Vec::new();
    let mut kept = Kept::default();
    for batch in batches {
        match found.feed.accept(batch) {
            Ok(Accepted::New) => {
                bytes.extend(frame(batch));
                kept.count += 1;
            }
            Ok(Accepted::Known) => {}
            Err(refused) => {
                kept.refused = Some((batch.clone(), refused));
                break;
            }
        }
    }
    if kept.count > 0 {
        let is_new = found.end == 0;
        if is_new {
            found.end = MAGIC.len() as u64;
        }
        set_aside(disk, id, &*file, if is_new { 0 } else { found.end })?;
        file.set_len(found.end)?;
        if is_new {
            file.write_at(0, &MAGIC)?;
        }
        file.write_at(found.end, &bytes)?;
        file.sync()?;
        disk.sync_folder(FOLDER)?;
    }
    Ok(kept)
}

/// Puts batches, a whole feed from its first one on, in the place of what is here of another machine's feed, which
/// is put aside; returns how many. The own feed stays as it is: what it has signed, it has signed.
pub(crate) fn settle_under(
    _: &FeedsLock,
    disk: &dyn Disk,
    id: FeedId,
    batches: &[Batch],
) -> Result<usize, DiskError> {
    if Own::read(disk)?.is_some_and(|own| own.id == id) {
        return Ok(0);
    }
    let path = path_of(id);
    set_aside(disk, id, &*disk.open(&path, OpenMode::Read)?, 0)?;
    let mut bytes = MAGIC.to_vec();
    batches.iter().for_each(|batch| bytes.extend(frame(batch)));
    replace_file(disk, &path, &bytes)?;
    Ok(batches.len())
}

/// Puts what follows the last whole batch into a file of its own before it is cut: most often it is what a
/// crash tore, but behind one damaged byte there may be batches that nobody else has.
fn set_aside(disk: &dyn Disk, id: FeedId, file: &dyn DiskFile, from: u64) -> Result<(), DiskError> {
    let rest = file.len()?.saturating_sub(from);
    if rest == 0 {
        return Ok(());
    }
    let mut bytes = vec![0; usize::try_from(rest).unwrap_or(usize::MAX)];
    let read = file.read_at(from, &mut bytes)?;
    bytes.truncate(read);
    let name = Vcid::of(&bytes).to_hex();
    replace_file(disk, &format!("{FOLDER}/{id}-{from}-{}.aside", &name[..16]), &bytes)
}

/// Why batches of another machine were not kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeepError {
    /// The disk failed.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// Another process is writing.
    #[error(transparent)]
    Log(#[from] FeedLogError),
}

impl Blamed for KeepError {
    fn blame(&self) -> Blame {
        match self {
            Self::Disk(source) => source.blame(),
            Self::Log(source) => source.blame(),
        }
    }
}

/// The right to write below the folder of feeds, until it is dropped.
pub(crate) struct FeedsLock(#[expect(dead_code, reason = "it is held")] Box<dyn DiskFile>);

/// Takes the right to write below the folder of feeds, which is there.
pub(crate) fn lock_feeds(disk: &dyn Disk) -> Result<FeedsLock, FeedLogError> {
    lock_feeds_if(disk, Waiting::Long)
}

/// What becomes of whoever wants to write while another process does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waiting {
    /// It waits, however long that takes.
    Long,
    /// It is refused at once.
    Not,
}

fn lock_feeds_if(disk: &dyn Disk, waiting: Waiting) -> Result<FeedsLock, FeedLogError> {
    let lock = disk.open(LOCK, OpenMode::Create)?;
    let is_ours = lock.lock(Lock::Exclusive, waiting == Waiting::Long)?;
    if is_ours { Ok(FeedsLock(lock)) } else { Err(FeedLogError::Busy) }
}

/// The pointer to the own feed.
struct Own {
    id: FeedId,
    place: Vcid,
    /// What this life is to say first, of the one before it; empty if there was none. It is needed for as
    /// long as nothing has been said.
    opening: Vec<u8>,
}

impl Own {
    fn read(disk: &dyn Disk) -> Result<Option<Self>, DiskError> {
        let file = world::read_file(disk, OWN, OWN_BYTES_MAX)?;
        Ok(file.and_then(|file| Self::decode(&file.bytes).ok()))
    }

    fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut decoder = Decoder::record(bytes, OWN_TAG, 5)?;
        let machine = KeyBytes(decoder.byte_array()?);
        let incarnation = Incarnation(decoder.byte_array()?);
        let place = Vcid::from_bytes(decoder.byte_array()?);
        let opening = decoder.bytes()?.to_vec();
        decoder.finish()?;
        Ok(Self { id: FeedId { machine, incarnation }, place, opening })
    }

    fn encode(&self) -> Vec<u8> {
        let mut encoder = Encoder::record(OWN_TAG, 5);
        encoder.bytes(&self.id.machine.0);
        encoder.bytes(&self.id.incarnation.0);
        encoder.bytes(self.place.as_bytes());
        encoder.bytes(&self.opening);
        encoder.finish()
    }

    /// Returns what the life after this one is to say first. One that has said nothing is passed over.
    fn opening_after(&self, feed: &Feed) -> Vec<u8> {
        if feed.next() == 0 && !self.opening.is_empty() {
            return self.opening.clone();
        }
        continues(feed)
    }
}

/// This machine's own feed, open for appending. Only one process has it at a time.
pub struct FeedLog {
    disk: Arc<dyn Disk>,
    _lock: FeedsLock,
    file: Box<dyn DiskFile>,
    id: FeedId,
    head: Option<SignedHeader>,
    /// What was there when it was opened.
    batches: Vec<Batch>,
    end: u64,
    is_broken: bool,
    fresh: Option<Fresh>,
    /// What a new incarnation says first.
    opening: Option<Vec<u8>>,
}

impl FeedLog {
    /// Opens the feed of `machine`, which is kept at `place`: a hash of what a copy of the files would not
    /// have, such as the disk's own name for their folder. Where it is another than before, where the tail
    /// is torn, or where `is_behind` says that others have more of this feed than is here, a new
    /// incarnation begins.
    ///
    /// # Errors
    /// Fails where the disk does, and where there is no randomness; with [`Waiting::Not`] also while another
    /// process is writing.
    pub fn open(
        disk: Arc<dyn Disk>,
        machine: KeyBytes,
        place: Vcid,
        is_behind: impl FnOnce(&Feed) -> bool,
        randomness: &dyn Randomness,
        waiting: Waiting,
    ) -> Result<Self, FeedLogError> {
        disk.create_folder(FOLDER)?;
        let lock = lock_feeds_if(&*disk, waiting)?;
        let begin = |disk, lock, fresh, opening| {
            let id = FeedId { machine, incarnation: new_incarnation(randomness)? };
            Self::begin(disk, lock, Own { id, place, opening }, fresh)
        };
        let own = Own::read(&*disk)?.filter(|own| own.id.machine == machine);
        let Some(own) = own else { return begin(disk, lock, Fresh::First, Vec::new()) };
        let file = match disk.open(&path_of(own.id), OpenMode::Write) {
            Err(error) if error.fault == DiskFault::Absent => {
                return begin(disk, lock, Fresh::First, own.opening);
            }
            file => file?,
        };
        let found = read_file(&*file, own.id)?;
        let fresh = if found.is_torn || found.end == 0 {
            Some(Fresh::Torn)
        } else if own.place != place || is_behind(&found.feed) {
            Some(Fresh::Moved)
        } else {
            None
        };
        if let Some(fresh) = fresh {
            return begin(disk, lock, fresh, own.opening_after(&found.feed));
        }
        // A crash of this program alone leaves batches that are whole and not durable. What is signed next
        // names them, so they must not be lost after it.
        file.sync()?;
        let head = found.feed.headers().last().cloned();
        let (id, end) = (own.id, found.end);
        let opening = Some(own.opening).filter(|said| head.is_none() && !said.is_empty());
        let (batches, is_broken) = (found.batches, false);
        Ok(Self { disk, _lock: lock, file, id, head, batches, end, is_broken, fresh, opening })
    }

    fn begin(
        disk: Arc<dyn Disk>,
        lock: FeedsLock,
        own: Own,
        fresh: Fresh,
    ) -> Result<Self, FeedLogError> {
        let id = own.id;
        let file = disk.open(&path_of(id), OpenMode::CreateNew)?;
        file.write_at(0, &MAGIC)?;
        file.sync()?;
        disk.sync_folder(FOLDER)?;
        // The pointer is last: a crash before it leaves an empty feed that nobody has seen.
        replace_file(&*disk, OWN, &own.encode())?;
        let end = MAGIC.len() as u64;
        let (fresh, opening) = (Some(fresh), Some(own.opening).filter(|said| !said.is_empty()));
        let (head, batches, is_broken) = (None, Vec::new(), false);
        Ok(Self { disk, _lock: lock, file, id, head, batches, end, is_broken, fresh, opening })
    }

    /// Returns whose feed it is.
    pub fn id(&self) -> FeedId {
        self.id
    }

    /// Returns the last batch's header.
    pub fn head(&self) -> Option<&SignedHeader> {
        self.head.as_ref()
    }

    /// Returns the batches that were there when this was opened, in order; all of them are durable.
    pub fn batches(&self) -> &[Batch] {
        &self.batches
    }

    /// Returns how many bytes the files of all feeds of this machine have.
    ///
    /// # Errors
    /// Fails where the disk does.
    pub fn machine_bytes(&self) -> Result<u64, DiskError> {
        let names = self.disk.list(FOLDER)?;
        let feeds = names.iter().filter_map(|name| feed_id_of(name, SUFFIX));
        let own = feeds.filter(|id| id.machine == self.id.machine);
        own.map(|id| self.disk.open(&path_of(id), OpenMode::Read)?.len()).sum()
    }

    /// Returns why a new incarnation began when this was opened, if one did.
    pub fn fresh(&self) -> Option<Fresh> {
        self.fresh
    }

    /// Returns what the disk is called.
    pub fn place(&self) -> String {
        self.disk.describe()
    }

    /// Signs entries in as few batches as hold them, and returns once they are durable.
    ///
    /// # Errors
    /// Fails where the disk does; the feed must be opened again then.
    pub fn append<E: AsRef<[u8]>>(
        &mut self,
        key: &SecretKey,
        at: Moment,
        entries: &[E],
    ) -> Result<Vec<Batch>, AppendError> {
        if self.is_broken {
            return Err(AppendError::Broken);
        }
        let mut batches: Vec<Batch> = Vec::new();
        let mut bytes = Vec::new();
        let opening = self.opening.iter().map(Vec::as_slice);
        let all: Vec<&[u8]> = opening.chain(entries.iter().map(AsRef::as_ref)).collect();
        for part in cut(&all)? {
            let previous = batches.last().map(Batch::signed_header).or(self.head.as_ref());
            let batch = Batch::sign(key, self.id.incarnation, previous, at, part);
            bytes.extend(frame(&batch));
            batches.push(batch);
        }
        self.is_broken = true;
        self.file.write_at(self.end, &bytes)?;
        self.file.sync()?;
        (self.is_broken, self.opening) = (false, None);
        self.end += bytes.len() as u64;
        if let Some(last) = batches.last() {
            self.head = Some(last.signed_header().clone());
        }
        Ok(batches)
    }
}

fn new_incarnation(randomness: &dyn Randomness) -> Result<Incarnation, RandomnessError> {
    let mut incarnation = [0; 16];
    randomness.fill(&mut incarnation)?;
    Ok(Incarnation(incarnation))
}

/// Cuts entries into parts that each fit a batch.
fn cut<'a, 'b>(entries: &'b [&'a [u8]]) -> Result<Vec<&'b [&'a [u8]]>, AppendError> {
    /// What the head of a byte string takes at most.
    const HEAD: usize = 9;
    let (mut parts, mut start, mut bytes) = (Vec::new(), 0, 16);
    for (at, entry) in entries.iter().enumerate() {
        let len = entry.len() + HEAD;
        if len + 16 > BATCH_BYTES_MAX {
            return Err(AppendError::Long { bytes: entry.len() });
        }
        if bytes + len > BATCH_BYTES_MAX || at - start == BATCH_ENTRIES_MAX {
            parts.push(&entries[start..at]);
            (start, bytes) = (at, 16);
        }
        bytes += len;
    }
    if start < entries.len() {
        parts.push(&entries[start..]);
    }
    Ok(parts)
}

/// Returns the entry with which an incarnation says which one it continues, and how far that one went.
pub fn continues(before: &Feed) -> Vec<u8> {
    let mut encoder = Encoder::record(CONTINUES_TAG, 4);
    encoder.bytes(&before.id().incarnation.0);
    encoder.unsigned(before.next());
    match before.head() {
        Some(head) => encoder.bytes(head.as_bytes()),
        None => encoder.null(),
    }
    encoder.finish()
}
