//! A run: sorted entries in checked blocks of one page, found by a fence of their first ids.
//!
//! Drawn in `docs/format/index.md`. A run never changes once written. Every block carries a checksum
//! that is compared before the block's first use, so a damaged run is noticed and never believed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use vigil_base::world::{Disk, DiskError, DiskFile, Mapped, OpenMode};

use crate::format::{ItemId, LOCATED_LEN, Located, array_at, check_of, u64_at};

const MAGIC: [u8; 8] = *b"vigindex";
const VERSION: u64 = 1;
const BLOCK_LEN: usize = 4096;
const CHECK_LEN: usize = 16;
/// 85 × 48 bytes and a checksum of 16 fill a page exactly.
const BLOCK_ENTRIES: usize = (BLOCK_LEN - CHECK_LEN) / LOCATED_LEN;
const _: () = assert!(BLOCK_ENTRIES * LOCATED_LEN + CHECK_LEN == BLOCK_LEN);

const VERSION_AT: usize = MAGIC.len();
const ENTRIES_AT: usize = VERSION_AT + 8;
const FENCE_CHECK_AT: usize = ENTRIES_AT + 8;
const BLOCKS_CHECK_AT: usize = FENCE_CHECK_AT + CHECK_LEN;
const HEADER_CHECK_AT: usize = BLOCKS_CHECK_AT + CHECK_LEN;

/// The index cannot be believed; it must be rebuilt from the arenas.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the index file {file} is damaged")]
pub struct RunDamaged {
    /// The file's path below the store.
    pub file: String,
}

