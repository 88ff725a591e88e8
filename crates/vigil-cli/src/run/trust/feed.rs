//! Writing into this machine's own feed: by a command that has the key at hand, or by the agent.

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;

use vigil_base::Vcid;
use vigil_base::world::{Clock, Randomness};
use vigil_trust::agent::{OwnFeed, Place, attest};
use vigil_trust::attestations::AttestationEntry;
use vigil_trust::feed::{Feed, FeedLog};
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

    fn clocks(&self) -> Clocks {
        Clocks { wall: self.clock.now(), steady: self.door.steady() }
    }

    fn write(&self, key: &SecretKey, entry: &AttestationEntry) -> Result<Place, CommandError> {
        let clocks = self.clocks();
        let here = self.home.puddle().map_err(TrustError::from)?;
        let now = here.map_or(clocks.wall, |here| here.time.now(&clocks));
        // Before the feed is written: what fails here has written nothing.
        self.home
            .update_puddle(|here| {
                if let Some(here) = here {
                    here.time.pass(&self.clocks());
                }
                Ok::<(), HomeError>(())
            })
            .map_err(TrustError::from)?;
        let log = self.open(key.public().bytes())?;
        Ok(attest(log, key, now, entry).map_err(TrustError::from)?)
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
