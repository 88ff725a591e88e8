//! Writing: hash, look up, pack, compress, append.
//!
//! A [`Writer`] is shared by the threads of one job; each works on a [`Batch`] of its own, in which
//! small blobs gather until they fill a frame. Nothing is acknowledged before [`Writer::commit`].

use std::collections::{BTreeMap, HashSet};
use std::io::{self, Read};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use vigil_base::world::Lock;
use vigil_base::{Blame, Blamed, Hasher, Vcid};

use crate::append::{AppendError, Appended};
use crate::cut::Cutter;
use crate::format::{Codec, Item, ItemId, ItemKind, Trailer};
use crate::index::IndexError;
use crate::layout::{LAYOUT_CHUNKS_MAX, Layout};
use crate::sink::ChunkSink;
use crate::store::{Store, UseLock};

/// Why something could not be stored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PutError {
    /// The bytes could not be written.
    #[error("could not write to the store")]
    Append(#[from] AppendError),
    /// The index could not be read or written.
    #[error("could not use the store's index")]
    Index(#[from] IndexError),
    /// The bytes could not be read from where they come from.
    #[error("could not read what was to be stored")]
    Source(#[source] io::Error),
    /// The bytes could not be compressed.
    #[error("could not compress")]
    Compress(#[source] io::Error),
    /// The blob has more chunks than a layout may list.
    #[error("a blob has at most {LAYOUT_CHUNKS_MAX} chunks, and this one has more")]
    TooLong,
    /// Another thread of this job gave up on blobs that this one relies on.
    #[error("another part of this job failed, so nothing of it can be acknowledged")]
    Abandoned,
}

impl Blamed for PutError {
    fn blame(&self) -> Blame {
        match self {
            Self::TooLong => Blame::Caller,
            Self::Abandoned => Blame::Us,
            _ => Blame::World,
        }
    }
}

/// Ids of items that threads of this process are about to write.
#[derive(Default)]
pub(crate) struct Pending {
    shards: [Mutex<HashSet<ItemId>>; 16],
    abandoned: AtomicBool,
}

impl Pending {
    fn shard(&self, id: &ItemId) -> MutexGuard<'_, HashSet<ItemId>> {
        let shard = &self.shards[usize::from(id.0[31] & 15)];
        shard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns whether the caller is the one to write this item.
    fn claim(&self, id: &ItemId) -> bool {
        self.shard(id).insert(*id)
    }

    fn release(&self, id: &ItemId) {
        self.shard(id).remove(id);
    }
}

/// Entries in memory after which they are written to a run: some 6 MB.
const OVERLAY_MAX: usize = 64 << 10;

/// A job that writes. While it lives, no other process removes arenas.
pub struct Writer {
    store: Store,
    /// Dropped last: while arenas are open here, nobody may remove them.
    _use: Option<UseLock>,
}

impl Drop for Writer {
    /// With the last writer, this process lets go of its arenas, so that others may continue or
    /// remove them.
    fn drop(&mut self) {
        let inner = &self.store.inner;
        let mut writers = inner.writers.lock().unwrap_or_else(PoisonError::into_inner);
        *writers -= 1;
        if *writers == 0 {
            inner.frames.close();
            inner.extents.close();
            inner.index.disown();
            inner.pending.abandoned.store(false, Ordering::SeqCst);
        }
    }
}

impl Store {
    /// Starts a job that writes.
    pub fn writer(&self) -> Result<Writer, PutError> {
        let inner = &self.inner;
        let lock = inner.lock_use(Lock::Shared, true).map_err(IndexError::from)?;
        self.start_writer(lock)
    }

    /// Starts a job that writes, under a lock that the caller has taken.
    pub(crate) fn start_writer(&self, lock: Option<UseLock>) -> Result<Writer, PutError> {
        *self.inner.writers.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        let writer = Writer { store: self.clone(), _use: lock };
        // Whoever made the store may have died before its file was durable.
        self.inner.world.disk.sync_folder("").map_err(IndexError::from)?;
        self.inner.index.refresh()?;
        self.inner.index.sync_found()?;
        Ok(writer)
    }
}

impl Writer {
    /// Starts a batch, for one thread.
    pub fn batch(&self) -> Result<Batch<'_>, PutError> {
        let tuning = self.store.inner.options.tuning;
        let compressor = zstd::bulk::Compressor::new(tuning.level).map_err(PutError::Compress)?;
        Ok(Batch {
            writer: self,
            blobs: Frame::new(tuning.blob_frame_bytes),
            chunks: Frame::new(tuning.chunk_frame_bytes),
            cutter: None,
            compressor,
            stored: Stored::default(),
        })
    }

    /// Stores one blob; see [`Writer::commit`] for when it is durable.
    pub fn put(&self, bytes: &[u8]) -> Result<Vcid, PutError> {
        let mut batch = self.batch()?;
        let vcid = batch.put_any(bytes)?;
        batch.finish()?;
        Ok(vcid)
    }

    /// Returns when everything that finished batches have stored is on disk.
    pub fn commit(&self) -> Result<(), PutError> {
        self.sync()?;
        if self.store.inner.index.overlay_len() > OVERLAY_MAX { self.publish() } else { Ok(()) }
    }

    fn sync(&self) -> Result<(), PutError> {
        let inner = &self.store.inner;
        if inner.pending.abandoned.load(Ordering::SeqCst) {
            return Err(PutError::Abandoned);
        }
        inner.frames.commit()?;
        inner.extents.commit()?;
        Ok(inner.index.sync_found()?)
    }

    fn publish(&self) -> Result<(), PutError> {
        let inner = &self.store.inner;
        // Asked before the index is locked: a thread that holds a lane may be waiting for the index.
        let ends: BTreeMap<u32, u64> =
            inner.frames.durable_ends().into_iter().chain(inner.extents.durable_ends()).collect();
        Ok(inner.index.publish(&|number| ends.get(&number).copied())?)
    }

    /// Commits, and writes what only this process's index knows to the index on disk.
    pub fn finish(self) -> Result<(), PutError> {
        self.sync()?;
        self.publish()
    }

    /// Commits, and seals every arena that nobody else is appending to.
    pub fn seal(self) -> Result<Vec<u32>, PutError> {
        self.sync()?;
        let inner = &self.store.inner;
        let mut sealed = inner.frames.seal_all()?;
        sealed.extend(inner.extents.seal_all()?);
        inner.index.refresh()?;
        self.finish()?;
        Ok(sealed)
    }

    /// Returns the store that is written to.
    pub fn store(&self) -> &Store {
        &self.store
    }
}

/// How many bytes came in, and what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stored {
    /// Bytes that were given.
    pub given_bytes: u64,
    /// Bytes of them that were not stored yet, before compression.
    pub new_bytes: u64,
    /// Bytes that records with them take, directories and trailers not counted.
    pub written_bytes: u64,
}

impl std::ops::AddAssign for Stored {
    fn add_assign(&mut self, other: Self) {
        self.given_bytes += other.given_bytes;
        self.new_bytes += other.new_bytes;
        self.written_bytes += other.written_bytes;
    }
}

/// Items on their way into one frame.
struct Frame {
    raw: Vec<u8>,
    items: Vec<Item>,
    bytes_max: usize,
}

impl Frame {
    fn new(bytes_max: usize) -> Self {
        Self { raw: Vec::with_capacity(bytes_max), items: Vec::new(), bytes_max }
    }

    fn has_room(&self, len: usize) -> bool {
        self.items.is_empty() || self.raw.len() + len <= self.bytes_max
    }

    fn push(&mut self, id: ItemId, kind: ItemKind, bytes: &[u8]) {
        self.raw.extend_from_slice(bytes);
        self.items.push(Item { id, kind, len: bytes.len() as u32 });
    }
}

/// One thread's items on their way into frames: small blobs and layouts into short ones, that decode
/// quickly, and chunks of large blobs into long ones, that compress well.
pub struct Batch<'a> {
    pub(crate) writer: &'a Writer,
    blobs: Frame,
    chunks: Frame,
    /// Kept from stream to stream, since its window is large.
    cutter: Option<Cutter>,
    pub(crate) compressor: zstd::bulk::Compressor<'static>,
    pub(crate) stored: Stored,
}

