//! Mixing sources, and counting what they are worth.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::fmt::Write as _;

use chacha20poly1305::aead::AeadInOut as _;
use chacha20poly1305::{ChaCha20Poly1305, KeyInit as _};
use hkdf::Hkdf;
use sha2::Sha256;
use vigil_base::world::{Randomness, RandomnessError};
use vigil_base::{Blame, Blamed};
use zeroize::Zeroizing;

use super::sources::Source;

/// Bits that must be credited in all: those of the key that is made of them.
pub const CREDIT_BITS_MIN: u32 = 256;

/// Most bits that one source is credited with. Less than [`CREDIT_BITS_MIN`], so that two are needed.
pub const CREDIT_BITS_SOURCE_MAX: u32 = 192;

/// What one source was credited with, and why not more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credit {
    /// What people call the source.
    pub source: &'static str,
    /// How many bytes it gave.
    pub bytes: usize,
    /// How many bits these count for.
    pub bits: u32,
    /// What was wrong with it, if anything was.
    pub flaw: Option<String>,
}

/// What each source was credited with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    /// The sources, in the order in which they were asked.
    pub credits: Vec<Credit>,
}

impl Ledger {
    /// Returns the bits of all sources together.
    pub fn bits(&self) -> u32 {
        self.credits.iter().map(|credit| credit.bits).sum()
    }

    /// Returns how many sources were credited with anything.
    pub fn sources(&self) -> usize {
        self.credits.iter().filter(|credit| credit.bits > 0).count()
    }
}

impl fmt::Display for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, credit) in self.credits.iter().enumerate() {
            let comma = if at > 0 { ", " } else { "" };
            write!(f, "{comma}{} {} bits", credit.source, credit.bits)?;
            if let Some(flaw) = &credit.flaw {
                write!(f, " ({flaw})")?;
            }
        }
        Ok(())
    }
}

/// Why there is no randomness of high confidence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "there is not enough randomness to be sure of: {} of {CREDIT_BITS_MIN} bits from {} of at least 2 sources ({ledger})",
    ledger.bits(),
    ledger.sources()
)]
pub struct ConfidenceError {
    /// What each source was credited with.
    pub ledger: Ledger,
}

impl Blamed for ConfidenceError {
    fn blame(&self) -> Blame {
        Blame::World
    }
}

impl ConfidenceError {
    /// Returns what to do about it.
    pub fn hint(&self) -> &'static str {
        "roll a die a hundred times and hand the rolls in with `--dice FILE`"
    }
}

/// 256 bits of high confidence. Only [`high`] makes them, so that what must have them takes nothing less.
pub struct Certain(Zeroizing<[u8; 32]>);

impl Certain {
    /// Returns the bytes.
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for Certain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("256 bits of high confidence")
    }
}

/// Mixes all sources into 32 bytes, and tells what each was credited with.
///
/// # Errors
/// Refuses where fewer than two sources, or fewer than [`CREDIT_BITS_MIN`] bits, can be credited.
pub fn high(sources: &mut [&mut dyn Source]) -> Result<(Certain, Ledger), ConfidenceError> {
    let mut ledger = Ledger::default();
    let mut pool = Zeroizing::new(Vec::new());
    for source in sources {
        let drawn = source.draw();
        // Each source's name and length go before its bytes, so that no two pools look alike.
        pool.extend_from_slice(source.name().as_bytes());
        pool.push(0);
        pool.extend((drawn.bytes.len() as u64).to_le_bytes());
        pool.extend_from_slice(&drawn.bytes);
        let flaw = drawn.health.err().map(|flaw| {
            let mut text = String::new();
            write!(text, "{flaw}").expect("text takes everything");
            text
        });
        ledger.credits.push(Credit {
            source: source.name(),
            bytes: drawn.bytes.len(),
            bits: drawn.credit_bits.min(CREDIT_BITS_SOURCE_MAX),
            flaw,
        });
    }
    if ledger.bits() < CREDIT_BITS_MIN || ledger.sources() < 2 {
        return Err(ConfidenceError { ledger });
    }
    let mut mixed = Zeroizing::new([0; 32]);
    Hkdf::<Sha256>::new(Some(b"vigil/1 entropy"), &pool)
        .expand(b"high", &mut *mixed)
        .expect("32 bytes are within what HKDF gives");
    Ok((Certain(mixed), ledger))
}

/// A quick generator that is seeded once: ChaCha20, whose key is replaced with each call, so that what
/// it gave cannot be told from what it holds.
pub struct Sloppy {
    key: Zeroizing<[u8; 32]>,
}

impl Sloppy {
    /// Seeds it.
    ///
    /// # Errors
    /// Fails where there is no randomness to begin with.
    pub fn seeded(randomness: &dyn Randomness) -> Result<Self, RandomnessError> {
        let mut key = Zeroizing::new([0; 32]);
        randomness.fill(&mut *key)?;
        Ok(Self { key })
    }

