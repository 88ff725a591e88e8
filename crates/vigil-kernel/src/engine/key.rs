//! Keys: what can be asked for, and the typed tables that keep keys and values.

use std::any::Any;
use std::collections::HashMap;
use std::fmt::Debug;
use std::future::Future;
use std::hash::{BuildHasher, Hash, RandomState};
use std::pin::Pin;

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use super::Cx;
use super::graph::NodeId;
use super::image::Stored;

/// Something that can be computed, and how.
///
/// A computation may read other keys through [`Cx::get`], and nothing else that changes: what it
/// gives must follow from its key and from what it read.
///
/// `Hash`, `Eq`, `Clone`, `same`, `weight`, `fingerprint` and the drop of keys and values are called
/// while the engine is locked: they may not call the engine, and should be quick.
pub trait Key: Clone + Eq + Hash + Debug + Send + Sync + 'static {
    /// What it gives. Cloned for each reader, so anything large goes behind an `Arc`.
    type Value: Clone + Send + Sync + 'static;

    /// Computes the value. An input computes what it is before anybody has set it.
    fn compute(&self, cx: &Cx) -> impl Future<Output = Self::Value> + Send;

    /// Returns whether readers of `before` would do the same with `after`: the early cut-off.
    fn same(before: &Self::Value, after: &Self::Value) -> bool;

    /// Returns whether a value may be used in this run only, because it tells of the world and not of
    /// the key: a link that was down, a file that somebody is writing. So may everything above it.
    fn is_transient(value: &Self::Value) -> bool {
        let _ = value;
        false
    }

    /// Returns how many bytes a value holds, for the memory budget.
    fn weight(value: &Self::Value) -> usize {
        let _ = value;
        size_of::<Self::Value>()
    }

    /// Returns a hash of the value, such that equal hashes mean [`Key::same`]. With it a value that
    /// was evicted and computed again still cuts off; without it everything above is computed again.
    fn fingerprint(value: &Self::Value) -> Option<u128> {
        let _ = value;
        None
    }
}

/// A computation that is under way.
pub type Running = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What the engine does with a table whose types it does not know.
pub trait AnyTable: Send + Any {
    /// Returns the key as text.
    fn describe(&self, slot: u32) -> String;
    /// Starts computing.
    fn start(&self, slot: u32, cx: Cx) -> Running;
    /// Makes an injected value the current one.
    fn take_pending(&mut self, slot: u32) -> Swapped;
    /// Drops a value.
    fn evict(&mut self, slot: u32) -> Evicted;
    /// Returns the bytes of keys, values and the table itself, what they point at left out.
    fn bytes(&self) -> usize;
}

/// What a value that takes the place of another one weighs more than it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swapped {
    /// Bytes that came.
    pub came: usize,
    /// Bytes that went.
    pub went: usize,
}

/// What is left of a value that was dropped.
#[derive(Clone, Copy, Debug)]
pub struct Evicted {
    /// Bytes that went.
    pub went: usize,
    /// Its hash.
    pub fingerprint: Option<u128>,
}

/// Keys of one type and their values.
pub struct Table<K: Key> {
    slots: HashTable<u32>,
    hasher: RandomState,
    rows: Vec<Row<K>>,
    pending: HashMap<u32, K::Value>,
}

struct Row<K: Key> {
    key: K,
    node: NodeId,
    value: Option<K::Value>,
}

impl<K: Key> Table<K> {
    /// Makes an empty table.
    pub fn new() -> Self {
        Self {
            slots: HashTable::new(),
            hasher: RandomState::new(),
            rows: Vec::new(),
            pending: HashMap::new(),
        }
    }

    /// Returns the key's node.
    pub fn find(&self, key: &K) -> Option<(NodeId, u32)> {
        self.find_like(key, |other| other == key)
    }

    /// Returns the node of the key that `is` accepts; `like` hashes as that key does.
    pub fn find_like(&self, like: &impl Hash, is: impl Fn(&K) -> bool) -> Option<(NodeId, u32)> {
        let hash = self.hasher.hash_one(like);
        let slot = *self.slots.find(hash, |&slot| is(&self.rows[slot as usize].key))?;
        Some((self.rows[slot as usize].node, slot))
    }

