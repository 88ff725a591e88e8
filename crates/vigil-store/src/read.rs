//! Reading blobs, whole or by range. Whatever is returned has been compared with an id.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use vigil_base::Vcid;
use vigil_base::limits::RECORD_BYTES_MAX;
use vigil_base::world::{DiskFault, Mapped};
use zstd::zstd_safe;

use crate::arena::{Arena, ArenaError, FRAME_BYTES_MAX, Record, is_item};
use crate::cache::{Decoded, ItemBytes};
use crate::format::{ALIGN, Codec, Item, ItemId, ItemKind, Located, Location, RecordKind};
use crate::index::IndexError;
use crate::layout::Layout;
use crate::read_error::ReadError;
use crate::store::{Inner, Store};

/// A blob that has been looked up: where its bytes lie.
#[derive(Clone, Debug)]
pub struct Blob {
    pub(crate) inner: Arc<BlobInner>,
}

#[derive(Debug)]
pub(crate) struct BlobInner {
    pub vcid: Vcid,
    pub body: Body,
}

#[derive(Debug)]
pub(crate) enum Body {
    /// One item holds it all.
    Whole(Located),
    /// It is cut into chunks.
    Chunks(Layout),
}

impl Blob {
    /// Returns the blob's name.
    pub fn vcid(&self) -> Vcid {
        self.inner.vcid
    }

    /// Returns its length in bytes.
    pub fn len(&self) -> u64 {
        match &self.inner.body {
            Body::Whole(located) => u64::from(located.at.len),
            Body::Chunks(layout) => layout.blob_len(),
        }
    }

    /// Returns whether it has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns how many pieces it is read in.
    pub fn piece_count(&self) -> usize {
        match &self.inner.body {
            Body::Whole(_) => 1,
            Body::Chunks(layout) => layout.chunks().len(),
        }
    }

    /// Returns where piece `index` starts and ends in the blob.
    pub fn piece_range(&self, index: usize) -> (u64, u64) {
        match &self.inner.body {
            Body::Whole(_) => (0, self.len()),
            Body::Chunks(layout) => (layout.start(index), layout.start(index + 1)),
        }
    }

    /// Returns where the frame lies that holds the blob, if it is small: a key to sort reads by.
    pub fn locality(&self) -> Option<(u32, u32, u32)> {
        match &self.inner.body {
            Body::Whole(located) => Some((located.at.arena, located.at.trailer, located.at.inner)),
            Body::Chunks(_) => None,
        }
    }
}

/// How much of a frame to decode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Up to the item that is wanted: quickest for a single read.
    Front,
    /// All of it: its other items will be wanted next.
    Full,
}

