//! What a machine keeps about itself and others, as files behind a [`Disk`] that only its owner reads.
//!
//! | file | what |
//! |---|---|
//! | `person` | who the Person is: key and name |
//! | `person.sealed` | the Person's key under a passphrase, unless only the words are to have it |
//! | `machine.sealed` | this machine's key under a passphrase |
//! | `known` | other people: keys and names |
//! | `puddle` | which puddle this machine belongs to, and the floor under its clock |
//! | `feeds/` | feeds, of this machine and of others, and evidence of forks |
//!
//! Invariant: a file is replaced whole or not at all.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use vigil_base::cbor::{DecodeError, Decoder, Encoder, Fault};
use vigil_base::world::{Disk, DiskError, DiskFault, Moment, OpenMode, replace_file};
use vigil_base::{Blame, Blamed, Name, Vcid};

use crate::feed::{
    Batch, Equivocation, EquivocationError, FeedError, FeedFile, FeedId, KeepError, keep,
    read_feeds, sync_feed,
};
use crate::keys::KeyBytes;
use crate::puddle::{FoldError, PuddleEvent, TimeFloor, View, fold};
use crate::statement::Statement;

const PERSON: &str = "person";
const PERSON_SEALED: &str = "person.sealed";
const MACHINE_SEALED: &str = "machine.sealed";
const KNOWN: &str = "known";
const PUDDLE: &str = "puddle";

const PERSON_TAG: &str = "vigil.person/1";
const KNOWN_TAG: &str = "vigil.known/1";
const PUDDLE_TAG: &str = "vigil.puddle-here/1";
const BUNDLE_TAG: &str = "vigil.puddle-bundle/1";