/// Why a run could not be opened.
#[derive(Clone, Debug, thiserror::Error)]
pub enum RunOpenError {
    /// The file's bytes are not what was written.
    #[error(transparent)]
    Damaged(#[from] RunDamaged),
    /// The disk failed, or the file is gone because somebody merged it away.
    #[error(transparent)]
    Disk(#[from] DiskError),
}

/// An open run.
pub struct Run {
    path: String,
    entries: usize,
    map: Arc<dyn Mapped>,
    /// The first eight bytes, big-endian, of the first id in each block.
    fence: Vec<u64>,
    /// One bit per block: its checksum has been compared.
    checked: Vec<AtomicU64>,
}

fn prefix(id: &ItemId) -> u64 {
    u64::from_be_bytes(array_at(&id.0, 0))
}

impl Run {
    /// Opens the run at `path`. Costs one read of the fence: 8 bytes for every 85 entries.
    pub fn open(disk: &dyn Disk, path: &str) -> Result<Self, RunOpenError> {
        let damaged = || RunDamaged { file: path.into() };
        let file = disk.open(path, OpenMode::Read)?;
        let len = file.len()?;
        if len < BLOCK_LEN as u64 {
            return Err(damaged().into());
        }
        let map = file.map(len)?;
        let bytes = map.bytes();
        let header = &bytes[..BLOCK_LEN];
        let check = check_of(&header[..HEADER_CHECK_AT]);
        if !header.starts_with(&MAGIC)
            || u64_at(header, VERSION_AT) != VERSION
            || check != header[HEADER_CHECK_AT..HEADER_CHECK_AT + CHECK_LEN]
        {
            return Err(damaged().into());
        }
        let entries = usize::try_from(u64_at(header, ENTRIES_AT)).map_err(|_| damaged())?;
        let blocks = entries.div_ceil(BLOCK_ENTRIES);
        let fence_at = blocks.checked_add(1).and_then(|pages| pages.checked_mul(BLOCK_LEN));
        let fence = fence_at.and_then(|at| bytes.get(at..)).ok_or_else(damaged)?;
        if fence.len() != blocks * 8 || check_of(fence) != header[FENCE_CHECK_AT..BLOCKS_CHECK_AT] {
            return Err(damaged().into());
        }
        let fence = fence.chunks_exact(8).map(|eight| u64_at(eight, 0)).collect();
        let checked = (0..blocks.div_ceil(64)).map(|_| AtomicU64::new(0)).collect();
        Ok(Self { path: path.into(), entries, map, fence, checked })
    }

    /// Returns whether the file at this run's path still is this run. An index that was wiped starts
    /// over with the same numbers.
    pub fn is_current(&self, disk: &dyn Disk) -> Result<bool, DiskError> {
        let mut header = [0; HEADER_CHECK_AT + CHECK_LEN];
        let read = disk.open(&self.path, OpenMode::Read)?.read_at(0, &mut header)?;
        Ok(self.map.bytes().starts_with(&header[..read]) && read == header.len())
    }

    /// Returns how many entries there are.
    pub fn len(&self) -> usize {
        self.entries
    }

    /// Returns the checked bytes of the entries of a block.
    fn block(&self, block: usize) -> Result<&[u8], RunDamaged> {
        let start = (block + 1) * BLOCK_LEN;
        let bytes = &self.map.bytes()[start..start + BLOCK_LEN];
        let (word, bit) = (&self.checked[block / 64], 1 << (block % 64));
        if word.load(Ordering::Relaxed) & bit == 0 {
            let (body, check) = bytes.split_at(BLOCK_LEN - CHECK_LEN);
            if check_of(body) != check {
                return Err(RunDamaged { file: self.path.clone() });
            }
            word.fetch_or(bit, Ordering::Relaxed);
        }
        let entries = (self.entries - block * BLOCK_ENTRIES).min(BLOCK_ENTRIES);
        Ok(&bytes[..entries * LOCATED_LEN])
    }

    fn decode(&self, bytes: &[u8]) -> Result<Located, RunDamaged> {
        Located::decode(&array_at(bytes, 0)).ok_or_else(|| RunDamaged { file: self.path.clone() })
    }

    /// Calls `found` with every entry of `id`.
    pub fn find(&self, id: &ItemId, found: &mut dyn FnMut(Located)) -> Result<(), RunDamaged> {
        let want = prefix(id);
        // The entries of one id may start in the block before the first whose prefix is not below.
        let first = self.fence.partition_point(|&fence| fence < want).saturating_sub(1);
        for block in first..self.fence.len() {
            if self.fence[block] > want {
                break;
            }
            let bytes = self.block(block)?;
            let count = bytes.len() / LOCATED_LEN;
            let id_at = |index: usize| &bytes[index * LOCATED_LEN..index * LOCATED_LEN + 32];
            let start = partition(count, |index| id_at(index) < &id.0[..]);
            for index in start..count {
                if id_at(index) != id.0 {
                    return Ok(());
                }
                found(self.decode(&bytes[index * LOCATED_LEN..])?);
            }
        }
        Ok(())
    }

    /// Calls `visit` with every entry in order.
    pub fn for_each(&self, visit: &mut dyn FnMut(Located)) -> Result<(), RunDamaged> {
        for block in 0..self.fence.len() {
            for entry in self.block(block)?.chunks_exact(LOCATED_LEN) {
                visit(self.decode(entry)?);
            }
        }
        Ok(())
    }

    /// Returns the entry at `index`, in order.
    fn get(&self, index: usize) -> Result<Located, RunDamaged> {
        let bytes = self.block(index / BLOCK_ENTRIES)?;
        self.decode(&bytes[index % BLOCK_ENTRIES * LOCATED_LEN..])
    }
}

/// Returns the first index below `count` for which `is_before` is false.
fn partition(count: usize, is_before: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut high) = (0, count);
    while low < high {
        let middle = usize::midpoint(low, high);
        if is_before(middle) { low = middle + 1 } else { high = middle }
    }
    low
}

/// Writes a run entry by entry, in bounded memory.
pub struct RunWriter {
    file: Box<dyn DiskFile>,
    entries: u64,
    written_at: u64,
    buffer: Vec<u8>,
    block: Vec<u8>,
    fence: Vec<u8>,
    /// Over the blocks' checks: what the run holds, in 16 bytes.
    blocks_check: blake3::Hasher,
    last: Option<Located>,
}

/// Blocks are written a megabyte at a time.
const WRITE_LEN: usize = 1 << 20;

impl RunWriter {
    /// Starts the run at `path`, over whatever was there.
    pub fn create(disk: &dyn Disk, path: &str) -> Result<Self, DiskError> {
        let file = disk.open(path, OpenMode::Create)?;
        file.set_len(0)?;
        Ok(Self {
            file,
            entries: 0,
            written_at: BLOCK_LEN as u64,
            buffer: Vec::new(),
            block: Vec::with_capacity(BLOCK_LEN),
            fence: Vec::new(),
            blocks_check: blake3::Hasher::new(),
            last: None,
        })
    }