impl Store {
    /// Returns whether the blob is stored here, with all of its chunks.
    ///
    /// A crash before the commit may keep a layout and lose chunks of it; such a blob is not here.
    pub fn contains(&self, vcid: Vcid) -> Result<bool, ReadError> {
        let blob = match self.find(vcid) {
            Ok(blob) => blob,
            Err(ReadError::Absent { .. }) => return Ok(false),
            Err(error) => return Err(error),
        };
        let Body::Chunks(layout) = &blob.inner.body else { return Ok(true) };
        for (id, _) in layout.chunks() {
            let is_known = self.inner.index.contains(id);
            if !is_known.map_err(|source| ReadError::Index { vcid, source: Box::new(source) })? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Returns whether the index has the blob, without asking what other processes have written.
    pub fn contains_now(&self, vcid: Vcid) -> Result<bool, IndexError> {
        self.inner.index.contains(&ItemId::from(vcid))
    }

    /// Looks a blob up.
    pub fn find(&self, vcid: Vcid) -> Result<Blob, ReadError> {
        match self.inner.find(vcid) {
            Err(ReadError::Absent { .. }) => {
                // Another process may have written it since.
                self.refresh()
                    .map_err(|source| ReadError::Index { vcid, source: Box::new(source) })?;
                self.inner.find(vcid)
            }
            other => other,
        }
    }

    /// Reads piece `index` of a blob, from 0 to [`Blob::piece_count`].
    pub fn piece(&self, blob: &Blob, index: usize, depth: Depth) -> Result<ItemBytes, ReadError> {
        let vcid = blob.vcid();
        match &blob.inner.body {
            Body::Whole(located) => self.inner.item(vcid, located.id, ItemKind::Blob, depth),
            Body::Chunks(layout) => {
                let (id, len) = layout.chunks()[index];
                let bytes = self.inner.item(vcid, id, ItemKind::Chunk, depth)?;
                if bytes.len() == len as usize {
                    Ok(bytes)
                } else {
                    Err(ReadError::Incomplete { vcid })
                }
            }
        }
    }

    /// Reads a blob that is to be held in memory, such as a record.
    pub fn read(&self, vcid: Vcid) -> Result<Vec<u8>, ReadError> {
        let blob = self.find(vcid)?;
        let len = blob.len();
        if len > RECORD_BYTES_MAX as u64 {
            return Err(ReadError::TooLong { vcid, len });
        }
        let mut bytes = Vec::with_capacity(len as usize);
        for index in 0..blob.piece_count() {
            bytes.extend_from_slice(&self.piece(&blob, index, Depth::Front)?);
        }
        Ok(bytes)
    }

    /// Fills `into` with the bytes of a blob from byte `start` on.
    ///
    /// The chunk that holds them is proven once by each process, so the second read of a chunk costs
    /// no hashing.
    pub fn read_range(&self, blob: &Blob, start: u64, into: &mut [u8]) -> Result<(), ReadError> {
        let vcid = blob.vcid();
        let end = start.saturating_add(into.len() as u64);
        if end > blob.len() {
            return Err(ReadError::Range { vcid, len: blob.len(), start, end });
        }
        match &blob.inner.body {
            Body::Whole(_) => {
                let bytes = self.piece(blob, 0, Depth::Front)?;
                into.copy_from_slice(&bytes[start as usize..end as usize]);
            }
            Body::Chunks(layout) => {
                let mut done = 0;
                while done < into.len() {
                    let at = start + done as u64;
                    let index = layout.chunk_at(at);
                    let (id, len) = layout.chunks()[index];
                    let from = (at - layout.start(index)) as usize;
                    let count = (len as usize - from).min(into.len() - done);
                    self.inner.chunk_range(vcid, id, from, &mut into[done..done + count])?;
                    done += count;
                }
            }
        }
        Ok(())
    }

    /// Returns the part of the blob that lies raw and contiguous in one arena from byte `start` on,
    /// as memory mapped from the arena; `None` where the bytes are compressed or elsewhere. Its bytes
    /// have been proven.
    pub fn map_range(&self, blob: &Blob, start: u64) -> Result<Option<MappedRange>, ReadError> {
        self.map_part(blob, start, u64::MAX)
    }

    /// Does the same for `len` bytes at most, and proves only the items that hold them.
    pub fn map_part(
        &self,
        blob: &Blob,
        start: u64,
        len: u64,
    ) -> Result<Option<MappedRange>, ReadError> {
        let (items, from) = match &blob.inner.body {
            Body::Whole(located) if start < blob.len() => {
                (vec![(located.id, ItemKind::Blob)], start)
            }
            Body::Chunks(layout) if start < layout.blob_len() => {
                let first = layout.chunk_at(start);
                let end = start.saturating_add(len.max(1)).min(layout.blob_len());
                let held = layout.chunks()[first..=layout.chunk_at(end - 1)].iter();
                let items = held.map(|(id, _)| (*id, ItemKind::Chunk)).collect();
                (items, start - layout.start(first))
            }
            _ => return Ok(None),
        };
        let found = self.inner.map_items(blob.vcid(), &items, from)?;
        Ok(found.map(|range| range.cut(len as usize)))
    }
}

/// Proven bytes that lie in an arena, without a copy.
#[derive(Clone, Debug)]
pub struct MappedRange {
    map: Arc<dyn Mapped>,
    start: usize,
    end: usize,
}

impl MappedRange {
    /// Keeps the first bytes.
    fn cut(self, len: usize) -> Self {
        Self { end: self.end.min(self.start.saturating_add(len)), ..self }
    }

    /// Returns the mapping of the whole arena, in which these bytes lie.
    pub fn arena_bytes(&self) -> &[u8] {
        self.map.bytes()
    }
}

impl std::ops::Deref for MappedRange {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.map.bytes()[self.start..self.end]
    }
}

/// Mapped arenas, and which of the raw items in them have been proven by this process.
#[derive(Default)]
pub(crate) struct Maps {
    state: Mutex<MapsState>,
}

#[derive(Default)]
struct MapsState {
    maps: HashMap<u32, Arc<dyn Mapped>>,
    /// Proven items, each with its place: an index may lie, so neither alone would do.
    proven: HashSet<(ItemId, Location)>,
}

/// Proven items that are remembered: some 25 MB of memory at most. Beyond that all are forgotten, and
/// proven again when they are read.
const PROVEN_MAX: usize = 1 << 18;

impl Maps {
    pub fn clear(&self) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = MapsState::default();
    }
}

