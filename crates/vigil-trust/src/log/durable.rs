//! A log on a disk: appended to by any number of processes, one at a time, and served as it lies.
//!
//! A batch is durable when the journal is; its tiles follow without a wait, and are synced when the
//! journal is replaced. Whoever opens a log after a crash writes them again from the journal.
//!
//! Invariants:
//! - a checkpoint is published only after the journal that leads to it is durable, so that no crash
//!   makes the log sign another tree of that size;
//! - the tiles of the journal's base are durable, and stay until the journal has another base;
//! - all changes are made under the lock `state/lock`.

use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::string::{String, ToString as _};
use alloc::sync::Arc;
use alloc::vec::Vec;

use vigil_base::world::{Disk, DiskError, DiskFile, Lock, OpenMode, replace_file};
use vigil_base::{Blame, Blamed};

use super::checkpoint::{
    Checkpoint, CheckpointError, LogKeyError, LogKeys, Origin, SignedCheckpoint, UnsignedError,
};
use super::cosignature::check_line;
use super::edge::{Edge, EdgeError, TileFile};
use super::files::{CHECKPOINT, DiskTiles, read_checkpoint, read_whole};
use super::journal::{self, Journal, JournalError, STATE, Tail, split_entries};
use super::note::{NoteKey, NoteSignature, NoteSigner};
use super::tile::{EntryTooLong, TILE_WIDTH, TileId, TileKind, decimal, encode_entry};
use super::tree::{LeafIndex, TreeHash, TreeSize};

const LOCK: &str = "state/lock";
const MINIMUM: &str = "state/minimum";

/// Length from which on a journal is replaced, in bytes: a crash then costs reading 4 MiB, and
/// opening a log no more.
const JOURNAL_BYTES_MAX: u64 = 4 << 20;

/// Most bytes that one batch may take in the journal.
pub const BATCH_BYTES_MAX: usize = 64 << 20;

/// A log that can be appended to.
pub struct DurableLog {
    disk: Arc<dyn Disk>,
    signer: NoteSigner,
    keys: LogKeys,
    state: Option<State>,
}

/// What is known of the log as of the journal's end. Gone after a failure, and then read again.
struct State {
    edge: Edge,
    checkpoint: SignedCheckpoint,
    tail: Tail,
    /// The sizes that were published since the journal's base, which is the first.
    sizes: Vec<TreeSize>,
}

/// What an append gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Appended {
    /// The index of the first entry of the batch.
    pub first: LeafIndex,
    /// What the log says now.
    pub checkpoint: SignedCheckpoint,
}

