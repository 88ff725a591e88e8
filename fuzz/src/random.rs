//! Numbers that look random and follow from a seed.
//!
//! Invariant: the sequence for a seed never changes; old seeds stay worth something.

use std::hash::{BuildHasher, RandomState};

/// A SplitMix64 generator: small, quick, and good enough to pick mutations.
pub struct Random(u64);

impl Random {
    /// Starts the sequence of one input of a run.
    pub fn new(seed: u64, number: u64) -> Random {
        Random(seed ^ number.wrapping_mul(0xD6E8_FEB8_6659_FD93))
    }

    /// Returns the next number.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// Returns a number below `end`, or 0 when `end` is 0.
    pub fn below(&mut self, end: usize) -> usize {
        // The bias of the remainder is far below what picking mutations could notice.
        (self.next() % (end.max(1) as u64)) as usize
    }

    /// Returns one of some values.
    pub fn pick<'a, T>(&mut self, values: &'a [T]) -> Option<&'a T> {
        values.get(self.below(values.len()))
    }
}

/// Returns a seed that nobody chose.
pub fn fresh() -> u64 {
    RandomState::new().hash_one("seed")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sequence_is_fixed() {
        // The first outputs of SplitMix64 from 0, as its authors' reference program prints them.
        let mut random = Random::new(0, 0);
        assert_eq!(random.next(), 0xE220_A839_7B1D_CDAF);
        assert_eq!(random.next(), 0x6E78_9E6A_A1B9_65F4);
        assert_eq!(random.below(0), 0);
        assert!(random.pick::<u8>(&[]).is_none());
    }
}
