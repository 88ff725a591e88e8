//! Each outside dependency has a sentence on what it saves and what it weighs.
//!
//! Invariant: page and manifests name the same crates, each once.

use super::manifests;
use crate::outcome::Complaint;
use crate::tree::Tree;
use std::collections::BTreeMap;

const PAGE: &str = "docs/design/dependencies.md";
const MANIFESTS: [&str; 3] = ["Cargo.toml", "fuzz/Cargo.toml", "vectra/Cargo.toml"];

/// Checks the page against the manifests, both ways.
pub fn check(tree: &Tree) -> Vec<Complaint> {
    let mut found = Vec::new();
    let mut declared: BTreeMap<&str, (&str, usize)> = BTreeMap::new();
    for manifest in MANIFESTS {
        let Some(text) = tree.text(manifest) else { continue };
        for entry in manifests::dependencies(text) {
            if !entry.value.contains("path =") {
                declared.entry(entry.name).or_insert((manifest, entry.line));
            }
        }
    }
    let mut sentences: BTreeMap<&str, usize> = BTreeMap::new();
    for (line, name, sentence) in rows(tree.text(PAGE).unwrap_or_default()) {
        if sentence.split_whitespace().count() < 4 {
            let text = format!("say what `{name}` saves and what it weighs");
            found.push(Complaint::at(PAGE, line, text));
        }
        if !declared.contains_key(name) {
            let text = format!("no manifest declares `{name}`: drop the row");
            found.push(Complaint::at(PAGE, line, text));
        }
        if let Some(first) = sentences.insert(name, line) {
            let text = format!("`{name}` already has a row on line {first}");
            found.push(Complaint::at(PAGE, line, text));
        }
    }
    for (name, (manifest, line)) in declared {
        if !sentences.contains_key(name) {
            let text = format!("`{name}` has no sentence in {PAGE}: what it saves, what it weighs");
            found.push(Complaint::at(manifest, line, text));
        }
    }
    found
}

/// Returns the rows of the page's table: line, crate, sentence.
fn rows(text: &str) -> impl Iterator<Item = (usize, &str, &str)> {
    text.lines().enumerate().filter_map(|(index, line)| {
        let mut cells = line.strip_prefix('|')?.split('|').map(str::trim);
        let name = cells.next()?.trim_matches('`');
        let sentence = cells.nth(1)?;
        let heading = name == "crate" || name.starts_with("--");
        (!heading).then_some((index + 1, name, sentence))
    })
}

#[cfg(test)]
mod tests {
    use super::{PAGE, check};
    use crate::tidy::testing::expect;

    const HEAD: &str = "| crate | used by | what it saves, what it weighs |\n|---|---|---|\n";

    #[test]
    fn a_sentence_for_each_passes() {
        let page = format!("{HEAD}| `a` | x | saves a lot, weighs nothing |\n");
        let root = "[workspace.dependencies]\nvigil-base = { path = \"x\" }\na = \"1\"\n";
        expect(check, &[(PAGE, &page), ("Cargo.toml", root)], &[]);
    }

    #[test]
    fn whatever_is_missing_on_either_side_is_named() {
        let page = format!(
            "{HEAD}| `gone` | x | saves a lot of work |\n| `a` | x | nice |\n| a | x | a b c d |\n"
        );
        expect(
            check,
            &[
                (PAGE, &page),
                ("Cargo.toml", "[workspace.dependencies]\na = \"1\"\nb = \"1\"\n"),
                ("fuzz/Cargo.toml", "[dependencies]\nc = \"1\"\n"),
            ],
            &[
                "Cargo.toml:3: `b` has no sentence in docs/design/dependencies.md: what it saves, what it weighs",
                "docs/design/dependencies.md:3: no manifest declares `gone`: drop the row",
                "docs/design/dependencies.md:4: say what `a` saves and what it weighs",
                "docs/design/dependencies.md:5: `a` already has a row on line 4",
                "fuzz/Cargo.toml:2: `c` has no sentence in docs/design/dependencies.md: what it saves, what it weighs",
            ],
        );
    }
}
