//! From normal forms to JSON and YAML.

use super::{alternative, map_entries};
use crate::builtin::{Builtin, Const};
use crate::difference::brief;
use crate::expr::{Expr, ExprKind};
use crate::stack::deep;

/// Why a normal form has no JSON.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ToJsonError {
    /// A function, a type, or something abstract.
    #[error("`{what}` at `{path}` has no JSON: only data has")]
    NotData {
        /// Where it is, from the outside inwards.
        path: String,
        /// What it is.
        what: String,
    },
    /// A number that JSON does not have.
    #[error("{what} at `{path}` has no JSON: use a text or an `Optional`")]
    NotANumber {
        /// Where it is.
        path: String,
        /// What it is.
        what: String,
    },
}

/// What JSON can say.
enum Json {
    Null,
    Bool(bool),
    /// A number, as written.
    Number(String),
    Text(String),
    Array(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl Drop for Json {
    fn drop(&mut self) {
        match self {
            Self::Array(items) => deep(|| items.clear()),
            Self::Object(entries) => deep(|| entries.clear()),
            _ => {}
        }
    }
}

/// Writes a normal form as JSON, indented.
///
/// Records and lists of `{ mapKey : Text, mapValue : … }` become objects, `None` becomes null, a
/// union value becomes its payload, or its name if it has none. Values of the Prelude's
/// `JSON.Type` become what they describe.
///
/// # Errors
/// Returns the first part that has no JSON.
pub fn to_json(expr: &Expr) -> Result<String, ToJsonError> {
    let json = convert(expr, &mut Vec::new(), None)?;
    let mut out = String::new();
    write_json(&json, 0, &mut out);
    out.push('\n');
    Ok(out)
}

/// Writes a normal form as YAML; otherwise as [`to_json`].
///
/// # Errors
/// Returns the first part that has no YAML.
pub fn to_yaml(expr: &Expr) -> Result<String, ToJsonError> {
    let json = convert(expr, &mut Vec::new(), None)?;
    let mut out = String::new();
    write_yaml(&json, 0, &mut out);
    Ok(out.trim_start_matches([' ', '\n']).to_owned())
}

fn convert(expr: &Expr, path: &mut Vec<String>, json: Option<&str>) -> Result<Json, ToJsonError> {
    deep(|| convert_here(expr, path, json))
}

fn below(
    expr: &Expr,
    step: String,
    path: &mut Vec<String>,
    json: Option<&str>,
) -> Result<Json, ToJsonError> {
    path.push(step);
    let result = convert(expr, path, json);
    path.pop();
    result
}

fn convert_here(
    expr: &Expr,
    path: &mut Vec<String>,
    json: Option<&str>,
) -> Result<Json, ToJsonError> {
    if let Some((label, payload)) = alternative(expr) {
        return match payload {
            Some(payload) => below(payload, label.to_string(), path, json),
            None => Ok(Json::Text(label.to_string())),
        };
    }
    if let Some(name) = json
        && let Some(result) = described(expr, name, path)
    {
        return result;
    }
    match expr.kind() {
        ExprKind::Bool(value) => Ok(Json::Bool(*value)),
        ExprKind::Natural(value) => Ok(Json::Number(value.to_string())),
        ExprKind::Integer(value) => {
            Ok(Json::Number(value.to_string().trim_start_matches('+').to_owned()))
        }
        ExprKind::Double(value) if value.is_finite() => Ok(Json::Number(format!("{value:?}"))),
        ExprKind::Double(value) => {
            let what = crate::number::show_double(*value);
            Err(ToJsonError::NotANumber { path: shown(path), what })
        }
        ExprKind::Text(chunks, text) if chunks.is_empty() => Ok(Json::Text(text.to_string())),
        ExprKind::Date(date) => Ok(Json::Text(date.to_string())),
        ExprKind::Time(time) => Ok(Json::Text(time.to_string())),
        ExprKind::TimeZone(zone) => Ok(Json::Text(zone.to_string())),
        ExprKind::Some(inner) => convert(inner, path, json),
        ExprKind::App(none, _) if matches!(none.kind(), ExprKind::Builtin(Builtin::None)) => {
            Ok(Json::Null)
        }
        ExprKind::EmptyList(annotation) => Ok(match map_type(annotation) {
            true => Json::Object(Vec::new()),
            false => Json::Array(Vec::new()),
        }),
        ExprKind::List(items) => match map_entries(items) {
            Some(entries) => object(entries, path, json),
            None => items
                .iter()
                .enumerate()
                .map(|(at, item)| below(item, at.to_string(), path, json))
                .collect::<Result<_, _>>()
                .map(Json::Array),
        },
        ExprKind::Record(fields) => object(
            fields.iter().map(|(label, value)| (label.to_string(), value.clone())).collect(),
            path,
            json,
        ),
        ExprKind::Lambda(_, universe, inner)
            if matches!(universe.kind(), ExprKind::Const(Const::Type)) =>
        {
            match inner.kind() {
                ExprKind::Lambda(name, _, body) => convert(body, path, Some(name.as_str())),
                _ => not_data(expr, path),
            }
        }
        _ => not_data(expr, path),
    }
}

fn object(
    entries: Vec<(String, Expr)>,
    path: &mut Vec<String>,
    json: Option<&str>,
) -> Result<Json, ToJsonError> {
    entries
        .into_iter()
        .map(|(key, value)| Ok((key.clone(), below(&value, key, path, json)?)))
        .collect::<Result<_, _>>()
        .map(Json::Object)
}

/// A value of the Prelude's `JSON.Type`: a call of one of the functions in the record `name`.
fn described(expr: &Expr, name: &str, path: &mut Vec<String>) -> Option<Result<Json, ToJsonError>> {
    let field = |expr: &Expr| match expr.kind() {
        ExprKind::Field(record, label) => match record.kind() {
            ExprKind::Var(variable, _) if variable.as_str() == name => Some(label.to_string()),
            _ => None,
        },
        _ => None,
    };
    match expr.kind() {
        ExprKind::App(function, argument) => {
            field(function)?;
            Some(convert(argument, path, Some(name)))
        }
        _ => (field(expr)? == "null").then_some(Ok(Json::Null)),
    }
}

fn map_type(annotation: &Expr) -> bool {
    let ExprKind::App(_, item) = annotation.kind() else {
        return false;
    };
    let ExprKind::RecordType(fields) = item.kind() else {
        return false;
    };
    let names: Vec<&str> = fields.iter().map(|(label, _)| label.as_str()).collect();
    names == ["mapKey", "mapValue"]
        && matches!(fields[0].1.kind(), ExprKind::Builtin(Builtin::Text))
}

fn not_data<T>(expr: &Expr, path: &[String]) -> Result<T, ToJsonError> {
    let what = brief(expr, 60);
    Err(ToJsonError::NotData { path: shown(path), what })
}

fn shown(path: &[String]) -> String {
    if path.is_empty() { ".".to_owned() } else { path.join(".") }
}

fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\0'..='\u{1F}' | '\u{7F}' => out.push_str(&format!("\\u{:04x}", c as u32)),
            _ => out.push(c),
        }
    }
    out.push('"');
    out
}

