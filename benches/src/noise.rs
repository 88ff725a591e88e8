//! Bytes that come from a number: the same ones each time.

/// The next number of Sebastiano Vigna's SplitMix64: no cipher, but no compressor finds out.
pub fn splitmix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// Returns bytes that no compressor shrinks.
pub fn noise(seed: u64, bytes: usize) -> Vec<u8> {
    let mut state = seed;
    let mut noise: Vec<u8> =
        (0..bytes.div_ceil(8)).flat_map(|_| splitmix(&mut state).to_le_bytes()).collect();
    noise.truncate(bytes);
    noise
}

/// Returns lines of hexadecimal words, which a compressor shrinks to about a half.
pub fn text(seed: u64, bytes: usize) -> Vec<u8> {
    let mut state = seed;
    let mut text = String::with_capacity(bytes + 32);
    while text.len() < bytes {
        text.push_str(&format!("{:016x} is a word\n", splitmix(&mut state)));
    }
    text.truncate(bytes);
    text.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generator_gives_its_published_numbers() {
        let mut state = 1_234_567;
        let numbers: Vec<_> = (0..3).map(|_| splitmix(&mut state)).collect();
        let want =
            [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423];
        assert_eq!(numbers, want);
    }

    #[test]
    fn lengths_are_kept_and_seeds_tell_apart() {
        for make in [noise, text] {
            assert_eq!(make(1, 1_001).len(), 1_001);
            assert_eq!(make(1, 1_001), make(1, 1_001));
            assert_ne!(make(1, 1_001), make(2, 1_001));
        }
    }
}
