//! What a machine keeps about itself and others, as files behind a [`Disk`] that only its owner reads.
//!
//! | file | what |
//! |---|---|
//! | `person` | who the Person is: key and name |
//! | `person-<key>.sealed` | that key of the Person's under a passphrase, unless only the words are to have it |
//! | `machine.sealed` | this machine's key under a passphrase |
//! | `known` | other people: keys and names |
//! | `machine-cert.pub` | what the Person says of this machine's SSH key, for stock tools |
//! | `puddle` | which puddle this machine belongs to, and what it knows of the time |
//! | `lock` | held by whoever changes one of these |
//! | `feeds/` | feeds, of this machine and of others, events, evidence of forks; under a lock of its own |
//!
//! Invariants: a file is replaced whole or not at all, by one process at a time that has read what it
//! replaces; a sealed key is durable before anything names it. Whoever holds the lock of the feeds may take
//! the other one, and nobody the other way round.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use vigil_base::cbor::{DecodeError, Decoder, Encoder, Fault};
use vigil_base::world::{
    Disk, DiskError, DiskFile, Lock, Moment, OpenMode, read_file, replace_file,
};
use vigil_base::{Blame, Blamed, Name, Vcid};

use crate::feed::{BatchError, EquivocationError, FeedLogError, Waiting};
use crate::keys::KeyBytes;
use crate::puddle::{Authority, Clocks, FoldError, TimeHere, View};

mod bundle;
mod known;

pub use bundle::{
    Bundle, BundleError, EVENTS_BYTES_MAX, FEEDS_BYTES_MAX, MACHINE_BYTES_MAX, Packed, Taken,
};
pub use known::Known;

const LOCK: &str = "lock";
const PERSON: &str = "person";
const MACHINE_SEALED: &str = "machine.sealed";
const KNOWN: &str = "known";
const PUDDLE: &str = "puddle";
const CERTIFICATE: &str = "machine-cert.pub";

const PERSON_TAG: &str = "vigil.person/1";
const KNOWN_TAG: &str = "vigil.known/1";
const PUDDLE_TAG: &str = "vigil.puddle-here/1";

/// Longest file but for feeds, in bytes: tens of thousands of known people.
const FILE_BYTES_MAX: usize = 4 << 20;

/// Somebody, by key and name. The name is what this machine's owner calls them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// The key.
    pub key: KeyBytes,
    /// The name.
    pub name: Name,
    /// Since when this machine knows them.
    pub at: Moment,
}

/// Which puddle this machine belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PuddleHere {
    /// The puddle.
    pub id: Vcid,
    /// What is known of the time by which it is judged.
    pub time: TimeHere,
}

