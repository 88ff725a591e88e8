//! From syntax to terms: names become positions, sugar goes.

use std::collections::HashMap;
use std::rc::Rc;

use super::term::{Loaded, Term, TermKind, term};
use crate::expr::{Expr, ExprKind, Operator};
use crate::label::Label;
use crate::number::Natural;
use crate::stack::deep;

/// Loaded imports, by the address of the expression that each became.
pub(crate) type LoadedByAddress = HashMap<usize, (Expr, Rc<Loaded>)>;

/// Returns the term of an expression without imports.
pub(crate) fn lower(expr: &Expr) -> Term {
    lower_with(expr, &LoadedByAddress::new())
}

/// Returns the term of an expression whose imports are among `loaded`.
pub(crate) fn lower_with(expr: &Expr, loaded: &LoadedByAddress) -> Term {
    Lowering { loaded, scope: Vec::new() }.term(expr)
}

/// Returns the term of an expression in the scope of these variables, the outermost first.
pub(crate) fn lower_under(expr: &Expr, names: Vec<Label>) -> Term {
    Lowering { loaded: &LoadedByAddress::new(), scope: names }.term(expr)
}

struct Lowering<'l> {
    loaded: &'l LoadedByAddress,
    scope: Vec<Label>,
}

impl Lowering<'_> {
    fn term(&mut self, expr: &Expr) -> Term {
        if !self.loaded.is_empty()
            && let Some((_, loaded)) = self.loaded.get(&expr.address())
        {
            return term(expr.span(), TermKind::Loaded(loaded.clone()));
        }
        let kind = deep(|| self.kind(expr));
        term(expr.span(), kind)
    }

    /// Lowers `expr` in the scope of one more variable.
    fn under(&mut self, label: &Label, expr: &Expr) -> Term {
        self.scope.push(label.clone());
        let result = self.term(expr);
        self.scope.pop();
        result
    }

    fn optional(&mut self, expr: Option<&Expr>) -> Option<Term> {
        expr.map(|expr| self.term(expr))
    }

    fn variable(&self, label: &Label, index: &Natural) -> TermKind {
        let mut left = index.clone();
        let one = Natural::from(1);
        for (distance, name) in self.scope.iter().rev().enumerate() {
            if name == label {
                if left.is_zero() {
                    // Scopes are as deep as the source nests, far below 2^32.
                    return TermKind::Var(distance as u32);
                }
                left = left.saturating_sub(&one);
            }
        }
        TermKind::Free(label.clone(), left)
    }

    fn kind(&mut self, expr: &Expr) -> TermKind {
        match expr.kind() {
            ExprKind::Const(universe) => TermKind::Const(*universe),
            ExprKind::Builtin(builtin) => TermKind::Builtin(*builtin),
            ExprKind::Var(label, index) => self.variable(label, index),
            ExprKind::Lambda(label, domain, body) => {
                let domain = self.term(domain);
                TermKind::Lambda(label.clone(), domain, self.under(label, body))
            }
            ExprKind::Pi(label, domain, body) => {
                let domain = self.term(domain);
                TermKind::Pi(label.clone(), domain, self.under(label, body))
            }
            ExprKind::App(function, argument) => {
                TermKind::App(self.term(function), self.term(argument))
            }
            ExprKind::Let(..) => self.bindings(expr),
            ExprKind::Annotation(inner, annotation) => {
                TermKind::Annotation(self.term(inner), self.term(annotation))
            }
            ExprKind::Op(Operator::Complete, schema, record) => {
                self.completion(expr, schema, record)
            }
            ExprKind::Op(operator, left, right) => {
                TermKind::Op(*operator, self.term(left), self.term(right))
            }
            ExprKind::If(test, yes, no) => {
                TermKind::If(self.term(test), self.term(yes), self.term(no))
            }
            ExprKind::EmptyList(annotation) => TermKind::EmptyList(self.term(annotation)),
            ExprKind::List(items) => {
                TermKind::List(items.iter().map(|item| self.term(item)).collect())
            }
            ExprKind::Some(inner) => TermKind::Some(self.term(inner)),
            ExprKind::Merge(handlers, union, annotation) => TermKind::Merge(
                self.term(handlers),
                self.term(union),
                self.optional(annotation.as_ref()),
            ),
            ExprKind::ToMap(record, annotation) => {
                TermKind::ToMap(self.term(record), self.optional(annotation.as_ref()))
            }
            ExprKind::ShowConstructor(inner) => TermKind::ShowConstructor(self.term(inner)),
            ExprKind::Assert(claim) => TermKind::Assert(self.term(claim)),
            ExprKind::Text(chunks, last) => TermKind::Text(
                chunks.iter().map(|(text, inner)| (text.clone(), self.term(inner))).collect(),
                last.clone(),
            ),
            _ => self.rest(expr),
        }
    }

    fn rest(&mut self, expr: &Expr) -> TermKind {
        match expr.kind() {
            ExprKind::RecordType(fields) => TermKind::RecordType(self.fields(fields)),
            ExprKind::Record(fields) => TermKind::Record(self.fields(fields)),
            ExprKind::UnionType(alternatives) => {
                let mut sorted: Vec<_> = alternatives
                    .iter()
                    .map(|(label, payload)| (label.clone(), self.optional(payload.as_ref())))
                    .collect();
                sorted.sort_by(|a, b| a.0.cmp(&b.0));
                TermKind::UnionType(sorted)
            }
            ExprKind::Field(inner, label) => TermKind::Field(self.term(inner), label.clone()),
            ExprKind::Project(inner, labels) => {
                let mut sorted = labels.clone();
                sorted.sort();
                TermKind::Project(self.term(inner), sorted.into())
            }
            ExprKind::ProjectByType(inner, wanted) => {
                TermKind::ProjectByType(self.term(inner), self.term(wanted))
            }
            ExprKind::With(inner, path, value) => {
                TermKind::With(self.term(inner), path.as_slice().into(), self.term(value))
            }
            ExprKind::Bool(value) => TermKind::Bool(*value),
            ExprKind::Natural(value) => TermKind::Natural(value.clone()),
            ExprKind::Integer(value) => TermKind::Integer(value.clone()),
            ExprKind::Double(value) => TermKind::Double(*value),
            ExprKind::Bytes(bytes) => TermKind::Bytes(bytes.clone()),
            ExprKind::Date(date) => TermKind::Date(*date),
            ExprKind::Time(time) => TermKind::Time(time.clone()),
            ExprKind::TimeZone(zone) => TermKind::TimeZone(*zone),
            other => unreachable!("resolution leaves no other form: {other:?}"),
        }
    }

    fn fields(&mut self, fields: &[(Label, Expr)]) -> Vec<(Label, Term)> {
        let mut sorted: Vec<_> =
            fields.iter().map(|(label, value)| (label.clone(), self.term(value))).collect();
        sorted.sort_by(|a, b| a.0.cmp(&b.0));
        sorted
    }

    /// `let`s nest one inside of the other, however many stand in a row.
    fn bindings(&mut self, expr: &Expr) -> TermKind {
        let ExprKind::Let(bindings, body) = expr.kind() else {
            unreachable!("the caller matched a `let`");
        };
        let outer = self.scope.len();
        let mut lowered = Vec::with_capacity(bindings.len());
        for binding in bindings {
            let annotation = self.optional(binding.annotation.as_ref());
            let value = self.term(&binding.value);
            lowered.push((binding.span, binding.label.clone(), annotation, value));
            self.scope.push(binding.label.clone());
        }
        let mut result = self.term(body);
        self.scope.truncate(outer);
        for (at, (span, label, annotation, value)) in lowered.into_iter().enumerate().rev() {
            let kind = TermKind::Let(label, annotation, value, result);
            if at == 0 {
                return kind;
            }
            result = term(span, kind);
        }
        unreachable!("a `let` has a binding")
    }

    /// `T::r` is `(T.default ⫽ r) : T.Type`.
    fn completion(&mut self, expr: &Expr, schema: &Expr, record: &Expr) -> TermKind {
        let schema = self.term(schema);
        let part = |name| term(schema.span, TermKind::Field(schema.clone(), Label::new(name)));
        let (default, annotation) = (part("default"), part("Type"));
        let record = self.term(record);
        let whole = term(expr.span(), TermKind::Op(Operator::Prefer, default, record));
        TermKind::Annotation(whole, annotation)
    }
}
