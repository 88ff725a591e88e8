//! Sending arenas and blobs to a tier.
//!
//! An arena is checked, sent, and listed, in this order, so that what is listed is there. To move
//! one, it is read back whole before the file here goes; a crash at any moment leaves it in one place
//! at least, and pushing again goes on from there.

use vigil_base::{Blame, Blamed, Hasher, Vcid};
use vigil_store::{Arena, ArenaError, ArenaState, PutError, ReadError, Store, TransferError};

use crate::entry::ArenaEntry;
use crate::envelope::{Envelope, HEADER_LEN, SEGMENT_LEN};
use crate::objects::{ObjectError, PART_LEN};
use crate::secret::TierKey;
use crate::tier::{OpenTierError, Place, Tier};

/// How to push.
#[derive(Clone, Copy)]
pub struct PushOptions<'a> {
    /// Whether an arena's file stays here too. If not, it is read back from the tier, compared, and
    /// then removed here.
    pub keep: bool,
    /// Whether what was sent, or was there already, is read back and compared even if it stays here.
    pub read_back: bool,
    /// Told of every so many bytes that were sent or read back.
    pub progress: &'a dyn Fn(u64),
}

impl Default for PushOptions<'_> {
    fn default() -> Self {
        Self { keep: true, read_back: false, progress: &|_| {} }
    }
}

/// What had to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// All of it.
    New,
    /// Nothing: it was there.
    Nothing,
    /// All of it again: what was there was not what it should be.
    Again,
}

/// What was pushed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pushed {
    /// The SHA-256 of its bytes.
    pub vcid: Vcid,
    /// How many there are.
    pub bytes: u64,
    /// The object that holds them, below the tier's prefix.
    pub object: String,
    /// What had to be sent.
    pub sent: Sent,
    /// Whether the object was read back and compared.
    pub read_back: bool,
    /// Whether the file here is gone.
    pub moved: bool,
}

/// Why something could not be pushed. Nothing here has been removed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PushError {
    /// The tier's key could not be used.
    #[error(transparent)]
    Tier(#[from] OpenTierError),
    /// The tier could not be read or written.
    #[error(transparent)]
    Object(#[from] ObjectError),
    /// The arena could not be opened here.
    #[error(transparent)]
    Local(#[from] TransferError),
    /// The arena could not be read here, or its file could not be removed.
    #[error("could not read or remove the arena here")]
    Arena(#[from] ArenaError),
    /// The blob could not be read here.
    #[error("could not read the blob here")]
    Blob(#[from] ReadError),
    /// The store could not be kept from removing arenas meanwhile.
    #[error("could not use the store")]
    Store(#[from] PutError),
    /// The arena may still grow.
    #[error("arena {number:08} is not sealed; seal it with `vigil arena seal`")]
    NotSealed {
        /// Its number here.
        number: u32,
    },
    /// The arena has been moved to a tier.
    #[error("arena {number:08} has been moved to a tier already; `vigil tier pull` brings it back")]
    Moved {
        /// Its number here.
        number: u32,
    },
    /// The arena is damaged.
    #[error(
        "arena {number:08} has {items} damaged items, so it was not pushed; mend it with `vigil repair` first"
    )]
    Damaged {
        /// Its number here.
        number: u32,
        /// How many.
        items: usize,
    },
    /// The tier lists another arena under the same site and number.
    #[error(
        "the tier has another arena {serial} of site {site}: {there}, and here it is {here}; was this store copied? push to another prefix"
    )]
    Conflict {
        /// The site.
        site: String,
        /// The arena's number there.
        serial: u64,
        /// What the tier has.
        there: Vcid,
        /// What is here.
        here: Vcid,
    },
    /// The bytes changed between two readings.
    #[error("{vcid} changed here while it was read; is the disk failing? run `vigil verify --all`")]
    Changed {
        /// What they hashed to first.
        vcid: Vcid,
    },
    /// What was read back is not what was sent.
    #[error(
        "`{object}` was sent twice and reads back as something else, so nothing was removed here; do not trust this tier"
    )]
    Unfaithful {
        /// The object.
        object: String,
    },
}

