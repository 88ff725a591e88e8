//! Values: terms evaluated as far as their head.

use std::cell::{OnceCell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use super::context::Context;
use super::environment::{Env, Names};
use super::rope::Rope;
use super::shared::Shared;
use super::term::Term;
use crate::builtin::{Builtin, Const};
use crate::calendar::{Date, Time, TimeZone};
use crate::expr::{Operator, WithComponent};
use crate::label::Label;
use crate::number::{Integer, Natural};

/// A value in weak head normal form, or a promise of one.
///
/// What cannot be reduced because a variable stands in the way is a value too; such forms carry
/// the names of the expressions that they come from.
#[derive(Clone)]
pub(crate) enum Value {
    /// A promise. Only [`super::context::Context::force`] looks into it.
    Thunk(Shared<Thunk>),
    Const(Const),
    Builtin(Builtin),
    /// A bound variable, by the number of binders outside of its own.
    Level(u32),
    Free(Shared<(Label, Natural)>),
    Lambda(Shared<Binder>),
    Pi(Shared<Binder>),
    /// An application that does not reduce, or not yet.
    App(Shared<(Value, Value)>),
    Op(Shared<(Operator, Value, Value)>),
    If(Shared<(Value, Value, Value)>),
    Bool(bool),
    Natural(Natural),
    Integer(Shared<Integer>),
    Double(f64),
    Text(Rope<Piece>),
    Bytes(Arc<[u8]>),
    Date(Date),
    Time(Shared<Time>),
    TimeZone(TimeZone),
    /// An empty list, with its whole type.
    EmptyList(Shared<Value>),
    /// A list with items.
    List(Rope<Value>),
    Some(Shared<Value>),
    RecordType(Shared<Fields>),
    Record(Shared<Fields>),
    UnionType(Shared<Vec<(Label, Option<Value>)>>),
    Merge(Shared<(Value, Value, Option<Value>)>),
    ToMap(Shared<(Value, Option<Value>)>),
    ShowConstructor(Shared<Value>),
    Assert(Shared<Value>),
    /// A field of something abstract, or a union's constructor.
    Field(Shared<(Value, Label)>),
    Project(Shared<(Value, Rc<[Label]>)>),
    ProjectByType(Shared<(Value, Value)>),
    With(Shared<(Value, Rc<[WithComponent]>, Value)>),
}

/// Fields, sorted by name.
pub(crate) type Fields = Vec<(Label, Value)>;

/// Returns the field of this name.
pub(crate) fn field<'f>(fields: &'f Fields, label: &Label) -> Option<&'f Value> {
    fields.binary_search_by(|(name, _)| name.cmp(label)).ok().map(|at| &fields[at].1)
}

/// A function or a function type.
pub(crate) struct Binder {
    pub(crate) label: Label,
    pub(crate) domain: Value,
    pub(crate) body: Closure,
}

/// Something that waits for the value of its outermost variable.
pub(crate) enum Closure {
    /// A term and the values of its other variables.
    Term { env: Env, body: Term },
    /// A value in which the variable is a level; what checking makes of a function's body.
    Level(LevelClosure),
    /// A value in which the variable does not occur.
    Constant(Value),
}

/// A value in which one bound variable waits for another value.
pub(crate) struct LevelClosure {
    pub(crate) level: u32,
    pub(crate) body: Value,
    /// The names of the variables below and at `level`.
    pub(crate) names: Names,
    /// The body as a term, made when the first value comes that is not the variable itself.
    pub(crate) term: OnceCell<(Env, Term)>,
}

/// Part of a text: characters, or something abstract that stands for some.
#[derive(Clone)]
pub(crate) enum Piece {
    Text(Arc<str>),
    Value(Value),
}

/// What a promise still has to do.
pub(crate) enum Delayed {
    /// Whatever this returns.
    Call(Rc<dyn Fn(&Context) -> Value>),
    Term(Env, Term),
    Op(Operator, Value, Value),
    Done(Value),
}

/// A promise of a value, kept at most once.
pub(crate) struct Thunk(pub(crate) RefCell<Delayed>);

impl Value {
    pub(crate) const TYPE: Self = Self::Const(Const::Type);

    pub(crate) fn thunk(delayed: Delayed) -> Self {
        Self::Thunk(Shared::new(Thunk(RefCell::new(delayed))))
    }

    pub(crate) fn app(function: Self, argument: Self) -> Self {
        Self::App(Shared::new((function, argument)))
    }

    /// Returns where the parts of this value lie, if it has any; nothing else lies there while it lives.
    pub(crate) fn address(&self) -> Option<usize> {
        Some(match self {
            Self::Lambda(binder) | Self::Pi(binder) => binder.address(),
            Self::App(app) => app.address(),
            Self::Op(op) => op.address(),
            Self::If(parts) => parts.address(),
            Self::List(items) => items.address(),
            Self::Some(inner) => inner.address(),
            Self::RecordType(fields) | Self::Record(fields) => fields.address(),
            Self::UnionType(alternatives) => alternatives.address(),
            Self::Field(field) => field.address(),
            _ => return None,
        })
    }

    /// `List a`
    pub(crate) fn list_of(item: Self) -> Self {
        Self::app(Self::Builtin(Builtin::List), item)
    }

    /// `Optional a`
    pub(crate) fn optional_of(item: Self) -> Self {
        Self::app(Self::Builtin(Builtin::Optional), item)
    }

    pub(crate) fn text(text: &str) -> Self {
        Self::Text(if text.is_empty() {
            Rope::empty()
        } else {
            Rope::leaf(vec![Piece::Text(Arc::from(text))])
        })
    }

    pub(crate) fn record(mut fields: Fields) -> Self {
        fields.sort_by(|a, b| a.0.cmp(&b.0));
        Self::Record(Shared::new(fields))
    }

    pub(crate) fn record_type(mut fields: Fields) -> Self {
        fields.sort_by(|a, b| a.0.cmp(&b.0));
        Self::RecordType(Shared::new(fields))
    }
}
