//! The syntax of imports: where from, in which mode, and with which hash.
//!
//! Nothing here reads anything. How paths are joined and made canonical stands in
//! `standard/imports.md`, "Chaining imports" and "Canonicalization of imports".

use std::fmt;
use std::sync::Arc;

use crate::expr::{Expr, ExprKind, Operator};
use crate::rewrite::{Part, visit};
use crate::stack::deep;

/// A SHA-256 digest: the name of an expression's normal form.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash([u8; 32]);

impl Hash {
    /// Returns the hash with these bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Returns the hash written as 64 hexadecimal digits, if that is what `digits` are.
    #[must_use]
    pub fn from_hex(digits: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        if digits.len() != 64 || !digits.is_ascii() {
            return None;
        }
        for (byte, pair) in bytes.iter_mut().zip(digits.as_bytes().chunks(2)) {
            let high = char::from(pair[0]).to_digit(16)?;
            let low = char::from(pair[1]).to_digit(16)?;
            *byte = u8::try_from(high * 16 + low).ok()?;
        }
        Some(Self(bytes))
    }

    /// Returns the bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Returns the 64 hexadecimal digits.
    #[must_use]
    pub fn to_hex(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.to_hex())
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What becomes of the bytes that an import leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ImportMode {
    /// They are an expression.
    Code,
    /// They are a `Text` (`as Text`).
    Text,
    /// They are not read; the place itself is the value (`as Location`).
    Location,
    /// They are a `Bytes` (`as Bytes`).
    Bytes,
}

/// Where a local path starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Anchor {
    /// The root of the file system, `/…`.
    Absolute,
    /// The folder of the importing file, `./…`.
    Here,
    /// The folder above that, `../…`.
    Parent,
    /// The user's home, `~/…`.
    Home,
}

impl Anchor {
    /// Returns how a path with this anchor begins, without the slash.
    #[must_use]
    pub fn prefix(self) -> &'static str {
        match self {
            Self::Absolute => "",
            Self::Here => ".",
            Self::Parent => "..",
            Self::Home => "~",
        }
    }
}

/// The components of a path: folders and, last, a file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImportPath {
    /// The folders, outermost first.
    pub directory: Vec<Arc<str>>,
    /// The last component.
    pub file: Arc<str>,
}

impl ImportPath {
    /// Removes `.` and resolves `..` where a folder to leave is known.
    #[must_use]
    pub fn canonicalize(&self) -> Self {
        let mut directory: Vec<Arc<str>> = Vec::new();
        for component in &self.directory {
            match &**component {
                "." => {}
                ".." if directory.last().is_some_and(|last| &**last != "..") => {
                    directory.pop();
                }
                _ => directory.push(component.clone()),
            }
        }
        Self { directory, file: self.file.clone() }
    }

    /// Returns `child` as seen from the folder of `self`, one folder up if `above`.
    fn chain(&self, above: bool, child: &Self) -> Self {
        let mut directory = self.directory.clone();
        if above {
            directory.push(Arc::from(".."));
        }
        directory.extend(child.directory.iter().cloned());
        Self { directory, file: child.file.clone() }
    }

    /// Iterates over the folders and the file.
    pub fn components(&self) -> impl Iterator<Item = &Arc<str>> {
        self.directory.iter().chain(std::iter::once(&self.file))
    }
}

/// A web address.
#[derive(Clone, Debug)]
pub struct Url {
    /// Whether the scheme is `https` rather than `http`.
    pub secure: bool,
    /// User, host and port as written.
    pub authority: Arc<str>,
    /// The path; an absent one is a single empty file name.
    pub path: ImportPath,
    /// What follows the question mark.
    pub query: Option<Arc<str>>,
    /// The expression after `using`.
    pub headers: Option<Expr>,
}

