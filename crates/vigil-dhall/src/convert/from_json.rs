//! From JSON to expressions of a given type.

use std::sync::Arc;

use serde_json::Value;

use crate::builtin::Builtin;
use crate::difference::{brief, shorten};
use crate::expr::{Expr, ExprKind};
use crate::label::Label;
use crate::number::{Integer, Natural};
use crate::stack::deep;

/// Why JSON is not of a type.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FromJsonError {
    /// The text is not JSON.
    #[error("not JSON: {0}")]
    Syntax(String),
    /// A value is not of its type.
    #[error("`{found}` at `{path}` is not of the type `{expected}`")]
    Mismatch {
        /// Where it is.
        path: String,
        /// The type that it should have.
        expected: String,
        /// What stands there.
        found: String,
    },
    /// A field that the type has is not there.
    #[error("the field `{label}` is missing at `{path}`")]
    Missing {
        /// Where the record is.
        path: String,
        /// The field.
        label: Label,
    },
    /// A field is there that the type has not.
    #[error("there is no field `{label}` in the type at `{path}`")]
    Unknown {
        /// Where the record is.
        path: String,
        /// The field.
        label: String,
    },
}

/// Reads JSON as an expression of the type `ty`, which is a normal form.
///
/// A missing field is `None` where the type is `Optional`; an object may stand for a list of
/// `{ mapKey : Text, mapValue : … }`; a union takes the first alternative that fits, and its name
/// where it has no payload.
///
/// # Errors
/// Returns the first part of the JSON that does not fit.
pub fn from_json(json: &str, ty: &Expr) -> Result<Expr, FromJsonError> {
    let value: Value =
        serde_json::from_str(json).map_err(|error| FromJsonError::Syntax(error.to_string()))?;
    convert(&value, ty, &mut Vec::new())
}

fn shown(path: &[String]) -> String {
    if path.is_empty() { ".".to_owned() } else { path.join(".") }
}

fn mismatch<T>(value: &Value, ty: &Expr, path: &[String]) -> Result<T, FromJsonError> {
    let path = shown(path);
    let expected = brief(ty, 60);
    Err(FromJsonError::Mismatch { path, expected, found: shorten(&value.to_string(), 60) })
}

fn convert(value: &Value, ty: &Expr, path: &mut Vec<String>) -> Result<Expr, FromJsonError> {
    deep(|| convert_here(value, ty, path))
}

fn convert_here(value: &Value, ty: &Expr, path: &mut Vec<String>) -> Result<Expr, FromJsonError> {
    let kind = match (ty.kind(), value) {
        (ExprKind::Builtin(Builtin::Bool), Value::Bool(value)) => ExprKind::Bool(*value),
        (ExprKind::Builtin(Builtin::Text), Value::String(text)) => return Ok(Expr::text(text)),
        (ExprKind::Builtin(builtin), Value::Number(number)) => {
            match self::number(*builtin, number) {
                Some(kind) => kind,
                None => return mismatch(value, ty, path),
            }
        }
        (ExprKind::App(function, inner), _) => match function.kind() {
            ExprKind::Builtin(Builtin::Optional) if value.is_null() => {
                let none = Expr::builtin(Builtin::None);
                return Ok(none.apply(inner.clone()));
            }
            ExprKind::Builtin(Builtin::Optional) => ExprKind::Some(convert(value, inner, path)?),
            ExprKind::Builtin(Builtin::List) => return list(value, ty, inner, path),
            _ => return mismatch(value, ty, path),
        },
        (ExprKind::RecordType(fields), Value::Object(object)) => {
            let unknown = object
                .keys()
                .find(|key| fields.iter().all(|(label, _)| label.as_str() != key.as_str()));
            if let Some(label) = unknown {
                let (label, path) = (label.clone(), shown(path));
                return Err(FromJsonError::Unknown { path, label });
            }
            let mut record = Vec::with_capacity(fields.len());
            for (label, ty) in fields {
                let inner = object.get(label.as_str()).unwrap_or(&Value::Null);
                let optional = matches!(ty.kind(), ExprKind::App(f, _) if matches!(f.kind(), ExprKind::Builtin(Builtin::Optional)));
                if inner.is_null() && !optional && !object.contains_key(label.as_str()) {
                    let (label, path) = (label.clone(), shown(path));
                    return Err(FromJsonError::Missing { path, label });
                }
                path.push(label.to_string());
                let converted = convert(inner, ty, path);
                path.pop();
                record.push((label.clone(), converted?));
            }
            ExprKind::Record(record)
        }
        (ExprKind::UnionType(alternatives), _) => {
            let constructor = |label: &Label| Expr::new(ExprKind::Field(ty.clone(), label.clone()));
            for (label, payload) in alternatives {
                match payload {
                    None if value.as_str() == Some(label.as_str()) => {
                        return Ok(constructor(label));
                    }
                    Some(payload) => {
                        if let Ok(inner) = convert(value, payload, path) {
                            return Ok(constructor(label).apply(inner));
                        }
                    }
                    None => {}
                }
            }
            return mismatch(value, ty, path);
        }
        _ => return mismatch(value, ty, path),
    };
    Ok(Expr::new(kind))
}

fn number(builtin: Builtin, number: &serde_json::Number) -> Option<ExprKind> {
    Some(match builtin {
        Builtin::Natural => ExprKind::Natural(Natural::from(number.as_u64()?)),
        Builtin::Integer => {
            let magnitude = match number.as_u64() {
                Some(positive) => positive,
                None => number.as_i64()?.unsigned_abs(),
            };
            let negative = number.as_u64().is_none();
            ExprKind::Integer(Integer::new(negative, Natural::from(magnitude)))
        }
        Builtin::Double => ExprKind::Double(number.as_f64()?),
        _ => return None,
    })
}

fn list(
    value: &Value,
    ty: &Expr,
    inner: &Expr,
    path: &mut Vec<String>,
) -> Result<Expr, FromJsonError> {
    let items: Vec<Expr> = match (value, inner.kind()) {
        (Value::Array(values), _) => {
            let mut items = Vec::with_capacity(values.len());
            for (at, value) in values.iter().enumerate() {
                path.push(at.to_string());
                let item = convert(value, inner, path);
                path.pop();
                items.push(item?);
            }
            items
        }
        (Value::Object(object), ExprKind::RecordType(fields)) => {
            let Some((key, (_, value_type))) = fields
                .iter()
                .find(|(label, _)| label.as_str() == "mapKey")
                .zip(fields.iter().find(|(label, _)| label.as_str() == "mapValue"))
            else {
                return mismatch(value, ty, path);
            };
            let mut items = Vec::with_capacity(object.len());
            for (name, value) in object {
                path.push(name.clone());
                let converted = convert(value, value_type, path);
                path.pop();
                items.push(Expr::new(ExprKind::Record(vec![
                    (
                        key.0.clone(),
                        Expr::new(ExprKind::Text(Vec::new(), Arc::from(name.as_str()))),
                    ),
                    (Label::new("mapValue"), converted?),
                ])));
            }
            items
        }
        _ => return mismatch(value, ty, path),
    };
    Ok(Expr::new(if items.is_empty() {
        ExprKind::EmptyList(ty.clone())
    } else {
        ExprKind::List(items)
    }))
}
