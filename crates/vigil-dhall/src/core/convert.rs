//! Whether two values are equivalent (`standard/equivalence.md`).
//!
//! Values are compared as far as they differ and no further: equal pointers are equal values, and
//! nothing is written out.

use super::context::Context;
use super::rope::Rope;
use super::value::{Binder, Closure, Fields, Piece, Value};

/// Bound variables that comparison invents count from here, so that they are none of those that
/// checking and quoting invent.
const FRESH: u32 = 1 << 31;

/// Comparisons that took fewer steps are sooner done again than found.
const REMEMBERED_STEPS_MIN: u64 = 16;

/// The most comparisons that are remembered: they keep what was compared.
const REMEMBERED_MAX: usize = 1 << 17;

/// How a comparison of two values went. It holds both, so that their addresses stay theirs.
pub(super) struct Compared {
    are_equal: bool,
    _left: Value,
    _right: Value,
}

impl Context {
    /// Returns whether both have the same normal form, up to the names of bound variables.
    pub(crate) fn convertible(&self, left: &Value, right: &Value) -> bool {
        if let (Value::Thunk(a), Value::Thunk(b)) = (left, right)
            && a.same(b)
        {
            return true;
        }
        if !self.step() {
            return false;
        }
        self.deeper(false, || self.convertible_once(self.force(left), self.force(right)))
    }

    /// Compares two values unless they have been compared before: what is shared on both sides is
    /// compared as often as it stands in memory, not as often as it would be written.
    fn convertible_once(&self, left: Value, right: Value) -> bool {
        let (Some(a), Some(b)) = (left.address(), right.address()) else {
            return self.convertible_here(&left, &right);
        };
        if a == b {
            return true;
        }
        if let Some(known) = self.compared.borrow().get(&(a, b)) {
            return known.are_equal;
        }
        let before = self.steps();
        let are_equal = self.convertible_here(&left, &right);
        let mut compared = self.compared.borrow_mut();
        let is_worth_it = self.steps() - before >= REMEMBERED_STEPS_MIN;
        if is_worth_it && compared.len() < REMEMBERED_MAX && !self.exhausted() {
            compared.insert((a, b), Compared { are_equal, _left: left, _right: right });
        }
        are_equal
    }

    fn convertible_here(&self, left: &Value, right: &Value) -> bool {
        match (left, right) {
            (Value::Const(a), Value::Const(b)) => a == b,
            (Value::Builtin(a), Value::Builtin(b)) => a == b,
            (Value::Level(a), Value::Level(b)) => a == b,
            (Value::Free(a), Value::Free(b)) => **a == **b,
            (Value::Lambda(a), Value::Lambda(b)) | (Value::Pi(a), Value::Pi(b)) => {
                a.same(b) || self.same_binder(a, b)
            }
            (Value::App(a), Value::App(b)) => {
                a.same(b) || (self.convertible(&a.0, &b.0) && self.convertible(&a.1, &b.1))
            }
            (Value::Op(a), Value::Op(b)) => {
                a.same(b)
                    || (a.0 == b.0 && self.convertible(&a.1, &b.1) && self.convertible(&a.2, &b.2))
            }
            (Value::If(a), Value::If(b)) => {
                a.same(b)
                    || (self.convertible(&a.0, &b.0)
                        && self.convertible(&a.1, &b.1)
                        && self.convertible(&a.2, &b.2))
            }
            (Value::RecordType(a), Value::RecordType(b)) | (Value::Record(a), Value::Record(b)) => {
                a.same(b) || self.same_fields(a, b)
            }
            (Value::UnionType(a), Value::UnionType(b)) => {
                a.same(b)
                    || (a.len() == b.len()
                        && a.iter().zip(b.iter()).all(|((x, s), (y, t))| {
                            x == y && self.same_optional(s.as_ref(), t.as_ref())
                        }))
            }
            (Value::Some(a), Value::Some(b)) | (Value::EmptyList(a), Value::EmptyList(b)) => {
                a.same(b) || self.convertible(a, b)
            }
            (Value::List(a), Value::List(b)) => a.same(b) || self.same_items(a, b),
            (Value::Text(a), Value::Text(b)) => a.same(b) || self.same_text(a, b),
            _ => self.convertible_rest(left, right),
        }
    }

