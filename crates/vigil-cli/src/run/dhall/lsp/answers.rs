//! Diagnostics, hover and formatting.

use serde_json::{Value, json};
use vigil_dhall::{Report, Span, Style, format, parse, print};

use super::Server;
use super::document::Document;

/// A type that is longer is no help to a person.
const SHOWN_BYTES_MAX: usize = 8 << 10;

const ERROR: u32 = 1;

impl Server<'_, '_, '_> {
    /// Returns what is wrong with a document: nothing, or the first thing.
    pub(super) fn diagnostics(&mut self, document: &Document) -> Value {
        let Some((span, report)) = self.first_error(document) else { return json!([]) };
        json!([{
            "range": document.range(span),
            "severity": ERROR,
            "source": "dhall",
            "message": report.message(),
        }])
    }

    fn first_error(&mut self, document: &Document) -> Option<(Span, Report)> {
        let source = document.source();
        let parsed = match parse(document.text(), self.limits) {
            Ok(parsed) => parsed,
            Err(error) => {
                let report = Report::parse(&error, source);
                let span = report.place().map_or(Span::NONE, |(_, span)| span);
                return Some((span, report));
            }
        };
        let resolved = match self.imports.resolve(&parsed.expr, document.root()) {
            Ok(resolved) => resolved,
            Err(error) => {
                // What is wrong in another file is shown where this one imports it.
                let span = error.chain.first().map_or(Span::NONE, |frame| frame.span);
                return Some((span, Report::import(&error)));
            }
        };
        let error = resolved.check().err()?;
        let report = Report::check(&error, source);
        let span = report.place().map_or(parsed.expr.span(), |(_, span)| span);
        Some((span, report))
    }

    pub(super) fn hover(&mut self, document: &Document, parameters: &Value) -> Value {
        let offset = document.offset(&parameters["position"]);
        let Ok(parsed) = parse(document.text(), self.limits) else { return Value::Null };
        let resolved = self.imports.resolve(&parsed.expr, document.root());
        let Ok(resolved) = resolved else { return Value::Null };
        let Ok(found) = resolved.inspect(offset) else { return Value::Null };
        let Some((span, ty)) = found.typed else { return Value::Null };
        let mut text = print(&ty, Style::default());
        if let Some(is) = found.is {
            text = format!("{text}\n\n-- which is\n{}", print(&is, Style::default()));
        }
        if text.len() > SHOWN_BYTES_MAX {
            let cut = text.floor_char_boundary(SHOWN_BYTES_MAX);
            text.truncate(cut);
            text.push('…');
        }
        let value = format!("```dhall\n{text}\n```");
        json!({
            "contents": { "kind": "markdown", "value": value },
            "range": document.range(span),
        })
    }

    pub(super) fn format(&mut self, document: &Document, _parameters: &Value) -> Value {
        // What is wrong has been said in a diagnostic.
        let Ok(new) = format(document.text(), self.limits) else { return Value::Null };
        if new == document.text() {
            return json!([]);
        }
        json!([{ "range": document.whole(), "newText": new }])
    }
}
