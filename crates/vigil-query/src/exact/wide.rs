//! A fixed-point number that is wide enough for every sum of doubles.
//!
//! It has a place for each bit from 2^-1074, the smallest subnormal, up to 2^1101: 68 pieces of 32 bits
//! in words of 64, so that a billion values are taken in before carries have to move (Neal 2015, *Fast
//! exact summation using small and large superaccumulators*, the small one).
//!
//! Invariant: `pending` values have been added since carries last moved, and it never exceeds
//! [`PENDING_MAX`], so no word overflows.

/// How many pieces there are: 2046 + 53 bits of doubles, and room for the carries of 2^62 of them.
const PIECES: usize = 68;
const PIECE_BITS: usize = 32;
const PIECE_MASK: i64 = (1 << PIECE_BITS) - 1;

/// Each value adds less than 2^32 to a word; merging adds two words of that sort.
const PENDING_MAX: u32 = 1 << 29;

/// The length of [`Wide::to_bytes`].
pub const WIDE_BYTES: usize = (PIECES + 3) * 8;

/// A wide sum.
#[derive(Clone, Debug)]
pub struct Wide {
    pieces: [i64; PIECES],
    pending: u32,
    /// How many of each sort that is not finite were taken in: not numbers, +∞, -∞.
    special: [i64; 3],
}

impl Default for Wide {
    fn default() -> Self {
        Self { pieces: [0; PIECES], pending: 0, special: [0; 3] }
    }
}

fn special_place(value: f64) -> usize {
    match () {
        () if value.is_nan() => 0,
        () if value > 0.0 => 1,
        () => 2,
    }
}

impl Wide {
    /// Takes in a value.
    pub fn add(&mut self, value: f64) {
        if !value.is_finite() {
            self.special[special_place(value)] += 1;
            return;
        }
        let bits = value.to_bits();
        let exponent = (bits >> 52 & 0x7ff) as usize;
        let fraction = bits & ((1 << 52) - 1);
        let mantissa = if exponent == 0 { fraction } else { fraction | 1 << 52 };
        let shift = exponent.saturating_sub(1);
        let place = shift / PIECE_BITS;
        let spread = u128::from(mantissa) << (shift % PIECE_BITS);
        for step in 0..3 {
            let piece = (spread >> (step * PIECE_BITS)) as i64 & PIECE_MASK;
            let word = &mut self.pieces[place + step];
            *word += if value.is_sign_negative() { -piece } else { piece };
        }
        self.pending += 1;
        if self.pending >= PENDING_MAX {
            self.carry();
        }
    }

    /// Takes a value out again.
    pub fn remove(&mut self, value: f64) {
        if value.is_finite() { self.add(-value) } else { self.special[special_place(value)] -= 1 }
    }

    /// Takes in another sum.
    pub fn merge(&mut self, other: &Self) {
        let mut other = other.clone();
        other.carry();
        self.carry();
        for (word, more) in self.pieces.iter_mut().zip(other.pieces) {
            *word += more;
        }
        for (count, more) in self.special.iter_mut().zip(other.special) {
            *count += more;
        }
        self.pending = 1;
    }

    /// Moves carries, so that all words but the last lie in 0..2^32.
    fn carry(&mut self) {
        let mut carry = 0;
        for word in &mut self.pieces[..PIECES - 1] {
            let sum = *word + carry;
            *word = sum & PIECE_MASK;
            carry = sum >> PIECE_BITS;
        }
        self.pieces[PIECES - 1] += carry;
        self.pending = 0;
    }

    /// Returns the sum as two doubles: rounded, and what is left, rounded.
    pub fn pair(&self) -> (f64, f64) {
        let [nans, above, below] = self.special;
        if nans > 0 || above > 0 && below > 0 {
            return (f64::NAN, 0.0);
        }
        if above > 0 || below > 0 {
            return (if above > 0 { f64::INFINITY } else { f64::NEG_INFINITY }, 0.0);
        }
        let mut rest = self.clone();
        let high = rest.round();
        if !high.is_finite() {
            return (high, 0.0);
        }
        rest.add(-high);
        (high, rest.round())
    }

    /// Rounds half to even.
    fn round(&mut self) -> f64 {
        self.carry();
        let is_negative = self.pieces[PIECES - 1] < 0;
        let mut size = self.clone();
        if is_negative {
            size.pieces.iter_mut().for_each(|word| *word = -*word);
            size.carry();
        }
        let value = size.round_size();
        if is_negative { -value } else { value }
    }

    fn bit(&self, at: usize) -> bool {
        self.pieces[at / PIECE_BITS] >> (at % PIECE_BITS) & 1 == 1
    }

    /// Rounds a sum that is not negative and whose carries have moved.
    fn round_size(&self) -> f64 {
        let Some(top) = self.pieces.iter().rposition(|word| *word != 0) else { return 0.0 };
        let mut highest = top * PIECE_BITS + self.pieces[top].ilog2() as usize;
        if highest > 2046 + 53 {
            return f64::INFINITY;
        }
        let lowest = highest.saturating_sub(52);
        let mut mantissa =
            (lowest..=highest).rev().fold(0_u64, |bits, at| bits << 1 | u64::from(self.bit(at)));
        if highest < 52 {
            return f64::from_bits(mantissa);
        }
        let is_half = lowest > 0 && self.bit(lowest - 1);
        let is_more = lowest > 1 && (0..lowest - 1).any(|at| self.bit(at));
        if is_half && (is_more || mantissa & 1 == 1) {
            mantissa += 1;
            if mantissa == 1 << 53 {
                mantissa >>= 1;
                highest += 1;
            }
        }
        let exponent = (highest - 52 + 1) as u64;
        match exponent {
            0..0x7ff => f64::from_bits(exponent << 52 | mantissa & ((1 << 52) - 1)),
            _ => f64::INFINITY,
        }
    }

    /// Returns it as bytes.
    pub fn to_bytes(&self) -> [u8; WIDE_BYTES] {
        let mut settled = self.clone();
        settled.carry();
        let mut bytes = [0; WIDE_BYTES];
        let words = settled.pieces.iter().chain(&settled.special);
        for (place, word) in bytes.chunks_exact_mut(8).zip(words) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    /// Reads bytes; `None` if there are too few or too many.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        if bytes.len() != WIDE_BYTES {
            return None;
        }
        let mut words = bytes
            .chunks_exact(8)
            .map(|eight| i64::from_le_bytes(std::array::from_fn(|index| eight[index])));
        let mut wide = Self::default();
        for (word, from) in wide.pieces.iter_mut().chain(&mut wide.special).zip(&mut words) {
            *word = from;
        }
        Some(wide)
    }
}
