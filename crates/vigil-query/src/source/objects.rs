//! The object store over the arenas: DataFusion asks for a range, and gets mapped memory where the bytes
//! lie raw.
//!
//! Invariants:
//! - it writes nothing, and knows no object but those that were bound before the query ran;
//! - every byte that it gives has been compared with the Vcid by the store;
//! - what was opened, and what was read last, can be told afterwards.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::{self, BoxStream, Stream};
use futures_util::{StreamExt as _, TryStreamExt as _};
use object_store_13::path::Path;
use object_store_13::{
    CopyOptions, Error, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload,
    ObjectMeta, ObjectStore, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use vigil_store::{Blob, MappedRange, Store};

use super::pages::{LargePages, Pages};
use super::records::{LongRecord, Records};
use crate::budget::Budget;

/// Where an object's bytes are.
#[derive(Clone, Debug)]
pub enum Place {
    /// In the store.
    Kept(Blob),
    /// In memory: what was unpacked.
    Held(Bytes),
}

impl Place {
    /// Returns how many bytes there are.
    pub fn size(&self) -> u64 {
        match self {
            Self::Kept(blob) => blob.len(),
            Self::Held(bytes) => bytes.len() as u64,
        }
    }
}

/// An object: bytes, and the name that people know it by.
#[derive(Clone, Debug)]
pub struct Object {
    /// Where its bytes are.
    pub place: Place,
    /// Its name for people and for provenance.
    pub name: String,
    /// How its records end, where whoever reads it holds one whole.
    pub records: Option<Records>,
    /// Its pages, where it is a Parquet file.
    pub pages: Option<Arc<Pages>>,
}

/// An object that a query has opened.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Opened(pub String);

/// The objects of one query.
pub struct Objects {
    store: Store,
    budget: Budget,
    files: Mutex<BTreeMap<Path, Object>>,
    opened: Mutex<BTreeSet<Opened>>,
    large_pages: LargePages,
    /// The range that was read last, for messages.
    last: Mutex<Option<(String, Range<u64>)>>,
}

impl fmt::Debug for Objects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Objects")
    }
}

impl fmt::Display for Objects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the store")
    }
}

fn held<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Bytes that lie in an arena. What was proven of them (that a text is one, say) holds for as long as nobody
/// writes into the file of a sealed arena, which the store never does.
struct InArena(MappedRange);

impl AsRef<[u8]> for InArena {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

fn failed(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::Generic { store: "the store", source: Box::new(error) }
}

fn refused(operation: &str) -> Error {
    Error::NotSupported { source: format!("a query does not {operation}").into() }
}

impl Objects {
    /// Makes an empty set of objects over a store, which so many threads read; what is copied out of it counts
    /// against a budget.
    pub fn new(store: Store, budget: Budget, threads: usize) -> Self {
        let (files, opened, last) = Default::default();
        let large_pages = LargePages::new(&budget, threads);
        Self { store, budget, files, opened, large_pages, last }
    }

    /// Returns the store.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Returns the budget of the query that they belong to.
    pub fn budget(&self) -> &Budget {
        &self.budget
    }

    /// Returns what counts the large pages of Parquet files.
    pub fn large_pages(&self) -> &LargePages {
        &self.large_pages
    }

    /// Adds an object, whose path no other has.
    pub fn add(&self, path: Path, object: Object) {
        let before = held(&self.files).insert(path, object);
        assert!(before.is_none(), "two files have one path, so one would be missing");
    }

    /// Returns the names of the objects that were opened, in their order.
    pub fn opened(&self) -> Vec<Opened> {
        held(&self.opened).iter().cloned().collect()
    }

    /// Notes that an object was read past this store.
    pub fn note(&self, name: &str, range: Range<u64>) {
        held(&self.opened).insert(Opened(name.to_owned()));
        *held(&self.last) = Some((name.to_owned(), range));
    }

    /// Returns which object was read last, and which bytes of it.
    pub fn last_read(&self) -> Option<(String, Range<u64>)> {
        held(&self.last).clone()
    }

    fn find(&self, path: &Path) -> Result<Object> {
        let found = held(&self.files).get(path).cloned();
        found.ok_or_else(|| Error::NotFound {
            path: path.to_string(),
            source: "the query was not given it".into(),
        })
    }

    /// Describes an object.
    pub fn meta(path: &Path, object: &Object) -> ObjectMeta {
        let size = object.place.size();
        // What is named by its content has never been changed.
        let last_modified = Default::default();
        ObjectMeta { location: path.clone(), last_modified, size, e_tag: None, version: None }
    }

    /// Reads a range: as mapped memory where it lies raw in one piece, else as a copy that counts.
    pub fn read(&self, place: &Place, range: Range<u64>) -> Result<Bytes> {
        read(&self.store, &self.budget, place, range)
    }

    /// Gives a range piece by piece, as long as its records have ends; with each, how many of the bytes so
    /// far belong to a record that has not ended yet.
    fn pieces(
        &self,
        object: Object,
        range: Range<u64>,
    ) -> impl Stream<Item = Result<(Bytes, u64)>> + Send + use<> {
        let (store, budget) = (self.store.clone(), self.budget.clone());
        self.note(&object.name, range.clone());
        let records = object.records.clone().map(|records| records.from(range.start));
        stream::unfold((range.start, records), move |(start, mut records)| {
            let (store, budget, object) = (store.clone(), budget.clone(), object.clone());
            let end = range.end.min(start.saturating_add(PIECE_BYTES_MAX));
            async move {
                if start >= end {
                    return None;
                }
                let piece = read(&store, &budget, &object.place, start..end).and_then(|piece| {
                    let long = records.as_mut().and_then(|records| records.pass(&piece));
                    match long {
                        Some(at) => Err(failed(LongRecord { name: object.name, at: start + at })),
                        None => Ok((piece, records.as_ref().map_or(0, Records::open_bytes))),
                    }
                });
                Some((piece, (end, records)))
            }
        })
    }

