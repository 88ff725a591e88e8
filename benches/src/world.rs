//! The world that a store in this process works in: the real disk, clock and randomness.

use std::path::Path;
use std::sync::Arc;

use rustix::rand::GetRandomFlags;
use rustix::time::ClockId;
use vigil_base::world::{Clock, Moment, Randomness, RandomnessError};
use vigil_store::{FolderDisk, World};

struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Moment {
        let now = rustix::time::clock_gettime(ClockId::Realtime);
        Moment(now.tv_sec * 1_000_000_000 + now.tv_nsec)
    }
}

struct SystemRandomness;

impl Randomness for SystemRandomness {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), RandomnessError> {
        let mut filled = 0;
        while filled < bytes.len() {
            match rustix::rand::getrandom(&mut bytes[filled..], GetRandomFlags::empty()) {
                Ok(more) => filled += more,
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(RandomnessError { reason: error.to_string() }),
            }
        }
        Ok(())
    }
}

/// Returns the real world, with the disk's folder at `folder`.
pub fn world(folder: &Path) -> World {
    World {
        disk: Arc::new(FolderDisk::new(folder)),
        clock: Arc::new(SystemClock),
        randomness: Arc::new(SystemRandomness),
    }
}
