//! Looking at one place of a text while it is checked: what an editor shows there.

use super::Scope;
use crate::builtin::Const;
use crate::core::context::Context;
use crate::core::term::Term;
use crate::core::value::Value;
use crate::expr::{Expr, Span};
use crate::label::Label;

/// What was found at a place.
#[derive(Clone, Debug, Default)]
pub struct Inspection {
    /// The smallest part around the place that has a type, and that type.
    pub typed: Option<(Span, Expr)>,
    /// What that part is, normalized, if it is a type itself.
    pub is: Option<Expr>,
    /// The variables in scope there, the innermost first, and their types.
    pub scope: Vec<(Label, Expr)>,
}

/// Remembers what inference sees at one byte of the text.
pub(crate) struct Probe {
    offset: u32,
    typed: Option<(Span, Scope, Term, Value)>,
    scope: Option<(Span, Scope)>,
}

impl Probe {
    pub(crate) fn new(offset: u32) -> Self {
        Self { offset, typed: None, scope: None }
    }

    /// Whether a part is around the place, its end included, and no larger than `other`.
    fn is_nearer(&self, span: Span, other: Option<Span>) -> bool {
        let length = |span: Span| span.end - span.start;
        span != Span::NONE
            && span.start <= self.offset
            && self.offset <= span.end
            && other.is_none_or(|other| length(span) <= length(other))
    }

    pub(super) fn enter(&mut self, scope: &Scope, term: &Term) {
        if self.is_nearer(term.span, self.scope.as_ref().map(|(span, _)| *span)) {
            self.scope = Some((term.span, scope.clone()));
        }
    }

    pub(super) fn leave(&mut self, scope: &Scope, term: &Term, ty: &Value) {
        if self.is_nearer(term.span, self.typed.as_ref().map(|(span, ..)| *span)) {
            self.typed = Some((term.span, scope.clone(), term.clone(), ty.clone()));
        }
    }

    /// Writes down what was seen.
    pub(crate) fn finish(self, context: &Context) -> Inspection {
        let mut found = Inspection::default();
        if let Some((span, scope, term, ty)) = self.typed {
            found.typed = Some((span, scope.quote(context, &ty)));
            if let Value::Const(Const::Type) = context.force(&ty) {
                let value = context.eval(&scope.env, &term);
                found.is = Some(scope.quote(context, &value));
            }
        }
        if let Some((_, scope)) = self.scope {
            for (index, label) in (0..).zip(scope.names()) {
                if let Some(ty) = scope.types.get(index) {
                    found.scope.push((label, scope.quote(context, ty)));
                }
            }
        }
        found
    }
}
