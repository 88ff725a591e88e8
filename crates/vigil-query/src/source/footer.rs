//! What a Parquet file says of itself: how deep its schema is nested, where its columns lie, and how large
//! their pages are once they are unpacked, found out without descending into it.
//!
//! Readers of the format go down one call for each level, so a file of a megabyte could end the program; and
//! they unpack each page as a whole, whatever size its header says.
//! All of it is Thrift's compact protocol, <https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md>;
//! what is not looked at is passed over. Where a value has another type than the format says, or does not
//! fit it, there is no answer: readers differ in what they make of that.

use std::ops::Range;

/// Deepest nesting of columns.
pub const NESTING_MAX: usize = 64;

/// Deepest nesting of Thrift's own values: a schema element is three deep.
const VALUES_MAX: usize = 32;

/// Field of `FileMetaData` that has the schema.
const SCHEMA: i64 = 2;

/// Field of `SchemaElement` that says how many of those that follow lie below it.
const CHILD_COUNT: i64 = 5;

/// Field of `FileMetaData` that has the row groups, that of `RowGroup` that has its chunks, and those of
/// `ColumnChunk`.
const ROW_GROUPS: i64 = 4;
const COLUMNS: i64 = 1;
const METADATA: i64 = 3;
const OFFSET_INDEX: i64 = 4;
const OFFSET_INDEX_LEN: i64 = 5;

/// Fields of `ColumnMetaData`.
const CODEC: i64 = 4;
const CHUNK_BYTES: i64 = 7;
const DATA_PAGE: i64 = 9;
const DICTIONARY_PAGE: i64 = 11;

/// Fields of `PageHeader`, and of its `DataPageHeaderV2`.
const PAGE_TYPE: i64 = 1;
const UNPACKED_BYTES: i64 = 2;
const STORED_BYTES: i64 = 3;
const DATA_PAGE_V2: i64 = 8;
const DEFINITIONS_BYTES: i64 = 5;
const REPETITIONS_BYTES: i64 = 6;
const IS_PACKED: i64 = 7;

/// Fields of `OffsetIndex` and of its `PageLocation`.
const LOCATIONS: i64 = 1;
const LOCATION_AT: i64 = 1;
const LOCATION_BYTES: i64 = 2;

const TRUE: u8 = 1;
const FALSE: u8 = 2;
const I32: u8 = 5;
const I64: u8 = 6;
const LIST: u8 = 9;
const STRUCT: u8 = 12;

struct Cursor<'a> {
    bytes: &'a [u8],
}

/// What a footer says.
#[derive(Debug, Default)]
pub struct Footer {
    /// How deep columns are nested.
    pub depth: usize,
    /// Its column chunks.
    pub chunks: Vec<Chunk>,
}

/// A chunk of a column.
#[derive(Clone, Debug)]
pub struct Chunk {
    /// The bytes in which its pages lie.
    pub range: Range<u64>,
    /// The place of its column.
    pub column: u64,
    /// How its pages are packed: `CompressionCodec` of the format.
    pub codec: i32,
    /// Where the places of its pages are told.
    pub offset_index: Option<Range<u64>>,
}

/// Reads a footer; `None` if it is cut short or is none.
pub fn read(footer: &[u8]) -> Option<Footer> {
    let mut found = Footer::default();
    let mut cursor = Cursor { bytes: footer };
    cursor.structure(&mut |cursor, id, kind| match (id, kind) {
        (SCHEMA, LIST) => {
            found.depth = found.depth.max(cursor.schema()?);
            Some(())
        }
        (ROW_GROUPS, LIST) => cursor.each(&mut |cursor, _| cursor.row_group(&mut found.chunks)),
        (SCHEMA | ROW_GROUPS, _) => None,
        _ => cursor.skip(kind, 0),
    })?;
    Some(found)
}

/// What the header of a page says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageHeader {
    /// Whether the page is a dictionary.
    pub is_dictionary: bool,
    /// Bytes of the page once it is unpacked.
    pub unpacked_bytes: u64,
    /// Bytes of the header.
    pub header_bytes: usize,
    /// Bytes of the page as it lies, behind the header.
    pub stored_bytes: usize,
    /// Of these, how many at the beginning are never packed.
    pub plain_bytes: usize,
    /// Whether the others are.
    pub is_packed: bool,
}

