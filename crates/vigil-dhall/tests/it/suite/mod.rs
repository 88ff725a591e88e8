//! The acceptance suite of the standard, one test per category.
//!
//! Every case runs, and every failing one is named. A case that is known to fail stands in a list
//! with its reason, and the list must be exactly what fails.

mod formatting;
mod imports;
mod semantics;
mod syntax;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use vigil_dhall::{Expr, Limits, encode, parse_bytes};

/// Returns the suite's folder, if this machine has it.
///
/// The variable has no default: the vectors are not part of the project.
#[expect(clippy::disallowed_methods, reason = "a test program resolves its own environment")]
pub(crate) fn root() -> Option<PathBuf> {
    match std::env::var("VIGIL_CONFORMANCE") {
        Ok(folder) if !folder.is_empty() => {
            let tests = Path::new(&folder).join("dhall/tests");
            assert!(tests.is_dir(), "VIGIL_CONFORMANCE is set, but {} is absent", tests.display());
            Some(tests)
        }
        _ => {
            assert!(
                std::env::var("CI").as_deref() != Ok("true"),
                "under CI the conformance vectors must be there: set VIGIL_CONFORMANCE"
            );
            eprintln!("skipped: the Dhall acceptance suite (VIGIL_CONFORMANCE is not set)");
            None
        }
    }
}

/// Returns every file below `folder` whose name ends with `suffix`, by its name relative to the
/// suite, sorted.
pub(crate) fn cases(root: &Path, folder: &str, suffix: &str) -> Vec<(String, PathBuf)> {
    let mut found = Vec::new();
    let mut folders = vec![root.join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("the suite is readable") {
            let path = entry.expect("the suite is readable").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.to_string_lossy().ends_with(suffix) {
                let name = path.strip_prefix(root).expect("below the root").to_string_lossy();
                found.push((name.trim_end_matches(suffix).to_owned(), path));
            }
        }
    }
    found.sort();
    assert!(!found.is_empty(), "no cases in {folder}");
    found
}

/// Returns the sibling file of a case, such as `fooB.dhall` beside `fooA.dhall`.
pub(crate) fn sibling(root: &Path, name: &str, suffix: &str) -> PathBuf {
    root.join(format!("{name}{suffix}"))
}

/// Runs every case and compares what fails with what is known to fail.
pub(crate) fn run(
    category: &str,
    cases: &[(String, PathBuf)],
    known: &[(&str, &str)],
    mut check: impl FnMut(&str, &Path) -> Result<(), String>,
) {
    let mut failures = BTreeMap::new();
    for (name, path) in cases {
        if let Err(reason) = check(name, path) {
            failures.insert(name.as_str(), reason);
        }
    }
    eprintln!("{category}: {} of {} cases pass", cases.len() - failures.len(), cases.len());
    let unexpected: Vec<String> = failures
        .iter()
        .filter(|(name, _)| !known.iter().any(|(known, _)| known == *name))
        .map(|(name, reason)| format!("{name}: {reason}"))
        .collect();
    assert!(unexpected.is_empty(), "{category} fails:\n{}", unexpected.join("\n"));
    for (name, reason) in known {
        assert!(failures.contains_key(name), "{name} passes now, though listed: {reason}");
    }
}

pub(crate) fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).expect("the suite is readable")
}

pub(crate) fn parse_file(path: &Path) -> Result<Expr, String> {
    parse_bytes(&read(path), &Limits::default())
        .map(|parsed| parsed.expr)
        .map_err(|error| format!("{error} at byte {}", error.offset()))
}

/// Compares two expressions by their encoding.
pub(crate) fn same(actual: &Expr, expected: &Expr) -> Result<(), String> {
    if encode(actual) == encode(expected) {
        Ok(())
    } else {
        Err(format!("got {actual:?}\nnot {expected:?}").chars().take(600).collect())
    }
}
