//! SPDX licence expressions: `AND`, `OR`, `WITH`, parentheses, and cargo's old `A/B` for `A OR B`.
//!
//! It knows no licence by name.
//!
//! Invariant: nesting is bounded, so no expression can exhaust the stack.

use std::fmt;

/// Real expressions nest twice at most.
const DEPTH_MAX: usize = 32;

/// One licence, perhaps with an exception.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Term {
    licence: String,
    exception: Option<String>,
}

impl fmt::Display for Term {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.exception {
            Some(exception) => write!(out, "{} WITH {exception}", self.licence),
            None => out.write_str(&self.licence),
        }
    }
}

/// A licence expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expression {
    /// One licence.
    One(Term),
    /// All of these apply.
    All(Vec<Expression>),
    /// The user picks one of these.
    Any(Vec<Expression>),
}

impl Expression {
    /// Whether the terms that are allowed suffice.
    pub fn holds(&self, allowed: &dyn Fn(&Term) -> bool) -> bool {
        match self {
            Expression::One(term) => allowed(term),
            Expression::All(parts) => parts.iter().all(|part| part.holds(allowed)),
            Expression::Any(parts) => parts.iter().any(|part| part.holds(allowed)),
        }
    }
}

/// Why an expression cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpdxError {
    /// Something is missing at the end.
    #[error("it ends too early")]
    Ends,
    /// A word stands where it cannot.
    #[error("`{0}` is out of place")]
    OutOfPlace(String),
    /// Parentheses nest too deep.
    #[error("it nests deeper than {DEPTH_MAX}")]
    TooDeep,
}

/// Reads an expression.
pub fn parse(text: &str) -> Result<Expression, SpdxError> {
    let words = split(text);
    let mut parser = Parser { words: &words, depth: 0 };
    let expression = parser.any()?;
    match parser.words.first() {
        Some(word) => Err(SpdxError::OutOfPlace((*word).to_owned())),
        None => Ok(expression),
    }
}

fn split(text: &str) -> Vec<&str> {
    let mut words = Vec::new();
    for part in text.split_whitespace() {
        let mut rest = part;
        while let Some(at) = rest.find(['(', ')', '/']) {
            if at > 0 {
                words.push(&rest[..at]);
            }
            words.push(if &rest[at..=at] == "/" { "OR" } else { &rest[at..=at] });
            rest = &rest[at + 1..];
        }
        if !rest.is_empty() {
            words.push(rest);
        }
    }
    words
}

struct Parser<'a> {
    words: &'a [&'a str],
    depth: usize,
}

impl<'a> Parser<'a> {
    fn take(&mut self, word: &str) -> bool {
        let found = self.words.first() == Some(&word);
        if found {
            self.words = &self.words[1..];
        }
        found
    }

    fn next(&mut self) -> Result<&'a str, SpdxError> {
        let (first, rest) = self.words.split_first().ok_or(SpdxError::Ends)?;
        self.words = rest;
        Ok(first)
    }

    fn any(&mut self) -> Result<Expression, SpdxError> {
        let mut parts = vec![self.all()?];
        while self.take("OR") {
            parts.push(self.all()?);
        }
        Ok(single_or(parts, Expression::Any))
    }

    fn all(&mut self) -> Result<Expression, SpdxError> {
        let mut parts = vec![self.unit()?];
        while self.take("AND") {
            parts.push(self.unit()?);
        }
        Ok(single_or(parts, Expression::All))
    }

    fn unit(&mut self) -> Result<Expression, SpdxError> {
        if self.take("(") {
            self.depth += 1;
            if self.depth > DEPTH_MAX {
                return Err(SpdxError::TooDeep);
            }
            let inner = self.any()?;
            self.depth -= 1;
            return match self.next()? {
                ")" => Ok(inner),
                word => Err(SpdxError::OutOfPlace(word.to_owned())),
            };
        }
        let licence = self.name()?;
        let exception = if self.take("WITH") { Some(self.name()?) } else { None };
        Ok(Expression::One(Term { licence, exception }))
    }

    fn name(&mut self) -> Result<String, SpdxError> {
        match self.next()? {
            word @ ("AND" | "OR" | "WITH" | "(" | ")") => {
                Err(SpdxError::OutOfPlace(word.to_owned()))
            }
            word => Ok(word.to_owned()),
        }
    }
}

fn single_or(mut parts: Vec<Expression>, join: fn(Vec<Expression>) -> Expression) -> Expression {
    match (parts.len(), parts.pop()) {
        (1, Some(only)) => only,
        (_, last) => {
            parts.extend(last);
            join(parts)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, allowed: &[&str], want: bool) {
        let holds = parse(text).unwrap().holds(&|term| allowed.contains(&&*term.to_string()));
        assert_eq!(holds, want, "{text}");
    }

    #[test]
    fn operators_bind_as_spdx_says() {
        check("MIT", &["MIT"], true);
        check("MIT OR GPL", &["MIT"], true);
        check("MIT AND GPL", &["MIT"], false);
        check("GPL OR MIT AND BSD", &["GPL"], true);
        check("(GPL OR MIT) AND BSD", &["GPL"], false);
        check("Apache WITH LLVM", &["Apache"], false);
        check("Apache WITH LLVM", &["Apache WITH LLVM"], true);
        check("MIT/Apache", &["Apache"], true);
    }

    #[test]
    fn broken_expressions_are_refused() {
        assert_eq!(parse(""), Err(SpdxError::Ends));
        assert_eq!(parse("MIT AND"), Err(SpdxError::Ends));
        assert_eq!(parse("(MIT"), Err(SpdxError::Ends));
        assert_eq!(parse("MIT Apache"), Err(SpdxError::OutOfPlace("Apache".to_owned())));
        assert_eq!(parse("OR MIT"), Err(SpdxError::OutOfPlace("OR".to_owned())));
        assert_eq!(parse("MIT WITH )"), Err(SpdxError::OutOfPlace(")".to_owned())));
        assert_eq!(parse(&"(".repeat(100_000)), Err(SpdxError::TooDeep));
    }
}
