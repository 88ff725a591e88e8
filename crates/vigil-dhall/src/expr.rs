//! The syntax tree, as parsed or decoded or made by hand.
//!
//! An [`Expr`] is only syntax: it may be ill-typed and may contain imports. It is a shared,
//! immutable tree that any thread may hold. Dropping one never recurses past the stack.
//!
//! What parsing has already rewritten (`standard/record.md`, `standard/multiline.md`): record puns,
//! dotted fields and repeated fields of record literals, multi-line literals, and literals that
//! combine a date, a time and a zone.

use std::fmt;
use std::sync::Arc;

use crate::builtin::{Builtin, Const};
use crate::calendar::{Date, Time, TimeZone};
use crate::import::Import;
use crate::label::Label;
use crate::number::{Integer, Natural};
use crate::rewrite::{Part, visit};
use crate::stack::deep;

/// A run of bytes of one source text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Span {
    /// The first byte.
    pub start: u32,
    /// The byte after the last one.
    pub end: u32,
}

impl Span {
    /// The span of what no source text contains.
    pub const NONE: Self = Self { start: 0, end: 0 };

    /// Returns the smallest span around both.
    #[must_use]
    pub fn to(self, other: Self) -> Self {
        Self { start: self.start.min(other.start), end: self.end.max(other.end) }
    }
}

/// A syntax tree; copying one copies a pointer.
#[derive(Clone)]
pub struct Expr(Arc<Node>);

struct Node {
    span: Span,
    /// How many nodes lie one below the other, from here to the deepest one.
    height: u32,
    kind: ExprKind,
}

impl Drop for Node {
    fn drop(&mut self) {
        if self.kind.has_children() {
            let kind = std::mem::replace(&mut self.kind, ExprKind::Const(Const::Sort));
            deep(|| drop(kind));
        }
    }
}

impl Expr {
    /// Returns a node that stands at `span`.
    #[must_use]
    pub fn at(span: Span, kind: ExprKind) -> Self {
        let height = if kind.has_children() { height_of(&kind) } else { 1 };
        Self(Arc::new(Node { span, height, kind }))
    }

    /// Returns a node that stands in no source text.
    #[must_use]
    pub fn new(kind: ExprKind) -> Self {
        Self::at(Span::NONE, kind)
    }

    /// Returns what the node is.
    #[must_use]
    pub fn kind(&self) -> &ExprKind {
        &self.0.kind
    }

    /// Returns where the node stands in its source text.
    #[must_use]
    pub fn span(&self) -> Span {
        self.0.span
    }

    /// Returns what the node is, copied only if somebody else has the node too.
    pub(crate) fn into_kind(self) -> ExprKind {
        match Arc::try_unwrap(self.0) {
            Ok(mut node) => std::mem::replace(&mut node.kind, ExprKind::Const(Const::Sort)),
            Err(shared) => shared.kind.clone(),
        }
    }

    /// Returns how deep the tree nests, a leaf counting 1.
    pub(crate) fn height(&self) -> usize {
        self.0.height as usize
    }

    /// Returns an address that is the same for clones of one node.
    pub(crate) fn address(&self) -> usize {
        Arc::as_ptr(&self.0).addr()
    }

    /// Returns the application of `self` to `argument`.
    #[must_use]
    pub fn apply(self, argument: Self) -> Self {
        Self::new(ExprKind::App(self, argument))
    }

    /// Returns the text literal without interpolations.
    #[must_use]
    pub fn text(text: &str) -> Self {
        Self::new(ExprKind::Text(Vec::new(), Arc::from(text)))
    }

    /// Returns the built-in.
    #[must_use]
    pub fn builtin(builtin: Builtin) -> Self {
        Self::new(ExprKind::Builtin(builtin))
    }
}

impl fmt::Debug for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        deep(|| self.0.kind.fmt(f))
    }
}

/// Returns the height of a node. What lies in a row but means nesting counts as that: each `let`
/// nests what follows it, each step of the path of a `with` nests what is put there.
fn height_of(kind: &ExprKind) -> u32 {
    let (mut height, mut outside) = (0_u32, 0_u32);
    let nests = matches!(kind, ExprKind::Let(..));
    visit(kind, &mut |part| match part {
        Part::Expr(inner) => height = height.max(inner.0.height.saturating_add(outside)),
        Part::Enter(_) => outside += u32::from(nests),
        Part::Leave(_) => {}
    });
    if let ExprKind::With(_, path, value) = kind {
        let path = u32::try_from(path.len()).unwrap_or(u32::MAX);
        height = height.max(value.0.height.saturating_add(path));
    }
    height.saturating_add(1)
}

/// A binary operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operator {
    /// `||`
    Or,
    /// `&&`
    And,
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
    /// `+`
    Plus,
    /// `*`
    Times,
    /// `++`
    TextAppend,
    /// `#`
    ListAppend,
    /// `∧`
    Combine,
    /// `⫽`
    Prefer,
    /// `⩓`
    CombineTypes,
    /// `?`
    Alternative,
    /// `≡`
    Equivalent,
    /// `::`
    Complete,
}

