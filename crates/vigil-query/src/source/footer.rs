//! How deep the schema of a Parquet file is nested, and where the first page of each column chunk lies, found
//! out without descending into it.
//!
//! Readers of the format go down one call for each level, so a file of a megabyte could end the program; and
//! they unpack each page as a whole, whatever size its header says.
//! The footer is Thrift's compact protocol, <https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md>;
//! of it only the schema and the columns' offsets are looked at, the rest is passed over.

/// Deepest nesting of columns.
pub const NESTING_MAX: usize = 64;

/// Deepest nesting of Thrift's own values: a schema element is three deep.
const VALUES_MAX: usize = 32;

/// Field of `FileMetaData` that has the schema.
const SCHEMA: i64 = 2;

/// Field of `SchemaElement` that says how many of those that follow lie below it.
const CHILD_COUNT: i64 = 5;

/// Field of `FileMetaData` that has the row groups, and the fields on the way from there to where the pages
/// of a column lie: `RowGroup`, `ColumnChunk`, `ColumnMetaData`.
const ROW_GROUPS: i64 = 4;
const COLUMNS: i64 = 1;
const METADATA: i64 = 3;
const DATA_PAGE: i64 = 9;
const DICTIONARY_PAGE: i64 = 11;

/// Fields of `PageHeader` that say how many bytes the page has once it is unpacked, and as it lies.
const UNPACKED_BYTES: i64 = 2;
const STORED_BYTES: i64 = 3;

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
    /// The place of a column, and where the first page of one of its chunks lies.
    pub first_pages: Vec<(u64, u64)>,
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
        (ROW_GROUPS, LIST) => cursor.each(&mut |cursor, _| cursor.row_group(&mut found)),
        _ => cursor.skip(kind, 0),
    })?;
    Some(found)
}

/// What the header of a page says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageHeader {
    /// Bytes of the page once it is unpacked.
    pub unpacked_bytes: u64,
    /// Bytes from the beginning of the header to the next one.
    pub stride: u64,
}

/// Reads the header of the page that bytes begin with; `None` if it is cut short or is none.
pub fn page_header(bytes: &[u8]) -> Option<PageHeader> {
    let mut cursor = Cursor { bytes };
    let (mut unpacked, mut stored) = (None, None);
    cursor.structure(&mut |cursor, id, kind| match (id, kind) {
        (UNPACKED_BYTES, 5) => {
            unpacked = u64::try_from(cursor.zigzag()?).ok();
            Some(())
        }
        (STORED_BYTES, 5) => {
            stored = u64::try_from(cursor.zigzag()?).ok();
            Some(())
        }
        _ => cursor.skip(kind, 0),
    })?;
    let header_bytes = (bytes.len() - cursor.bytes.len()) as u64;
    Some(PageHeader { unpacked_bytes: unpacked?, stride: header_bytes.checked_add(stored?)? })
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
        Some(Some((id, kind)))
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
        if kind != STRUCT {
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

    fn row_group(&mut self, found: &mut Footer) -> Option<()> {
        self.structure(&mut |cursor, id, kind| match (id, kind) {
            (COLUMNS, LIST) => cursor.each(&mut |cursor, column| {
                cursor.structure(&mut |cursor, id, kind| match (id, kind) {
                    (METADATA, STRUCT) => {
                        let first = cursor.chunk()?;
                        found.first_pages.push((column, first));
                        Some(())
                    }
                    _ => cursor.skip(kind, 0),
                })
            }),
            _ => cursor.skip(kind, 0),
        })
    }

    /// Reads what is said of a chunk; returns where its first page lies.
    fn chunk(&mut self) -> Option<u64> {
        let mut first = u64::MAX;
        self.structure(&mut |cursor, id, kind| match (id, kind) {
            (DATA_PAGE | DICTIONARY_PAGE, 6) => {
                // Some writers say 0 of what is not there.
                let at = u64::try_from(cursor.zigzag()?).ok()?;
                first = if at > 0 { first.min(at) } else { first };
                Some(())
            }
            _ => cursor.skip(kind, 0),
        })?;
        Some(first)
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
