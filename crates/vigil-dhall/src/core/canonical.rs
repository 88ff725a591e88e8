//! The binary form of a value's α-normal form, without ever building that form.
//!
//! A value shares what its normal form repeats; writing it out piece by piece keeps memory at the
//! size of the value, however large the normal form is.

use super::context::Context;
use super::value::{Binder, Piece, Value};
use crate::binary::{Sink, Writer, operator_code};
use crate::builtin::Builtin;
use crate::expr::WithComponent;
use crate::label::Label;
use crate::number::Natural;

/// How many bytes are written, and hashed, in the time of a reduction.
const BYTES_PER_STEP: u64 = 64;

/// Writes values in their canonical binary form.
pub(crate) struct Canonical<'c, 's, S: Sink> {
    context: &'c Context,
    writer: Writer<'s, S>,
    level: u32,
    charged: u64,
}

impl<'c, 's, S: Sink> Canonical<'c, 's, S> {
    /// Writes `value`, which is closed, into `sink`.
    pub(crate) fn write(context: &'c Context, sink: &'s mut S, value: &Value) {
        let mut this = Self { context, writer: Writer::new(sink), level: 0, charged: 0 };
        this.value(value);
        this.writer.finish();
    }

    fn value(&mut self, value: &Value) {
        let context = self.context;
        let written = self.writer.written();
        let new = written - self.charged;
        if !context.work(1 + new / BYTES_PER_STEP) || !context.charge(new) {
            return;
        }
        self.charged = written;
        context.deeper((), || {
            let value = context.force(value);
            self.value_here(&value);
        });
    }

    fn label(&mut self, label: &Label) {
        self.writer.text(label.as_str());
    }

    fn value_here(&mut self, value: &Value) {
        match value {
            Value::Thunk(_) => unreachable!("forcing leaves no promise"),
            Value::Const(universe) => self.writer.text(universe.name()),
            Value::Builtin(builtin) => self.writer.text(builtin.name()),
            Value::Level(level) => {
                self.writer.unsigned(u64::from(self.level.wrapping_sub(level + 1)));
            }
            Value::Free(free) => self.free(&free.0, &free.1),
            Value::Lambda(binder) => self.binder(1, binder),
            Value::Pi(binder) => self.binder(2, binder),
            Value::App(_) => self.application(value),
            Value::Op(op) => {
                self.writer.labelled(4, 3);
                self.writer.unsigned(operator_code(op.0));
                self.value(&op.1);
                self.value(&op.2);
            }
            Value::If(parts) => {
                self.writer.labelled(4, 14);
                self.value(&parts.0);
                self.value(&parts.1);
                self.value(&parts.2);
            }
            Value::Merge(merge) => {
                self.writer.labelled(if merge.2.is_some() { 4 } else { 3 }, 6);
                self.value(&merge.0);
                self.value(&merge.1);
                merge.2.iter().for_each(|annotation| self.value(annotation));
            }
            Value::ToMap(map) => {
                self.writer.labelled(if map.1.is_some() { 3 } else { 2 }, 27);
                self.value(&map.0);
                map.1.iter().for_each(|annotation| self.value(annotation));
            }
            Value::ShowConstructor(inner) => {
                self.writer.labelled(2, 34);
                self.value(inner);
            }
            Value::Assert(claim) => {
                self.writer.labelled(2, 19);
                self.value(claim);
            }
            Value::Field(field) => {
                self.writer.labelled(3, 9);
                self.value(&field.0);
                self.label(&field.1);
            }
            Value::Project(project) => {
                self.writer.labelled(project.1.len() + 2, 10);
                self.value(&project.0);
                project.1.iter().for_each(|label| self.label(label));
            }
            Value::ProjectByType(project) => {
                self.writer.labelled(3, 10);
                self.value(&project.0);
                self.writer.array(1);
                self.value(&project.1);
            }
            Value::With(with) => {
                self.writer.labelled(4, 29);
                self.value(&with.0);
                self.writer.array(with.1.len());
                for component in with.1.iter() {
                    match component {
                        WithComponent::Field(label) => self.label(label),
                        WithComponent::Inside => self.writer.unsigned(0),
                    }
                }
                self.value(&with.2);
            }
            _ => self.literal(value),
        }
    }

