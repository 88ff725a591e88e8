//! Names that people vouch for, `att://domain/name@version`, under this machine's own policy.
//!
//! The policy says which puddle speaks for a domain: one that was followed for it, or else the puddle that
//! this machine is in. What a name means is what the feeds of that puddle's machines say together. Nobody is
//! asked here: what is known of feeds, bundles have brought.
//!
//! Invariants:
//! - a machine has no say in a domain that the policy gives to another puddle;
//! - a puddle is followed only as long as its Person is known here.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use vigil_base::cbor::DecodeError;
use vigil_base::world::{Disk, DiskError, Lock, OpenMode, read_file, replace_file};
use vigil_base::{Blame, Blamed, Vcid};
use vigil_store::FolderDisk;
use vigil_trust::KeyBytes;
use vigil_trust::feed::{FeedFile, FeedId, read_feeds};
use vigil_trust::home::{Bundle, Home, HomeError, Known, Taken};
use vigil_trust::names::{AttName, Domains, NameState, Pointer, Said, fold_names};
use vigil_trust::puddle::{Authority, MachineState, View};

/// The file of the policy, and the folder of the puddles that are followed.
const DOMAINS: &str = "domains";
const DOMAINS_LOCK: &str = "domains.lock";
const FOLLOWED: &str = "followed";
/// Longest file of the policy, in bytes: some ten thousand domains.
const DOMAINS_BYTES_MAX: usize = 4 << 20;

/// Why names could not be looked at, or the policy not be changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SharedNamesError {
    /// What the machine keeps could not be used.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// The disk failed.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The folder could not be looked at.
    #[error("could not look at {path:?}")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The policy's file is damaged.
    #[error("the list of domains is damaged")]
    Damaged(#[from] DecodeError),
    /// The puddle's Person is none that is known here.
    #[error("nobody here knows the Person {key} of this puddle")]
    Stranger {
        /// The Person's key.
        key: KeyBytes,
    },
    /// Nobody speaks for the puddle.
    #[error("nobody speaks for this puddle: its Person's key is contested")]
    Contested,
    /// Another puddle has the domain already.
    #[error("{domain} is spoken for by another puddle here")]
    Taken {
        /// The domain.
        domain: String,
    },
}

impl Blamed for SharedNamesError {
    fn blame(&self) -> Blame {
        match self {
            Self::Home(source) => source.blame(),
            Self::Stranger { .. } | Self::Contested | Self::Taken { .. } => Blame::Caller,
            Self::Disk(_) | Self::Folder { .. } | Self::Damaged(_) => Blame::World,
        }
    }
}

impl SharedNamesError {
    /// Returns what to do about it, if that is known.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Stranger { .. } => Some(
                "`vigil person trust NAME KEY` makes a Person known, by a compared fingerprint",
            ),
            Self::Taken { .. } => {
                Some("`vigil name domains` tells which; `vigil name unfollow` ends it")
            }
            _ => None,
        }
    }
}

/// All names that count here, and what they mean.
type Names = BTreeMap<AttName, Pointer>;

/// How a file was when it was looked at: where it is, its inode, length and time of change.
type Stamp = (PathBuf, u64, u64, i64, i64);

/// The names, over the folder in which a machine keeps what it knows of people and feeds.
pub struct SharedNames {
    folder: PathBuf,
    /// What was folded last, and from which files: most requests come when nothing has changed.
    folded: Mutex<Option<(Vec<Stamp>, Arc<Names>)>>,
}

/// A puddle that speaks for a domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Speaker {
    /// The puddle.
    pub puddle: Vcid,
    /// What the puddle is called.
    pub name: String,
    /// Whether its Person is known here, so that its names count.
    pub is_known: bool,
}

/// Folds what the machines of one puddle say of names.
pub fn pointers(known: &Known) -> BTreeMap<AttName, Pointer> {
    let (view, kept) = (&known.view, known.kept());
    // A fork freezes whatever its machine says, in all of its lives, until the Person has decided: what was
    // forgiven counts for nothing, and of a machine that was revoked what the Person had seen. So whoever has a
    // stolen key cannot freeze names for good. What a machine said that is none of theirs is nobody's word.
    let is_frozen = |feed: &FeedId| {
        view.machines.get(&feed.machine).is_some_and(|machine| {
            let is_pardoned = machine.pardons.contains(&feed.incarnation);
            matches!(machine.state, MachineState::Frozen { .. }) && !is_pardoned
        })
    };
    let feeds = known.batches().map(|batch| batch.header().feed);
    let frozen: BTreeSet<FeedId> = feeds.filter(is_frozen).collect();
    let counts = |said: &Said<'_>| {
        frozen.contains(&said.feed) || view.counts(&kept, &said.feed, &said.batch)
    };
    fold_names(known.batches().flat_map(Said::all).filter(counts), &frozen)
}

