//! From text to [`Expr`], after `standard/dhall.abnf`.
//!
//! There is no lexer: the grammar is read character by character, first alternative first.
//! Alternatives that share a beginning are parsed once and told apart afterwards, so that the
//! time is linear in the input. Recursion is bounded by [`Limits::depth`].
//!
//! What was expected is noted at the furthest place that any alternative reached; that is what
//! an error reports.

mod expression;
mod import;
mod literal;
mod primitive;
mod space;
mod temporal;
mod text;
mod word;

pub(crate) use import::is_path_char;

use std::collections::HashSet;

use crate::builtin::KEYWORDS;
use crate::expr::{Expr, Span};
use crate::label::Label;
use crate::limits::Limits;

/// A comment, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comment {
    /// The comment with its delimiters, without a line comment's end of line.
    pub span: Span,
    /// Whether it begins with `--` (or `#!`) and thus ends with its line.
    pub line: bool,
}

/// A text that parsed: the tree and the comments around it.
#[derive(Clone, Debug)]
pub struct Parsed {
    /// The tree.
    pub expr: Expr,
    /// The comments, first to last.
    pub comments: Vec<Comment>,
}

/// Why a text is not an expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseError {
    /// The text does not follow the grammar.
    #[error("{found}; expected {expected}")]
    Unexpected {
        /// The byte where no alternative could go on.
        offset: usize,
        /// What stands there.
        found: String,
        /// What could have stood there.
        expected: String,
    },
    /// The text has the form of a literal that does not exist.
    #[error("{what}")]
    Invalid {
        /// The byte where the literal starts.
        offset: usize,
        /// What is wrong with it.
        what: &'static str,
    },
    /// A text or a comment does not end.
    #[error("this {what} has no end; close it with `{close}`")]
    Unclosed {
        /// The byte where it starts.
        offset: usize,
        /// What it is.
        what: &'static str,
        /// What would end it.
        close: &'static str,
    },
    /// The expression nests deeper than the limit.
    #[error("nested deeper than {limit} levels; raise the depth limit if this is meant")]
    TooDeep {
        /// The byte that opens one level too many.
        offset: usize,
        /// The limit.
        limit: usize,
    },
    /// The text is longer than positions can count.
    #[error("longer than 4 GiB; split the file")]
    TooLong,
    /// The bytes are not UTF-8.
    #[error("not UTF-8 text")]
    NotUtf8 {
        /// The first byte that is not.
        offset: usize,
    },
}

impl ParseError {
    /// Returns the byte that the error is about.
    #[must_use]
    pub fn offset(&self) -> usize {
        match self {
            Self::Unexpected { offset, .. }
            | Self::Invalid { offset, .. }
            | Self::Unclosed { offset, .. }
            | Self::TooDeep { offset, .. }
            | Self::NotUtf8 { offset } => *offset,
            Self::TooLong => 0,
        }
    }
}

/// Parses a file's bytes.
///
/// # Errors
/// Returns where and why the bytes are not an expression.
pub fn parse_bytes(bytes: &[u8], limits: &Limits) -> Result<Parsed, ParseError> {
    match std::str::from_utf8(bytes) {
        Ok(source) => parse(source, limits),
        Err(error) => Err(ParseError::NotUtf8 { offset: error.valid_up_to() }),
    }
}

/// Parses a text: the rule `complete-dhall-file` of `standard/dhall.abnf`.
///
/// # Errors
/// Returns where and why the text is not an expression.
pub fn parse(source: &str, limits: &Limits) -> Result<Parsed, ParseError> {
    if u32::try_from(source.len()).is_err() {
        return Err(ParseError::TooLong);
    }
    let mut parser = Parser::new(source, limits);
    match parser.file() {
        Ok(expr) => Ok(Parsed { expr, comments: parser.comments }),
        Err(Fail::Hard(error)) => Err(*error),
        Err(Fail::NoMatch) => Err(parser.unexpected()),
    }
}

/// Why an alternative ended.
pub(crate) enum Fail {
    /// Another one may match.
    NoMatch,
    /// The whole text is refused.
    Hard(Box<ParseError>),
}

pub(crate) type Parse<T> = Result<T, Fail>;

pub(crate) struct Parser<'s> {
    source: &'s str,
    position: usize,
    depth: usize,
    depth_max: usize,
    furthest: usize,
    expected: Vec<&'static str>,
    labels: HashSet<Label>,
    comments: Vec<Comment>,
}

impl<'s> Parser<'s> {
    fn new(source: &'s str, limits: &Limits) -> Self {
        Self {
            source,
            position: 0,
            depth: 0,
            depth_max: limits.depth,
            furthest: 0,
            expected: Vec::new(),
            labels: HashSet::new(),
            comments: Vec::new(),
        }
    }

