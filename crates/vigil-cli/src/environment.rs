//! The environment as the program found it: read once, by the binary, and handed in.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use vigil_base::world::{Clock, Randomness};

use crate::dhall::DhallDoor;
use crate::logs::LogDoor;
use crate::machine::MachineDoor;
use crate::query::QueryDoor;
use crate::tiers::TierDoor;
use crate::trust::TrustDoor;

/// What the commands may know about the world around them.
#[derive(Clone)]
pub struct Environment {
    /// `VIGIL_STORE`: the store to use when no `--store` is given.
    pub store: Option<OsString>,
    /// `XDG_DATA_HOME`: where programs keep a person's data.
    pub data_home: Option<OsString>,
    /// `XDG_RUNTIME_DIR`: where programs keep what ends when the person logs out.
    pub runtime: Option<OsString>,
    /// The file that this program was started from, if the system tells.
    pub program: Option<PathBuf>,
    /// `HOME`: the person's own folder.
    pub home: Option<OsString>,
    /// Where relative paths start; empty for the folder that the process runs in.
    pub folder: PathBuf,
    /// The folder that the process runs in, if it still exists.
    pub working_folder: Option<PathBuf>,
    /// Where temporary folders go.
    pub temporary: PathBuf,
    /// Whether standard output is a terminal.
    pub is_output_terminal: bool,
    /// How many columns the terminal has that standard error goes to; `None` if it is none.
    pub talk_columns: Option<u16>,
    /// Whether colour is welcome on terminals.
    pub wants_colour: bool,
    /// How many processors there are.
    pub processors: usize,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Gives random bytes.
    pub randomness: Arc<dyn Randomness>,
    /// Reaches tiers.
    pub tiers: Arc<dyn TierDoor>,
    /// Reaches what expressions import, and whoever types them.
    pub dhall: Arc<dyn DhallDoor>,
    /// Serves transparency logs.
    pub logs: Arc<dyn LogDoor>,
    /// Runs machines.
    pub machine: Arc<dyn MachineDoor>,
    /// Reaches whoever sits at the keyboard, and what identity needs of the machine.
    pub trust: Arc<dyn TrustDoor>,
    /// Runs queries.
    pub queries: Arc<dyn QueryDoor>,
}

impl Environment {
    /// Returns where a path that a person typed lies.
    pub fn locate(&self, path: &Path) -> PathBuf {
        // Joining to an empty folder leaves the path as it was typed, and messages short.
        self.folder.join(path)
    }
}