/// Why a file could not be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HomeError {
    /// The disk failed.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The file is not what it should be.
    #[error("{file} is damaged")]
    Damaged {
        /// Which.
        file: &'static str,
        /// What is wrong with it.
        source: DecodeError,
    },
    /// Evidence of a fork cannot be read, so whether its machine is frozen is not known.
    #[error(
        "the evidence {file} is damaged; import a bundle that has it, so that its machine stays frozen"
    )]
    Evidence {
        /// Which.
        file: String,
        /// What is wrong with it.
        source: EquivocationError,
    },
    /// The other side of a fork cannot be read.
    #[error(
        "the batch {file} is damaged; import a bundle that has it, so that both sides are shown"
    )]
    Rival {
        /// Which.
        file: String,
        /// What is wrong with it.
        source: BatchError,
    },
    /// Another process is changing these files.
    #[error("another process is changing the files of this machine's identity")]
    Busy,
    /// The Person is another one than when this began.
    #[error("another process has changed who the Person is here")]
    Changed,
    /// The feeds could not be written.
    #[error(transparent)]
    Feeds(#[from] FeedLogError),
    /// The puddle has no beginning here.
    #[error(transparent)]
    Fold(#[from] FoldError),
}

impl Blamed for HomeError {
    fn blame(&self) -> Blame {
        match self {
            Self::Fold(source) => source.blame(),
            _ => Blame::World,
        }
    }
}

/// A machine's own folder.
#[derive(Clone)]
pub struct Home {
    disk: Arc<dyn Disk>,
}

impl Home {
    /// Uses a disk that only its owner reads.
    pub fn new(disk: Arc<dyn Disk>) -> Self {
        Self { disk }
    }

    /// Returns the disk.
    pub fn disk(&self) -> &Arc<dyn Disk> {
        &self.disk
    }

    fn read(&self, file: &str, name: &'static str) -> Result<Option<Vec<u8>>, HomeError> {
        self.read_up_to(FILE_BYTES_MAX, file, name)
    }

    /// Reads a file of at most so many bytes; `name` is what it is called where it is damaged.
    fn read_up_to(
        &self,
        bytes_max: usize,
        file: &str,
        name: &'static str,
    ) -> Result<Option<Vec<u8>>, HomeError> {
        let Some(start) = read_file(&*self.disk, file, bytes_max)? else { return Ok(None) };
        let source = DecodeError { offset: bytes_max, fault: Fault::Oversized };
        start.whole().map(Some).ok_or(HomeError::Damaged { file: name, source })
    }

    /// Takes the right to change files, until it is dropped.
    fn lock(&self) -> Result<HomeLock<'_>, HomeError> {
        self.lock_if(Waiting::Long)
    }

    fn lock_if(&self, waiting: Waiting) -> Result<HomeLock<'_>, HomeError> {
        self.disk.create_folder("")?;
        let file = self.disk.open(LOCK, OpenMode::Create)?;
        if file.lock(Lock::Exclusive, waiting == Waiting::Long)? {
            Ok(HomeLock { disk: &*self.disk, _file: file })
        } else {
            Err(HomeError::Busy)
        }
    }

    /// Returns who the Person is.
    ///
    /// # Errors
    /// Fails where the disk does, and for damaged files.
    pub fn person(&self) -> Result<Option<Person>, HomeError> {
        let Some(bytes) = self.read(PERSON, PERSON)? else { return Ok(None) };
        let read = || {
            let mut decoder = Decoder::record(&bytes, PERSON_TAG, 4)?;
            let person = decode_person(&mut decoder)?;
            decoder.finish()?;
            Ok(person)
        };
        read().map(Some).map_err(|source| HomeError::Damaged { file: PERSON, source })
    }

    /// Says who the Person is, in place of the one whose key is `before`.
    ///
    /// # Errors
    /// Fails where the disk does, and where the Person is neither that one nor this one already.
    pub fn set_person(&self, person: &Person, before: Option<KeyBytes>) -> Result<(), HomeError> {
        let lock = self.lock()?;
        let now = self.person()?.map(|person| person.key);
        if now != before && now != Some(person.key) {
            return Err(HomeError::Changed);
        }
        lock.write(PERSON, &encode_person_file(person))
    }

    /// Follows the Person to the key that the puddle's rotations lead to, where it was one of that Person's
    /// keys that is known here. Returns the Person if the key is new.
    ///
    /// # Errors
    /// Fails where the disk does.
    pub fn follow(&self, view: &View) -> Result<Option<Person>, HomeError> {
        let Authority::Person(key) = view.authority else { return Ok(None) };
        let leads_from = |person: &Person| person.key != key && view.persons.contains(&person.key);
        if !self.person()?.is_some_and(|person| leads_from(&person)) {
            return Ok(None);
        }
        let lock = self.lock()?;
        let Some(person) = self.person()?.filter(leads_from) else { return Ok(None) };
        let person = Person { key, ..person };
        lock.write(PERSON, &encode_person_file(&person))?;
        Ok(Some(person))
    }

    /// Returns the sealed key of a Person.
    ///
    /// # Errors
    /// Fails where the disk does.
    pub fn person_sealed(&self, key: &KeyBytes) -> Result<Option<Vec<u8>>, HomeError> {
        self.read(&seal_path(key), "the Person's sealed key")
    }

    /// Keeps the sealed key of a Person, under a name of its own: what is there of other keys stays.
    ///
    /// # Errors
    /// Fails where the disk does.
    pub fn keep_seal(&self, key: &KeyBytes, sealed: &[u8]) -> Result<(), HomeError> {
        self.lock()?.write(&seal_path(key), sealed)
    }

    /// Removes the sealed keys of all other Persons than `kept`.
    ///
    /// # Errors
    /// Fails where the disk does.
    pub fn drop_seals(&self, kept: Option<&KeyBytes>) -> Result<(), HomeError> {
        let _lock = self.lock()?;
        let kept = kept.map(seal_path);
        let names = self.disk.list("")?;
        let is_dropped = |name: &&String| {
            name.starts_with("person-") && name.ends_with(".sealed") && Some(*name) != kept.as_ref()
        };
        for name in names.iter().filter(is_dropped) {
            self.disk.remove(name)?;
        }
        Ok(self.disk.sync_folder("")?)
    }

    /// Returns this machine's sealed key.
    ///
    /// # Errors
    /// Fails where the disk does.
    pub fn machine_sealed(&self) -> Result<Option<Vec<u8>>, HomeError> {
        self.read(MACHINE_SEALED, MACHINE_SEALED)
    }

    /// Keeps this machine's sealed key, and says whether it did: a key that is there is not replaced.
    ///
    /// # Errors
    /// Fails where the disk does.
    pub fn set_machine(&self, sealed: &[u8]) -> Result<bool, HomeError> {
        let lock = self.lock()?;
        if self.machine_sealed()?.is_some() {
            return Ok(false);
        }
        lock.write(MACHINE_SEALED, sealed)?;
        Ok(true)
    }

    /// Keeps the line of this machine's OpenSSH certificate, in place of what was there.
    ///
    /// # Errors
    /// Fails where the disk does.
    pub fn set_certificate(&self, line: &str) -> Result<(), HomeError> {
        self.lock()?.write(CERTIFICATE, line.as_bytes())
    }

    /// Returns the other people that this machine knows, in the order of their names.
    ///
    /// # Errors
    /// Fails where the disk does, and for damaged files.
    pub fn known(&self) -> Result<Vec<Person>, HomeError> {
        let Some(bytes) = self.read(KNOWN, KNOWN)? else { return Ok(Vec::new()) };
        let read = || {
            let mut decoder = Decoder::record(&bytes, KNOWN_TAG, 2)?;
            let count = decoder.array()?;
            let mut people = Vec::new();
            for _ in 0..count {
                decoder.array_of(3)?;
                people.push(decode_person(&mut decoder)?);
            }
            decoder.finish()?;
            Ok(people)
        };
        read().map_err(|source| HomeError::Damaged { file: KNOWN, source })
    }

    /// Changes the list of other people, while no other process does.
    ///
    /// # Errors
    /// Fails where the disk does, and where `change` does, which then changes nothing.
    pub fn update_known<T, E: From<HomeError>>(
        &self,
        change: impl FnOnce(&mut Vec<Person>) -> Result<T, E>,
    ) -> Result<T, E> {
        let lock = self.lock()?;
        let mut people = self.known()?;
        let done = change(&mut people)?;
        people.sort_by(|one, two| (&one.name, one.key).cmp(&(&two.name, two.key)));
        let mut encoder = Encoder::record(KNOWN_TAG, 2);
        encoder.array(people.len());
        for person in &people {
            encoder.array(3);
            encode_person(&mut encoder, person);
        }
        lock.write(KNOWN, &encoder.finish())?;
        Ok(done)
    }

    /// Returns which puddle this machine belongs to.
    ///
    /// # Errors
    /// Fails where the disk does, and for damaged files.
    pub fn puddle(&self) -> Result<Option<PuddleHere>, HomeError> {
        let Some(bytes) = self.read(PUDDLE, PUDDLE)? else { return Ok(None) };
        let read = || {
            let mut decoder = Decoder::record(&bytes, PUDDLE_TAG, 2 + TimeHere::ITEMS)?;
            let id = Vcid::from_bytes(decoder.byte_array()?);
            let time = TimeHere::decode_from(&mut decoder)?;
            decoder.finish()?;
            Ok(PuddleHere { id, time })
        };
        read().map(Some).map_err(|source| HomeError::Damaged { file: PUDDLE, source })
    }

    /// Changes which puddle this machine belongs to or what it knows of the time, while no other process
    /// does.
    ///
    /// # Errors
    /// Fails where the disk does, and where `change` does, which then changes nothing.
    pub fn update_puddle<T, E: From<HomeError>>(
        &self,
        change: impl FnOnce(&mut Option<PuddleHere>) -> Result<T, E>,
    ) -> Result<T, E> {
        let lock = self.lock()?;
        let mut here = self.puddle()?;
        let done = change(&mut here)?;
        if let Some(here) = &here {
            lock.write_puddle(here)?;
        }
        Ok(done)
    }

    /// Remembers what time it is, where this machine belongs to a puddle. While another process is changing
    /// files it is left to whoever comes next: the less is remembered, the less is under the clock.
    ///
    /// # Errors
    /// Fails where the disk does, and for damaged files.
    pub fn pass_time(&self, clocks: impl FnOnce() -> Clocks) -> Result<(), HomeError> {
        let lock = match self.lock_if(Waiting::Not) {
            Err(HomeError::Busy) => return Ok(()),
            lock => lock?,
        };
        let Some(mut here) = self.puddle()? else { return Ok(()) };
        here.time.pass(&clocks());
        lock.write_puddle(&here)
    }
}

