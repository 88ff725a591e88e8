//! Reading one arena: records, the scan that finds them, and the seal.
//!
//! It does not know what an item means, and never writes.

use std::sync::Arc;

use vigil_base::Vcid;
use vigil_base::world::{DiskError, DiskFile};

use crate::format::{
    ALIGN, Codec, HEADER_LEN, Header, HeaderError, ITEM_BYTES_MAX, Item, ItemId, ItemKind,
    LOCATED_LEN, Located, Location, RecordKind, SEAL_LEN, Seal, SealError, TRAILER_LEN,
    TRAILER_MAGIC, Trailer, array_at, check_of, decode_directory, payload_check,
};

/// An open arena file.
pub struct Arena {
    /// The number of its file in this store.
    pub number: u32,
    /// What it says of itself.
    pub header: Header,
    file: Arc<dyn DiskFile>,
}

/// Why an arena could not be opened or read.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArenaError {
    /// Its header is not one.
    #[error("arena {number:08} cannot be read")]
    Header {
        /// The arena's number.
        number: u32,
        /// What is wrong with the header.
        source: HeaderError,
    },
    /// A record is not what was written.
    #[error("arena {number:08} is damaged at byte {offset}")]
    Damaged {
        /// The arena's number.
        number: u32,
        /// The offset of the record's trailer.
        offset: u64,
    },
    /// The disk failed.
    #[error(transparent)]
    Disk(#[from] DiskError),
}

/// A record that a trailer describes.
#[derive(Clone, Debug)]
pub struct Record {
    /// Where it starts.
    pub start: u64,
    /// Where its trailer starts.
    pub trailer_at: u64,
    /// What the trailer says.
    pub trailer: Trailer,
}

/// A record with its directory.
pub type Described = (Record, Vec<Item>);

/// What a scan found.
#[derive(Debug, Default)]
pub struct Scan {
    /// The items of intact records.
    pub items: Vec<Located>,
    /// Items that a genuine directory lists and whose bytes are not what it says.
    pub damaged: Vec<Located>,
    /// Ranges of bytes, from and to, that no genuine record covers.
    pub strays: Vec<(u64, u64)>,
    /// Ranges between a directory and its trailer that are not zero as they should be.
    pub unclean: Vec<(u64, u64)>,
    /// Where the scan ended: the length of the file, without seal and table.
    pub end: u64,
}

/// Bytes read at once when looking for trailers.
const WINDOW_LEN: usize = 4 << 20;

impl Arena {
    /// Opens an arena file.
    pub fn open(file: Arc<dyn DiskFile>, number: u32) -> Result<Self, ArenaError> {
        let mut bytes = vec![0; HEADER_LEN];
        let read = file.read_at(0, &mut bytes)?;
        let header = Header::decode(&bytes[..read])
            .map_err(|source| ArenaError::Header { number, source })?;
        Ok(Self { number, header, file })
    }

    /// Returns the file.
    pub fn file(&self) -> &Arc<dyn DiskFile> {
        &self.file
    }

    fn damaged(&self, offset: u64) -> ArenaError {
        ArenaError::Damaged { number: self.number, offset }
    }

    fn read_exact(&self, offset: u64, len: usize) -> Result<Vec<u8>, ArenaError> {
        let mut bytes = vec![0; len];
        match self.file.read_at(offset, &mut bytes)? {
            read if read == len => Ok(bytes),
            _ => Err(self.damaged(offset)),
        }
    }

    /// Reads the trailer at `trailer_at`. Its fields are not believed yet; the items' ids prove them.
    pub fn record(&self, trailer_at: u64) -> Result<Record, ArenaError> {
        let mut bytes = [0; TRAILER_LEN];
        if self.file.read_at(trailer_at, &mut bytes)? != TRAILER_LEN {
            return Err(self.damaged(trailer_at));
        }
        let trailer = Trailer::decode(&bytes).map_err(|_| self.damaged(trailer_at))?;
        let start = trailer_at
            .checked_sub(trailer.body_len())
            .filter(|&start| start >= HEADER_LEN as u64)
            .ok_or_else(|| self.damaged(trailer_at))?;
        Ok(Record { start, trailer_at, trailer })
    }

