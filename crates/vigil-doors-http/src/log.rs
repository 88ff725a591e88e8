//! What each request for a log is answered with.

use std::sync::Arc;

use vigil_base::world::{Disk, DiskError, FileStart, read_file};
use vigil_trust::log::{BUNDLE_BYTES_MAX, NOTE_BYTES_MAX, TileId, TileKind, minimum_index};

/// Partial tiles and the checkpoint change or go; what is full stays (tlog-tiles, "APIs").
const IMMUTABLE: &str = "public, max-age=31536000, immutable";
const BRIEF: &str = "public, max-age=2";

/// The folder of a log.
#[derive(Clone)]
pub struct LogFolder {
    disk: Arc<dyn Disk>,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status of HTTP.
    pub status: u16,
    /// The media type of the body.
    pub media_type: &'static str,
    /// How long the body may be kept.
    pub cache: &'static str,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    fn text(status: u16, body: &str) -> Self {
        let media_type = "text/plain; charset=utf-8";
        Self { status, media_type, cache: "no-store", body: body.into() }
    }

    /// What is said when something broke here.
    pub(crate) fn broken() -> Self {
        Self::text(500, "the file could not be read\n")
    }

    /// What is said to whoever wants to write.
    pub(crate) fn not_allowed() -> Self {
        Self::text(405, "a log is only read here\n")
    }
}

impl LogFolder {
    /// Serves the log in the folder of `disk`.
    pub fn new(disk: Arc<dyn Disk>) -> Self {
        Self { disk }
    }

    /// Answers a request for a path, with its slash in front.
    pub fn answer(&self, path: &str) -> Answer {
        let found = match path.strip_prefix('/') {
            Some("checkpoint") => self.checkpoint(),
            Some(path) => self.tile(path),
            None => Ok(None),
        };
        match found {
            Ok(Some(answer)) => answer,
            Ok(None) => Answer::text(404, "there is no such file in this log\n"),
            Err(_) => Answer::broken(),
        }
    }

    fn checkpoint(&self) -> Result<Option<Answer>, DiskError> {
        let media_type = "text/plain; charset=utf-8";
        let body = self.read("checkpoint", NOTE_BYTES_MAX)?;
        Ok(body.map(|body| Answer { status: 200, media_type, cache: BRIEF, body }))
    }

    fn tile(&self, path: &str) -> Result<Option<Answer>, DiskError> {
        // What parses has one path and leads nowhere but below `tile/`.
        let Ok(id) = TileId::parse(path) else { return Ok(None) };
        if id.is_pruned(minimum_index(&*self.disk)?) {
            return Ok(Some(Answer::text(404, "the log is no longer kept that far back\n")));
        }
        let bytes_max = match id.kind {
            TileKind::Hashes(_) => 32 * usize::from(id.width),
            TileKind::Entries => BUNDLE_BYTES_MAX,
        };
        let media_type = "application/octet-stream";
        let body = self.read(&id.path(), bytes_max)?;
        Ok(body.map(|body| Answer { status: 200, media_type, cache: IMMUTABLE, body }))
    }

    fn read(&self, path: &str, bytes_max: usize) -> Result<Option<Vec<u8>>, DiskError> {
        Ok(read_file(&*self.disk, path, bytes_max)?.and_then(FileStart::whole))
    }
}