/// Reads the header of the page that bytes begin with; `None` if it is cut short or is none.
pub fn page_header(bytes: &[u8]) -> Option<PageHeader> {
    let mut cursor = Cursor { bytes };
    let (mut kind_of_page, mut unpacked, mut stored) = (None, None, None);
    let (mut plain_bytes, mut is_packed) = (0, true);
    cursor.structure(&mut |cursor, id, kind| {
        match id {
            PAGE_TYPE => kind_of_page = Some(cursor.length(kind)?),
            UNPACKED_BYTES => unpacked = Some(cursor.length(kind)?),
            STORED_BYTES => stored = Some(cursor.length(kind)?),
            DATA_PAGE_V2 if kind == STRUCT => cursor.structure(&mut |cursor, id, kind| {
                match (id, kind) {
                    (DEFINITIONS_BYTES | REPETITIONS_BYTES, _) => {
                        plain_bytes += cursor.length(kind)?;
                    }
                    (IS_PACKED, TRUE) => is_packed = true,
                    (IS_PACKED, FALSE) => is_packed = false,
                    (IS_PACKED, _) => return None,
                    _ => cursor.skip(kind, 1)?,
                }
                Some(())
            })?,
            DATA_PAGE_V2 => return None,
            _ => cursor.skip(kind, 0)?,
        }
        Some(())
    })?;
    const DICTIONARY: usize = 2;
    Some(PageHeader {
        is_dictionary: kind_of_page? == DICTIONARY,
        unpacked_bytes: unpacked? as u64,
        header_bytes: bytes.len() - cursor.bytes.len(),
        stored_bytes: stored?,
        plain_bytes,
        is_packed,
    })
}

/// Reads where the pages of a chunk lie, headers included; `None` if that is cut short or is nothing of the
/// kind.
pub fn page_locations(index: &[u8]) -> Option<Vec<Range<u64>>> {
    let mut found = Vec::new();
    let mut cursor = Cursor { bytes: index };
    cursor.structure(&mut |cursor, id, kind| match (id, kind) {
        (LOCATIONS, LIST) => cursor.each(&mut |cursor, _| {
            let (mut at, mut len) = (None, None);
            cursor.structure(&mut |cursor, id, kind| {
                match id {
                    LOCATION_AT => at = Some(cursor.offset(kind)?),
                    LOCATION_BYTES => len = Some(cursor.length(kind)?),
                    _ => cursor.skip(kind, 0)?,
                }
                Some(())
            })?;
            let at = at?;
            found.push(at..at.checked_add(len? as u64)?);
            Some(())
        }),
        (LOCATIONS, _) => None,
        _ => cursor.skip(kind, 0),
    })?;
    Some(found)
}