    /// Reads a frame's stored payload; what it decodes to has to be proven by the items' ids.
    pub fn payload_unchecked(&self, record: &Record) -> Result<Vec<u8>, ArenaError> {
        let len = record.trailer.payload_len as usize;
        if len > FRAME_BYTES_MAX || record.trailer.raw_len as usize > FRAME_BYTES_MAX {
            return Err(self.damaged(record.trailer_at));
        }
        self.read_exact(record.start, len)
    }

    /// Reads a frame's stored payload and compares its checksum.
    pub fn payload(&self, record: &Record) -> Result<Vec<u8>, ArenaError> {
        let payload = self.payload_unchecked(record)?;
        if payload_check(&payload) != record.trailer.payload_check {
            return Err(self.damaged(record.trailer_at));
        }
        Ok(payload)
    }

    /// Reads the bytes `inner .. inner + into.len()` of a raw record's payload, unchecked.
    pub fn read_raw(&self, record: &Record, inner: u32, into: &mut [u8]) -> Result<(), ArenaError> {
        let end = u64::from(inner) + into.len() as u64;
        if record.trailer.codec != Codec::Raw || end > record.trailer.payload_len {
            return Err(self.damaged(record.trailer_at));
        }
        match self.file.read_at(record.start + u64::from(inner), into)? {
            read if read == into.len() => Ok(()),
            _ => Err(self.damaged(record.trailer_at)),
        }
    }

    /// Reads the directory of a record, and checks that trailer and directory are this arena's own.
    pub fn directory(&self, record: &Record) -> Result<Vec<Item>, ArenaError> {
        let trailer = &record.trailer;
        let at = record.start + trailer.payload_len;
        let directory = self.read_exact(at, trailer.directory_len as usize)?;
        let raw: [u8; TRAILER_LEN] = array_at(&self.read_exact(record.trailer_at, TRAILER_LEN)?, 0);
        if !Trailer::is_genuine(&raw, &self.header.key, record.trailer_at, &directory) {
            return Err(self.damaged(record.trailer_at));
        }
        let items = decode_directory(&directory).ok_or_else(|| self.damaged(record.trailer_at))?;
        let sum: u64 = items.iter().map(|item| u64::from(item.len)).sum();
        if sum == trailer.raw_len { Ok(items) } else { Err(self.damaged(record.trailer_at)) }
    }

    /// Returns whether the arena itself says that an item lies where `located` says: in the record's
    /// directory, or where that is damaged in the table.
    pub fn lists(&self, record: &Record, located: &Located) -> Result<bool, ArenaError> {
        match self.directory(record) {
            Ok(items) => {
                let mut is_listed = false;
                self.locate(record, &items, |found, _| is_listed |= found == *located);
                Ok(is_listed)
            }
            Err(ArenaError::Damaged { .. }) => match self.seal()? {
                Ok(seal) => Ok(self.sealed_items(&seal)?.contains(located)),
                Err(_) => Ok(false),
            },
            Err(error) => Err(error),
        }
    }

    /// Returns the range between the directory and the trailer if it is not zero.
    fn unclean_padding(&self, record: &Record) -> Result<Option<(u64, u64)>, ArenaError> {
        let trailer = &record.trailer;
        let start = record.start + trailer.payload_len + u64::from(trailer.directory_len);
        let padding = self.read_exact(start, (record.trailer_at - start) as usize)?;
        let is_clean = padding.iter().all(|byte| *byte == 0);
        Ok((!is_clean).then_some((start, record.trailer_at)))
    }

    /// Returns the seal, or why there is none.
    pub fn seal(&self) -> Result<Result<Seal, SealError>, ArenaError> {
        let len = self.file.len()?;
        let Some(at) = len.checked_sub(SEAL_LEN as u64).filter(|&at| at >= HEADER_LEN as u64)
        else {
            return Ok(Err(SealError::Absent));
        };
        let bytes = self.read_exact(at, SEAL_LEN)?;
        Ok(Seal::decode(&array_at(&bytes, 0), &self.header.key, len))
    }

    /// Reads the table of a sealed arena. The entries carry this arena's number in this store.
    pub fn sealed_items(&self, seal: &Seal) -> Result<Vec<Located>, ArenaError> {
        let damaged = || self.damaged(seal.table_at);
        let len = usize::try_from(seal.entries).map_err(|_| damaged())? * LOCATED_LEN;
        let bytes = self.read_exact(seal.table_at, len)?;
        if check_of(&bytes) != seal.table_check {
            return Err(damaged());
        }
        bytes
            .chunks_exact(LOCATED_LEN)
            .map(|entry| {
                let mut located = Located::decode(&array_at(entry, 0)).ok_or_else(damaged)?;
                located.at.arena = self.number;
                Ok(located)
            })
            .collect()
    }

