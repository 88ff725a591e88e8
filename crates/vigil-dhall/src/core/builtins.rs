//! The built-in functions (`standard/beta-normalization.md`).
//!
//! Folds run as loops that evaluate each intermediate result as far as its head: they need no
//! stack however long the list is.

use super::context::Context;
use super::environment::Env;
use super::eval::{NOTHING, collapse};
use super::rope::Rope;
use super::shared::Shared;
use super::value::{Binder, Closure, Piece, Value};
use crate::builtin::Builtin;
use crate::number::{Integer, Natural, show_double};

impl Context {
    /// Applies a built-in, or an abstract function, to one more argument.
    pub(crate) fn apply_builtin(&self, function: &Value, argument: Value) -> Value {
        if !self.step() {
            return NOTHING;
        }
        // No built-in takes more than five arguments.
        let mut arguments: [Option<&Value>; 5] = [const { None }; 5];
        let mut count = 0;
        let mut head = function;
        while let Value::App(app) = head {
            if count == 4 {
                return Value::app(function.clone(), argument);
            }
            arguments[count] = Some(&app.1);
            count += 1;
            head = &app.0;
        }
        let Value::Builtin(builtin) = head else {
            return Value::app(function.clone(), argument);
        };
        arguments[..count].reverse();
        let earlier: Vec<Value> = arguments[..count].iter().flatten().map(|&v| v.clone()).collect();
        let reduced = self.deeper(None, || self.reduce(*builtin, &earlier, &argument));
        reduced.unwrap_or_else(|| Value::app(function.clone(), argument))
    }

    fn reduce(&self, builtin: Builtin, earlier: &[Value], last: &Value) -> Option<Value> {
        match (builtin, earlier) {
            (Builtin::NaturalFold, [count, _, successor]) => {
                self.natural_fold(count, successor, last)
            }
            (Builtin::NaturalBuild, []) => Some(self.natural_build(last)),
            (Builtin::NaturalSubtract, [first]) => self.subtract(first, last),
            (Builtin::ListBuild, [item]) => Some(self.list_build(item, last)),
            (Builtin::ListFold, [_, list, _, cons]) => self.list_fold(list, cons, last),
            (
                Builtin::ListLength
                | Builtin::ListHead
                | Builtin::ListLast
                | Builtin::ListIndexed
                | Builtin::ListReverse,
                [item],
            ) => self.list_function(builtin, item, last),
            (Builtin::TextReplace, [needle, replacement]) => {
                self.text_replace(needle, replacement, last)
            }
            (_, []) => self.unary(builtin, &self.force(last)),
            _ => None,
        }
    }

    fn unary(&self, builtin: Builtin, argument: &Value) -> Option<Value> {
        Some(match (builtin, argument) {
            (Builtin::NaturalIsZero, Value::Natural(n)) => Value::Bool(n.is_zero()),
            (Builtin::NaturalEven, Value::Natural(n)) => Value::Bool(n.is_even()),
            (Builtin::NaturalOdd, Value::Natural(n)) => Value::Bool(!n.is_even()),
            (Builtin::NaturalToInteger, Value::Natural(n)) => {
                Value::Integer(Shared::new(Integer::new(false, n.clone())))
            }
            (Builtin::NaturalShow, Value::Natural(n)) => self.decimal(n, || n.to_string()),
            (Builtin::IntegerToDouble, Value::Integer(n)) => Value::Double(n.to_f64()),
            (Builtin::IntegerShow, Value::Integer(n)) => {
                self.decimal(n.magnitude(), || n.to_string())
            }
            (Builtin::IntegerNegate, Value::Integer(n)) => Value::Integer(Shared::new(n.negate())),
            (Builtin::IntegerClamp, Value::Integer(n)) => {
                Value::Natural(if n.is_negative() { Natural::ZERO } else { n.magnitude().clone() })
            }
            (Builtin::DoubleShow, Value::Double(n)) => self.shown(&show_double(*n)),
            (Builtin::DateShow, Value::Date(date)) => self.shown(&date.to_string()),
            (Builtin::TimeShow, Value::Time(time)) => self.shown(&time.to_string()),
            (Builtin::TimeZoneShow, Value::TimeZone(zone)) => self.shown(&zone.to_string()),
            (Builtin::TextShow, Value::Text(_)) => {
                let text = self.plain_text(argument)?;
                if !self.charge(quoted_len(&text) as u64) {
                    return Some(NOTHING);
                }
                Value::text(&quoted(&text))
            }
            _ => return None,
        })
    }

