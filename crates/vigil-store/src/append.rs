//! Appending to arenas: one locked, growing file at a time for each lane of a writer.
//!
//! Invariants:
//! - bytes that have been written are never written again;
//! - a record is reported as written only after its trailer is; as durable only after a sync that
//!   began later;
//! - an arena that is full is sealed before the next one is opened.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use vigil_base::Vcid;
use vigil_base::world::{
    Clock, Disk, DiskError, DiskFault, DiskFile, Lock, OpenMode, Randomness, RandomnessError,
};

use crate::arena::{Arena, ArenaError, Scan};
use crate::format::{
    ArenaKey, Class, Codec, HEADER_LEN, Header, Item, LOCATED_LEN, Located, Location, RecordKind,
    SEAL_LEN, Seal, SealError, Site, TRAILER_LEN, Trailer, align, check_of, encode_directory,
    merkle_root, payload_check,
};
use crate::paths;

/// Why bytes could not be written.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AppendError {
    /// The disk failed.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// There were no random bytes for a new arena's key.
    #[error("could not make the key of a new arena")]
    Randomness(#[from] RandomnessError),
    /// The arena that was to be continued or sealed could not be read.
    #[error("could not continue an arena")]
    Arena(#[from] ArenaError),
    /// An earlier write of this writer failed, so nothing after it may be acknowledged.
    #[error("an earlier write failed: {reason}")]
    Failed {
        /// What that failure said.
        reason: String,
    },
    /// There is no number left for a new arena.
    #[error("this store has used up all arena numbers")]
    Numbers,
}

/// A record that was just appended.
#[derive(Default)]
pub(crate) struct Appended {
    /// Where its items lie.
    pub located: Vec<Located>,
    /// Where it starts, and where the next one may.
    pub start: u64,
    pub end: u64,
}

/// What new arenas are made from.
pub(crate) struct Maker {
    pub disk: Arc<dyn Disk>,
    pub clock: Arc<dyn Clock>,
    pub randomness: Arc<dyn Randomness>,
    pub site: Site,
    pub class: Class,
    pub capacity: u64,
    /// Every so many bytes, those written so far are sent to the disk by a thread in the background,
    /// so that the final sync has little left to do.
    pub sync_every_bytes: Option<u64>,
    /// Whether to append to arenas that an earlier writer left open.
    pub continues: bool,
}

/// One locked arena that records are appended to; opened with the first record.
pub(crate) struct Lane {
    maker: Arc<Maker>,
    state: Mutex<State>,
    /// Held while syncing: whoever waits here finds that a sync that began later has served it too.
    syncing: Mutex<()>,
}

#[derive(Default)]
struct State {
    open: Option<Open>,
    /// Arenas that this lane has sealed; they are durable.
    sealed: Vec<u32>,
    failure: Option<String>,
}

struct Open {
    arena: Arc<Arena>,
    /// What lies before this was written by somebody else, and perhaps torn by a crash.
    own_from: u64,
    end: u64,
    synced: u64,
    background: Background,
}

/// A sync that runs beside the writing, so that the one at the end has little left to do.
#[derive(Default)]
struct Background {
    started_at: u64,
    running: Option<JoinHandle<Result<(), DiskError>>>,
}

impl Background {
    fn starting_at(end: u64) -> Self {
        Self { started_at: end, running: None }
    }

    /// Starts a sync where `every` bytes have come since the last, unless that one still runs.
    fn consider(
        &mut self,
        end: u64,
        every: Option<u64>,
        file: &Arc<dyn DiskFile>,
    ) -> Result<(), DiskError> {
        let is_due = every.is_some_and(|every| end.saturating_sub(self.started_at) >= every);
        let is_busy = self.running.as_ref().is_some_and(|running| !running.is_finished());
        if !is_due || is_busy {
            return Ok(());
        }
        self.wait()?;
        self.started_at = end;
        let file = file.clone();
        self.running = Some(std::thread::spawn(move || file.sync()));
        Ok(())
    }

    /// Waits for a running sync. The system reports an error of the disk to one sync only, so a
    /// commit has to hear of this one's.
    fn wait(&mut self) -> Result<(), DiskError> {
        match self.running.take().map(JoinHandle::join) {
            None => Ok(()),
            Some(Ok(result)) => result,
            Some(Err(panic)) => std::panic::resume_unwind(panic),
        }
    }
}

impl Lane {
    pub fn new(maker: Arc<Maker>) -> Self {
        Self { maker, state: Mutex::default(), syncing: Mutex::new(()) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic inside leaves the state as it was before or after one append; both are sound.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends one frame.
    pub fn append_frame(
        &self,
        payload: &[u8],
        codec: Codec,
        raw_len: u64,
        items: &[Item],
    ) -> Result<Appended, AppendError> {
        let directory = encode_directory(items);
        let trailer = Trailer {
            kind: RecordKind::Frame,
            codec,
            payload_len: payload.len() as u64,
            raw_len,
            directory_len: directory.len() as u32,
            payload_check: payload_check(payload),
        };
        let mut state = self.state();
        let room = trailer.body_len() + TRAILER_LEN as u64 + seal_room(items.len());
        let open = state.open_with_room(&self.maker, room)?;
        let result = open.write_record(payload, &directory, &trailer, items, &self.maker);
        state.note(result)
    }

    /// Starts an extent. Nobody else appends to this lane until it ends.
    pub fn begin_extent(&self) -> Result<ExtentWriter<'_>, AppendError> {
        let mut state = self.state();
        state.open_with_room(&self.maker, EXTENT_ROOM_MIN)?;
        Ok(ExtentWriter { lane: self, state, items: Vec::new(), len: 0 })
    }

    /// Makes everything appended so far durable.
    pub fn commit(&self) -> Result<(), AppendError> {
        let needed = {
            let mut state = self.state();
            state.check()?;
            let waited = state.open.as_mut().map_or(Ok(()), |open| open.background.wait());
            state.note(waited.map_err(AppendError::from))?;
            state.open.as_ref().map(|open| (open.arena.clone(), open.end))
        };
        let turn = self.syncing.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((arena, end)) = needed {
            // Between then and now somebody else's sync may have covered these bytes, or a seal did.
            let is_open_until = |state: &State| {
                let open = state.open.as_ref().filter(|open| open.arena.number == arena.number);
                open.map(|open| open.synced)
            };
            if is_open_until(&self.state()).is_some_and(|synced| synced < end) {
                let result = arena.file().sync().map_err(AppendError::from);
                let mut state = self.state();
                state.note(result)?;
                if let Some(open) = state.open.as_mut().filter(|o| o.arena.number == arena.number) {
                    open.synced = open.synced.max(end);
                }
            }
        }
        drop(turn);
        // Whoever sealed the arena meanwhile may have failed, and has noted it.
        self.state().check()
    }

    /// Returns the arenas that this lane has written, and up to which byte each is durable.
    pub fn durable_ends(&self) -> Vec<(u32, u64)> {
        let state = self.state();
        let sealed = state.sealed.iter().map(|number| (*number, u64::MAX));
        let open = state.open.as_ref().map(|open| (open.arena.number, open.synced));
        sealed.chain(open).collect()
    }

    /// Seals every arena that has records and that nobody else is appending to.
    pub fn seal_all(&self) -> Result<Vec<u32>, AppendError> {
        let mut state = self.state();
        state.check()?;
        let mut numbers = Vec::new();
        let mut open: Vec<Open> = state.open.take().into_iter().collect();
        for number in paths::arena_numbers(&*self.maker.disk)? {
            if open.iter().all(|open| open.arena.number != number) {
                open.extend(Open::take(&self.maker, number)?);
            }
        }
        for open in open.into_iter().filter(|open| open.end > HEADER_LEN as u64) {
            let number = open.arena.number;
            let result = open.seal();
            state.note(result)?;
            state.sealed.push(number);
            numbers.push(number);
        }
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// Lets go of the arena that is open, and forgets the sealed ones. What was not committed is not
    /// acknowledged.
    pub fn close(&self) {
        *self.state() = State::default();
    }

    /// Returns the numbers of the arenas that were written to.
    pub fn numbers(&self) -> Vec<u32> {
        self.durable_ends().into_iter().map(|(number, _)| number).collect()
    }
}

/// Bytes that the seal of an arena needs for `items` entries.
fn seal_room(items: usize) -> u64 {
    (items * LOCATED_LEN) as u64
}

/// An extent is not begun where less than this is left.
const EXTENT_ROOM_MIN: u64 = 1 << 20;

impl State {
    fn check(&self) -> Result<(), AppendError> {
        match &self.failure {
            Some(reason) => Err(AppendError::Failed { reason: reason.clone() }),
            None => Ok(()),
        }
    }

    /// Remembers a failure: after it, nothing is acknowledged any more.
    fn note<T>(&mut self, result: Result<T, AppendError>) -> Result<T, AppendError> {
        if let Err(error) = &result {
            self.failure.get_or_insert_with(|| error.to_string());
        }
        result
    }

    /// Returns an arena with `room` bytes left, sealing a full one and opening another.
    fn open_with_room(&mut self, maker: &Maker, room: u64) -> Result<&mut Open, AppendError> {
        self.check()?;
        if let Some(open) = self.open.take_if(|open| !open.has_room(maker, room)) {
            let number = open.arena.number;
            let result = open.seal();
            self.note(result)?;
            self.sealed.push(number);
        }
        match &mut self.open {
            Some(open) => Ok(open),
            slot => {
                let open = match Open::resume(maker, room)? {
                    Some(open) => open,
                    None => Open::create(maker)?,
                };
                Ok(slot.insert(open))
            }
        }
    }
}

impl Open {
    /// A record larger than a whole arena goes into an empty one, which is then larger.
    fn has_room(&self, maker: &Maker, room: u64) -> bool {
        self.end + room <= maker.capacity || self.end == HEADER_LEN as u64
    }

    /// Takes over the newest arena of the class that is neither sealed nor in use.
    fn resume(maker: &Maker, room: u64) -> Result<Option<Self>, AppendError> {
        if !maker.continues {
            return Ok(None);
        }
        for number in paths::arena_numbers(&*maker.disk)?.into_iter().rev() {
            let open = Self::take(maker, number)?;
            if let Some(open) = open.filter(|open| open.end + room <= maker.capacity) {
                return Ok(Some(open));
            }
        }
        Ok(None)
    }

    /// Takes over arena `number` if it is this store's, not sealed, and not in use.
    fn take(maker: &Maker, number: u32) -> Result<Option<Self>, AppendError> {
        let file = match maker.disk.open(&paths::arena(number), OpenMode::Write) {
            Ok(file) => file,
            // One that is read-only, moved away or collected is not for us.
            Err(error)
                if matches!(
                    error.fault,
                    DiskFault::Denied | DiskFault::Absent | DiskFault::NotAFile
                ) =>
            {
                return Ok(None);
            }
            Err(error) => return Err(error.into()),
        };
        if !file.lock(Lock::Exclusive, false)? {
            return Ok(None);
        }
        // One that never got its header, or lost it, is left for `verify` to report.
        let Ok(arena) = Arena::open(Arc::from(file), number) else { return Ok(None) };
        let is_ours = arena.header.class == maker.class && arena.header.site == maker.site;
        if !is_ours || arena.seal()? != Err(SealError::Absent) {
            return Ok(None);
        }
        // Whoever made it may have died before its folder's entry was durable.
        maker.disk.sync_folder(paths::ARENAS)?;
        let end = align(arena.file().len()?);
        let background = Background::starting_at(end);
        Ok(Some(Self { arena: Arc::new(arena), own_from: end, end, synced: 0, background }))
    }

    fn create(maker: &Maker) -> Result<Self, AppendError> {
        maker.disk.create_folder(paths::ARENAS)?;
        let next = paths::arena_number_next(&*maker.disk)?;
        let mut number = next.ok_or(AppendError::Numbers)?;
        let file = loop {
            match maker.disk.open(&paths::arena(number), OpenMode::CreateNew) {
                Ok(file) => break file,
                Err(error) if error.fault == DiskFault::Exists => {
                    number = number.checked_add(1).ok_or(AppendError::Numbers)?;
                }
                Err(error) => return Err(error.into()),
            }
        };
        file.lock(Lock::Exclusive, true)?;
        let mut key = ArenaKey([0; 32]);
        maker.randomness.fill(&mut key.0)?;
        let header = Header {
            site: maker.site,
            serial: u64::from(number),
            capacity: maker.capacity,
            created: maker.clock.now().0,
            class: maker.class.clone(),
            key,
        };
        file.write_at(0, &header.encode())?;
        file.sync()?;
        maker.disk.sync_folder(paths::ARENAS)?;
        let end = HEADER_LEN as u64;
        let arena = Arc::new(Arena::open(Arc::from(file), number)?);
        let background = Background::starting_at(end);
        Ok(Self { arena, own_from: end, end, synced: end, background })
    }

    fn write_record(
        &mut self,
        payload: &[u8],
        directory: &[u8],
        trailer: &Trailer,
        items: &[Item],
        maker: &Maker,
    ) -> Result<Appended, AppendError> {
        let trailer_at = self.end + trailer.body_len();
        self.arena.file().write_at(self.end, payload)?;
        let description = describe(trailer, &self.arena.header.key, trailer_at, directory);
        self.arena.file().write_at(self.end + trailer.payload_len, &description)?;
        self.advance(trailer_at, items, maker)
    }

    /// Moves the end behind the record whose trailer lies at `trailer_at`.
    fn advance(
        &mut self,
        trailer_at: u64,
        items: &[Item],
        maker: &Maker,
    ) -> Result<Appended, AppendError> {
        let start = self.end;
        self.end = trailer_at + TRAILER_LEN as u64;
        self.background.consider(self.end, maker.sync_every_bytes, self.arena.file())?;
        let mut inner = 0;
        let located = items
            .iter()
            .map(|item| {
                let trailer = u32::try_from(trailer_at / crate::format::ALIGN)
                    .unwrap_or_else(|_| unreachable!("arenas are smaller than 2^38 bytes"));
                let at = Location { arena: self.arena.number, trailer, inner, len: item.len };
                inner += item.len;
                Located { id: item.id, kind: item.kind, at }
            })
            .collect();
        Ok(Appended { located, start, end: self.end })
    }

    /// Writes table and seal; afterwards the file never changes.
    fn seal(mut self) -> Result<(), AppendError> {
        self.background.wait()?;
        let records = match self.arena.walk_back(self.end)? {
            Some(records) => records,
            // A crash left bytes that no record covers; only a search gets past them.
            None => self.arena.find_records(0)?.0,
        };
        let mut intact = Scan::default();
        for (record, items) in &records {
            if record.start < self.own_from {
                // A record that a crash has torn is described as well as a whole one. The seal must
                // not list it, or the bytes would never be stored again.
                self.arena.check_items(record, items, &mut intact)?;
            } else {
                self.arena.locate(record, items, |item, _| intact.items.push(item));
            }
        }
        write_seal(&self.arena, self.end, intact.items)
    }
}

/// Returns what follows a payload: directory, zeros up to the trailer, and trailer.
fn describe(trailer: &Trailer, key: &ArenaKey, trailer_at: u64, directory: &[u8]) -> Vec<u8> {
    let mut bytes = directory.to_vec();
    bytes.resize((trailer.body_len() - trailer.payload_len) as usize, 0);
    bytes.extend(trailer.encode(key, trailer_at, directory));
    bytes
}

/// Returns the Merkle root over `items` as a seal has it: without the number of the arena's file.
pub(crate) fn sealed_root(items: &[Located]) -> Vcid {
    let portable = |item: &Located| Located { at: Location { arena: 0, ..item.at }, ..*item };
    merkle_root(&items.iter().map(portable).collect::<Vec<_>>())
}

/// Seals an arena whose records end at `end` and hold `items`.
pub(crate) fn write_seal(
    arena: &Arena,
    end: u64,
    mut items: Vec<Located>,
) -> Result<(), AppendError> {
    for item in &mut items {
        item.at.arena = 0;
    }
    items.sort_unstable();
    items.dedup();
    let mut table = Vec::with_capacity(items.len() * LOCATED_LEN + SEAL_LEN);
    for item in &items {
        table.extend(item.encode());
    }
    let seal = Seal {
        entries: items.len() as u64,
        table_at: end,
        root: merkle_root(&items),
        table_check: check_of(&table),
    };
    table.extend(seal.encode(&arena.header.key));
    // The records are made durable first: a seal must never describe bytes that a crash can lose.
    arena.file().sync()?;
    arena.file().write_at(end, &table)?;
    arena.file().sync()?;
    Ok(())
}

/// Appends one contiguous run of raw items. Dropped before `finish`, it leaves bytes that no trailer
/// describes, which is what a crash would leave too.
pub(crate) struct ExtentWriter<'a> {
    lane: &'a Lane,
    state: MutexGuard<'a, State>,
    items: Vec<Item>,
    len: u64,
}

impl ExtentWriter<'_> {
    /// Returns whether an item of `len` bytes still fits the arena.
    pub fn has_room(&self, len: usize) -> bool {
        let Some(open) = &self.state.open else { return false };
        let items = self.items.len() + 1;
        let directory = items * crate::format::DIRECTORY_ENTRY_LEN;
        let payload = self.len + len as u64;
        let need = align(payload + directory as u64) + TRAILER_LEN as u64 + seal_room(items);
        payload <= crate::format::RECORD_PAYLOAD_MAX
            && (self.items.is_empty() || open.end + need <= self.lane.maker.capacity)
    }

    /// Appends an item's bytes right behind the previous ones.
    pub fn push(&mut self, item: Item, bytes: &[u8]) -> Result<(), AppendError> {
        self.state.check()?;
        if let Some(open) = &mut self.state.open {
            let end = open.end + self.len;
            let every = self.lane.maker.sync_every_bytes;
            let file = open.arena.file().clone();
            let result = file.write_at(end, bytes);
            let result = result.and_then(|()| open.background.consider(end, every, &file));
            self.state.note(result.map_err(AppendError::from))?;
        }
        self.len += bytes.len() as u64;
        self.items.push(item);
        Ok(())
    }

    /// Writes directory and trailer.
    pub fn finish(mut self) -> Result<Appended, AppendError> {
        let directory = encode_directory(&self.items);
        let trailer = Trailer {
            kind: RecordKind::Extent,
            codec: Codec::Raw,
            payload_len: self.len,
            raw_len: self.len,
            directory_len: directory.len() as u32,
            payload_check: [0; 16],
        };
        let Some(open) = &mut self.state.open else { return Ok(Appended::default()) };
        let trailer_at = open.end + trailer.body_len();
        let bytes = describe(&trailer, &open.arena.header.key, trailer_at, &directory);
        let result = open.arena.file().write_at(open.end + self.len, &bytes);
        let result = match result {
            Ok(()) => open.advance(trailer_at, &self.items, &self.lane.maker),
            Err(error) => Err(error.into()),
        };
        self.len = 0;
        self.state.note(result)
    }
}

impl Drop for ExtentWriter<'_> {
    /// What was written stays where it is, even if nothing describes it.
    fn drop(&mut self) {
        if let Some(open) = &mut self.state.open {
            open.end = align(open.end + self.len);
        }
    }
}
