//! An open tier: its objects, its key, and what things are called in it.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock};

use vigil_base::world::Randomness;
use vigil_base::{Blame, Blamed, Vcid};
use vigil_store::format::Site;

use crate::address::Address;
use crate::blocks::Blocks;
use crate::envelope::{self, Flaw, HEADER_LEN};
use crate::objects::{ObjectError, Objects};
use crate::secret::{Derivation, PassphraseCost, Secret, TierKey};
use crate::settings::{SettingsError, TierOptions};

/// Why a tier could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenTierError {
    /// The keys, region or server could not be found out.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The folder of a `file:` tier is not there.
    #[error("{path} cannot be a tier; make the folder, or mount the disk that it is on")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The client refused its settings.
    #[error("the object-store client cannot be set up: {reason}")]
    Client {
        /// What is wrong.
        reason: String,
    },
    /// The thread that waits for the network could not be started.
    #[error("could not start a thread")]
    Thread(#[source] std::io::Error),
    /// The passphrase's cost is out of bounds.
    #[error("a passphrase costs 8 MiB to 1 GiB of memory in 1 to 64 passes, at most 4 GiB in all")]
    Cost,
    /// The tier's key record could not be read or written.
    #[error(transparent)]
    Object(#[from] ObjectError),
    /// The tier is encrypted with a key file, and a passphrase was given, or the other way round.
    #[error("this tier is encrypted with a {found}; name that with `{option}`")]
    OtherKind {
        /// What it is encrypted with.
        found: &'static str,
        /// The option that names it.
        option: &'static str,
    },
    /// The memory for the passphrase's key cannot be had.
    #[error("this tier's passphrase needs {memory_kib} KiB of memory, which this machine has not")]
    Memory {
        /// How much.
        memory_kib: u32,
    },
}

impl Blamed for OpenTierError {
    fn blame(&self) -> Blame {
        match self {
            Self::Settings(error) => error.blame(),
            Self::Object(error) => error.blame(),
            Self::Folder { .. } | Self::Cost | Self::OtherKind { .. } => Blame::Caller,
            Self::Thread(_) | Self::Memory { .. } => Blame::World,
            Self::Client { .. } => Blame::Us,
        }
    }
}

/// The object that says how the key of an encrypted tier comes about.
const KEY_RECORD: &str = "enc/key";

/// A place for arenas and blobs: a bucket, or a part of one, or a folder. Cheap to clone.
#[derive(Clone)]
pub struct Tier {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub address: Address,
    pub objects: Objects,
    pub randomness: Arc<dyn Randomness>,
    pub blocks: Mutex<Blocks>,
    secret: Option<Secret>,
    cost: PassphraseCost,
    key: OnceLock<TierKey>,
}

/// What a tier keeps something as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// The object's key, below the tier's prefix.
    pub object: String,
    /// The name in its header, if it is encrypted.
    pub sealed: Option<[u8; 32]>,
}

impl Tier {
    /// Opens the tier at `address`. With a secret, its key record is read, and a secret that does
    /// not fit is refused; without one, nothing is asked of the server yet.
    pub fn open(address: &Address, options: &TierOptions<'_>) -> Result<Self, OpenTierError> {
        if !options.passphrase_cost.is_fine() {
            return Err(OpenTierError::Cost);
        }
        let tier = Self {
            inner: Arc::new(Inner {
                objects: Objects::open(address, options)?,
                address: address.clone(),
                randomness: options.randomness.clone(),
                blocks: Mutex::default(),
                secret: options.secret.clone(),
                cost: options.passphrase_cost,
                key: OnceLock::new(),
            }),
        };
        if tier.inner.secret.is_some()
            && let Some(record) = tier.key_record()?
        {
            tier.take_key(&record)?;
        }
        Ok(tier)
    }

    /// Returns where the tier is.
    pub fn address(&self) -> &Address {
        &self.inner.address
    }

    /// Returns whether what is pushed is encrypted.
    pub fn is_encrypted(&self) -> bool {
        self.inner.secret.is_some()
    }

    /// Asks the server for the tier's first objects, to learn whether it can be used; writes nothing.
    pub fn probe(&self) -> Result<(), ObjectError> {
        self.inner.objects.list("arenas").map(|_| ())
    }

    fn key_record(&self) -> Result<Option<Vec<u8>>, ObjectError> {
        self.inner.objects.small(KEY_RECORD, HEADER_LEN as u64)
    }

