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
    pub(crate) fn with(&self, value: Value, path: &[WithComponent], new: Value) -> Value {
        if !self.step() {
            return NOTHING;
        }
        let value = self.forced(value);
        let Some((first, rest)) = path.split_first() else {
            return self.forced(new);
        };
        match (first, value) {
            (WithComponent::Field(label), Value::Record(fields)) => {
                let Some(mut fields) = self.owned(fields) else {
                    return NOTHING;
                };
                let at = fields.binary_search_by(|(name, _)| name.cmp(label));
                let updated = if rest.is_empty() {
                    new
                } else {
                    let inner = match at {
                        Ok(at) => std::mem::replace(&mut fields[at].1, NOTHING),
                        Err(_) => Value::record(Vec::new()),
                    };
                    self.deeper(NOTHING, || self.with(inner, rest, new))
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
                    self.deeper(NOTHING, || self.with(Value::clone(&inner), rest, new))
                };
                Value::Some(Shared::new(updated))
            }
            (WithComponent::Inside, Value::App(app))
                if matches!(app.0, Value::Builtin(Builtin::None)) =>
            {
                Value::App(app)
            }
            (_, value) => Value::With(Shared::new((value, path.into(), new))),
        }
    }

    /// Returns fields to change, copied only if somebody else has them too, and if memory allows.
    fn owned(&self, fields: Shared<Fields>) -> Option<Fields> {
        if fields.is_shared() && !self.charge_fields(fields.len()) {
            return None;
        }
        Some(fields.into_inner())
    }

    /// Returns the fields of both, in order; `both` decides where both have one.
    pub(crate) fn joined(
        &self,
        left: Shared<Fields>,
        right: &Fields,
        both: impl Fn(&Value, &Value) -> Value,
    ) -> Fields {
        if !left.is_shared() && right.len() < left.len() / 8 {
            // A chain of updates goes on with one record, and does not copy it each time.
            self.charge_fields(right.len());
            let mut fields = left.into_inner();
            for (label, value) in right {
                match fields.binary_search_by(|(name, _)| name.cmp(label)) {
                    Ok(at) => fields[at].1 = both(&fields[at].1, value),
                    Err(at) => fields.insert(at, (label.clone(), value.clone())),
                }
            }
            return fields;
        }
        if !self.charge_fields(left.len() + right.len()) {
            return Fields::new();
        }
        join(&left, right, both)
    }

    fn charge_fields(&self, count: usize) -> bool {
        let bytes = count as u64 * size_of::<(Label, Value)>() as u64;
        self.work(count as u64 / FIELDS_PER_STEP) && self.charge(bytes)
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

/// How many fields are copied in the time of a reduction.
const FIELDS_PER_STEP: u64 = 4;

/// Returns the fields of both, in order; `both` decides where both have one.
fn join(left: &Fields, right: &Fields, both: impl Fn(&Value, &Value) -> Value) -> Fields {
    let mut joined = Vec::with_capacity(left.len() + right.len());
    let (mut a, mut b) = (left.iter().peekable(), right.iter().peekable());
    loop {
        let order = match (a.peek(), b.peek()) {
            (Some((x, _)), Some((y, _))) => x.cmp(y),
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (None, None) => return joined,
        };
        match order {
            std::cmp::Ordering::Less => joined.extend(a.next().cloned()),
            std::cmp::Ordering::Greater => joined.extend(b.next().cloned()),
            std::cmp::Ordering::Equal => {
                if let (Some((label, x)), Some((_, y))) = (a.next(), b.next()) {
                    joined.push((label.clone(), both(x, y)));
                }
            }
        }
    }
}

fn abstract_field(value: Value, label: &Label) -> Value {
    Value::Field(Shared::new((value, label.clone())))
}
