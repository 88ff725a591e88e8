//! The phases of an expression after resolution, each a type of its own.
//!
//! [`Resolved`] has no imports left; [`Checked`] has a type. Only what is checked can be
//! normalized and hashed without a thought for its end. Both stay in one thread; what they hand
//! out ([`Expr`], [`Hash`], bytes) goes anywhere.

use std::cell::{OnceCell, RefCell};
use std::rc::Rc;

use sha2::{Digest, Sha256};

use crate::binary::encode;
use crate::check::{Checker, Inspection, Probe, Scope, TypeError};
use crate::core::canonical::Canonical;
use crate::core::context::{Context, LimitError};
use crate::core::environment::Env;
use crate::core::lower::{LoadedByAddress, lower_with};
use crate::core::quote::Quote;
use crate::core::term::{Loaded, Normal, Term, TermKind};
use crate::core::value::{Delayed, Value};
use crate::expr::Expr;
use crate::import::Hash;
use crate::rewrite::{Rewrite, children};
use crate::stack::deep;

/// The most bytes that building an entry of the semi-semantic cache, or its key, may take. It
/// normalizes what nobody may want, so that it must not cost much more than what is wanted.
const SEMI_SEMANTIC_BYTES_MAX: u64 = 16 << 20;

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

    /// Returns the expression, with every import replaced by the normal form of what it leads to.
    ///
    /// # Errors
    /// Returns the limit that was reached.
    pub fn expr(&self) -> Result<Expr, LimitError> {
        if self.loaded.is_empty() {
            return Ok(self.expr.clone());
        }
        self.context.restart();
        let expr = Substitute(self).expr(&self.expr)?;
        self.context.finish()?;
        Ok(expr)
    }

    /// Returns the hash by which the semi-semantic cache knows this, unless it is large.
    pub(crate) fn semi_semantic_key(&self) -> Option<Hash> {
        self.context.restart_within(SEMI_SEMANTIC_BYTES_MAX);
        let expr = Substitute(self).expr(&self.expr).ok()?;
        self.context.finish().ok()?;
        Some(Hash::from_bytes(Sha256::digest(encode(&expr)).into()))
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
        let hash = match &term.kind {
            TermKind::Loaded(loaded) => loaded.hash.clone(),
            _ => OnceCell::new(),
        };
        Ok(Checked { ty, evaluated: Evaluated { value, context }, hash })
    }

    /// Infers types as far as that goes, and tells what is known of the place at a byte of the text.
    ///
    /// # Errors
    /// Returns the limit that was reached.
    pub fn inspect(&self, offset: usize) -> Result<Inspection, LimitError> {
        self.context.restart();
        let probe = RefCell::new(Probe::new(u32::try_from(offset).unwrap_or(u32::MAX)));
        // What is wrong elsewhere does not matter here.
        let _ = Checker::watched(&self.context, &probe).infer(&Scope::default(), self.term());
        self.context.finish()?;
        let found = probe.into_inner().finish(&self.context);
        self.context.finish()?;
        Ok(found)
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

/// Puts normal forms into the places of imports.
struct Substitute<'r>(&'r Resolved);

impl Rewrite for Substitute<'_> {
    type Error = LimitError;

    fn expr(&mut self, expr: &Expr) -> Result<Expr, LimitError> {
        let context = &self.0.context;
        let Some((_, loaded)) = self.0.loaded.get(&expr.address()) else {
            return deep(|| children(self, expr));
        };
        if let Some(normal) = loaded.normal.get() {
            // Shared here, but written out wherever it stands.
            context.charge(normal.bytes);
            context.finish()?;
            return Ok(normal.expr.clone());
        }
        let before = context.charged();
        let expr = Quote::new(context, Vec::new(), false).expr(&loaded.value);
        context.finish()?;
        let normal = Normal { expr, bytes: context.charged() - before };
        Ok(loaded.normal.get_or_init(|| normal).expr.clone())
    }
}

/// An expression that has a type.
#[derive(Clone)]
pub struct Checked {
    ty: Value,
    evaluated: Evaluated,
    /// The semantic hash, once it is known.
    hash: OnceCell<Hash>,
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
    pub(crate) fn from_loaded(loaded: &Loaded, context: Rc<Context>) -> Self {
        let value = loaded.value.clone();
        let hash = loaded.hash.clone();
        Self { ty: loaded.ty.clone(), evaluated: Evaluated { value, context }, hash }
    }

    pub(crate) fn into_loaded(self) -> Loaded {
        let Evaluated { value, .. } = self.evaluated;
        Loaded { ty: self.ty, value, normal: OnceCell::new(), hash: self.hash }
    }

    /// Returns the type, normalized (`standard/type-inference.md`).
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

    /// Returns the αβ-normal form, in which every bound variable is called `_`
    /// (`standard/alpha-normalization.md`).
    ///
    /// # Errors
    /// Returns the limit that was reached.
    pub fn alpha_normalize(&self) -> Result<Expr, LimitError> {
        self.evaluated.quote(&self.evaluated.value, true)
    }

    /// Returns the binary form of the αβ-normal form: what the cache holds (`standard/binary.md`,
    /// "Encoding judgment").
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

    /// Returns what the semi-semantic cache holds of this, unless it is large.
    pub(crate) fn semi_semantic_bytes(&self) -> Option<Vec<u8>> {
        let context = &self.evaluated.context;
        context.restart_within(SEMI_SEMANTIC_BYTES_MAX);
        let expr = Quote::new(context, Vec::new(), false).expr(&self.evaluated.value);
        context.finish().ok()?;
        Some(encode(&expr))
    }

    /// Returns the semantic hash: that of [`Checked::encode`], without ever holding those bytes
    /// (`standard/imports.md`, "Import resolution judgment").
    ///
    /// # Errors
    /// Returns the limit that was reached.
    pub fn hash(&self) -> Result<Hash, LimitError> {
        if let Some(known) = self.hash.get() {
            return Ok(*known);
        }
        let context = &self.evaluated.context;
        let mut sha256 = Sha256::new();
        context.restart();
        Canonical::write(context, &mut sha256, &self.evaluated.value);
        context.finish()?;
        let hash = Hash::from_bytes(sha256.finalize().into());
        Ok(*self.hash.get_or_init(|| hash))
    }
}