impl Batch<'_> {
    /// Stores a blob of any length that is in memory.
    pub fn put_any(&mut self, bytes: &[u8]) -> Result<Vcid, PutError> {
        if bytes.len() <= self.tuning().whole_bytes_max {
            return self.put(bytes);
        }
        let (vcid, _) = self.put_stream(&mut &bytes[..])?;
        Ok(vcid)
    }

    /// Stores a small blob whole.
    pub fn put(&mut self, bytes: &[u8]) -> Result<Vcid, PutError> {
        let vcid = Vcid::of(bytes);
        self.stored.given_bytes += bytes.len() as u64;
        self.put_item(vcid.into(), ItemKind::Blob, bytes)?;
        Ok(vcid)
    }

    /// Returns up to how many bytes a blob is stored whole.
    pub fn whole_bytes_max(&self) -> usize {
        self.tuning().whole_bytes_max
    }

    fn tuning(&self) -> crate::tuning::Tuning {
        self.writer.store.inner.options.tuning
    }

    /// Returns whether this thread is to write the item.
    pub(crate) fn is_new(&self, id: &ItemId) -> Result<bool, PutError> {
        let inner = &self.writer.store.inner;
        Ok(!inner.index.contains(id)? && inner.pending.claim(id))
    }

    fn put_item(&mut self, id: ItemId, kind: ItemKind, bytes: &[u8]) -> Result<(), PutError> {
        if self.is_new(&id)? { self.put_claimed(id, kind, bytes) } else { Ok(()) }
    }

    /// Adds an item that this thread has claimed.
    pub(crate) fn put_claimed(
        &mut self,
        id: ItemId,
        kind: ItemKind,
        bytes: &[u8],
    ) -> Result<(), PutError> {
        let frame = self.frame(kind);
        if !frame.has_room(bytes.len()) {
            self.flush_frame(kind)?;
        }
        let frame = self.frame(kind);
        frame.push(id, kind, bytes);
        let is_full = frame.raw.len() >= frame.bytes_max;
        self.stored.new_bytes += bytes.len() as u64;
        if is_full { self.flush_frame(kind) } else { Ok(()) }
    }

    fn frame(&mut self, kind: ItemKind) -> &mut Frame {
        if kind == ItemKind::Chunk { &mut self.chunks } else { &mut self.blobs }
    }

    /// Copies a whole frame as it is stored.
    pub(crate) fn copy_frame(
        &mut self,
        payload: &[u8],
        trailer: &Trailer,
        items: &[Item],
    ) -> Result<(), PutError> {
        let lane = &self.writer.store.inner.frames;
        let appended = lane.append_frame(payload, trailer.codec, trailer.raw_len, items)?;
        self.writer.index(&appended);
        Ok(())
    }

    /// Copies raw items, read one by one, into one extent.
    pub(crate) fn copy_extent<E: From<PutError>>(
        &mut self,
        items: &[Item],
        mut read: impl FnMut(usize) -> Result<Vec<u8>, E>,
    ) -> Result<(), E> {
        let failed = |error: AppendError| E::from(PutError::from(error));
        let lane = &self.writer.store.inner.extents;
        let mut extent = lane.begin_extent().map_err(failed)?;
        for (index, item) in items.iter().enumerate() {
            if !extent.has_room(item.len as usize) {
                self.writer.index(&extent.finish().map_err(failed)?);
                extent = lane.begin_extent().map_err(failed)?;
            }
            extent.push(*item, &read(index)?).map_err(failed)?;
        }
        self.writer.index(&extent.finish().map_err(failed)?);
        Ok(())
    }

    /// Writes what has gathered.
    pub fn flush(&mut self) -> Result<(), PutError> {
        self.flush_frame(ItemKind::Blob)?;
        self.flush_frame(ItemKind::Chunk)
    }

    fn flush_frame(&mut self, kind: ItemKind) -> Result<(), PutError> {
        let frame = if kind == ItemKind::Chunk { &mut self.chunks } else { &mut self.blobs };
        if frame.items.is_empty() {
            return Ok(());
        }
        let compressed = self.compressor.compress(&frame.raw).map_err(PutError::Compress)?;
        // Less than a 32nd saved is not worth the time to decode.
        let pays = compressed.len() < frame.raw.len() - frame.raw.len() / 32;
        let (payload, codec) =
            if pays { (&compressed, Codec::Zstd) } else { (&frame.raw, Codec::Raw) };
        self.stored.written_bytes += payload.len() as u64;
        let raw_len = frame.raw.len() as u64;
        let lane = &self.writer.store.inner.frames;
        let appended = lane.append_frame(payload, codec, raw_len, &frame.items)?;
        frame.raw.clear();
        frame.items.clear();
        self.writer.index(&appended);
        Ok(())
    }

    /// Writes what has gathered, and returns what became of this batch's bytes.
    pub fn finish(mut self) -> Result<Stored, PutError> {
        self.flush()?;
        Ok(self.stored)
    }

    /// Stores a blob of any length, read to its end, and returns its name and length.
    pub fn put_stream(&mut self, source: &mut dyn Read) -> Result<(Vcid, u64), PutError> {
        let mut cutter = match self.cutter.take() {
            Some(cutter) => cutter,
            None => Cutter::new(self.tuning().chunk_bytes),
        };
        cutter.reset();
        let result = self.put_cut(source, &mut cutter);
        self.cutter = Some(cutter);
        result
    }

    fn put_cut(
        &mut self,
        source: &mut dyn Read,
        cutter: &mut Cutter,
    ) -> Result<(Vcid, u64), PutError> {
        let mut hasher = Hasher::new();
        let mut chunks: Vec<(ItemId, u32)> = Vec::new();
        let mut sink = ChunkSink::new();
        cutter.fill(source, &mut hasher)?;
        if cutter.is_at_end && cutter.rest().len() <= self.tuning().whole_bytes_max {
            let vcid = hasher.finish();
            let len = cutter.rest().len() as u64;
            self.stored.given_bytes += len;
            self.put_item(vcid.into(), ItemKind::Blob, cutter.rest())?;
            return Ok((vcid, len));
        }
        while let Some(chunk) = cutter.next_chunk() {
            if chunks.len() == LAYOUT_CHUNKS_MAX {
                return Err(PutError::TooLong);
            }
            let id = ItemId::of_chunk(chunk);
            chunks.push((id, chunk.len() as u32));
            self.stored.given_bytes += chunk.len() as u64;
            if self.is_new(&id)? {
                sink.push(self, id, chunk)?;
            }
            cutter.fill_if_low(source, &mut hasher)?;
        }
        sink.finish(self)?;
        let layout = Layout::new(chunks);
        let vcid = hasher.finish();
        self.put_item(vcid.into(), ItemKind::Layout, &layout.encode())?;
        Ok((vcid, layout.blob_len()))
    }
}

impl Drop for Batch<'_> {
    /// Other threads may have skipped blobs that this batch claimed, so losing it fails the job.
    fn drop(&mut self) {
        for item in self.blobs.items.iter().chain(&self.chunks.items) {
            let pending = &self.writer.store.inner.pending;
            pending.abandoned.store(true, Ordering::SeqCst);
            pending.release(&item.id);
        }
    }
}

impl Writer {
    /// Makes items that were just appended findable.
    pub(crate) fn index(&self, appended: &Appended) {
        let inner = &self.store.inner;
        inner.index.insert(appended);
        appended.located.iter().for_each(|item| inner.pending.release(&item.id));
    }
}
