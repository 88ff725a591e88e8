//! Names, imports and other words.

use std::fmt::Write;

use crate::builtin::{KEYWORDS, is_reserved};
use crate::import::{ImportPath, ImportTarget};
use crate::label::Label;

/// Where a name stands, which decides what must be quoted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// A variable: built-in names mean something else.
    Variable,
    /// A selected field: keywords mean something else.
    Selector,
    /// A field that is being named: as before, but `Some` is fine.
    Field,
}

pub(super) fn label(label: &Label, place: Place) -> String {
    let text = label.as_str();
    let mut chars = text.bytes();
    let simple = chars.next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_')
        && chars.all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'/' | b'_'));
    let taken = match place {
        Place::Variable => KEYWORDS.contains(&text) || is_reserved(text),
        Place::Selector => KEYWORDS.contains(&text),
        Place::Field => KEYWORDS.contains(&text) && text != "Some",
    };
    if simple && !taken { text.to_owned() } else { format!("`{text}`") }
}

fn path(out: &mut String, path: &ImportPath) {
    for component in path.components() {
        out.push('/');
        if !component.is_empty() && component.bytes().all(crate::parser::is_path_char) {
            out.push_str(component);
        } else {
            out.push('"');
            out.push_str(component);
            out.push('"');
        }
    }
}

/// Writes where an import leads, without headers, hash and mode.
pub(super) fn target(target: &ImportTarget) -> String {
    match target {
        ImportTarget::Local(anchor, inner) => {
            let mut out = anchor.prefix().to_owned();
            path(&mut out, inner);
            out
        }
        ImportTarget::Environment(name) => {
            let mut bytes = name.bytes();
            let plain = bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
                && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_');
            if plain {
                return format!("env:{name}");
            }
            let mut out = String::from("env:\"");
            for c in name.chars() {
                match c {
                    '"' | '\\' => {
                        out.push('\\');
                        out.push(c);
                    }
                    '\u{7}' => out.push_str("\\a"),
                    '\u{8}' => out.push_str("\\b"),
                    '\u{C}' => out.push_str("\\f"),
                    '\n' => out.push_str("\\n"),
                    '\r' => out.push_str("\\r"),
                    '\t' => out.push_str("\\t"),
                    '\u{B}' => out.push_str("\\v"),
                    _ => out.push(c),
                }
            }
            out.push('"');
            out
        }
        ImportTarget::Remote(_) | ImportTarget::Missing => target.location(),
    }
}

/// Writes bytes as a literal.
pub(super) fn bytes(bytes: &[u8]) -> String {
    let mut out = String::from("0x\"");
    for byte in bytes {
        // Writing into a string cannot fail.
        let _ = write!(out, "{byte:02x}");
    }
    out.push('"');
    out
}
