//! Decoded frames that were read lately, and which of their items have been proven.
//!
//! Several threads that want one frame decode it once: the others wait for the first.

use std::collections::{HashMap, HashSet};
use std::ops::{Deref, Range};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::format::ItemId;

/// A frame is known by its arena and its trailer.
pub(crate) type FrameKey = (u32, u32);

/// Some bytes of a decoded frame.
#[derive(Clone)]
pub struct ItemBytes {
    bytes: Arc<Vec<u8>>,
    range: Range<usize>,
}

impl ItemBytes {
    pub(crate) fn new(bytes: Arc<Vec<u8>>, range: Range<usize>) -> Self {
        assert!(range.end <= bytes.len() && range.start <= range.end);
        Self { bytes, range }
    }

    /// Returns the part `range` of these bytes, which must lie inside them.
    pub fn slice(&self, range: Range<usize>) -> Self {
        let start = self.range.start + range.start;
        assert!(range.start <= range.end && range.end <= self.len());
        Self { bytes: self.bytes.clone(), range: start..start + range.len() }
    }
}

impl Deref for ItemBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[self.range.clone()]
    }
}

impl std::fmt::Debug for ItemBytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} bytes", self.len())
    }
}

/// The front of a frame, as far as somebody has needed it.
#[derive(Default)]
pub(crate) struct Decoded {
    /// The first bytes of the decoded payload.
    pub front: Arc<Vec<u8>>,
    /// The proven items, each with where it starts and ends. A place alone would not do: an empty item
    /// starts where the next one does. An id alone would not either: an index may lie.
    pub proven: HashSet<(ItemId, Range<usize>)>,
    /// The stored payload has been compared with its checksum.
    pub is_checked: bool,
}

/// A bounded set of frames. The bound holds for what it keeps, not for what readers hold on to.
pub(crate) struct FrameCache {
    bytes_max: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    frames: HashMap<FrameKey, Slot>,
    bytes: usize,
    clock: u64,
}

struct Slot {
    frame: Arc<Mutex<Decoded>>,
    bytes: usize,
    used: u64,
}

impl FrameCache {
    pub fn new(bytes_max: usize) -> Self {
        Self { bytes_max, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the frame's place, empty the first time. Its lock is what makes decoding single.
    pub fn frame(&self, key: FrameKey) -> Arc<Mutex<Decoded>> {
        let mut state = self.state();
        state.clock += 1;
        let used = state.clock;
        let slot = state.frames.entry(key).or_insert_with(|| Slot {
            frame: Arc::default(),
            bytes: 0,
            used,
        });
        slot.used = used;
        slot.frame.clone()
    }

    /// Notes how many bytes the frame now has, and makes room for them.
    pub fn resized(&self, key: FrameKey, bytes: usize) {
        let mut state = self.state();
        if let Some(slot) = state.frames.get_mut(&key) {
            let before = std::mem::replace(&mut slot.bytes, bytes);
            state.bytes = state.bytes - before + bytes;
        }
        if state.bytes <= self.bytes_max {
            return;
        }
        // Dropping the older half at once costs a sort now and then, and no list to keep in order.
        let mut ages: Vec<u64> = state.frames.values().map(|slot| slot.used).collect();
        ages.sort_unstable();
        let middle = ages[ages.len() / 2];
        state.frames.retain(|_, slot| slot.used > middle);
        state.bytes = state.frames.values().map(|slot| slot.bytes).sum();
    }

    /// Forgets everything.
    pub fn clear(&self) {
        *self.state() = State::default();
    }
}
