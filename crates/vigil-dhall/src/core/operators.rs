//! The operators (`standard/beta-normalization.md`, by type of operand).

use super::context::Context;
use super::eval::{NOTHING, collapse};
use super::shared::Shared;
use super::value::{Delayed, Fields, Value};
use crate::expr::Operator;
use crate::number::Natural;

impl Context {
    /// Applies an operator to two operands, which may be promises.
    pub(crate) fn operate(&self, operator: Operator, left: &Value, right: &Value) -> Value {
        if !self.step() {
            return NOTHING;
        }
        self.deeper(NOTHING, || match operator {
            Operator::Or | Operator::And | Operator::Equal | Operator::NotEqual => {
                self.logic(operator, left, right)
            }
            Operator::Plus => self.plus(left, right),
            Operator::Times => self.times(left, right),
            Operator::TextAppend => {
                let left = self.text_rope(self.force(left));
                collapse(left.cat(&self.text_rope(self.force(right))))
            }
            Operator::ListAppend => self.append(left, right),
            Operator::Prefer => self.prefer(left, right),
            Operator::Combine | Operator::CombineTypes => self.combine(operator, left, right),
            Operator::Equivalent | Operator::Alternative | Operator::Complete => {
                stuck(operator, left.clone(), right.clone())
            }
        })
    }

    fn logic(&self, operator: Operator, left: &Value, right: &Value) -> Value {
        let left = self.force(left);
        // The operand that decides, and the one that changes nothing.
        let (absorbing, neutral) = match operator {
            Operator::Or => (Some(true), false),
            Operator::And => (Some(false), true),
            Operator::Equal => (None, true),
            _ => (None, false),
        };
        match left {
            Value::Bool(value) if Some(value) == absorbing => return left,
            Value::Bool(value) if value == neutral => return self.force(right),
            _ => {}
        }
        let right = self.force(right);
        match right {
            Value::Bool(value) if Some(value) == absorbing => return right,
            Value::Bool(value) if value == neutral => return left,
            _ => {}
        }
        if self.convertible(&left, &right) {
            return match operator {
                Operator::Equal => Value::Bool(true),
                Operator::NotEqual => Value::Bool(false),
                _ => left,
            };
        }
        if let (Value::Bool(a), Value::Bool(b), None) = (&left, &right, absorbing) {
            return Value::Bool((a == b) == (operator == Operator::Equal));
        }
        stuck(operator, left, right)
    }

    fn natural(&self, value: Natural) -> Value {
        if self.charge(value.len_bytes()) { Value::Natural(value) } else { NOTHING }
    }

    fn plus(&self, left: &Value, right: &Value) -> Value {
        match (self.force(left), self.force(right)) {
            (Value::Natural(a), Value::Natural(b)) => self.natural(a.add(&b)),
            (Value::Natural(zero), other) | (other, Value::Natural(zero)) if zero.is_zero() => {
                other
            }
            (left, right) => stuck(Operator::Plus, left, right),
        }
    }

    fn times(&self, left: &Value, right: &Value) -> Value {
        let one = Natural::from(1);
        match (self.force(left), self.force(right)) {
            (Value::Natural(a), Value::Natural(b)) => {
                // The product is about as long as both factors: refuse before it is built.
                if !self.charge(a.len_bytes().saturating_add(b.len_bytes())) {
                    return NOTHING;
                }
                Value::Natural(a.multiply(&b))
            }
            (Value::Natural(zero), _) | (_, Value::Natural(zero)) if zero.is_zero() => {
                Value::Natural(zero)
            }
            (Value::Natural(n), other) | (other, Value::Natural(n)) if n == one => other,
            (left, right) => stuck(Operator::Times, left, right),
        }
    }

    fn append(&self, left: &Value, right: &Value) -> Value {
        match (self.force(left), self.force(right)) {
            (Value::EmptyList(_), right) => right,
            (left, Value::EmptyList(_)) => left,
            (Value::List(left), Value::List(right)) => Value::List(left.cat(&right)),
            (left, right) => stuck(Operator::ListAppend, left, right),
        }
    }

    fn prefer(&self, left: &Value, right: &Value) -> Value {
        let (left, right) = (self.force(left), self.force(right));
        match (&left, &right) {
            (_, Value::Record(fields)) if fields.is_empty() => left,
            (Value::Record(fields), _) if fields.is_empty() => right,
            (Value::Record(a), Value::Record(b)) => {
                self.charge_fields(a.len() + b.len());
                Value::Record(Shared::new(join(a, b, |_, b| b.clone())))
            }
            _ if self.convertible(&left, &right) => left,
            _ => stuck(Operator::Prefer, left, right),
        }
    }

    fn combine(&self, operator: Operator, left: &Value, right: &Value) -> Value {
        let (left, right) = (self.force(left), self.force(right));
        let both = |a: &Value, b: &Value| Value::thunk(Delayed::Op(operator, a.clone(), b.clone()));
        match (&left, &right) {
            (_, Value::Record(fields) | Value::RecordType(fields)) if fields.is_empty() => left,
            (Value::Record(fields) | Value::RecordType(fields), _) if fields.is_empty() => right,
            (Value::Record(a), Value::Record(b)) => {
                self.charge_fields(a.len() + b.len());
                Value::Record(Shared::new(join(a, b, both)))
            }
            (Value::RecordType(a), Value::RecordType(b)) => {
                self.charge_fields(a.len() + b.len());
                Value::RecordType(Shared::new(join(a, b, both)))
            }
            _ => stuck(operator, left, right),
        }
    }

    fn charge_fields(&self, count: usize) {
        self.charge(count as u64 * size_of::<(crate::Label, Value)>() as u64);
    }
}

/// An operator that something abstract keeps from reducing.
pub(crate) fn stuck(operator: Operator, left: Value, right: Value) -> Value {
    Value::Op(Shared::new((operator, left, right)))
}

/// Returns the fields of both, in order; `both` decides where both have one.
pub(crate) fn join(
    left: &Fields,
    right: &Fields,
    both: impl Fn(&Value, &Value) -> Value,
) -> Fields {
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