impl Url {
    /// Returns the scheme's name.
    #[must_use]
    pub fn scheme(&self) -> &'static str {
        if self.secure { "https" } else { "http" }
    }

    /// Returns the address without its headers.
    #[must_use]
    pub fn address(&self) -> String {
        let mut out = format!("{}://{}", self.scheme(), self.authority);
        for component in self.path.components() {
            out.push('/');
            out.push_str(component);
        }
        if let Some(query) = &self.query {
            out.push('?');
            out.push_str(query);
        }
        out
    }

    /// Returns whether both have one scheme and one authority.
    #[must_use]
    pub fn same_origin(&self, other: &Self) -> bool {
        self.secure == other.secure && self.authority == other.authority
    }
}

/// Where an import leads.
#[derive(Clone, Debug)]
pub enum ImportTarget {
    /// A file.
    Local(Anchor, ImportPath),
    /// A web address.
    Remote(Arc<Url>),
    /// An environment variable.
    Environment(Arc<str>),
    /// Nowhere.
    Missing,
}

impl ImportTarget {
    /// Returns `child`, found inside `self`, as seen from where `self` is seen
    /// (`standard/imports.md`, "Chaining imports").
    #[must_use]
    pub fn chain(&self, child: &Self) -> Self {
        let Self::Local(anchor @ (Anchor::Here | Anchor::Parent), path) = child else {
            return child.clone();
        };
        let above = *anchor == Anchor::Parent;
        match self {
            Self::Local(base, parent) => Self::Local(*base, parent.chain(above, path)),
            Self::Remote(url) => Self::Remote(Arc::new(Url {
                path: url.path.chain(above, path),
                query: None,
                ..Url::clone(url)
            })),
            Self::Environment(_) | Self::Missing => child.clone(),
        }
    }

    /// Makes the path canonical (`standard/imports.md`, "Canonicalization of imports").
    #[must_use]
    pub fn canonicalize(&self) -> Self {
        match self {
            Self::Local(anchor, path) => Self::Local(*anchor, path.canonicalize()),
            Self::Remote(url) => {
                Self::Remote(Arc::new(Url { path: url.path.canonicalize(), ..Url::clone(url) }))
            }
            Self::Environment(_) | Self::Missing => self.clone(),
        }
    }

    /// Returns the place as `as Location` shows it, without headers.
    #[must_use]
    pub fn location(&self) -> String {
        match self {
            Self::Local(anchor, path) => {
                let mut out = anchor.prefix().to_owned();
                for component in path.components() {
                    out.push('/');
                    out.push_str(component);
                }
                out
            }
            Self::Remote(url) => url.address(),
            Self::Environment(name) => format!("env:{name}"),
            Self::Missing => "missing".to_owned(),
        }
    }
}

/// An import as written.
#[derive(Clone, Debug)]
pub struct Import {
    /// Where it leads.
    pub target: ImportTarget,
    /// What becomes of the bytes.
    pub mode: ImportMode,
    /// The hash that the normal form must have.
    pub hash: Option<Hash>,
}

/// An import, where an expression has it.
#[derive(Clone, Copy, Debug)]
pub struct ImportUse<'e> {
    /// The import.
    pub import: &'e Import,
    /// Whether it stands in an alternative (`?`), and so may lead nowhere.
    pub may_be_absent: bool,
}

/// Returns the imports of an expression, in the order of the text, without following them.
#[must_use]
pub fn imports(expr: &Expr) -> Vec<ImportUse<'_>> {
    fn collect<'e>(expr: &'e Expr, may_be_absent: bool, found: &mut Vec<ImportUse<'e>>) {
        if let ExprKind::Import(import) = expr.kind() {
            found.push(ImportUse { import, may_be_absent });
        }
        let inside =
            may_be_absent || matches!(expr.kind(), ExprKind::Op(Operator::Alternative, ..));
        visit(expr.kind(), &mut |part| {
            if let Part::Expr(inner) = part {
                deep(|| collect(inner, inside, found));
            }
        });
    }
    let mut found = Vec::new();
    collect(expr, false, &mut found);
    found
}