    fn literal(&mut self, value: &Value) {
        match value {
            Value::Bool(value) => self.writer.bool(*value),
            Value::Natural(value) => {
                self.writer.labelled(2, 15);
                self.writer.natural(value);
            }
            Value::Integer(value) => {
                self.writer.labelled(2, 16);
                self.writer.integer(value);
            }
            Value::Double(value) => self.writer.double(*value),
            Value::Bytes(bytes) => {
                self.writer.labelled(2, 33);
                self.writer.byte_string(bytes);
            }
            Value::Date(date) => self.writer.date(*date),
            Value::Time(time) => self.writer.time(time),
            Value::TimeZone(zone) => self.writer.zone(*zone),
            Value::Text(rope) => self.text(&self.context.pieces(rope)),
            Value::EmptyList(annotation) => self.empty_list(annotation),
            Value::List(rope) => {
                let items = self.context.items(rope);
                self.writer.labelled(items.len() + 2, 4);
                self.writer.null();
                items.iter().for_each(|item| self.value(item));
            }
            Value::Some(inner) => {
                self.writer.labelled(3, 5);
                self.writer.null();
                self.value(inner);
            }
            Value::RecordType(fields) => self.fields(7, fields),
            Value::Record(fields) => self.fields(8, fields),
            Value::UnionType(alternatives) => {
                self.writer.labelled(2, 11);
                self.writer.map(alternatives.len());
                for (label, payload) in alternatives.iter() {
                    self.label(label);
                    match payload {
                        Some(payload) => self.value(payload),
                        None => self.writer.null(),
                    }
                }
            }
            _ => unreachable!("the caller has handled every other form"),
        }
    }

    fn fields(&mut self, label: u64, fields: &[(Label, Value)]) {
        self.writer.labelled(2, label);
        self.writer.map(fields.len());
        for (name, value) in fields {
            self.label(name);
            self.value(value);
        }
    }

    fn empty_list(&mut self, annotation: &Value) {
        let annotation = self.context.force(annotation);
        if let Value::App(app) = &annotation
            && matches!(app.0, Value::Builtin(Builtin::List))
        {
            self.writer.labelled(2, 4);
            self.value(&app.1);
        } else {
            self.writer.labelled(2, 28);
            self.value(&annotation);
        }
    }

    /// Texts and abstract pieces alternate, with a text first and last.
    fn text(&mut self, pieces: &[Piece]) {
        let inner = pieces.iter().filter(|piece| matches!(piece, Piece::Value(_))).count();
        self.writer.labelled(2 + 2 * inner, 18);
        let mut text_is_due = true;
        for piece in pieces {
            match piece {
                Piece::Text(text) => {
                    self.writer.text(text);
                    text_is_due = false;
                }
                Piece::Value(value) => {
                    if text_is_due {
                        self.writer.text("");
                    }
                    self.value(value);
                    text_is_due = true;
                }
            }
        }
        if text_is_due {
            self.writer.text("");
        }
    }

    fn application(&mut self, value: &Value) {
        let mut arguments = Vec::new();
        let mut function = value;
        while let Value::App(app) = function {
            arguments.push(&app.1);
            function = &app.0;
        }
        self.writer.labelled(arguments.len() + 2, 0);
        self.value(function);
        arguments.into_iter().rev().for_each(|argument| self.value(argument));
    }

    fn binder(&mut self, label: u64, binder: &Binder) {
        self.writer.labelled(3, label);
        self.value(&binder.domain);
        let body = self.context.enter(&binder.body, Value::Level(self.level));
        self.level += 1;
        self.value(&body);
        self.level -= 1;
    }

    fn free(&mut self, name: &Label, index: &Natural) {
        if name.as_str() == "_" {
            self.writer.natural(&index.add(&Natural::from(u64::from(self.level))));
        } else {
            self.writer.array(2);
            self.label(name);
            self.writer.natural(index);
        }
    }
}