    /// Writes a number in decimal, if memory and time allow.
    fn decimal(&self, number: &Natural, write: impl FnOnce() -> String) -> Value {
        if self.charge_decimal(number) { Value::text(&write()) } else { NOTHING }
    }

    /// Counts what it takes to write a number in decimal and returns whether it may be written.
    pub(crate) fn charge_decimal(&self, number: &Natural) -> bool {
        let bytes = number.len_bytes();
        let steps = bytes.saturating_mul(bytes.isqrt()) / DECIMAL_PER_STEP;
        // Not quite two and a half digits to the byte, and a sign.
        self.work(steps) && self.charge(bytes.saturating_mul(5) / 2 + 1)
    }

    fn shown(&self, text: &str) -> Value {
        if self.charge(text.len() as u64) { Value::text(text) } else { NOTHING }
    }

    /// Returns the characters of a text without anything abstract in it.
    pub(crate) fn plain_text(&self, value: &Value) -> Option<std::sync::Arc<str>> {
        let Value::Text(rope) = value else {
            return None;
        };
        match self.pieces(rope).as_slice() {
            [] => Some("".into()),
            [Piece::Text(text)] => Some(text.clone()),
            _ => None,
        }
    }

    fn natural_fold(&self, count: &Value, successor: &Value, zero: &Value) -> Option<Value> {
        let Value::Natural(count) = self.force(count) else {
            return None;
        };
        let successor = self.force(successor);
        let mut result = self.force(zero);
        // A count that is larger would reach the step limit first.
        for _ in 0..count.to_u64().unwrap_or(u64::MAX) {
            if !self.step() {
                return Some(NOTHING);
            }
            let next = self.apply(&successor, result.clone());
            // A step that changes nothing will change nothing ever after.
            let settled = match (&result, &next) {
                (Value::Natural(a), Value::Natural(b)) => a == b,
                (Value::Bool(a), Value::Bool(b)) => a == b,
                (Value::Record(a), Value::Record(b)) => a.same(b),
                (Value::List(a), Value::List(b)) => a.same(b),
                (Value::Text(a), Value::Text(b)) => a.same(b),
                (Value::EmptyList(a), Value::EmptyList(b)) => a.same(b),
                _ => false,
            };
            result = next;
            if settled {
                break;
            }
        }
        Some(result)
    }

    fn natural_build(&self, function: &Value) -> Value {
        let natural = Value::Builtin(Builtin::Natural);
        let successor = Value::Lambda(Shared::new(Binder {
            label: self.labels.x.clone(),
            domain: natural.clone(),
            body: Closure::Term { env: Env::default(), body: self.terms().successor.clone() },
        }));
        self.apply_all(function, [natural, successor, Value::Natural(Natural::ZERO)])
    }

    pub(crate) fn apply_all<const N: usize>(&self, function: &Value, args: [Value; N]) -> Value {
        let mut result = self.force(function);
        for argument in args {
            result = self.apply(&result, argument);
        }
        result
    }

    fn subtract(&self, first: &Value, second: &Value) -> Option<Value> {
        let (first, second) = (self.force(first), self.force(second));
        match (&first, &second) {
            (Value::Natural(a), Value::Natural(b)) => Some(Value::Natural(b.saturating_sub(a))),
            (Value::Natural(zero), _) if zero.is_zero() => Some(second),
            (_, Value::Natural(zero)) if zero.is_zero() => Some(second),
            _ if self.convertible(&first, &second) => Some(Value::Natural(Natural::ZERO)),
            _ => None,
        }
    }

    fn list_build(&self, item: &Value, function: &Value) -> Value {
        let list = Value::list_of(item.clone());
        let cons = Value::Lambda(Shared::new(Binder {
            label: self.labels.a.clone(),
            domain: item.clone(),
            body: Closure::Term {
                env: Env::default().push(item.clone()),
                body: self.terms().cons.clone(),
            },
        }));
        let nil = Value::EmptyList(Shared::new(list.clone()));
        self.apply_all(function, [list, cons, nil])
    }

    fn list_fold(&self, list: &Value, cons: &Value, nil: &Value) -> Option<Value> {
        let items = match self.force(list) {
            Value::EmptyList(_) => return Some(self.force(nil)),
            Value::List(rope) => self.items(&rope),
            _ => return None,
        };
        let cons = self.force(cons);
        let mut result = self.force(nil);
        for item in items.iter().rev() {
            if !self.step() {
                return Some(NOTHING);
            }
            let partial = self.apply(&cons, item.clone());
            result = self.apply(&partial, result);
        }
        Some(result)
    }

