//! Counting test cases in what the runners print.
//!
//! Invariant: a case is counted once, under passed or failed.

use crate::outcome::Outcome;

/// Counts from nextest's line `Summary [ 0.1s] 7 tests run: 5 passed (1 slow), 2 failed, 3 skipped`.
pub fn of_nextest(text: &str) -> Outcome {
    let mut outcome = Outcome::default();
    // Those that are filtered out are called skipped: they belong to another step.
    for line in text.lines().filter(|line| line.trim_start().starts_with("Summary [")) {
        let Some((_, counts)) = line.split_once("run: ") else { continue };
        for part in without_notes(counts).split(',') {
            let Some((count, what)) = part.trim().split_once(' ') else { continue };
            let Ok(count) = count.parse::<u64>() else { continue };
            match what.trim() {
                "passed" => outcome.passed += count,
                "failed" | "timed out" | "exec failed" => outcome.failed += count,
                _ => {}
            }
        }
    }
    outcome
}

/// Drops what stands in parentheses: notes on cases that are counted already.
fn without_notes(text: &str) -> String {
    let mut depth = 0u32;
    text.chars()
        .filter(|c| {
            match c {
                '(' => depth += 1,
                ')' => depth = depth.saturating_sub(1),
                _ => return depth == 0,
            }
            false
        })
        .collect()
}

/// Counts from the lines `test result: ok. 3 passed; 0 failed; …` of `cargo test`.
pub fn of_cargo(text: &str) -> Outcome {
    let mut outcome = Outcome::default();
    for line in text.lines().filter(|line| line.starts_with("test result: ")) {
        for part in line.split([';', '.']) {
            match part.trim().split_once(' ') {
                Some((count, "passed")) => outcome.passed += count.parse().unwrap_or(0),
                Some((count, "failed")) => outcome.failed += count.parse().unwrap_or(0),
                _ => {}
            }
        }
    }
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(got: Outcome, passed: u64, failed: u64) {
        assert_eq!(got, Outcome { passed, failed, skipped: Vec::new() });
    }

    #[test]
    fn nextest_is_counted() {
        check(of_nextest("     Summary [   0.005s] 2 tests run: 2 passed, 0 skipped\n"), 2, 0);
        check(
            of_nextest(
                "Summary [ 1.2s] 9 tests run: 5 passed (1 slow, 2 flaky), 2 failed, 1 timed out, \
                 1 exec failed, 4 skipped\n",
            ),
            5,
            4,
        );
        check(of_nextest("error: could not compile\n"), 0, 0);
    }

    #[test]
    fn cargo_test_is_counted_over_all_programs() {
        check(
            of_cargo(
                "test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; \
                 finished in 0.00s\nx\ntest result: FAILED. 4 passed; 2 failed; 0 ignored\n",
            ),
            7,
            2,
        );
        check(of_cargo("3 passed\n"), 0, 0);
    }
}
