//! Rewrites that make an expression simpler, and mend what can hardly have been meant.
//!
//! They are those of the reference implementation, but for one: a claim that is all that a file
//! comes to stays a claim, because another file may import it to assert it.
//!
//! Each pass is one walk, however many bindings there are.

use std::collections::{HashMap, HashSet};
use std::convert::Infallible;
use std::sync::Arc;

use crate::expr::{Binding, Expr, ExprKind, Operator};
use crate::import::{Anchor, Import, ImportMode, ImportPath, ImportTarget, Url};
use crate::label::Label;
use crate::number::Natural;
use crate::rewrite::{Part, Rewrite, children, visit};
use crate::stack::deep;

/// Where the Prelude lies, whose files all have an extension.
const PRELUDE: &str = "prelude.dhall-lang.org";

/// What the name of a file ends with.
const EXTENSION: &str = ".dhall";

/// Simplifies and mends an expression:
///
/// - bindings that nothing uses are removed, unless they assert something;
/// - an unused `let x = a ≡ b` becomes `let x = assert : a ≡ b`, which makes it a test;
/// - a `let` right inside of a `let` becomes part of it;
/// - the path `./../x` becomes `../x`;
/// - imports of the Prelude without the extension of their file get it.
///
/// The meaning of a well-typed expression stays, as long as its unused claims hold.
#[must_use]
pub fn lint(expr: &Expr) -> Expr {
    let mut asserting = Asserting::default();
    asserting.expr(expr);
    let mut uses = Uses { asserting: asserting.bindings, ..Uses::default() };
    uses.expr(expr);
    let mut lint = Lint { kept: uses.kept, claims: uses.claims, scope: HashMap::new() };
    match lint.expr(expr) {
        Ok(expr) => expr,
        Err(never) => match never {},
    }
}

/// Tells one binding of a tree from all others.
fn address(binding: &Binding) -> usize {
    std::ptr::from_ref(binding).addr()
}

/// Whether a value is only a claim: a type that nothing is asserted of.
fn is_claim(value: &Expr) -> bool {
    match value.kind() {
        ExprKind::Op(Operator::Equivalent, ..) => true,
        ExprKind::Let(_, body) => is_claim(body),
        _ => false,
    }
}

/// Asserts what a value claims.
fn asserted(value: &Expr) -> Expr {
    let kind = match value.kind() {
        ExprKind::Let(bindings, body) => ExprKind::Let(bindings.clone(), asserted(body)),
        _ => ExprKind::Assert(value.clone()),
    };
    Expr::at(value.span(), kind)
}

fn small(index: &Natural) -> Option<usize> {
    index.to_u64().and_then(|index| usize::try_from(index).ok())
}

/// Finds the bindings that assert something.
#[derive(Default)]
struct Asserting {
    /// How many assertions have been passed.
    passed: usize,
    bindings: HashSet<usize>,
}

impl Asserting {
    fn expr(&mut self, expr: &Expr) {
        match expr.kind() {
            ExprKind::Let(bindings, body) => {
                for binding in bindings {
                    binding.annotation.iter().for_each(|ty| deep(|| self.expr(ty)));
                    let before = self.passed;
                    deep(|| self.expr(&binding.value));
                    if self.passed > before {
                        self.bindings.insert(address(binding));
                    }
                }
                deep(|| self.expr(body));
            }
            kind => {
                self.passed += usize::from(matches!(kind, ExprKind::Assert(_)));
                visit(expr.kind(), &mut |part| {
                    if let Part::Expr(inner) = part {
                        deep(|| self.expr(inner));
                    }
                });
            }
        }
    }
}

/// Finds the bindings that have a use. A binding comes after what it is used in, so that what is
/// used by the unused only is unused, too.
#[derive(Default)]
struct Uses {
    asserting: HashSet<usize>,
    /// For each name, its binders around the place, innermost last, by their number.
    scope: HashMap<Label, Vec<usize>>,
    /// For each binder, by its number, whether it is used.
    is_used: Vec<bool>,
    kept: HashSet<usize>,
    claims: HashSet<usize>,
}

impl Uses {
    fn enter(&mut self, label: &Label) {
        self.scope.entry(label.clone()).or_default().push(self.is_used.len());
        self.is_used.push(false);
    }

