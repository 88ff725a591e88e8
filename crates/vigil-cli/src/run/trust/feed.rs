//! Writing into this machine's own feed: by a command that has the key at hand, or by the agent.

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;

use vigil_base::Vcid;
use vigil_base::world::{Clock, Randomness};
use vigil_trust::agent::{OwnFeed, Place};
use vigil_trust::attestations::{AttestationEntry, SshKeyEntry};
use vigil_trust::feed::{Feed, FeedLog, read_feeds};
use vigil_trust::home::{Home, HomeError};
use vigil_trust::puddle::Clocks;
use vigil_trust::{KeyBytes, SecretKey};

use super::{FOLDER, Session};
use crate::failure::CommandError;
use crate::trust::TrustDoor;
use crate::trust_failure::TrustError;

/// What writing into the feed takes of the world.
pub(in crate::run) struct FeedWriter {
    home: Home,
    folder: PathBuf,
    clock: Arc<dyn Clock>,
    randomness: Arc<dyn Randomness>,
    door: Arc<dyn TrustDoor>,
    /// Whether the feeds are known to have this machine's SSH key, so that they need not be read for it.
    has_said_key: bool,
}

impl FeedWriter {
    pub fn of(home: &Home, session: &Session<'_>) -> Self {
        let environment = session.environment;
        Self {
            home: home.clone(),
            folder: session.store_folder.join(FOLDER),
            clock: environment.clock.clone(),
            randomness: environment.randomness.clone(),
            door: environment.trust.clone(),
            has_said_key: false,
        }
    }

    /// Opens the feed of this machine, which nobody else writes to until it is dropped.
    pub fn open(&self, machine: KeyBytes) -> Result<FeedLog, CommandError> {
        let failed =
            |source| TrustError::System { action: "tell this folder from its copies", source };
        let place = Vcid::of(&self.door.place(&self.folder).map_err(failed)?);
        let evidence = self.home.evidence().map_err(TrustError::from)?;
        // Whoever has seen more of this feed than is here has seen a life that was lost.
        let is_behind = |feed: &Feed| evidence.iter().any(|evidence| evidence.feed() == feed.id());
        let disk = self.home.disk().clone();
        let log = FeedLog::open(disk, machine, place, is_behind, &*self.randomness);
        Ok(log.map_err(TrustError::from)?)
    }

    /// Says whether this machine's feeds have its SSH key, so that others can list it once it is revoked.
    fn has_ssh_key(&self, machine: &KeyBytes) -> Result<bool, CommandError> {
        let feeds = read_feeds(&**self.home.disk())?;
        let own = feeds.iter().filter(|file| file.feed.id().machine == *machine);
        let mut entries = own.flat_map(|file| &file.batches).flat_map(|batch| batch.entries());
        Ok(entries.any(|(_, entry)| {
            SshKeyEntry::decode(entry).is_ok_and(|entry| entry.key_of(machine).is_some())
        }))
    }

    fn clocks(&self) -> Clocks {
        Clocks { wall: self.clock.now(), steady: self.door.steady() }
    }

    fn write(&mut self, key: &SecretKey, entry: &AttestationEntry) -> Result<Place, CommandError> {
        let clocks = self.clocks();
        let here = self.home.puddle().map_err(TrustError::from)?;
        let now = here.map_or(clocks.wall, |here| here.time.now(&clocks));
        let machine = key.public().bytes();
        // Without a feed yet, there is no folder for it either.
        self.home.disk().create_folder("feeds")?;
        let mut entries = Vec::new();
        if !self.has_said_key && !self.has_ssh_key(&machine)? {
            entries.push(SshKeyEntry::sign(key).encode());
        }
        entries.push(entry.encode());
        let mut log = self.open(machine)?;
        let batches = log.append(key, now, &entries).map_err(TrustError::from)?;
        // Whoever has the feeds may take the other lock; but there is no need for both.
        drop(log);
        self.has_said_key = true;
        self.home
            .update_puddle(|here| {
                if let Some(here) = here {
                    here.time.pass(&self.clocks());
                }
                Ok::<(), HomeError>(())
            })
            .map_err(TrustError::from)?;
        let last = batches.last().expect("an entry is in a batch").header();
        Ok(Place { incarnation: last.feed.incarnation, position: last.end() - 1 })
    }
}

impl OwnFeed for FeedWriter {
    fn attest(&mut self, machine: &SecretKey, entry: &AttestationEntry) -> Result<Place, String> {
        self.write(machine, entry).map_err(|error| {
            let mut text = error.to_string();
            let mut source = error.source();
            while let Some(cause) = source {
                text = format!("{text}: {cause}");
                source = cause.source();
            }
            text
        })
    }
}