    /// Returns the slot that the next key gets.
    pub fn slot_next(&self) -> u32 {
        u32::try_from(self.rows.len()).expect("the graph bounds the number of nodes")
    }

    /// Adds a key that is not there.
    pub fn insert(&mut self, key: K, node: NodeId) {
        let slot = self.slot_next();
        let hash = self.hasher.hash_one(&key);
        self.rows.push(Row { key, node, value: None });
        let Self { slots, hasher, rows, .. } = self;
        slots.insert_unique(hash, slot, |&slot| hasher.hash_one(&rows[slot as usize].key));
    }

    /// Returns the value.
    pub fn value(&self, slot: u32) -> Option<&K::Value> {
        self.rows[slot as usize].value.as_ref()
    }

    /// Returns the key of a slot.
    pub fn key(&self, slot: u32) -> &K {
        &self.rows[slot as usize].key
    }

    /// Reads so many keys, each once, and then as many values. Returns the table, whose nodes are the
    /// places, and the bytes that the values hold; `None` where something cannot be read, or is left.
    pub fn read(count: usize, mut from: &[u8]) -> Option<(Self, usize)>
    where
        K: Stored,
    {
        let mut table = Self::new();
        // The image holds five bytes for each, so what is claimed is bounded by what is there.
        table.rows.reserve_exact(count);
        for slot in 0..count as u32 {
            let key = K::read_key(&mut from)?;
            table.rows.push(Row { key, node: NodeId(slot), value: None });
        }
        let mut held = 0;
        for row in &mut table.rows {
            let value = K::read_value(&mut from)?;
            held += K::weight(&value);
            row.value = Some(value);
        }
        let Self { slots, hasher, rows, .. } = &mut table;
        slots.reserve(count, |&slot| hasher.hash_one(&rows[slot as usize].key));
        for (slot, row) in rows.iter().enumerate() {
            let hash = hasher.hash_one(&row.key);
            let is_same = |&other: &u32| rows[other as usize].key == row.key;
            match slots.entry(hash, is_same, |&slot| hasher.hash_one(&rows[slot as usize].key)) {
                Entry::Vacant(place) => place.insert(slot as u32),
                Entry::Occupied(_) => return None,
            };
        }
        from.is_empty().then_some((table, held))
    }

    /// Returns all keys with a value.
    pub fn values(&self) -> Vec<(K, K::Value)> {
        let rows = self.rows.iter();
        rows.filter_map(|row| Some((row.key.clone(), row.value.clone()?))).collect()
    }

    /// Replaces the value.
    pub fn replace(&mut self, slot: u32, value: K::Value) -> Swapped {
        let came = K::weight(&value);
        let before = self.rows[slot as usize].value.replace(value);
        Swapped { came, went: before.as_ref().map_or(0, K::weight) }
    }

    /// Keeps an injected value until somebody reads it.
    pub fn set_pending(&mut self, slot: u32, value: K::Value) {
        self.pending.insert(slot, value);
    }

    /// Forgets an injected value that nobody has read.
    pub fn drop_pending(&mut self, slot: u32) {
        self.pending.remove(&slot);
    }
}

impl<K: Key> AnyTable for Table<K> {
    fn describe(&self, slot: u32) -> String {
        format!("{:?}", self.rows[slot as usize].key)
    }

    fn start(&self, slot: u32, cx: Cx) -> Running {
        let key = self.rows[slot as usize].key.clone();
        Box::pin(async move {
            let value = key.compute(&cx).await;
            cx.finish::<K>(value);
        })
    }

    fn take_pending(&mut self, slot: u32) -> Swapped {
        match self.pending.remove(&slot) {
            Some(value) => self.replace(slot, value),
            None => Swapped::default(),
        }
    }

    fn evict(&mut self, slot: u32) -> Evicted {
        let value = self.rows[slot as usize].value.take();
        Evicted {
            went: value.as_ref().map_or(0, K::weight),
            fingerprint: value.as_ref().and_then(K::fingerprint),
        }
    }

    fn bytes(&self) -> usize {
        self.slots.allocation_size()
            + self.rows.capacity() * size_of::<Row<K>>()
            + self.pending.capacity() * size_of::<(u32, K::Value)>()
    }
}
