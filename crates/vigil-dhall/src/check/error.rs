//! Why an expression has no type.

use crate::builtin::{Builtin, Const};
use crate::expr::{Expr, Span};
use crate::label::Label;
use crate::number::Natural;

/// Why an expression has no type, and where.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{kind}")]
pub struct TypeError {
    /// The smallest part of the source that is wrong.
    pub span: Span,
    /// What is wrong with it.
    pub kind: TypeErrorKind,
}

/// What can be wrong with an expression's type.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TypeErrorKind {
    /// A variable that nothing binds.
    #[error("`{name}` is not in scope{}", at_index(index))]
    Unbound {
        /// The variable.
        name: Label,
        /// Its index past the variables of this name that are in scope.
        index: Natural,
        /// A name in scope that looks much like it.
        similar: Option<Label>,
    },
    /// `Sort`, which has no type.
    #[error("`Sort` has no type, so that it cannot stand for itself")]
    Untyped,
    /// A part has one type where another is needed.
    #[error("{role} has the wrong type")]
    Mismatch {
        /// The part.
        role: &'static str,
        /// The type that it needs.
        expected: Expr,
        /// The type that it has.
        actual: Expr,
    },
    /// A part is not of the needed form.
    #[error("{role} is not {wanted}")]
    WrongForm {
        /// The part.
        role: &'static str,
        /// The form.
        wanted: &'static str,
        /// Its type.
        actual: Expr,
    },
    /// A part is no type.
    #[error("{role} is not a type")]
    NotAType {
        /// The part.
        role: &'static str,
        /// Its type, which is no universe.
        actual: Expr,
    },
    /// A part is in a universe where it may not be.
    #[error("{role} must be a term, but is in the universe `{}`", universe.name())]
    NotATerm {
        /// The part.
        role: &'static str,
        /// The universe of its type.
        universe: Const,
    },
    /// A field or alternative that is not there.
    #[error("there is no {what} `{label}`")]
    Missing {
        /// Field, alternative or handler.
        what: &'static str,
        /// Its name.
        label: Label,
        /// A name that is there and looks much like it.
        similar: Option<Label>,
        /// Some of the names that are there.
        available: Vec<Label>,
    },
    /// A name that stands twice where it may stand once.
    #[error("the {what} `{label}` occurs twice")]
    Duplicate {
        /// Field or alternative.
        what: &'static str,
        /// Its name.
        label: Label,
    },
    /// Two records that cannot be combined.
    #[error("both sides have a field `{}`, and not both are records", path_text(path))]
    Collision {
        /// The field, from the outside inwards.
        path: Vec<Label>,
    },
    /// A handler for no alternative.
    #[error("the handler `{label}` matches no alternative")]
    UnusedHandler {
        /// Its name.
        label: Label,
        /// An alternative that has no handler and looks much like it.
        similar: Option<Label>,
    },
    /// A handler that is no function, for an alternative with a payload.
    #[error("the handler `{label}` must be a function, since the alternative has a payload")]
    HandlerNotFunction {
        /// Its name.
        label: Label,
        /// What the alternative carries.
        payload: Expr,
        /// Its type.
        actual: Expr,
    },
    /// A handler for another payload.
    #[error("the handler `{label}` takes the wrong type")]
    HandlerInput {
        /// Its name.
        label: Label,
        /// What the alternative carries.
        expected: Expr,
        /// What the handler takes.
        actual: Expr,
    },
    /// A handler that returns something else than the others.
    #[error("the handler `{label}` returns another type than the others")]
    HandlerOutput {
        /// Its name.
        label: Label,
        /// What the others return.
        expected: Expr,
        /// What it returns.
        actual: Expr,
    },
    /// A handler whose type of result depends on its argument.
    #[error("the type that the handler `{label}` returns may not depend on its argument")]
    DependentHandler {
        /// Its name.
        label: Label,
    },
    /// A `merge` of nothing, or a `toMap` of nothing, without a type.
    #[error("`{keyword}` of an empty {what} needs a type annotation")]
    NeedsAnnotation {
        /// The keyword.
        keyword: &'static str,
        /// Union or record.
        what: &'static str,
    },
    /// An assertion of something that is no equivalence.
    #[error("an assertion needs an equivalence, such as `x ≡ y`")]
    NotAnEquivalence {
        /// What it has.
        actual: Expr,
    },
    /// An assertion that does not hold.
    #[error("the two sides of this assertion are not equivalent")]
    AssertionFails {
        /// The normal form of the left side.
        left: Expr,
        /// The normal form of the right side.
        right: Expr,
    },
}

fn at_index(index: &Natural) -> String {
    if index.is_zero() { String::new() } else { format!(" at index {index}") }
}

fn path_text(path: &[Label]) -> String {
    let parts: Vec<&str> = path.iter().map(Label::as_str).collect();
    parts.join(".")
}

/// Returns the names that need no binding.
pub(super) fn well_known() -> Vec<Label> {
    let constants = ["True", "False", "Type", "Kind", "Sort"];
    Builtin::ALL.iter().map(|builtin| builtin.name()).chain(constants).map(Label::new).collect()
}

/// Returns the candidate that is most like `name`, if one is like it at all.
pub(crate) fn similar<'l>(
    name: &Label,
    candidates: impl IntoIterator<Item = &'l Label>,
) -> Option<Label> {
    // One slip in four letters still counts as likeness.
    let allowed = name.as_str().chars().count().div_ceil(4).min(3);
    candidates
        .into_iter()
        .take(1_000)
        .map(|candidate| (distance(name.as_str(), candidate.as_str()), candidate))
        .filter(|(distance, candidate)| *distance <= allowed && *candidate != name)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate.clone())
}

/// Counts the letters to add, drop, change or swap between two names, case aside.
fn distance(left: &str, right: &str) -> usize {
    let fold = |text: &str| text.chars().take(64).collect::<String>().to_lowercase();
    let (left, right): (Vec<char>, Vec<char>) =
        (fold(left).chars().collect(), fold(right).chars().collect());
    let mut rows = vec![(0..=right.len()).collect::<Vec<usize>>()];
    for (i, a) in left.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, b) in right.iter().enumerate() {
            let above = &rows[i];
            let mut best = (above[j] + usize::from(a != b)).min(above[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *a == right[j - 1] && left[i - 1] == *b {
                best = best.min(rows[i - 1][j - 1] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[left.len()][right.len()]
}
