//! Cargo manifests, as far as the checks need them, and the rule that versions stand once.
//!
//! It reads lines, not TOML: the manifests here are written one entry per line.
//!
//! Invariant: an entry that it does not understand is complained about, not skipped.

use crate::outcome::Complaint;
use crate::tree::Tree;

/// One dependency line of a manifest.
pub struct Entry<'a> {
    /// The line, counted from 1.
    pub line: usize,
    /// The name before the `=`, without `.workspace`.
    pub name: &'a str,
    /// The rest of the line.
    pub value: &'a str,
}

/// Returns the entries of all sections whose name ends in `dependencies`.
pub fn dependencies(text: &str) -> Vec<Entry<'_>> {
    let (mut section, mut found) = ("", Vec::new());
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if let Some(name) = line.strip_prefix('[') {
            section = name.split(']').next().unwrap_or_default();
        } else if section.ends_with("dependencies")
            && !line.starts_with('#')
            && let Some((name, value)) = line.split_once('=')
        {
            let name = name.trim();
            let (name, value) = match name.strip_suffix(".workspace") {
                Some(short) => (short, "{ workspace = true }"),
                None => (name, value.trim()),
            };
            found.push(Entry { line: index + 1, name, value });
        }
    }
    found
}

/// Checks that members take versions and lints from the root, and that the root states them well.
pub fn check(tree: &Tree) -> Vec<Complaint> {
    let mut found = Vec::new();
    for (path, text) in tree.ending("Cargo.toml").filter(|(path, _)| is_member(path)) {
        for entry in dependencies(text) {
            if !entry.value.contains("workspace = true") {
                let text = format!("`{}` must say `workspace = true`", entry.name);
                found.push(Complaint::at(path, entry.line, text));
            }
        }
        let lints = text.split_once("[lints]").map(|(_, after)| after.trim_start());
        if !lints.is_some_and(|lints| lints.starts_with("workspace = true")) {
            found.push(Complaint::about(path, "add `[lints]` with `workspace = true`"));
        }
    }
    for entry in tree.text("Cargo.toml").map(dependencies).unwrap_or_default() {
        let ours = entry.value.contains("path =");
        if !ours && !entry.value.contains("default-features = false") {
            let text = format!("`{}` must say `default-features = false`", entry.name);
            found.push(Complaint::at("Cargo.toml", entry.line, text));
        }
    }
    found
}

/// Whether a manifest belongs to a member of the root workspace.
fn is_member(path: &str) -> bool {
    path.starts_with("crates/") || path == "xtask/Cargo.toml" || path == "benches/Cargo.toml"
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::tidy::testing::expect;

    #[test]
    fn versions_in_the_root_pass() {
        let member = "[dependencies]\na.workspace = true\nb = { workspace = true, features = [] }\n\
                      [lints]\nworkspace = true\n";
        let root = "[workspace.dependencies]\n# why\nvigil-base = { path = \"x\" }\n\
                    a = { version = \"1\", default-features = false }\n";
        expect(check, &[("crates/a/Cargo.toml", member), ("Cargo.toml", root)], &[]);
        expect(check, &[("fuzz/Cargo.toml", "[dependencies]\na = { path = \"x\" }\n")], &[]);
    }

    #[test]
    fn versions_elsewhere_and_missing_lints_are_named() {
        expect(
            check,
            &[
                ("crates/a/Cargo.toml", "[dev-dependencies]\nb = \"1\"\n"),
                ("Cargo.toml", "[workspace.dependencies]\nb = \"1\"\n"),
            ],
            &[
                "Cargo.toml:2: `b` must say `default-features = false`",
                "crates/a/Cargo.toml: add `[lints]` with `workspace = true`",
                "crates/a/Cargo.toml:2: `b` must say `workspace = true`",
            ],
        );
    }
}