/// The most columns that a line of JSON is indented by, so that deep nesting does not print as the square
/// of itself.
const INDENT_MAX: usize = 240;

/// Where indentation means something, what lies deeper stands on one line instead.
const BLOCK_INDENT_MAX: usize = 120;

fn line(out: &mut String, indent: usize) {
    out.push('\n');
    out.extend(std::iter::repeat_n(' ', indent.min(INDENT_MAX)));
}

/// Writes JSON without line ends, which is YAML, too.
fn write_flow(json: &Json, out: &mut String) {
    deep(|| match json {
        Json::Null => out.push_str("null"),
        Json::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Json::Number(number) => out.push_str(number),
        Json::Text(text) => out.push_str(&quoted(text)),
        Json::Array(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                out.push_str(if at == 0 { "" } else { ", " });
                write_flow(item, out);
            }
            out.push(']');
        }
        Json::Object(entries) => {
            out.push('{');
            for (at, (key, value)) in entries.iter().enumerate() {
                out.push_str(if at == 0 { "" } else { ", " });
                out.push_str(&quoted(key));
                out.push_str(": ");
                write_flow(value, out);
            }
            out.push('}');
        }
    });
}

fn write_json(json: &Json, indent: usize, out: &mut String) {
    deep(|| match json {
        Json::Null => out.push_str("null"),
        Json::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Json::Number(number) => out.push_str(number),
        Json::Text(text) => out.push_str(&quoted(text)),
        Json::Array(items) if items.is_empty() => out.push_str("[]"),
        Json::Object(entries) if entries.is_empty() => out.push_str("{}"),
        Json::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                out.push(if at == 0 { '[' } else { ',' });
                line(out, indent + 2);
                write_json(item, indent + 2, out);
            }
            line(out, indent);
            out.push(']');
        }
        Json::Object(entries) => {
            for (at, (key, value)) in entries.iter().enumerate() {
                out.push(if at == 0 { '{' } else { ',' });
                line(out, indent + 2);
                out.push_str(&quoted(key));
                out.push_str(": ");
                write_json(value, indent + 2, out);
            }
            line(out, indent);
            out.push('}');
        }
    });
}