    fn leave(&mut self, label: &Label) -> bool {
        let number = self.scope.get_mut(label).and_then(Vec::pop);
        number.is_some_and(|number| self.is_used[number])
    }

    fn expr(&mut self, expr: &Expr) {
        match expr.kind() {
            ExprKind::Var(label, index) => {
                let binders = self.scope.get(label).map_or(&[][..], Vec::as_slice);
                let above = small(index).and_then(|index| index.checked_add(1));
                let at = above.and_then(|above| binders.len().checked_sub(above));
                if let Some(at) = at {
                    self.is_used[binders[at]] = true;
                }
            }
            ExprKind::Let(bindings, body) => {
                bindings.iter().for_each(|binding| self.enter(&binding.label));
                deep(|| self.expr(body));
                for binding in bindings.iter().rev() {
                    self.binding(binding);
                }
            }
            _ => visit(expr.kind(), &mut |part| match part {
                Part::Expr(inner) => deep(|| self.expr(inner)),
                Part::Enter(label) => self.enter(label),
                Part::Leave(label) => _ = self.leave(label),
            }),
        }
    }

    fn binding(&mut self, binding: &Binding) {
        let is_used = self.leave(&binding.label);
        let is_claim = !is_used && binding.annotation.is_none() && is_claim(&binding.value);
        if is_claim {
            self.claims.insert(address(binding));
        }
        if is_used || is_claim || self.asserting.contains(&address(binding)) {
            self.kept.insert(address(binding));
            if let Some(annotation) = &binding.annotation {
                deep(|| self.expr(annotation));
            }
            deep(|| self.expr(&binding.value));
        }
    }
}

/// Writes the tree anew.
struct Lint {
    kept: HashSet<usize>,
    claims: HashSet<usize>,
    /// For each name, how many of its binders around the place have gone: none of them, the
    /// outermost one, and so on.
    scope: HashMap<Label, Vec<usize>>,
}

impl Lint {
    fn bind(&mut self, label: &Label, goes: bool) {
        let gone = self.scope.entry(label.clone()).or_insert_with(|| vec![0]);
        let last = gone.last().copied().unwrap_or(0);
        gone.push(last + usize::from(goes));
    }

    fn unbind(&mut self, label: &Label) {
        if let Some(gone) = self.scope.get_mut(label) {
            gone.pop();
        }
    }

    /// Returns the index of a variable without the binders that go between it and its own.
    fn index(&self, label: &Label, index: &Natural) -> Natural {
        let Some(gone) = self.scope.get(label) else { return index.clone() };
        let binders = gone.len() - 1;
        let outside = binders.saturating_sub(small(index).unwrap_or(usize::MAX));
        let between = gone[binders] - gone[outside];
        index.saturating_sub(&Natural::from(between as u64))
    }

    fn bindings(&mut self, expr: &Expr, bindings: &[Binding], body: &Expr) -> Expr {
        let mut left = Vec::new();
        for binding in bindings {
            let is_kept = self.kept.contains(&address(binding));
            if is_kept {
                let annotation = binding.annotation.as_ref().map(|ty| self.rewritten(ty));
                let mut value = self.rewritten(&binding.value);
                if self.claims.contains(&address(binding)) {
                    value = asserted(&value);
                }
                left.push(Binding { annotation, value, ..binding.clone() });
            }
            self.bind(&binding.label, !is_kept);
        }
        let body = self.rewritten(body);
        bindings.iter().for_each(|binding| self.unbind(&binding.label));
        let kind = match body.kind() {
            kind if left.is_empty() => kind.clone(),
            ExprKind::Let(more, inner) => {
                left.extend(more.iter().cloned());
                ExprKind::Let(left, inner.clone())
            }
            _ => ExprKind::Let(left, body),
        };
        Expr::at(expr.span(), kind)
    }

    fn rewritten(&mut self, expr: &Expr) -> Expr {
        match deep(|| self.expr(expr)) {
            Ok(expr) => expr,
            Err(never) => match never {},
        }
    }
}

impl Rewrite for Lint {
    type Error = Infallible;

