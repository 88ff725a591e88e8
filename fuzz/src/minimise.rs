//! Making a failing input small, so that a person can read it.
//!
//! Invariant: what is returned fails as the original did, and is no longer than it.

/// Each try starts a process; a few hundred take about a second.
const TRIES_MAX: usize = 400;

/// Removes ever smaller pieces as long as the input keeps failing, then clears bytes.
pub fn minimise(input: &[u8], mut fails: impl FnMut(&[u8]) -> bool) -> Vec<u8> {
    let mut best = input.to_vec();
    let mut tries = 0;
    let mut attempt = |candidate: &[u8]| {
        tries += 1;
        tries <= TRIES_MAX && fails(candidate)
    };
    let mut piece = best.len().div_ceil(2);
    while piece > 0 {
        let mut at = 0;
        while at < best.len() {
            let end = (at + piece).min(best.len());
            let candidate = [&best[..at], &best[end..]].concat();
            if attempt(&candidate) {
                best = candidate;
            } else {
                at = end;
            }
        }
        piece /= 2;
    }
    for at in 0..best.len() {
        let mut candidate = best.clone();
        candidate[at] = b'0';
        if candidate != best && attempt(&candidate) {
            best = candidate;
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_matter_goes() {
        let input = b"some long text with a needle and more of it";
        let contains = |bytes: &[u8]| bytes.windows(6).any(|window| window == b"needle");
        assert_eq!(minimise(input, contains), b"needle");
        assert_eq!(minimise(b"abc", |bytes| bytes.len() == 3), b"000");
    }

    #[test]
    fn tries_are_bounded_and_nothing_is_lost() {
        let mut tries = 0;
        let input = vec![7; 100_000];
        let small = minimise(&input, |_| {
            tries += 1;
            false
        });
        assert_eq!((small, tries), (input, TRIES_MAX));
        assert_eq!(minimise(b"", |_| true), b"");
    }
}