/// Longest file but for feeds, in bytes: tens of thousands of known people.
const FILE_BYTES_MAX: u64 = 4 << 20;

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
    /// The least that the time can be.
    pub floor: TimeFloor,
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
    /// Batches could not be kept.
    #[error(transparent)]
    Keep(#[from] KeepError),
    /// The puddle has no beginning here.
    #[error(transparent)]
    Fold(#[from] FoldError),
}

impl Blamed for HomeError {
    fn blame(&self) -> Blame {
        match self {
            Self::Keep(source) => source.blame(),
            Self::Fold(source) => source.blame(),
            Self::Disk(_) | Self::Damaged { .. } | Self::Evidence { .. } => Blame::World,
        }
    }
}

/// A machine's own folder.
#[derive(Clone)]
pub struct Home {
    disk: Arc<dyn Disk>,
}

/// What is known of a puddle here.
pub struct Known {
    /// What its events mean.
    pub view: View,
    /// The feeds, with what is torn or forked.
    pub feeds: Vec<FeedFile>,
    /// The events.
    pub statements: BTreeMap<Vcid, Statement>,
    /// Feeds of which there is evidence of a fork.
    pub frozen: BTreeSet<FeedId>,
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

    fn read(&self, file: &'static str) -> Result<Option<Vec<u8>>, HomeError> {
        let opened = match self.disk.open(file, OpenMode::Read) {
            Err(error) if error.fault == DiskFault::Absent => return Ok(None),
            opened => opened?,
        };
        let len = opened.len()?;
        if len > FILE_BYTES_MAX {
            let source = DecodeError { offset: FILE_BYTES_MAX as usize, fault: Fault::Oversized };
            return Err(HomeError::Damaged { file, source });
        }
        let mut bytes = vec![0; len as usize];
        let read = opened.read_at(0, &mut bytes)?;
        bytes.truncate(read);
        Ok(Some(bytes))
    }

    fn write(&self, file: &str, bytes: &[u8]) -> Result<(), HomeError> {
        self.disk.create_folder("")?;
        Ok(replace_file(&*self.disk, file, bytes)?)
    }

    /// Returns who the Person is.
    ///
    /// # Errors
    /// Fails where the disk does, and for damaged files.
    pub fn person(&self) -> Result<Option<Person>, HomeError> {
        let Some(bytes) = self.read(PERSON)? else { return Ok(None) };
        let read = || {
            let mut decoder = Decoder::record(&bytes, PERSON_TAG, 4)?;
            let person = decode_person(&mut decoder)?;
            decoder.finish()?;
            Ok(person)
        };
        read().map(Some).map_err(|source| HomeError::Damaged { file: PERSON, source })
    }

    /// Says who the Person is, and keeps the sealed key if there is one to keep.
    ///
    /// # Errors
    /// Fails where the disk does.
    pub fn set_person(&self, person: &Person, sealed: Option<&[u8]>) -> Result<(), HomeError> {
        self.disk.create_folder("")?;
        match sealed {
            Some(sealed) => self.write(PERSON_SEALED, sealed)?,
            None => {
                self.disk.remove(PERSON_SEALED)?;
                self.disk.sync_folder("")?;
            }
        }
        let mut encoder = Encoder::record(PERSON_TAG, 4);
        encode_person(&mut encoder, person);
        self.write(PERSON, &encoder.finish())
    }

    /// Returns the Person's sealed key.
    ///
    /// # Errors
    /// Fails where the disk does.
    pub fn person_sealed(&self) -> Result<Option<Vec<u8>>, HomeError> {
        self.read(PERSON_SEALED)
    }

    /// Returns this machine's sealed key.
    ///
    /// # Errors
    /// Fails where the disk does.
    pub fn machine_sealed(&self) -> Result<Option<Vec<u8>>, HomeError> {
        self.read(MACHINE_SEALED)
    }

    /// Keeps this machine's sealed key.
    ///
    /// # Errors
    /// Fails where the disk does.
    pub fn set_machine(&self, sealed: &[u8]) -> Result<(), HomeError> {
        self.write(MACHINE_SEALED, sealed)
    }

    /// Returns the other people that this machine knows, in the order of their names.
    ///
    /// # Errors
    /// Fails where the disk does, and for damaged files.
    pub fn known(&self) -> Result<Vec<Person>, HomeError> {
        let Some(bytes) = self.read(KNOWN)? else { return Ok(Vec::new()) };
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

    /// Keeps the list of other people.
    ///
    /// # Errors
    /// Fails where the disk does.
    pub fn set_known(&self, people: &[Person]) -> Result<(), HomeError> {
        let mut people: Vec<&Person> = people.iter().collect();
        people.sort_by(|one, two| (&one.name, one.key).cmp(&(&two.name, two.key)));
        let mut encoder = Encoder::record(KNOWN_TAG, 2);
        encoder.array(people.len());
        for person in people {
            encoder.array(3);
            encode_person(&mut encoder, person);
        }
        self.write(KNOWN, &encoder.finish())
    }

    /// Returns which puddle this machine belongs to.
    ///
    /// # Errors
    /// Fails where the disk does, and for damaged files.
    pub fn puddle(&self) -> Result<Option<PuddleHere>, HomeError> {
        let Some(bytes) = self.read(PUDDLE)? else { return Ok(None) };
        let read = || {
            let mut decoder = Decoder::record(&bytes, PUDDLE_TAG, 3)?;
            let id = Vcid::from_bytes(decoder.byte_array()?);
            let floor = TimeFloor(Moment(decoder.integer()?));
            decoder.finish()?;
            Ok(PuddleHere { id, floor })
        };
        read().map(Some).map_err(|source| HomeError::Damaged { file: PUDDLE, source })
    }

    /// Says which puddle this machine belongs to, and how low the time cannot be.
    ///
    /// # Errors
    /// Fails where the disk does.
    pub fn set_puddle(&self, here: &PuddleHere) -> Result<(), HomeError> {
        let mut encoder = Encoder::record(PUDDLE_TAG, 3);
        encoder.bytes(here.id.as_bytes());
        encoder.integer(here.floor.0.0);
        self.write(PUDDLE, &encoder.finish())
    }

    /// Reads all feeds, and folds the events of a puddle that are in them.
    ///
    /// # Errors
    /// Fails where the disk does, and where the puddle's genesis is in no feed.
    pub fn open_puddle(&self, id: Vcid) -> Result<Known, HomeError> {
        let feeds = read_feeds(&*self.disk)?;
        let mut statements = BTreeMap::new();
        collect(feeds.iter().flat_map(|file| &file.batches), &mut statements);
        let frozen: BTreeSet<FeedId> = self.evidence()?.iter().map(Equivocation::feed).collect();
        let view = fold(id, statements.values(), &frozen)?;
        Ok(Known { view, feeds, statements, frozen })
    }

    fn evidence_path(feed: FeedId) -> String {
        format!("feeds/{feed}.fork")
    }

    /// Keeps evidence of a fork.
    ///
    /// # Errors
    /// Fails where the disk does.
    pub fn keep_evidence(&self, evidence: &Equivocation) -> Result<(), HomeError> {
        self.disk.create_folder("feeds")?;
        self.write(&Self::evidence_path(evidence.feed()), &evidence.encode())
    }

    /// Returns all evidence of forks.
    ///
    /// # Errors
    /// Fails where the disk does, and for damaged evidence: without it a frozen machine would count again.
    pub fn evidence(&self) -> Result<Vec<Equivocation>, HomeError> {
        let mut found = Vec::new();
        let mut names = self.disk.list("feeds")?;
        names.sort_unstable();
        for name in names.iter().filter(|name| name.ends_with(".fork")) {
            let file = self.disk.open(&format!("feeds/{name}"), OpenMode::Read)?;
            let mut bytes = vec![0; 4096];
            let len = file.read_at(0, &mut bytes)?;
            let read = Equivocation::decode(&bytes[..len]);
            found.push(read.map_err(|source| HomeError::Evidence { file: name.clone(), source })?);
        }
        Ok(found)
    }

    /// Packs a puddle's feeds and all evidence for another machine. What is packed is durable here before:
    /// a machine that showed what it then lost would sign another batch in its place.
    ///
    /// # Errors
    /// Fails where the disk does, and for damaged evidence.
    pub fn bundle(&self, id: Vcid, known: &Known) -> Result<Vec<u8>, HomeError> {
        for file in &known.feeds {
            sync_feed(&*self.disk, file.feed.id())?;
        }
        let batches: Vec<&Batch> = known.feeds.iter().flat_map(|file| &file.batches).collect();
        let evidence = self.evidence()?;
        let mut encoder = Encoder::record(BUNDLE_TAG, 4);
        encoder.bytes(id.as_bytes());
        encoder.array(batches.len());
        batches.iter().for_each(|batch| encoder.bytes(&batch.encode()));
        encoder.array(evidence.len());
        evidence.iter().for_each(|evidence| encoder.bytes(&evidence.encode()));
        Ok(encoder.finish())
    }

    /// Takes what another machine packed: new batches of the puddle's machines, and evidence of forks where
    /// batches contradict what is here. Gaps take what fits; feeds of strangers are left out.
    ///
    /// # Errors
    /// Fails where the disk does, and where neither side has the puddle's genesis.
    pub fn take_bundle(&self, bundle: &Bundle) -> Result<Taken, HomeError> {
        let here = read_feeds(&*self.disk)?;
        let mut statements = BTreeMap::new();
        let here = here.iter().flat_map(|file| &file.batches);
        collect(here.chain(&bundle.batches), &mut statements);
        let members = fold(bundle.puddle, statements.values(), &BTreeSet::new())?.machines;
        let mut taken = Taken::default();
        let mut by_feed: BTreeMap<FeedId, Vec<Batch>> = BTreeMap::new();
        for batch in &bundle.batches {
            if members.contains_key(&batch.header().feed.machine) {
                by_feed.entry(batch.header().feed).or_default().push(batch.clone());
            }
        }
        for (id, batches) in by_feed {
            let kept = keep(&*self.disk, id, &batches)?;
            taken.batches += kept.count;
            match kept.refused {
                Some(FeedError::Forked(evidence)) => {
                    self.keep_evidence(&evidence)?;
                    taken.forks.insert(id);
                }
                Some(_) => taken.missing += 1,
                None => {}
            }
        }
        for evidence in &bundle.evidence {
            if members.contains_key(&evidence.feed().machine) {
                taken.forks.insert(evidence.feed());
                self.keep_evidence(evidence)?;
            }
        }
        Ok(taken)
    }
}

/// Finds the events among the entries of batches. What does not hold is nobody's word, whichever feed
/// carries it.
fn collect<'a>(
    batches: impl IntoIterator<Item = &'a Batch>,
    statements: &mut BTreeMap<Vcid, Statement>,
) {
    for (_, entry) in batches.into_iter().flat_map(Batch::entries) {
        if Statement::is_tagged(entry)
            && let Ok(statement) = Statement::decode(entry)
            && PuddleEvent::is_tagged(&statement)
        {
            statements.insert(statement.id(), statement);
        }
    }
}

impl Known {
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

/// What became of a bundle.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// How many batches were new.
    pub batches: usize,
    /// How many feeds have batches that do not follow what is here.
    pub missing: usize,
    /// Feeds of which there is evidence of a fork.
    pub forks: BTreeSet<FeedId>,
}

/// What one machine packed for another. Each batch and each piece of evidence has been checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bundle {
    /// The puddle that it is about.
    pub puddle: Vcid,
    /// Batches, those of one feed in order.
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
    /// A batch in it does not hold.
    #[error("batch {number} of the bundle does not hold")]
    Batch {
        /// Which, from 1.
        number: usize,
        /// Why.
        source: crate::feed::BatchError,
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
        let mut decoder = Decoder::record(bytes, BUNDLE_TAG, 4)?;
        let puddle = Vcid::from_bytes(decoder.byte_array()?);
        let count = decoder.array()?;
        let mut batches = Vec::new();
        for number in 1..=count {
            let batch = Batch::decode(decoder.bytes()?);
            batches.push(batch.map_err(|source| BundleError::Batch { number, source })?);
        }
        let count = decoder.array()?;
        let mut evidence = Vec::new();
        for _ in 0..count {
            evidence.push(Equivocation::decode(decoder.bytes()?)?);
        }
        decoder.finish()?;
        Ok(Self { puddle, batches, evidence })
    }

    /// Returns what its events mean by themselves, whatever is known here.
    ///
    /// # Errors
    /// Fails if it has no genesis.
    pub fn view(&self) -> Result<View, FoldError> {
        let mut statements = BTreeMap::new();
        collect(&self.batches, &mut statements);
        let frozen: BTreeSet<FeedId> = self.evidence.iter().map(Equivocation::feed).collect();
        fold(self.puddle, statements.values(), &frozen)
    }
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
