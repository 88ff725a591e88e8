//! Import resolution (`standard/imports.md`).
//!
//! The library opens nothing: an [`Importer`] brings the bytes of a place, and keeps the cache.
//! Each import is loaded once, checked once and evaluated when somebody looks, at most once;
//! wherever else it is imported, the same value is shared.

mod cached;
mod error;
mod freeze;
mod headers;
mod resolver;

pub use error::{Frame, ImportError, ImportErrorKind, Source};
pub use freeze::Freeze;
pub use resolver::{Root, Session};

use crate::import::{Anchor, Hash, ImportPath};

/// A place whose bytes the library asks for. The path is canonical.
#[derive(Clone, Copy, Debug)]
pub enum Request<'r> {
    /// A file.
    Local {
        /// Where the path starts.
        anchor: Anchor,
        /// The path.
        path: &'r ImportPath,
    },
    /// A web address.
    Remote {
        /// The address.
        url: &'r str,
        /// Names and values of headers to send.
        headers: &'r [(String, String)],
    },
    /// An environment variable.
    Environment {
        /// Its name.
        name: &'r str,
    },
}

/// What a place holds.
#[derive(Clone, Debug, Default)]
pub struct Fetched {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// Names and values of the headers that a server sent; repeated names stay repeated.
    pub headers: Vec<(String, String)>,
}

/// Why a place gave no bytes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// There is nothing: no such file or variable, no answer, no such page. The operator `?`
    /// turns to its other side.
    #[error("{0}")]
    Absent(String),
    /// There is something, but it cannot be had. The operator `?` does not hide this.
    #[error("{0}")]
    Failed(String),
}

/// Where imports come from.
pub trait Importer {
    /// Returns the bytes of a place.
    ///
    /// # Errors
    /// Returns whether nothing is there or it cannot be had, in words for people.
    fn fetch(&self, request: Request<'_>) -> Result<Fetched, FetchError>;

    /// Returns what a cache holds under a hash. What it says is checked afterwards.
    fn cached(&self, _cache: Cache, _hash: &Hash) -> Option<Vec<u8>> {
        None
    }

    /// Puts the binary form of a normal form into a cache. What goes wrong is the importer's to
    /// tell; resolution goes on without a cache.
    fn store(&self, _cache: Cache, _hash: &Hash, _bytes: &[u8]) {}
}

/// Which of the two caches of normal forms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cache {
    /// The one of the standard (`standard/imports.md`): αβ-normal forms of imports with a hash, by
    /// that hash. Whatever comes from there is compared with its hash before it is used.
    Semantic,
    /// The one of dhall-haskell: β-normal forms of imports without a hash, by the hash of the
    /// binary form of the import with its own imports resolved. That hash says nothing of what is
    /// found: it must be whole, closed and well-typed, but that it belongs there is believed. So
    /// this cache is only asked after [`Session::with_semi_semantic_cache`].
    SemiSemantic,
}

/// An importer that has nothing: for expressions that must not import.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoImports;

impl Importer for NoImports {
    fn fetch(&self, _request: Request<'_>) -> Result<Fetched, FetchError> {
        Err(FetchError::Failed("imports are not allowed here".to_owned()))
    }
}
