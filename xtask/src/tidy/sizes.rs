//! Files under 600 lines and functions under 70, so that a stranger can hold one in the head.
//!
//! Invariant: an exception equals the truth, so the list can only shrink.

use crate::outcome::Complaint;
use crate::rust_text::{blank, functions, line_of, test_modules};
use crate::tree::Tree;
use std::collections::BTreeMap;

const FILE_LINES_MAX: usize = 600;
const FUNCTION_LINES_MAX: usize = 70;
const EXCEPTIONS: &str = "xtask/tidy-exceptions.txt";

/// What an exception is about: a file, or a function in a file.
type Subject = (String, Option<String>);

struct Exception {
    line: usize,
    lines_allowed: usize,
}

/// Checks the lengths of files and functions.
pub fn check(tree: &Tree) -> Vec<Complaint> {
    let (exceptions, mut found) = read_exceptions(tree.text(EXCEPTIONS).unwrap_or_default());
    let mut too_long: BTreeMap<Subject, (usize, usize)> = BTreeMap::new();
    for (path, text) in tree.rust() {
        let lines = text.lines().count();
        if lines > FILE_LINES_MAX {
            too_long.insert((path.to_owned(), None), (1, lines));
        }
        for (name, line, lines) in long_functions(path, text) {
            let entry = too_long.entry((path.to_owned(), Some(name))).or_insert((line, lines));
            if entry.1 < lines {
                *entry = (line, lines);
            }
        }
    }
    for (subject, (line, lines)) in &too_long {
        let allowed = exceptions.get(subject).map(|exception| exception.lines_allowed);
        if allowed.is_none_or(|allowed| *lines > allowed) {
            found.push(complain(subject, *line, *lines, allowed));
        }
    }
    for (subject, exception) in &exceptions {
        let text = match too_long.get(subject) {
            Some((_, lines)) if *lines >= exception.lines_allowed => continue,
            Some((_, lines)) => format!("this exception may shrink to {lines}"),
            None => "this exception is no longer needed: delete it".to_owned(),
        };
        found.push(Complaint::at(EXCEPTIONS, exception.line, text));
    }
    found
}

fn complain(subject: &Subject, line: usize, lines: usize, allowed: Option<usize>) -> Complaint {
    let (path, function) = subject;
    let (what, most) = match function {
        Some(name) => (format!("the function `{name}`"), FUNCTION_LINES_MAX),
        None => ("this file".to_owned(), FILE_LINES_MAX),
    };
    let most = match allowed {
        Some(allowed) => format!("its exception allows {allowed}"),
        None => format!("the limit is {most}"),
    };
    Complaint::at(path, line, format!("{what} has {lines} lines, and {most}: split it"))
}

/// Returns name, line and length of the functions that are too long and are no tests.
fn long_functions(path: &str, text: &str) -> Vec<(String, usize, usize)> {
    if path.contains("/tests/") || path.ends_with("/tests.rs") {
        return Vec::new();
    }
    let code = blank(text);
    let tests = test_modules(&code);
    let mut found = Vec::new();
    for function in functions(&code) {
        let lines = line_of(&code[function.range.clone()], function.range.len());
        let in_tests = tests.iter().any(|module| module.contains(&function.range.start));
        if lines > FUNCTION_LINES_MAX && !in_tests {
            found.push((function.name, line_of(&code, function.range.start), lines));
        }
    }
    found
}

fn read_exceptions(text: &str) -> (BTreeMap<Subject, Exception>, Vec<Complaint>) {
    let (mut exceptions, mut found) = (BTreeMap::new(), Vec::new());
    for (index, line) in text.lines().enumerate() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (subject, lines) = match words.as_slice() {
            [] => continue,
            [first, ..] if first.starts_with('#') => continue,
            ["file", path, lines] => (((*path).to_owned(), None), *lines),
            ["function", path, name, lines] => {
                (((*path).to_owned(), Some((*name).to_owned())), *lines)
            }
            _ => {
                let text = "write `file PATH LINES` or `function PATH NAME LINES`";
                found.push(Complaint::at(EXCEPTIONS, index + 1, text));
                continue;
            }
        };
        match lines.parse() {
            Ok(lines_allowed) => {
                exceptions.insert(subject, Exception { line: index + 1, lines_allowed });
            }
            Err(_) => found.push(Complaint::at(EXCEPTIONS, index + 1, "LINES must be a number")),
        }
    }
    (exceptions, found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::testing::expect;

    fn function(name: &str, lines: usize) -> String {
        format!("fn {name}() {{\n{}}}\n", "    x();\n".repeat(lines - 2))
    }

    #[test]
    fn lengths_at_the_limit_pass() {
        let file = "x();\n".repeat(600);
        expect(check, &[("a.rs", &file), ("b.rs", &function("f", 70))], &[]);
    }

    #[test]
    fn longer_ones_are_named() {
        let file = "x();\n".repeat(601);
        let text = format!("// one\n{}", function("f", 71));
        expect(
            check,
            &[("a.rs", &file), ("b.rs", &text)],
            &[
                "a.rs:1: this file has 601 lines, and the limit is 600: split it",
                "b.rs:2: the function `f` has 71 lines, and the limit is 70: split it",
            ],
        );
    }

    #[test]
    fn tests_may_have_long_functions() {
        let long = function("f", 90);
        let module = format!("#[cfg(test)]\nmod tests {{\n{long}}}\n");
        let files = [("crates/a/tests/it/main.rs", &*long), ("a/src/b/tests.rs", &*long)];
        expect(check, &files, &[]);
        expect(check, &[("a.rs", &module)], &[]);
    }

    #[test]
    fn exceptions_must_be_needed_and_tight() {
        let text = function("f", 80);
        let with = |list: &str, want: &[&str]| {
            expect(check, &[("b.rs", &text), (EXCEPTIONS, list)], want);
        };
        with("# why\nfunction b.rs f 80\n", &[]);
        with(
            "function b.rs f 75\n",
            &["b.rs:1: the function `f` has 80 lines, and its exception allows 75: split it"],
        );
        with(
            "function b.rs f 81\nfile b.rs 700\n",
            &[
                "xtask/tidy-exceptions.txt:1: this exception may shrink to 80",
                "xtask/tidy-exceptions.txt:2: this exception is no longer needed: delete it",
            ],
        );
        with(
            "function b.rs f many\nfile\nfunction b.rs f 80\n",
            &[
                "xtask/tidy-exceptions.txt:1: LINES must be a number",
                "xtask/tidy-exceptions.txt:2: write `file PATH LINES` or `function PATH NAME LINES`",
            ],
        );
    }
}