/// What is wrong with one copy of an item.
pub(crate) enum CopyError {
    /// It is not what its id says.
    Damaged,
    /// It could not be read.
    Arena(ArenaError),
}

impl From<ArenaError> for CopyError {
    fn from(error: ArenaError) -> Self {
        match error {
            ArenaError::Damaged { .. } | ArenaError::Header { .. } => Self::Damaged,
            other => Self::Arena(other),
        }
    }
}

impl Inner {
    pub(crate) fn locations(&self, vcid: Vcid, id: &ItemId) -> Result<Vec<Located>, ReadError> {
        let mut found = Vec::new();
        self.index
            .find(id, &mut |located| {
                if !found.contains(&located) {
                    found.push(located);
                }
            })
            .map_err(|source| ReadError::Index { vcid, source: Box::new(source) })?;
        Ok(found)
    }

    fn find(&self, vcid: Vcid) -> Result<Blob, ReadError> {
        let id = ItemId::from(vcid);
        let found = self.locations(vcid, &id)?;
        let blob = |body| Ok(Blob { inner: Arc::new(BlobInner { vcid, body }) });
        if let Some(whole) = found.iter().find(|located| located.kind == ItemKind::Blob) {
            return blob(Body::Whole(*whole));
        }
        if found.iter().any(|located| located.kind == ItemKind::Layout) {
            let bytes = self.item(vcid, id, ItemKind::Layout, Depth::Full)?;
            let layout = Layout::decode(&bytes).ok_or(ReadError::Incomplete { vcid })?;
            return blob(Body::Chunks(layout));
        }
        match self.index.find_damaged(&id) {
            Some(located) => Err(corrupt(vcid, &located)),
            None => Err(ReadError::Absent { vcid }),
        }
    }

    /// Reads an item, from another location where the first is damaged.
    pub(crate) fn item(
        &self,
        vcid: Vcid,
        id: ItemId,
        kind: ItemKind,
        depth: Depth,
    ) -> Result<ItemBytes, ReadError> {
        self.first_intact(vcid, id, kind, |located| self.item_at(located, depth))
    }

    fn first_intact<T>(
        &self,
        vcid: Vcid,
        id: ItemId,
        kind: ItemKind,
        mut read: impl FnMut(&Located) -> Result<T, CopyError>,
    ) -> Result<T, ReadError> {
        let may_be_stale = |error: &ReadError| match error {
            ReadError::Arena { source, .. } => {
                matches!(&**source, ArenaError::Disk(error) if error.fault == DiskFault::Absent)
            }
            // Another process may have written the missing part since.
            ReadError::Incomplete { .. } => true,
            _ => false,
        };
        match self.first_intact_known(vcid, id, kind, &mut read) {
            // Another process has removed the arena, and copied what is to be kept.
            Err(error) if may_be_stale(&error) => {
                let refreshed = self.index.refresh();
                refreshed.map_err(|source| ReadError::Index { vcid, source: Box::new(source) })?;
                self.first_intact_known(vcid, id, kind, &mut read)
            }
            other => other,
        }
    }

    fn first_intact_known<T>(
        &self,
        vcid: Vcid,
        id: ItemId,
        kind: ItemKind,
        read: &mut impl FnMut(&Located) -> Result<T, CopyError>,
    ) -> Result<T, ReadError> {
        let mut trouble = None;
        for located in self.locations(vcid, &id)?.iter().filter(|located| located.kind == kind) {
            match read(located) {
                Ok(value) => return Ok(value),
                Err(CopyError::Damaged) => trouble = Some(corrupt(vcid, located)),
                Err(CopyError::Arena(source)) => {
                    trouble.get_or_insert(ReadError::Arena { vcid, source: Box::new(source) });
                }
            }
        }
        Err(trouble.unwrap_or(match self.index.find_damaged(&id) {
            Some(located) => corrupt(vcid, &located),
            None => ReadError::Incomplete { vcid },
        }))
    }

