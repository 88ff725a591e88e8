//! Writing canonical CBOR. Every head is the shortest; map order is the caller's duty, and checked.

use alloc::vec::Vec;

use super::{major, simple};

/// Appends canonical CBOR items to a buffer.
#[derive(Debug, Default)]
pub struct Encoder {
    out: Vec<u8>,
}

impl Encoder {
    /// Starts with an empty buffer.
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts a record: an array of `items` items, of which the first is `tag`.
    pub fn record(tag: &str, items: usize) -> Self {
        let mut encoder = Self::new();
        encoder.array(items);
        encoder.text(tag);
        encoder
    }

    fn head(&mut self, major: u8, value: u64) {
        let high = major << 5;
        match value {
            0..24 => self.out.push(high | value as u8),
            24..0x100 => self.out.extend([high | 24, value as u8]),
            0x100..0x1_0000 => {
                self.out.push(high | 25);
                self.out.extend((value as u16).to_be_bytes());
            }
            0x1_0000..0x1_0000_0000 => {
                self.out.push(high | 26);
                self.out.extend((value as u32).to_be_bytes());
            }
            _ => {
                self.out.push(high | 27);
                self.out.extend(value.to_be_bytes());
            }
        }
    }

    /// Writes an unsigned integer.
    pub fn unsigned(&mut self, value: u64) {
        self.head(major::UNSIGNED, value);
    }

    /// Writes an integer of either sign.
    pub fn integer(&mut self, value: i64) {
        match u64::try_from(value) {
            Ok(value) => self.head(major::UNSIGNED, value),
            Err(_) => self.head(major::NEGATIVE, !(value as u64)),
        }
    }

    /// Writes a byte string.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.head(major::BYTES, bytes.len() as u64);
        self.out.extend_from_slice(bytes);
    }

    /// Writes a text string.
    pub fn text(&mut self, text: &str) {
        self.head(major::TEXT, text.len() as u64);
        self.out.extend_from_slice(text.as_bytes());
    }

    /// Writes `false` or `true`.
    pub fn bool(&mut self, value: bool) {
        self.head(major::SIMPLE, if value { simple::TRUE } else { simple::FALSE });
    }

    /// Writes `null`.
    pub fn null(&mut self) {
        self.head(major::SIMPLE, simple::NULL);
    }

    /// Writes the head of an array; its `items` items follow.
    pub fn array(&mut self, items: usize) {
        self.head(major::ARRAY, items as u64);
    }

    /// Writes the head of a map; its `pairs` keys and values follow, keys in bytewise order.
    pub fn map(&mut self, pairs: usize) {
        self.head(major::MAP, pairs as u64);
    }

    /// Returns the bytes as a part of something that other parts complete.
    pub fn finish_part(self) -> Vec<u8> {
        self.out
    }

    /// Returns the bytes. Debug builds check that they are canonical.
    pub fn finish(self) -> Vec<u8> {
        debug_assert_eq!(super::validate(&self.out), Ok(()), "the encoder's caller broke a rule");
        self.out
    }
}
