//! Errors for people: what, where, expected against found, what next.
//!
//! A report has at most twelve lines of at most a hundred columns. Colour says nothing that the
//! words do not.

use crate::advice;
use crate::check::{TypeError, TypeErrorKind};
use crate::difference::{brief, difference, shorten};
use crate::expr::{Expr, Span};
use crate::label::Label;
use crate::parser::ParseError;
use crate::phase::CheckError;
use crate::resolve::{ImportError, ImportErrorKind, Source};

/// The most columns that a line has.
const COLUMNS: usize = 100;
/// The columns of an expression after its caption.
const EXPRESSION_COLUMNS: usize = COLUMNS - 16;
/// The most imports that a report names.
const CHAIN_MAX: usize = 3;

/// An error, ready to be shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    headline: String,
    place: Option<(Source, Span)>,
    notes: Vec<(&'static str, String)>,
    hint: Option<String>,
    chain: Vec<String>,
}

impl Report {
    /// Reports why `source` does not parse.
    #[must_use]
    pub fn parse(error: &ParseError, source: &Source) -> Self {
        // Positions were checked to fit when parsing began.
        let at = error.offset() as u32;
        let span = Span { start: at, end: at + 1 };
        let place = Some((source.clone(), span));
        let hint = advice::on_parse(error, &source.text);
        Self { headline: error.to_string(), place, hint, ..Self::default() }
    }

    /// Reports why `source` does not check.
    #[must_use]
    pub fn check(error: &CheckError, source: &Source) -> Self {
        match error {
            CheckError::Type(error) => Self::of_type(error, Some(source)),
            CheckError::Limit(error) => Self { headline: error.to_string(), ..Self::default() },
        }
    }

    /// Reports why an import could not be resolved.
    #[must_use]
    pub fn import(error: &ImportError) -> Self {
        let mut report = match &error.kind {
            ImportErrorKind::Parse(inner) => match &error.source_text {
                Some(source) => Self::parse(inner, source),
                None => Self { headline: inner.to_string(), ..Self::default() },
            },
            ImportErrorKind::Check(CheckError::Type(inner)) => {
                Self::of_type(inner, error.source_text.as_ref())
            }
            kind => {
                let mut report = Self { headline: kind.to_string(), ..Self::default() };
                if let ImportErrorKind::HashMismatch { expected, actual, .. } = kind {
                    report.notes.push(("expected", expected.to_string()));
                    report.notes.push(("found", actual.to_string()));
                    report.hint = Some("if the change is meant, freeze the import anew".to_owned());
                }
                if let ImportErrorKind::Absent { location, reason }
                | ImportErrorKind::Failed { location, reason } = kind
                {
                    report.headline = format!("could not import `{location}`");
                    report.notes.push(("because", reason.clone()));
                }
                if let ImportErrorKind::Headers { actual } = kind {
                    report.notes.push(("found", one_line(actual)));
                }
                report
            }
        };
        let mut frames = error.chain.as_slice();
        if report.place.is_none()
            && let Some((last, rest)) = frames.split_last()
        {
            report.place = last.source.clone().map(|source| (source, last.span));
            frames = rest;
        }
        let names = frames.iter().rev().map(|frame| match &frame.source {
            Some(source) => {
                let (line, column) = position(&source.text, frame.span.start);
                format!("{} in {}:{line}:{column}", frame.location, source.name)
            }
            None => frame.location.clone(),
        });
        report.chain = names.take(CHAIN_MAX).collect();
        let more = frames.len().saturating_sub(CHAIN_MAX);
        if more > 0 {
            report.chain.push(format!("{more} more"));
        }
        report
    }

    fn of_type(error: &TypeError, source: Option<&Source>) -> Self {
        let mut report = Self {
            headline: error.to_string(),
            place: source.map(|source| (source.clone(), error.span)),
            ..Self::default()
        };
        report.explain(&error.kind);
        if let Some(source) = source {
            report.look_around(error, &source.text);
        }
        report
    }