impl Blamed for PushError {
    fn blame(&self) -> Blame {
        match self {
            Self::Tier(error) => error.blame(),
            Self::Object(error) => error.blame(),
            Self::Local(error) => error.blame(),
            Self::Blob(error) => error.blame(),
            Self::NotSealed { .. } | Self::Moved { .. } | Self::Conflict { .. } => Blame::Caller,
            _ => Blame::World,
        }
    }
}

/// Bytes here that are to be sent.
trait Source {
    fn read(&self, at: u64, into: &mut [u8]) -> Result<(), PushError>;
}

struct ArenaSource<'a>(&'a Arena);

impl Source for ArenaSource<'_> {
    fn read(&self, at: u64, into: &mut [u8]) -> Result<(), PushError> {
        let read = self.0.file().read_at(at, into).map_err(ArenaError::from)?;
        if read == into.len() {
            return Ok(());
        }
        Err(ArenaError::Damaged { number: self.0.number, offset: at + read as u64 }.into())
    }
}

struct BlobSource<'a>(&'a Store, vigil_store::Blob);

impl Source for BlobSource<'_> {
    fn read(&self, at: u64, into: &mut [u8]) -> Result<(), PushError> {
        Ok(self.0.read_range(&self.1, at, into)?)
    }
}

impl Tier {
    /// Pushes a sealed arena, by its number in `store`.
    pub fn push_arena(
        &self,
        store: &Store,
        number: u32,
        options: &PushOptions<'_>,
    ) -> Result<Pushed, PushError> {
        // While this lives, nobody removes arenas.
        let hold = store.writer()?;
        let key = self.writing_key()?;
        let arena = store.arena(number)?;
        let is_moved = store.moved(number).map_err(ArenaError::from)?.is_some();
        if is_moved && !options.keep {
            return Err(PushError::Moved { number });
        }
        let entry = describe(store, &arena, key.is_some())?;
        let place = Self::entry_place(key, entry.site, entry.serial);
        let listed = match self.read_entry(&place) {
            Ok(listed) => listed,
            // A record that nobody can use is written anew.
            Err(ObjectError::Record { .. }) => None,
            Err(error) => is_wrong(error).map(|_| None)?,
        };
        if let Some(there) = listed.as_ref().map(|listed| listed.vcid).filter(|v| *v != entry.vcid)
        {
            let site = entry.site.to_string();
            let (serial, here) = (entry.serial, entry.vcid);
            return Err(PushError::Conflict { site, serial, there, here });
        }
        let source = ArenaSource(&arena);
        let mut pushed = self.push(key, &source, entry.vcid, entry.bytes, options)?;
        if listed.as_ref() != Some(&entry) {
            let json = entry.encode();
            self.inner.objects.put(&place.object, self.wrap(key, &place, json)?, false)?;
        }
        if !options.keep {
            store.move_away(&arena, entry.vcid)?;
            pushed.moved = true;
        }
        drop(hold);
        Ok(pushed)
    }

    /// Pushes a single blob. It stays here too: without `keep`, it is read back and compared.
    pub fn push_blob(
        &self,
        store: &Store,
        vcid: Vcid,
        options: &PushOptions<'_>,
    ) -> Result<Pushed, PushError> {
        let hold = store.writer()?;
        let key = self.writing_key()?;
        let blob = store.find(vcid)?;
        let len = blob.len();
        let pushed = self.push(key, &BlobSource(store, blob), vcid, len, options);
        drop(hold);
        pushed
    }

