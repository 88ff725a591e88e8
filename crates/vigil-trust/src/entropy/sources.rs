//! Where unpredictable bytes come from, each judged on its own.

use alloc::string::{String, ToString as _};
use alloc::vec;
use alloc::vec::Vec;
use core::hint::black_box;

use vigil_base::world::Randomness;
use vigil_base::{Blame, Blamed};
use zeroize::Zeroizing;

use super::cpu;
use super::health::{Claim, HealthError, check, holds_one_bit_each};

/// What one source gave: the bytes, and how many bits they are credited with.
pub struct Drawn {
    pub(super) bytes: Zeroizing<Vec<u8>>,
    pub(super) credit_bits: u32,
    pub(super) health: Result<(), SourceError>,
}

/// Why a source is credited nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// This machine has no such source.
    #[error("this machine has none")]
    Absent,
    /// It failed.
    #[error("{reason}")]
    Failed {
        /// What it said.
        reason: String,
    },
    /// It was found to be sick.
    #[error(transparent)]
    Sick(#[from] HealthError),
}

/// Something that gives unpredictable bytes.
pub trait Source {
    /// Returns what people call it.
    fn name(&self) -> &'static str;
    /// Takes bytes from it and judges them.
    fn draw(&mut self) -> Drawn;
}

/// Bytes to take of a source whose every byte ought to be unpredictable. Enough for the tests to judge.
const FULL_BYTES: usize = 512;

/// Judges bytes of which each ought to hold eight bits; they are credited with four.
fn judge_full(bytes: Zeroizing<Vec<u8>>) -> Drawn {
    let health = if bytes.len() < FULL_BYTES {
        Err(HealthError::Short { count: bytes.len() })
    } else {
        check(&bytes, Claim::Four)
    };
    let health = health.map_err(SourceError::Sick);
    let credit_bits = if health.is_ok() { 4 * bytes.len() as u32 } else { 0 };
    Drawn { bytes, credit_bits, health }
}

/// The system's generator.
pub struct System<'a>(pub &'a dyn Randomness);

impl Source for System<'_> {
    fn name(&self) -> &'static str {
        "system"
    }

    fn draw(&mut self) -> Drawn {
        let mut bytes = Zeroizing::new(vec![0; FULL_BYTES]);
        match self.0.fill(&mut bytes) {
            Ok(()) => judge_full(bytes),
            Err(error) => Drawn {
                bytes,
                credit_bits: 0,
                health: Err(SourceError::Failed { reason: error.to_string() }),
            },
        }
    }
}

/// The processor's RDSEED.
#[derive(Clone, Copy, Debug, Default)]
pub struct CpuSource;

impl Source for CpuSource {
    fn name(&self) -> &'static str {
        "processor"
    }

    fn draw(&mut self) -> Drawn {
        let mut bytes = Zeroizing::new(vec![0; FULL_BYTES]);
        let filled = cpu::seed(&mut bytes);
        bytes.truncate(filled);
        if filled == 0 {
            return Drawn { bytes, credit_bits: 0, health: Err(SourceError::Absent) };
        }
        judge_full(bytes)
    }
}

/// Samples of jitter: at a quarter of a bit each, 2048 are 512 bits before the cap.
const JITTER_SAMPLES: usize = 2048;

/// Bytes that the work between two looks at the counter walks over: more than a first-level cache.
const JITTER_BYTES: usize = 64 << 10;

/// How unevenly the processor takes its time, by a counter that the program hands in.
///
/// Each sample is the low byte of how much longer one round of work took than the one before. It is
/// credited with a quarter of a bit if the samples hold a bit by their most common value.
pub struct Jitter<'a>(pub &'a mut dyn FnMut() -> u64);

impl Source for Jitter<'_> {
    fn name(&self) -> &'static str {
        "jitter"
    }

    fn draw(&mut self) -> Drawn {
        let mut memory = vec![0_u8; JITTER_BYTES];
        let mut samples = Zeroizing::new(Vec::with_capacity(JITTER_SAMPLES));
        let (mut before, mut span_before, mut place) = ((self.0)(), 0_u64, 1_usize);
        for _ in 0..JITTER_SAMPLES {
            for _ in 0..64 {
                // A walk that depends on what it finds, so that nothing of it can be left out.
                place = (place.wrapping_mul(4093) + usize::from(memory[place]) + 1) % JITTER_BYTES;
                memory[place] = memory[place].wrapping_add(1);
            }
            black_box(&memory);
            let now = (self.0)();
            let span = now.wrapping_sub(before);
            samples.push(span.wrapping_sub(span_before) as u8);
            (before, span_before) = (now, span);
        }
        let health = check(&samples, Claim::One).map_err(SourceError::Sick);
        let is_credited = health.is_ok() && holds_one_bit_each(&samples);
        let credit_bits = if is_credited { JITTER_SAMPLES as u32 / 4 } else { 0 };
        Drawn { bytes: samples, credit_bits, health }
    }
}

/// Rolls of a die that a person typed: digits from 1 to 6, anything between them blank.
pub struct Dice {
    rolls: Zeroizing<Vec<u8>>,
}

/// Why a text is not rolls of a die.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("character {at} is not a roll of a die: digits from 1 to 6, with blanks between them")]
pub struct DiceError {
    /// Which, from 1.
    pub at: usize,
}

impl Blamed for DiceError {
    fn blame(&self) -> Blame {
        Blame::Caller
    }
}

impl Dice {
    /// Reads rolls.
    ///
    /// # Errors
    /// Fails for what is no roll.
    pub fn parse(text: &str) -> Result<Self, DiceError> {
        let mut rolls = Zeroizing::new(Vec::with_capacity(text.len()));
        for (at, letter) in text.chars().enumerate() {
            match letter {
                '1'..='6' => rolls.push(letter as u8),
                _ if letter.is_whitespace() || letter == ',' => {}
                _ => return Err(DiceError { at: at + 1 }),
            }
        }
        Ok(Self { rolls })
    }
}

impl Source for Dice {
    fn name(&self) -> &'static str {
        "dice"
    }

    /// A fair die has 2.58 bits; people's dice are credited with two.
    fn draw(&mut self) -> Drawn {
        let bytes = self.rolls.clone();
        let health = if bytes.is_empty() {
            Err(HealthError::Short { count: 0 })
        } else {
            check(&bytes, Claim::Two)
        };
        let credit_bits = if health.is_ok() { 2 * bytes.len() as u32 } else { 0 };
        Drawn { bytes, credit_bits, health: health.map_err(SourceError::Sick) }
    }
}