    /// Derives the key as `record` says, and checks that it is the right one.
    fn take_key(&self, record: &[u8]) -> Result<(), OpenTierError> {
        let Some(secret) = &self.inner.secret else { return Ok(()) };
        let flawed = |flaw| flaw_of(flaw, KEY_RECORD);
        let claims = envelope::claims(record).map_err(flawed)?;
        let Some(key) = TierKey::derive(secret, claims.derivation) else {
            return Err(match (claims.derivation, secret.is_passphrase()) {
                (Derivation::Passphrase { cost, .. }, true) => {
                    OpenTierError::Memory { memory_kib: cost.memory_kib }
                }
                (Derivation::Passphrase { .. }, false) => {
                    OpenTierError::OtherKind { found: "passphrase", option: "--passphrase-file" }
                }
                (Derivation::KeyFile, _) => {
                    OpenTierError::OtherKind { found: "key file", option: "--encrypt-key-file" }
                }
            });
        };
        envelope::check_key_record(&key, record).map_err(flawed)?;
        // Of two threads that come here, both have derived the same key.
        let _ = self.inner.key.set(key);
        Ok(())
    }

    /// Returns the key, if a secret was given and anything has been encrypted with it yet.
    pub(crate) fn key(&self) -> Option<&TierKey> {
        self.inner.key.get()
    }

    /// Returns the key to write with, making the tier's key record the first time; `None` for a
    /// plain tier. Of several machines that try at once, all end up with the first one's record.
    pub(crate) fn writing_key(&self) -> Result<Option<&TierKey>, OpenTierError> {
        let Some(secret) = &self.inner.secret else { return Ok(None) };
        if self.key().is_none() {
            let randomness = &*self.inner.randomness;
            let no_randomness = |error: vigil_base::world::RandomnessError| {
                ObjectError::Randomness { object: KEY_RECORD.into(), reason: error.reason }
            };
            let derivation =
                Derivation::choose(secret, self.inner.cost, randomness).map_err(no_randomness)?;
            let memory_kib = self.inner.cost.memory_kib;
            let key = TierKey::derive(secret, derivation);
            let key = key.ok_or(OpenTierError::Memory { memory_kib })?;
            let record = envelope::key_record(&key, randomness).map_err(no_randomness)?;
            if self.inner.objects.put(KEY_RECORD, record.to_vec(), true)? {
                let _ = self.inner.key.set(key);
            } else {
                let absent = || ObjectError::Absent { object: KEY_RECORD.into() };
                self.take_key(&self.key_record()?.ok_or_else(absent)?)?;
            }
        }
        Ok(self.key())
    }

    /// Returns where the bytes with this hash are kept.
    pub(crate) fn content_place(key: Option<&TierKey>, vcid: Vcid) -> Place {
        match key {
            None => Place { object: format!("cas/{}", vcid.to_hex()), sealed: None },
            Some(key) => {
                sealed_place("enc/cas", key.name(&[b"cas/", &vcid.as_bytes()[..]].concat()))
            }
        }
    }

    /// Returns where the listing record of an arena is kept.
    pub(crate) fn entry_place(key: Option<&TierKey>, site: Site, serial: u64) -> Place {
        match key {
            None => Place { object: format!("arenas/{site}-{serial}.json"), sealed: None },
            Some(key) => {
                let what = [b"arenas/", &site.0[..], &serial.to_le_bytes()].concat();
                sealed_place("enc/arenas", key.name(&what))
            }
        }
    }

    /// Returns the places where bytes with this hash may be read from, the likeliest first.
    pub(crate) fn content_places(&self, vcid: Vcid) -> Vec<Place> {
        let plain = Self::content_place(None, vcid);
        match self.key() {
            None => vec![plain],
            Some(key) => vec![Self::content_place(Some(key), vcid), plain],
        }
    }
}

pub(crate) fn sealed_place(folder: &str, name: [u8; 32]) -> Place {
    // A name is 32 bytes, as a Vcid is, and has the same text.
    let hex = Vcid::from_bytes(name).to_hex();
    Place { object: format!("{folder}/{hex}"), sealed: Some(name) }
}

/// Names the object that has a flaw.
pub(crate) fn flaw_of(flaw: Flaw, object: &str) -> ObjectError {
    let object = object.into();
    match flaw {
        Flaw::NotOurs => ObjectError::NotEncrypted { object },
        Flaw::WrongKey => ObjectError::WrongKey { object },
        Flaw::Swapped => ObjectError::Swapped { object },
        Flaw::Altered(offset) => ObjectError::Altered { object, offset },
    }
}
