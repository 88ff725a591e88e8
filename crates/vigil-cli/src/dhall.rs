//! What the commands for Dhall need of the world: imports, and somebody who types.
//!
//! The program passes the door; this library opens no socket.

use std::io;
use std::path::PathBuf;

use vigil_dhall::Importer;

/// How imports are to be reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DhallSettings {
    /// Where relative paths start; empty for the folder that the process runs in.
    pub folder: PathBuf,
    /// Whether the caches on disk are read and filled.
    pub uses_cache: bool,
    /// Whether the web is out of reach.
    pub is_offline: bool,
    /// How many bytes one import may have. More need not be brought.
    pub import_bytes_max: u64,
}

/// Reaches what expressions import, and whoever types them.
pub trait DhallDoor: Send + Sync {
    /// Returns what imports come through. `warn` is told what goes wrong with the caches.
    fn importer<'a>(
        &self,
        settings: &DhallSettings,
        warn: &'a dyn Fn(&str),
    ) -> Box<dyn Importer + 'a>;

    /// Returns what reads lines from standard input, with a prompt and a history on a terminal.
    ///
    /// # Errors
    /// Returns why the terminal cannot be used.
    fn editor(&self) -> io::Result<Box<dyn LineEditor>>;
}

/// What came of asking for a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EditedLine {
    /// A line, without its end.
    Text(String),
    /// The person gave up on this line.
    Interrupted,
    /// There are no more lines.
    End,
}

/// Reads lines.
pub trait LineEditor {
    /// Reads one line; on a terminal after showing `prompt`.
    ///
    /// # Errors
    /// Returns what the system said.
    fn line(&mut self, prompt: &str) -> io::Result<EditedLine>;

    /// Puts an entry into the history, and keeps it.
    fn remember(&mut self, entry: &str);

    /// Ends.
    ///
    /// # Errors
    /// Returns why an entry could not be kept.
    fn finish(&mut self) -> io::Result<()>;
}
