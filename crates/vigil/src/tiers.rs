//! The door to tiers: joins the command line's trait to the crate that speaks to object stores.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use vigil_base::world::Randomness;
use vigil_base::{Blame, Blamed, Vcid};
use vigil_cli::{
    TierArena, TierDoor, TierFailure, TierLink, TierPulled, TierReport, TierSent, TierSettings,
};
use vigil_store::format::Class;
use vigil_store::{Remote, Store, Supply};
use vigil_tier::{
    Address, PushOptions, Pushed, Secret, Sent, Tier, TierOptions, TierSupply, Tiers,
};

/// Opens tiers with the keys that the environment tells of.
pub(crate) struct ObjectStores {
    pub randomness: Arc<dyn Randomness>,
}

fn failure<E: Blamed + Send + Sync + 'static>(error: E) -> TierFailure {
    (error.blame(), Box::new(error) as Box<dyn Error + Send + Sync>)
}

/// A file with a key or a passphrase could not be read.
#[derive(Debug, thiserror::Error)]
#[error("could not read the secret in {path}")]
struct SecretFileError {
    path: String,
    source: std::io::Error,
}

impl ObjectStores {
    fn tier(&self, settings: &TierSettings) -> Result<Tier, TierFailure> {
        let variable = |name: &str| std::env::var_os(name)?.into_string().ok();
        let mut options = TierOptions::new(&variable, self.randomness.clone());
        options.endpoint.clone_from(&settings.endpoint);
        options.region.clone_from(&settings.region);
        options.profile.clone_from(&settings.profile);
        options.secret = secret(settings)?;
        let address = Address::parse(&settings.address).map_err(failure)?;
        Tier::open(&address, &options).map_err(failure)
    }
}

fn secret(settings: &TierSettings) -> Result<Option<Secret>, TierFailure> {
    let read = |path: &Path| {
        std::fs::read(path).map_err(|source| {
            let error = SecretFileError { path: path.display().to_string(), source };
            (Blame::Caller, Box::new(error) as Box<dyn Error + Send + Sync>)
        })
    };
    match (&settings.key_file, &settings.passphrase_file) {
        (Some(path), _) => Ok(Some(Secret::from_key_file(&read(path)?).map_err(failure)?)),
        (None, Some(path)) => Ok(Some(Secret::from_passphrase(&read(path)?).map_err(failure)?)),
        (None, None) => Ok(None),
    }
}

impl TierDoor for ObjectStores {
    fn open(&self, settings: &TierSettings) -> Result<Box<dyn TierLink>, TierFailure> {
        Ok(Box::new(Link(self.tier(settings)?)))
    }

    fn remote(&self, settings: &[TierSettings]) -> Result<Arc<dyn Remote>, TierFailure> {
        let tiers = settings.iter().map(|settings| self.tier(settings));
        Ok(Arc::new(Tiers(tiers.collect::<Result<_, _>>()?)))
    }
}

struct Link(Tier);

fn sent(pushed: Pushed) -> TierSent {
    TierSent {
        vcid: pushed.vcid,
        bytes: pushed.bytes,
        object: pushed.object,
        is_new: pushed.sent != Sent::Nothing,
        is_moved: pushed.moved,
    }
}

impl TierLink for Link {
    fn probe(&self) -> Result<(), TierFailure> {
        self.0.probe().map_err(failure)
    }

    fn push_arena(
        &self,
        store: &Store,
        number: u32,
        moves: bool,
        progress: &dyn Fn(u64),
    ) -> Result<TierSent, TierFailure> {
        let options = PushOptions { keep: !moves, read_back: moves, progress };
        self.0.push_arena(store, number, &options).map(sent).map_err(failure)
    }

    fn push_blob(
        &self,
        store: &Store,
        vcid: Vcid,
        progress: &dyn Fn(u64),
    ) -> Result<TierSent, TierFailure> {
        let options = PushOptions { keep: true, read_back: false, progress };
        self.0.push_blob(store, vcid, &options).map(sent).map_err(failure)
    }

    fn pull_arenas(
        &self,
        store: &Store,
        progress: &dyn Fn(u64),
    ) -> Result<TierPulled, TierFailure> {
        let mut entries = self.0.list().map_err(failure)?.entries;
        entries.retain(|entry| entry.class == *store.class());
        let pulled = self.0.pull_arenas(store, &entries, progress).map_err(failure)?;
        Ok(TierPulled { numbers: pulled.numbers, present: pulled.present, bytes: pulled.bytes })
    }

    fn pull_blob(
        &self,
        store: &Store,
        vcid: Vcid,
        progress: &dyn Fn(u64),
    ) -> Result<u64, TierFailure> {
        self.0.pull_blob(store, vcid, progress).map_err(failure)
    }

    fn status(&self, store: &Store) -> Result<TierReport, TierFailure> {
        let status = self.0.status(store).map_err(failure)?;
        let mut complaints: Vec<String> =
            status.complaints.iter().map(ToString::to_string).collect();
        if status.locked > 0 {
            let locked = status.locked;
            complaints.push(format!("{locked} arenas there are encrypted, and no key was named"));
        }
        let arena = |place: &vigil_tier::ArenaPlace| TierArena {
            number: place.here.as_ref().map(|info| info.number),
            vcid: place.there.as_ref().map(|entry| entry.vcid),
            bytes: place.bytes(),
            is_here: place.is_here(),
            is_there: place.is_there,
        };
        Ok(TierReport {
            arenas: status.arenas.iter().map(arena).collect(),
            blobs: status.blobs,
            blob_bytes: status.blob_bytes,
            complaints,
        })
    }

    fn supply(&self, class: &Class) -> Result<Box<dyn Supply>, TierFailure> {
        Ok(Box::new(TierSupply::new(&self.0, class).map_err(failure)?))
    }
}
