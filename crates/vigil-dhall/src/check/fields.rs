//! The rules for records.

use super::error::similar;
use super::{Checker, Scope, TypeErrorKind, Typing};
use crate::builtin::{Builtin, Const};
use crate::core::shared::Shared;
use crate::core::term::{Term, TermKind};
use crate::core::value::{Binder, Closure, Fields, Value, field};
use crate::expr::{Span, WithComponent};
use crate::label::Label;

impl Checker<'_> {
    /// Demands that sorted names are unique.
    pub(super) fn unique<'l>(
        &self,
        span: Span,
        what: &'static str,
        labels: impl Iterator<Item = &'l Label>,
    ) -> Typing<()> {
        let mut last: Option<&Label> = None;
        for label in labels {
            if last == Some(label) {
                return self.fail(span, TypeErrorKind::Duplicate { what, label: label.clone() });
            }
            last = Some(label);
        }
        Ok(())
    }

    pub(super) fn missing<T>(
        &self,
        span: Span,
        what: &'static str,
        label: &Label,
        available: Vec<Label>,
    ) -> Typing<T> {
        let similar = similar(label, &available);
        let label = label.clone();
        self.fail(span, TypeErrorKind::Missing { what, label, similar, available })
    }

    /// `{ x : T, … }`
    pub(super) fn record_type(
        &self,
        scope: &Scope,
        term: &Term,
        fields: &[(Label, Term)],
    ) -> Typing<Value> {
        // The error points at the second one.
        let twice = fields.windows(2).find(|pair| pair[0].0 == pair[1].0);
        let span = twice.map_or(term.span, |pair| pair[1].1.span);
        self.unique(span, "field", fields.iter().map(|(label, _)| label))?;
        let mut universe = Const::Type;
        for (_, ty) in fields {
            universe = universe.max(self.type_universe(scope, ty, "a field's type")?);
        }
        Ok(Value::Const(universe))
    }

    /// `{ x = t, … }`
    pub(super) fn record(
        &self,
        scope: &Scope,
        term: &Term,
        fields: &[(Label, Term)],
    ) -> Typing<Value> {
        self.unique(term.span, "field", fields.iter().map(|(label, _)| label))?;
        let mut types = Fields::with_capacity(fields.len());
        for (label, value) in fields {
            let ty = self.infer(scope, value)?;
            self.must_be_typed(value.span, &ty, "a field")?;
            types.push((label.clone(), ty));
        }
        Ok(Value::RecordType(Shared::new(types)))
    }

    /// `e.x`, of a record or of a union type.
    pub(super) fn selection(
        &self,
        scope: &Scope,
        term: &Term,
        inner: &Term,
        label: &Label,
    ) -> Typing<Value> {
        let ty = self.infer(scope, inner)?;
        let ty = self.force(&ty);
        let names = |fields: &Fields| fields.iter().map(|(label, _)| label.clone()).collect();
        if let Value::RecordType(fields) = &ty {
            return match field(fields, label) {
                Some(ty) => Ok(ty.clone()),
                None => self.missing(term.span, "field", label, names(fields)),
            };
        }
        if matches!(ty, Value::Const(_)) {
            let union = self.context.eval(&scope.env, inner);
            if let Value::UnionType(alternatives) = &union {
                let found = alternatives.iter().find(|(name, _)| name == label);
                return match found {
                    None => {
                        let names = alternatives.iter().map(|(name, _)| name.clone()).collect();
                        self.missing(term.span, "alternative", label, names)
                    }
                    Some((_, None)) => Ok(union),
                    Some((_, Some(payload))) => Ok(Value::Pi(Shared::new(Binder {
                        label: label.clone(),
                        domain: payload.clone(),
                        body: Closure::Constant(union),
                    }))),
                };
            }
        }
        let actual = scope.quote(self.context, &ty);
        let (role, wanted) = ("what a field is selected from", "a record or a union type");
        self.fail(inner.span, TypeErrorKind::WrongForm { role, wanted, actual })
    }

    /// `e.{ x, … }`
    pub(super) fn projection(
        &self,
        scope: &Scope,
        term: &Term,
        inner: &Term,
        labels: &[Label],
    ) -> Typing<Value> {
        self.unique(term.span, "field", labels.iter())?;
        let fields = self.record_operand(scope, inner, "what fields are projected from")?;
        let mut types = Fields::with_capacity(labels.len());
        for label in labels {
            match field(&fields, label) {
                Some(ty) => types.push((label.clone(), ty.clone())),
                None => {
                    let names = fields.iter().map(|(label, _)| label.clone()).collect();
                    return self.missing(term.span, "field", label, names);
                }
            }
        }
        Ok(Value::RecordType(Shared::new(types)))
    }

    /// `e.(T)`
    pub(super) fn projection_by_type(
        &self,
        scope: &Scope,
        inner: &Term,
        wanted: &Term,
    ) -> Typing<Value> {
        let fields = self.record_operand(scope, inner, "what fields are projected from")?;
        self.type_universe(scope, wanted, "what a projection asks for")?;
        let ty = self.context.eval(&scope.env, wanted);
        let Value::RecordType(asked) = &ty else {
            let actual = scope.quote(self.context, &ty);
            let (role, form) = ("what a projection asks for", "a record type");
            let kind = TypeErrorKind::WrongForm { role, wanted: form, actual };
            return self.fail(wanted.span, kind);
        };
        for (label, expected) in asked.iter() {
            match field(&fields, label) {
                Some(actual) => {
                    let role = "a projected field";
                    self.same_type(scope, wanted.span, expected, actual, role)?;
                }
                None => {
                    let names = fields.iter().map(|(label, _)| label.clone()).collect();
                    return self.missing(wanted.span, "field", label, names);
                }
            }
        }
        Ok(ty)
    }

    /// `e with k.ks… = v`
    pub(super) fn with(
        &self,
        scope: &Scope,
        inner: &Term,
        path: &[WithComponent],
        value: &Term,
    ) -> Typing<Value> {
        let ty = self.infer(scope, inner)?;
        let new = self.infer(scope, value)?;
        self.must_be_typed(value.span, &new, "a field")?;
        self.update(scope, (inner.span, value.span), ty, path, &new)
    }

    /// Returns the type of an update; the spans are those of what is updated and of the new part.
    fn update(
        &self,
        scope: &Scope,
        spans: (Span, Span),
        ty: Value,
        path: &[WithComponent],
        new: &Value,
    ) -> Typing<Value> {
        let Some((first, rest)) = path.split_first() else {
            return Ok(new.clone());
        };
        let below = |ty: Value| {
            let update = || Some(self.update(scope, spans, ty, rest, new));
            let otherwise = || self.fail(spans.0, TypeErrorKind::Untyped);
            self.context.deeper(None, update).unwrap_or_else(otherwise)
        };
        match (first, self.context.forced(ty)) {
            (WithComponent::Field(label), Value::RecordType(fields)) => {
                let mut fields = fields.into_inner();
                let at = fields.binary_search_by(|(name, _)| name.cmp(label));
                let inner = match at {
                    Ok(at) => std::mem::replace(&mut fields[at].1, Value::TYPE),
                    Err(_) => Value::record_type(Vec::new()),
                };
                let updated = below(inner)?;
                match at {
                    Ok(at) => fields[at].1 = updated,
                    Err(at) => fields.insert(at, (label.clone(), updated)),
                }
                Ok(Value::RecordType(Shared::new(fields)))
            }
            (WithComponent::Inside, Value::App(app))
                if matches!(app.0, Value::Builtin(Builtin::Optional)) =>
            {
                let updated = below(app.1.clone())?;
                let role = "an update inside of an `Optional`";
                self.same_type(scope, spans.1, &app.1, &updated, role)?;
                Ok(Value::App(app))
            }
            (component, ty) => {
                let actual = scope.quote(self.context, &ty);
                let wanted = match component {
                    WithComponent::Field(_) => "a record",
                    WithComponent::Inside => "an `Optional`",
                };
                let role = "what `with` updates";
                self.fail(spans.0, TypeErrorKind::WrongForm { role, wanted, actual })
            }
        }
    }

    /// `List { mapKey : Text, mapValue : T }`
    fn map_type(&self, value: Value) -> Value {
        Value::list_of(Value::record_type(vec![
            (self.context.labels.map_key.clone(), Value::Builtin(Builtin::Text)),
            (self.context.labels.map_value.clone(), value),
        ]))
    }

    /// `toMap e : T`
    pub(super) fn to_map(
        &self,
        scope: &Scope,
        term: &Term,
        record: &Term,
        annotation: Option<&Term>,
    ) -> Typing<Value> {
        let fields = self.record_operand(scope, record, "what `toMap` takes")?;
        let Some(((_, first), rest)) = fields.split_first() else {
            return self.empty_map(scope, term, annotation);
        };
        let mut written = match &record.kind {
            TermKind::Record(written) => written.as_slice(),
            _ => &[],
        }
        .iter()
        .skip(1);
        for (_, ty) in rest {
            let role = "a field for `toMap`";
            match written.next() {
                Some((_, value)) => self.fits(scope, value, first, ty, role)?,
                None => self.same_type(scope, record.span, first, ty, role)?,
            }
        }
        self.must_be_term(scope, record.span, first, "a field for `toMap`")?;
        let ty = self.map_type(first.clone());
        if let Some(annotation) = annotation {
            self.infer(scope, annotation)?;
            let expected = self.context.delay(&scope.env, annotation);
            self.same_type(scope, term.span, &expected, &ty, "this `toMap`")?;
        }
        Ok(ty)
    }

    fn empty_map(&self, scope: &Scope, term: &Term, annotation: Option<&Term>) -> Typing<Value> {
        let Some(annotation) = annotation else {
            let kind = TypeErrorKind::NeedsAnnotation { keyword: "toMap", what: "record" };
            return self.fail(term.span, kind);
        };
        self.type_universe(scope, annotation, "the type of `toMap`")?;
        let ty = self.context.eval(&scope.env, annotation);
        if let Value::App(app) = &ty
            && matches!(app.0, Value::Builtin(Builtin::List))
            && let Value::RecordType(fields) = self.force(&app.1)
            && let Some(value) = field(&fields, &self.context.labels.map_value)
            && self.context.convertible(&ty, &self.map_type(value.clone()))
        {
            return Ok(ty);
        }
        let actual = scope.quote(self.context, &ty);
        let role = "the type of `toMap`";
        let wanted = "of the form `List { mapKey : Text, mapValue : … }`";
        self.fail(annotation.span, TypeErrorKind::WrongForm { role, wanted, actual })
    }
}
