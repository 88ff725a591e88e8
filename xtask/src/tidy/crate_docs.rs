//! Each crate opens with what it is, what it is not, and what always holds.
//!
//! Invariant: every crate root of the tree is looked at: `lib.rs`, or `main.rs` without one.

use crate::outcome::Complaint;
use crate::tree::{Tree, is_data};

/// Crates that must build without the standard library.
const NO_STD: &[&str] = &["vigil-base", "vigil-access"];

/// Checks the first lines of each crate.
pub fn check(tree: &Tree) -> Vec<Complaint> {
    let mut found = Vec::new();
    for (manifest, text) in tree.ending("Cargo.toml").filter(|(path, _)| !is_data(path)) {
        let Some(folder) = manifest.strip_suffix("Cargo.toml") else { continue };
        if !text.lines().any(|line| line.trim() == "[package]") {
            continue;
        }
        let roots = [format!("{folder}src/lib.rs"), format!("{folder}src/main.rs")];
        let Some((path, text)) = roots.iter().find_map(|path| tree.text(path).map(|t| (path, t)))
        else {
            continue;
        };
        let opening: Vec<&str> = text.lines().take_while(|line| line.starts_with("//!")).collect();
        if opening.is_empty() {
            let text = "a crate opens with `//!` lines: what it is, what it is not, what holds";
            found.push(Complaint::at(path, 1, text));
        } else if !opening.iter().any(|line| line.to_lowercase().contains("invariant")) {
            found.push(Complaint::at(path, 1, "the crate's opening states no invariant"));
        }
        let name = folder.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
        if NO_STD.contains(&name) && !text.contains("no_std") {
            found.push(Complaint::at(path, 1, format!("{name} must be `no_std`")));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::tidy::testing::expect;

    const MANIFEST: &str = "[package]\n";

    #[test]
    fn a_proper_opening_passes() {
        let text = "//! A thing.\n//!\n//! Invariants:\n//! - it is.\nfn f() {}\n";
        expect(check, &[("crates/a/Cargo.toml", MANIFEST), ("crates/a/src/lib.rs", text)], &[]);
        expect(check, &[("xtask/Cargo.toml", MANIFEST), ("xtask/src/main.rs", text)], &[]);
        expect(check, &[("Cargo.toml", "[workspace]\n"), ("src/lib.rs", "")], &[]);
    }

    #[test]
    fn a_missing_one_is_named() {
        expect(
            check,
            &[
                ("crates/a/Cargo.toml", MANIFEST),
                ("crates/a/src/lib.rs", "fn f() {}\n"),
                ("crates/b/Cargo.toml", MANIFEST),
                ("crates/b/src/main.rs", "//! A thing.\n\n//! Invariant: too late.\n"),
                ("crates/vigil-base/Cargo.toml", MANIFEST),
                ("crates/vigil-base/src/lib.rs", "//! Ids. Invariant: checked.\n"),
            ],
            &[
                "crates/a/src/lib.rs:1: a crate opens with `//!` lines: what it is, what it is \
                 not, what holds",
                "crates/b/src/main.rs:1: the crate's opening states no invariant",
                "crates/vigil-base/src/lib.rs:1: vigil-base must be `no_std`",
            ],
        );
    }
}