    /// Reads and proves one copy of an item.
    pub(crate) fn item_at(&self, located: &Located, depth: Depth) -> Result<ItemBytes, CopyError> {
        let arena = self.arena(located.at.arena)?;
        let record = arena.record(u64::from(located.at.trailer) * ALIGN)?;
        let item = Item { id: located.id, kind: located.kind, len: located.at.len };
        let end = u64::from(located.at.inner) + u64::from(located.at.len);
        if end > record.trailer.raw_len {
            return Err(CopyError::Damaged);
        }
        if record.trailer.kind == RecordKind::Extent {
            let mut bytes = vec![0; located.at.len as usize];
            arena.read_raw(&record, located.at.inner, &mut bytes)?;
            if item.kind == ItemKind::Layout || !is_item(&item, &bytes) {
                return Err(CopyError::Damaged);
            }
            let len = bytes.len();
            return Ok(ItemBytes::new(Arc::new(bytes), 0..len));
        }
        self.frame_item(&arena, &record, located, &item, depth)
    }

    fn frame_item(
        &self,
        arena: &Arena,
        record: &Record,
        located: &Located,
        item: &Item,
        depth: Depth,
    ) -> Result<ItemBytes, CopyError> {
        let key = (located.at.arena, located.at.trailer);
        let start = located.at.inner as usize;
        let end = start + located.at.len as usize;
        let slot = self.cache.frame(key);
        let mut decoded = slot.lock().unwrap_or_else(PoisonError::into_inner);
        // A layout is proven by its frame's checksum, so for it the stored payload is compared.
        let needs_check = item.kind == ItemKind::Layout;
        if decoded.front.len() < end || (needs_check && !decoded.is_checked) {
            let is_second_read = !decoded.front.is_empty();
            let want = match depth {
                Depth::Front if !is_second_read => end,
                _ => record.trailer.raw_len as usize,
            };
            let front = Arc::new(decode_front(arena, record, want, needs_check)?);
            *decoded = Decoded { front, proven: HashSet::new(), is_checked: needs_check };
            self.cache.resized(key, want);
        }
        let front = decoded.front.clone();
        let claim = (item.id, start..end);
        let is_proven = decoded.proven.contains(&claim);
        // Hashed without the lock: other threads want other items of this frame.
        drop(decoded);
        if !is_proven {
            // That this is the blob's layout the index says; only the arena itself is believed.
            let is_right = match needs_check {
                true => arena.lists(record, located)?,
                false => is_item(item, &front[start..end]),
            };
            if !is_right {
                return Err(CopyError::Damaged);
            }
            let mut decoded = slot.lock().unwrap_or_else(PoisonError::into_inner);
            // Proven are these bytes, not what somebody may have decoded instead meanwhile.
            if Arc::ptr_eq(&decoded.front, &front) {
                decoded.proven.insert(claim);
            }
        }
        Ok(ItemBytes::new(front, start..end))
    }

    /// Copies a part of a chunk, proving the chunk first unless this process has done so.
    fn chunk_range(
        &self,
        vcid: Vcid,
        id: ItemId,
        from: usize,
        into: &mut [u8],
    ) -> Result<(), ReadError> {
        self.first_intact(vcid, id, ItemKind::Chunk, |located| {
            if from + into.len() > located.at.len as usize {
                // The layout gives the chunk another length than it has.
                return Err(CopyError::Damaged);
            }
            if let Some(mapped) = self.map_item(located)? {
                into.copy_from_slice(&mapped[from..from + into.len()]);
            } else {
                let bytes = self.item_at(located, Depth::Front)?;
                into.copy_from_slice(&bytes[from..from + into.len()]);
            }
            Ok(())
        })
    }

