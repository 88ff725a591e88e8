//! The universe of a type that inference found.
//!
//! The standard infers the type of the inferred type. Inferred types are well-typed by
//! construction, so their universe can be read off their form; only where something abstract
//! stands in the way are they written out and inferred.

use super::{Checker, Scope, Typing};
use crate::builtin::{Builtin, Const};
use crate::core::lower::lower_under;
use crate::core::value::Value;

/// `c₀ ↝ c₁` (`standard/function-check.md`)
pub(super) fn function_check(input: Const, output: Const) -> Const {
    if output == Const::Type { Const::Type } else { input.max(output) }
}

impl Checker<'_> {
    /// Returns `c` where `Γ ⊢ ty : c`, or nothing for `Sort`.
    pub(super) fn universe(&self, scope: &Scope, ty: &Value) -> Typing<Option<Const>> {
        let ty = self.force(ty);
        self.context.deeper(Ok(None), || self.universe_here(scope, &ty))
    }

    fn universe_here(&self, scope: &Scope, ty: &Value) -> Typing<Option<Const>> {
        match ty {
            Value::Const(Const::Type) => Ok(Some(Const::Kind)),
            Value::Const(Const::Kind) => Ok(Some(Const::Sort)),
            Value::Const(Const::Sort) => Ok(None),
            Value::Builtin(
                Builtin::Bool
                | Builtin::Natural
                | Builtin::Integer
                | Builtin::Double
                | Builtin::Text
                | Builtin::Bytes
                | Builtin::Date
                | Builtin::Time
                | Builtin::TimeZone,
            ) => Ok(Some(Const::Type)),
            Value::App(app)
                if matches!(app.0, Value::Builtin(Builtin::List | Builtin::Optional)) =>
            {
                Ok(Some(Const::Type))
            }
            Value::RecordType(fields) => self.greatest(scope, fields.iter().map(|(_, ty)| ty)),
            Value::UnionType(alternatives) => {
                self.greatest(scope, alternatives.iter().filter_map(|(_, ty)| ty.as_ref()))
            }
            Value::Pi(pi) => {
                let input = self.universe(scope, &pi.domain)?;
                let inner = scope.bind(&pi.label, pi.domain.clone());
                let body = self.context.enter(&pi.body, Value::Level(scope.level));
                let output = self.universe(&inner, &body)?;
                Ok(input.zip(output).map(|(input, output)| function_check(input, output)))
            }
            Value::Level(level) => {
                let ty = scope.level_type(*level).map(|ty| self.force(&ty));
                Ok(match ty {
                    Some(Value::Const(universe)) => Some(universe),
                    _ => None,
                })
            }
            _ => {
                let expr = scope.quote(self.context, ty);
                let term = lower_under(&expr, scope.level_names());
                let ty = self.infer(&scope.levels_only(), &term)?;
                Ok(match self.force(&ty) {
                    Value::Const(universe) => Some(universe),
                    _ => None,
                })
            }
        }
    }

    fn greatest<'v>(
        &self,
        scope: &Scope,
        types: impl Iterator<Item = &'v Value>,
    ) -> Typing<Option<Const>> {
        let mut greatest = Const::Type;
        for ty in types {
            match self.universe(scope, ty)? {
                Some(universe) => greatest = greatest.max(universe),
                None => return Ok(None),
            }
        }
        Ok(Some(greatest))
    }
}