    fn expr(&mut self, expr: &Expr) -> Result<Expr, Infallible> {
        Ok(match expr.kind() {
            ExprKind::Let(bindings, body) => self.bindings(expr, bindings, body),
            ExprKind::Var(label, index) => {
                let kind = ExprKind::Var(label.clone(), self.index(label, index));
                Expr::at(expr.span(), kind)
            }
            ExprKind::Import(_) => {
                let expr = deep(|| children(self, expr))?;
                match expr.kind() {
                    ExprKind::Import(import) => {
                        Expr::at(expr.span(), ExprKind::Import(mended(import)))
                    }
                    _ => expr,
                }
            }
            _ => return deep(|| children(self, expr)),
        })
    }

    fn enter(&mut self, label: &Label) -> Label {
        self.bind(label, false);
        label.clone()
    }

    fn leave(&mut self, label: &Label) {
        self.unbind(label);
    }
}

/// Writes an import as it should be written.
fn mended(import: &Import) -> Import {
    let target = match &import.target {
        ImportTarget::Local(Anchor::Here, ImportPath { directory, file }) => {
            match directory.split_first() {
                Some((first, rest)) if &**first == ".." => {
                    let path = ImportPath { directory: rest.to_vec(), file: file.clone() };
                    ImportTarget::Local(Anchor::Parent, path)
                }
                _ => return import.clone(),
            }
        }
        ImportTarget::Remote(url)
            if &*url.authority == PRELUDE
                && import.mode == ImportMode::Code
                && !url.path.file.is_empty()
                && !url.path.file.ends_with(EXTENSION) =>
        {
            let file = format!("{}{EXTENSION}", url.path.file).into();
            let path = ImportPath { directory: url.path.directory.clone(), file };
            ImportTarget::Remote(Arc::new(Url { path, ..Url::clone(url) }))
        }
        _ => return import.clone(),
    };
    Import { target, ..import.clone() }
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
        check("let x = 1 let x = 2 let x = 3 in x@1", "let x = 2 in x");
        check("let x = 1 let x = 2 let x = 3 in x@1 + x@7", "let x = 2 in x + x@5");
        check("let x = 1 let y = x let z = let x = 2 in x@1 in z", "let x = 1 let z = x in z");
        check("let x = 1 in http://a/ using (let y = 2 in x)", "let x = 1 in http://a/ using x");
    }

    #[test]
    fn what_asserts_stays_and_an_unused_claim_is_asserted() {
        check("let _ = assert : 1 === 1 in 2", "let _ = assert : 1 ≡ 1 in 2");
        check("let a = { b = assert : 1 === 1 } in 2", "let a = { b = assert : 1 ≡ 1 } in 2");
        check("let a = 1 === 1 in 2", "let a = assert : 1 ≡ 1 in 2");
        check(
            "let a = let b = 1 let c = 2 in b === 1 in 2",
            "let a = let b = 1 in assert : b ≡ 1 in 2",
        );
        // A claim that somebody asserts, or that is said to be a type, is what it should be.
        check("let a = 1 === 1 in assert : a", "let a = 1 ≡ 1 in assert : a");
        check("let a : Type = 1 === 1 in 2", "2");
        check("let a = 1 in a === 1", "let a = 1 in a ≡ 1");
    }

    #[test]
    fn bindings_are_joined_and_imports_mended() {
        check("let x = 1 in (let y = x in y + x)", "let x = 1 let y = x in y + x");
        check("./../a/b.dhall", "../a/b.dhall");
        check("./../../a.dhall as Text", "../../a.dhall as Text");
        check("./a/../b.dhall", "./a/../b.dhall");
        for (import, want) in [
            ("https://prelude.dhall-lang.org/v1/List/map", ".dhall"),
            ("https://prelude.dhall-lang.org/v1/List/map.dhall", ""),
            ("https://prelude.dhall-lang.org/v1/List/map as Text", ""),
            ("https://example.com/List/map", ""),
        ] {
            check(import, &format!("{import}{want}"));
        }
    }

    #[test]
    fn many_bindings_take_linear_time() {
        // With time for each pair of them, this would not end.
        let mut source = String::from("let x = 0\n");
        for _ in 0..100_000 {
            source.push_str("let x = x + 1\nlet y = x\n");
        }
        source.push_str("in x");
        let limits = Limits { depth: usize::MAX, ..Limits::default() };
        let parsed = parse(&source, &limits).expect("valid");
        let linted = lint(&parsed.expr);
        assert!(matches!(linted.kind(), ExprKind::Let(left, _) if left.len() == 100_001));
    }
}