    /// Fills `bytes`.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        // One key makes one stream, so the nonce may stay; 32 bytes of it are the next key.
        for chunk in bytes.chunks_mut(1 << 16) {
            let cipher = ChaCha20Poly1305::new((&*self.key).into());
            let mut stream = Zeroizing::new(alloc::vec![0; 32 + chunk.len()]);
            let encrypted =
                cipher.encrypt_inout_detached(&[0; 12].into(), &[], stream.as_mut_slice().into());
            encrypted.expect("64 KiB are within what the cipher takes");
            self.key.copy_from_slice(&stream[..32]);
            chunk.copy_from_slice(&stream[32..]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::{CpuSource, Dice, DiceError, Jitter, System};
    use crate::testing::Repeating;
    use alloc::string::ToString as _;
    use alloc::vec;

    /// A generator that gives one byte for ever.
    struct Stuck;

    impl Randomness for Stuck {
        fn fill(&self, bytes: &mut [u8]) -> Result<(), RandomnessError> {
            bytes.fill(7);
            Ok(())
        }
    }

    /// A generator that fails.
    struct Dry;

    impl Randomness for Dry {
        fn fill(&self, _: &mut [u8]) -> Result<(), RandomnessError> {
            Err(RandomnessError { reason: "it is not ready".into() })
        }
    }

    /// A counter whose steps vary as those of a processor do.
    fn jittery() -> impl FnMut() -> u64 {
        let steps = Repeating::new(3);
        let mut now = 0;
        move || {
            now += 300 + steps.next() % 64;
            now
        }
    }

    fn rolls(count: usize) -> String {
        let random = Repeating::new(4);
        (0..count).map(|_| char::from(b'1' + random.below(6) as u8)).collect()
    }

    #[test]
    fn two_healthy_sources_are_enough_and_one_is_not() {
        let system = Repeating::new(1);
        let refused = high(&mut [&mut System(&system)]).expect_err("one source");
        assert_eq!((refused.ledger.bits(), refused.ledger.sources()), (192, 1));
        let mut ticks = jittery();
        let (bytes, ledger) =
            high(&mut [&mut System(&system), &mut Jitter(&mut ticks)]).expect("two sources");
        assert_eq!((ledger.bits(), ledger.sources()), (384, 2), "{ledger}");
        assert!(bytes.bytes().iter().any(|byte| *byte != 0));
        let mut dice = Dice::parse(&rolls(100)).expect("rolls");
        assert!(high(&mut [&mut System(&system), &mut dice]).is_ok());
    }

    #[test]
    fn a_stuck_source_is_credited_nothing_and_named() {
        let mut ticks = jittery();
        let refused = high(&mut [&mut System(&Stuck), &mut Jitter(&mut ticks)])
            .expect_err("only the jitter is healthy");
        assert_eq!((refused.ledger.bits(), refused.ledger.sources()), (192, 1));
        let text = refused.to_string();
        assert!(
            text.contains("system 0 bits (it is stuck: one value came 9 times in a row)"),
            "{text}"
        );
        let system = Repeating::new(1);
        let mut frozen = || 42;
        let refused = high(&mut [&mut System(&system), &mut Jitter(&mut frozen)])
            .expect_err("a counter that stands still");
        assert_eq!(refused.ledger.credits[1].bits, 0);
        // Nor is one that is merely regular.
        let mut now = 0;
        let mut regular = || {
            now += 300;
            now
        };
        assert!(high(&mut [&mut System(&system), &mut Jitter(&mut regular)]).is_err());
    }

    #[test]
    fn short_and_failing_sources_are_credited_nothing() {
        let system = Repeating::new(1);
        let mut few = Dice::parse(&rolls(10)).expect("rolls");
        let refused =
            high(&mut [&mut System(&system), &mut few]).expect_err("ten rolls are 20 bits");
        assert_eq!((refused.ledger.bits(), refused.ledger.sources()), (212, 2));
        let mut none = Dice::parse("").expect("no rolls");
        assert!(high(&mut [&mut System(&system), &mut none]).is_err());
        let mut dice = Dice::parse(&rolls(200)).expect("rolls");
        let refused = high(&mut [&mut System(&Dry), &mut dice]).expect_err("one source failed");
        assert!(refused.to_string().contains("it is not ready"));
    }

    #[test]
    fn loaded_dice_are_found_out() {
        let system = Repeating::new(1);
        let sixes: String = core::iter::repeat_n('6', 200).collect();
        let mut dice = Dice::parse(&sixes).expect("rolls");
        assert!(high(&mut [&mut System(&system), &mut dice]).is_err());
        assert_eq!(Dice::parse("1 2 7").err(), Some(DiceError { at: 5 }));
    }

    #[test]
    fn every_source_changes_the_bytes_even_a_sick_one() {
        let draw = |seed: u64, rolled: &str| {
            let system = Repeating::new(seed);
            let mut ticks = jittery();
            let mut dice = Dice::parse(rolled).expect("rolls");
            let mut jitter = Jitter(&mut ticks);
            let mut sources: [&mut dyn Source; 3] = [&mut System(&system), &mut jitter, &mut dice];
            *high(&mut sources).expect("two are healthy").0.bytes()
        };
        let first = draw(1, "");
        assert_eq!(first, draw(1, ""));
        assert_ne!(first, draw(2, ""));
        assert_ne!(first, draw(1, "6"));
    }

    #[test]
    fn the_processors_source_is_healthy_or_absent() {
        let system = Repeating::new(1);
        let drawn = high(&mut [&mut System(&system), &mut CpuSource]);
        let ledger = drawn.map(|(_, ledger)| ledger).unwrap_or_else(|error| error.ledger);
        let processor = &ledger.credits[1];
        let is_absent = processor.flaw.as_deref() == Some("this machine has none");
        assert!(is_absent || processor.bits == CREDIT_BITS_SOURCE_MAX, "{ledger}");
    }

    #[test]
    fn the_sloppy_generator_does_not_repeat() {
        let mut sloppy = Sloppy::seeded(&Repeating::new(1)).expect("seeded");
        let (mut one, mut two) = (vec![0; 70_000], vec![0; 70_000]);
        sloppy.fill(&mut one);
        sloppy.fill(&mut two);
        assert!(one != two && one[..32] != one[65_536..65_568]);
        assert!(Sloppy::seeded(&Dry).is_err());
    }
}