    fn compare(&mut self, expected: &Expr, actual: &Expr) {
        let (left, right) = match difference(expected, actual, EXPRESSION_COLUMNS) {
            Some(difference) => (difference.left, difference.right),
            None => (one_line(expected), one_line(actual)),
        };
        self.notes.push(("expected", left));
        self.notes.push(("found", right));
    }

    fn explain(&mut self, kind: &TypeErrorKind) {
        match kind {
            TypeErrorKind::Unbound { similar, .. } => self.suggest(similar.as_ref()),
            TypeErrorKind::Mismatch { expected, actual, .. }
            | TypeErrorKind::HandlerInput { expected, actual, .. }
            | TypeErrorKind::HandlerOutput { expected, actual, .. } => {
                self.compare(expected, actual);
                let role = match kind {
                    TypeErrorKind::Mismatch { role, .. } => role,
                    _ => "",
                };
                self.hint = advice::on_types(role, expected, actual);
            }
            TypeErrorKind::WrongForm { actual, .. }
            | TypeErrorKind::NotAType { actual, .. }
            | TypeErrorKind::NotAnEquivalence { actual } => {
                self.notes.push(("found", one_line(actual)));
            }
            TypeErrorKind::HandlerNotFunction { payload, actual, .. } => {
                self.notes.push(("payload", one_line(payload)));
                self.notes.push(("found", one_line(actual)));
            }
            TypeErrorKind::Missing { similar, available, .. } => {
                let names: Vec<&str> = available.iter().map(Label::as_str).collect();
                let names = if names.is_empty() { "nothing".into() } else { names.join(", ") };
                self.notes.push(("there is", shorten(&names, EXPRESSION_COLUMNS)));
                self.suggest(similar.as_ref());
            }
            TypeErrorKind::UnusedHandler { similar, .. } => self.suggest(similar.as_ref()),
            TypeErrorKind::AssertionFails { left, right } => {
                let (left, right) = match difference(left, right, EXPRESSION_COLUMNS) {
                    Some(difference) => (difference.left, difference.right),
                    None => (one_line(left), one_line(right)),
                };
                self.notes.push(("left", left));
                self.notes.push(("right", right));
            }
            TypeErrorKind::Collision { .. } => {
                self.hint = Some("use `⫽` to prefer the right side".to_owned());
            }
            TypeErrorKind::NotATerm { .. } => {
                self.hint =
                    Some("lists, options and equivalences hold terms, not types".to_owned());
            }
            TypeErrorKind::Untyped
            | TypeErrorKind::Duplicate { .. }
            | TypeErrorKind::DependentHandler { .. }
            | TypeErrorKind::NeedsAnnotation { .. } => {}
        }
    }

    /// Says what only the text around the error shows.
    fn look_around(&mut self, error: &TypeError, text: &str) {
        match &error.kind {
            TypeErrorKind::Unbound { name, similar: None, .. } => {
                self.hint = advice::on_unbound(name.as_str(), text, error.span);
            }
            TypeErrorKind::WrongForm { role, wanted, actual } => {
                if role.ends_with("`∧`") && is_field(text, error.span) {
                    self.headline =
                        "a field that occurs twice must be a record each time".to_owned();
                } else {
                    self.hint = advice::on_form(wanted, actual, text, error.span);
                }
            }
            _ => {}
        }
    }

    fn suggest(&mut self, similar: Option<&Label>) {
        self.hint = similar.map(|label| format!("did you mean `{label}`?"));
    }

    /// Returns where the error is, if it is in a text.
    #[must_use]
    pub fn place(&self) -> Option<(&Source, Span)> {
        self.place.as_ref().map(|(source, span)| (source, *span))
    }

