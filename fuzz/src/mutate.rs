//! Mutations: small changes that turn a valid input into an almost valid one.
//!
//! Invariant: no mutation makes an input longer than its limit.

use crate::random::Random;

/// Lengths, counts and signs go wrong at these values.
const INTERESTING: [u64; 14] = [
    0,
    1,
    0x17,
    0x18,
    0x7F,
    0x80,
    0xFF,
    0x100,
    0x7FFF,
    0xFFFF,
    0x7FFF_FFFF,
    0xFFFF_FFFF,
    i64::MAX as u64,
    u64::MAX,
];

/// What mutations may draw from.
pub struct Materials<'a> {
    /// Inputs to start from and to splice with.
    pub corpus: &'a [Vec<u8>],
    /// Words of the format.
    pub words: &'a [&'a [u8]],
    /// No input is longer.
    pub bytes_max: usize,
}

/// Returns an input: one of the corpus, changed in a few places.
pub fn input(materials: &Materials<'_>, random: &mut Random) -> Vec<u8> {
    let mut bytes = random.pick(materials.corpus).cloned().unwrap_or_default();
    // Mostly few changes: an input that is broken in one place gets furthest.
    let changes = 1 + random.below(4) * random.below(4);
    for _ in 0..changes {
        change(&mut bytes, materials, random);
        bytes.truncate(materials.bytes_max);
    }
    bytes
}

fn change(bytes: &mut Vec<u8>, materials: &Materials<'_>, random: &mut Random) {
    match random.below(12) {
        0 => flip_bit(bytes, random),
        1 => {
            if let Some(byte) = byte_at(bytes, random) {
                *byte = random.next() as u8;
            }
        }
        2 => {
            let change = if random.below(2) == 0 { 1u8 } else { u8::MAX };
            if let Some(byte) = byte_at(bytes, random) {
                *byte = byte.wrapping_add(change);
            }
        }
        3 => write_number(bytes, random),
        4 => {
            let fresh: Vec<u8> = (0..random.below(16)).map(|_| random.next() as u8).collect();
            insert(bytes, &fresh, random);
        }
        5 => {
            let range = range(bytes, random);
            bytes.drain(range);
        }
        6 => {
            let copy = bytes[range(bytes, random)].to_vec();
            insert(bytes, &copy, random);
        }
        7 => {
            let (from, to) = (range(bytes, random), random.below(bytes.len()));
            let copy = bytes[from].to_vec();
            let count = copy.len().min(bytes.len() - to);
            bytes[to..to + count].copy_from_slice(&copy[..count]);
        }
        8 => bytes.truncate(random.below(bytes.len() + 1)),
        9 => {
            if let Some(other) = random.pick(materials.corpus) {
                bytes.truncate(random.below(bytes.len() + 1));
                bytes.extend_from_slice(&other[random.below(other.len() + 1)..]);
            }
        }
        10 => {
            if let Some(word) = random.pick(materials.words) {
                insert(bytes, word, random);
            }
        }
        _ => repeat(bytes, materials.bytes_max, random),
    }
}

fn byte_at<'a>(bytes: &'a mut [u8], random: &mut Random) -> Option<&'a mut u8> {
    let at = random.below(bytes.len());
    bytes.get_mut(at)
}

fn flip_bit(bytes: &mut [u8], random: &mut Random) {
    let bit = random.below(8);
    if let Some(byte) = byte_at(bytes, random) {
        *byte ^= 1 << bit;
    }
}

/// Returns a range of the bytes, mostly a short one.
fn range(bytes: &[u8], random: &mut Random) -> std::ops::Range<usize> {
    let start = random.below(bytes.len() + 1);
    let most = if random.below(4) == 0 { bytes.len() } else { 16 };
    let count = random.below(most + 1).min(bytes.len() - start);
    start..start + count
}

fn insert(bytes: &mut Vec<u8>, what: &[u8], random: &mut Random) {
    let at = random.below(bytes.len() + 1);
    bytes.splice(at..at, what.iter().copied());
}

/// Overwrites 1, 2, 4 or 8 bytes with a number that tends to be mishandled, in either byte order.
fn write_number(bytes: &mut [u8], random: &mut Random) {
    let width = 1usize << random.below(4);
    if bytes.len() < width {
        return;
    }
    let number = random.pick(&INTERESTING).copied().unwrap_or_default();
    let near = number.wrapping_add(random.below(3) as u64).wrapping_sub(1);
    let at = random.below(bytes.len() - width + 1);
    if random.below(2) == 0 {
        bytes[at..at + width].copy_from_slice(&near.to_le_bytes()[..width]);
    } else {
        bytes[at..at + width].copy_from_slice(&near.to_be_bytes()[8 - width..]);
    }
}

/// Repeats a short piece many times: depth and count limits are reached no other way.
fn repeat(bytes: &mut Vec<u8>, bytes_max: usize, random: &mut Random) {
    let start = random.below(bytes.len() + 1);
    let count = (1 + random.below(4)).min(bytes.len() - start);
    let piece = bytes[start..start + count].to_vec();
    let room = bytes_max.saturating_sub(bytes.len());
    if piece.is_empty() {
        return;
    }
    let times_max = 1 << random.below(11);
    let times = random.below(times_max).min(room / piece.len());
    bytes.splice(start..start, piece.repeat(times));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn materials(corpus: &[Vec<u8>]) -> Materials<'_> {
        Materials { corpus, words: &[b"sha256:"], bytes_max: 200 }
    }

    #[test]
    fn inputs_follow_from_seed_and_number() {
        let corpus = [b"hello".to_vec(), b"world, and more".to_vec()];
        let make = |number| input(&materials(&corpus), &mut Random::new(7, number));
        for number in 0..1000 {
            assert_eq!(make(number), make(number));
        }
        let different: std::collections::BTreeSet<_> = (0..1000).map(make).collect();
        assert!(different.len() > 800, "{}", different.len());
    }

    #[test]
    fn limits_hold_and_nothing_panics_on_an_empty_corpus() {
        let corpora: [&[Vec<u8>]; 3] = [&[], &[Vec::new()], &[vec![1; 200]]];
        for corpus in corpora {
            for number in 0..5000 {
                assert!(input(&materials(corpus), &mut Random::new(3, number)).len() <= 200);
            }
        }
    }
}
