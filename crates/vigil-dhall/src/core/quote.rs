//! From values back to syntax: the normal form.

use std::collections::HashMap;
use std::sync::Arc;

use super::context::Context;
use super::value::{Binder, Piece, Value};
use crate::expr::{Expr, ExprKind};
use crate::label::Label;
use crate::number::Natural;

/// What a node of the result costs, roughly: the node, its pointer and its label.
const NODE_BYTES: u64 = 96;

/// What an alternative without a payload costs: its label and the place for a payload.
const ALTERNATIVE_BYTES: u64 = 32;

/// Writes values as expressions, in the scope of named variables.
pub(crate) struct Quote<'c> {
    context: &'c Context,
    names: Vec<Label>,
    /// Whether every bound variable is called `_` (`standard/alpha-normalization.md`).
    alpha: bool,
    /// Whether what is written again counts again, as it does where all of it will be written out.
    counts_again: bool,
    /// What has been written under the binders in progress.
    written: HashMap<usize, Written>,
    /// The keys of `written`, in the order in which they came.
    order: Vec<usize>,
}

/// A value that has been written, and what became of it.
struct Written {
    /// How many binders are around it. Under others its variables have other indices.
    depth: usize,
    expr: Expr,
    bytes: u64,
    /// Held, so that its address stays its own.
    _value: Value,
}

/// Values that take less than this are sooner written again than found.
const WRITTEN_BYTES_MIN: u64 = 8 * NODE_BYTES;

impl<'c> Quote<'c> {
    pub(crate) fn new(context: &'c Context, names: Vec<Label>, alpha: bool) -> Self {
        let written = HashMap::new();
        Self { context, names, alpha, counts_again: true, written, order: Vec::new() }
    }

    /// Counts what is shared only once: the result is not for writing out, but for comparing.
    pub(crate) fn counting_once(mut self) -> Self {
        self.counts_again = false;
        self
    }

    /// Returns the normal form of `value`.
    pub(crate) fn expr(&mut self, value: &Value) -> Expr {
        let context = self.context;
        let nothing = || Expr::new(ExprKind::Bool(false));
        if !context.charge(NODE_BYTES) {
            return nothing();
        }
        context.deeper(None, || Some(self.expr_here(value))).unwrap_or_else(nothing)
    }

    fn expr_here(&mut self, value: &Value) -> Expr {
        let value = self.context.force(value);
        let Some(address) = value.address() else {
            return self.expr_new(&value);
        };
        let depth = self.names.len();
        if let Some(known) = self.written.get(&address)
            && known.depth == depth
        {
            let expr = known.expr.clone();
            if self.counts_again {
                self.context.charge(known.bytes);
            }
            return expr;
        }
        let before = self.context.charged();
        let expr = self.expr_new(&value);
        let bytes = self.context.charged() - before;
        if bytes >= WRITTEN_BYTES_MIN {
            self.order.push(address);
            self.written
                .insert(address, Written { depth, expr: expr.clone(), bytes, _value: value });
        }
        expr
    }

    fn expr_new(&mut self, value: &Value) -> Expr {
        let kind = match value {
            Value::Thunk(_) => unreachable!("forcing leaves no promise"),
            Value::Const(universe) => ExprKind::Const(*universe),
            Value::Builtin(builtin) => ExprKind::Builtin(*builtin),
            Value::Level(level) => self.variable(*level),
            Value::Free(free) => self.free(&free.0, &free.1),
            Value::Lambda(binder) => {
                let (label, domain, body) = self.binder(binder);
                ExprKind::Lambda(label, domain, body)
            }
            Value::Pi(binder) => {
                let (label, domain, body) = self.binder(binder);
                ExprKind::Pi(label, domain, body)
            }
            Value::App(app) => ExprKind::App(self.expr(&app.0), self.expr(&app.1)),
            Value::Op(op) => ExprKind::Op(op.0, self.expr(&op.1), self.expr(&op.2)),
            Value::If(parts) => {
                ExprKind::If(self.expr(&parts.0), self.expr(&parts.1), self.expr(&parts.2))
            }
            Value::Merge(merge) => ExprKind::Merge(
                self.expr(&merge.0),
                self.expr(&merge.1),
                merge.2.as_ref().map(|annotation| self.expr(annotation)),
            ),
            Value::ToMap(map) => ExprKind::ToMap(
                self.expr(&map.0),
                map.1.as_ref().map(|annotation| self.expr(annotation)),
            ),
            Value::ShowConstructor(inner) => ExprKind::ShowConstructor(self.expr(inner)),
            Value::Assert(claim) => ExprKind::Assert(self.expr(claim)),
            Value::Field(field) => ExprKind::Field(self.expr(&field.0), field.1.clone()),
            Value::Project(project) => ExprKind::Project(self.expr(&project.0), project.1.to_vec()),
            Value::ProjectByType(project) => {
                ExprKind::ProjectByType(self.expr(&project.0), self.expr(&project.1))
            }
            Value::With(with) => {
                ExprKind::With(self.expr(&with.0), with.1.to_vec(), self.expr(&with.2))
            }
            _ => self.literal(value),
        };
        Expr::new(kind)
    }

