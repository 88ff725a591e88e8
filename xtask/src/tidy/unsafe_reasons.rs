//! Each `unsafe` carries `// WHY:` (what safe code would cost) and `// SAFETY:` (why it holds).
//!
//! Invariant: only comments directly above the statement count.

use crate::outcome::Complaint;
use crate::rust_text::{blank, line_of, words};
use crate::tree::Tree;

/// How many lines of the same statement may stand between the comment and the word.
const STATEMENT_LINES_MAX: usize = 6;

/// Checks the comments above every unsafe block, implementation and attribute.
pub fn check(tree: &Tree) -> Vec<Complaint> {
    let mut found = Vec::new();
    for (path, text) in tree.rust() {
        let code = blank(text);
        let (source_lines, code_lines): (Vec<_>, Vec<_>) =
            (text.lines().collect(), code.lines().collect());
        for at in words(&code, "unsafe") {
            // `unsafe fn` promises nothing; its doc comment says what the caller must, and clippy
            // asks for that.
            let next = code[at + "unsafe".len()..].trim_start();
            if next.starts_with("fn ") || next.starts_with("extern ") {
                continue;
            }
            let line = line_of(&code, at);
            let above = comments_above(&source_lines, &code_lines, line - 1);
            for mark in ["// WHY:", "// SAFETY:"] {
                if !above.iter().any(|comment| comment.contains(mark)) {
                    found.push(Complaint::at(path, line, format!("`unsafe` without `{mark}`")));
                }
            }
        }
    }
    found
}

/// Returns the comment lines above a statement that reaches to the line `index`.
fn comments_above<'a>(source: &[&'a str], code: &[&str], index: usize) -> Vec<&'a str> {
    let mut found = Vec::new();
    let mut code_lines = 0;
    for above in (0..index).rev() {
        let (line, bare) = (source[above].trim(), code[above].trim());
        if line.is_empty() || code_lines > STATEMENT_LINES_MAX {
            break;
        }
        let past_the_comment = !found.is_empty() && !bare.starts_with("#[");
        if bare.is_empty() {
            found.push(line);
        } else if past_the_comment || bare.ends_with([';', '{', '}']) {
            break;
        } else {
            code_lines += 1;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::tidy::testing::expect;

    #[test]
    fn reasons_above_the_statement_pass() {
        let text = "// WHY: copying costs a gigabyte.\n// SAFETY: the map outlives it.\n\
                    let x =\n    unsafe { f() };\n\n\
                    // WHY: the trait asks for it.\n// SAFETY: it only counts.\n#[cold]\n\
                    unsafe impl T for U {}\n/// Text.\nunsafe fn f() {}\n#![allow(unsafe_code)]\n";
        expect(check, &[("a.rs", text)], &[]);
    }

    #[test]
    fn missing_reasons_are_named() {
        let text = "// SAFETY: it holds.\nlet x = unsafe { f() };\nlet y = unsafe { g() };\n";
        expect(
            check,
            &[("a.rs", text)],
            &[
                "a.rs:2: `unsafe` without `// WHY:`",
                "a.rs:3: `unsafe` without `// SAFETY:`",
                "a.rs:3: `unsafe` without `// WHY:`",
            ],
        );
    }
}
