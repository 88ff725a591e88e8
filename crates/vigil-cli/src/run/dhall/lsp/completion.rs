//! What could be typed at the cursor: fields and alternatives after a dot, names elsewhere.

use serde_json::{Value, json};
use vigil_dhall::{
    Builtin, Expr, ExprKind, Inspection, KEYWORDS, Label, Style, format_label, parse, print,
};

use super::Server;
use super::document::Document;

/// Kinds of items, as the protocol numbers them.
const FUNCTION: u32 = 3;
const FIELD: u32 = 5;
const VARIABLE: u32 = 6;
const KEYWORD: u32 = 14;
const ALTERNATIVE: u32 = 20;

/// What a list shows beside a name.
const DETAIL_CHARACTERS_MAX: usize = 120;

impl Server<'_, '_, '_> {
    pub(super) fn complete(&mut self, document: &Document, parameters: &Value) -> Value {
        let offset = document.offset(&parameters["position"]);
        let text = document.text();
        let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '/');
        let start = text[..offset].trim_end_matches(is_word).len();
        let typed = &text[start..offset];
        let items = match text[..start].strip_suffix('.') {
            // `./` and `../` begin paths, `1.` numbers.
            Some(before) if !typed.starts_with('/') && ends_expression(before) => {
                self.parts(document, before, &text[offset..])
            }
            _ => self.names(document, start, offset),
        };
        let items: Vec<Value> = items
            .into_iter()
            .filter(|(label, _)| label.starts_with(typed))
            .map(|(_, i)| i)
            .collect();
        json!({ "isIncomplete": false, "items": items })
    }

    /// Looks at a place of a text that is nearly the document's.
    fn look(&mut self, document: &Document, text: &str, offset: usize) -> Option<Inspection> {
        let parsed = parse(text, self.limits).ok()?;
        let resolved = self.imports.resolve(&parsed.expr, document.root()).ok()?;
        resolved.inspect(offset).ok()
    }

    /// Returns the fields or alternatives of what ends before the dot.
    fn parts(&mut self, document: &Document, before: &str, after: &str) -> Vec<(String, Value)> {
        let text = format!("{before}{after}");
        // A closing parenthesis is outside of what it closes.
        let inside = before.trim_end_matches(')').len();
        let Some(found) = self.look(document, &text, inside) else { return Vec::new() };
        let is_type = found.is.is_some();
        let whole = found.is.or(found.typed.map(|(_, ty)| ty));
        match whole.as_ref().map(Expr::kind) {
            Some(ExprKind::UnionType(alternatives)) if is_type => alternatives
                .iter()
                .map(|(label, payload)| item(label, ALTERNATIVE, payload.as_ref()))
                .collect(),
            Some(ExprKind::RecordType(fields)) if !is_type => {
                fields.iter().map(|(label, ty)| item(label, FIELD, Some(ty))).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Returns the names that mean something.
    fn names(&mut self, document: &Document, start: usize, end: usize) -> Vec<(String, Value)> {
        let text = document.text();
        // A name stands in for what is being typed, so that the rest has a form.
        let patched = format!("{}x{}", &text[..start], &text[end..]);
        let found = self.look(document, &patched, start).unwrap_or_default();
        let mut items: Vec<(String, Value)> = Vec::new();
        for (label, ty) in &found.scope {
            let named = item(label, VARIABLE, Some(ty));
            // An inner variable hides an outer one of the same name.
            if !items.iter().any(|(known, _)| *known == named.0) {
                items.push(named);
            }
        }
        items.extend(Builtin::ALL.iter().map(|builtin| {
            let name = builtin.name().to_owned();
            let value = json!({
                "label": name, "kind": FUNCTION, "detail": builtin.type_source()
            });
            (name, value)
        }));
        let words = KEYWORDS.iter().chain(&["True", "False", "Type", "Kind", "Sort"]);
        items.extend(
            words.map(|word| (String::from(*word), json!({ "label": word, "kind": KEYWORD }))),
        );
        items
    }
}

/// Whether a dot that follows would select something.
fn ends_expression(before: &str) -> bool {
    let is_end = |c: char| c.is_alphanumeric() || matches!(c, '_' | ')' | '}' | '>' | ']' | '`');
    let word = before.trim_end_matches(|c: char| c.is_alphanumeric() || c == '_').len();
    let is_number = before[word..].starts_with(|c: char| c.is_ascii_digit());
    before.ends_with(is_end) && !is_number
}

fn item(label: &Label, kind: u32, ty: Option<&Expr>) -> (String, Value) {
    let name = format_label(label);
    let detail = ty.map(|ty| {
        let text = print(ty, Style::one_line());
        text.chars().take(DETAIL_CHARACTERS_MAX).collect::<String>()
    });
    let value = json!({ "label": name, "kind": kind, "detail": detail });
    (name, value)
}