    /// Gives an object in pieces of whole records, the last of which may be cut short.
    pub fn whole_records(
        &self,
        path: &Path,
    ) -> Result<impl Stream<Item = Result<Bytes>> + Send + use<>> {
        let object = self.find(path)?;
        let size = object.place.size();
        let pieces = self.pieces(object, 0..size).map(Some).chain(stream::once(async { None }));
        let mut open = self.budget.growing("the records that columns are inferred from");
        let whole = pieces.map(move |piece| {
            let Some((piece, open_bytes)) = piece.transpose()? else {
                return Ok(open.take_but(0));
            };
            open.push(&piece).map_err(failed)?;
            Ok(open.take_but(usize::try_from(open_bytes).unwrap_or(usize::MAX)))
        });
        Ok(whole.try_filter(|bytes| std::future::ready(!bytes.is_empty())))
    }

    fn read_noted(&self, object: &Object, range: Range<u64>) -> Result<Bytes> {
        self.note(&object.name, range.clone());
        self.read(&object.place, range)
    }
}

fn read(store: &Store, budget: &Budget, place: &Place, range: Range<u64>) -> Result<Bytes> {
    let blob = match place {
        Place::Held(bytes) => {
            assert!(range.start <= range.end && range.end <= bytes.len() as u64);
            return Ok(bytes.slice(range.start as usize..range.end as usize));
        }
        Place::Kept(blob) => blob,
    };
    budget.check().map_err(failed)?;
    let len = range.end - range.start;
    if len == 0 {
        return Ok(Bytes::new());
    }
    let mapped = store.map_part(blob, range.start, len).map_err(failed)?;
    if let Some(mapped) = mapped.filter(|mapped| mapped.len() as u64 == len) {
        return Ok(Bytes::from_owner(InArena(mapped)));
    }
    let mut room = budget.room("bytes of files", len as usize).map_err(failed)?;
    store.read_range(blob, range.start, room.bytes_mut()).map_err(failed)?;
    Ok(room.shared())
}

/// Longest piece of a stream: enough that the cost of a piece does not show.
const PIECE_BYTES_MAX: u64 = 4 << 20;

#[async_trait]
impl ObjectStore for Objects {
    async fn put_opts(&self, _: &Path, _: PutPayload, _: PutOptions) -> Result<PutResult> {
        Err(refused("write"))
    }

    async fn put_multipart_opts(
        &self,
        _: &Path,
        _: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        Err(refused("write"))
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        let object = self.find(path)?;
        let meta = Self::meta(path, &object);
        let range = match &options.range {
            None => 0..meta.size,
            Some(range) => range.as_range(meta.size).map_err(|source| Error::Generic {
                store: "the store",
                source: Box::new(source),
            })?,
        };
        let attributes = Default::default();
        if options.head {
            let payload = GetResultPayload::Stream(stream::empty().boxed());
            return Ok(GetResult { payload, meta, range, attributes });
        }
        let pieces = self.pieces(object, range.clone()).map_ok(|(piece, _)| piece);
        let payload = GetResultPayload::Stream(pieces.boxed());
        Ok(GetResult { payload, meta, range, attributes })
    }

    async fn get_ranges(&self, path: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        let object = self.find(path)?;
        let size = Self::meta(path, &object).size;
        ranges
            .iter()
            .map(|range| {
                if range.start > range.end || range.end > size {
                    let source = format!("{} has no bytes {range:?}", object.name).into();
                    return Err(Error::Generic { store: "the store", source });
                }
                let bytes = self.read_noted(&object, range.clone())?;
                if let Some(pages) = &object.pages {
                    let table = path.parts().next();
                    let table = table.as_ref().map_or("", |part| part.as_ref());
                    pages.check(self, &object, table, range.start, &bytes).map_err(failed)?;
                }
                Ok(bytes)
            })
            .collect()
    }

    fn delete_stream(
        &self,
        paths: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        paths.map(|_| Err(refused("remove"))).boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let files = held(&self.files);
        let below = files
            .iter()
            .filter(|(path, _)| prefix.is_none_or(|prefix| path.prefix_matches(prefix)));
        let found: Vec<_> = below.map(|(path, object)| Ok(Self::meta(path, object))).collect();
        stream::iter(found).boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let files = held(&self.files);
        let mut result = ListResult { objects: Vec::new(), common_prefixes: Vec::new() };
        let mut folders = BTreeSet::new();
        let root = Path::default();
        let prefix = prefix.unwrap_or(&root);
        for (path, object) in files.iter() {
            let Some(parts) = path.prefix_match(prefix) else { continue };
            let parts: Vec<_> = parts.collect();
            match parts.as_slice() {
                [] => {}
                [_] => result.objects.push(Self::meta(path, object)),
                [first, ..] => {
                    folders.insert(prefix.clone().join(first.clone()));
                }
            }
        }
        result.common_prefixes.extend(folders);
        Ok(result)
    }

    async fn copy_opts(&self, _: &Path, _: &Path, _: CopyOptions) -> Result<()> {
        Err(refused("copy"))
    }
}
