//! Arithmetic of numbers that are two doubles long: the sum of both, the second less than half a unit
//! in the last place of the first (Dekker 1971). About 106 bits, enough that the difference of two
//! large sums of squares keeps what a double has of it.

use super::total::two_sum;

/// A number of two doubles.
#[derive(Clone, Copy, Debug)]
pub struct Pair(pub f64, pub f64);

/// Multiplies two doubles; the product and what rounding took from it, which is exact unless it is below
/// the smallest double (products below about 1e-292). It is `libm`'s, since the standard library asks the C
/// library where the processor has no such instruction.
#[inline]
pub fn two_product(a: f64, b: f64) -> (f64, f64) {
    let product = a * b;
    (product, libm::fma(a, b, -product))
}

impl Pair {
    fn new(high: f64, low: f64) -> Self {
        let (high, low) = two_sum(high, low);
        Self(high, low)
    }

    /// Multiplies.
    pub fn times(self, other: Self) -> Self {
        let (high, low) = two_product(self.0, other.0);
        Self::new(high, low + (self.0 * other.1 + self.1 * other.0))
    }

    /// Subtracts.
    pub fn minus(self, other: Self) -> Self {
        let (high, low) = two_sum(self.0, -other.0);
        let (low_high, low_low) = two_sum(self.1, -other.1);
        let sum = Self::new(high, low + low_high);
        Self::new(sum.0, sum.1 + low_low)
    }

    /// Returns the nearest double.
    pub fn value(self) -> f64 {
        self.0 + self.1
    }
}
