//! The universe of a type that inference found.
//!
//! The standard infers the type of the inferred type. Inferred types are well-typed by
//! construction, so their universe can be read off their form; only where something abstract
//! stands in the way are they written out and inferred.

use std::collections::HashMap;

use super::{Checker, Scope, Typing};
use crate::builtin::{Builtin, Const};
use crate::core::lower::lower_under;
use crate::core::value::Value;

/// The universes of types in one scope, by the addresses of those types, which it holds: what a type
/// shares is looked at once.
type Known = HashMap<usize, (Value, Option<Const>)>;

/// `c₀ ↝ c₁` (`standard/function-check.md`)
pub(super) fn function_check(input: Const, output: Const) -> Const {
    if output == Const::Type { Const::Type } else { input.max(output) }
}

impl Checker<'_> {
    /// Returns `c` where `Γ ⊢ ty : c`, or nothing for `Sort`.
    pub(super) fn universe(&self, scope: &Scope, ty: &Value) -> Typing<Option<Const>> {
        self.universe_of(scope, ty, &mut Known::new())
    }

    fn universe_of(&self, scope: &Scope, ty: &Value, known: &mut Known) -> Typing<Option<Const>> {
        if !self.context.step() {
            // The caller reports the limit instead.
            return Ok(None);
        }
        let ty = self.force(ty);
        let address = match &ty {
            Value::RecordType(_) | Value::UnionType(_) => ty.address(),
            _ => None,
        };
        if let Some(address) = address
            && let Some((_, universe)) = known.get(&address)
        {
            return Ok(*universe);
        }
        let universe = self.context.deeper(Ok(None), || self.universe_here(scope, &ty, known))?;
        if let Some(address) = address {
            known.insert(address, (ty, universe));
        }
        Ok(universe)
    }

    fn universe_here(&self, scope: &Scope, ty: &Value, known: &mut Known) -> Typing<Option<Const>> {
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
            Value::RecordType(fields) => {
                self.greatest(scope, fields.iter().map(|(_, ty)| ty), known)
            }
            Value::UnionType(alternatives) => {
                self.greatest(scope, alternatives.iter().filter_map(|(_, ty)| ty.as_ref()), known)
            }
            Value::Pi(pi) => {
                let inner = scope.bind(&pi.label, pi.domain.clone());
                let body = self.context.enter(&pi.body, Value::Level(scope.level));
                let output = self.universe(&inner, &body)?;
                if output == Some(Const::Type) {
                    // Whatever the input is.
                    return Ok(output);
                }
                let input = self.universe_of(scope, &pi.domain, known)?;
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
        known: &mut Known,
    ) -> Typing<Option<Const>> {
        let mut greatest = Const::Type;
        for ty in types {
            match self.universe_of(scope, ty, known)? {
                Some(universe) => greatest = greatest.max(universe),
                None => return Ok(None),
            }
        }
        Ok(Some(greatest))
    }
}
