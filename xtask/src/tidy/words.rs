//! Words that mean "not finished" have no place in committed code.
//!
//! Invariant: only code is read; comments and strings may speak of these words.

use crate::outcome::Complaint;
use crate::rust_text::{blank, line_of};
use crate::tree::Tree;

const FORBIDDEN: &[(&str, &str)] = &[
    ("todo!", "finish it, or leave it out"),
    ("unimplemented!", "finish it, or leave it out"),
    ("dbg!", "take it out again"),
    ("#[ignore", "assert today's wrong answer and note why instead"),
];

/// Checks every Rust source for words of unfinished work.
pub fn check(tree: &Tree) -> Vec<Complaint> {
    let mut found = Vec::new();
    for (path, text) in tree.rust() {
        let code = blank(text);
        for (word, advice) in FORBIDDEN {
            for (at, _) in code.match_indices(word) {
                let text = format!("`{word}` in committed code: {advice}");
                found.push(Complaint::at(path, line_of(&code, at), text));
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
    fn speaking_of_it_is_fine() {
        expect(check, &[("a.rs", "// todo!()\nlet x = \"dbg!\";\n")], &[]);
    }

    #[test]
    fn doing_it_is_not() {
        expect(
            check,
            &[("a.rs", "fn f() { todo!() }\n#[ignore = \"slow\"]\nfn g() {}\n")],
            &[
                "a.rs:1: `todo!` in committed code: finish it, or leave it out",
                "a.rs:2: `#[ignore` in committed code: assert today's wrong answer and note why \
                 instead",
            ],
        );
    }
}
