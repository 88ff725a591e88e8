//! Walking over a syntax tree, to look or to make another one.

use std::sync::Arc;

use crate::expr::{Binding, Expr, ExprKind};
use crate::import::{Import, ImportTarget, Url};
use crate::label::Label;

/// A way to make a tree from a tree.
pub(crate) trait Rewrite {
    /// Why it may fail.
    type Error;

    /// Returns what becomes of one node; calls [`children`] for what it leaves alone.
    fn expr(&mut self, expr: &Expr) -> Result<Expr, Self::Error>;

    /// Called between a binder's outside and its inside; returns the binder's new name.
    fn enter(&mut self, label: &Label) -> Label {
        label.clone()
    }

    /// Called at the end of a binder's inside.
    fn leave(&mut self, _label: &Label) {}
}

/// What a walk meets inside of a node.
pub(crate) enum Part<'e> {
    /// An expression.
    Expr(&'e Expr),
    /// The place between a binder's outside and its inside.
    Enter(&'e Label),
    /// The end of a binder's inside.
    Leave(&'e Label),
}

/// Shows the children of a node, in the order of the text.
pub(crate) fn visit<'e>(kind: &'e ExprKind, see: &mut dyn FnMut(Part<'e>)) {
    match kind {
        ExprKind::Lambda(label, domain, body) | ExprKind::Pi(label, domain, body) => {
            see(Part::Expr(domain));
            see(Part::Enter(label));
            see(Part::Expr(body));
            see(Part::Leave(label));
        }
        ExprKind::Let(bindings, body) => {
            for binding in bindings {
                binding.annotation.iter().for_each(|ty| see(Part::Expr(ty)));
                see(Part::Expr(&binding.value));
                see(Part::Enter(&binding.label));
            }
            see(Part::Expr(body));
            bindings.iter().rev().for_each(|binding| see(Part::Leave(&binding.label)));
        }
        ExprKind::App(left, right)
        | ExprKind::Annotation(left, right)
        | ExprKind::Op(_, left, right)
        | ExprKind::ProjectByType(left, right)
        | ExprKind::With(left, _, right) => {
            [left, right].into_iter().for_each(|inner| see(Part::Expr(inner)));
        }
        ExprKind::If(test, then, other) => {
            [test, then, other].into_iter().for_each(|inner| see(Part::Expr(inner)));
        }
        ExprKind::Text(chunks, _) => chunks.iter().for_each(|(_, inner)| see(Part::Expr(inner))),
        ExprKind::List(items) => items.iter().for_each(|item| see(Part::Expr(item))),
        ExprKind::EmptyList(inner)
        | ExprKind::Some(inner)
        | ExprKind::ShowConstructor(inner)
        | ExprKind::Assert(inner)
        | ExprKind::Field(inner, _)
        | ExprKind::Project(inner, _) => see(Part::Expr(inner)),
        ExprKind::RecordType(fields) | ExprKind::Record(fields) => {
            fields.iter().for_each(|(_, inner)| see(Part::Expr(inner)));
        }
        ExprKind::UnionType(alternatives) => {
            let payloads = alternatives.iter().filter_map(|(_, payload)| payload.as_ref());
            payloads.for_each(|inner| see(Part::Expr(inner)));
        }
        ExprKind::Merge(handlers, union, ty) => {
            [handlers, union].into_iter().chain(ty).for_each(|inner| see(Part::Expr(inner)));
        }
        ExprKind::ToMap(inner, ty) => {
            [inner].into_iter().chain(ty).for_each(|inner| see(Part::Expr(inner)));
        }
        ExprKind::Import(import) => {
            if let ImportTarget::Remote(url) = &import.target {
                url.headers.iter().for_each(|inner| see(Part::Expr(inner)));
            }
        }
        ExprKind::Const(_)
        | ExprKind::Builtin(_)
        | ExprKind::Var(..)
        | ExprKind::Bool(_)
        | ExprKind::Natural(_)
        | ExprKind::Integer(_)
        | ExprKind::Double(_)
        | ExprKind::Bytes(_)
        | ExprKind::Date(_)
        | ExprKind::Time(_)
        | ExprKind::TimeZone(_) => {}
    }
}

/// Rewrites the children of a node.
pub(crate) fn children<R: Rewrite>(rewrite: &mut R, expr: &Expr) -> Result<Expr, R::Error> {
    let kind = match expr.kind() {
        ExprKind::Lambda(label, domain, body) => {
            let (label, domain, body) = binder(rewrite, label, domain, body)?;
            ExprKind::Lambda(label, domain, body)
        }
        ExprKind::Pi(label, domain, body) => {
            let (label, domain, body) = binder(rewrite, label, domain, body)?;
            ExprKind::Pi(label, domain, body)
        }
        ExprKind::App(f, a) => ExprKind::App(rewrite.expr(f)?, rewrite.expr(a)?),
        ExprKind::Let(bindings, body) => bindings_and_body(rewrite, bindings, body)?,
        ExprKind::Annotation(t, a) => ExprKind::Annotation(rewrite.expr(t)?, rewrite.expr(a)?),
        ExprKind::Op(o, l, r) => ExprKind::Op(*o, rewrite.expr(l)?, rewrite.expr(r)?),
        ExprKind::If(t, y, n) => ExprKind::If(rewrite.expr(t)?, rewrite.expr(y)?, rewrite.expr(n)?),
        ExprKind::Text(chunks, last) => {
            let chunks = chunks
                .iter()
                .map(|(text, inner)| Ok((text.clone(), rewrite.expr(inner)?)))
                .collect::<Result<_, _>>()?;
            ExprKind::Text(chunks, last.clone())
        }
        ExprKind::EmptyList(annotation) => ExprKind::EmptyList(rewrite.expr(annotation)?),
        ExprKind::List(items) => {
            ExprKind::List(items.iter().map(|item| rewrite.expr(item)).collect::<Result<_, _>>()?)
        }
        ExprKind::Some(inner) => ExprKind::Some(rewrite.expr(inner)?),
        ExprKind::RecordType(entries) => ExprKind::RecordType(fields(rewrite, entries)?),
        ExprKind::Record(entries) => ExprKind::Record(fields(rewrite, entries)?),
        ExprKind::UnionType(alternatives) => ExprKind::UnionType(
            alternatives
                .iter()
                .map(|(label, payload)| Ok((label.clone(), optional(rewrite, payload.as_ref())?)))
                .collect::<Result<_, _>>()?,
        ),
        ExprKind::Merge(h, u, t) => {
            ExprKind::Merge(rewrite.expr(h)?, rewrite.expr(u)?, optional(rewrite, t.as_ref())?)
        }
        ExprKind::ToMap(e, t) => ExprKind::ToMap(rewrite.expr(e)?, optional(rewrite, t.as_ref())?),
        ExprKind::ShowConstructor(inner) => ExprKind::ShowConstructor(rewrite.expr(inner)?),
        ExprKind::Assert(claim) => ExprKind::Assert(rewrite.expr(claim)?),
        ExprKind::Field(inner, label) => ExprKind::Field(rewrite.expr(inner)?, label.clone()),
        ExprKind::Project(inner, labels) => ExprKind::Project(rewrite.expr(inner)?, labels.clone()),
        ExprKind::ProjectByType(e, t) => {
            ExprKind::ProjectByType(rewrite.expr(e)?, rewrite.expr(t)?)
        }
        ExprKind::With(e, path, v) => {
            ExprKind::With(rewrite.expr(e)?, path.clone(), rewrite.expr(v)?)
        }
        ExprKind::Import(import) => return headers(rewrite, expr, import),
        ExprKind::Const(_)
        | ExprKind::Builtin(_)
        | ExprKind::Var(..)
        | ExprKind::Bool(_)
        | ExprKind::Natural(_)
        | ExprKind::Integer(_)
        | ExprKind::Double(_)
        | ExprKind::Bytes(_)
        | ExprKind::Date(_)
        | ExprKind::Time(_)
        | ExprKind::TimeZone(_) => return Ok(expr.clone()),
    };
    Ok(Expr::at(expr.span(), kind))
}

fn optional<R: Rewrite>(rewrite: &mut R, expr: Option<&Expr>) -> Result<Option<Expr>, R::Error> {
    expr.map(|expr| rewrite.expr(expr)).transpose()
}

fn fields<R: Rewrite>(
    rewrite: &mut R,
    fields: &[(Label, Expr)],
) -> Result<Vec<(Label, Expr)>, R::Error> {
    fields.iter().map(|(label, value)| Ok((label.clone(), rewrite.expr(value)?))).collect()
}

fn binder<R: Rewrite>(
    rewrite: &mut R,
    label: &Label,
    domain: &Expr,
    body: &Expr,
) -> Result<(Label, Expr, Expr), R::Error> {
    let domain = rewrite.expr(domain)?;
    let entered = rewrite.enter(label);
    let body = rewrite.expr(body);
    rewrite.leave(label);
    Ok((entered, domain, body?))
}

fn bindings_and_body<R: Rewrite>(
    rewrite: &mut R,
    bindings: &[Binding],
    body: &Expr,
) -> Result<ExprKind, R::Error> {
    let mut rewritten = Vec::with_capacity(bindings.len());
    let mut entered = 0;
    let mut all = || {
        for binding in bindings {
            let annotation = optional(rewrite, binding.annotation.as_ref())?;
            let value = rewrite.expr(&binding.value)?;
            let label = rewrite.enter(&binding.label);
            entered += 1;
            rewritten.push(Binding { span: binding.span, label, annotation, value });
        }
        rewrite.expr(body)
    };
    let body = all();
    bindings[..entered].iter().rev().for_each(|binding| rewrite.leave(&binding.label));
    Ok(ExprKind::Let(rewritten, body?))
}

fn headers<R: Rewrite>(rewrite: &mut R, expr: &Expr, import: &Import) -> Result<Expr, R::Error> {
    let ImportTarget::Remote(url) = &import.target else {
        return Ok(expr.clone());
    };
    let headers = optional(rewrite, url.headers.as_ref())?;
    let target = ImportTarget::Remote(Arc::new(Url { headers, ..Url::clone(url) }));
    let import = Import { target, ..import.clone() };
    Ok(Expr::at(expr.span(), ExprKind::Import(import)))
}
