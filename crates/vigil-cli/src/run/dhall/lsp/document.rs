//! An open file as the editor has it, and the two ways to count in it.
//!
//! The protocol counts lines and UTF-16 units in them, the language bytes from the start.

use std::path::Path;

use serde_json::{Value, json};
use vigil_dhall::{Root, Source, Span};

use super::super::place;

/// An open file.
pub(super) struct Document {
    root: Root,
    source: Source,
    version: Value,
}

impl Document {
    pub fn new(uri: &str, text: &str, version: &Value) -> Self {
        let path = path(uri);
        let root = path.as_deref().and_then(|path| place(Path::new(path)).ok());
        let root = root.map_or_else(Root::anonymous, Root::at);
        let source =
            Source { name: path.unwrap_or_else(|| uri.to_owned()).into(), text: "".into() };
        let mut document = Self { root, source, version: version.clone() };
        document.set(text);
        document
    }

    fn set(&mut self, text: &str) {
        self.source.text = text.into();
        self.root = self.root.clone().with_source(self.source.clone());
    }

    pub fn text(&self) -> &str {
        &self.source.text
    }

    pub fn source(&self) -> &Source {
        &self.source
    }

    pub fn root(&self) -> &Root {
        &self.root
    }

    pub fn version(&self) -> &Value {
        &self.version
    }

    /// Takes the changes of a notification, in their order.
    pub fn change(&mut self, changes: &Value, identifier: &Value) {
        for change in changes.as_array().into_iter().flatten() {
            let new = change["text"].as_str().unwrap_or_default();
            match change.get("range").filter(|range| !range.is_null()) {
                None => self.set(new),
                Some(range) => {
                    let start = self.offset(&range["start"]);
                    let end = self.offset(&range["end"]).max(start);
                    let mut text = self.text().to_owned();
                    text.replace_range(start..end, new);
                    self.set(&text);
                }
            }
        }
        self.version = identifier["version"].clone();
    }

    /// Returns the byte at a position; past the end of a line or of the text, that end.
    pub fn offset(&self, position: &Value) -> usize {
        let number = |name: &str| {
            usize::try_from(position[name].as_u64().unwrap_or(0)).unwrap_or(usize::MAX)
        };
        let text = self.text();
        let mut start = 0;
        for _ in 0..number("line") {
            match text[start..].find('\n') {
                Some(at) => start += at + 1,
                None => return text.len(),
            }
        }
        let line = text[start..].split('\n').next().unwrap_or_default();
        let line = line.strip_suffix('\r').unwrap_or(line);
        let mut units_left = number("character");
        for (at, character) in line.char_indices() {
            if units_left < character.len_utf16() {
                return start + at;
            }
            units_left -= character.len_utf16();
        }
        start + line.len()
    }

    fn position(&self, offset: u32) -> Value {
        let text = self.text();
        let mut offset = (offset as usize).min(text.len());
        while !text.is_char_boundary(offset) {
            offset -= 1;
        }
        let before = &text[..offset];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let line = before.bytes().filter(|byte| *byte == b'\n').count();
        let character: usize = before[line_start..].chars().map(char::len_utf16).sum();
        json!({ "line": line, "character": character })
    }

    pub fn range(&self, span: Span) -> Value {
        json!({ "start": self.position(span.start), "end": self.position(span.end) })
    }

    /// Returns the range of the whole text.
    pub fn whole(&self) -> Value {
        let end = u32::try_from(self.text().len()).unwrap_or(u32::MAX);
        self.range(Span { start: 0, end })
    }
}

/// Returns the path of a `file:` URI.
fn path(uri: &str) -> Option<String> {
    let rest = uri.strip_prefix("file://")?;
    // `file://host/path` names another machine, unless the host is this one.
    let rest = rest.strip_prefix("localhost").unwrap_or(rest);
    if !rest.starts_with('/') {
        return None;
    }
    let mut bytes = Vec::new();
    let mut left = rest.bytes();
    while let Some(byte) = left.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
        let (high, low) = (digit(left.next())?, digit(left.next())?);
        bytes.push(u8::try_from(high * 16 + low).ok()?);
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_utf16_and_offsets_bytes() {
        let document = Document::new("file:///a.dhall", "λ𝄞x\r\nyz", &json!(1));
        for (line, character, want) in [
            (0, 0, 0),
            (0, 1, 2),
            (0, 2, 2),
            (0, 3, 6),
            (0, 4, 7),
            (0, 9, 7),
            (1, 1, 10),
            (7, 0, 11),
        ] {
            let position = json!({ "line": line, "character": character });
            assert_eq!(document.offset(&position), want, "{position}");
        }
        let range = document.range(Span { start: 6, end: 10 });
        assert_eq!(
            range,
            json!({
                "start": { "line": 0, "character": 3 }, "end": { "line": 1, "character": 1 }
            })
        );
    }

    #[test]
    fn changes_apply_in_their_order() {
        let mut document = Document::new("file:///a.dhall", "one\ntwo", &json!(1));
        let at = |line: u32, from: u32, to: u32| {
            json!({
                "start": { "line": line, "character": from },
                "end": { "line": line, "character": to }
            })
        };
        let changes = json!([
            { "range": at(1, 0, 3), "text": "2" },
            { "range": at(1, 1, 1), "text": "\n3" },
            { "range": at(9, 9, 9), "text": "!" }
        ]);
        document.change(&changes, &json!({ "version": 7 }));
        assert_eq!((document.text(), document.version()), ("one\n2\n3!", &json!(7)));
    }

    #[test]
    fn uris_of_files_are_paths() {
        assert_eq!(path("file:///a%20b/%CE%BB.dhall").as_deref(), Some("/a b/λ.dhall"));
        for uri in ["untitled:1", "file://elsewhere/a", "file:///%f", "file:///%ff"] {
            assert_eq!(path(uri), None, "{uri}");
        }
    }
}