    /// Returns where the records end: before the table of a sealed arena, else at the file's end.
    pub fn records_end(&self) -> Result<u64, ArenaError> {
        match self.seal()? {
            Ok(seal) => Ok(seal.table_at),
            Err(_) => Ok(self.file.len()?),
        }
    }

    /// Finds every record from byte `from` on by its trailer, and checks all of their bytes.
    pub fn scan(&self, from: u64) -> Result<Scan, ArenaError> {
        let (records, mut scan) = self.find_records(from)?;
        for (record, items) in &records {
            self.check_items(record, items, &mut scan)?;
        }
        Ok(scan)
    }

    /// Finds every record from byte `from` on by its trailer; the scan that comes with them has only
    /// the bytes that no record covers, and the end.
    ///
    /// Works on any arena, however damaged. A record that lies inside a later record's payload is
    /// data that happens to look like one, and is not reported.
    pub fn find_records(&self, from: u64) -> Result<(Vec<Described>, Scan), ArenaError> {
        let end = self.records_end()?;
        let from = from.max(HEADER_LEN as u64);
        let mut records: Vec<Described> = Vec::new();
        self.find_trailers(from, end, &mut |record, items| {
            while records.last().is_some_and(|(earlier, _)| earlier.trailer_at >= record.start) {
                records.pop();
            }
            records.push((record, items));
        })?;
        let mut scan = Scan { end, ..Scan::default() };
        let mut covered = from;
        for (record, _) in &records {
            if record.start > covered {
                scan.strays.push((covered, record.start));
            }
            covered = record.trailer_at + TRAILER_LEN as u64;
        }
        if end > covered {
            scan.strays.push((covered, end));
        }
        Ok((records, scan))
    }

    fn find_trailers(
        &self,
        from: u64,
        end: u64,
        found: &mut dyn FnMut(Record, Vec<Item>),
    ) -> Result<(), ArenaError> {
        let mut window = vec![0; WINDOW_LEN];
        let mut at = from.next_multiple_of(ALIGN);
        while at < end {
            let want = (end - at).min(WINDOW_LEN as u64) as usize;
            let read = self.file.read_at(at, &mut window[..want])?;
            if read == 0 {
                break;
            }
            for (index, block) in window[..read].chunks_exact(ALIGN as usize).enumerate() {
                if !block.starts_with(&TRAILER_MAGIC) {
                    continue;
                }
                // Only genuine trailers count; everything else is data, or damage that leaves a gap.
                let trailer_at = at + index as u64 * ALIGN;
                let Ok(record) = self.record(trailer_at) else { continue };
                if record.start < from {
                    continue;
                }
                match self.directory(&record) {
                    Ok(items) => found(record, items),
                    Err(ArenaError::Damaged { .. }) => {}
                    Err(error) => return Err(error),
                }
            }
            at += (read as u64).next_multiple_of(ALIGN);
        }
        Ok(())
    }

    /// Sorts the items of a record into intact and damaged, and looks at its padding.
    pub fn check_items(
        &self,
        record: &Record,
        items: &[Item],
        scan: &mut Scan,
    ) -> Result<(), ArenaError> {
        scan.unclean.extend(self.unclean_padding(record)?);
        let decoded = match record.trailer.kind {
            RecordKind::Extent => None,
            RecordKind::Frame => match self.decode_frame(record) {
                Ok(bytes) => Some(bytes),
                Err(ArenaError::Damaged { .. }) => {
                    self.locate(record, items, |located, _| scan.damaged.push(located));
                    return Ok(());
                }
                Err(error) => return Err(error),
            },
        };
        let mut trouble = None;
        self.locate(record, items, |located, item| {
            let start = located.at.inner as usize;
            let len = item.len as usize;
            let intact = match &decoded {
                Some(bytes) => is_item(item, &bytes[start..start + len]),
                None => {
                    let mut bytes = vec![0; len];
                    match self.read_raw(record, located.at.inner, &mut bytes) {
                        Ok(()) => item.kind != ItemKind::Layout && is_item(item, &bytes),
                        Err(ArenaError::Damaged { .. }) => false,
                        Err(error) => {
                            trouble.get_or_insert(error);
                            false
                        }
                    }
                }
            };
            if intact { scan.items.push(located) } else { scan.damaged.push(located) }
        });
        trouble.map_or(Ok(()), Err)
    }

