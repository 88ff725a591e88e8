//! Rewrites that make an expression simpler and leave its meaning alone.

use std::convert::Infallible;

use crate::expr::{Binding, Expr, ExprKind};
use crate::label::Label;
use crate::number::Natural;
use crate::rewrite::{Rewrite, children};
use crate::stack::deep;

/// Removes bindings that nothing uses. A binding that asserts something has its use.
#[must_use]
pub fn lint(expr: &Expr) -> Expr {
    match Lint.expr(expr) {
        Ok(expr) => expr,
        Err(never) => match never {},
    }
}

struct Lint;

impl Rewrite for Lint {
    type Error = Infallible;

    fn expr(&mut self, expr: &Expr) -> Result<Expr, Infallible> {
        let expr = deep(|| children(self, expr))?;
        let ExprKind::Let(bindings, body) = expr.kind() else {
            return Ok(expr);
        };
        // From the last binding to the first: what only an unused binding uses is unused too.
        let mut kept: Vec<Binding> = Vec::new();
        let mut body = body.clone();
        for binding in bindings.iter().rev() {
            let mut rest = kept.clone();
            rest.reverse();
            let whole = rejoin(rest, body.clone());
            let mut uses = Uses::of(&binding.label);
            if !uses.found(&whole) && !asserts(&binding.value) {
                // One binder of that name less around the rest.
                let lowered = Lower(Uses::of(&binding.label)).apply(&whole);
                match lowered.kind() {
                    ExprKind::Let(bindings, inner) if !kept.is_empty() => {
                        kept = bindings.iter().rev().cloned().collect();
                        body = inner.clone();
                    }
                    _ => body = lowered,
                }
            } else {
                kept.push(binding.clone());
            }
        }
        kept.reverse();
        let span = expr.span();
        Ok(match rejoin(kept, body).kind() {
            ExprKind::Let(bindings, body) => {
                Expr::at(span, ExprKind::Let(bindings.clone(), body.clone()))
            }
            kind => Expr::at(span, kind.clone()),
        })
    }
}

fn rejoin(mut bindings: Vec<Binding>, body: Expr) -> Expr {
    if bindings.is_empty() {
        return body;
    }
    if let ExprKind::Let(more, inner) = body.kind() {
        bindings.extend(more.iter().cloned());
        return Expr::at(body.span(), ExprKind::Let(bindings, inner.clone()));
    }
    Expr::new(ExprKind::Let(bindings, body))
}

/// Whether an assertion stands anywhere inside.
fn asserts(expr: &Expr) -> bool {
    struct Find(bool);
    impl Rewrite for Find {
        type Error = ();

        fn expr(&mut self, expr: &Expr) -> Result<Expr, ()> {
            if matches!(expr.kind(), ExprKind::Assert(_)) {
                self.0 = true;
                return Err(());
            }
            deep(|| children(self, expr))
        }
    }
    let mut find = Find(false);
    let _ = find.expr(expr);
    find.0
}

/// Follows one variable through the binders of its name.
struct Uses {
    label: Label,
    /// For every binder around, whether it has that name.
    binders: Vec<bool>,
    depth: u64,
}

impl Uses {
    fn of(label: &Label) -> Self {
        Self { label: label.clone(), binders: Vec::new(), depth: 0 }
    }

    fn enter(&mut self, label: &Label) {
        let same = *label == self.label;
        self.binders.push(same);
        self.depth += u64::from(same);
    }

    fn leave(&mut self) {
        self.depth -= u64::from(self.binders.pop() == Some(true));
    }

    fn found(&mut self, expr: &Expr) -> bool {
        struct Find<'u>(&'u mut Uses);
        impl Rewrite for Find<'_> {
            type Error = ();

            fn expr(&mut self, expr: &Expr) -> Result<Expr, ()> {
                match expr.kind() {
                    ExprKind::Var(label, index)
                        if *label == self.0.label && *index == Natural::from(self.0.depth) =>
                    {
                        Err(())
                    }
                    _ => deep(|| children(self, expr)),
                }
            }

            fn enter(&mut self, label: &Label) -> Label {
                self.0.enter(label);
                label.clone()
            }

            fn leave(&mut self) {
                self.0.leave();
            }
        }
        Find(self).expr(expr).is_err()
    }
}

/// Lowers the index of a variable that looks past a binder which is going.
struct Lower(Uses);

impl Lower {
    fn apply(mut self, expr: &Expr) -> Expr {
        match self.expr(expr) {
            Ok(expr) => expr,
            Err(never) => match never {},
        }
    }
}

impl Rewrite for Lower {
    type Error = Infallible;

    fn expr(&mut self, expr: &Expr) -> Result<Expr, Infallible> {
        match expr.kind() {
            ExprKind::Var(label, index)
                if *label == self.0.label && *index > Natural::from(self.0.depth) =>
            {
                let index = index.saturating_sub(&Natural::from(1));
                Ok(Expr::at(expr.span(), ExprKind::Var(label.clone(), index)))
            }
            _ => deep(|| children(self, expr)),
        }
    }

    fn enter(&mut self, label: &Label) -> Label {
        self.0.enter(label);
        label.clone()
    }

    fn leave(&mut self) {
        self.0.leave();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Limits, parse};

    #[track_caller]
    fn check(source: &str, want: &str) {
        let parsed = parse(source, &Limits::default()).expect("valid");
        let printed = format!("{:#}", lint(&parsed.expr));
        let words: Vec<&str> = printed.split_whitespace().collect();
        assert_eq!(words.join(" "), want);
    }

    #[test]
    fn unused_bindings_go_and_indices_follow() {
        check("let x = 1 in 2", "2");
        check("let x = 1 let y = x in 3", "3");
        check("let x = 1 let y = 2 in x", "let x = 1 in x");
        check("\\(x : Bool) -> let x = 1 in x@1", "λ(x : Bool) → x");
        check("\\(x : Bool) -> let x = 1 let y = x@1 in y", "λ(x : Bool) → let y = x in y");
        check("let _ = assert : 1 === 1 in 2", "let _ = assert : 1 ≡ 1 in 2");
    }
}
