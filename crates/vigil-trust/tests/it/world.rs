//! The parts of a world that tests need.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};

use vigil_base::world::{Clock, Moment};

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

/// A clock that goes on by a second with each look.
pub struct TickingClock(AtomicI64);

impl TickingClock {
    pub fn new() -> Self {
        Self(AtomicI64::new(1_700_000_000))
    }
}

impl Clock for TickingClock {
    fn now(&self) -> Moment {
        Moment(self.0.fetch_add(1, Ordering::Relaxed) * 1_000_000_000)
    }
}

/// Writes files below a folder.
pub fn write_files(folder: &Path, files: impl IntoIterator<Item = (String, Vec<u8>)>) {
    for (path, bytes) in files {
        let full: PathBuf = folder.join(path);
        fs::create_dir_all(full.parent().expect("a file is in a folder")).expect("a folder");
        fs::write(full, bytes).expect("a file");
    }
}
