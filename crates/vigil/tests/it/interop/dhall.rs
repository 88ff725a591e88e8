//! dhall-haskell 1.42 and `vigil dhall` find what the other has put into the caches.
//!
//! The program's place is in `VIGIL_INTEROP_DHALL`, which `cargo xtask interop` sets.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::bench::{Bench, Ran};

/// Returns the program. Without it the test says that it was skipped, and fails where nothing may be.
fn program() -> Option<PathBuf> {
    let path = std::env::var_os("VIGIL_INTEROP_DHALL").filter(|path| !path.is_empty());
    if path.is_none() {
        let is_ci = std::env::var_os("CI").is_some_and(|value| value == "true");
        assert!(!is_ci, "dhall-haskell is absent: `cargo xtask clients` brings it");
        eprintln!("skipped: dhall-haskell (VIGIL_INTEROP_DHALL is not set)");
    }
    path.map(PathBuf::from)
}

/// Returns what is in both caches.
fn cached(bench: &Bench, home: &str) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for folder in ["dhall", "dhall-haskell"] {
        for entry in std::fs::read_dir(bench.join(home).join(folder)).into_iter().flatten() {
            let path = entry.expect("readable").path();
            let name = format!("{folder}/{}", path.file_name().expect("a name").to_string_lossy());
            found.insert(name, std::fs::read(&path).expect("readable"));
        }
    }
    found
}

#[test]
fn both_fill_the_same_caches_with_the_same_bytes() {
    let Some(program) = program() else { return };
    let bench = Bench::new();
    bench.write("leaf.dhall", "\\(name : Text) -> { name, size = 1 + 1 }");
    bench.write(
        "tree.dhall",
        "let leaf = ./leaf.dhall in { left = leaf \"a\", right = [ leaf \"b\" ] }",
    );
    bench.write("alias.dhall", "./tree.dhall");
    bench.write("whole.dhall", "{ tree = ./alias.dhall, text = ./leaf.dhall as Text }");
    bench.write("root.dhall", "./whole.dhall");
    // An absolute place, since both must see the same root.
    let theirs = |home: &str, words: &[&str]| {
        let mut command = bench.command(&program);
        command.args(words).env("XDG_CACHE_HOME", bench.join(home));
        Ran::of(command).expect(0).out
    };
    let ours = |home: &str, words: &[&str]| {
        let mut command = bench.vigil(&[&["dhall"], words].concat());
        command.env("XDG_CACHE_HOME", bench.join(home));
        Ran::of(command).expect(0).out
    };
    let hash = theirs("one", &["hash", "--file", "root.dhall"]);
    assert_eq!(ours("two", &["hash", "--semi-semantic-cache", "root.dhall"]), hash);
    bench.write("frozen.dhall", format!("(./whole.dhall {}).tree.left", hash.trim()));
    let normal = theirs("one", &["--file", "frozen.dhall"]);
    assert_eq!(ours("two", &["normalize", "--semi-semantic-cache", "frozen.dhall"]), normal);
    let (one, two) = (cached(&bench, "one"), cached(&bench, "two"));
    assert!(one.len() >= 3, "{:?}", one.keys());
    assert_eq!(one.keys().collect::<Vec<_>>(), two.keys().collect::<Vec<_>>());
    assert!(one == two, "the same names, but other bytes");
    // And each uses what the other has left: the files themselves are gone.
    for file in ["leaf.dhall", "tree.dhall", "alias.dhall", "whole.dhall"] {
        std::fs::remove_file(bench.join(file)).expect("it was there");
    }
    assert_eq!(theirs("two", &["--file", "frozen.dhall"]), normal);
    assert_eq!(ours("one", &["normalize", "frozen.dhall"]), normal);
}

#[test]
fn what_one_freezes_the_other_accepts() {
    let Some(program) = program() else { return };
    let bench = Bench::new();
    bench.write("part.dhall", "{ f = \\(n : Natural) -> n + 1 }");
    bench.write("ours.dhall", "(./part.dhall).f 1\n");
    bench.write("theirs.dhall", "(./part.dhall).f 1\n");
    let read = |name: &str| std::fs::read_to_string(bench.join(name)).expect("readable");
    let words = |text: String| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    // Frozen, and then frozen for the cache only.
    for more in [None, Some("--cache")] {
        let mut command = bench.vigil(&["dhall", "freeze", "--all", "--inplace", "ours.dhall"]);
        command.args(more);
        Ran::of(command).expect(0);
        let mut command = bench.command(&program);
        command.args(["freeze", "--all"]).args(more).arg("theirs.dhall");
        command.env("XDG_CACHE_HOME", bench.join("other"));
        Ran::of(command).expect(0);
        assert_eq!(words(read("ours.dhall")), words(read("theirs.dhall")), "{more:?}");
        assert_eq!(bench.fine("dhall normalize --no-cache theirs.dhall"), "2\n");
    }
}
