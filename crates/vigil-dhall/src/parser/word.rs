//! Keywords and labels.

use super::{Parse, Parser};
use crate::builtin::{KEYWORDS, is_reserved};
use crate::label::Label;

pub(super) fn is_label_start(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_'
}

pub(super) fn is_label_char(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'/' | b'_')
}

impl<'s> Parser<'s> {
    /// Returns the bare word that stands here, without taking it.
    pub(super) fn peek_word(&self) -> &'s str {
        if !self.peek().is_some_and(is_label_start) {
            return "";
        }
        let rest = self.rest();
        let end = rest.bytes().position(|byte| !is_label_char(byte)).unwrap_or(rest.len());
        &rest[..end]
    }

    /// Takes a keyword, unless a longer word begins with it.
    pub(super) fn eat_keyword(&mut self, keyword: &str) -> bool {
        let found = self.peek_word() == keyword;
        if found {
            self.position += keyword.len();
        }
        found
    }

    pub(super) fn expect_keyword(&mut self, keyword: &'static str) -> Parse<()> {
        if self.eat_keyword(keyword) { Ok(()) } else { self.fail(keyword) }
    }

    pub(super) fn intern(&mut self, text: &str) -> Label {
        if let Some(label) = self.labels.get(text) {
            return label.clone();
        }
        let label = Label::new(text);
        self.labels.insert(label.clone());
        label
    }

    /// Takes `label`, which includes reserved names; keywords only if quoted, or if `also`.
    fn label_or(&mut self, also: Option<&str>) -> Parse<Label> {
        if self.peek() == Some(b'`') {
            return self.quoted_label();
        }
        let word = self.peek_word();
        if word.is_empty() || (KEYWORDS.contains(&word) && Some(word) != also) {
            return self.fail("a name");
        }
        self.position += word.len();
        Ok(self.intern(word))
    }

    fn quoted_label(&mut self) -> Parse<Label> {
        self.position += 1;
        let text = self.take_while(|byte| matches!(byte, 0x20..=0x5F | 0x61..=0x7E));
        self.expect("`")?;
        Ok(self.intern(text))
    }

    pub(super) fn any_label(&mut self) -> Parse<Label> {
        self.label_or(None)
    }

    pub(super) fn any_label_or_some(&mut self) -> Parse<Label> {
        self.label_or(Some("Some"))
    }

    /// Takes the name that a binder introduces: no reserved one, unless quoted.
    pub(super) fn bound_label(&mut self) -> Parse<Label> {
        if is_reserved(self.peek_word()) {
            return self.fail("a name that is not built in");
        }
        self.any_label()
    }
}
