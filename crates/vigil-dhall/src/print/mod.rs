//! Expressions as text, in the standard style.
//!
//! What is printed parses back to the very same tree. With a source text at hand, comments and
//! the spelling of numbers are kept; formatting what has been formatted changes nothing.

mod atoms;
mod doc;
mod expression;
mod groups;
mod text;

use std::fmt;

use crate::expr::Expr;
use crate::label::Label;
use crate::limits::Limits;
use crate::parser::{Comment, ParseError, Parsed, parse};
use doc::{layout, layout_beginning};
use expression::Printer;

/// Which signs operators have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum CharacterSet {
    /// `λ`, `∀`, `→`, `∧` …
    #[default]
    Unicode,
    /// `\`, `forall`, `->`, `/\` …
    Ascii,
}

/// How text should look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Which signs operators have.
    pub characters: CharacterSet,
    /// The number of columns that lines should stay within.
    pub width: usize,
}

impl Default for Style {
    fn default() -> Self {
        Self { characters: CharacterSet::Unicode, width: 80 }
    }
}

impl Style {
    /// The default style with the signs that a text has: Unicode if it has any Unicode operator.
    #[must_use]
    pub fn of(source: &str) -> Self {
        let unicode = source.contains(['λ', '∀', '→', '∧', '⫽', '⩓', '≡']);
        let characters = if unicode { CharacterSet::Unicode } else { CharacterSet::Ascii };
        Self { characters, ..Self::default() }
    }

    /// One line, however long, unless a text needs several.
    #[must_use]
    pub fn one_line() -> Self {
        Self { width: usize::MAX / 2, ..Self::default() }
    }
}

/// Writes an expression.
#[must_use]
pub fn print(expr: &Expr, style: Style) -> String {
    layout(Printer::new(style, None, &[]).file(expr), style.width)
}

/// Writes the beginning of an expression on one line, as far as so many characters, and without a look
/// at the rest.
pub(crate) fn print_beginning(expr: &Expr, characters: usize) -> String {
    layout_beginning(Printer::new(Style::one_line(), None, &[]).file(expr), characters)
}

/// Writes a label as a variable of that name is written: quoted where it must be.
#[must_use]
pub fn format_label(label: &Label) -> String {
    atoms::label(label, atoms::Place::Variable)
}

/// Formats a text in the standard style, keeping its comments.
///
/// Operators stay Unicode if the text has any Unicode operator, and ASCII otherwise.
///
/// # Errors
/// Returns where and why the text is not an expression.
pub fn format(source: &str, limits: &Limits) -> Result<String, ParseError> {
    let parsed = parse(source, limits)?;
    Ok(print_parsed(source, &parsed, Style::of(source)))
}

/// Writes what was parsed from `source`, with its comments, in a style.
///
/// The tree may have been rewritten since; its spans must still be those of `source`.
#[must_use]
pub fn print_parsed(source: &str, parsed: &Parsed, style: Style) -> String {
    let comments: &[Comment] = &parsed.comments;
    let mut out =
        layout(Printer::new(style, Some(source), comments).file(&parsed.expr), style.width);
    out.push('\n');
    out
}

impl fmt::Display for Expr {
    /// Writes the expression in the standard style; `{:#}` keeps to one line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let style = if f.alternate() { Style::one_line() } else { Style::default() };
        f.write_str(&print(self, style))
    }
}

#[cfg(test)]
mod tests;
