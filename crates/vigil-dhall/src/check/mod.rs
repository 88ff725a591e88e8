//! Type inference (`standard/type-inference.md`).

mod error;
mod fields;
mod infer;
mod operators;
mod scope;
mod unions;
mod universe;

pub use error::{TypeError, TypeErrorKind};
pub(crate) use scope::Scope;

use crate::core::context::Context;
use crate::core::value::Value;

/// The outcome of a rule. The error is boxed: it is large, and rare.
pub(crate) type Typing<T> = Result<T, Box<TypeError>>;

/// Infers types; every judgment `Γ ⊢ t : T` of the standard is a method.
pub(crate) struct Checker<'c> {
    pub(crate) context: &'c Context,
}

impl<'c> Checker<'c> {
    pub(crate) fn new(context: &'c Context) -> Self {
        Self { context }
    }

    fn force(&self, value: &Value) -> Value {
        self.context.force(value)
    }
}
