//! Text literals, and how indentation leaves a multi-line one (`standard/multiline.md`).

use std::sync::Arc;

use super::space::is_text_char;
use super::{Parse, Parser};
use crate::expr::{Expr, ExprKind};

/// A piece of a line of a multi-line literal.
enum Piece {
    Text(String),
    Interpolation(Expr),
}

impl Parser<'_> {
    /// `${ e }`, of which `${` has been seen.
    fn interpolation(&mut self) -> Parse<Expr> {
        self.position += "${".len();
        self.space()?;
        let expr = self.expression()?;
        self.space()?;
        self.expect("}")?;
        Ok(expr)
    }

    pub(super) fn double_quoted(&mut self) -> Parse<Expr> {
        let start = self.position;
        self.position += 1;
        let mut chunks = Vec::new();
        let mut text = String::new();
        loop {
            match self.rest().chars().next() {
                Some('"') => break,
                Some('\\') => {
                    self.position += 1;
                    text.push(self.escape()?);
                }
                Some('$') if self.looking_at("${") => {
                    let inner = self.interpolation()?;
                    chunks.push((Arc::from(std::mem::take(&mut text)), inner));
                }
                Some(c) if is_text_char(c) => {
                    text.push(c);
                    self.position += c.len_utf8();
                }
                Some(_) => return self.fail("a closing `\"` before the end of the line"),
                None => return self.unclosed(start, "text", "\""),
            }
        }
        self.position += 1;
        let kind = ExprKind::Text(chunks, Self::shared(&text));
        Ok(Expr::at(self.span_from(start), kind))
    }

    fn escape(&mut self) -> Parse<char> {
        let meaning = match self.peek() {
            Some(plain @ (b'"' | b'$' | b'\\' | b'/')) => char::from(plain),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{C}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                self.position += 1;
                return self.unicode_escape();
            }
            _ => return self.fail("an escape: one of \\\" \\$ \\\\ \\/ \\b \\f \\n \\r \\t \\u"),
        };
        self.position += 1;
        Ok(meaning)
    }

    fn unicode_escape(&mut self) -> Parse<char> {
        let start = self.position;
        let digits = if self.eat("{") {
            let digits = self.take_while(|byte| byte.is_ascii_hexdigit());
            self.expect("}")?;
            digits
        } else {
            let rest = self.source.as_bytes();
            let end = self.position + 4;
            if rest.get(start..end).is_none_or(|four| !four.iter().all(u8::is_ascii_hexdigit)) {
                return self.fail("four hexadecimal digits");
            }
            self.position = end;
            &self.source[start..end]
        };
        let significant = digits.trim_start_matches('0');
        let code = if digits.is_empty() || significant.len() > 6 {
            None
        } else {
            u32::from_str_radix(digits, 16)
                .ok()
                .or_else(|| u32::from_str_radix(significant, 16).ok())
        };
        match code.filter(|code| code & 0xFFFE != 0xFFFE).and_then(char::from_u32) {
            Some(c) => Ok(c),
            None => self.invalid(start, "there is no character with this number"),
        }
    }

    pub(super) fn multi_line(&mut self) -> Parse<Expr> {
        let start = self.position;
        self.position += 2;
        if !self.end_of_line() {
            return self.fail("a new line after `''`");
        }
        let mut lines: Vec<Vec<Piece>> = Vec::new();
        let mut line = Vec::new();
        let mut text = String::new();
        loop {
            if self.looking_at("${") {
                let inner = self.interpolation()?;
                line.push(Piece::Text(std::mem::take(&mut text)));
                line.push(Piece::Interpolation(inner));
            } else if self.eat("'''") {
                text.push_str("''");
            } else if self.eat("''${") {
                text.push_str("${");
            } else if self.eat("''") {
                break;
            } else if self.end_of_line() {
                line.push(Piece::Text(std::mem::take(&mut text)));
                lines.push(std::mem::take(&mut line));
            } else {
                match self.rest().chars().next() {
                    Some(c) if c == '\t' || is_text_char(c) => {
                        text.push(c);
                        self.position += c.len_utf8();
                    }
                    Some(_) => return self.fail("a printable character"),
                    None => return self.unclosed(start, "text", "''"),
                }
            }
        }
        line.push(Piece::Text(text));
        lines.push(line);
        let span = self.span_from(start);
        Ok(Expr::at(span, flatten(lines)))
    }
}

/// The spaces and tabs before the first other thing of a line.
fn leading(line: &[Piece]) -> &str {
    match line.first() {
        Some(Piece::Text(text)) => {
            let end = text.find(|c| c != ' ' && c != '\t').unwrap_or(text.len());
            &text[..end]
        }
        _ => "",
    }
}

/// Returns the length of the indentation that all lines share; empty lines but the last one do
/// not count.
fn shared_indent(lines: &[Vec<Piece>]) -> usize {
    let last = lines.len() - 1;
    let counts = |at: usize, line: &[Piece]| {
        at == last || !matches!(line, [Piece::Text(text)] if text.is_empty())
    };
    let mut prefixes = lines
        .iter()
        .enumerate()
        .filter(|(at, line)| counts(*at, line))
        .map(|(_, line)| leading(line));
    let first = prefixes.next().unwrap_or("");
    prefixes.fold(first.len(), |length, prefix| {
        let same = first.bytes().zip(prefix.bytes()).take_while(|(a, b)| a == b).count();
        length.min(same)
    })
}

fn flatten(lines: Vec<Vec<Piece>>) -> ExprKind {
    let indent = shared_indent(&lines);
    let mut chunks = Vec::new();
    let mut text = String::new();
    for (at, line) in lines.into_iter().enumerate() {
        if at > 0 {
            text.push('\n');
        }
        for (place, piece) in line.into_iter().enumerate() {
            match piece {
                Piece::Text(piece) if place == 0 => {
                    text.push_str(piece.get(indent..).unwrap_or(""));
                }
                Piece::Text(piece) => text.push_str(&piece),
                Piece::Interpolation(inner) => {
                    chunks.push((Arc::from(std::mem::take(&mut text)), inner));
                }
            }
        }
    }
    ExprKind::Text(chunks, Arc::from(text))
}