    fn convertible_rest(&self, left: &Value, right: &Value) -> bool {
        match (left, right) {
            (Value::Bool(a), Value::Bool(b)) => a == b,
            (Value::Natural(a), Value::Natural(b)) => a == b,
            (Value::Integer(a), Value::Integer(b)) => **a == **b,
            // Equal encodings: zero has a sign, and not-a-number equals itself.
            (Value::Double(a), Value::Double(b)) => {
                a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan())
            }
            (Value::Bytes(a), Value::Bytes(b)) => a == b,
            (Value::Date(a), Value::Date(b)) => a == b,
            (Value::Time(a), Value::Time(b)) => **a == **b,
            (Value::TimeZone(a), Value::TimeZone(b)) => a == b,
            (Value::Merge(a), Value::Merge(b)) => {
                self.convertible(&a.0, &b.0)
                    && self.convertible(&a.1, &b.1)
                    && self.same_optional(a.2.as_ref(), b.2.as_ref())
            }
            (Value::ToMap(a), Value::ToMap(b)) => {
                self.convertible(&a.0, &b.0) && self.same_optional(a.1.as_ref(), b.1.as_ref())
            }
            (Value::ShowConstructor(a), Value::ShowConstructor(b))
            | (Value::Assert(a), Value::Assert(b)) => self.convertible(a, b),
            (Value::Field(a), Value::Field(b)) => a.1 == b.1 && self.convertible(&a.0, &b.0),
            (Value::Project(a), Value::Project(b)) => a.1 == b.1 && self.convertible(&a.0, &b.0),
            (Value::ProjectByType(a), Value::ProjectByType(b)) => {
                self.convertible(&a.0, &b.0) && self.convertible(&a.1, &b.1)
            }
            (Value::With(a), Value::With(b)) => {
                a.1 == b.1 && self.convertible(&a.0, &b.0) && self.convertible(&a.2, &b.2)
            }
            _ => false,
        }
    }

    fn same_optional(&self, left: Option<&Value>, right: Option<&Value>) -> bool {
        match (left, right) {
            (Some(a), Some(b)) => self.convertible(a, b),
            (None, None) => true,
            _ => false,
        }
    }

    fn same_binder(&self, left: &Binder, right: &Binder) -> bool {
        if !self.convertible(&left.domain, &right.domain) {
            return false;
        }
        if let (Closure::Term { env: e, body: b }, Closure::Term { env: f, body: c }) =
            (&left.body, &right.body)
            && b.same(c)
            && e.same(f)
        {
            return true;
        }
        self.with_fresh(|fresh| {
            let left = self.enter(&left.body, Value::Level(FRESH + fresh));
            let right = self.enter(&right.body, Value::Level(FRESH + fresh));
            self.convertible(&left, &right)
        })
    }

    fn same_fields(&self, left: &Fields, right: &Fields) -> bool {
        left.len() == right.len()
            && left.iter().zip(right).all(|((x, _), (y, _))| x == y)
            && left.iter().zip(right).all(|((_, a), (_, b))| self.convertible(a, b))
    }

    fn same_items(&self, left: &Rope<Value>, right: &Rope<Value>) -> bool {
        left.len() == right.len()
            && self
                .items(left)
                .iter()
                .zip(self.items(right).iter())
                .all(|(a, b)| self.convertible(a, b))
    }

    fn same_text(&self, left: &Rope<Piece>, right: &Rope<Piece>) -> bool {
        let (left, right) = (self.pieces(left), self.pieces(right));
        left.len() == right.len()
            && left.iter().zip(right.iter()).all(|pair| match pair {
                (Piece::Text(a), Piece::Text(b)) => a == b,
                (Piece::Value(a), Piece::Value(b)) => self.convertible(a, b),
                _ => false,
            })
    }
}