/// Why a log could not be opened or changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// The disk failed.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// There is a log already.
    #[error("there is a log in {place} already")]
    Exists {
        /// The folder.
        place: String,
    },
    /// There is no log.
    #[error("there is no log in {place}")]
    NoLog {
        /// The folder.
        place: String,
    },
    /// The journal cannot be read.
    #[error("the log's journal cannot be used")]
    Journal(#[source] JournalError),
    /// The log is of another key.
    #[error("the log was not signed with this key")]
    Key(#[from] UnsignedError),
    /// The key cannot speak for a log.
    #[error(transparent)]
    LogKey(#[from] LogKeyError),
    /// A tile is missing or damaged.
    #[error("the log's tiles cannot be used")]
    Tiles(#[source] Box<EdgeError<DiskError>>),
    /// The files lead to another root than the one that was signed.
    #[error("the log's files lead to the root {found}, but {wanted} was signed: they were changed")]
    Changed {
        /// The root that was signed.
        wanted: TreeHash,
        /// The one that the files lead to.
        found: TreeHash,
    },
    /// An entry is too long.
    #[error(transparent)]
    Entry(#[from] EntryTooLong),
    /// A batch is too long.
    #[error(
        "a batch has at most {BATCH_BYTES_MAX} bytes, this one has {found}; append it in parts"
    )]
    Batch {
        /// How many bytes it would take.
        found: usize,
    },
    /// What the log says of itself is no checkpoint.
    #[error("the log cannot say this of itself")]
    Checkpoint(#[from] CheckpointError),
    /// The batch is in the log, but its tiles could not be written. They will be by the next one who
    /// opens the log.
    #[error("entries {first} and following are in the log, but not published yet")]
    Unpublished {
        /// The index of the first entry.
        first: LeafIndex,
        /// Why.
        source: Box<Self>,
    },
    /// What is published goes further than the journal, or elsewhere.
    #[error("{size} entries were published, which the journal does not lead to: it was set back")]
    SetBack {
        /// How many entries were published.
        size: TreeSize,
    },
    /// The index is not one from which the log can be kept.
    #[error("the log has {size} entries and is kept from {kept} on, which cannot become {wanted}")]
    Minimum {
        /// How many entries there are.
        size: TreeSize,
        /// From where it is kept.
        kept: LeafIndex,
        /// From where it was to be kept.
        wanted: LeafIndex,
    },
}

impl Blamed for LogError {
    fn blame(&self) -> Blame {
        match self {
            Self::Exists { .. } | Self::NoLog { .. } | Self::Key(_) | Self::LogKey(_) => {
                Blame::Caller
            }
            Self::Entry(_) | Self::Batch { .. } | Self::Checkpoint(_) => Blame::Caller,
            _ => Blame::World,
        }
    }
}

impl From<JournalError> for LogError {
    fn from(error: JournalError) -> Self {
        match error {
            JournalError::Disk(error) => Self::Disk(error),
            other => Self::Journal(other),
        }
    }
}

impl DurableLog {
    /// Starts a log without entries in the folder of `disk`. The signer's name is the origin.
    pub fn create(disk: Arc<dyn Disk>, signer: NoteSigner) -> Result<Self, LogError> {
        let keys = LogKeys::of(signer.key().clone())?;
        disk.create_folder(STATE)?;
        disk.sync_folder("")?;
        let this = Self { disk, signer, keys, state: None };
        let lock = this.lock()?;
        match Journal::open(&*this.disk) {
            Err(JournalError::Absent) => {}
            _ => return Err(LogError::Exists { place: this.disk.describe() }),
        }
        let checkpoint = this.sign(&Edge::new())?;
        journal::replace(&*this.disk, 0, &checkpoint)?;
        drop(lock);
        Self::open_with(this)
    }

    /// Opens a log, and publishes what a crash left in its journal.
    pub fn open(disk: Arc<dyn Disk>, signer: NoteSigner) -> Result<Self, LogError> {
        let keys = LogKeys::of(signer.key().clone())?;
        Self::open_with(Self { disk, signer, keys, state: None })
    }

    fn open_with(mut this: Self) -> Result<Self, LogError> {
        let _lock = this.lock()?;
        let state = this.load()?;
        this.state = Some(state);
        Ok(this)
    }

    /// Returns what the log said when it was last looked at.
    pub fn checkpoint(&self) -> Option<&SignedCheckpoint> {
        self.state.as_ref().map(|state| &state.checkpoint)
    }

    /// Returns the log's name.
    pub fn origin(&self) -> &Origin {
        self.keys.origin()
    }

    /// Appends entries, in their order, and returns when they are durable and published.
    ///
    /// # Errors
    /// Fails without a change, or with [`LogError::Unpublished`] after the entries became durable.
    pub fn append(&mut self, entries: &[&[u8]]) -> Result<Appended, LogError> {
        let mut bundle = Vec::new();
        for entry in entries {
            encode_entry(entry, &mut bundle)?;
        }
        if bundle.len() > BATCH_BYTES_MAX {
            return Err(LogError::Batch { found: bundle.len() });
        }
        let _lock = self.lock()?;
        // Taken out: whatever fails below, the state is read again.
        let (mut journal, mut state) = self.look()?;
        if state.tail.offset > JOURNAL_BYTES_MAX && !entries.is_empty() {
            self.turn(&mut state)?;
            journal = Journal::open(&*self.disk)?;
        }
        let first = LeafIndex(state.edge.size().0);
        if entries.is_empty() {
            let checkpoint = state.checkpoint.clone();
            self.state = Some(state);
            return Ok(Appended { first, checkpoint });
        }
        let mut full = Vec::new();
        for entry in entries {
            state.edge.push(entry, &mut full)?;
        }
        let checkpoint = self.sign(&state.edge)?;
        journal.append(&mut state.tail, &bundle, &checkpoint.to_string())?;
        let published = self
            .write_tiles(&state.edge, TreeSize(first.0), full)
            .map_err(LogError::Disk)
            .and_then(|()| self.publish(&checkpoint));
        published.map_err(|source| LogError::Unpublished { first, source: Box::new(source) })?;
        state.sizes.push(state.edge.size());
        state.checkpoint = checkpoint.clone();
        self.state = Some(state);
        Ok(Appended { first, checkpoint })
    }

    /// Adds what witnesses signed to the published checkpoint. Lines that are of no such witness, or do
    /// not fit the checkpoint, are left out; returns how many were added.
    pub fn add_cosignatures(
        &mut self,
        witnesses: &[NoteKey],
        lines: &[NoteSignature],
    ) -> Result<usize, LogError> {
        let _lock = self.lock()?;
        let bytes = read_checkpoint(&*self.disk)?;
        let place = || LogError::NoLog { place: self.disk.describe() };
        let mut published = SignedCheckpoint::parse(&bytes.ok_or_else(place)?)?;
        published.verify(&self.keys)?;
        let text = published.note().text().to_string();
        let fits = |line: &&NoteSignature| {
            witnesses.iter().any(|witness| check_line(&text, witness, line).is_some())
        };
        let before = published.note().signatures().len();
        published.note_mut().add(lines.iter().filter(fits).cloned());
        let added = published.note().signatures().len() - before;
        if added > 0 {
            replace_file(&*self.disk, CHECKPOINT, published.to_string().as_bytes())?;
        }
        Ok(added)
    }

    /// Makes all tiles durable and the journal short.
    pub fn flush(&mut self) -> Result<(), LogError> {
        let _lock = self.lock()?;
        let (_, mut state) = self.look()?;
        if state.sizes.len() > 1 {
            self.turn(&mut state)?;
        }
        self.state = Some(state);
        Ok(())
    }

    /// Lets the log be kept from an index on only: full tiles that end before it need no longer be
    /// served (tlog-tiles, "Pruning"). Nothing is removed. Whether a retention policy permits it, the
    /// caller must know.
    pub fn keep_from(&mut self, index: LeafIndex) -> Result<(), LogError> {
        let _lock = self.lock()?;
        let (_, state) = self.look()?;
        let (size, kept) = (state.edge.size(), minimum_index(&*self.disk)?);
        self.state = Some(state);
        if index.0 > size.0 || index < kept {
            return Err(LogError::Minimum { size, kept, wanted: index });
        }
        Ok(replace_file(&*self.disk, MINIMUM, index.to_string().as_bytes())?)
    }

    fn lock(&self) -> Result<Box<dyn DiskFile>, LogError> {
        let file = match self.disk.open(LOCK, OpenMode::Create) {
            Err(error) if error.fault == vigil_base::world::DiskFault::Absent => {
                return Err(LogError::NoLog { place: self.disk.describe() });
            }
            opened => opened?,
        };
        file.lock(Lock::Exclusive, true)?;
        Ok(file)
    }

    fn sign(&self, edge: &Edge) -> Result<SignedCheckpoint, LogError> {
        let checkpoint = Checkpoint {
            origin: self.keys.origin().clone(),
            size: edge.size(),
            root: edge.root(),
            extensions: Vec::new(),
        };
        Ok(checkpoint.sign(&[&self.signer])?)
    }

    /// Reads everything from the disk, and writes again what the journal is ahead of the tiles.
    fn load(&self) -> Result<State, LogError> {
        let journal = match Journal::open(&*self.disk) {
            Err(JournalError::Absent) => {
                return Err(LogError::NoLog { place: self.disk.describe() });
            }
            opened => opened?,
        };
        let base = journal.base.verify(&self.keys)?;
        let size = base.size;
        let edge = Edge::read(DiskTiles(&*self.disk), size)
            .map_err(|error| LogError::Tiles(Box::new(error)))?;
        expect_root(edge.root(), base)?;
        let mut state = State {
            edge,
            checkpoint: journal.base.clone(),
            tail: journal.start,
            sizes: Vec::from([size]),
        };
        self.follow(&journal, &mut state, true)?;
        self.publish(&state.checkpoint)?;
        Ok(state)
    }

    /// Takes the state as it is now. It is put back where nothing fails.
    fn look(&mut self) -> Result<(Journal, State), LogError> {
        match self.state.take() {
            Some(state) => self.catch_up(state),
            None => {
                let state = self.load()?;
                Ok((Journal::open(&*self.disk)?, state))
            }
        }
    }

    /// Looks at what other processes did since.
    fn catch_up(&self, mut state: State) -> Result<(Journal, State), LogError> {
        let journal = Journal::open(&*self.disk)?;
        if journal.start.generation != state.tail.generation {
            return Ok((journal, self.load()?));
        }
        let size = state.edge.size();
        self.follow(&journal, &mut state, false)?;
        if state.edge.size() != size {
            // They may have died before they published it.
            self.publish(&state.checkpoint)?;
        }
        Ok((journal, state))
    }

    /// Takes the batches that follow in the journal. All others hold still: we have the lock.
    fn follow(&self, journal: &Journal, state: &mut State, is_first: bool) -> Result<(), LogError> {
        let mut batches = Vec::new();
        while let Some(batch) = journal.next(&mut state.tail)? {
            batches.push(batch);
        }
        if is_first || !batches.is_empty() {
            let end = batches.last().map_or(&state.checkpoint, |batch| &batch.checkpoint);
            // What was published is in the journal. Where that ends sooner it is damaged, and nothing may
            // be cut from it.
            self.expect_published_before(end.unverified())?;
            journal.settle(&state.tail)?;
        }
        for batch in batches {
            let since = state.edge.size();
            let mut full = Vec::new();
            for entry in split_entries(&batch.entries) {
                let entry = entry.ok_or(LogError::Journal(JournalError::Head))?;
                state.edge.push(entry, &mut full)?;
            }
            let checked = batch.checkpoint.verify(&self.keys)?;
            expect_root(state.edge.root(), checked)?;
            self.write_tiles(&state.edge, since, full)?;
            state.sizes.push(state.edge.size());
            state.checkpoint = batch.checkpoint;
        }
        Ok(())
    }

    /// Writes the tiles of a batch, full and partial, without waiting for the disk.
    fn write_tiles(
        &self,
        edge: &Edge,
        since: TreeSize,
        full: Vec<TileFile>,
    ) -> Result<(), DiskError> {
        let mut made = BTreeSet::new();
        for file in full.into_iter().chain(edge.partial(since)) {
            let path = file.id.path();
            let folder = parent(&path);
            if !made.contains(folder) {
                self.disk.create_folder(folder)?;
                made.insert(folder.to_string());
            }
            let open = self.disk.open(&path, OpenMode::Create)?;
            open.write_at(0, &file.bytes)?;
            open.set_len(file.bytes.len() as u64)?;
        }
        Ok(())
    }

    /// Refuses a checkpoint where readers see one that it does not come after. Says whether they see it
    /// already.
    fn expect_published_before(&self, new: &Checkpoint) -> Result<bool, LogError> {
        let bytes = read_checkpoint(&*self.disk)?;
        // What a crash has torn is not published: it is what the journal has anyway.
        let published = bytes.and_then(|bytes| SignedCheckpoint::parse(&bytes).ok());
        match published.as_ref().and_then(|seen| seen.verify(&self.keys).ok()) {
            Some(seen) if seen == new => Ok(true),
            Some(seen) if seen.size.0 >= new.size.0 => Err(LogError::SetBack { size: seen.size }),
            _ => Ok(false),
        }
    }

    /// Lets readers see a checkpoint, unless they see it already, perhaps with more signatures.
    fn publish(&self, checkpoint: &SignedCheckpoint) -> Result<(), LogError> {
        if self.expect_published_before(checkpoint.unverified())? {
            return Ok(());
        }
        let beside = "checkpoint.new";
        let file = self.disk.open(beside, OpenMode::Create)?;
        let bytes = checkpoint.to_string();
        file.write_at(0, bytes.as_bytes())?;
        file.set_len(bytes.len() as u64)?;
        drop(file);
        Ok(self.disk.rename(beside, CHECKPOINT)?)
    }

    /// Makes the tiles since the journal's base durable, begins the journal anew, and removes partial
    /// tiles that full ones have replaced.
    fn turn(&self, state: &mut State) -> Result<(), DiskError> {
        let (now, Some(base)) = (state.edge.size(), state.sizes.first().copied()) else {
            return Ok(());
        };
        let full = tiles_between(base, now);
        let is_full = |id: &TileId| TileId::of_size(id.kind, id.index, now) == Some(id.full());
        let partial: BTreeSet<TileId> =
            state.sizes.iter().flat_map(|size| partial_of(*size)).collect();
        let kept = full.iter().copied().chain(partial.into_iter().filter(|id| !is_full(id)));
        let mut folders = BTreeSet::from([String::new()]);
        for id in kept {
            let path = id.path();
            self.disk.open(&path, OpenMode::Write)?.sync()?;
            let mut folder = parent(&path);
            while !folder.is_empty() && folders.insert(folder.to_string()) {
                folder = parent(folder);
            }
        }
        self.disk.open(CHECKPOINT, OpenMode::Write)?.sync()?;
        folders.iter().try_for_each(|folder| self.disk.sync_folder(folder))?;
        state.tail = journal::replace(&*self.disk, state.tail.generation + 1, &state.checkpoint)?;
        state.sizes = Vec::from([now]);
        // What a full tile stands for, partial ones need no longer (tlog-tiles, "Partial Tiles").
        for id in full {
            let folder = id.path() + ".p";
            for name in self.disk.list(&folder)? {
                self.disk.remove(&(folder.clone() + "/" + &name))?;
            }
        }
        Ok(())
    }
}

/// Returns the index from which a log is kept: 0 where nobody said otherwise.
pub fn minimum_index(disk: &dyn Disk) -> Result<LeafIndex, DiskError> {
    let bytes = read_whole(disk, MINIMUM, 32)?.unwrap_or_default();
    let text = core::str::from_utf8(&bytes).unwrap_or_default();
    Ok(LeafIndex(decimal(text).unwrap_or(0)))
}

fn expect_root(found: TreeHash, signed: &Checkpoint) -> Result<(), LogError> {
    let wanted = signed.root;
    if found == wanted { Ok(()) } else { Err(LogError::Changed { wanted, found }) }
}

fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// The full tiles and bundles that a tree has and an earlier one had not.
fn tiles_between(base: TreeSize, now: TreeSize) -> BTreeSet<TileId> {
    let (mut from, mut to) = (base.0 / u64::from(TILE_WIDTH), now.0 / u64::from(TILE_WIDTH));
    let mut ids = BTreeSet::new();
    for level in 0.. {
        if to == 0 {
            break;
        }
        for index in from..to {
            ids.insert(TileId { kind: TileKind::Hashes(level), index, width: TILE_WIDTH });
            if level == 0 {
                ids.insert(TileId { kind: TileKind::Entries, index, width: TILE_WIDTH });
            }
        }
        (from, to) = (from / u64::from(TILE_WIDTH), to / u64::from(TILE_WIDTH));
    }
    ids
}

/// The partial tiles of a tree.
fn partial_of(size: TreeSize) -> Vec<TileId> {
    let mut ids = Vec::new();
    let mut hashes = size.0;
    for level in 0.. {
        if hashes == 0 {
            break;
        }
        let width = (hashes % u64::from(TILE_WIDTH)) as u16;
        let index = hashes / u64::from(TILE_WIDTH);
        if width > 0 {
            ids.push(TileId { kind: TileKind::Hashes(level), index, width });
            if level == 0 {
                ids.push(TileId { kind: TileKind::Entries, index, width });
            }
        }
        hashes = index;
    }
    ids
}
