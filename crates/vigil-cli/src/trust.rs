//! What the commands for identity need of the world: secrets that a person types, time to measure
//! jitter by, and the disk's own name for a folder.
//!
//! The program passes the door; this library knows neither terminals nor processors.

use std::io;
use std::path::Path;

pub use vigil_trust::puddle::Steady;

/// Reaches the person at the keyboard, and the machine.
pub trait TrustDoor: Send + Sync {
    /// Keeps what is secret out of core dumps and of the eyes of other processes. Called before anything
    /// secret is read.
    ///
    /// # Errors
    /// Returns what the system said.
    fn guard(&self) -> io::Result<()>;

    /// Asks for a line on standard error, reads it from standard input without its end into `answer`, and
    /// says whether there was one. What is secret is not shown on a terminal. `answer` is not made larger
    /// and nothing else holds what was read, so that the caller can wipe it.
    ///
    /// # Errors
    /// Returns what the system said, and fails for a line that is longer than `answer` has room for.
    fn ask(&self, prompt: &str, is_secret: bool, answer: &mut Vec<u8>) -> io::Result<bool>;

    /// Returns a counter of the finest kind there is, to measure jitter by.
    fn ticks(&self) -> u64;

    /// Returns what the clock shows that nobody sets, if the system has one and says since which start.
    fn steady(&self) -> Option<Steady>;

    /// Returns what tells a folder of this machine from any copy of it, on this machine or another.
    ///
    /// # Errors
    /// Returns what the system said.
    fn place(&self, folder: &Path) -> io::Result<Vec<u8>>;
}
