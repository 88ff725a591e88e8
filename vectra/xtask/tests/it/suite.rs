//! The acceptance suite in both homes. Its cases are Rust in `tasks/src/bin/suite/`.

use crate::bench::everywhere;

/// The suite has this many cases at least, each of which says `ok` or `FAILED`.
const CASES_MIN: usize = 290;

#[test]
fn every_case_holds_in_every_home() {
    for (home, ran) in everywhere("suite", "") {
        let failed: Vec<_> = ran.console.lines().filter(|l| l.starts_with("FAILED")).collect();
        assert!(failed.is_empty(), "{home}:\n{}", failed.join("\n"));
        let passed = ran.console.lines().filter(|line| line.starts_with("ok ")).count();
        assert!(passed >= CASES_MIN, "{home}: {passed} cases passed\n{}", ran.console);
        assert!(!ran.console.contains("KPANIC"), "{home}: {}", ran.console);
        assert_eq!(ran.code, Some(0), "{home}");
    }
}