    fn file(&mut self) -> Parse<Expr> {
        while self.looking_at("#!") {
            self.line_comment(true)?;
        }
        self.space()?;
        if self.looking_at("--") {
            // A last line without an end, and nothing before it.
            self.position = self.source.len();
            return self.fail("an expression");
        }
        let expr = self.expression()?;
        self.space()?;
        if self.looking_at("--") {
            self.line_comment(false)?;
        }
        if self.position < self.source.len() {
            return self.fail("the end of the text");
        }
        Ok(expr)
    }

    // ---- characters ----

    fn rest(&self) -> &'s str {
        &self.source[self.position..]
    }

    fn peek(&self) -> Option<u8> {
        self.source.as_bytes().get(self.position).copied()
    }

    fn peek_at(&self, ahead: usize) -> Option<u8> {
        self.source.as_bytes().get(self.position + ahead).copied()
    }

    fn looking_at(&self, text: &str) -> bool {
        self.source.as_bytes()[self.position..].starts_with(text.as_bytes())
    }

    fn eat(&mut self, text: &str) -> bool {
        let found = self.looking_at(text);
        if found {
            self.position += text.len();
        }
        found
    }

    fn expect(&mut self, text: &'static str) -> Parse<()> {
        if self.eat(text) { Ok(()) } else { self.fail(text) }
    }

    /// Takes bytes while they match; only for sets of ASCII characters.
    fn take_while(&mut self, matches: impl Fn(u8) -> bool) -> &'s str {
        let bytes = &self.source.as_bytes()[self.position..];
        let length = bytes.iter().position(|&byte| !matches(byte)).unwrap_or(bytes.len());
        let taken = &self.source[self.position..self.position + length];
        self.position += length;
        taken
    }

    fn span_from(&self, start: usize) -> Span {
        // Both fit: the length of the source was checked.
        Span { start: start as u32, end: self.position as u32 }
    }

    // ---- failures ----

    fn note(&mut self, expected: &'static str) {
        if self.position > self.furthest {
            self.furthest = self.position;
            self.expected.clear();
        }
        if self.position == self.furthest && !self.expected.contains(&expected) {
            self.expected.push(expected);
        }
    }

    fn fail<T>(&mut self, expected: &'static str) -> Parse<T> {
        self.note(expected);
        Err(Fail::NoMatch)
    }

    fn invalid<T>(&self, offset: usize, what: &'static str) -> Parse<T> {
        Err(Fail::Hard(Box::new(ParseError::Invalid { offset, what })))
    }

    fn unclosed<T>(&self, offset: usize, what: &'static str, close: &'static str) -> Parse<T> {
        Err(Fail::Hard(Box::new(ParseError::Unclosed { offset, what, close })))
    }

    fn too_deep<T>(&self) -> Parse<T> {
        let limit = self.depth_max;
        Err(Fail::Hard(Box::new(ParseError::TooDeep { offset: self.position, limit })))
    }

    fn unexpected(&mut self) -> ParseError {
        let mut offset = self.furthest;
        let is_end = self.source[offset..].trim_start().is_empty();
        if is_end {
            // Where something is missing, and not lines further down.
            offset = self.source[..offset].trim_end().len();
        }
        let found = match self.source[offset..].chars().next().filter(|_| !is_end) {
            None => "the text ends here".to_owned(),
            Some('\n' | '\r') => "unexpected end of line".to_owned(),
            Some(_) => {
                let word: String = self.source[offset..]
                    .chars()
                    .take_while(|c| c.is_alphanumeric() || *c == '_')
                    .take(20)
                    .collect();
                let first = self.source[offset..].chars().take(1).collect();
                format!("unexpected `{}`", if word.is_empty() { first } else { word })
            }
        };
        // The first few are those of the innermost rules and say most.
        self.expected.truncate(4);
        let named = |expected: &&str| match *expected {
            "a space" if is_end => "an expression".to_owned(),
            word if KEYWORDS.contains(&word) => format!("`{word}`"),
            sign if sign.chars().all(|c| c.is_ascii_punctuation() && c != '`') => {
                format!("`{sign}`")
            }
            description => description.to_owned(),
        };
        let expected: Vec<String> = self.expected.iter().map(named).collect();
        let expected = match expected.split_last() {
            None => "an expression".to_owned(),
            Some((last, [])) => last.clone(),
            Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
        };
        ParseError::Unexpected { offset, found, expected }
    }
}

#[cfg(test)]
mod tests;
