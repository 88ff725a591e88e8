//! What leaves a crate is listed name by name: a reader of `lib.rs` sees all of it.
//!
//! Invariant: only public globs are complained about; tests may use `super::*`.

use crate::outcome::Complaint;
use crate::rust_text::{blank, line_of};
use crate::tree::Tree;

/// Checks for globs in public re-exports.
pub fn check(tree: &Tree) -> Vec<Complaint> {
    let mut found = Vec::new();
    for (path, text) in tree.rust() {
        let code = blank(text);
        for (at, _) in code.match_indices("pub use ") {
            let end = code[at..].find(';').map_or(code.len(), |end| at + end);
            if code[at..end].contains("::*") {
                let text = "a public glob: list what leaves the crate, name by name";
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
    fn names_pass_and_globs_do_not() {
        let text = "use super::*;\npub use a::{B, C};\n// pub use d::*;\n";
        expect(check, &[("a.rs", text)], &[]);
        expect(
            check,
            &[("a.rs", "x;\npub use a::{\n    b::*,\n};\n")],
            &["a.rs:2: a public glob: list what leaves the crate, name by name"],
        );
    }
}