    fn push(
        &self,
        key: Option<&TierKey>,
        source: &dyn Source,
        vcid: Vcid,
        bytes: u64,
        options: &PushOptions<'_>,
    ) -> Result<Pushed, PushError> {
        let place = Self::content_place(key, vcid);
        let reads_back = options.read_back || !options.keep;
        let mut sent = match self.state(&place, vcid, bytes, reads_back, options)? {
            State::Sound => Sent::Nothing,
            State::Absent => Sent::New,
            State::Wrong => Sent::Again,
        };
        if sent != Sent::Nothing {
            self.send(key, source, &place, vcid, bytes, options)?;
            let mut state = self.state(&place, vcid, bytes, reads_back, options)?;
            if state != State::Sound && sent == Sent::New {
                sent = Sent::Again;
                self.send(key, source, &place, vcid, bytes, options)?;
                state = self.state(&place, vcid, bytes, reads_back, options)?;
            }
            if state != State::Sound {
                return Err(PushError::Unfaithful { object: place.object });
            }
        }
        let object = place.object;
        Ok(Pushed { vcid, bytes, object, sent, read_back: reads_back, moved: false })
    }

    /// Looks at what is at `place`: its header and length, and with `reads_back` all of its bytes.
    fn state(
        &self,
        place: &Place,
        vcid: Vcid,
        bytes: u64,
        reads_back: bool,
        options: &PushOptions<'_>,
    ) -> Result<State, PushError> {
        let opened = match self.open_at(place.clone()) {
            Ok(Some(opened)) if opened.plain_len == bytes => opened,
            Ok(None) => return Ok(State::Absent),
            Ok(Some(_)) => return Ok(State::Wrong),
            Err(error) => return is_wrong(error),
        };
        if !reads_back {
            return Ok(State::Sound);
        }
        match opened.hashes_to(vcid, options.progress) {
            Ok(true) => Ok(State::Sound),
            Ok(false) => Ok(State::Wrong),
            Err(error) => is_wrong(error),
        }
    }

    fn send(
        &self,
        key: Option<&TierKey>,
        source: &dyn Source,
        place: &Place,
        vcid: Vcid,
        bytes: u64,
        options: &PushOptions<'_>,
    ) -> Result<(), PushError> {
        let made = match (key, place.sealed) {
            (Some(key), Some(name)) => {
                let made = Envelope::make(key, name, bytes, &*self.inner.randomness);
                let failed = |error: vigil_base::world::RandomnessError| ObjectError::Randomness {
                    object: place.object.clone(),
                    reason: error.reason,
                };
                Some(made.map_err(failed)?)
            }
            _ => None,
        };
        let (envelope, header) = made.unzip();
        let mut parts = Parts {
            source,
            envelope,
            vcid,
            bytes,
            hasher: Some(Hasher::new()),
            at: 0,
            segment: 0,
            ready: header.map_or_else(Vec::new, |header: [u8; HEADER_LEN]| header.to_vec()),
        };
        self.inner.objects.upload(&place.object, &mut || {
            let part = parts.next()?;
            (options.progress)(part.as_ref().map_or(0, |part| part.len() as u64));
            Ok(part)
        })
    }

    /// Encrypts a small object's bytes if `place` is an encrypted one.
    fn wrap(
        &self,
        key: Option<&TierKey>,
        place: &Place,
        bytes: Vec<u8>,
    ) -> Result<Vec<u8>, PushError> {
        let (Some(key), Some(name)) = (key, place.sealed) else { return Ok(bytes) };
        let made = Envelope::make(key, name, bytes.len() as u64, &*self.inner.randomness);
        let (envelope, header) = made.map_err(|error| ObjectError::Randomness {
            object: place.object.clone(),
            reason: error.reason,
        })?;
        let mut stored = header.to_vec();
        for (number, segment) in (0..).zip(bytes.chunks(SEGMENT_LEN)) {
            let mut segment = segment.to_vec();
            envelope.encrypt(number, &mut segment);
            stored.extend(segment);
        }
        Ok(stored)
    }
}

/// What is at a place.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Absent,
    Sound,
    Wrong,
}

