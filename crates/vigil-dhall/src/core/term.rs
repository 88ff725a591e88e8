//! Terms: resolved syntax, ready to be checked and evaluated.

use std::cell::OnceCell;
use std::rc::Rc;
use std::sync::Arc;

use super::shared::Shared;
use super::value::Value;
use crate::builtin::{Builtin, Const};
use crate::calendar::{Date, Time, TimeZone};
use crate::expr::{Expr, Operator, Span, WithComponent};
use crate::import::Hash;
use crate::label::Label;
use crate::number::{Integer, Natural};

/// A resolved expression.
pub(crate) type Term = Shared<TermNode>;

/// A term and where it stands in its source text.
pub(crate) struct TermNode {
    pub(crate) span: Span,
    pub(crate) kind: TermKind,
}

/// An import that has been loaded, checked and will be evaluated at most once.
pub(crate) struct Loaded {
    pub(crate) ty: Value,
    pub(crate) value: Value,
    /// The normal form, once somebody wants to see it.
    pub(crate) normal: OnceCell<Normal>,
    /// The semantic hash, once it is known.
    pub(crate) hash: OnceCell<Hash>,
}

/// A normal form, and how many bytes writing it out has taken.
pub(crate) struct Normal {
    pub(crate) expr: Expr,
    pub(crate) bytes: u64,
}

pub(crate) enum TermKind {
    Const(Const),
    Builtin(Builtin),
    /// A bound variable, by the number of binders between it and its own.
    Var(u32),
    /// A variable without a binder, by its index outside of all binders.
    Free(Label, Natural),
    Lambda(Label, Term, Term),
    Pi(Label, Term, Term),
    App(Term, Term),
    Let(Label, Option<Term>, Term, Term),
    Annotation(Term, Term),
    Op(Operator, Term, Term),
    If(Term, Term, Term),
    Bool(bool),
    Natural(Natural),
    Integer(Integer),
    Double(f64),
    Text(Vec<(Arc<str>, Term)>, Arc<str>),
    Bytes(Arc<[u8]>),
    Date(Date),
    Time(Time),
    TimeZone(TimeZone),
    EmptyList(Term),
    List(Vec<Term>),
    Some(Term),
    /// Sorted; a repeated field is found by checking.
    RecordType(Vec<(Label, Term)>),
    /// Sorted, without repetition.
    Record(Vec<(Label, Term)>),
    /// Sorted; a repeated alternative is found by checking.
    UnionType(Vec<(Label, Option<Term>)>),
    Merge(Term, Term, Option<Term>),
    ToMap(Term, Option<Term>),
    ShowConstructor(Term),
    Assert(Term),
    Field(Term, Label),
    /// Sorted; a repeated label is found by checking.
    Project(Term, Rc<[Label]>),
    ProjectByType(Term, Term),
    With(Term, Rc<[WithComponent]>, Term),
    Loaded(Rc<Loaded>),
}

/// Returns a term that stands at `span`.
pub(crate) fn term(span: Span, kind: TermKind) -> Term {
    Shared::new(TermNode { span, kind })
}