    /// Calls `visit` with each item of a record and its location.
    pub fn locate(&self, record: &Record, items: &[Item], mut visit: impl FnMut(Located, &Item)) {
        let mut inner = 0;
        for item in items {
            let at = Location {
                arena: self.number,
                trailer: (record.trailer_at / ALIGN) as u32,
                inner,
                len: item.len,
            };
            visit(Located { id: item.id, kind: item.kind, at }, item);
            inner += item.len;
        }
    }

    /// Reads and decodes a whole frame.
    pub fn decode_frame(&self, record: &Record) -> Result<Vec<u8>, ArenaError> {
        let payload = self.payload(record)?;
        if record.trailer.codec == Codec::Raw {
            return Ok(payload);
        }
        let raw_len = record.trailer.raw_len as usize;
        match zstd::bulk::decompress(&payload, raw_len) {
            Ok(bytes) if bytes.len() == raw_len => Ok(bytes),
            _ => Err(self.damaged(record.trailer_at)),
        }
    }

    /// Reads one item, without a cache and without comparing it with its id.
    pub fn read_item(&self, located: &Located) -> Result<Vec<u8>, ArenaError> {
        let record = self.record(u64::from(located.at.trailer) * ALIGN)?;
        let (start, len) = (located.at.inner as usize, located.at.len as usize);
        if record.trailer.kind == RecordKind::Extent {
            let mut bytes = vec![0; len];
            self.read_raw(&record, located.at.inner, &mut bytes)?;
            return Ok(bytes);
        }
        let frame = self.decode_frame(&record)?;
        let bytes = frame.get(start..start + len);
        Ok(bytes.ok_or_else(|| self.damaged(record.trailer_at))?.to_vec())
    }

    /// Returns the SHA-256 of the whole file: the name under which a sealed arena travels.
    pub fn vcid(&self) -> Result<Vcid, ArenaError> {
        let len = self.file.len()?;
        let mut hasher = vigil_base::Hasher::new();
        let mut buffer = vec![0; 1 << 20];
        let mut at = 0;
        while at < len {
            let read = self.file.read_at(at, &mut buffer)?;
            if read == 0 {
                return Err(self.damaged(at));
            }
            hasher.update(&buffer[..read]);
            at += read as u64;
        }
        Ok(hasher.finish())
    }
}

/// Largest frame, stored or decoded. Writers stay far below; a reader allocates no more than this.
pub(crate) const FRAME_BYTES_MAX: usize = 64 << 20;
const _: () = assert!(FRAME_BYTES_MAX <= ITEM_BYTES_MAX);

/// Returns whether `bytes` are what the item's id says. A layout's id names the blob that it lays
/// out, so a layout is proven by its frame's checksum instead.
pub(crate) fn is_item(item: &Item, bytes: &[u8]) -> bool {
    match item.kind {
        ItemKind::Blob => ItemId::from(Vcid::of(bytes)) == item.id,
        ItemKind::Chunk => ItemId::of_chunk(bytes) == item.id,
        ItemKind::Layout => true,
    }
}

impl Arena {
    /// Lists all records by their directories alone, walking from trailer to trailer back from `end`;
    /// `None` where some bytes are covered by no record.
    pub fn walk_back(&self, end: u64) -> Result<Option<Vec<Described>>, ArenaError> {
        let mut records = Vec::new();
        let mut at = end;
        while at > HEADER_LEN as u64 {
            let Some(trailer_at) = at.checked_sub(TRAILER_LEN as u64) else { return Ok(None) };
            let found = self.record(trailer_at).and_then(|record| {
                let items = self.directory(&record)?;
                Ok((record, items))
            });
            match found {
                Ok(found) => {
                    at = found.0.start;
                    records.push(found);
                }
                Err(ArenaError::Damaged { .. }) => return Ok(None),
                Err(error) => return Err(error),
            }
        }
        records.reverse();
        Ok(Some(records))
    }

    /// Lists all records, and the bytes that none covers, as cheaply as the arena's state allows.
    pub fn records(&self) -> Result<(Vec<Described>, Scan), ArenaError> {
        let end = self.records_end()?;
        match self.walk_back(end)? {
            Some(records) => Ok((records, Scan { end, ..Scan::default() })),
            None => self.find_records(0),
        }
    }
}
