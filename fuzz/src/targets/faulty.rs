//! Targets that go wrong in every way that a fuzzer must see; its own tests run them.
//!
//! Invariant: they run only when named, and `--list` does not show them.

use super::Target;
use std::hint::black_box;

/// One target for each way to go wrong.
pub const TARGETS: &[Target] = &[
    faulty("faulty-panic", |input| assert!(!needle(input), "the needle was found")),
    faulty("faulty-memory", |input| {
        if needle(input) {
            black_box(vec![1u8; 1 << 30]);
        }
    }),
    faulty("faulty-stack", |input| {
        if needle(input) {
            black_box(descend(u64::MAX));
        }
    }),
    faulty("faulty-hang", |input| {
        while needle(input) {
            std::thread::yield_now();
        }
    }),
];

const fn faulty(name: &'static str, run: fn(&[u8])) -> Target {
    let words: &[&[u8]] = &[b"needle"];
    let holds = "nothing: it shows that the fuzzer sees this";
    let memory_floor = 1 << 20;
    Target { name, holds, run, words, input_bytes_max: 256, memory_floor, memory_per_byte: 1 }
}

fn needle(input: &[u8]) -> bool {
    input.windows(6).any(|window| window == b"needle")
}

/// Recurses without end, in a way that no compiler turns into a loop.
fn descend(depth: u64) -> u64 {
    let frame = black_box([depth; 64]);
    if frame[0] == 0 { 0 } else { descend(depth - 1) + frame[1] }
}
