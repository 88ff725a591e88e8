//! Adding hashes to imports.

use super::error::ImportError;
use super::resolver::{Failure, Resolver, Root, Session, Visited, limit};
use crate::expr::{Expr, ExprKind, Operator};
use crate::import::{Import, ImportMode, ImportTarget};
use crate::phase::Checked;
use crate::rewrite::{Rewrite, children};
use crate::stack::deep;

/// Which imports freezing adds a hash to, and what for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Freeze {
    /// Freeze imports of files and variables, too, and not only those from the web.
    pub all: bool,
    /// Use the hash for the cache only, as `missing sha256:… ? import`: what is imported may change,
    /// and is then found as before.
    pub as_cache: bool,
}

impl Session<'_> {
    /// Adds to imports the hash of what they lead to, replacing the ones they have.
    ///
    /// # Errors
    /// Returns the first import that cannot be resolved, and why.
    pub fn freeze(
        &mut self,
        expr: &Expr,
        root: &Root,
        freeze: Freeze,
    ) -> Result<Expr, Box<ImportError>> {
        let context = self.context.clone();
        let resolver = Resolver { session: self, stack: vec![Visited::new(root)] };
        context.as_one(|| Freezing { resolver, freeze }.expr(expr))
    }
}

/// The walk that freezes.
struct Freezing<'s, 'i> {
    resolver: Resolver<'s, 'i>,
    freeze: Freeze,
}

impl Freezing<'_, '_> {
    fn wants(&self, import: &Import) -> bool {
        let is_wanted = match import.target {
            ImportTarget::Remote(_) => true,
            ImportTarget::Missing => false,
            _ => self.freeze.all,
        };
        is_wanted && import.mode != ImportMode::Location
    }

    fn frozen(&mut self, import: &Import) -> Result<Import, Failure> {
        let bare = Import { hash: None, ..import.clone() };
        let loaded = self.resolver.load(&bare)?;
        let context = self.resolver.session.context.clone();
        let hash = Checked::from_loaded(&loaded, context).hash().map_err(limit)?;
        let frozen = Import { hash: Some(hash), ..bare };
        // Fills the cache.
        self.resolver.load(&frozen)?;
        Ok(frozen)
    }
}

/// Returns the import behind `missing sha256:… ? import`, which freezing for the cache has made.
fn fallback<'e>(left: &Expr, right: &'e Expr) -> Option<&'e Import> {
    match (left.kind(), right.kind()) {
        (ExprKind::Import(left), ExprKind::Import(right))
            if left.hash.is_some()
                && right.hash.is_none()
                && left.mode == right.mode
                && matches!(left.target, ImportTarget::Missing) =>
        {
            Some(right)
        }
        _ => None,
    }
}

impl Rewrite for Freezing<'_, '_> {
    type Error = Failure;

    fn expr(&mut self, expr: &Expr) -> Result<Expr, Failure> {
        let import = match expr.kind() {
            ExprKind::Import(import) => import,
            ExprKind::Op(Operator::Alternative, left, right) if self.freeze.as_cache => {
                match fallback(left, right) {
                    Some(import) => import,
                    None => return deep(|| children(self, expr)),
                }
            }
            _ => return deep(|| children(self, expr)),
        };
        if !self.wants(import) {
            return Ok(expr.clone());
        }
        let frozen = self.frozen(import)?;
        if !self.freeze.as_cache {
            return Ok(Expr::at(expr.span(), ExprKind::Import(frozen)));
        }
        let cached = Import { target: ImportTarget::Missing, ..frozen };
        let cached = Expr::at(expr.span(), ExprKind::Import(cached));
        let bare = Import { hash: None, ..import.clone() };
        let bare = Expr::at(expr.span(), ExprKind::Import(bare));
        Ok(Expr::at(expr.span(), ExprKind::Op(Operator::Alternative, cached, bare)))
    }
}
