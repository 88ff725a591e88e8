//! Which items the batches of this process are about to write, so that each is written once.
//!
//! A batch that meets an item which another holds keeps the bytes until it ends: the other may be
//! given up, or the power may go before it has written them.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::format::{ItemId, ItemKind};

/// Names a batch inside this process.
pub(crate) type BatchNumber = u64;

/// Who writes an item that the index does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Claim {
    /// The batch that asked, from now on.
    Mine,
    /// The batch that asked has claimed it before.
    MineAlready,
    /// Another batch, which may yet be given up.
    Theirs,
}

/// The items that batches have claimed, and by which.
#[derive(Default)]
pub(crate) struct Pending {
    shards: [Mutex<HashMap<ItemId, BatchNumber>>; 16],
    batches: AtomicU64,
}

impl Pending {
    fn shard(&self, id: &ItemId) -> MutexGuard<'_, HashMap<ItemId, BatchNumber>> {
        let shard = &self.shards[usize::from(id.0[31] & 15)];
        shard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the number of a new batch.
    pub fn start_batch(&self) -> BatchNumber {
        self.batches.fetch_add(1, Ordering::Relaxed)
    }

    /// Claims an item for `batch`, unless it is claimed.
    pub fn claim(&self, id: &ItemId, batch: BatchNumber) -> Claim {
        let mut shard = self.shard(id);
        match shard.get(id) {
            Some(owner) if *owner == batch => Claim::MineAlready,
            Some(_) => Claim::Theirs,
            None => {
                shard.insert(*id, batch);
                Claim::Mine
            }
        }
    }

    /// Ends a claim, because the item is in the index or will not be written.
    pub fn release(&self, id: &ItemId) {
        self.shard(id).remove(id);
    }

    /// Forgets all claims. Nobody may have a batch.
    pub fn clear(&self) {
        for shard in &self.shards {
            shard.lock().unwrap_or_else(PoisonError::into_inner).clear();
        }
    }
}

/// Copies of items that other batches have claimed.
#[derive(Default)]
pub(crate) struct Deferred {
    pub items: BTreeMap<(ItemId, ItemKind), Vec<u8>>,
    pub bytes: usize,
}

impl Deferred {
    /// Keeps a copy, unless there is one.
    pub fn push(&mut self, id: ItemId, kind: ItemKind, bytes: &[u8]) {
        self.items.entry((id, kind)).or_insert_with(|| {
            self.bytes += bytes.len();
            bytes.to_vec()
        });
    }
}