/// Tells an object that is not what it should be from a tier that cannot be read.
fn is_wrong(error: ObjectError) -> Result<State, PushError> {
    match error {
        ObjectError::Absent { .. } => Ok(State::Absent),
        ObjectError::Length { .. }
        | ObjectError::NotEncrypted { .. }
        | ObjectError::WrongKey { .. }
        | ObjectError::Swapped { .. }
        | ObjectError::Altered { .. } => Ok(State::Wrong),
        error => Err(error.into()),
    }
}

/// Reads an arena through, and says what its listing record will.
fn describe(store: &Store, arena: &Arena, encrypted: bool) -> Result<ArenaEntry, PushError> {
    let number = arena.number;
    let infos = store.arenas()?;
    let info = infos.into_iter().find(|info| info.number == number);
    let info = info.ok_or(TransferError::Absent { number })?;
    let (ArenaState::Sealed | ArenaState::Moved(_), Some(items), Some(root)) =
        (info.state, info.items, info.root)
    else {
        return Err(PushError::NotSealed { number });
    };
    let damaged = damaged_items(arena)?;
    if damaged > 0 {
        return Err(PushError::Damaged { number, items: damaged });
    }
    Ok(ArenaEntry {
        site: info.site,
        serial: info.serial,
        class: info.class,
        created: info.created,
        vcid: arena.vcid()?,
        bytes: info.bytes,
        items,
        root,
        encrypted,
    })
}

/// Counts the items that the table lists and the records do not have intact. Such an arena would be
/// refused by whoever pulls it.
fn damaged_items(arena: &Arena) -> Result<usize, PushError> {
    let number = arena.number;
    let seal = arena.seal()?.map_err(|_| PushError::NotSealed { number })?;
    let listed = arena.sealed_items(&seal)?;
    let mut intact = arena.scan(0)?.items;
    intact.sort_unstable();
    Ok(listed.iter().filter(|item| intact.binary_search(item).is_err()).count())
}

/// The parts of an upload: read, hashed again, and encrypted.
struct Parts<'a> {
    source: &'a dyn Source,
    envelope: Option<Envelope>,
    vcid: Vcid,
    bytes: u64,
    hasher: Option<Hasher>,
    at: u64,
    segment: u64,
    ready: Vec<u8>,
}

impl Parts<'_> {
    /// Returns the next part. Before the last one goes out, everything has the hash it should have.
    fn next(&mut self) -> Result<Option<Vec<u8>>, PushError> {
        while self.ready.len() < PART_LEN && self.read_more()? {}
        if self.ready.is_empty() {
            return Ok(None);
        }
        let rest = self.ready.split_off(self.ready.len().min(PART_LEN));
        Ok(Some(std::mem::replace(&mut self.ready, rest)))
    }

    /// Reads a segment, or as much of a plain object; returns whether there was any.
    fn read_more(&mut self) -> Result<bool, PushError> {
        let is_first = self.at == 0 && self.segment == 0;
        let is_over = self.at == self.bytes && !(is_first && self.envelope.is_some());
        if is_over {
            let hash = self.hasher.take().map(Hasher::finish);
            return match hash {
                Some(hash) if hash != self.vcid => Err(PushError::Changed { vcid: self.vcid }),
                _ => Ok(false),
            };
        }
        let piece = if self.envelope.is_some() { SEGMENT_LEN } else { PART_LEN };
        let len = (self.bytes - self.at).min(piece as u64) as usize;
        let mut bytes = vec![0; len];
        self.source.read(self.at, &mut bytes)?;
        if let Some(hasher) = &mut self.hasher {
            hasher.update(&bytes);
        }
        if let Some(envelope) = &self.envelope {
            envelope.encrypt(self.segment, &mut bytes);
        }
        self.ready.append(&mut bytes);
        self.at += len as u64;
        self.segment += 1;
        Ok(true)
    }
}