    /// Maps a raw item and proves it; `None` where it is not raw, or not in a file of ours.
    fn map_item(&self, located: &Located) -> Result<Option<MappedRange>, CopyError> {
        let number = located.at.arena;
        let arena = self.arena(number)?;
        let record = arena.record(u64::from(located.at.trailer) * ALIGN)?;
        if record.trailer.codec != Codec::Raw {
            return Ok(None);
        }
        let inner = u64::from(located.at.inner);
        if inner + u64::from(located.at.len) > record.trailer.payload_len {
            return Err(CopyError::Damaged);
        }
        let start = (record.start + inner) as usize;
        let end = start + located.at.len as usize;
        let Some(map) = self.map_arena(&arena, end)? else { return Ok(None) };
        let range = MappedRange { map, start, end };
        let key = (located.id, located.at);
        let is_proven = |maps: &Maps| {
            maps.state.lock().unwrap_or_else(PoisonError::into_inner).proven.contains(&key)
        };
        if !is_proven(&self.maps) {
            let item = Item { id: located.id, kind: located.kind, len: located.at.len };
            if located.kind == ItemKind::Layout || !is_item(&item, &range) {
                return Err(CopyError::Damaged);
            }
            let mut state = self.maps.state.lock().unwrap_or_else(PoisonError::into_inner);
            if state.proven.len() >= PROVEN_MAX {
                state.proven.clear();
            }
            state.proven.insert(key);
        }
        Ok(Some(range))
    }

    /// Returns a mapping of `arena` that reaches byte `end`; a growing arena is mapped anew.
    fn map_arena(&self, arena: &Arena, end: usize) -> Result<Option<Arc<dyn Mapped>>, CopyError> {
        let mut state = self.maps.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(map) = state.maps.get(&arena.number).filter(|map| map.bytes().len() >= end) {
            return Ok(Some(map.clone()));
        }
        let len = arena.file().len().map_err(ArenaError::from)?;
        if len < end as u64 {
            return Err(CopyError::Damaged);
        }
        if !arena.file().can_map() {
            return Ok(None);
        }
        let map = arena.file().map(len).map_err(ArenaError::from)?;
        state.maps.insert(arena.number, map.clone());
        Ok(Some(map))
    }

    fn map_items(
        &self,
        vcid: Vcid,
        items: &[(ItemId, ItemKind)],
        from: u64,
    ) -> Result<Option<MappedRange>, ReadError> {
        let mut joined: Option<MappedRange> = None;
        for (id, kind) in items {
            let next = self.first_intact(vcid, *id, *kind, |located| self.map_item(located))?;
            match (&mut joined, next) {
                (None, Some(next)) => joined = Some(next),
                // Two mappings of one arena differ in length alone, so offsets compare across them.
                (Some(joined), Some(next))
                    if joined.end == next.start
                        && joined.map.bytes().as_ptr() == next.map.bytes().as_ptr() =>
                {
                    joined.end = next.end;
                }
                _ => break,
            }
        }
        Ok(joined.map(|range| MappedRange { start: range.start + from as usize, ..range }))
    }
}

fn corrupt(vcid: Vcid, located: &Located) -> ReadError {
    ReadError::Corrupt {
        vcid,
        arena: located.at.arena,
        offset: u64::from(located.at.trailer) * ALIGN,
    }
}

thread_local! {
    static CONTEXT: RefCell<zstd_safe::DCtx<'static>> = RefCell::new(zstd_safe::DCtx::create());
}

/// Decodes the first `want` bytes of a frame.
fn decode_front(
    arena: &Arena,
    record: &Record,
    want: usize,
    is_checked: bool,
) -> Result<Vec<u8>, CopyError> {
    let trailer = &record.trailer;
    if trailer.raw_len as usize > FRAME_BYTES_MAX || trailer.payload_len as usize > FRAME_BYTES_MAX
    {
        return Err(CopyError::Damaged);
    }
    let payload =
        if is_checked { arena.payload(record)? } else { arena.payload_unchecked(record)? };
    if trailer.codec == Codec::Raw {
        return if payload.len() >= want { Ok(payload) } else { Err(CopyError::Damaged) };
    }
    let mut front = Vec::with_capacity(want);
    CONTEXT.with_borrow_mut(|context| {
        context.reset(zstd_safe::ResetDirective::SessionOnly).map_err(|_| CopyError::Damaged)?;
        let mut input = zstd_safe::InBuffer::around(&payload);
        let mut output = zstd_safe::OutBuffer::around(&mut front);
        loop {
            let before = (input.pos(), output.pos());
            let hint = context
                .decompress_stream(&mut output, &mut input)
                .map_err(|_| CopyError::Damaged)?;
            let is_stuck = before == (input.pos(), output.pos());
            if output.pos() == want || hint == 0 || is_stuck {
                break;
            }
        }
        Ok::<_, CopyError>(())
    })?;
    if front.len() == want { Ok(front) } else { Err(CopyError::Damaged) }
}
