//! A sum of doubles that is exact until it is read.
//!
//! Most sums fit two doubles without error: each addend goes through two error-free additions (Knuth,
//! *The Art of Computer Programming* 2, §4.2.2, theorem B), and as long as nothing is left over the
//! pair is the exact sum. The first time something is left over, or a value is not finite, the sum
//! moves into a [`Wide`] one, which holds every double there is.
//!
//! Invariant: the value follows from the multiset of addends alone, whatever their order and however
//! they were grouped; read, it is that sum rounded once, half to even.

use super::wide::{WIDE_BYTES, Wide};

/// An exact sum.
#[derive(Clone, Debug, Default)]
pub struct Total {
    high: f64,
    low: f64,
    wide: Option<Box<Wide>>,
}

/// Adds two doubles; the sum and what rounding took from it.
#[inline]
pub fn two_sum(a: f64, b: f64) -> (f64, f64) {
    let sum = a + b;
    let part = sum - a;
    (sum, (a - (sum - part)) + (b - part))
}

impl Total {
    /// Takes in a value.
    #[inline]
    pub fn add(&mut self, value: f64) {
        if self.wide.is_none() {
            let (high, error) = two_sum(self.high, value);
            let (low, rest) = two_sum(self.low, error);
            // What overflowed or is no number leaves a rest that is no number.
            if rest == 0.0 {
                self.high = high;
                self.low = low;
                return;
            }
        }
        self.widen().add(value);
    }

    /// Takes a value out again.
    pub fn remove(&mut self, value: f64) {
        if value.is_finite() { self.add(-value) } else { self.widen().remove(value) }
    }

    /// Takes in another sum.
    pub fn merge(&mut self, other: &Self) {
        match &other.wide {
            None => {
                self.add(other.high);
                self.add(other.low);
            }
            Some(wide) => self.widen().merge(wide),
        }
    }

    fn widen(&mut self) -> &mut Wide {
        let (high, low) = (self.high, self.low);
        self.wide.get_or_insert_with(|| {
            let mut wide = Wide::default();
            wide.add(high);
            wide.add(low);
            Box::new(wide)
        })
    }

    /// Returns the sum, rounded once.
    pub fn value(&self) -> f64 {
        self.pair().0
    }

    /// Returns the sum as two doubles: rounded, and what is left, rounded.
    pub fn pair(&self) -> (f64, f64) {
        if let Some(wide) = &self.wide {
            return wide.pair();
        }
        let (high, low) = two_sum(self.high, self.low);
        if !high.is_finite() {
            let mut copy = self.clone();
            return copy.widen().pair();
        }
        // A sum of nothing but negative zeros is zero.
        (high + 0.0, low + 0.0)
    }

    /// Returns the parts that another process of the same query takes up.
    pub fn parts(&self) -> (f64, f64, Option<[u8; WIDE_BYTES]>) {
        match &self.wide {
            None => (self.high, self.low, None),
            Some(wide) => (0.0, 0.0, Some(wide.to_bytes())),
        }
    }

    /// Makes a sum of its parts; `None` if they are none.
    pub fn from_parts(high: f64, low: f64, wide: Option<&[u8]>) -> Option<Self> {
        let wide = match wide {
            None => None,
            Some(bytes) => Some(Box::new(Wide::from_bytes(bytes)?)),
        };
        Some(Self { high, low, wide })
    }

    /// Returns how many bytes it holds beside its own.
    pub fn heap_bytes(&self) -> usize {
        self.wide.as_ref().map_or(0, |_| size_of::<Wide>())
    }
}
