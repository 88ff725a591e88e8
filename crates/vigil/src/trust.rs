//! The door of identity: the terminal, the finest clock, and what the system calls a folder.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _, stderr, stdin};
use std::os::fd::AsFd as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::OnceLock;
use std::time::Instant;

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
use vigil_cli::TrustDoor;

/// This machine, and whoever sits at it.
pub(crate) struct Keyboard;

impl TrustDoor for Keyboard {
    fn guard(&self) -> io::Result<()> {
        setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
        // Nor may another process of the same user look into this one's memory.
        Ok(set_dumpable_behavior(DumpableBehavior::NotDumpable)?)
    }

    fn ask(&self, prompt: &str, is_secret: bool) -> io::Result<Option<String>> {
        let mut talk = stderr();
        write!(talk, "{prompt}")?;
        talk.flush()?;
        let _quiet = if is_secret && stdin().is_terminal() { Some(Quiet::begin()?) } else { None };
        let mut line = String::new();
        if stdin().lock().read_line(&mut line)? == 0 {
            return Ok(None);
        }
        line.truncate(line.trim_end_matches(['\n', '\r']).len());
        Ok(Some(line))
    }

    fn ticks(&self) -> u64 {
        static START: OnceLock<Instant> = OnceLock::new();
        let since = START.get_or_init(Instant::now).elapsed();
        // 584 years fit.
        since.as_nanos() as u64
    }

    fn place(&self, folder: &Path) -> io::Result<Vec<u8>> {
        let found = std::fs::metadata(folder)?;
        let mut place = Vec::new();
        // Not every system has the file; the folder's own number is there always.
        place.extend(std::fs::read("/etc/machine-id").unwrap_or_default());
        place.push(0);
        place.extend(found.dev().to_le_bytes());
        place.extend(found.ino().to_le_bytes());
        Ok(place)
    }
}

/// A terminal that does not show what is typed, until this is dropped.
struct Quiet(rustix::termios::Termios);

impl Quiet {
    fn begin() -> io::Result<Self> {
        let before = tcgetattr(stdin().as_fd())?;
        let mut quiet = before.clone();
        quiet.local_modes.remove(LocalModes::ECHO);
        quiet.local_modes.insert(LocalModes::ECHONL);
        tcsetattr(stdin().as_fd(), OptionalActions::Flush, &quiet)?;
        Ok(Self(before))
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        // A terminal that is gone shows nothing anyway.
        let _ = tcsetattr(stdin().as_fd(), OptionalActions::Flush, &self.0);
    }
}
