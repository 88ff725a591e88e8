//! Tiers as the command line knows them: a list of settings in the store, and a door to whoever can
//! reach one.
//!
//! The program passes the door; this library links nothing that speaks to a network.

use std::error::Error;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use vigil_base::cbor::{DecodeError, Decoder, Encoder};
use vigil_base::limits::URI_BYTES_MAX;
use vigil_base::world::{Disk, DiskError, DiskFault, DiskFile, read_file, replace_file};
use vigil_base::{Blame, Name, Vcid};
use vigil_store::format::Class;
use vigil_store::{Remote, Store, Supply};

/// What is remembered of one tier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TierSettings {
    /// What it is called here.
    pub name: Name,
    /// Where it is: `s3://bucket/prefix` or `file:///folder`.
    pub address: String,
    /// The server, where it is not the one that the environment or AWS gives.
    pub endpoint: Option<String>,
    /// The region, where it is not the environment's.
    pub region: Option<String>,
    /// The profile whose keys to use, where it is not the environment's.
    pub profile: Option<String>,
    /// The file with the key that encrypts everything there.
    pub key_file: Option<PathBuf>,
    /// The file with the passphrase that encrypts everything there.
    pub passphrase_file: Option<PathBuf>,
}

/// Why a tier could not do something: whom to blame, and what went wrong.
pub type TierFailure = (Blame, Box<dyn Error + Send + Sync>);

/// Reaches tiers.
pub trait TierDoor: Send + Sync {
    /// Opens a tier.
    fn open(&self, settings: &TierSettings) -> Result<Box<dyn TierLink>, TierFailure>;
    /// Opens several, from which moved arenas are read: each from the first that has it.
    fn remote(&self, settings: &[TierSettings]) -> Result<Arc<dyn Remote>, TierFailure>;
}

/// An open tier.
pub trait TierLink {
    /// Asks whether it can be used; writes nothing.
    fn probe(&self) -> Result<(), TierFailure>;
    /// Sends a sealed arena, and removes its file here if it `moves`.
    fn push_arena(
        &self,
        store: &Store,
        number: u32,
        moves: bool,
        progress: &dyn Fn(u64),
    ) -> Result<TierSent, TierFailure>;
    /// Sends a blob.
    fn push_blob(
        &self,
        store: &Store,
        vcid: Vcid,
        progress: &dyn Fn(u64),
    ) -> Result<TierSent, TierFailure>;
    /// Fetches every arena of the store's class that is not here, and compares everything in it.
    fn pull_arenas(&self, store: &Store, progress: &dyn Fn(u64))
    -> Result<TierPulled, TierFailure>;
    /// Fetches a blob, and returns its length.
    fn pull_blob(
        &self,
        store: &Store,
        vcid: Vcid,
        progress: &dyn Fn(u64),
    ) -> Result<u64, TierFailure>;
    /// Tells what is where.
    fn status(&self, store: &Store) -> Result<TierReport, TierFailure>;
    /// Returns where intact copies may be had.
    fn supply(&self, class: &Class) -> Result<Box<dyn Supply>, TierFailure>;
}

/// What was sent.
#[derive(Clone, Debug)]
pub struct TierSent {
    /// The SHA-256 of the bytes.
    pub vcid: Vcid,
    /// How many there are.
    pub bytes: u64,
    /// The object that holds them.
    pub object: String,
    /// It was not there before.
    pub is_new: bool,
    /// The file here is gone.
    pub is_moved: bool,
}

/// What was fetched.
#[derive(Clone, Debug)]
pub struct TierPulled {
    /// The arenas' numbers here.
    pub numbers: Vec<u32>,
    /// How many of them were here already.
    pub present: u64,
    /// Bytes that were fetched.
    pub bytes: u64,
}

/// What is where.
#[derive(Clone, Debug)]
pub struct TierReport {
    /// Each arena: its number here, its name, its length, whether it is here, whether it is there.
    pub arenas: Vec<TierArena>,
    /// Single blobs there.
    pub blobs: u64,
    /// The bytes that they take.
    pub blob_bytes: u64,
    /// What is wrong there, and does not stop the rest.
    pub complaints: Vec<String>,
}

/// Where one arena is.
#[derive(Clone, Debug)]
pub struct TierArena {
    /// The number of its file here, if this store knows it.
    pub number: Option<u32>,
    /// Its name, if the tier lists it.
    pub vcid: Option<Vcid>,
    /// Its length in bytes.
    pub bytes: u64,
    /// Its file is here.
    pub is_here: bool,
    /// Its object is there.
    pub is_there: bool,
}

const TAG: &str = "vigil.tiers/1";
const PATH: &str = "tiers.cbor";

