//! What is known of the variables in scope.

use crate::core::context::Context;
use crate::core::environment::{Env, Names};
use crate::core::quote::Quote;
use crate::core::shared::Shared;
use crate::core::value::Value;
use crate::expr::Expr;
use crate::label::Label;

/// A typing context, `Γ` in the standard.
#[derive(Clone, Default)]
pub(crate) struct Scope {
    /// Values: themselves for variables that a `let` binds, levels for the others.
    pub(crate) env: Env,
    /// Types, in the order of `env`.
    pub(crate) types: Env,
    /// How many variables are levels.
    pub(crate) level: u32,
    bound: Option<Shared<Bound>>,
    /// The names of the levels.
    pub(crate) levels: Names,
    names: Names,
}

struct Bound {
    ty: Value,
    next: Option<Shared<Bound>>,
}

impl Scope {
    /// Adds a variable of which only the type is known.
    pub(crate) fn bind(&self, label: &Label, ty: Value) -> Self {
        let bound = Bound { ty: ty.clone(), next: self.bound.clone() };
        Self {
            env: self.env.push(Value::Level(self.level)),
            types: self.types.push(ty),
            level: self.level + 1,
            bound: Some(Shared::new(bound)),
            levels: self.levels.push(label),
            names: self.names.push(label),
        }
    }

    /// Adds a variable whose value is known.
    pub(crate) fn define(&self, label: &Label, ty: Value, value: Value) -> Self {
        Self {
            env: self.env.push(value),
            types: self.types.push(ty),
            level: self.level,
            bound: self.bound.clone(),
            levels: self.levels.clone(),
            names: self.names.push(label),
        }
    }

    /// Returns the names of the levels, the outermost first.
    pub(crate) fn level_names(&self) -> Vec<Label> {
        self.levels.outermost_first()
    }

    /// Returns the type of a level.
    pub(crate) fn level_type(&self, level: u32) -> Option<Value> {
        let mut bound = self.bound.as_ref();
        let mut at = self.level;
        while let Some(this) = bound {
            at -= 1;
            if at == level {
                return Some(this.ty.clone());
            }
            bound = this.next.as_ref();
        }
        None
    }

    /// Returns every name in scope, the innermost first.
    pub(crate) fn names(&self) -> Vec<Label> {
        self.names.iter().cloned().collect()
    }

    /// Returns the same scope without the variables that a `let` binds, as a value sees it.
    pub(crate) fn levels_only(&self) -> Self {
        let mut scope = Self::default();
        for (level, label) in self.level_names().iter().enumerate() {
            let ty = self.level_type(level as u32).unwrap_or(Value::TYPE);
            scope = scope.bind(label, ty);
        }
        scope
    }

    /// Writes a value as an expression, for an error or a hint. It shares what the value shares, and
    /// may be far too large to be written out.
    pub(crate) fn quote(&self, context: &Context, value: &Value) -> Expr {
        Quote::new(context, self.level_names(), false).counting_once().expr(value)
    }
}
