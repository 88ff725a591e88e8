//! Where the parts of an encoded expression stand, without decoding what is inside of them.

use std::ops::Range;

use super::decode::{Decode, Head, Reader};
use crate::label::Label;

/// The label of records in the encoding.
const RECORD: u64 = 8;

/// Whether bytes are one item of CBOR and nothing else.
pub(crate) fn is_one_item(bytes: &[u8]) -> bool {
    let mut reader = Reader::outside(bytes);
    reader.skip().is_ok() && reader.at == bytes.len()
}

/// Returns where the fields of an encoded record stand, if that is what the bytes are.
pub(crate) fn record_parts(bytes: &[u8]) -> Option<Vec<(Label, Range<usize>)>> {
    let mut reader = Reader::outside(bytes);
    if reader.array().ok()? != 2 || reader.unsigned().ok()? != RECORD {
        return None;
    }
    let count = reader.map().ok()?;
    let mut parts = Vec::with_capacity(count.min(bytes.len()));
    for _ in 0..count {
        let label = Label::new(reader.text().ok()?);
        let start = reader.at;
        reader.skip().ok()?;
        parts.push((label, start..reader.at));
    }
    (reader.at == bytes.len()).then_some(parts)
}

impl Reader<'_> {
    /// Passes over one item, whatever it is.
    fn skip(&mut self) -> Decode<()> {
        let mut left = 1_usize;
        while left > 0 {
            left -= 1;
            let inside = match self.head()? {
                Head::Bytes(length) | Head::Text(length) => {
                    self.take(length)?;
                    0
                }
                Head::Array(length) => length,
                Head::Map(length) => length.saturating_mul(2),
                Head::Tag(_) => 1,
                _ => 0,
            };
            // More items than bytes end at the last byte.
            left = left.saturating_add(inside);
        }
        Ok(())
    }
}
