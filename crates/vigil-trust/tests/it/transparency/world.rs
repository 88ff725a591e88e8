//! Logs, witnesses and keys for tests.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;

use vigil_trust::log::{
    Checkpoint, DurableLog, Ed25519Kind, Edge, KeyName, LogKeys, NoteSigner, Origin,
    SignedCheckpoint, TileId, Tiles, TreeSize,
};

use crate::sim::{Sim, SimDisk};

pub const ORIGIN: &str = "log.example/behind-the-sofa";

pub fn log_signer() -> NoteSigner {
    signer(ORIGIN, Ed25519Kind::Log, 1)
}

pub fn signer(name: &str, kind: Ed25519Kind, seed: u8) -> NoteSigner {
    NoteSigner::from_seed(KeyName::new(name).expect("a name"), kind, &[seed; 32])
}

pub fn log_keys() -> LogKeys {
    LogKeys::of(log_signer().key().clone()).expect("a log's key")
}

pub fn entry(index: u64) -> Vec<u8> {
    let mut bytes = format!("entry {index} ").into_bytes();
    bytes.resize(bytes.len() + (index % 7) as usize, b'.');
    bytes
}

/// A log in memory, with every tile it ever had. It signs whatever it is told to: it may lie.
#[derive(Clone, Default)]
pub struct MemoryLog {
    pub edge: Edge,
    pub files: BTreeMap<TileId, Vec<u8>>,
}

impl MemoryLog {
    /// A log with the entries of [`entry`].
    pub fn of(count: u64) -> Self {
        let mut log = Self::default();
        (0..count).for_each(|index| log.push(&entry(index)));
        log
    }

    pub fn push(&mut self, entry: &[u8]) {
        let mut full = Vec::new();
        self.edge.push(entry, &mut full).expect("a short entry");
        self.files.extend(full.into_iter().map(|file| (file.id, file.bytes)));
    }

    /// Signs the tree as it is, and writes its partial tiles.
    pub fn sign(&mut self) -> SignedCheckpoint {
        let partial = self.edge.partial(TreeSize(0));
        self.files.extend(partial.into_iter().map(|file| (file.id, file.bytes)));
        sign(self.edge.size(), self.edge.root())
    }
}

pub fn sign(size: TreeSize, root: vigil_trust::log::TreeHash) -> SignedCheckpoint {
    let origin = Origin::new(ORIGIN).expect("an origin");
    let checkpoint = Checkpoint { origin, size, root, extensions: Vec::new() };
    checkpoint.sign(&[&log_signer()]).expect("a checkpoint")
}

impl Tiles for MemoryLog {
    type Error = Infallible;

    fn tile(&mut self, id: TileId) -> Result<Option<Vec<u8>>, Infallible> {
        Ok(self.files.get(&id).cloned())
    }
}

pub fn create(disk: Arc<SimDisk>) -> DurableLog {
    DurableLog::create(disk, log_signer()).unwrap_or_else(|error| panic!("{}", chain(&error)))
}

pub fn open_on(sim: &Sim) -> DurableLog {
    let opened = DurableLog::open(sim.process(), log_signer());
    opened.unwrap_or_else(|error| panic!("{}", chain(&error)))
}

/// Joins the messages of an error and its sources.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text += &format!(": {inner}");
        source = inner.source();
    }
    text
}

/// Appends the entries of [`entry`] from the log's size on.
pub fn append(log: &mut DurableLog, count: u64) -> Result<TreeSize, String> {
    let size = log.checkpoint().map_or(0, |checkpoint| checkpoint.unverified().size.0);
    let entries: Vec<Vec<u8>> = (size..size + count).map(entry).collect();
    let entries: Vec<&[u8]> = entries.iter().map(Vec::as_slice).collect();
    let appended = log.append(&entries).map_err(|error| chain(&error))?;
    Ok(appended.checkpoint.unverified().size)
}
