//! The rule `import`.

use std::sync::Arc;

use super::{Parse, Parser};
use crate::expr::{Expr, ExprKind};
use crate::import::{Anchor, Hash, Import, ImportMode, ImportPath, ImportTarget, Url};

/// `path-character`
pub(crate) fn is_path_char(byte: u8) -> bool {
    matches!(byte,
        b'!' | 0x24..=0x27 | 0x2A..=0x2B | 0x2D..=0x2E | 0x30..=0x3B | b'=' | 0x40..=0x5A
        | 0x5E..=0x7A | b'|' | b'~')
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

fn is_sub_delimiter(byte: u8) -> bool {
    matches!(byte, b'!' | b'$' | b'&' | b'\'' | b'*' | b'+' | b';' | b'=')
}

impl Parser<'_> {
    pub(super) fn import(&mut self) -> Parse<Option<Expr>> {
        let start = self.position;
        let Some(target) = self.target()? else {
            self.position = start;
            return Ok(None);
        };
        let mut import = Import { target, mode: ImportMode::Code, hash: None };
        let mut end = self.span_from(start);
        let after = self.position;
        if self.space()? && self.eat("sha256:") {
            import.hash = Some(self.hash()?);
            end = self.span_from(start);
        } else {
            self.position = after;
        }
        let after = self.position;
        if self.space()? && self.eat_keyword("as") {
            self.space1()?;
            import.mode = match self.peek_word() {
                "Text" => ImportMode::Text,
                "Location" => ImportMode::Location,
                "Bytes" => ImportMode::Bytes,
                _ => return self.fail("`Text`, `Bytes` or `Location`"),
            };
            self.position += self.peek_word().len();
            end = self.span_from(start);
        } else {
            self.position = after;
        }
        Ok(Some(Expr::at(end, ExprKind::Import(import))))
    }

    fn hash(&mut self) -> Parse<Hash> {
        let digits = self.source.get(self.position..self.position + 64).unwrap_or("");
        match Hash::from_hex(digits) {
            Some(hash) => {
                self.position += 64;
                Ok(hash)
            }
            None => self.fail("64 hexadecimal digits"),
        }
    }

    fn target(&mut self) -> Parse<Option<ImportTarget>> {
        match self.peek() {
            Some(b'.') => {
                for (prefix, anchor) in [("../", Anchor::Parent), ("./", Anchor::Here)] {
                    if self.looking_at(prefix) {
                        self.position += prefix.len() - 1;
                        return self.local(anchor);
                    }
                }
                Ok(None)
            }
            Some(b'~') => {
                self.position += 1;
                self.local(Anchor::Home)
            }
            Some(b'/') => self.local(Anchor::Absolute),
            Some(b'm') if self.eat_keyword("missing") => Ok(Some(ImportTarget::Missing)),
            Some(b'e') if self.eat("env:") => self.environment(),
            Some(b'h') => {
                let secure = self.looking_at("https://");
                if self.eat("https://") || self.eat("http://") {
                    return self.url(secure).map(Some);
                }
                Ok(None)
            }
            _ => Ok(None),
        }
    }

    fn local(&mut self, anchor: Anchor) -> Parse<Option<ImportTarget>> {
        let mut components: Vec<Arc<str>> = Vec::new();
        loop {
            let before = self.position;
            let Some(component) = self.component()? else {
                self.position = before;
                break;
            };
            components.push(component);
        }
        let Some(file) = components.pop() else {
            return Ok(None);
        };
        Ok(Some(ImportTarget::Local(anchor, ImportPath { directory: components, file })))
    }

    fn component(&mut self) -> Parse<Option<Arc<str>>> {
        if !self.eat("/") {
            return Ok(None);
        }
        if !self.eat("\"") {
            let plain = self.take_while(is_path_char);
            return Ok((!plain.is_empty()).then(|| Self::shared(plain)));
        }
        let rest = self.rest();
        let length = rest
            .char_indices()
            .find(|&(_, c)| matches!(c, '"' | '/') || !super::space::is_text_char(c))
            .map_or(rest.len(), |(at, _)| at);
        if length == 0 {
            return self.fail("a file name");
        }
        self.position += length;
        self.expect("\"")?;
        Ok(Some(Self::shared(&rest[..length])))
    }

    fn environment(&mut self) -> Parse<Option<ImportTarget>> {
        if self.peek().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_') {
            let name = self.take_while(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
            return Ok(Some(ImportTarget::Environment(Self::shared(name))));
        }
        self.expect("\"")?;
        let mut name = String::new();
        loop {
            match self.peek() {
                Some(b'"') if !name.is_empty() => break,
                Some(b'\\') => {
                    self.position += 1;
                    name.push(match self.peek() {
                        Some(same @ (b'"' | b'\\')) => char::from(same),
                        Some(b'a') => '\u{7}',
                        Some(b'b') => '\u{8}',
                        Some(b'f') => '\u{C}',
                        Some(b'n') => '\n',
                        Some(b'r') => '\r',
                        Some(b't') => '\t',
                        Some(b'v') => '\u{B}',
                        _ => return self.fail("an escape"),
                    });
                }
                Some(byte @ (0x20..=0x21 | 0x23..=0x3C | 0x3E..=0x5B | 0x5D..=0x7E)) => {
                    name.push(char::from(byte));
                }
                _ => return self.fail("the name of an environment variable"),
            }
            self.position += 1;
        }
        self.position += 1;
        Ok(Some(ImportTarget::Environment(Self::shared(&name))))
    }

    fn url(&mut self, secure: bool) -> Parse<ImportTarget> {
        let authority = self.authority()?;
        let mut components: Vec<Arc<str>> = Vec::new();
        while self.eat("/") {
            let start = self.position;
            self.url_chars(|byte| matches!(byte, b':' | b'@'));
            components.push(Self::shared(&self.source[start..self.position]));
        }
        let file = components.pop().unwrap_or_else(|| Arc::from(""));
        let mut query = None;
        if self.peek() == Some(b'?') {
            self.position += 1;
            let start = self.position;
            self.url_chars(|byte| matches!(byte, b':' | b'@' | b'/' | b'?'));
            query = Some(Self::shared(&self.source[start..self.position]));
        }
        let after = self.position;
        let mut headers = None;
        if self.space()? && self.eat_keyword("using") {
            self.space1()?;
            headers = Some(self.import_expression()?);
        } else {
            self.position = after;
        }
        let path = ImportPath { directory: components, file };
        Ok(ImportTarget::Remote(Arc::new(Url { secure, authority, path, query, headers })))
    }

    /// Takes unreserved characters, percent-encoded ones, delimiters, and what `also` allows.
    fn url_chars(&mut self, also: impl Fn(u8) -> bool) {
        loop {
            self.take_while(|byte| is_unreserved(byte) || is_sub_delimiter(byte) || also(byte));
            let hex = |ahead| self.peek_at(ahead).is_some_and(|byte: u8| byte.is_ascii_hexdigit());
            if self.peek() == Some(b'%') && hex(1) && hex(2) {
                self.position += 3;
            } else {
                return;
            }
        }
    }

    fn authority(&mut self) -> Parse<Arc<str>> {
        let start = self.position;
        self.url_chars(|byte| byte == b':');
        if !self.eat("@") {
            self.position = start;
        }
        if self.peek() == Some(b'[') {
            let end = self.rest().find(']');
            let inner = end.map_or("", |end| &self.rest()[1..end]);
            if !is_ip_literal(inner) {
                return self.fail("an IPv6 address");
            }
            self.position += inner.len() + 2;
        } else {
            self.domain()?;
        }
        if self.eat(":") {
            self.take_while(|byte| byte.is_ascii_digit());
        }
        Ok(Self::shared(&self.source[start..self.position]))
    }

    /// `domain`, of which an IPv4 address is a case.
    fn domain(&mut self) -> Parse<()> {
        loop {
            let start = self.position;
            let label = self.take_while(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
            let end = label.trim_end_matches('-').len();
            if end == 0 || label.starts_with('-') {
                self.position = start;
                return self.fail("a host name");
            }
            self.position = start + end;
            if self.peek() != Some(b'.') {
                return Ok(());
            }
            self.position += 1;
            if !self.peek().is_some_and(|byte| byte.is_ascii_alphanumeric()) {
                return Ok(());
            }
        }
    }
}

fn is_ip_literal(text: &str) -> bool {
    if let Some((version, rest)) = text.strip_prefix(['v', 'V']).and_then(|t| t.split_once('.')) {
        return !version.is_empty()
            && version.bytes().all(|byte| byte.is_ascii_hexdigit())
            && !rest.is_empty()
            && rest.bytes().all(|b| is_unreserved(b) || is_sub_delimiter(b) || b == b':');
    }
    text.parse::<std::net::Ipv6Addr>().is_ok()
}
