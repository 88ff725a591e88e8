//! From expression to bytes (`standard/binary.md`, "Encoding judgment").

use super::{Sink, Writer};
use crate::builtin::Builtin;
use crate::expr::{Binding, Expr, ExprKind, Operator, WithComponent};
use crate::import::{Anchor, Import, ImportMode, ImportTarget};
use crate::label::Label;
use crate::number::Integer;
use crate::stack::deep;

/// Returns the binary form of an expression, which may contain imports (`standard/binary.md`,
/// "Encoding judgment").
#[must_use]
pub fn encode(expr: &Expr) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = Writer::new(&mut bytes);
    put(&mut writer, expr);
    writer.finish();
    bytes
}

impl<S: Sink> Writer<'_, S> {
    pub(crate) fn integer(&mut self, value: &Integer) {
        if value.is_negative() {
            self.negative(value.magnitude());
        } else {
            self.natural(value.magnitude());
        }
    }
}

/// Returns the number of an operator in the encoding.
pub(crate) fn operator_code(operator: Operator) -> u64 {
    Operator::ALL.iter().position(|&each| each == operator).unwrap_or(0) as u64
}

fn put<S: Sink>(w: &mut Writer<'_, S>, expr: &Expr) {
    deep(|| put_here(w, expr));
}

fn put_all<'e, S: Sink>(w: &mut Writer<'_, S>, exprs: impl IntoIterator<Item = &'e Expr>) {
    exprs.into_iter().for_each(|expr| put(w, expr));
}

fn put_here<S: Sink>(w: &mut Writer<'_, S>, expr: &Expr) {
    match expr.kind() {
        ExprKind::Const(universe) => w.text(universe.name()),
        ExprKind::Builtin(builtin) => w.text(builtin.name()),
        ExprKind::Var(label, index) => {
            if label.as_str() != "_" {
                w.array(2);
                w.text(label.as_str());
            }
            w.natural(index);
        }
        ExprKind::Lambda(label, domain, body) => put_binder(w, 1, label, domain, body),
        ExprKind::Pi(label, domain, body) => put_binder(w, 2, label, domain, body),
        ExprKind::App(..) => put_application(w, expr),
        ExprKind::Let(bindings, body) => put_let(w, bindings, body),
        ExprKind::Annotation(inner, annotation) => {
            w.labelled(3, 26);
            put_all(w, [inner, annotation]);
        }
        ExprKind::Op(operator, left, right) => {
            w.labelled(4, 3);
            w.unsigned(operator_code(*operator));
            put_all(w, [left, right]);
        }
        ExprKind::If(test, yes, no) => {
            w.labelled(4, 14);
            put_all(w, [test, yes, no]);
        }
        ExprKind::EmptyList(annotation) => match annotation.kind() {
            ExprKind::App(list, item)
                if matches!(list.kind(), ExprKind::Builtin(Builtin::List)) =>
            {
                w.labelled(2, 4);
                put(w, item);
            }
            _ => {
                w.labelled(2, 28);
                put(w, annotation);
            }
        },
        ExprKind::List(items) => {
            w.labelled(items.len() + 2, 4);
            w.null();
            put_all(w, items);
        }
        ExprKind::Some(inner) => {
            w.labelled(3, 5);
            w.null();
            put(w, inner);
        }
        ExprKind::Assert(claim) => {
            w.labelled(2, 19);
            put(w, claim);
        }
        ExprKind::Import(import) => put_import(w, import),
        ExprKind::Merge(handlers, union, annotation) => {
            w.labelled(if annotation.is_some() { 4 } else { 3 }, 6);
            put_all(w, [handlers, union].into_iter().chain(annotation));
        }
        ExprKind::ToMap(record, annotation) => {
            w.labelled(if annotation.is_some() { 3 } else { 2 }, 27);
            put_all(w, [record].into_iter().chain(annotation));
        }
        ExprKind::ShowConstructor(inner) => {
            w.labelled(2, 34);
            put(w, inner);
        }
        _ => put_rest(w, expr),
    }
}

/// Records and what is done with them, and literals.
fn put_rest<S: Sink>(w: &mut Writer<'_, S>, expr: &Expr) {
    match expr.kind() {
        ExprKind::RecordType(fields) => put_fields(w, 7, fields),
        ExprKind::Record(fields) => put_fields(w, 8, fields),
        ExprKind::UnionType(alternatives) => {
            let mut sorted: Vec<_> = alternatives.iter().collect();
            sorted.sort_by(|a, b| a.0.cmp(&b.0));
            w.labelled(2, 11);
            w.map(sorted.len());
            for (label, payload) in sorted {
                w.text(label.as_str());
                match payload {
                    Some(payload) => put(w, payload),
                    None => w.null(),
                }
            }
        }
        ExprKind::Field(inner, label) => {
            w.labelled(3, 9);
            put(w, inner);
            w.text(label.as_str());
        }
        ExprKind::Project(inner, labels) => {
            w.labelled(labels.len() + 2, 10);
            put(w, inner);
            labels.iter().for_each(|label| w.text(label.as_str()));
        }
        ExprKind::ProjectByType(inner, wanted) => {
            w.labelled(3, 10);
            put(w, inner);
            w.array(1);
            put(w, wanted);
        }
        ExprKind::With(inner, path, value) => {
            w.labelled(4, 29);
            put(w, inner);
            w.array(path.len());
            for component in path {
                match component {
                    WithComponent::Field(label) => w.text(label.as_str()),
                    WithComponent::Inside => w.unsigned(0),
                }
            }
            put(w, value);
        }
        ExprKind::Text(chunks, last) => {
            w.labelled(2 + 2 * chunks.len(), 18);
            for (text, inner) in chunks {
                w.text(text);
                put(w, inner);
            }
            w.text(last);
        }
        ExprKind::Bool(value) => w.bool(*value),
        ExprKind::Natural(value) => {
            w.labelled(2, 15);
            w.natural(value);
        }
        ExprKind::Integer(value) => {
            w.labelled(2, 16);
            w.integer(value);
        }
        ExprKind::Double(value) => w.double(*value),
        ExprKind::Bytes(bytes) => {
            w.labelled(2, 33);
            w.byte_string(bytes);
        }
        ExprKind::Date(date) => w.date(*date),
        ExprKind::Time(time) => w.time(time),
        ExprKind::TimeZone(zone) => w.zone(*zone),
        other => unreachable!("every other form has its own arm above: {other:?}"),
    }
}

