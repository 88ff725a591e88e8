//! The operators (`standard/beta-normalization.md`, by type of operand).

use super::context::Context;
use super::eval::{NOTHING, collapse};
use super::shared::Shared;
use super::value::{Delayed, Value};
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
            Operator::Prefer => self.prefer(self.force(left), self.force(right)),
            Operator::Combine | Operator::CombineTypes => {
                self.combine(operator, self.force(left), self.force(right))
            }
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
                let (long, short) =
                    (a.len_bytes().max(b.len_bytes()), a.len_bytes().min(b.len_bytes()));
                let steps = long.saturating_mul(short.isqrt()) / PRODUCT_PER_STEP;
                if !self.work(steps) || !self.charge(long.saturating_add(short)) {
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

    fn prefer(&self, left: Value, right: Value) -> Value {
        match (left, right) {
            (left, Value::Record(fields)) if fields.is_empty() => left,
            (Value::Record(fields), right) if fields.is_empty() => right,
            (Value::Record(a), Value::Record(b)) => {
                Value::Record(Shared::new(self.joined(a, &b, |_, b| b.clone())))
            }
            (left, right) if self.convertible(&left, &right) => left,
            (left, right) => stuck(Operator::Prefer, left, right),
        }
    }

    fn combine(&self, operator: Operator, left: Value, right: Value) -> Value {
        let both = |a: &Value, b: &Value| Value::thunk(Delayed::Op(operator, a.clone(), b.clone()));
        match (left, right) {
            (left, Value::Record(fields) | Value::RecordType(fields)) if fields.is_empty() => left,
            (Value::Record(fields) | Value::RecordType(fields), right) if fields.is_empty() => {
                right
            }
            (Value::Record(a), Value::Record(b)) => {
                Value::Record(Shared::new(self.joined(a, &b, both)))
            }
            (Value::RecordType(a), Value::RecordType(b)) => {
                Value::RecordType(Shared::new(self.joined(a, &b, both)))
            }
            (left, right) => stuck(operator, left, right),
        }
    }

    /// Applies an operator on records to two operands; what nobody else holds of the left one is
    /// changed in its place.
    pub(crate) fn merge_records(&self, operator: Operator, left: Value, right: &Value) -> Value {
        if !self.step() {
            return NOTHING;
        }
        let (left, right) = (self.forced(left), self.force(right));
        self.deeper(NOTHING, || match operator {
            Operator::Prefer => self.prefer(left, right),
            _ => self.combine(operator, left, right),
        })
    }
}

/// How far one factor's bytes, times the root of the other's, are multiplied in the time of a reduction.
const PRODUCT_PER_STEP: u64 = 1_024;

/// An operator that something abstract keeps from reducing.
pub(crate) fn stuck(operator: Operator, left: Value, right: Value) -> Value {
    Value::Op(Shared::new((operator, left, right)))
}
