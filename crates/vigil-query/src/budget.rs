//! What a query holds beside DataFusion's operators, counted against the same limit, and whether it is to
//! go on.
//!
//! Invariant: bytes are counted before they are held.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use datafusion::common::Result;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool, MemoryReservation};

use crate::error::QueryError;

/// The memory of one query, and the word to stop it.
#[derive(Clone, Debug)]
pub struct Budget {
    pool: Arc<dyn MemoryPool>,
    over: Over,
}

/// Tells work that nobody waits for it any longer, and knows the folder that it spills into.
#[derive(Clone, Debug, Default)]
pub struct Over(Arc<Ending>);

#[derive(Debug, Default)]
struct Ending {
    is_over: AtomicBool,
    folder: OnceLock<PathBuf>,
}

impl Over {
    /// Says so.
    pub fn set(&self) {
        self.0.is_over.store(true, Ordering::Relaxed);
    }

    /// Makes a folder of its own to spill into, below another.
    ///
    /// # Errors
    /// Returns why there can be none.
    pub fn spill_below(&self, folder: &Path) -> io::Result<PathBuf> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let own = folder.join(format!("vigil-spill-{}-{count}", std::process::id()));
        std::fs::create_dir_all(&own)?;
        Ok(self.0.folder.get_or_init(|| own).clone())
    }

    /// Removes what was spilled, though some thread may be in the middle of it yet.
    pub fn clear_away(&self) {
        if let Some(folder) = self.0.folder.get() {
            // What cannot be removed is no reason to refuse an answer that is there.
            let _ = std::fs::remove_dir_all(folder);
        }
    }

    /// Fails once it has been said: work that does not wait for anything asks it often.
    ///
    /// # Errors
    /// [`QueryError::Stopped`], and nothing else.
    pub fn check(&self) -> std::result::Result<(), QueryError> {
        match self.0.is_over.load(Ordering::Relaxed) {
            true => Err(QueryError::Stopped),
            false => Ok(()),
        }
    }
}

impl Budget {
    /// Makes the budget of a query from its pool.
    pub fn new(pool: Arc<dyn MemoryPool>, over: Over) -> Self {
        Self { pool, over }
    }

    /// Returns an empty reservation; `what` names it in messages.
    pub fn reserve(&self, what: &str) -> MemoryReservation {
        MemoryConsumer::new(what).register(&self.pool)
    }

    /// Fails once nobody waits any longer.
    ///
    /// # Errors
    /// [`QueryError::Stopped`], and nothing else.
    pub fn check(&self) -> std::result::Result<(), QueryError> {
        self.over.check()
    }

    /// Returns room for bytes that are made one after another.
    pub fn growing(&self, what: &str) -> Growing {
        Growing { bytes: Vec::new(), held: self.reserve(what), over: self.over.clone() }
    }

    /// Returns room for so many bytes, all zero.
    ///
    /// # Errors
    /// Says that there is none.
    pub fn room(&self, what: &str, len: usize) -> Result<Growing> {
        let mut room = self.growing(what);
        room.held.try_grow(len)?;
        room.bytes.resize(len, 0);
        Ok(room)
    }
}

/// Bytes that count for as long as they are held.
#[derive(Debug)]
pub struct Growing {
    bytes: Vec<u8>,
    held: MemoryReservation,
    over: Over,
}

/// Least room that is taken at once.
const ROOM_BYTES_MIN: usize = 64 << 10;

impl Growing {
    /// Returns room in the memory that something else counts in.
    pub fn beside(held: &MemoryReservation, over: Over) -> Self {
        Self { bytes: Vec::new(), held: held.new_empty(), over }
    }

    /// Adds bytes.
    ///
    /// # Errors
    /// Says that the limit is reached, or that nobody waits any longer.
    pub fn push(&mut self, more: &[u8]) -> Result<()> {
        self.over.check()?;
        let need = self.bytes.len() + more.len();
        let capacity = self.bytes.capacity();
        if need > capacity {
            // While the bytes move they are there twice.
            let room = need.max(capacity.saturating_mul(2)).max(ROOM_BYTES_MIN);
            self.held.try_grow(room)?;
            self.bytes.reserve_exact(room - self.bytes.len());
            self.held.shrink(capacity);
        }
        self.bytes.extend_from_slice(more);
        Ok(())
    }

    /// Takes out all bytes but the last ones, which stay.
    pub fn take_but(&mut self, last: usize) -> Bytes {
        let taken = self.bytes.len().saturating_sub(last);
        let front = Bytes::copy_from_slice(&self.bytes[..taken]);
        self.bytes.drain(..taken);
        front
    }

    /// Returns the bytes, to be written over.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    /// Returns the bytes, which count until the last who shares them is gone.
    pub fn shared(self) -> Bytes {
        Bytes::from_owner(Counted { bytes: self.bytes, _held: self.held })
    }

    /// Returns the bytes, which no longer count.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

impl io::Write for Growing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.push(bytes).map_err(io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Counted {
    bytes: Vec<u8>,
    /// Given back when it goes.
    _held: MemoryReservation,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl From<QueryError> for datafusion::common::DataFusionError {
    fn from(error: QueryError) -> Self {
        Self::External(Box::new(error))
    }
}