/// Longest file of settings: some thousand tiers.
const SETTINGS_BYTES_MAX: usize = 64 << 20;
const _: () = assert!(SETTINGS_BYTES_MAX > URI_BYTES_MAX);

/// Reads the settings of all tiers; without a file there are none.
pub(crate) fn load(disk: &dyn Disk) -> Result<Vec<TierSettings>, DiskError> {
    let Some(file) = read_file(disk, PATH, SETTINGS_BYTES_MAX)? else { return Ok(Vec::new()) };
    decode(&file.bytes).map_err(|error| DiskError {
        fault: DiskFault::Other,
        action: "understand",
        path: PATH.into(),
        reason: error.to_string(),
    })
}

/// Replaces the settings of all tiers.
pub(crate) fn save(disk: &dyn Disk, tiers: &[TierSettings]) -> Result<(), DiskError> {
    replace_file(disk, PATH, &encode(tiers))
}

fn encode(tiers: &[TierSettings]) -> Vec<u8> {
    use std::os::unix::ffi::OsStrExt as _;
    let mut encoder = Encoder::record(TAG, 2);
    encoder.array(tiers.len());
    for tier in tiers {
        encoder.array(7);
        encoder.text(tier.name.as_str());
        encoder.text(&tier.address);
        for text in [&tier.endpoint, &tier.region, &tier.profile] {
            match text {
                Some(text) => encoder.text(text),
                None => encoder.null(),
            }
        }
        for path in [&tier.key_file, &tier.passphrase_file] {
            match path {
                Some(path) => encoder.bytes(path.as_os_str().as_bytes()),
                None => encoder.null(),
            }
        }
    }
    encoder.finish()
}

fn decode(bytes: &[u8]) -> Result<Vec<TierSettings>, DecodeError> {
    use std::os::unix::ffi::OsStrExt as _;
    let mut decoder = Decoder::record(bytes, TAG, 2)?;
    let mut tiers = Vec::new();
    for _ in 0..decoder.array()? {
        decoder.array_of(7)?;
        let at = decoder.offset();
        let Ok(name) = Name::new(decoder.text()?) else {
            return decoder.fault(at, vigil_base::cbor::Fault::Range);
        };
        let address = decoder.text()?.to_owned();
        let text = |decoder: &mut Decoder<'_>| match decoder.null() {
            true => Ok::<_, DecodeError>(None),
            false => Ok(Some(decoder.text()?.to_owned())),
        };
        let path = |decoder: &mut Decoder<'_>| match decoder.null() {
            true => Ok::<_, DecodeError>(None),
            false => Ok(Some(PathBuf::from(std::ffi::OsStr::from_bytes(decoder.bytes()?)))),
        };
        tiers.push(TierSettings {
            name,
            address,
            endpoint: text(&mut decoder)?,
            region: text(&mut decoder)?,
            profile: text(&mut decoder)?,
            key_file: path(&mut decoder)?,
            passphrase_file: path(&mut decoder)?,
        });
    }
    decoder.finish()?;
    Ok(tiers)
}

/// The tiers of a store, opened when the first moved arena is to be read.
pub(crate) struct LazyTiers {
    pub door: Arc<dyn TierDoor>,
    pub settings: Vec<TierSettings>,
    pub opened: Mutex<Option<Arc<dyn Remote>>>,
}

impl Remote for LazyTiers {
    fn open_arena(&self, vcid: Vcid, len: u64) -> Result<Arc<dyn DiskFile>, DiskError> {
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        let remote = match &*opened {
            Some(remote) => remote.clone(),
            None => {
                let remote = self.door.remote(&self.settings).map_err(|(_, error)| DiskError {
                    fault: DiskFault::Other,
                    action: "open the tiers for",
                    path: format!("arena {vcid}"),
                    reason: error.to_string(),
                })?;
                opened.insert(remote).clone()
            }
        };
        drop(opened);
        remote.open_arena(vcid, len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_come_back() {
        let tiers = vec![
            TierSettings {
                name: Name::new("yard").expect("a name"),
                address: "s3://bucket/prefix".into(),
                endpoint: Some("http://127.0.0.1:9000".into()),
                region: None,
                profile: Some("ops".into()),
                key_file: Some("/keys/yard".into()),
                passphrase_file: None,
            },
            TierSettings {
                name: Name::new("shelf").expect("a name"),
                address: "file:///mnt/shelf".into(),
                endpoint: None,
                region: Some("eu-west-1".into()),
                profile: None,
                key_file: None,
                passphrase_file: Some("/keys/words".into()),
            },
        ];
        let bytes = encode(&tiers);
        assert_eq!(decode(&bytes), Ok(tiers));
        assert!((0..bytes.len()).all(|cut| decode(&bytes[..cut]).is_err()));
    }
}