    /// Returns the report without the excerpt of the text, for whoever shows that text anyway.
    #[must_use]
    pub fn message(&self) -> String {
        let mut lines = vec![self.headline.clone()];
        lines.extend(self.notes.iter().map(|(caption, text)| format!("{caption}: {text}")));
        lines.extend(self.chain.iter().map(|link| format!("import: {link}")));
        lines.extend(self.hint.iter().map(|hint| format!("hint: {hint}")));
        lines.join("\n")
    }

    /// Returns the lines of the report, with terminal colours if asked for.
    #[must_use]
    pub fn render(&self, colour: bool) -> String {
        let paint = |code: &str, text: &str| {
            if colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
        };
        let headline = shorten(&self.headline, COLUMNS - "error: ".len());
        let mut lines = vec![format!("{} {headline}", paint("1;31", "error:"))];
        if let Some((source, span)) = &self.place {
            let excerpt = excerpt(source, *span);
            lines.push(format!(" --> {}", shorten(&excerpt.place, COLUMNS - 5)));
            lines.push(format!("{:>4} | {}", excerpt.line, excerpt.text));
            let mark = "^".repeat(excerpt.length);
            let space = " ".repeat(excerpt.column);
            lines.push(format!("     | {space}{}", paint("1;31", &mark)));
        }
        for (caption, text) in &self.notes {
            lines.push(format!("{:>10}: {}", caption, shorten(text, EXPRESSION_COLUMNS)));
        }
        for link in &self.chain {
            lines.push(format!("{:>10}: {}", "import", shorten(link, EXPRESSION_COLUMNS)));
        }
        if let Some(hint) = &self.hint {
            lines.push(format!("{} {}", paint("1;32", "hint:"), shorten(hint, COLUMNS - 6)));
        }
        lines.push(String::new());
        lines.join("\n")
    }
}

impl std::fmt::Display for Report {
    /// Writes the headline.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.headline)
    }
}

/// Whether a part stands between `=` and a comma or brace, and so is the whole value of a field: a
/// written `∧` would stand on one side of it.
fn is_field(text: &str, span: Span) -> bool {
    let before = text.get(..span.start as usize).unwrap_or("").trim_end();
    let after = text.get(span.end as usize..).unwrap_or("").trim_start();
    before.ends_with('=') && after.starts_with([',', '}'])
}

fn one_line(expr: &Expr) -> String {
    brief(expr, EXPRESSION_COLUMNS)
}

/// Returns line and column, from one, of a byte of a text.
pub(crate) fn position(text: &str, offset: u32) -> (usize, usize) {
    let mut offset = (offset as usize).min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    let before = &text[..offset];
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let line = before.matches('\n').count() + 1;
    (line, before[line_start..].chars().count() + 1)
}

/// One line of a source text, cut to the width of a report.
struct Excerpt {
    place: String,
    line: usize,
    text: String,
    /// Where the mark begins, in columns of `text`.
    column: usize,
    length: usize,
}

fn excerpt(source: &Source, span: Span) -> Excerpt {
    const SHOWN: usize = COLUMNS - 8;
    let (line, column) = position(&source.text, span.start);
    let text: Vec<char> = source
        .text
        .split('\n')
        .nth(line - 1)
        .unwrap_or("")
        .trim_end_matches('\r')
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    let marked = source
        .text
        .get(span.start as usize..(span.end as usize).min(source.text.len()))
        .map_or(1, |marked| marked.split('\n').next().unwrap_or("").chars().count());
    let start = (column - 1).min(text.len());
    // Long lines are shown from a little before the mark.
    let from = if text.len() <= SHOWN || start < SHOWN / 2 { 0 } else { start - SHOWN / 3 };
    let shown: String = text[from..].iter().take(SHOWN).collect();
    let length = marked.clamp(1, SHOWN.saturating_sub(start - from).max(1));
    let place = format!("{}:{line}:{column}", source.name);
    Excerpt { place, line, text: shown, column: start - from, length }
}