/// Whether a text means itself in YAML without quotes.
fn is_plain(text: &str) -> bool {
    const WORDS: &[&str] =
        &["true", "false", "null", "yes", "no", "on", "off", "y", "n", "nan", "inf"];
    let first = text.chars().next();
    first.is_some_and(|c| c.is_ascii_alphabetic() || c == '_' || c == '/')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "_-./@ +".contains(c))
        && !text.ends_with(' ')
        && !WORDS.contains(&text.to_lowercase().as_str())
}

fn scalar(text: &str) -> String {
    if is_plain(text) { text.to_owned() } else { quoted(text) }
}

/// Writes a value after a key or a dash; blocks begin on a new line.
fn write_yaml(json: &Json, indent: usize, out: &mut String) {
    deep(|| match json {
        Json::Array(_) | Json::Object(_) if indent > BLOCK_INDENT_MAX => {
            out.push(' ');
            write_flow(json, out);
        }
        Json::Array(items) if !items.is_empty() => {
            for item in items {
                line(out, indent);
                out.push('-');
                write_yaml_item(item, indent + 2, out);
            }
            close(indent, out);
        }
        Json::Object(entries) if !entries.is_empty() => {
            for (key, value) in entries {
                line(out, indent);
                out.push_str(&scalar(key));
                out.push(':');
                write_yaml_entry(value, indent, out);
            }
            close(indent, out);
        }
        Json::Text(text) => {
            out.push(' ');
            out.push_str(&scalar(text));
            close(indent, out);
        }
        other => {
            out.push(' ');
            write_json(other, 0, out);
            close(indent, out);
        }
    });
}

/// Ends the document after its outermost value.
fn close(indent: usize, out: &mut String) {
    if indent == 0 {
        out.push('\n');
    }
}

fn write_yaml_entry(value: &Json, indent: usize, out: &mut String) {
    match value {
        Json::Text(text)
            if text.contains('\n')
                && !text.starts_with([' ', '\n', '\t'])
                && text.chars().all(|c| c == '\n' || !c.is_control()) =>
        {
            out.push_str(if text.ends_with('\n') { " |" } else { " |-" });
            let ends = text.len() - text.trim_end_matches('\n').len();
            if ends > 1 {
                out.push('+');
            }
            for text in text.strip_suffix('\n').unwrap_or(text).split('\n') {
                if text.is_empty() {
                    out.push('\n');
                } else {
                    line(out, indent + 2);
                    out.push_str(text);
                }
            }
        }
        other => write_yaml(other, indent + 2, out),
    }
}

/// An item's first line stands after its dash.
fn write_yaml_item(item: &Json, indent: usize, out: &mut String) {
    let mut inner = String::new();
    write_yaml(item, indent, &mut inner);
    let block = inner.trim_start_matches(['\n', ' ']);
    out.push(' ');
    out.push_str(block);
}
