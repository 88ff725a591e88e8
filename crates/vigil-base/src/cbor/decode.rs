//! Reading canonical CBOR, strictly: what is not canonical is refused, with its offset.

use alloc::vec::Vec;

use super::{major, simple};
use crate::limits::{CBOR_DEPTH_MAX, RECORD_BYTES_MAX};

/// Why bytes are not the canonical CBOR that was expected, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{fault} at byte {offset}")]
pub struct DecodeError {
    /// Offset of the item at fault, from the start of the input.
    pub offset: usize,
    /// What is wrong with it.
    pub fault: Fault,
}

/// What is wrong with an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The input ends inside the item.
    #[error("the input ends inside an item")]
    Truncated,
    /// Bytes follow the last item.
    #[error("bytes follow the last item")]
    Trailing,
    /// A length or integer is written longer than it needs to be.
    #[error("a number is not in its shortest form")]
    NotShortest,
    /// The item is of another type than expected.
    #[error("an item of another type was expected")]
    Type,
    /// The item is a float, a tag, an indefinite length or a reserved form.
    #[error("floats, tags, indefinite lengths and reserved forms are not allowed")]
    Forbidden,
    /// Text is not UTF-8.
    #[error("text is not UTF-8")]
    Utf8,
    /// Map keys are not in strictly rising bytewise order.
    #[error("map keys are not in strictly rising order")]
    KeyOrder,
    /// Arrays and maps are nested too deep.
    #[error("nested deeper than {CBOR_DEPTH_MAX}")]
    Depth,
    /// The input is longer than any record may be.
    #[error("longer than {RECORD_BYTES_MAX} bytes")]
    Oversized,
    /// The record carries another type tag.
    #[error("another type tag was expected")]
    Tag,
    /// The value is outside what the record allows.
    #[error("the value is out of range")]
    Range,
}

/// Reads canonical items one after another.
#[derive(Clone, Debug)]
pub struct Decoder<'a> {
    input: &'a [u8],
    at: usize,
}

impl<'a> Decoder<'a> {
    /// Starts at the first byte of `input`.
    pub fn new(input: &'a [u8]) -> Result<Self, DecodeError> {
        if input.len() > RECORD_BYTES_MAX {
            return Err(DecodeError { offset: RECORD_BYTES_MAX, fault: Fault::Oversized });
        }
        Ok(Self { input, at: 0 })
    }

    /// Starts a record: an array of `items` items, of which the first is `tag`.
    pub fn record(input: &'a [u8], tag: &str, items: usize) -> Result<Self, DecodeError> {
        let mut decoder = Self::new(input)?;
        let found = decoder.array()?;
        let at = decoder.at;
        if decoder.text()? != tag {
            return Err(DecodeError { offset: at, fault: Fault::Tag });
        }
        if found != items {
            return Err(DecodeError { offset: 0, fault: Fault::Range });
        }
        Ok(decoder)
    }

    /// Returns the offset of the next item.
    pub fn offset(&self) -> usize {
        self.at
    }

    /// Returns an error about the item at `offset`.
    pub fn fault<T>(&self, offset: usize, fault: Fault) -> Result<T, DecodeError> {
        Err(DecodeError { offset, fault })
    }

