//! White space and comments.

use super::{Comment, Fail, Parse, ParseError, Parser};
use crate::expr::Span;

/// Returns whether the standard allows this character in comments and literals
/// (`valid-non-ascii` and the printable part of ASCII).
pub(super) fn is_text_char(c: char) -> bool {
    match c {
        ' '..='\x7F' => true,
        _ if c.is_ascii() => false,
        // The two last code points of every plane are no characters.
        _ => (c as u32) & 0xFFFE != 0xFFFE,
    }
}

impl Parser<'_> {
    /// Skips `whsp` and returns whether there was any.
    pub(super) fn space(&mut self) -> Parse<bool> {
        let start = self.position;
        loop {
            match self.peek() {
                Some(b' ' | b'\t' | b'\n') => self.position += 1,
                Some(b'\r') if self.peek_at(1) == Some(b'\n') => self.position += 2,
                Some(b'-') if self.peek_at(1) == Some(b'-') => {
                    // Only the very last line may lack its end: the caller takes that one.
                    if !self.line_comment(true)? {
                        break;
                    }
                }
                Some(b'{') if self.peek_at(1) == Some(b'-') => self.block_comment()?,
                _ => break,
            }
        }
        Ok(self.position > start)
    }

    /// Skips `whsp1`.
    pub(super) fn space1(&mut self) -> Parse<()> {
        if self.space()? { Ok(()) } else { self.fail("a space") }
    }

    /// Takes a line comment; if `closed`, only one that has an end of line.
    pub(super) fn line_comment(&mut self, closed: bool) -> Parse<bool> {
        let start = self.position;
        let rest = self.rest();
        let length = rest
            .char_indices()
            .find(|&(_, c)| c != '\t' && !is_text_char(c))
            .map_or(rest.len(), |(at, _)| at);
        self.position += length;
        let span = self.span_from(start);
        if closed && !self.end_of_line() {
            if self.position < self.source.len() {
                return self.fail("a printable character");
            }
            self.position = start;
            return Ok(false);
        }
        self.remember_comment(span, true);
        Ok(true)
    }

    pub(super) fn end_of_line(&mut self) -> bool {
        self.eat("\n") || self.eat("\r\n")
    }

    fn block_comment(&mut self) -> Parse<()> {
        let start = self.position;
        let mut open = 0_usize;
        loop {
            if self.eat("{-") {
                open += 1;
            } else if self.eat("-}") {
                open -= 1;
                if open == 0 {
                    break;
                }
            } else {
                match self.rest().chars().next() {
                    Some(c) if c == '\t' || is_text_char(c) => self.position += c.len_utf8(),
                    Some(_) if self.end_of_line() => {}
                    Some(_) => return self.fail("a printable character"),
                    None => {
                        return Err(Fail::Hard(Box::new(ParseError::Unclosed {
                            offset: start,
                            what: "comment",
                            close: "-}",
                        })));
                    }
                }
            }
        }
        let span = self.span_from(start);
        self.remember_comment(span, false);
        Ok(())
    }

    /// Notes a comment once, however often an alternative passes it.
    fn remember_comment(&mut self, span: Span, line: bool) {
        if self.comments.last().is_none_or(|last| last.span.start < span.start) {
            self.comments.push(Comment { span, line });
        }
    }
}