    fn list_function(&self, builtin: Builtin, item: &Value, list: &Value) -> Option<Value> {
        let list = self.force(list);
        let none = || Value::app(Value::Builtin(Builtin::None), item.clone());
        let some = |value: Option<Value>| value.map(|value| Value::Some(Shared::new(value)));
        match (builtin, &list) {
            (Builtin::ListLength, Value::EmptyList(_)) => Some(Value::Natural(Natural::ZERO)),
            (Builtin::ListLength, Value::List(rope)) => {
                Some(Value::Natural(Natural::from(rope.len())))
            }
            (Builtin::ListHead | Builtin::ListLast, Value::EmptyList(_)) => Some(none()),
            (Builtin::ListHead, Value::List(rope)) => some(rope.first()),
            (Builtin::ListLast, Value::List(rope)) => some(rope.last()),
            (Builtin::ListReverse, Value::EmptyList(_)) => Some(list),
            (Builtin::ListReverse, Value::List(rope)) => {
                let items = self.items(rope);
                Some(Value::List(Rope::leaf(items.iter().rev().cloned().collect())))
            }
            (Builtin::ListIndexed, Value::EmptyList(_)) => {
                let entry = Value::record_type(vec![
                    (self.labels.index.clone(), Value::Builtin(Builtin::Natural)),
                    (self.labels.value.clone(), item.clone()),
                ]);
                Some(Value::EmptyList(Shared::new(Value::list_of(entry))))
            }
            (Builtin::ListIndexed, Value::List(rope)) => {
                let entry = |(at, value): (usize, &Value)| {
                    Value::record(vec![
                        (self.labels.index.clone(), Value::Natural(Natural::from(at as u64))),
                        (self.labels.value.clone(), value.clone()),
                    ])
                };
                let items = self.items(rope);
                Some(Value::List(Rope::leaf(items.iter().enumerate().map(entry).collect())))
            }
            _ => None,
        }
    }

    fn text_replace(&self, needle: &Value, replacement: &Value, text: &Value) -> Option<Value> {
        let needle = self.plain_text(&self.force(needle))?;
        let text = self.force(text);
        if needle.is_empty() {
            return Some(text);
        }
        let haystack = self.plain_text(&text)?;
        let count = haystack.matches(&*needle).count();
        if count == 0 {
            return Some(text);
        }
        let replacement = self.force(replacement);
        if let Some(plain) = self.plain_text(&replacement) {
            let removed = needle.len().saturating_mul(count) as u64;
            let added = (plain.len() as u64).saturating_mul(count as u64);
            let bytes = (haystack.len() as u64 - removed).saturating_add(added);
            if !self.charge(bytes) {
                return Some(NOTHING);
            }
            return Some(Value::text(&haystack.replace(&*needle, &plain)));
        }
        let pieces = count as u64 * 2 + 1;
        if !self.charge(pieces * ROPE_BYTES + haystack.len() as u64) {
            return Some(NOTHING);
        }
        let mut parts = haystack.split(&*needle);
        let mut rope = self.text_rope(Value::text(parts.next().unwrap_or("")));
        for part in parts {
            rope = rope.cat(&self.text_rope(replacement.clone()));
            rope = rope.cat(&self.text_rope(Value::text(part)));
        }
        Some(collapse(rope))
    }
}

/// How far a number's bytes, times their root, are written in decimal in the time of a reduction.
const DECIMAL_PER_STEP: u64 = 64;

/// What a piece of a text costs until all are laid out: itself, what holds it, and its place.
const ROPE_BYTES: u64 = 160;

/// Returns how many bytes a character has where `Text/show` writes it.
fn quoted_char_len(c: char) -> usize {
    match c {
        '"' | '\\' | '\u{8}' | '\u{C}' | '\n' | '\r' | '\t' => 2,
        '$' | '\0'..='\u{1F}' => 6,
        _ => c.len_utf8(),
    }
}

fn quoted_len(text: &str) -> usize {
    2 + text.chars().map(quoted_char_len).sum::<usize>()
}

/// Returns the text as `Text/show` writes it: valid in the language and, mostly, in JSON.
pub(crate) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(quoted_len(text));
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '$' => out.push_str("\\u0024"),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\u{C}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\0'..='\u{1F}' => out.push_str(&format!("\\u{:04X}", c as u32)),
            _ => out.push(c),
        }
    }
    out.push('"');
    out
}
