//! The few CBOR items that expressions need.

use sha2::{Digest, Sha256};

use crate::number::Natural;

/// Where encoded bytes go.
pub(crate) trait Sink {
    /// Takes the next bytes.
    fn put(&mut self, bytes: &[u8]);
}

impl Sink for Vec<u8> {
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

impl Sink for Sha256 {
    fn put(&mut self, bytes: &[u8]) {
        self.update(bytes);
    }
}

/// Writes CBOR items into a sink, through a buffer: hashing has a cost per call.
pub(crate) struct Writer<'a, S: Sink> {
    sink: &'a mut S,
    buffer: Vec<u8>,
    written: u64,
}

const BUFFER_BYTES: usize = 4096;

impl<'a, S: Sink> Writer<'a, S> {
    pub(crate) fn new(sink: &'a mut S) -> Self {
        Self { sink, buffer: Vec::with_capacity(BUFFER_BYTES), written: 0 }
    }

    /// Returns how many bytes have been written.
    pub(crate) fn written(&self) -> u64 {
        self.written
    }

    /// Hands the last bytes to the sink.
    pub(crate) fn finish(self) {
        self.sink.put(&self.buffer);
    }

    fn bytes_raw(&mut self, bytes: &[u8]) {
        self.written += bytes.len() as u64;
        if self.buffer.len() + bytes.len() > BUFFER_BYTES {
            self.sink.put(&self.buffer);
            self.buffer.clear();
        }
        if bytes.len() > BUFFER_BYTES {
            self.sink.put(bytes);
        } else {
            self.buffer.extend_from_slice(bytes);
        }
    }

    fn head(&mut self, major: u8, value: u64) {
        let major = major << 5;
        match value {
            0..=23 => self.bytes_raw(&[major | value as u8]),
            24..=0xFF => self.bytes_raw(&[major | 24, value as u8]),
            0x100..=0xFFFF => {
                let [a, b] = (value as u16).to_be_bytes();
                self.bytes_raw(&[major | 25, a, b]);
            }
            0x1_0000..=0xFFFF_FFFF => {
                let [a, b, c, d] = (value as u32).to_be_bytes();
                self.bytes_raw(&[major | 26, a, b, c, d]);
            }
            _ => {
                self.bytes_raw(&[major | 27]);
                self.bytes_raw(&value.to_be_bytes());
            }
        }
    }

    pub(crate) fn unsigned(&mut self, value: u64) {
        self.head(0, value);
    }

    pub(crate) fn byte_string(&mut self, bytes: &[u8]) {
        self.head(2, bytes.len() as u64);
        self.bytes_raw(bytes);
    }

    pub(crate) fn text(&mut self, text: &str) {
        self.head(3, text.len() as u64);
        self.bytes_raw(text.as_bytes());
    }

    pub(crate) fn array(&mut self, length: usize) {
        self.head(4, length as u64);
    }

    /// Starts an array that begins with a label, the number that tells the form of expression.
    pub(crate) fn labelled(&mut self, length: usize, label: u64) {
        self.array(length);
        self.unsigned(label);
    }

    pub(crate) fn map(&mut self, length: usize) {
        self.head(5, length as u64);
    }

    pub(crate) fn null(&mut self) {
        self.bytes_raw(&[0xF6]);
    }

    pub(crate) fn bool(&mut self, value: bool) {
        self.bytes_raw(&[if value { 0xF5 } else { 0xF4 }]);
    }

    pub(crate) fn natural(&mut self, value: &Natural) {
        match value.to_u64() {
            Some(small) => self.unsigned(small),
            None => {
                self.head(6, 2);
                self.byte_string(&value.to_bytes_be());
            }
        }
    }

    /// Writes `-magnitude`; the magnitude is not zero.
    pub(crate) fn negative(&mut self, magnitude: &Natural) {
        // CBOR stores -1 - n.
        let stored = magnitude.saturating_sub(&Natural::from(1));
        match stored.to_u64() {
            Some(small) => self.head(1, small),
            None => {
                self.head(6, 3);
                self.byte_string(&stored.to_bytes_be());
            }
        }
    }

    /// Writes `mantissa * 10^-digits`.
    pub(crate) fn decimal(&mut self, mantissa: &Natural, digits: u32) {
        self.head(6, 4);
        self.array(2);
        if digits == 0 {
            self.unsigned(0);
        } else {
            self.negative(&Natural::from(u64::from(digits)));
        }
        self.natural(mantissa);
    }

    /// Writes the shortest float that keeps the value.
    pub(crate) fn double(&mut self, value: f64) {
        if value.is_nan() {
            self.bytes_raw(&[0xF9, 0x7E, 0x00]);
        } else if let Some(half) = to_half(value) {
            let [a, b] = half.to_be_bytes();
            self.bytes_raw(&[0xF9, a, b]);
        } else if f64::from(value as f32).to_bits() == value.to_bits() {
            let [a, b, c, d] = (value as f32).to_be_bytes();
            self.bytes_raw(&[0xFA, a, b, c, d]);
        } else {
            self.bytes_raw(&[0xFB]);
            self.bytes_raw(&value.to_be_bytes());
        }
    }
}

/// Returns the half-precision float with this value, if there is one.
fn to_half(value: f64) -> Option<u16> {
    let bits = value.to_bits();
    let sign = if value.is_sign_negative() { 0x8000 } else { 0 };
    if value == 0.0 {
        return Some(sign);
    }
    if value.is_infinite() {
        return Some(sign | 0x7C00);
    }
    let exponent = i32::try_from((bits >> 52) & 0x7FF).ok()? - 1023;
    let fraction = bits & ((1 << 52) - 1);
    match exponent {
        -14..=15 => {
            // Ten bits of fraction remain; the others must be zero.
            if fraction & ((1 << 42) - 1) != 0 {
                return None;
            }
            let biased = u16::try_from(exponent + 15).ok()? << 10;
            Some(sign | biased | u16::try_from(fraction >> 42).ok()?)
        }
        -24..=-15 => {
            // Subnormal: the leading one becomes explicit and moves right.
            let whole = fraction | (1 << 52);
            let shift = u32::try_from(42 - 14 - exponent).ok()?;
            if whole & ((1 << shift) - 1) != 0 {
                return None;
            }
            Some(sign | u16::try_from(whole >> shift).ok()?)
        }
        _ => None,
    }
}
