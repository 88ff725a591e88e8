//! The phases of an expression after resolution, each a type of its own.
//!
//! [`Resolved`] has no imports left; [`Checked`] has a type. Only what is checked can be
//! normalized and hashed without a thought for its end. Both stay in one thread; what they hand
//! out ([`Expr`], [`Hash`], bytes) goes anywhere.

use std::cell::OnceCell;
use std::rc::Rc;

use sha2::{Digest, Sha256};

use crate::check::{Checker, Scope, TypeError};
use crate::core::canonical::Canonical;
use crate::core::context::{Context, LimitError};
use crate::core::environment::Env;
use crate::core::lower::{LoadedByAddress, lower_with};
use crate::core::quote::Quote;
use crate::core::term::Term;
use crate::core::value::{Delayed, Value};
use crate::expr::Expr;
use crate::import::Hash;

/// Why an expression could not be checked.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckError {
    /// It has no type.
    #[error(transparent)]
    Type(Box<TypeError>),
    /// Finding its type takes more than allowed.
    #[error(transparent)]
    Limit(#[from] LimitError),
}

/// An expression whose imports are resolved.
#[derive(Clone)]
pub struct Resolved {
    expr: Expr,
    term: OnceCell<Term>,
    loaded: Rc<LoadedByAddress>,
    context: Rc<Context>,
}

impl Resolved {
    pub(crate) fn new(expr: Expr, loaded: Rc<LoadedByAddress>, context: Rc<Context>) -> Self {
        Self { expr, term: OnceCell::new(), loaded, context }
    }

    /// Returns the expression, with every import replaced by what it leads to.
    #[must_use]
    pub fn expr(&self) -> &Expr {
        &self.expr
    }

    fn term(&self) -> &Term {
        self.term.get_or_init(|| lower_with(&self.expr, &self.loaded))
    }

    /// Infers the type (`standard/type-inference.md`).
    ///
    /// # Errors
    /// Returns what is wrong with the expression, or the limit that was reached.
    pub fn check(&self) -> Result<Checked, CheckError> {
        self.context.restart();
        let term = self.term();
        let ty = Checker::new(&self.context).infer(&Scope::default(), term);
        self.context.finish()?;
        let ty = ty.map_err(CheckError::Type)?;
        let value = Value::thunk(Delayed::Term(Env::default(), term.clone()));
        let context = self.context.clone();
        Ok(Checked { ty, evaluated: Evaluated { value, context } })
    }

    /// Normalizes without checking. An ill-typed expression may run into the step limit, and
    /// what its normal form means is its author's affair.
    ///
    /// # Errors
    /// Returns the limit that was reached.
    pub fn normalize_unchecked(&self) -> Result<Expr, LimitError> {
        let value = Value::thunk(Delayed::Term(Env::default(), self.term().clone()));
        Evaluated { value, context: self.context.clone() }.normalize()
    }
}

/// An expression that has a type.
#[derive(Clone)]
pub struct Checked {
    ty: Value,
    evaluated: Evaluated,
}

/// A value, and what evaluates it.
#[derive(Clone)]
struct Evaluated {
    value: Value,
    context: Rc<Context>,
}

impl Evaluated {
    fn quote(&self, value: &Value, alpha: bool) -> Result<Expr, LimitError> {
        self.context.restart();
        let expr = Quote::new(&self.context, Vec::new(), alpha).expr(value);
        self.context.finish()?;
        Ok(expr)
    }

    fn normalize(&self) -> Result<Expr, LimitError> {
        self.quote(&self.value, false)
    }
}

impl Checked {
    pub(crate) fn from_parts(ty: Value, value: Value, context: Rc<Context>) -> Self {
        Self { ty, evaluated: Evaluated { value, context } }
    }

    pub(crate) fn ty(&self) -> &Value {
        &self.ty
    }

    pub(crate) fn value(&self) -> &Value {
        &self.evaluated.value
    }

    /// Returns the type, normalized.
    ///
    /// # Errors
    /// Returns the limit that was reached.
    pub fn type_expr(&self) -> Result<Expr, LimitError> {
        self.evaluated.quote(&self.ty, false)
    }

    /// Returns the β-normal form (`standard/beta-normalization.md`).
    ///
    /// # Errors
    /// Returns the limit that was reached.
    pub fn normalize(&self) -> Result<Expr, LimitError> {
        self.evaluated.normalize()
    }

    /// Returns the αβ-normal form, in which every bound variable is called `_`.
    ///
    /// # Errors
    /// Returns the limit that was reached.
    pub fn alpha_normalize(&self) -> Result<Expr, LimitError> {
        self.evaluated.quote(&self.evaluated.value, true)
    }

    /// Returns the binary form of the αβ-normal form: what the cache holds.
    ///
    /// # Errors
    /// Returns the limit that was reached.
    pub fn encode(&self) -> Result<Vec<u8>, LimitError> {
        let context = &self.evaluated.context;
        let mut bytes = Vec::new();
        context.restart();
        Canonical::write(context, &mut bytes, &self.evaluated.value);
        context.finish()?;
        Ok(bytes)
    }

    /// Returns the semantic hash: that of [`Checked::encode`], without ever holding those bytes.
    ///
    /// # Errors
    /// Returns the limit that was reached.
    pub fn hash(&self) -> Result<Hash, LimitError> {
        let context = &self.evaluated.context;
        let mut sha256 = Sha256::new();
        context.restart();
        Canonical::write(context, &mut sha256, &self.evaluated.value);
        context.finish()?;
        Ok(Hash::from_bytes(sha256.finalize().into()))
    }
}

/// Resolves an expression that is known to have no imports.
///
/// # Errors
/// Returns the first import, if there is one.
pub fn resolve_pure(expr: &Expr, limits: &crate::Limits) -> Result<Resolved, Expr> {
    struct Imports;
    impl crate::rewrite::Rewrite for Imports {
        type Error = Expr;

        fn expr(&mut self, expr: &Expr) -> Result<Expr, Expr> {
            match expr.kind() {
                crate::ExprKind::Import(_) => Err(expr.clone()),
                crate::ExprKind::Op(crate::Operator::Alternative, left, _) => self.expr(left),
                _ => crate::stack::deep(|| crate::rewrite::children(self, expr)),
            }
        }
    }
    let expr = crate::rewrite::Rewrite::expr(&mut Imports, expr)?;
    Ok(Resolved::new(expr, Rc::default(), Rc::new(Context::new(limits))))
}
