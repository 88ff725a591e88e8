//! Renaming every bound variable to `_` (`standard/alpha-normalization.md`).

use std::convert::Infallible;

use crate::expr::{Expr, ExprKind};
use crate::label::Label;
use crate::number::Natural;
use crate::rewrite::{Rewrite, children};
use crate::stack::deep;

/// Returns the expression with every bound variable called `_`; nothing is evaluated
/// (`standard/alpha-normalization.md`).
#[must_use]
pub fn alpha_normalize(expr: &Expr) -> Expr {
    match (Alpha { scope: Vec::new() }).expr(expr) {
        Ok(expr) => expr,
        Err(never) => match never {},
    }
}

struct Alpha {
    /// The old names of the binders around.
    scope: Vec<Label>,
}

impl Rewrite for Alpha {
    type Error = Infallible;

    fn expr(&mut self, expr: &Expr) -> Result<Expr, Infallible> {
        let ExprKind::Var(label, index) = expr.kind() else {
            return deep(|| children(self, expr));
        };
        let (one, mut left) = (Natural::from(1), index.clone());
        for (distance, name) in self.scope.iter().rev().enumerate() {
            if name == label {
                if left.is_zero() {
                    let kind = ExprKind::Var(Label::new("_"), Natural::from(distance as u64));
                    return Ok(Expr::at(expr.span(), kind));
                }
                left = left.saturating_sub(&one);
            }
        }
        // A free variable: only one called `_` must step over the renamed binders.
        let index = if label.as_str() == "_" {
            left.add(&Natural::from(self.scope.len() as u64))
        } else {
            left
        };
        Ok(Expr::at(expr.span(), ExprKind::Var(label.clone(), index)))
    }

    fn enter(&mut self, label: &Label) -> Label {
        self.scope.push(label.clone());
        Label::new("_")
    }

    fn leave(&mut self, _label: &Label) {
        self.scope.pop();
    }
}
