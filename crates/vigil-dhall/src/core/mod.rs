//! The inside: terms without names, values, and evaluation.
//!
//! [`term::Term`] is what resolution makes of an [`crate::Expr`]: variables are positions in an
//! environment, fields are sorted, sugar is gone. [`value::Value`] is what evaluation makes of a
//! term: it is evaluated as far as its head, once, and shared from then on. Nothing here leaves
//! the crate, and nothing here crosses threads.

pub(crate) mod builtins;
pub(crate) mod canonical;
pub(crate) mod context;
pub(crate) mod convert;
pub(crate) mod environment;
pub(crate) mod eval;
pub(crate) mod lower;
pub(crate) mod operators;
pub(crate) mod quote;
pub(crate) mod records;
pub(crate) mod rope;
pub(crate) mod shared;
pub(crate) mod term;
pub(crate) mod unions;
pub(crate) mod value;
