//! Which edges of the program an input ran through, when the build counts them.
//!
//! With `-sanitizer-coverage-inline-8bit-counters` the compiler keeps a byte for every edge and tells
//! this module where at start. Without the feature nothing is counted and nothing is new.
//!
//! Invariant: an input is new only when some edge ran a number of times, in powers of two, that no
//! input before it reached.

/// Tells which inputs reach something new.
#[derive(Default)]
pub struct Seen {
    buckets: Vec<u8>,
    edges: usize,
}

/// The bucket of a count: one bit for each power of two, as other fuzzers do.
fn bucket(count: u8) -> u8 {
    match count {
        0 => 0,
        1 => 1,
        2 => 2,
        3 => 4,
        4..8 => 8,
        8..16 => 16,
        16..32 => 32,
        32..128 => 64,
        128.. => 128,
    }
}

/// Forgets what ran until now: making an input runs edges too.
pub fn forget() {
    counters::each(|counts| counts.fill(0));
}

impl Seen {
    /// Takes the counts since [`forget`] and says whether any is new.
    pub fn take(&mut self) -> bool {
        self.take_counts()
    }

    /// Takes the counts since [`forget`] and says whether an edge ran that never ran before.
    pub fn take_edges(&mut self) -> bool {
        let edges_before = self.edges;
        self.take_counts();
        self.edges > edges_before
    }

    fn take_counts(&mut self) -> bool {
        let mut new = false;
        let mut at = 0;
        counters::each(|counts| {
            self.buckets.resize(self.buckets.len().max(at + counts.len()), 0);
            for count in counts {
                if *count != 0 {
                    let bit = bucket(*count);
                    new |= self.buckets[at] & bit == 0;
                    self.edges += usize::from(self.buckets[at] == 0);
                    self.buckets[at] |= bit;
                }
                at += 1;
            }
        });
        new
    }

    /// Returns how many edges ran at all.
    pub fn edges(&self) -> usize {
        self.edges
    }
}

#[cfg(not(feature = "coverage"))]
mod counters {
    /// Shows no counters: the build has none.
    pub fn each(_see: impl FnMut(&mut [u8])) {}
}

#[cfg(feature = "coverage")]
mod counters {
    #![allow(unsafe_code, reason = "the compiler hands its counters over as bare pointers")]

    use std::sync::Mutex;

    /// Where the counters of each part of the program begin, and how many there are.
    static PARTS: Mutex<Vec<(usize, usize)>> = Mutex::new(Vec::new());

    /// Called by every instrumented part of the program before `main`.
    // WHY: the compiler calls it by this name, which only this attribute can give.
    // SAFETY: nothing else in the program has the name; no sanitizer runtime is linked.
    #[unsafe(no_mangle)]
    pub extern "C" fn __sanitizer_cov_8bit_counters_init(start: *mut u8, stop: *mut u8) {
        let part = (start as usize, stop as usize - start as usize);
        if let Ok(mut parts) = PARTS.lock()
            && !parts.contains(&part)
        {
            parts.push(part);
        }
    }

    /// Shows the counters of every part.
    pub fn each(mut see: impl FnMut(&mut [u8])) {
        // A poisoned lock means that a panic is already on its way out.
        let Ok(parts) = PARTS.lock() else { return };
        for (start, count) in parts.iter() {
            // WHY: the counters are a static array of the compiler's that Rust knows no name for.
            // SAFETY: start and count came from the compiler and stay valid for the whole run; only
            // this thread runs instrumented code that matters while the slice lives, and a count
            // that another thread loses is a lost hint.
            let counts = unsafe { std::slice::from_raw_parts_mut(*start as *mut u8, *count) };
            see(counts);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_powers_of_two() {
        let buckets: Vec<u8> = [0, 1, 2, 3, 7, 15, 31, 127, 255].map(bucket).to_vec();
        assert_eq!(buckets, [0, 1, 2, 4, 8, 16, 32, 64, 128]);
    }

    #[test]
    fn without_counters_nothing_is_new() {
        if cfg!(not(feature = "coverage")) {
            let mut seen = Seen::default();
            assert!(!seen.take());
            assert_eq!(seen.edges(), 0);
        }
    }
}
