//! A lint that is switched off in code says why, in its own `reason`.
//!
//! Invariant: only attributes count; test data and strings do not.

use crate::outcome::Complaint;
use crate::rust_text::{blank, line_of};
use crate::tree::Tree;

/// Checks every attribute that allows or expects a lint.
pub fn check(tree: &Tree) -> Vec<Complaint> {
    let mut found = Vec::new();
    for (path, text) in tree.rust() {
        let code = blank(text);
        for word in ["allow", "expect"] {
            for opening in ["#[", "#!["] {
                let attribute = format!("{opening}{word}(");
                for (at, _) in code.match_indices(&attribute) {
                    let end = code[at..].find(']').map_or(code.len(), |end| at + end);
                    if !code[at..end].contains("reason") {
                        let text = format!("`{attribute}…)]` without `reason = \"…\"`");
                        found.push(Complaint::at(path, line_of(&code, at), text));
                    }
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
    fn a_reason_is_enough() {
        let text = "#![allow(unsafe_code, reason = \"it counts\")]\n#[expect(\n    dead_code,\n    \
                    reason = \"x\"\n)]\nlet s = \"#[allow(x)]\";\nresult.expect(\"fine\");\n";
        expect(check, &[("a.rs", text)], &[]);
    }

    #[test]
    fn silence_is_named() {
        expect(
            check,
            &[("a.rs", "#![allow(dead_code)]\n#[expect(unused)]\n")],
            &[
                "a.rs:1: `#![allow(…)]` without `reason = \"…\"`",
                "a.rs:2: `#[expect(…)]` without `reason = \"…\"`",
            ],
        );
    }
}
