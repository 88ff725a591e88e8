//! The parts of a world that tests need.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use vigil_base::world::{Clock, Disk, Moment, Randomness, RandomnessError};
use vigil_store::{FolderDisk, World};

/// A clock that stands still.
pub struct StoppedClock;

impl Clock for StoppedClock {
    fn now(&self) -> Moment {
        stopped_moment()
    }
}

/// When the clock stands still.
pub fn stopped_moment() -> Moment {
    Moment(1_700_000_000_000_000_000)
}

/// Bytes that differ from call to call, and not from run to run.
#[derive(Default)]
pub struct CountedRandomness(AtomicU64);

impl Randomness for CountedRandomness {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), RandomnessError> {
        let count = self.0.fetch_add(1, Ordering::Relaxed);
        let mut stream = noise(count);
        bytes.iter_mut().for_each(|byte| *byte = stream());
        Ok(())
    }
}

/// A stream of bytes that do not compress (xorshift64*).
pub fn noise(seed: u64) -> impl FnMut() -> u8 {
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

/// `len` bytes that do compress.
pub fn text_bytes(seed: u64, len: usize) -> Vec<u8> {
    let words = ["arena ", "chunk ", "the ", "sealed ", "of ", "frame\n", "index "];
    let mut stream = noise(seed);
    let mut text = Vec::with_capacity(len + 8);
    while text.len() < len {
        text.extend_from_slice(words[usize::from(stream()) % words.len()].as_bytes());
    }
    text.truncate(len);
    text
}

pub fn world_on(disk: Arc<dyn Disk>) -> World {
    World { disk, clock: Arc::new(StoppedClock), randomness: Arc::<CountedRandomness>::default() }
}

pub fn folder_world(folder: &Path) -> World {
    world_on(Arc::new(FolderDisk::new(folder)))
}
