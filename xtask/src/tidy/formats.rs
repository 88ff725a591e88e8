//! Format pages that code points at must exist.
//!
//! Invariant: only pages under `docs/format/` are looked for; other paths are prose.

use crate::outcome::Complaint;
use crate::tree::Tree;

// Put together so that this file does not itself name a page.
const FOLDER: &str = concat!("docs/", "format/");

/// Checks every mention of a format page in Rust source.
pub fn check(tree: &Tree) -> Vec<Complaint> {
    let mut found = Vec::new();
    for (path, text) in tree.rust() {
        for (index, line) in text.lines().enumerate() {
            for (at, _) in line.match_indices(FOLDER) {
                let rest = &line[at..];
                let end = rest.find(".md").map_or(0, |end| end + ".md".len());
                let page = &rest[..end];
                let is_path = page.chars().all(|c| c.is_ascii_alphanumeric() || "/-_.".contains(c));
                if !page.is_empty() && is_path && !tree.has(page) {
                    found.push(Complaint::at(path, index + 1, format!("there is no {page}")));
                }
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::tidy::testing::expect;

    #[test]
    fn named_pages_must_exist() {
        let text = format!("//! See `{0}arena.md` and `{0}gone.md`.\n// {0} *.md\n", super::FOLDER);
        let page = format!("{}arena.md", super::FOLDER);
        let want = format!("a.rs:1: there is no {}gone.md", super::FOLDER);
        expect(check, &[("a.rs", &text), (&page, "")], &[&want]);
    }
}