impl Operator {
    /// Every operator, at the place of its number in the binary encoding.
    pub const ALL: [Self; 14] = [
        Self::Or,
        Self::And,
        Self::Equal,
        Self::NotEqual,
        Self::Plus,
        Self::Times,
        Self::TextAppend,
        Self::ListAppend,
        Self::Combine,
        Self::Prefer,
        Self::CombineTypes,
        Self::Alternative,
        Self::Equivalent,
        Self::Complete,
    ];

    /// Returns how the operator is written.
    #[must_use]
    pub fn symbol(self) -> &'static str {
        match self {
            Self::Or => "||",
            Self::And => "&&",
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Plus => "+",
            Self::Times => "*",
            Self::TextAppend => "++",
            Self::ListAppend => "#",
            Self::Combine => "∧",
            Self::Prefer => "⫽",
            Self::CombineTypes => "⩓",
            Self::Alternative => "?",
            Self::Equivalent => "≡",
            Self::Complete => "::",
        }
    }

    /// Returns how tightly the operator binds, from 0; `::` stands outside of the ladder.
    #[must_use]
    pub fn precedence(self) -> u8 {
        match self {
            Self::Equivalent => 0,
            Self::Alternative => 1,
            Self::Or => 2,
            Self::Plus => 3,
            Self::TextAppend => 4,
            Self::ListAppend => 5,
            Self::And => 6,
            Self::Combine => 7,
            Self::Prefer => 8,
            Self::CombineTypes => 9,
            Self::Times => 10,
            Self::Equal => 11,
            Self::NotEqual => 12,
            Self::Complete => 13,
        }
    }
}

/// One `let`.
#[derive(Clone, Debug)]
pub struct Binding {
    /// Where the binding stands.
    pub span: Span,
    /// The name that it binds.
    pub label: Label,
    /// The type that it claims.
    pub annotation: Option<Expr>,
    /// What the name stands for.
    pub value: Expr,
}

/// One step of the path of a `with`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WithComponent {
    /// A field of a record.
    Field(Label),
    /// `?`: the inside of an `Optional`.
    Inside,
}

/// The forms of expression, after `standard/syntax.md`.
#[derive(Clone, Debug)]
pub enum ExprKind {
    /// A universe.
    Const(Const),
    /// A built-in.
    Builtin(Builtin),
    /// `x@n`
    Var(Label, Natural),
    /// `λ(x : A) → b`
    Lambda(Label, Expr, Expr),
    /// `∀(x : A) → B`
    Pi(Label, Expr, Expr),
    /// `f a`
    App(Expr, Expr),
    /// `let … in b`; the body is no `Let` itself.
    Let(Vec<Binding>, Expr),
    /// `t : T`
    Annotation(Expr, Expr),
    /// `l <> r`
    Op(Operator, Expr, Expr),
    /// `if t then l else r`
    If(Expr, Expr, Expr),
    /// `True` or `False`
    Bool(bool),
    /// A `Natural` literal.
    Natural(Natural),
    /// An `Integer` literal.
    Integer(Integer),
    /// A `Double` literal.
    Double(f64),
    /// A text literal: texts each followed by an interpolation, and the last text.
    Text(Vec<(Arc<str>, Expr)>, Arc<str>),
    /// A `Bytes` literal.
    Bytes(Arc<[u8]>),
    /// A `Date` literal.
    Date(Date),
    /// A `Time` literal.
    Time(Time),
    /// A `TimeZone` literal.
    TimeZone(TimeZone),
    /// `[] : T`, with the whole of `T`.
    EmptyList(Expr),
    /// `[ a, … ]`, not empty.
    List(Vec<Expr>),
    /// `Some a`
    Some(Expr),
    /// `{ x : A, … }`, as ordered in the source and perhaps with repeated fields.
    RecordType(Vec<(Label, Expr)>),
    /// `{ x = a, … }`, as ordered in the source, without repeated fields.
    Record(Vec<(Label, Expr)>),
    /// `< x : A | y | … >`, as ordered in the source and perhaps with repeated alternatives.
    UnionType(Vec<(Label, Option<Expr>)>),
    /// `merge h u : T`
    Merge(Expr, Expr, Option<Expr>),
    /// `toMap e : T`
    ToMap(Expr, Option<Expr>),
    /// `showConstructor e`
    ShowConstructor(Expr),
    /// `assert : T`
    Assert(Expr),
    /// `e.x`
    Field(Expr, Label),
    /// `e.{ x, … }`
    Project(Expr, Vec<Label>),
    /// `e.(T)`
    ProjectByType(Expr, Expr),
    /// `e with k.… = v`
    With(Expr, Vec<WithComponent>, Expr),
    /// An import.
    Import(Import),
}

impl ExprKind {
    fn has_children(&self) -> bool {
        !matches!(
            self,
            Self::Const(_)
                | Self::Builtin(_)
                | Self::Var(..)
                | Self::Bool(_)
                | Self::Natural(_)
                | Self::Integer(_)
                | Self::Double(_)
                | Self::Bytes(_)
                | Self::Date(_)
                | Self::Time(_)
                | Self::TimeZone(_)
        )
    }
}