    fn take(&mut self, start: usize, count: u64) -> Result<&'a [u8], DecodeError> {
        let left = self.input.len() - self.at;
        let count = usize::try_from(count).ok().filter(|&count| count <= left);
        let Some(count) = count else { return self.fault(start, Fault::Truncated) };
        let bytes = &self.input[self.at..self.at + count];
        self.at += count;
        Ok(bytes)
    }

    /// Reads a head: its major type and its argument in shortest form.
    fn head(&mut self) -> Result<(u8, u64), DecodeError> {
        let start = self.at;
        let first = self.take(start, 1)?[0];
        let (major, short) = (first >> 5, first & 31);
        let (width, least) = match short {
            0..24 => return Ok((major, u64::from(short))),
            24 => (1, 24),
            25 => (2, 1 << 8),
            26 => (4, 1 << 16),
            27 => (8, 1 << 32),
            _ => return self.fault(start, Fault::Forbidden),
        };
        if major == major::SIMPLE {
            return self.fault(start, Fault::Forbidden);
        }
        let mut wide = [0; 8];
        wide[8 - width..].copy_from_slice(self.take(start, width as u64)?);
        let value = u64::from_be_bytes(wide);
        if value < least {
            return self.fault(start, Fault::NotShortest);
        }
        Ok((major, value))
    }

    fn expect(&mut self, want: u8) -> Result<(usize, u64), DecodeError> {
        let start = self.at;
        let (major, value) = self.head()?;
        if major != want {
            self.at = start;
            return self.fault(start, Fault::Type);
        }
        Ok((start, value))
    }

    /// Reads an unsigned integer.
    pub fn unsigned(&mut self) -> Result<u64, DecodeError> {
        Ok(self.expect(major::UNSIGNED)?.1)
    }

    /// Reads an unsigned integer that fits 32 bits.
    pub fn unsigned_32(&mut self) -> Result<u32, DecodeError> {
        let (start, value) = self.expect(major::UNSIGNED)?;
        u32::try_from(value).or_else(|_| self.fault(start, Fault::Range))
    }

    /// Reads an integer of either sign that fits 64 bits with its sign.
    pub fn integer(&mut self) -> Result<i64, DecodeError> {
        let start = self.at;
        let (major, value) = self.head()?;
        match (major, i64::try_from(value)) {
            (major::UNSIGNED, Ok(value)) => Ok(value),
            (major::NEGATIVE, Ok(value)) => Ok(!value),
            (major::UNSIGNED | major::NEGATIVE, Err(_)) => self.fault(start, Fault::Range),
            _ => self.fault(start, Fault::Type),
        }
    }

    /// Reads a byte string.
    pub fn bytes(&mut self) -> Result<&'a [u8], DecodeError> {
        let (start, count) = self.expect(major::BYTES)?;
        self.take(start, count)
    }

    /// Reads a byte string of exactly `N` bytes.
    pub fn byte_array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let start = self.at;
        self.bytes()?.try_into().or_else(|_| self.fault(start, Fault::Range))
    }

    /// Reads a text string.
    pub fn text(&mut self) -> Result<&'a str, DecodeError> {
        let (start, count) = self.expect(major::TEXT)?;
        let bytes = self.take(start, count)?;
        core::str::from_utf8(bytes).or_else(|_| self.fault(start, Fault::Utf8))
    }

    /// Reads `false` or `true`.
    pub fn bool(&mut self) -> Result<bool, DecodeError> {
        match self.expect(major::SIMPLE)? {
            (_, simple::FALSE) => Ok(false),
            (_, simple::TRUE) => Ok(true),
            (start, _) => self.fault(start, Fault::Type),
        }
    }

    /// Takes a `null` if that is the next item, and says whether it was.
    pub fn null(&mut self) -> bool {
        let is_null = self.input.get(self.at) == Some(&(major::SIMPLE << 5 | simple::NULL as u8));
        self.at += usize::from(is_null);
        is_null
    }

    /// Reads the head of an array and returns how many items follow.
    pub fn array(&mut self) -> Result<usize, DecodeError> {
        let (start, items) = self.expect(major::ARRAY)?;
        self.bounded(start, items, 1)
    }

    /// Reads the head of an array that has exactly `items` items.
    pub fn array_of(&mut self, items: usize) -> Result<(), DecodeError> {
        let start = self.at;
        if self.array()? == items { Ok(()) } else { self.fault(start, Fault::Range) }
    }

    /// Reads the head of a map and returns how many pairs follow. The caller checks the key order.
    pub fn map(&mut self) -> Result<usize, DecodeError> {
        let (start, pairs) = self.expect(major::MAP)?;
        self.bounded(start, pairs, 2)
    }

    /// Every item takes a byte, so a count above what is left is a lie: nobody may allocate by it.
    fn bounded(&self, start: usize, count: u64, bytes_each: u64) -> Result<usize, DecodeError> {
        let left = (self.input.len() - self.at) as u64;
        match usize::try_from(count) {
            Ok(items) if count.saturating_mul(bytes_each) <= left => Ok(items),
            _ => self.fault(start, Fault::Truncated),
        }
    }

    /// Checks that nothing follows the last item.
    pub fn finish(self) -> Result<(), DecodeError> {
        if self.at == self.input.len() { Ok(()) } else { self.fault(self.at, Fault::Trailing) }
    }
}

/// Checks that `input` is exactly one canonical item of any shape.
///
/// Works without recursion: the open arrays and maps are kept in a list of bounded depth.
pub fn validate(input: &[u8]) -> Result<(), DecodeError> {
    let mut decoder = Decoder::new(input)?;
    let mut open: Vec<Container> = Vec::new();
    loop {
        let start = decoder.at;
        if let Some(top) = open.last_mut() {
            top.item_start = start;
        }
        let container = decoder.scalar_or_container()?;
        if let Some(container) = container.filter(|container| container.left > 0) {
            if open.len() == CBOR_DEPTH_MAX {
                return decoder.fault(start, Fault::Depth);
            }
            open.push(container);
            continue;
        }
        // An item has ended; if it was the last of its container, so has that one, and so on up.
        loop {
            let Some(top) = open.last_mut() else { return decoder.finish() };
            top.item_ended(&decoder)?;
            if top.left > 0 {
                break;
            }
            open.pop();
        }
    }
}

/// An array or map whose items are still being read.
struct Container {
    is_map: bool,
    /// Items still to come; a pair counts as two.
    left: usize,
    item_start: usize,
    key_previous: Option<(usize, usize)>,
}

impl Container {
    fn item_ended(&mut self, decoder: &Decoder<'_>) -> Result<(), DecodeError> {
        let is_key = self.is_map && self.left.is_multiple_of(2);
        self.left -= 1;
        if !is_key {
            return Ok(());
        }
        let key = (self.item_start, decoder.at);
        let bytes = |(start, end): (usize, usize)| &decoder.input[start..end];
        if self.key_previous.is_some_and(|previous| bytes(previous) >= bytes(key)) {
            return decoder.fault(self.item_start, Fault::KeyOrder);
        }
        self.key_previous = Some(key);
        Ok(())
    }
}

impl Decoder<'_> {
    /// Reads one scalar whole, or only the head of an array or map.
    fn scalar_or_container(&mut self) -> Result<Option<Container>, DecodeError> {
        let start = self.at;
        let (kind, value) = self.head()?;
        let container =
            |is_map, left| Container { is_map, left, item_start: 0, key_previous: None };
        match kind {
            major::UNSIGNED | major::NEGATIVE => Ok(None),
            major::BYTES => self.take(start, value).map(|_| None),
            major::TEXT => {
                self.at = start;
                self.text().map(|_| None)
            }
            major::ARRAY => Ok(Some(container(false, self.bounded(start, value, 1)?))),
            major::MAP => Ok(Some(container(true, 2 * self.bounded(start, value, 2)?))),
            major::SIMPLE if (simple::FALSE..=simple::NULL).contains(&value) => Ok(None),
            _ => self.fault(start, Fault::Forbidden),
        }
    }
}