    /// Adds an entry, which must not come before the last; one that equals it is dropped.
    pub fn push(&mut self, entry: Located) -> Result<(), DiskError> {
        if self.last == Some(entry) {
            return Ok(());
        }
        assert!(self.last.is_none_or(|last| last < entry), "entries of a run must be sorted");
        self.last = Some(entry);
        if self.block.is_empty() {
            self.fence.extend(prefix(&entry.id).to_le_bytes());
        }
        self.block.extend_from_slice(&entry.encode());
        self.entries += 1;
        if self.block.len() == BLOCK_ENTRIES * LOCATED_LEN { self.end_block() } else { Ok(()) }
    }

    fn end_block(&mut self) -> Result<(), DiskError> {
        self.block.resize(BLOCK_LEN - CHECK_LEN, 0);
        let check = check_of(&self.block);
        self.buffer.extend_from_slice(&self.block);
        self.buffer.extend(check);
        self.blocks_check.update(&check);
        self.block.clear();
        if self.buffer.len() >= WRITE_LEN { self.write_buffer() } else { Ok(()) }
    }

    fn write_buffer(&mut self) -> Result<(), DiskError> {
        self.file.write_at(self.written_at, &self.buffer)?;
        self.written_at += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    /// Ends the run, makes it durable, and returns how many entries it has.
    pub fn finish(mut self) -> Result<u64, DiskError> {
        if !self.block.is_empty() {
            self.end_block()?;
        }
        let fence = std::mem::take(&mut self.fence);
        self.buffer.extend_from_slice(&fence);
        self.write_buffer()?;
        let mut header = vec![0; BLOCK_LEN];
        header[..MAGIC.len()].copy_from_slice(&MAGIC);
        header[VERSION_AT..ENTRIES_AT].copy_from_slice(&VERSION.to_le_bytes());
        header[ENTRIES_AT..FENCE_CHECK_AT].copy_from_slice(&self.entries.to_le_bytes());
        header[FENCE_CHECK_AT..BLOCKS_CHECK_AT].copy_from_slice(&check_of(&fence));
        let blocks_check: [u8; CHECK_LEN] = array_at(self.blocks_check.finalize().as_bytes(), 0);
        header[BLOCKS_CHECK_AT..HEADER_CHECK_AT].copy_from_slice(&blocks_check);
        let check = check_of(&header[..HEADER_CHECK_AT]);
        header[HEADER_CHECK_AT..HEADER_CHECK_AT + CHECK_LEN].copy_from_slice(&check);
        self.file.write_at(0, &header)?;
        self.file.sync()?;
        Ok(self.entries)
    }
}

/// Why runs could not be merged.
#[derive(Clone, Debug, thiserror::Error)]
pub enum MergeError {
    /// One of them is damaged.
    #[error(transparent)]
    Damaged(#[from] RunDamaged),
    /// The disk failed.
    #[error(transparent)]
    Disk(#[from] DiskError),
}

/// Merges sorted `runs` and the sorted `list` into `writer`.
pub fn merge(
    runs: &[Arc<Run>],
    list: &[Located],
    writer: &mut RunWriter,
) -> Result<(), MergeError> {
    let entry_at = |source: usize, index: usize| match runs.get(source) {
        Some(run) if index < run.len() => run.get(index).map(Some),
        Some(_) => Ok(None),
        None => Ok(list.get(index).copied()),
    };
    let mut heads: Vec<(usize, usize, Located)> = Vec::new();
    for source in 0..=runs.len() {
        heads.extend(entry_at(source, 0)?.map(|entry| (source, 0, entry)));
    }
    // Sources are few (run sizes grow geometrically), so the least head is found by looking at all.
    while let Some(least) = (0..heads.len()).min_by_key(|&head| heads[head].2) {
        let (source, index, entry) = heads[least];
        writer.push(entry)?;
        match entry_at(source, index + 1)? {
            Some(next) => heads[least] = (source, index + 1, next),
            None => _ = heads.swap_remove(least),
        }
    }
    Ok(())
}