/// The right to change files.
struct HomeLock<'a> {
    disk: &'a dyn Disk,
    _file: Box<dyn DiskFile>,
}

impl HomeLock<'_> {
    fn write(&self, file: &str, bytes: &[u8]) -> Result<(), HomeError> {
        Ok(replace_file(self.disk, file, bytes)?)
    }

    fn write_puddle(&self, here: &PuddleHere) -> Result<(), HomeError> {
        let mut encoder = Encoder::record(PUDDLE_TAG, 2 + TimeHere::ITEMS);
        encoder.bytes(here.id.as_bytes());
        here.time.encode_into(&mut encoder);
        self.write(PUDDLE, &encoder.finish())
    }
}

fn seal_path(key: &KeyBytes) -> String {
    format!("person-{key}.sealed")
}

fn encode_person_file(person: &Person) -> Vec<u8> {
    let mut encoder = Encoder::record(PERSON_TAG, 4);
    encode_person(&mut encoder, person);
    encoder.finish()
}

fn encode_person(encoder: &mut Encoder, person: &Person) {
    encoder.bytes(&person.key.0);
    encoder.text(person.name.as_str());
    encoder.integer(person.at.0);
}

fn decode_person(decoder: &mut Decoder<'_>) -> Result<Person, DecodeError> {
    let key = KeyBytes(decoder.byte_array()?);
    let at = decoder.offset();
    let Ok(name) = Name::new(decoder.text()?) else { return decoder.fault(at, Fault::Range) };
    Ok(Person { key, name, at: Moment(decoder.integer()?) })
}
