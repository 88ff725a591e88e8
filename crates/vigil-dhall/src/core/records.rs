//! What is done with records: selection, projection, update, `toMap`.

use std::rc::Rc;

use super::context::Context;
use super::eval::NOTHING;
use super::operators::stuck;
use super::rope::Rope;
use super::shared::Shared;
use super::value::{Fields, Value, field};
use crate::builtin::Builtin;
use crate::expr::{Operator, WithComponent};
use crate::label::Label;

impl Context {
    /// `value.label`
    pub(crate) fn field(&self, value: &Value, label: &Label) -> Value {
        if !self.step() {
            return NOTHING;
        }
        let value = self.force(value);
        let single = |found: &Value| Value::record(vec![(label.clone(), found.clone())]);
        let next = match &value {
            Value::Record(fields) => match field(fields, label) {
                Some(found) => return self.force(found),
                None => return abstract_field(value, label),
            },
            Value::Project(project) => project.0.clone(),
            Value::Op(op) => match &**op {
                (Operator::Prefer, left, Value::Record(right)) => match field(right, label) {
                    Some(found) => return self.force(found),
                    None => left.clone(),
                },
                (Operator::Prefer, Value::Record(left), right) => match field(left, label) {
                    Some(found) => {
                        let kept = stuck(Operator::Prefer, single(found), right.clone());
                        return abstract_field(kept, label);
                    }
                    None => right.clone(),
                },
                (Operator::Combine, Value::Record(left), right) => match field(left, label) {
                    Some(found) => {
                        let kept = stuck(Operator::Combine, single(found), right.clone());
                        return abstract_field(kept, label);
                    }
                    None => right.clone(),
                },
                (Operator::Combine, left, Value::Record(right)) => match field(right, label) {
                    Some(found) => {
                        let kept = stuck(Operator::Combine, left.clone(), single(found));
                        return abstract_field(kept, label);
                    }
                    None => left.clone(),
                },
                _ => return abstract_field(value, label),
            },
            _ => return abstract_field(value, label),
        };
        self.deeper(NOTHING, || self.field(&next, label))
    }

    /// `value.{ labels }`, the labels sorted.
    pub(crate) fn project(&self, value: &Value, labels: &Rc<[Label]>) -> Value {
        if labels.is_empty() {
            return Value::record(Vec::new());
        }
        let value = self.force(value);
        match &value {
            Value::Record(fields) => {
                let kept: Fields = fields
                    .iter()
                    .filter(|(label, _)| labels.binary_search(label).is_ok())
                    .cloned()
                    .collect();
                Value::Record(Shared::new(kept))
            }
            Value::Project(inner) => self.deeper(NOTHING, || self.project(&inner.0, labels)),
            Value::Op(op) => match &**op {
                (Operator::Prefer, left, Value::Record(right)) => {
                    let (mine, other): (Vec<Label>, Vec<Label>) =
                        labels.iter().cloned().partition(|label| field(right, label).is_some());
                    let left = self.deeper(NOTHING, || self.project(left, &other.into()));
                    let right = self.project(&Value::Record(right.clone()), &mine.into());
                    self.operate(Operator::Prefer, &left, &right)
                }
                _ => Value::Project(Shared::new((value, labels.clone()))),
            },
            _ => Value::Project(Shared::new((value, labels.clone()))),
        }
    }

    /// `value.(wanted)`
    pub(crate) fn project_by_type(&self, value: &Value, wanted: &Value) -> Value {
        match self.force(wanted) {
            Value::RecordType(fields) => {
                let labels: Rc<[Label]> = fields.iter().map(|(label, _)| label.clone()).collect();
                self.project(value, &labels)
            }
            wanted => Value::ProjectByType(Shared::new((self.force(value), wanted))),
        }
    }

    /// `value with path = new`
    pub(crate) fn with(&self, value: &Value, path: &[WithComponent], new: Value) -> Value {
        let value = self.force(value);
        let Some((first, rest)) = path.split_first() else {
            return self.force(&new);
        };
        let stuck = |value, new| Value::With(Shared::new((value, path.into(), new)));
        match (first, &value) {
            (WithComponent::Field(label), Value::Record(fields)) => {
                let mut fields = Fields::clone(fields);
                let at = fields.binary_search_by(|(name, _)| name.cmp(label));
                let updated = if rest.is_empty() {
                    new
                } else {
                    let inner = match at {
                        Ok(at) => fields[at].1.clone(),
                        Err(_) => Value::record(Vec::new()),
                    };
                    self.deeper(NOTHING, || self.with(&inner, rest, new))
                };
                match at {
                    Ok(at) => fields[at].1 = updated,
                    Err(at) => fields.insert(at, (label.clone(), updated)),
                }
                Value::Record(Shared::new(fields))
            }
            (WithComponent::Inside, Value::Some(inner)) => {
                let updated = if rest.is_empty() {
                    new
                } else {
                    self.deeper(NOTHING, || self.with(inner, rest, new))
                };
                Value::Some(Shared::new(updated))
            }
            (WithComponent::Inside, Value::App(app))
                if matches!(app.0, Value::Builtin(Builtin::None)) =>
            {
                value
            }
            _ => stuck(value, new),
        }
    }

    /// `toMap record : annotation`
    pub(crate) fn to_map(&self, record: &Value, annotation: Option<Value>) -> Value {
        let record = self.force(record);
        match (&record, annotation) {
            (Value::Record(fields), Some(annotation)) if fields.is_empty() => {
                Value::EmptyList(Shared::new(annotation))
            }
            (Value::Record(fields), _) if !fields.is_empty() => {
                let entry = |(label, value): &(Label, Value)| {
                    Value::record(vec![
                        (self.labels.map_key.clone(), Value::text(label.as_str())),
                        (self.labels.map_value.clone(), value.clone()),
                    ])
                };
                Value::List(Rope::leaf(fields.iter().map(entry).collect()))
            }
            (_, annotation) => Value::ToMap(Shared::new((record, annotation))),
        }
    }
}

fn abstract_field(value: Value, label: &Label) -> Value {
    Value::Field(Shared::new((value, label.clone())))
}
