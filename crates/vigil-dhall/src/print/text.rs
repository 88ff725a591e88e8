//! Text literals.

use super::doc::Doc;
use super::expression::{Printer, level};
use crate::expr::Expr;
use std::sync::Arc;

type Chunks = [(Arc<str>, Expr)];

/// Whether a text reads better, and back unchanged, as a multi-line literal.
fn is_multi_line(chunks: &Chunks, last: &str) -> bool {
    let texts = || chunks.iter().map(|(text, _)| &**text).chain([last]);
    let printable = |c: char| c == '\n' || c == '\t' || (!c.is_control() && c != '\u{7F}');
    let has_line = texts().any(|text| text.contains('\n'));
    let has_more = !chunks.is_empty() || texts().any(|text| text.contains(|c| c != '\n'));
    // A single quote would join the signs around it.
    let lonely_quote = texts().any(|text| text.contains("'${")) || last.ends_with('\'');
    has_line
        && has_more
        && !lonely_quote
        && texts().all(|text| text.chars().all(printable))
        && keeps_indent(chunks, last)
}

/// Whether no space would be taken for indentation that all lines share.
fn keeps_indent(chunks: &Chunks, last: &str) -> bool {
    if last.ends_with('\n') {
        return true;
    }
    // The lines' beginnings; an interpolation begins a line as well as a letter does.
    let mut whole = String::new();
    for (text, _) in chunks {
        whole.push_str(text);
        whole.push('$');
    }
    whole.push_str(last);
    let count = whole.split('\n').count();
    whole
        .split('\n')
        .enumerate()
        .any(|(at, line)| !line.starts_with([' ', '\t']) && (!line.is_empty() || at + 1 == count))
}

impl Printer<'_> {
    pub(super) fn text(&mut self, chunks: &Chunks, last: &str) -> Doc {
        if is_multi_line(chunks, last) {
            return self.multi_line(chunks, last);
        }
        let mut doc = Doc::text("\"");
        for (text, inner) in chunks {
            doc = doc.and(&escape(text)).then(self.interpolation(inner));
        }
        doc.and(&escape(last)).and("\"")
    }

    fn interpolation(&mut self, inner: &Expr) -> Doc {
        Doc::text("${").then(self.at(inner, level::EXPRESSION)).and("}")
    }

    fn multi_line(&mut self, chunks: &Chunks, last: &str) -> Doc {
        let mut doc = Doc::text("''").line();
        for (text, inner) in chunks {
            doc = lines(doc, text).then(self.interpolation(inner));
        }
        lines(doc, last).and("''").align()
    }
}

/// Adds a text with its line ends; each line stands at the indentation of the literal.
fn lines(mut doc: Doc, text: &str) -> Doc {
    let escaped = text.replace("''", "'''").replace("${", "''${");
    for (at, line) in escaped.split('\n').enumerate() {
        if at > 0 {
            doc = doc.line();
        }
        doc = doc.and(line);
    }
    doc
}

/// Returns the characters as a double-quoted literal has them.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '$' if chars.peek() == Some(&'{') => out.push_str("\\$"),
            '\u{8}' => out.push_str("\\b"),
            '\u{C}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\0'..='\u{1F}' => out.push_str(&format!("\\u{:04X}", c as u32)),
            _ => out.push(c),
        }
    }
    out
}
