//! What is done with unions and optional values: `merge` and `showConstructor`.

use super::context::Context;
use super::shared::Shared;
use super::value::{Value, field};
use crate::builtin::Builtin;
use crate::label::Label;

impl Context {
    /// Returns the alternative that a union value has, and its payload.
    fn alternative(&self, value: &Value) -> Option<(Label, Option<Value>)> {
        match value {
            Value::Some(inner) => Some((self.labels.some.clone(), Some(Value::clone(inner)))),
            Value::Field(constructor) => match &**constructor {
                (Value::UnionType(_), label) => Some((label.clone(), None)),
                _ => None,
            },
            Value::App(app) => match &**app {
                (Value::Builtin(Builtin::None), _) => Some((self.labels.none.clone(), None)),
                (Value::Field(constructor), payload) => match &**constructor {
                    (Value::UnionType(_), label) => Some((label.clone(), Some(payload.clone()))),
                    _ => None,
                },
                _ => None,
            },
            _ => None,
        }
    }

    /// `merge handlers union : annotation`
    pub(crate) fn merge(
        &self,
        handlers: &Value,
        union: &Value,
        annotation: Option<Value>,
    ) -> Value {
        if let (Value::Record(fields), Some((label, payload))) = (handlers, self.alternative(union))
            && let Some(handler) = field(fields, &label)
        {
            let handler = self.force(handler);
            return match payload {
                Some(payload) => self.apply(&handler, payload),
                None => handler,
            };
        }
        Value::Merge(Shared::new((handlers.clone(), union.clone(), annotation)))
    }

    /// `showConstructor value`
    pub(crate) fn show_constructor(&self, value: &Value) -> Value {
        match self.alternative(value) {
            Some((label, _)) => Value::text(label.as_str()),
            None => Value::ShowConstructor(Shared::new(value.clone())),
        }
    }
}
