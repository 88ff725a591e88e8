//! Writing: hash, look up, pack, compress, append.
//!
//! A [`Writer`] is shared by the threads of one job; each works on a [`Batch`] of its own, in which
//! small blobs gather until they fill a frame. Nothing is acknowledged before [`Writer::commit`].

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::sync::PoisonError;

use vigil_base::world::Lock;
use vigil_base::{Blame, Blamed, Hasher, Vcid};

use crate::append::{AppendError, Appended};
use crate::cut::{Cutter, Cutting};
use crate::format::{Codec, Item, ItemId, ItemKind, Trailer};
use crate::index::IndexError;
use crate::layout::{LAYOUT_CHUNKS_MAX, Layout};
use crate::pending::{BatchNumber, Claim, Deferred};
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
}

impl Blamed for PutError {
    fn blame(&self) -> Blame {
        match self {
            Self::TooLong => Blame::Caller,
            _ => Blame::World,
        }
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
            inner.pending.clear();
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
            number: self.store.inner.pending.start_batch(),
            deferred: Deferred::default(),
            cutter: None,
            compressor,
            compressed: Vec::new(),
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

    /// Commits once so much is only in memory that a job of any length would take ever more of it.
    /// To be called between streams: it waits for everybody who is writing one.
    pub fn settle(&self) -> Result<(), PutError> {
        let is_much = self.store.inner.index.overlay_len() > OVERLAY_MAX * 2;
        if is_much { self.commit() } else { Ok(()) }
    }

    fn sync(&self) -> Result<(), PutError> {
        let inner = &self.store.inner;
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
    /// By which the claims of this batch are known.
    number: BatchNumber,
    deferred: Deferred,
    /// Kept from stream to stream, since its window is large.
    cutter: Option<Cutter>,
    compressor: zstd::bulk::Compressor<'static>,
    compressed: Vec<u8>,
    pub(crate) stored: Stored,
}

impl<'a> Batch<'a> {
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

    /// Returns whether this batch is to write the item now. Where another batch is about to, a copy is
    /// kept until this one ends.
    pub(crate) fn is_new(
        &mut self,
        id: ItemId,
        kind: ItemKind,
        bytes: &[u8],
    ) -> Result<bool, PutError> {
        let inner = &self.writer.store.inner;
        if inner.index.contains(&id)? {
            return Ok(false);
        }
        match inner.pending.claim(&id, self.number) {
            Claim::Mine => return Ok(true),
            Claim::MineAlready => {}
            Claim::Theirs => {
                self.deferred.push(id, kind, bytes);
                if self.deferred.bytes > self.tuning().chunk_frame_bytes {
                    self.put_deferred()?;
                }
            }
        }
        Ok(false)
    }

    /// Writes what other batches had claimed and have not written yet: what they do later, or never,
    /// is nothing to rely on.
    fn put_deferred(&mut self) -> Result<(), PutError> {
        let deferred = std::mem::take(&mut self.deferred);
        for ((id, kind), bytes) in deferred.items {
            if !self.writer.store.inner.index.contains(&id)? {
                self.put_claimed(id, kind, &bytes)?;
            }
        }
        Ok(())
    }

    fn put_item(&mut self, id: ItemId, kind: ItemKind, bytes: &[u8]) -> Result<(), PutError> {
        if self.is_new(id, kind, bytes)? { self.put_claimed(id, kind, bytes) } else { Ok(()) }
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

    /// Compresses a sample, to see what it comes to.
    pub(crate) fn compress(&mut self, sample: &[u8]) -> Result<&[u8], PutError> {
        self.compressed.clear();
        self.compressed.reserve(zstd::zstd_safe::compress_bound(sample.len()));
        self.compressor
            .compress_to_buffer(sample, &mut self.compressed)
            .map_err(PutError::Compress)?;
        Ok(&self.compressed)
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
        // A layout is written after the chunks that it lists, so that a process that is killed leaves
        // chunks without a layout rather than the other way round.
        if kind != ItemKind::Chunk && self.blobs.items.iter().any(|i| i.kind == ItemKind::Layout) {
            self.flush_frame(ItemKind::Chunk)?;
        }
        let frame = if kind == ItemKind::Chunk { &mut self.chunks } else { &mut self.blobs };
        if frame.items.is_empty() {
            return Ok(());
        }
        // The buffer is kept from frame to frame: a new one each time would cost more page faults
        // than the compression of small frames costs.
        self.compressed.clear();
        self.compressed.reserve(zstd::zstd_safe::compress_bound(frame.raw.len()));
        self.compressor
            .compress_to_buffer(&frame.raw, &mut self.compressed)
            .map_err(PutError::Compress)?;
        // Less than a 32nd saved is not worth the time to decode.
        let pays = self.compressed.len() < frame.raw.len() - frame.raw.len() / 32;
        let (payload, codec) =
            if pays { (&self.compressed, Codec::Zstd) } else { (&frame.raw, Codec::Raw) };
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
        self.put_deferred()?;
        self.flush()?;
        Ok(self.stored)
    }

    /// Stores a blob of any length, read to its end, and returns its name and length.
    pub fn put_stream(&mut self, source: &mut dyn Read) -> Result<(Vcid, u64), PutError> {
        let mut cutter = match self.cutter.take() {
            Some(cutter) => cutter,
            None => Cutter::new(self.tuning().chunk_bytes),
        };
        let result = self.put_cut(source, &mut cutter);
        self.cutter = Some(cutter);
        result
    }

    fn put_cut(
        &mut self,
        source: &mut dyn Read,
        cutter: &mut Cutter,
    ) -> Result<(Vcid, u64), PutError> {
        cutter.start(source)?;
        let window = cutter.window();
        if window.is_last && window.bytes().len() <= self.tuning().whole_bytes_max {
            let vcid = self.put(window.bytes())?;
            return Ok((vcid, window.bytes().len() as u64));
        }
        let mut sink = ChunkSink::new(window.bytes());
        let mut chunks = Vec::new();
        let cut = self.put_windows(source, cutter, &mut sink, &mut chunks);
        // Also where the source has failed: the chunks that came before are whole, and claimed.
        sink.finish(self)?;
        let vcid = cut?;
        let layout = Layout::new(chunks);
        self.put_item(vcid.into(), ItemKind::Layout, &layout.encode())?;
        Ok((vcid, layout.blob_len()))
    }

    /// Cuts a stream window by window into `chunks`, and returns its name.
    ///
    /// The name is a hash over all bytes in a row, which is the longest single piece of work, so it
    /// is reckoned on a thread of its own while this one cuts a window, stores it and reads the next.
    fn put_windows(
        &mut self,
        source: &mut dyn Read,
        cutter: &mut Cutter,
        sink: &mut ChunkSink<'a>,
        chunks: &mut Vec<(ItemId, u32)>,
    ) -> Result<Vcid, PutError> {
        let mut hasher = Hasher::new();
        loop {
            let (mut cutting, mut filling) = cutter.split();
            let fresh = cutting.fresh();
            let (is_hashed, put) = std::thread::scope(|scope| {
                let beside = fresh.len() >= HASH_BESIDE_MIN;
                let hashing = || hasher.update(fresh);
                let is_hashed =
                    beside && std::thread::Builder::new().spawn_scoped(scope, hashing).is_ok();
                let put = self.put_window(&mut cutting, sink, chunks);
                (is_hashed, put.and_then(|()| filling.fill(source, cutting.rest())))
            });
            if !is_hashed {
                hasher.update(fresh);
            }
            put?;
            if cutting.is_last() {
                return Ok(hasher.finish());
            }
            cutter.swap();
        }
    }

    /// Stores the chunks that surely end inside a window.
    fn put_window(
        &mut self,
        cutting: &mut Cutting<'_>,
        sink: &mut ChunkSink<'a>,
        chunks: &mut Vec<(ItemId, u32)>,
    ) -> Result<(), PutError> {
        while let Some(chunk) = cutting.next_chunk() {
            if chunks.len() == LAYOUT_CHUNKS_MAX {
                return Err(PutError::TooLong);
            }
            let id = ItemId::of_chunk(chunk);
            chunks.push((id, chunk.len() as u32));
            self.stored.given_bytes += chunk.len() as u64;
            if self.is_new(id, ItemKind::Chunk, chunk)? {
                sink.push(self, id, chunk)?;
            }
        }
        Ok(())
    }
}

/// Fewer bytes than this are hashed where they are cut: starting a thread costs some 30 µs.
const HASH_BESIDE_MIN: usize = 1 << 20;

impl Drop for Batch<'_> {
    /// Nobody relies on what this batch has claimed, so others may claim what it has not written.
    fn drop(&mut self) {
        for item in self.blobs.items.iter().chain(&self.chunks.items) {
            self.writer.store.inner.pending.release(&item.id);
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
