//! Normal forms as JSON and YAML, JSON as expressions, and both ways to Rust values.

mod build;
mod from_json;
mod json;
mod rust;
mod trace;

pub use build::{SerializeError, from_rust, to_expr};
pub use from_json::{FromJsonError, from_json};
pub use json::{ToJsonError, to_json, to_yaml};
pub use rust::{DeserializeError, from_normal_form};
pub use trace::{TraceError, type_of};

use crate::expr::{Expr, ExprKind};
use crate::label::Label;

/// Returns the entries if this is a list of `{ mapKey, mapValue }` with text keys.
pub(crate) fn map_entries(items: &[Expr]) -> Option<Vec<(String, Expr)>> {
    items
        .iter()
        .map(|item| match item.kind() {
            ExprKind::Record(fields) if fields.len() == 2 => {
                let get = |name: &str| {
                    fields.iter().find(|(label, _)| label.as_str() == name).map(|(_, e)| e)
                };
                let ExprKind::Text(chunks, key) = get("mapKey")?.kind() else {
                    return None;
                };
                chunks.is_empty().then(|| Some((key.to_string(), get("mapValue")?.clone())))?
            }
            _ => None,
        })
        .collect()
}

/// Returns a union value's alternative and payload.
pub(crate) fn alternative(expr: &Expr) -> Option<(&Label, Option<&Expr>)> {
    let constructor = |expr: &Expr| matches!(expr.kind(), ExprKind::Field(union, _) if matches!(union.kind(), ExprKind::UnionType(_)));
    match expr.kind() {
        ExprKind::Field(_, label) if constructor(expr) => Some((label, None)),
        ExprKind::App(function, payload) if constructor(function) => match function.kind() {
            ExprKind::Field(_, label) => Some((label, Some(payload))),
            _ => None,
        },
        _ => None,
    }
}
