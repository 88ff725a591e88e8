//! Type inference (`standard/type-inference.md`).

mod error;
mod fields;
mod infer;
mod operators;
mod probe;
mod scope;
mod unions;
mod universe;

pub(crate) use error::similar;
pub use error::{TypeError, TypeErrorKind};
pub use probe::Inspection;
pub(crate) use probe::Probe;
pub(crate) use scope::Scope;

use std::cell::RefCell;

use crate::core::context::Context;
use crate::core::value::Value;

/// The outcome of a rule. The error is boxed: it is large, and rare.
pub(crate) type Typing<T> = Result<T, Box<TypeError>>;

/// Infers types; every judgment `Γ ⊢ t : T` of the standard is a method.
pub(crate) struct Checker<'c> {
    pub(crate) context: &'c Context,
    probe: Option<&'c RefCell<Probe>>,
}

impl<'c> Checker<'c> {
    pub(crate) fn new(context: &'c Context) -> Self {
        Self { context, probe: None }
    }

    /// Returns a checker that shows the probe what it sees.
    pub(crate) fn watched(context: &'c Context, probe: &'c RefCell<Probe>) -> Self {
        Self { context, probe: Some(probe) }
    }

    fn force(&self, value: &Value) -> Value {
        self.context.force(value)
    }
}
