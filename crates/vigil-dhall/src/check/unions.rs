//! The rules for unions: their types, `merge` and `showConstructor`.

use super::error::similar;
use super::{Checker, Scope, TypeErrorKind, Typing};
use crate::builtin::{Builtin, Const};
use crate::core::term::{Term, TermKind};
use crate::core::value::{Fields, Value, field};
use crate::expr::Span;
use crate::label::Label;

/// The alternatives of what is merged, sorted, each with its payload.
type Alternatives = Vec<(Label, Option<Value>)>;

impl Checker<'_> {
    /// `< x : T | … >`
    pub(super) fn union_type(
        &self,
        scope: &Scope,
        term: &Term,
        alternatives: &[(Label, Option<Term>)],
    ) -> Typing<Value> {
        self.unique(term.span, "alternative", alternatives.iter().map(|(label, _)| label))?;
        let mut universe = Const::Type;
        for (_, payload) in alternatives {
            if let Some(payload) = payload {
                universe =
                    universe.max(self.type_universe(scope, payload, "an alternative's type")?);
            }
        }
        Ok(Value::Const(universe))
    }

    /// Demands a union or an `Optional` and returns its alternatives.
    fn alternatives(
        &self,
        scope: &Scope,
        union: &Term,
        role: &'static str,
    ) -> Typing<Alternatives> {
        let ty = self.infer(scope, union)?;
        let ty = self.force(&ty);
        match &ty {
            Value::UnionType(alternatives) => return Ok(Alternatives::clone(alternatives)),
            Value::App(app) if matches!(app.0, Value::Builtin(Builtin::Optional)) => {
                let labels = &self.context.labels;
                return Ok(vec![
                    (labels.none.clone(), None),
                    (labels.some.clone(), Some(app.1.clone())),
                ]);
            }
            _ => {}
        }
        let actual = scope.quote(self.context, &ty);
        let wanted = "a union or an `Optional`";
        self.fail(union.span, TypeErrorKind::WrongForm { role, wanted, actual })
    }

    /// `showConstructor e`
    pub(super) fn show_constructor(&self, scope: &Scope, inner: &Term) -> Typing<Value> {
        self.alternatives(scope, inner, "what `showConstructor` takes")?;
        Ok(Value::Builtin(Builtin::Text))
    }

    /// `merge handlers union : annotation`
    pub(super) fn merge(
        &self,
        scope: &Scope,
        term: &Term,
        handlers: &Term,
        union: &Term,
        annotation: Option<&Term>,
    ) -> Typing<Value> {
        let fields = self.record_operand(scope, handlers, "the first argument of `merge`")?;
        let alternatives = self.alternatives(scope, union, "the second argument of `merge`")?;
        self.handled(handlers.span, &fields, &alternatives)?;
        let mut result: Option<Value> = None;
        for (label, payload) in &alternatives {
            let Some(handler) = field(&fields, label) else {
                unreachable!("every alternative has been found handled");
            };
            let span = handler_span(handlers, label);
            let output = self.handler(scope, span, label, handler, payload.as_ref())?;
            match &result {
                None => result = Some(output),
                Some(expected) if !self.context.convertible(expected, &output) => {
                    let expected = scope.quote(self.context, expected);
                    let actual = scope.quote(self.context, &output);
                    let label = label.clone();
                    let kind = TypeErrorKind::HandlerOutput { label, expected, actual };
                    return self.fail(span, kind);
                }
                Some(_) => {}
            }
        }
        self.merged(scope, term, result, annotation)
    }

    fn merged(
        &self,
        scope: &Scope,
        term: &Term,
        result: Option<Value>,
        annotation: Option<&Term>,
    ) -> Typing<Value> {
        match (result, annotation) {
            (Some(result), None) => Ok(result),
            (Some(result), Some(annotation)) => {
                self.infer(scope, annotation)?;
                let expected = self.context.delay(&scope.env, annotation);
                self.same_type(scope, term.span, &expected, &result, "this `merge`")?;
                Ok(result)
            }
            (None, Some(annotation)) => {
                let role = "the type of an empty `merge`";
                let universe = self.type_universe(scope, annotation, role)?;
                if universe != Const::Type {
                    return self.fail(annotation.span, TypeErrorKind::NotATerm { role, universe });
                }
                Ok(self.context.delay(&scope.env, annotation))
            }
            (None, None) => {
                let kind = TypeErrorKind::NeedsAnnotation { keyword: "merge", what: "union" };
                self.fail(term.span, kind)
            }
        }
    }

    /// Demands one handler for each alternative and none besides.
    fn handled(&self, span: Span, fields: &Fields, alternatives: &Alternatives) -> Typing<()> {
        let unhandled: Vec<Label> = alternatives
            .iter()
            .map(|(label, _)| label)
            .filter(|label| field(fields, label).is_none())
            .cloned()
            .collect();
        let known =
            |label: &Label| alternatives.binary_search_by(|(name, _)| name.cmp(label)).is_ok();
        if let Some((label, _)) = fields.iter().find(|(label, _)| !known(label)) {
            let similar = similar(label, &unhandled);
            let label = label.clone();
            return self.fail(span, TypeErrorKind::UnusedHandler { label, similar });
        }
        match unhandled.first() {
            None => Ok(()),
            Some(label) => {
                let names = fields.iter().map(|(label, _)| label.clone()).collect();
                self.missing(span, "handler", label, names)
            }
        }
    }

    /// Returns the type of what a handler makes of its alternative.
    fn handler(
        &self,
        scope: &Scope,
        span: Span,
        label: &Label,
        handler: &Value,
        payload: Option<&Value>,
    ) -> Typing<Value> {
        let handler = self.force(handler);
        let Some(payload) = payload else {
            return Ok(handler);
        };
        let quote = |value: &Value| scope.quote(self.context, value);
        let label = label.clone();
        let Value::Pi(pi) = &handler else {
            let (payload, actual) = (quote(payload), quote(&handler));
            return self.fail(span, TypeErrorKind::HandlerNotFunction { label, payload, actual });
        };
        if !self.context.convertible(&pi.domain, payload) {
            let (expected, actual) = (quote(payload), quote(&pi.domain));
            return self.fail(span, TypeErrorKind::HandlerInput { label, expected, actual });
        }
        // The result does not mention the argument if it is the same for two different ones.
        let output = self.context.enter(&pi.body, Value::Level(scope.level));
        let other = self.context.enter(&pi.body, Value::Level(scope.level + 1));
        if !self.context.convertible(&output, &other) {
            return self.fail(span, TypeErrorKind::DependentHandler { label });
        }
        Ok(output)
    }
}

/// Returns where a handler stands, if the handlers are written out.
fn handler_span(handlers: &Term, label: &Label) -> Span {
    if let TermKind::Record(fields) = &handlers.kind
        && let Ok(at) = fields.binary_search_by(|(name, _)| name.cmp(label))
    {
        return fields[at].1.span;
    }
    handlers.span
}