    fn literal(&mut self, value: &Value) -> ExprKind {
        match value {
            Value::Bool(value) => ExprKind::Bool(*value),
            Value::Natural(value) => {
                self.context.charge_decimal(value);
                ExprKind::Natural(value.clone())
            }
            Value::Integer(value) => {
                self.context.charge_decimal(value.magnitude());
                ExprKind::Integer(crate::Integer::clone(value))
            }
            Value::Double(value) => ExprKind::Double(*value),
            Value::Bytes(bytes) => ExprKind::Bytes(bytes.clone()),
            Value::Date(date) => ExprKind::Date(*date),
            Value::Time(time) => ExprKind::Time(crate::Time::clone(time)),
            Value::TimeZone(zone) => ExprKind::TimeZone(*zone),
            Value::Text(rope) => {
                let mut chunks = Vec::new();
                let mut text: Arc<str> = Arc::from("");
                for piece in self.context.pieces(rope).iter() {
                    match piece {
                        Piece::Text(next) => text = next.clone(),
                        Piece::Value(inner) => {
                            let inner = self.expr(inner);
                            chunks.push((std::mem::replace(&mut text, Arc::from("")), inner));
                        }
                    }
                }
                ExprKind::Text(chunks, text)
            }
            Value::EmptyList(annotation) => ExprKind::EmptyList(self.expr(annotation)),
            Value::List(rope) => {
                let items = self.context.items(rope);
                ExprKind::List(items.iter().map(|item| self.expr(item)).collect())
            }
            Value::Some(inner) => ExprKind::Some(self.expr(inner)),
            Value::RecordType(fields) => ExprKind::RecordType(self.fields(fields)),
            Value::Record(fields) => ExprKind::Record(self.fields(fields)),
            Value::UnionType(alternatives) => {
                if !self.context.charge(alternatives.len() as u64 * ALTERNATIVE_BYTES) {
                    return ExprKind::UnionType(Vec::new());
                }
                let alternative = |(label, payload): &(Label, Option<Value>)| {
                    (label.clone(), payload.as_ref().map(|payload| self.expr(payload)))
                };
                ExprKind::UnionType(alternatives.iter().map(alternative).collect())
            }
            _ => unreachable!("the caller has handled every other form"),
        }
    }

    fn fields(&mut self, fields: &[(Label, Value)]) -> Vec<(Label, Expr)> {
        fields.iter().map(|(label, value)| (label.clone(), self.expr(value))).collect()
    }

    fn binder(&mut self, binder: &Binder) -> (Label, Expr, Expr) {
        let label =
            if self.alpha { self.context.labels.underscore.clone() } else { binder.label.clone() };
        let domain = self.expr(&binder.domain);
        // Scopes are as deep as evaluation nests, far below 2^31.
        let level = Value::Level(self.names.len() as u32);
        let body = self.context.enter(&binder.body, level);
        self.names.push(label.clone());
        let known = self.order.len();
        let body = self.expr(&body);
        for address in self.order.drain(known..) {
            self.written.remove(&address);
        }
        self.names.pop();
        (label, domain, body)
    }

    /// A variable's index counts the binders of its name that are nearer.
    fn variable(&self, level: u32) -> ExprKind {
        let Some((name, nearer)) =
            self.names.get(level as usize..).and_then(<[Label]>::split_first)
        else {
            // Only a comparison's own variables lie outside, and those are never written.
            return ExprKind::Var(self.context.labels.underscore.clone(), Natural::ZERO);
        };
        let index = nearer.iter().filter(|other| *other == name).count() as u64;
        ExprKind::Var(name.clone(), Natural::from(index))
    }

    fn free(&self, name: &Label, index: &Natural) -> ExprKind {
        let bound = self.names.iter().filter(|other| *other == name).count() as u64;
        ExprKind::Var(name.clone(), index.add(&Natural::from(bound)))
    }
}
