//! Whitespace that nobody sees but every diff shows.
//!
//! Invariant: test data is left alone; it may be ugly on purpose.

use crate::outcome::Complaint;
use crate::tree::{Tree, is_data};

/// Checks every text for tabs, trailing blanks, foreign line ends and the newline at the end.
pub fn check(tree: &Tree) -> Vec<Complaint> {
    let mut found = Vec::new();
    for (path, text) in tree.texts().filter(|(path, _)| !is_data(path)) {
        for (index, line) in text.split('\n').enumerate() {
            let text = if line.contains('\t') {
                "a tab: use spaces"
            } else if line.ends_with('\r') {
                "a carriage return: lines end with a newline alone"
            } else if line.ends_with(|c: char| c.is_whitespace()) {
                "a blank at the end of the line"
            } else {
                continue;
            };
            found.push(Complaint::at(path, index + 1, text));
        }
        if !text.is_empty() && (!text.ends_with('\n') || text.ends_with("\n\n")) {
            found.push(Complaint::about(path, "the file must end with exactly one newline"));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::tidy::testing::expect;

    #[test]
    fn clean_and_empty_files_pass() {
        expect(check, &[("a.md", "a\n\nb\n"), ("b", ""), ("corpus/x", "\t\r\n ")], &[]);
    }

    #[test]
    fn each_flaw_is_named() {
        expect(
            check,
            &[("a.md", "ok\na\tb\nc \nd\r\ne"), ("b.md", "x\n\n")],
            &[
                "a.md: the file must end with exactly one newline",
                "a.md:2: a tab: use spaces",
                "a.md:3: a blank at the end of the line",
                "a.md:4: a carriage return: lines end with a newline alone",
                "b.md: the file must end with exactly one newline",
            ],
        );
    }
}