impl<S: Sink> Writer<'_, S> {
    pub(crate) fn date(&mut self, date: crate::calendar::Date) {
        let (year, month, day) = date.parts();
        self.labelled(4, 30);
        self.unsigned(u64::from(year));
        self.unsigned(u64::from(month));
        self.unsigned(u64::from(day));
    }

    pub(crate) fn time(&mut self, time: &crate::calendar::Time) {
        let (hour, minute) = time.hour_minute();
        let (mantissa, digits) = time.seconds();
        self.labelled(4, 31);
        self.unsigned(u64::from(hour));
        self.unsigned(u64::from(minute));
        self.decimal(mantissa, digits);
    }

    pub(crate) fn zone(&mut self, zone: crate::calendar::TimeZone) {
        let (negative, hour, minute) = zone.parts();
        self.labelled(4, 32);
        self.bool(!negative);
        self.unsigned(u64::from(hour));
        self.unsigned(u64::from(minute));
    }
}

fn put_binder<S: Sink>(
    w: &mut Writer<'_, S>,
    label: u64,
    name: &Label,
    domain: &Expr,
    body: &Expr,
) {
    if name.as_str() == "_" {
        w.labelled(3, label);
    } else {
        w.labelled(4, label);
        w.text(name.as_str());
    }
    put_all(w, [domain, body]);
}

fn put_application<S: Sink>(w: &mut Writer<'_, S>, expr: &Expr) {
    let mut arguments = Vec::new();
    let mut function = expr;
    while let ExprKind::App(inner, argument) = function.kind() {
        arguments.push(argument);
        function = inner;
    }
    w.labelled(arguments.len() + 2, 0);
    put(w, function);
    put_all(w, arguments.into_iter().rev());
}

fn put_let<S: Sink>(w: &mut Writer<'_, S>, bindings: &[Binding], body: &Expr) {
    w.labelled(2 + 3 * bindings.len(), 25);
    for binding in bindings {
        w.text(binding.label.as_str());
        match &binding.annotation {
            Some(annotation) => put(w, annotation),
            None => w.null(),
        }
        put(w, &binding.value);
    }
    put(w, body);
}

fn put_fields<S: Sink>(w: &mut Writer<'_, S>, label: u64, fields: &[(Label, Expr)]) {
    let mut sorted: Vec<_> = fields.iter().collect();
    sorted.sort_by(|a, b| a.0.cmp(&b.0));
    w.labelled(2, label);
    w.map(sorted.len());
    for (name, value) in sorted {
        w.text(name.as_str());
        put(w, value);
    }
}

fn put_import<S: Sink>(w: &mut Writer<'_, S>, import: &Import) {
    let rest = match &import.target {
        ImportTarget::Local(_, path) => path.directory.len() + 1,
        ImportTarget::Remote(url) => url.path.directory.len() + 4,
        ImportTarget::Environment(_) => 1,
        ImportTarget::Missing => 0,
    };
    w.labelled(4 + rest, 24);
    match &import.hash {
        None => w.null(),
        Some(hash) => {
            // A multihash: SHA-256 is 0x12, and 0x20 bytes follow.
            let mut multihash = vec![0x12, 0x20];
            multihash.extend_from_slice(hash.as_bytes());
            w.byte_string(&multihash);
        }
    }
    w.unsigned(match import.mode {
        ImportMode::Code => 0,
        ImportMode::Text => 1,
        ImportMode::Location => 2,
        ImportMode::Bytes => 3,
    });
    match &import.target {
        ImportTarget::Remote(url) => {
            w.unsigned(u64::from(url.secure));
            match &url.headers {
                Some(headers) => put(w, headers),
                None => w.null(),
            }
            w.text(&url.authority);
            url.path.components().for_each(|component| w.text(component));
            match &url.query {
                Some(query) => w.text(query),
                None => w.null(),
            }
        }
        ImportTarget::Local(anchor, path) => {
            w.unsigned(match anchor {
                Anchor::Absolute => 2,
                Anchor::Here => 3,
                Anchor::Parent => 4,
                Anchor::Home => 5,
            });
            path.components().for_each(|component| w.text(component));
        }
        ImportTarget::Environment(name) => {
            w.unsigned(6);
            w.text(name);
        }
        ImportTarget::Missing => w.unsigned(7),
    }
}
