//! The parts of a world that tests need.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use vigil_base::Vcid;
use vigil_base::world::{Clock, Moment, Randomness, RandomnessError};
use vigil_store::{FolderDisk, Options, Store, World};
use vigil_tier::{Access, Address, OpenTierError, PassphraseCost, Secret, Tier, TierOptions};

use crate::server::{BUCKET, KEY_ID, SECRET_KEY, Server};

/// A clock that stands still.
struct StoppedClock;

impl Clock for StoppedClock {
    fn now(&self) -> Moment {
        Moment(1_700_000_000_000_000_000)
    }
}

/// Bytes that differ from call to call and seed to seed, and not from run to run.
struct CountedRandomness(AtomicU64);

impl Randomness for CountedRandomness {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), RandomnessError> {
        let mut stream = noise(self.0.fetch_add(1, Ordering::Relaxed));
        bytes.iter_mut().for_each(|byte| *byte = stream());
        Ok(())
    }
}

fn randomness(seed: u64) -> Arc<dyn Randomness> {
    Arc::new(CountedRandomness(AtomicU64::new(seed << 32)))
}

/// A stream of bytes that do not compress (xorshift64*).
fn noise(seed: u64) -> impl FnMut() -> u8 {
    let mut state = seed.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    move || {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        (state.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 56) as u8
    }
}

/// `len` bytes that do not compress.
pub fn noise_bytes(seed: u64, len: usize) -> Vec<u8> {
    let mut stream = noise(seed);
    (0..len).map(|_| stream()).collect()
}

/// A store in a folder of its own, with some blobs in one sealed arena or two.
pub struct Site {
    pub folder: tempfile::TempDir,
    pub store: Store,
    pub blobs: Vec<(Vcid, Vec<u8>)>,
    /// The sealed arenas.
    pub arenas: Vec<u32>,
}

pub fn open(folder: &Path, seed: u64) -> Store {
    let disk = Arc::new(FolderDisk::new(folder));
    let world = World { disk, clock: Arc::new(StoppedClock), randomness: randomness(seed) };
    Store::open(world, Options::default()).expect("a store")
}

impl Site {
    pub fn empty(seed: u64) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let store = open(folder.path(), seed);
        Self { folder, store, blobs: Vec::new(), arenas: Vec::new() }
    }

    /// With blobs of these lengths, in sealed arenas.
    pub fn with(seed: u64, lens: &[usize]) -> Self {
        let mut site = Self::empty(seed);
        let writer = site.store.writer().expect("a writer");
        for (number, len) in (0..).zip(lens) {
            let bytes = noise_bytes(seed * 1000 + number, *len);
            let mut batch = writer.batch().expect("a batch");
            site.blobs.push((batch.put_any(&bytes).expect("a put"), bytes));
            batch.finish().expect("a flush");
        }
        site.arenas = writer.seal().expect("a seal");
        site
    }

    /// With blobs in frames and extents, and some 19 MB, so that uploads have several parts.
    pub fn full(seed: u64) -> Self {
        Self::with(seed, &[0, 1, 5000, 300_000, 9_000_000, 10_000_000])
    }

    /// Opens the store again, as another process would: without any tier.
    pub fn reopen(&mut self) {
        self.store = open(self.folder.path(), 99);
    }

    #[track_caller]
    pub fn check(&self, store: &Store) {
        for (vcid, bytes) in &self.blobs {
            assert!(store.read(*vcid).expect("what was put") == *bytes, "{vcid}");
        }
    }

    pub fn arena_file(&self, number: u32) -> std::path::PathBuf {
        self.folder.path().join(format!("arenas/{number:08}.arena"))
    }
}

pub fn quick_cost() -> PassphraseCost {
    PassphraseCost { memory_kib: 8 << 10, passes: 1, lanes: 1 }
}

pub fn open_tier(
    address: &str,
    endpoint: Option<String>,
    secret: Option<Secret>,
) -> Result<Tier, OpenTierError> {
    open_tier_retrying(address, endpoint, secret, 3)
}

fn open_tier_retrying(
    address: &str,
    endpoint: Option<String>,
    secret: Option<Secret>,
    retries: usize,
) -> Result<Tier, OpenTierError> {
    let nothing = |_: &str| None;
    let mut options = TierOptions::new(&nothing, randomness(7));
    options.access = Access::Keys { id: KEY_ID.into(), secret: SECRET_KEY.into(), token: None };
    options.endpoint = endpoint;
    options.secret = secret;
    options.passphrase_cost = quick_cost();
    options.retries = retries;
    options.retry_for = Duration::from_secs(2);
    Tier::open(&Address::parse(address).expect("an address"), &options)
}

impl Server {
    pub fn tier(&self) -> Tier {
        self.tier_with(None).expect("a tier")
    }

    pub fn tier_with(&self, secret: Option<Secret>) -> Result<Tier, OpenTierError> {
        open_tier(&format!("s3://{BUCKET}/vigil/site"), Some(self.endpoint()), secret)
    }

    /// A tier that gives up at the first fault.
    pub fn hasty_tier(&self, secret: Option<Secret>) -> Tier {
        let address = format!("s3://{BUCKET}/vigil/site");
        open_tier_retrying(&address, Some(self.endpoint()), secret, 0).expect("a tier")
    }

    /// The objects of the tier's folder.
    pub fn tier_objects(&self, folder: &str) -> Vec<String> {
        self.objects(&format!("vigil/site/{folder}"))
    }

    pub fn tier_object(&self, key: &str) -> std::path::PathBuf {
        self.object(&format!("vigil/site/{key}"))
    }
}

pub fn key_file(byte: u8) -> Secret {
    Secret::from_key_file(&[byte; 32]).expect("32 bytes")
}

/// An error and its sources, in one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}