impl SharedNames {
    /// Looks at names through the folder `trust` of a store.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into(), folded: Mutex::new(None) }
    }

    fn disk(&self) -> FolderDisk {
        FolderDisk::private(&self.folder)
    }

    fn home(&self) -> Home {
        Home::new(Arc::new(self.disk()))
    }

    /// The folder of a puddle that is followed: apart from the own one, since its feeds are nobody's here.
    fn followed(&self, puddle: Vcid) -> Home {
        let folder = self.folder.join(FOLLOWED).join(puddle.to_hex());
        Home::new(Arc::new(FolderDisk::private(folder)))
    }

    /// Returns which puddle was followed for which domain.
    ///
    /// # Errors
    /// Fails where the disk does, and for a damaged file.
    fn policy(&self) -> Result<BTreeMap<String, Vcid>, SharedNamesError> {
        match read_file(&self.disk(), DOMAINS, DOMAINS_BYTES_MAX)? {
            Some(file) => Ok(Domains::decode(&file.bytes)?.0),
            None => Ok(BTreeMap::new()),
        }
    }

    /// Changes the policy, while nobody else does.
    fn change(
        &self,
        change: impl FnOnce(&mut BTreeMap<String, Vcid>) -> Result<(), SharedNamesError>,
    ) -> Result<(), SharedNamesError> {
        let disk = self.disk();
        disk.create_folder("")?;
        let lock = disk.open(DOMAINS_LOCK, OpenMode::Create)?;
        lock.lock(Lock::Exclusive, true)?;
        let mut policy = self.policy()?;
        change(&mut policy)?;
        Ok(replace_file(&disk, DOMAINS, &Domains(policy).encode())?)
    }

    /// Lets the puddle of a bundle speak for a domain, and keeps what the bundle brings; also for a domain
    /// that it speaks for already.
    ///
    /// # Errors
    /// Refuses a puddle whose Person is not known here, and a domain that another puddle has; fails where the
    /// disk does.
    pub fn follow(&self, domain: &str, bundle: &Bundle) -> Result<Taken, SharedNamesError> {
        let is_other = |there: &Vcid| *there != bundle.puddle;
        let taken = || SharedNamesError::Taken { domain: domain.to_owned() };
        if self.policy()?.get(domain).is_some_and(is_other) {
            return Err(taken());
        }
        let home = self.followed(bundle.puddle);
        // In memory first: what is a stranger's leaves nothing behind.
        let view = bundle.view().map_err(HomeError::from)?;
        match view.authority {
            Authority::Contested(_) => return Err(SharedNamesError::Contested),
            Authority::Person(key) if !self.is_known(&view)? => {
                return Err(SharedNamesError::Stranger { key });
            }
            Authority::Person(_) => {}
        }
        let kept = home.take_bundle(bundle)?;
        self.change(|policy| match policy.insert(domain.to_owned(), bundle.puddle) {
            Some(there) if is_other(&there) => Err(taken()),
            _ => Ok(()),
        })?;
        Ok(kept)
    }

    /// Ends a domain's being spoken for by another puddle; returns whether one did.
    ///
    /// # Errors
    /// Fails where the disk does.
    pub fn unfollow(&self, domain: &str) -> Result<bool, SharedNamesError> {
        let mut was_there = false;
        self.change(|policy| {
            was_there = policy.remove(domain).is_some();
            Ok(())
        })?;
        Ok(was_there)
    }

    /// Returns the domains that other puddles speak for.
    ///
    /// # Errors
    /// Fails where the disk does, and for damaged files.
    pub fn domains(&self) -> Result<BTreeMap<String, Speaker>, SharedNamesError> {
        let mut speakers = BTreeMap::new();
        for (domain, puddle) in self.policy()? {
            let view = self.followed(puddle).open_puddle(puddle)?.view;
            let is_known = self.is_known(&view)?;
            let name = view.name.as_str().to_owned();
            speakers.insert(domain, Speaker { puddle, name, is_known });
        }
        Ok(speakers)
    }

    /// Checks that this machine's own puddle speaks for a domain.
    ///
    /// # Errors
    /// Fails if another does, and where the disk does.
    pub fn expect_own(&self, domain: &str) -> Result<(), SharedNamesError> {
        if self.policy()?.contains_key(domain) {
            return Err(SharedNamesError::Taken { domain: domain.to_owned() });
        }
        Ok(())
    }

    /// Whether the Person whose puddle it is is known here, by any of their keys.
    fn is_known(&self, view: &View) -> Result<bool, SharedNamesError> {
        let home = self.home();
        let mut known = home.known()?.into_iter().chain(home.person()?);
        Ok(known.any(|person| view.persons.contains(&person.key)))
    }

    /// Returns all names that count here.
    ///
    /// # Errors
    /// Fails where the disk does, and for damaged files.
    pub fn all(&self) -> Result<Arc<Names>, SharedNamesError> {
        let stamps = self.stamps()?;
        let mut folded = self.folded.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((of, names)) = &*folded
            && *of == stamps
        {
            return Ok(names.clone());
        }
        let names = Arc::new(self.fold()?);
        *folded = Some((stamps, names.clone()));
        Ok(names)
    }

    /// Returns this machine's puddle, if it is in one, and then those that it follows and whose Person is
    /// known here.
    ///
    /// # Errors
    /// Fails where the disk does, and for damaged files.
    pub fn puddles(&self) -> Result<Vec<Known>, SharedNamesError> {
        self.puddles_or(|_| true)
    }

    /// Does what [`SharedNames::puddles`] does, but leaves out a puddle whose evidence is damaged where nobody
    /// misses it, which is asked with the keys of its Person.
    ///
    /// # Errors
    /// Fails where the disk does, and for damaged files.
    pub fn puddles_or(
        &self,
        is_missed: impl Fn(&[KeyBytes]) -> bool,
    ) -> Result<Vec<Known>, SharedNamesError> {
        let (mut found, home) = (Vec::new(), self.home());
        let open = |home: &Home, puddle| -> Result<Option<Known>, SharedNamesError> {
            match home.open_puddle(puddle) {
                Err(HomeError::Evidence { .. }) if !is_missed(&home.persons_of(puddle)?) => {
                    Ok(None)
                }
                opened => Ok(Some(opened?)),
            }
        };
        if let Some(here) = home.puddle()? {
            found.extend(open(&home, here.id)?);
        }
        let mut puddles: Vec<Vcid> = self.policy()?.into_values().collect();
        puddles.sort_unstable();
        puddles.dedup();
        for puddle in puddles {
            let home = self.followed(puddle);
            if let Some(known) = open(&home, puddle)?
                && self.is_known(&known.view)?
            {
                found.push(known);
            }
        }
        Ok(found)
    }

    /// Returns the feeds of a machine that is in no puddle: its own.
    ///
    /// # Errors
    /// Fails where the disk does.
    pub fn stray_feeds(&self) -> Result<Vec<FeedFile>, SharedNamesError> {
        let home = self.home();
        if home.puddle()?.is_some() {
            return Ok(Vec::new());
        }
        Ok(read_feeds(&**home.disk())?)
    }

    fn fold(&self) -> Result<Names, SharedNamesError> {
        let policy = self.policy()?;
        let mut own = self.home().puddle()?.is_some();
        let mut names = Names::new();
        for known in self.puddles()? {
            // The first is this machine's own, if it is in one: it has a say where nobody else was given it.
            let is_own = std::mem::take(&mut own);
            let puddle = known.view.id;
            let is_theirs = |name: &AttName| match policy.get(name.domain()) {
                Some(speaker) => !is_own && *speaker == puddle,
                None => is_own,
            };
            let said = pointers(&known).into_iter();
            names.extend(said.filter(|(name, _)| is_theirs(name)));
        }
        Ok(names)
    }

    /// Returns how all files are that names follow from. Feeds only grow, and the rest is replaced whole.
    fn stamps(&self) -> Result<Vec<Stamp>, SharedNamesError> {
        let mut stamps = Vec::new();
        let mut open = vec![self.folder.clone()];
        while let Some(folder) = open.pop() {
            let wrong =
                |path: &Path, source| SharedNamesError::Folder { path: path.into(), source };
            let entries = match fs::read_dir(&folder) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                entries => entries.map_err(|source| wrong(&folder, source))?,
            };
            for entry in entries {
                let path = entry.map_err(|source| wrong(&folder, source))?.path();
                let metadata = match fs::symlink_metadata(&path) {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                    metadata => metadata.map_err(|source| wrong(&path, source))?,
                };
                if metadata.is_dir() {
                    open.push(path);
                } else if metadata.is_file() {
                    let (at, more) = (metadata.mtime(), metadata.mtime_nsec());
                    stamps.push((path, metadata.ino(), metadata.len(), at, more));
                }
            }
        }
        stamps.sort_unstable();
        Ok(stamps)
    }

    /// Returns what a name's meaning follows from, as the state of a root: see [`SharedState`].
    ///
    /// # Errors
    /// Fails where the disk does, and for damaged files.
    pub fn look(&self, name: &str) -> Result<Option<Vec<u8>>, SharedNamesError> {
        let Ok(name) = AttName::parse(name) else { return Ok(None) };
        Ok(self.all()?.get(&name).map(|pointer| NameState::from(pointer).encode()))
    }
}
