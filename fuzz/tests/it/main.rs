//! The fuzzer sees every way to go wrong, saves the input, and makes it small.
//!
//! Invariant: these tests run the real program over its faulty targets.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn fuzz(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_vigil-fuzz"))
        .args(arguments)
        .output()
        .expect("the fuzzer starts")
}

fn text_of(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn artifacts(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("artifacts").join(target)
}

/// Runs a faulty target, and checks that its failure was seen and its input made small.
#[track_caller]
fn check(target: &str, end: &str, small: bool) {
    let folder = artifacts(target);
    if folder.exists() {
        std::fs::remove_dir_all(&folder).expect("the folder is ours");
    }
    let output = fuzz(&[target, "--seconds", "20", "--seed", "7"]);
    let text = text_of(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.starts_with("fuzz: seed 7, "), "{text}");
    assert!(text.contains(&format!("{target}: FAILED ({end}, ")), "{text}");
    assert!(text.ends_with("fuzz: targets passed 0, failed 1\n"), "{text}");
    let saved: Vec<Vec<u8>> = std::fs::read_dir(&folder)
        .and_then(|entries| entries.map(|entry| std::fs::read(entry?.path())).collect())
        .expect("something was saved");
    let has_needle = |bytes: &Vec<u8>| bytes.windows(6).any(|window| window == b"needle");
    assert!(!saved.is_empty() && saved.iter().all(has_needle), "{saved:?}");
    assert!(!small || saved.iter().any(|bytes| bytes == b"needle"), "{saved:?}");
    std::fs::remove_dir_all(&folder).expect("the folder is ours");
}

#[test]
fn a_panic_is_seen() {
    check("faulty-panic", "Panic", true);
}

#[test]
fn a_greedy_allocation_is_seen() {
    check("faulty-memory", "Killed", true);
}

#[test]
fn a_stack_that_overflows_is_seen() {
    check("faulty-stack", "Killed", true);
}

#[test]
fn a_hang_is_seen_and_not_repeated_to_make_it_small() {
    check("faulty-hang", "Hang", false);
}

#[test]
fn a_good_target_passes_and_its_inputs_can_be_replayed() {
    let output = fuzz(&["uri", "--seconds", "1", "--seed", "7"]);
    let text = text_of(&output);
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.ends_with("fuzz: targets passed 1, failed 0\n"), "{text}");
    let seed = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/uri/path");
    let replayed = fuzz(&["uri", "--replay", seed.to_str().unwrap()]);
    assert_eq!(replayed.status.code(), Some(0));
    assert_eq!(fuzz(&["no-such-target"]).status.code(), Some(2));
}
