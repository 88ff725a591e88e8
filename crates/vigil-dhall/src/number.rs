//! Numbers of any size, and how a `Double` is written.
//!
//! Invariant: a [`Natural`] above `u64::MAX`, and no other, is stored as a big number; zero has
//! no sign. Equality and order of the fields are therefore those of the numbers.

use std::fmt;
use std::sync::Arc;

use dashu_int::UBig;
use dashu_int::ops::BitTest as _;

/// The most bytes of a number that a finite `f64` is near to: one of 1,025 bits is not.
const F64_BYTES_MAX: u64 = 1_024 / 8;

/// A whole number that is not negative, of any size.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Natural(Repr);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Repr {
    Small(u64),
    Big(Arc<UBig>),
}

impl Natural {
    /// Zero.
    pub const ZERO: Self = Self(Repr::Small(0));

    /// Returns the number written in `digits` of the given radix, or nothing if one is no digit.
    #[must_use]
    pub fn parse(digits: &str, radix: u32) -> Option<Self> {
        if let Ok(small) = u64::from_str_radix(digits, radix) {
            return Some(Self(Repr::Small(small)));
        }
        UBig::from_str_radix(digits, radix).ok().map(Self::from_big)
    }

    /// Returns the number whose big-endian bytes these are.
    #[must_use]
    pub fn from_bytes_be(bytes: &[u8]) -> Self {
        Self::from_big(UBig::from_be_bytes(bytes))
    }

    fn from_big(big: UBig) -> Self {
        match u64::try_from(&big) {
            Ok(small) => Self(Repr::Small(small)),
            Err(_) => Self(Repr::Big(Arc::new(big))),
        }
    }

    fn to_big(&self) -> UBig {
        match &self.0 {
            Repr::Small(small) => UBig::from(*small),
            Repr::Big(big) => UBig::clone(big),
        }
    }

    /// Returns the number if it fits into 64 bits.
    #[must_use]
    pub fn to_u64(&self) -> Option<u64> {
        match &self.0 {
            Repr::Small(small) => Some(*small),
            Repr::Big(_) => None,
        }
    }

    /// Returns the big-endian bytes, without leading zeros.
    #[must_use]
    pub fn to_bytes_be(&self) -> Vec<u8> {
        self.to_big().to_be_bytes().to_vec()
    }

    /// Returns whether the number is zero.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        self.0 == Repr::Small(0)
    }

    /// Returns whether the number is even.
    #[must_use]
    pub fn is_even(&self) -> bool {
        match &self.0 {
            Repr::Small(small) => small % 2 == 0,
            Repr::Big(big) => !big.bit(0),
        }
    }

    /// Returns how many bytes the number occupies.
    #[must_use]
    pub fn len_bytes(&self) -> u64 {
        match &self.0 {
            Repr::Small(_) => 8,
            Repr::Big(big) => (big.bit_len() as u64).div_ceil(8),
        }
    }

    /// Returns the sum.
    #[must_use]
    pub fn add(&self, other: &Self) -> Self {
        if let (Repr::Small(a), Repr::Small(b)) = (&self.0, &other.0)
            && let Some(sum) = a.checked_add(*b)
        {
            return Self(Repr::Small(sum));
        }
        Self::from_big(self.to_big() + other.to_big())
    }

    /// Returns the product.
    #[must_use]
    pub fn multiply(&self, other: &Self) -> Self {
        if let (Repr::Small(a), Repr::Small(b)) = (&self.0, &other.0)
            && let Some(product) = a.checked_mul(*b)
        {
            return Self(Repr::Small(product));
        }
        Self::from_big(self.to_big() * other.to_big())
    }

    /// Returns `self - other`, or zero if `other` is greater.
    #[must_use]
    pub fn saturating_sub(&self, other: &Self) -> Self {
        if self <= other {
            return Self::ZERO;
        }
        if let (Repr::Small(a), Repr::Small(b)) = (&self.0, &other.0) {
            return Self(Repr::Small(a - b));
        }
        Self::from_big(self.to_big() - other.to_big())
    }

    /// Returns the nearest `f64`, ties to even, and infinity where none is near.
    #[must_use]
    pub fn to_f64(&self) -> f64 {
        if self.len_bytes() > F64_BYTES_MAX {
            return f64::INFINITY;
        }
        // The decimal digits go through the standard library's parser, which rounds exactly.
        self.to_string().parse().unwrap_or(f64::INFINITY)
    }
}

impl From<u64> for Natural {
    fn from(small: u64) -> Self {
        Self(Repr::Small(small))
    }
}

impl fmt::Display for Natural {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Repr::Small(small) => small.fmt(f),
            Repr::Big(big) => big.fmt(f),
        }
    }
}

/// A whole number with a sign, of any size.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Integer {
    negative: bool,
    magnitude: Natural,
}

impl Integer {
    /// Returns the number with this sign and magnitude; zero loses its sign.
    #[must_use]
    pub fn new(negative: bool, magnitude: Natural) -> Self {
        Self { negative: negative && !magnitude.is_zero(), magnitude }
    }

    /// Returns whether the number is below zero.
    #[must_use]
    pub fn is_negative(&self) -> bool {
        self.negative
    }

    /// Returns the number without its sign.
    #[must_use]
    pub fn magnitude(&self) -> &Natural {
        &self.magnitude
    }

    /// Returns the number with the opposite sign.
    #[must_use]
    pub fn negate(&self) -> Self {
        Self::new(!self.negative, self.magnitude.clone())
    }

    /// Returns the nearest `f64`.
    #[must_use]
    pub fn to_f64(&self) -> f64 {
        let magnitude = self.magnitude.to_f64();
        if self.negative { -magnitude } else { magnitude }
    }
}

impl fmt::Display for Integer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.negative { "-" } else { "+" })?;
        self.magnitude.fmt(f)
    }
}

/// Returns the shortest text that reads back as this `Double`, as `Double/show` does.
///
/// The standard leaves the layout open (`standard/beta-normalization.md`, "Double"); this one is
/// the layout of the reference implementation: decimals from 0.1 up to ten million, otherwise one
/// digit before the point and an exponent.
#[must_use]
pub fn show_double(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    let size = value.abs();
    if size == 0.0 || (0.1..1e7).contains(&size) {
        return format!("{value:?}");
    }
    let scientific = format!("{value:e}");
    match scientific.split_once('e') {
        Some((digits, _)) if digits.contains('.') => scientific,
        Some((digits, exponent)) => format!("{digits}.0e{exponent}"),
        None => scientific,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_grow_past_a_word_and_come_back() {
        let top = Natural::from(u64::MAX);
        let past = top.add(&Natural::from(1));
        assert_eq!(past.to_string(), "18446744073709551616");
        assert_eq!(past.saturating_sub(&Natural::from(1)), top);
        assert_eq!(top.saturating_sub(&past), Natural::ZERO);
        assert_eq!(past, Natural::from_bytes_be(&[1, 0, 0, 0, 0, 0, 0, 0, 0]));
        assert!(past > top && past.is_even() && !top.is_even());
    }

    #[test]
    fn doubles_look_as_in_the_reference_implementation() {
        for (value, text) in [
            (1.2, "1.2"),
            (0.01, "1.0e-2"),
            (1e7, "1.0e7"),
            (1_234_567.0, "1234567.0"),
            (-0.0, "-0.0"),
            (1.5e300, "1.5e300"),
            (f64::NAN, "NaN"),
        ] {
            assert_eq!(show_double(value), text);
        }
    }
}