/// What reads a field of a structure, whose number and type it is told.
type Field<'a, 'b> = dyn FnMut(&mut Cursor<'b>, i64, u8) -> Option<()> + 'a;

/// What reads an item of a list, whose place it is told.
type Item<'a, 'b> = dyn FnMut(&mut Cursor<'b>, u64) -> Option<()> + 'a;

impl<'b> Cursor<'b> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.bytes.split_first()?;
        self.bytes = rest;
        Some(*first)
    }

    fn pass(&mut self, count: u64) -> Option<()> {
        self.bytes = self.bytes.get(usize::try_from(count).ok()?..)?;
        Some(())
    }

    /// A whole number in groups of seven bits, the lowest first.
    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    /// The same with its sign in the lowest bit.
    fn zigzag(&mut self) -> Option<i64> {
        let value = self.varint()?;
        Some((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    /// The number and the type of a field; nothing at the end of the structure.
    fn field(&mut self, last: i64) -> Option<Option<(i64, u8)>> {
        let head = self.byte()?;
        let kind = head & 0x0f;
        if kind == 0 {
            return Some(None);
        }
        let id = match head >> 4 {
            0 => self.zigzag()?,
            step => last.checked_add(i64::from(step))?,
        };
        (1..=i64::from(i16::MAX)).contains(&id).then_some(Some((id, kind)))
    }

    /// The length and the type of a list.
    fn list(&mut self) -> Option<(u64, u8)> {
        let head = self.byte()?;
        let count = match head >> 4 {
            15 => self.varint()?,
            few => u64::from(few),
        };
        // Each item has a byte at least.
        (count <= self.bytes.len() as u64).then_some((count, head & 0x0f))
    }

    fn structure(&mut self, each: &mut Field<'_, 'b>) -> Option<()> {
        let mut field = 0;
        while let Some((id, kind)) = self.field(field)? {
            field = id;
            each(self, id, kind)?;
        }
        Some(())
    }

    /// Reads a list of structures.
    fn each(&mut self, each: &mut Item<'_, 'b>) -> Option<()> {
        let (count, kind) = self.list()?;
        // Some writers give an empty list no type.
        if kind != STRUCT && count > 0 {
            return None;
        }
        (0..count).try_for_each(|place| each(self, place))
    }

    /// Reads the list of schema elements; returns how deep they are nested below the first.
    fn schema(&mut self) -> Option<usize> {
        let mut deepest = 0;
        // How many elements are still to come, level by level.
        let mut open: Vec<u64> = Vec::new();
        self.each(&mut |cursor, _| {
            while open.pop_if(|left| *left == 0).is_some() {}
            if let Some(left) = open.last_mut() {
                *left -= 1;
            }
            let mut children = 0;
            cursor.structure(&mut |cursor, id, kind| match (id, kind) {
                (CHILD_COUNT, 5) => {
                    children = u64::try_from(cursor.zigzag()?).ok()?;
                    Some(())
                }
                _ => cursor.skip(kind, 0),
            })?;
            if children > 0 {
                deepest = deepest.max(open.len());
                open.push(children);
            }
            Some(())
        })?;
        Some(deepest)
    }

    /// A number of bytes, or the like, that has 32 bits with its sign.
    fn length(&mut self, kind: u8) -> Option<usize> {
        if kind != I32 {
            return None;
        }
        let value = i32::try_from(self.zigzag()?).ok()?;
        usize::try_from(value).ok()
    }

    /// A place in the file, which has 64 bits with its sign.
    fn offset(&mut self, kind: u8) -> Option<u64> {
        if kind != I64 {
            return None;
        }
        u64::try_from(self.zigzag()?).ok()
    }

    fn row_group(&mut self, found: &mut Vec<Chunk>) -> Option<()> {
        self.structure(&mut |cursor, id, kind| match (id, kind) {
            (COLUMNS, LIST) => cursor.each(&mut |cursor, column| {
                found.push(cursor.chunk(column)?);
                Some(())
            }),
            (COLUMNS, _) => None,
            _ => cursor.skip(kind, 0),
        })
    }

    fn chunk(&mut self, column: u64) -> Option<Chunk> {
        let (mut said, mut index, mut index_len) = (None, None, None);
        self.structure(&mut |cursor, id, kind| {
            match (id, kind) {
                (METADATA, STRUCT) => said = Some(cursor.chunk_metadata()?),
                (METADATA, _) => return None,
                (OFFSET_INDEX, _) => index = Some(cursor.offset(kind)?),
                (OFFSET_INDEX_LEN, _) => index_len = Some(cursor.length(kind)?),
                _ => cursor.skip(kind, 0)?,
            }
            Some(())
        })?;
        let (range, codec) = said?;
        let offset_index = match (index, index_len) {
            (Some(at), Some(len)) => Some(at..at.checked_add(len as u64)?),
            _ => None,
        };
        Some(Chunk { range, column, codec, offset_index })
    }

    /// Reads what is said of a chunk: where its pages lie, and how they are packed.
    fn chunk_metadata(&mut self) -> Option<(Range<u64>, i32)> {
        let (mut codec, mut len, mut data, mut dictionary) = (None, None, None, None);
        self.structure(&mut |cursor, id, kind| {
            match id {
                CODEC => codec = Some(cursor.length(kind)?),
                CHUNK_BYTES => len = Some(cursor.offset(kind)?),
                DATA_PAGE => data = Some(cursor.offset(kind)?),
                DICTIONARY_PAGE => dictionary = Some(cursor.offset(kind)?),
                _ => cursor.skip(kind, 0)?,
            }
            Some(())
        })?;
        let start = dictionary.or(data)?;
        Some((start..start.checked_add(len?)?, i32::try_from(codec?).ok()?))
    }

    fn skip(&mut self, kind: u8, depth: usize) -> Option<()> {
        if depth > VALUES_MAX {
            return None;
        }
        match kind {
            // A field that is true or false has its value in its type.
            1 | 2 => Some(()),
            3 => self.pass(1),
            4..=6 => self.varint().map(|_| ()),
            7 => self.pass(8),
            8 => {
                let len = self.varint()?;
                self.pass(len)
            }
            9 | 10 => {
                let (count, kind) = self.list()?;
                for _ in 0..count {
                    self.item(kind, depth)?;
                }
                Some(())
            }
            11 => {
                let count = self.varint()?;
                if count == 0 {
                    return Some(());
                }
                let kinds = self.byte()?;
                for _ in 0..count {
                    self.item(kinds >> 4, depth)?;
                    self.item(kinds & 0x0f, depth)?;
                }
                Some(())
            }
            STRUCT => {
                let mut field = 0;
                while let Some((id, kind)) = self.field(field)? {
                    field = id;
                    self.skip(kind, depth + 1)?;
                }
                Some(())
            }
            _ => None,
        }
    }

    /// An item of a list, where truth has a byte of its own.
    fn item(&mut self, kind: u8, depth: usize) -> Option<()> {
        match kind {
            1 | 2 => self.pass(1),
            kind => self.skip(kind, depth + 1),
        }
    }
}
