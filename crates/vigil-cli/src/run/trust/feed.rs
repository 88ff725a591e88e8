//! Writing into this machine's own feed: by a command that has the key at hand, or by the agent.

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use vigil_base::Vcid;
use vigil_base::world::{Clock, Randomness};
use vigil_trust::agent::{OwnFeed, Place, attest};
use vigil_trust::attestations::AttestationEntry;
use vigil_trust::feed::{Feed, FeedLog, FeedLogError, Waiting};
use vigil_trust::home::Home;
use vigil_trust::puddle::Clocks;
use vigil_trust::seal;
use vigil_trust::{KeyBytes, SecretKey};

use super::{FOLDER, Session};
use crate::failure::CommandError;
use crate::trust::TrustDoor;
use crate::trust_failure::TrustError;

/// How long an agent waits for another process that writes into the feed. It answers nobody else meanwhile, also
/// not whoever wants to lock it, so it is short; a name is written in milliseconds.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long it waits between two attempts.
const PAUSE: Duration = Duration::from_millis(10);

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
        self.open_if(machine, Waiting::Long)
    }

    /// Opens it, unless another process goes on writing for longer than [`PATIENCE`].
    fn open_soon(&self, machine: KeyBytes) -> Result<FeedLog, CommandError> {
        let began = Instant::now();
        loop {
            match self.open_if(machine, Waiting::Not) {
                Err(CommandError::Trust(TrustError::Feed(FeedLogError::Busy)))
                    if began.elapsed() < PATIENCE =>
                {
                    std::thread::sleep(PAUSE);
                }
                opened => return opened,
            }
        }
    }

    fn open_if(&self, machine: KeyBytes, waiting: Waiting) -> Result<FeedLog, CommandError> {
        let failed =
            |source| TrustError::System { action: "tell this folder from its copies", source };
        let place = Vcid::of(&self.door.place(&self.folder).map_err(failed)?);
        let evidence = self.home.evidence().map_err(TrustError::from)?;
        // Whoever has seen more of this feed than is here has seen a life that was lost.
        let is_behind = |feed: &Feed| evidence.iter().any(|evidence| evidence.feed() == feed.id());
        let disk = self.home.disk().clone();
        let log = FeedLog::open(disk, machine, place, is_behind, &*self.randomness, waiting);
        Ok(log.map_err(TrustError::from)?)
    }

    fn clocks(&self) -> Clocks {
        Clocks { wall: self.clock.now(), steady: self.door.steady() }
    }

    fn write(&self, key: &SecretKey, entry: &AttestationEntry) -> Result<Place, CommandError> {
        // An agent outlives what its key came from: another machine may have been enrolled here.
        let file = self.home.machine_sealed().map_err(TrustError::from)?;
        let header = seal::read_header(&file.ok_or(TrustError::NoMachine)?);
        if header.map_err(TrustError::from)?.public != key.public().bytes() {
            return Err(TrustError::AnotherMachine.into());
        }
        let clocks = self.clocks();
        let here = self.home.puddle().map_err(TrustError::from)?;
        let now = here.map_or(clocks.wall, |here| here.time.now(&clocks));
        // Before the feed is written: what fails here has written nothing.
        self.home.pass_time(|| self.clocks()).map_err(TrustError::from)?;
        let log = self.open_soon(key.public().bytes())?;
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
