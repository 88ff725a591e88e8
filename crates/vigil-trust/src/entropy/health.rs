//! The health tests of NIST SP 800-90B §4.4, over samples as they came.
//!
//! Both are run with a false alarm rate of 2⁻³⁰, for the bits of entropy per sample that a source
//! claims.

/// Samples in one window of the adaptive proportion test (§4.4.2, for samples of more than a bit).
const WINDOW: usize = 512;

/// What a source claims at least for each sample, in bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Claim {
    /// One bit: timing jitter.
    One,
    /// Two bits: a die.
    Two,
    /// Four bits: a byte that ought to hold eight.
    Four,
}

impl Claim {
    /// Returns how often one value may come in a row: 1 + ⌈30 / H⌉ (§4.4.1).
    fn repetitions_max(self) -> usize {
        match self {
            Self::One => 31,
            Self::Two => 16,
            Self::Four => 9,
        }
    }

    /// Returns how often a window's first value may come in it: 1 + the critical value of the binomial
    /// distribution of 512 trials at 2⁻ᴴ, for 1 − 2⁻³⁰ (§4.4.2). A test computes these anew.
    fn proportion_max(self) -> usize {
        match self {
            Self::One => 325,
            Self::Two => 190,
            Self::Four => 71,
        }
    }
}

/// How a source was found to be sick.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HealthError {
    /// One value came too often in a row: the source is stuck.
    #[error("it is stuck: one value came {count} times in a row")]
    Stuck {
        /// How often.
        count: usize,
    },
    /// One value came too often.
    #[error("it is biased: one value came {count} times in a window")]
    Biased {
        /// How often.
        count: usize,
    },
    /// There are too few samples to judge.
    #[error("it gave only {count} samples")]
    Short {
        /// How many.
        count: usize,
    },
}

/// Tests samples.
pub(crate) fn check(samples: &[u8], claim: Claim) -> Result<(), HealthError> {
    let mut run = 0;
    let mut last = None;
    for sample in samples {
        run = if last == Some(sample) { run + 1 } else { 1 };
        last = Some(sample);
        if run >= claim.repetitions_max() {
            return Err(HealthError::Stuck { count: run });
        }
    }
    for window in samples.chunks(WINDOW) {
        let Some(first) = window.first() else { continue };
        let count = window.iter().filter(|sample| *sample == first).count();
        if count >= claim.proportion_max() {
            return Err(HealthError::Biased { count });
        }
    }
    Ok(())
}

/// Says whether samples hold at least one bit each by the most common value (§6.3.1), at three standard
/// deviations: n ≥ 2 (c + 3√c + 1), in whole numbers.
pub(crate) fn holds_one_bit_each(samples: &[u8]) -> bool {
    let mut counts = [0_usize; 256];
    samples.iter().for_each(|sample| counts[usize::from(*sample)] += 1);
    let most = counts.into_iter().max().unwrap_or(0);
    samples.len() >= 2 * (most + 3 * (most.isqrt() + 1) + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Repeating;
    use alloc::vec;
    use alloc::vec::Vec;
    use vigil_base::world::Randomness as _;

    #[test]
    fn the_bounds_are_those_of_the_standard() {
        for (claim, bits) in [(Claim::One, 1_i32), (Claim::Two, 2), (Claim::Four, 4)] {
            let alpha = 0.5_f64.powi(30);
            assert_eq!(claim.repetitions_max() as i32, 1 + (30 + bits - 1) / bits);
            // The binomial distribution, term by term.
            let p = 0.5_f64.powi(bits);
            let mut term = (1.0 - p).powi(WINDOW as i32);
            let (mut sum, mut k) = (term, 0_u32);
            while sum < 1.0 - alpha {
                term *= f64::from(WINDOW as u32 - k) / f64::from(k + 1) * p / (1.0 - p);
                k += 1;
                sum += term;
            }
            assert_eq!(claim.proportion_max(), 1 + k as usize);
        }
    }

    #[test]
    fn healthy_samples_pass_and_sick_ones_are_named() {
        let mut bytes = vec![0; 4096];
        Repeating::new(1).fill(&mut bytes).expect("it never fails");
        assert_eq!(check(&bytes, Claim::Four), Ok(()));
        assert!(holds_one_bit_each(&bytes));
        let mut stuck = bytes.clone();
        stuck[100..109].fill(7);
        assert_eq!(check(&stuck, Claim::Four), Err(HealthError::Stuck { count: 9 }));
        stuck[104] = 8;
        assert_eq!(check(&stuck, Claim::Four), Ok(()));
        let biased: Vec<u8> = bytes
            .iter()
            .enumerate()
            .map(|(at, byte)| if at % 2 == 0 { 1 } else { *byte })
            .collect();
        assert!(matches!(check(&biased, Claim::Four), Err(HealthError::Biased { .. })));
        assert!(!holds_one_bit_each(&biased) && !holds_one_bit_each(&[3; 2048]));
    }
}
