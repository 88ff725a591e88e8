//! The rules for functions, bindings, literals and annotations.

use std::cell::OnceCell;

use super::error::{similar, well_known};
use super::universe::function_check;
use super::{Checker, Scope, TypeError, TypeErrorKind, Typing};
use crate::builtin::{Builtin, Const};
use crate::core::shared::Shared;
use crate::core::term::{Term, TermKind};
use crate::core::value::{Binder, Closure, Fields, LevelClosure, Value, field};
use crate::expr::{Operator, Span};
use crate::label::Label;

impl Checker<'_> {
    pub(super) fn fail<T>(&self, span: Span, kind: TypeErrorKind) -> Typing<T> {
        Err(Box::new(TypeError { span, kind }))
    }

    /// Infers the type of `term`.
    pub(crate) fn infer(&self, scope: &Scope, term: &Term) -> Typing<Value> {
        if !self.context.step() {
            // The caller reports the limit instead.
            return self.fail(term.span, TypeErrorKind::Untyped);
        }
        let otherwise = || self.fail(term.span, TypeErrorKind::Untyped);
        let Some(probe) = self.probe else {
            let here = || Some(self.infer_here(scope, term));
            return self.context.deeper(None, here).unwrap_or_else(otherwise);
        };
        probe.borrow_mut().enter(scope, term);
        let here = || Some(self.infer_here(scope, term));
        let ty = self.context.deeper(None, here).unwrap_or_else(otherwise)?;
        probe.borrow_mut().leave(scope, term, &ty);
        Ok(ty)
    }

    fn infer_here(&self, scope: &Scope, term: &Term) -> Typing<Value> {
        let builtin = |builtin| Ok(Value::Builtin(builtin));
        match &term.kind {
            TermKind::Const(Const::Type) => Ok(Value::Const(Const::Kind)),
            TermKind::Const(Const::Kind) => Ok(Value::Const(Const::Sort)),
            TermKind::Const(Const::Sort) => self.fail(term.span, TypeErrorKind::Untyped),
            TermKind::Builtin(builtin) => Ok(self.context.builtin_type(*builtin)),
            TermKind::Var(index) => Ok(scope.types.get(*index).cloned().unwrap_or(Value::TYPE)),
            TermKind::Free(name, index) => {
                let kind = TypeErrorKind::Unbound {
                    name: name.clone(),
                    index: index.clone(),
                    similar: similar(name, scope.names().iter().chain(&well_known())),
                };
                self.fail(term.span, kind)
            }
            TermKind::Loaded(loaded) => Ok(loaded.ty.clone()),
            TermKind::Lambda(label, domain, body) => self.lambda(scope, label, domain, body),
            TermKind::Pi(label, domain, body) => {
                let input = self.type_universe(scope, domain, "a function's input")?;
                let inner = scope.bind(label, self.context.delay(&scope.env, domain));
                let output = self.type_universe(&inner, body, "a function's output")?;
                Ok(Value::Const(function_check(input, output)))
            }
            TermKind::App(function, argument) => self.application(scope, function, argument),
            TermKind::Let(..) => self.bindings(scope, term),
            TermKind::Annotation(inner, annotation) => self.annotation(scope, inner, annotation),
            TermKind::Op(operator, left, right) => {
                self.operator(scope, term, *operator, left, right)
            }
            TermKind::If(test, yes, no) => self.conditional(scope, test, yes, no),
            TermKind::Bool(_) => builtin(Builtin::Bool),
            TermKind::Natural(_) => builtin(Builtin::Natural),
            TermKind::Integer(_) => builtin(Builtin::Integer),
            TermKind::Double(_) => builtin(Builtin::Double),
            TermKind::Bytes(_) => builtin(Builtin::Bytes),
            TermKind::Date(_) => builtin(Builtin::Date),
            TermKind::Time(_) => builtin(Builtin::Time),
            TermKind::TimeZone(_) => builtin(Builtin::TimeZone),
            TermKind::Text(chunks, _) => {
                let text = Value::Builtin(Builtin::Text);
                for (_, inner) in chunks {
                    self.expect(scope, inner, &text, "an interpolated expression")?;
                }
                Ok(text)
            }
            TermKind::EmptyList(annotation) => self.empty_list(scope, annotation),
            TermKind::List(items) => self.list(scope, items),
            TermKind::Some(inner) => {
                let ty = self.infer(scope, inner)?;
                self.must_be_term(scope, inner.span, &ty, "what `Some` holds")?;
                Ok(Value::optional_of(ty))
            }
            TermKind::Assert(claim) => self.assertion(scope, claim),
            _ => self.infer_rest(scope, term),
        }
    }

    fn infer_rest(&self, scope: &Scope, term: &Term) -> Typing<Value> {
        match &term.kind {
            TermKind::RecordType(fields) => self.record_type(scope, term, fields),
            TermKind::Record(fields) => self.record(scope, term, fields),
            TermKind::UnionType(alternatives) => self.union_type(scope, term, alternatives),
            TermKind::Field(inner, label) => self.selection(scope, term, inner, label),
            TermKind::Project(inner, labels) => self.projection(scope, term, inner, labels),
            TermKind::ProjectByType(inner, wanted) => self.projection_by_type(scope, inner, wanted),
            TermKind::With(inner, path, value) => self.with(scope, inner, path, value),
            TermKind::ToMap(record, annotation) => {
                self.to_map(scope, term, record, annotation.as_ref())
            }
            TermKind::Merge(handlers, union, annotation) => {
                self.merge(scope, term, handlers, union, annotation.as_ref())
            }
            TermKind::ShowConstructor(inner) => self.show_constructor(scope, inner),
            _ => unreachable!("the caller has handled every other form"),
        }
    }

    // ---- common demands ----

    /// Demands that `term` is a type and returns its universe.
    pub(super) fn type_universe(
        &self,
        scope: &Scope,
        term: &Term,
        role: &'static str,
    ) -> Typing<Const> {
        let ty = self.infer(scope, term)?;
        match self.force(&ty) {
            Value::Const(universe) => Ok(universe),
            other => {
                let actual = scope.quote(self.context, &other);
                self.fail(term.span, TypeErrorKind::NotAType { role, actual })
            }
        }
    }

    /// Demands that `term` has the type `expected`.
    pub(super) fn expect(
        &self,
        scope: &Scope,
        term: &Term,
        expected: &Value,
        role: &'static str,
    ) -> Typing<()> {
        let actual = self.infer(scope, term)?;
        self.fits(scope, term, expected, &actual, role)
    }

    /// Demands that two types are equivalent.
    pub(super) fn same_type(
        &self,
        scope: &Scope,
        span: Span,
        expected: &Value,
        actual: &Value,
        role: &'static str,
    ) -> Typing<()> {
        if self.context.convertible(expected, actual) {
            return Ok(());
        }
        let expected = scope.quote(self.context, expected);
        let actual = scope.quote(self.context, actual);
        self.fail(span, TypeErrorKind::Mismatch { role, expected, actual })
    }

    /// Demands that `ty` is the type of a term: that its universe is `Type`.
    pub(super) fn must_be_term(
        &self,
        scope: &Scope,
        span: Span,
        ty: &Value,
        role: &'static str,
    ) -> Typing<()> {
        match self.universe(scope, ty)? {
            Some(Const::Type) => Ok(()),
            universe => {
                let universe = universe.unwrap_or(Const::Sort);
                self.fail(span, TypeErrorKind::NotATerm { role, universe })
            }
        }
    }

    /// Demands that `ty` has a type: that it is not `Sort`.
    pub(super) fn must_be_typed(&self, span: Span, ty: &Value, role: &'static str) -> Typing<()> {
        match self.force(ty) {
            Value::Const(Const::Sort) => {
                self.fail(span, TypeErrorKind::NotATerm { role, universe: Const::Sort })
            }
            _ => Ok(()),
        }
    }

    // ---- rules ----

    /// `λ(x : A) → b`
    fn lambda(&self, scope: &Scope, label: &Label, domain: &Term, body: &Term) -> Typing<Value> {
        self.type_universe(scope, domain, "a function's input")?;
        let domain = self.context.delay(&scope.env, domain);
        let inner = scope.bind(label, domain.clone());
        let ty = self.infer(&inner, body)?;
        self.must_be_typed(body.span, &ty, "a function's body")?;
        Ok(Value::Pi(Shared::new(Binder {
            label: label.clone(),
            domain,
            body: Closure::Level(LevelClosure {
                level: scope.level,
                body: ty,
                names: inner.levels,
                term: OnceCell::new(),
            }),
        })))
    }

    /// `f a`
    fn application(&self, scope: &Scope, function: &Term, argument: &Term) -> Typing<Value> {
        let ty = self.infer(scope, function)?;
        let Value::Pi(pi) = self.force(&ty) else {
            let actual = scope.quote(self.context, &ty);
            let (role, wanted) = ("what is applied here", "a function");
            return self.fail(function.span, TypeErrorKind::WrongForm { role, wanted, actual });
        };
        self.expect(scope, argument, &pi.domain, "this argument")?;
        Ok(self.context.enter(&pi.body, self.context.delay(&scope.env, argument)))
    }

    /// `let x : A = a in b`; a run of them is a loop.
    fn bindings(&self, scope: &Scope, term: &Term) -> Typing<Value> {
        let mut scope = scope.clone();
        let mut term = term.clone();
        while let TermKind::Let(label, annotation, value, body) = &term.kind {
            if let Some(annotation) = annotation {
                // The annotation itself must have a type, whichever.
                self.infer(&scope, annotation)?;
            }
            let ty = self.infer(&scope, value)?;
            if let Some(annotation) = annotation {
                let expected = self.context.delay(&scope.env, annotation);
                self.fits(&scope, value, &expected, &ty, "this definition")?;
            }
            let value = self.context.delay(&scope.env, value);
            scope = scope.define(label, ty, value);
            let body = body.clone();
            term = body;
        }
        self.infer(&scope, &term)
    }

    /// `t : T`; `Sort` may annotate though it has no type.
    fn annotation(&self, scope: &Scope, inner: &Term, annotation: &Term) -> Typing<Value> {
        if !matches!(annotation.kind, TermKind::Const(Const::Sort)) {
            self.infer(scope, annotation)?;
        }
        let actual = self.infer(scope, inner)?;
        let expected = self.context.delay(&scope.env, annotation);
        self.fits(scope, inner, &expected, &actual, "the annotated expression")?;
        Ok(actual)
    }

    /// Demands that a term's type is the expected one. An error points into what is written out:
    /// at the field, or the item, that is wrong.
    pub(super) fn fits(
        &self,
        scope: &Scope,
        term: &Term,
        expected: &Value,
        actual: &Value,
        role: &'static str,
    ) -> Typing<()> {
        if self.context.convertible(expected, actual) {
            return Ok(());
        }
        self.context.deeper(Ok(()), || self.pinpoint(scope, term, expected, actual))?;
        self.same_type(scope, term.span, expected, actual, role)
    }

    /// Fails at the part of a written out term that has not the expected type, if there is one.
    fn pinpoint(&self, scope: &Scope, term: &Term, expected: &Value, actual: &Value) -> Typing<()> {
        let (expected, actual) = (self.force(expected), self.force(actual));
        match (&term.kind, &expected, &actual) {
            (TermKind::Record(fields), Value::RecordType(expected), Value::RecordType(actual)) => {
                self.pinpoint_field(scope, fields, expected, actual)
            }
            // The right side wins.
            (
                TermKind::Op(Operator::Prefer, _, right),
                Value::RecordType(expected),
                Value::RecordType(actual),
            ) => match &right.kind {
                TermKind::Record(fields) => self.pinpoint_field(scope, fields, expected, actual),
                _ => Ok(()),
            },
            (TermKind::List(items), Value::App(expected), Value::App(actual))
                if self.context.convertible(&expected.0, &actual.0) =>
            {
                // All items have the type of the first one.
                items.first().map_or(Ok(()), |item| {
                    self.fits(scope, item, &expected.1, &actual.1, "this item of the list")
                })
            }
            (TermKind::Some(inner), Value::App(expected), Value::App(actual))
                if self.context.convertible(&expected.0, &actual.0) =>
            {
                self.fits(scope, inner, &expected.1, &actual.1, "what `Some` holds")
            }
            _ => Ok(()),
        }
    }

    fn pinpoint_field(
        &self,
        scope: &Scope,
        written: &[(Label, Term)],
        expected: &Fields,
        actual: &Fields,
    ) -> Typing<()> {
        if !expected.iter().map(|(name, _)| name).eq(actual.iter().map(|(name, _)| name)) {
            return Ok(());
        }
        for (label, value) in written {
            if let (Some(expected), Some(actual)) = (field(expected, label), field(actual, label)) {
                self.fits(scope, value, expected, actual, "this field")?;
            }
        }
        Ok(())
    }

    /// `if t then l else r`
    fn conditional(&self, scope: &Scope, test: &Term, yes: &Term, no: &Term) -> Typing<Value> {
        self.expect(scope, test, &Value::Builtin(Builtin::Bool), "the test of an `if`")?;
        let left = self.infer(scope, yes)?;
        self.must_be_typed(yes.span, &left, "a branch of an `if`")?;
        let right = self.infer(scope, no)?;
        self.must_be_typed(no.span, &right, "a branch of an `if`")?;
        self.same_type(scope, no.span, &left, &right, "the `else` branch")?;
        Ok(left)
    }

    /// `[] : T`
    fn empty_list(&self, scope: &Scope, annotation: &Term) -> Typing<Value> {
        self.type_universe(scope, annotation, "the type of an empty list")?;
        let ty = self.context.eval(&scope.env, annotation);
        if let Value::App(app) = &ty
            && matches!(app.0, Value::Builtin(Builtin::List))
        {
            return Ok(ty);
        }
        let actual = scope.quote(self.context, &ty);
        let (role, wanted) = ("the type of an empty list", "of the form `List …`");
        self.fail(annotation.span, TypeErrorKind::WrongForm { role, wanted, actual })
    }

    /// `[ t, ts… ]`
    fn list(&self, scope: &Scope, items: &[Term]) -> Typing<Value> {
        let Some((first, rest)) = items.split_first() else {
            unreachable!("a list without items has another form");
        };
        let ty = self.infer(scope, first)?;
        self.must_be_term(scope, first.span, &ty, "a list's item")?;
        for item in rest {
            self.expect(scope, item, &ty, "this item of the list")?;
        }
        Ok(Value::list_of(ty))
    }

    /// `assert : x ≡ y`
    fn assertion(&self, scope: &Scope, claim: &Term) -> Typing<Value> {
        let universe = self.infer(scope, claim)?;
        let ty = self.context.eval(&scope.env, claim);
        let (Value::Const(Const::Type), Value::Op(op)) = (self.force(&universe), &ty) else {
            let actual = scope.quote(self.context, &ty);
            return self.fail(claim.span, TypeErrorKind::NotAnEquivalence { actual });
        };
        if op.0 != Operator::Equivalent {
            let actual = scope.quote(self.context, &ty);
            return self.fail(claim.span, TypeErrorKind::NotAnEquivalence { actual });
        }
        if !self.context.convertible(&op.1, &op.2) {
            let left = scope.quote(self.context, &op.1);
            let right = scope.quote(self.context, &op.2);
            return self.fail(claim.span, TypeErrorKind::AssertionFails { left, right });
        }
        Ok(ty)
    }
}
