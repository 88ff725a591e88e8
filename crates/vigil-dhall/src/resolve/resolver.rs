//! The walk over an expression that loads what it imports.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::error::{Frame, ImportError, ImportErrorKind, Source};
use super::headers::{OriginHeaders, pairs};
use super::{Cache, FetchError, Fetched, Importer, Request, cached};
use crate::binary::decode_resolved;
use crate::core::context::{Context, LimitError};
use crate::core::lower::LoadedByAddress;
use crate::core::term::Loaded;
use crate::expr::{Expr, ExprKind, Operator};
use crate::import::{Anchor, Hash, Import, ImportMode, ImportPath, ImportTarget, Url};
use crate::label::Label;
use crate::limits::Limits;
use crate::phase::{CheckError, Checked, Resolved};
use crate::rewrite::{Rewrite, children};
use crate::stack::deep;

pub(super) type Failure = Box<ImportError>;

/// Where an expression comes from: what its relative imports are relative to.
#[derive(Clone, Debug)]
pub struct Root {
    target: ImportTarget,
    source: Option<Source>,
}

impl Root {
    /// A text without a place, whose imports are relative to the working folder.
    #[must_use]
    pub fn anonymous() -> Self {
        let path = ImportPath { directory: Vec::new(), file: Arc::from("") };
        Self { target: ImportTarget::Local(Anchor::Here, path), source: None }
    }

    /// A text that stands at a place, such as a file.
    #[must_use]
    pub fn at(target: ImportTarget) -> Self {
        Self { target, source: None }
    }

    /// Adds the text, so that errors can point into it.
    #[must_use]
    pub fn with_source(mut self, source: Source) -> Self {
        self.source = Some(source);
        self
    }
}

/// What was imported, and remains so while the session lasts: one place, one content.
pub struct Session<'i> {
    importer: &'i dyn Importer,
    pub(super) context: Rc<Context>,
    limits: Limits,
    fetched: HashMap<String, Result<Rc<Fetched>, FetchError>>,
    /// How many bytes `fetched` holds.
    fetched_bytes: u64,
    loaded: HashMap<(String, ImportMode), Rc<Loaded>>,
    by_hash: HashMap<Hash, Rc<Loaded>>,
    pub(super) origin_headers: OriginHeaders,
    is_semi_semantic: bool,
}

impl<'i> Session<'i> {
    /// Starts a session that imports through `importer`.
    #[must_use]
    pub fn new(importer: &'i dyn Importer, limits: &Limits) -> Self {
        Self {
            importer,
            context: Rc::new(Context::new(limits)),
            limits: limits.clone(),
            fetched: HashMap::new(),
            fetched_bytes: 0,
            loaded: HashMap::new(),
            by_hash: HashMap::new(),
            origin_headers: OriginHeaders::default(),
            is_semi_semantic: false,
        }
    }

    /// Has the session ask [`Cache::SemiSemantic`] as well, and fill it.
    ///
    /// What is filled in is normalized for it, wanted or not, up to a size of some mebibytes.
    #[must_use]
    pub fn with_semi_semantic_cache(mut self) -> Self {
        self.is_semi_semantic = true;
        self
    }

    /// Resolves every import of an expression that stands at `root` (`standard/imports.md`, "Import
    /// resolution judgment").
    ///
    /// # Errors
    /// Returns the first import that cannot be resolved, and why.
    pub fn resolve(&mut self, expr: &Expr, root: &Root) -> Result<Resolved, Box<ImportError>> {
        let context = self.context.clone();
        let mut resolver = Resolver { session: self, stack: vec![Visited::new(root)] };
        let (expr, loaded) = context.as_one(|| resolver.resolve_here(expr))?;
        Ok(Resolved::new(expr, Rc::new(loaded), context))
    }
}

/// An import that is being resolved.
pub(super) struct Visited {
    target: ImportTarget,
    source: Option<Source>,
}

impl Visited {
    pub(super) fn new(root: &Root) -> Self {
        Self { target: root.target.clone(), source: root.source.clone() }
    }
}

/// Resolves one expression; the stack leads from the root to what is being resolved.
pub(super) struct Resolver<'s, 'i> {
    pub(super) session: &'s mut Session<'i>,
    pub(super) stack: Vec<Visited>,
}

/// Returns what tells one target from another, headers included.
fn key(target: &ImportTarget) -> String {
    let mut key = target.location();
    if let ImportTarget::Remote(url) = target
        && let Some(headers) = url.headers.as_ref().and_then(pairs)
    {
        for (name, value) in headers {
            key.push_str(&format!("\n{name}: {value}"));
        }
    }
    key
}

pub(super) fn limit(error: LimitError) -> Failure {
    ImportError::new(ImportErrorKind::Limit(error))
}

impl<'i> Resolver<'_, 'i> {
    fn here(&self) -> &Visited {
        match self.stack.last() {
            Some(visited) => visited,
            None => unreachable!("the root stays on the stack"),
        }
    }

    /// Resolves the imports of an expression that stands at the top of the stack.
    fn resolve_here(&mut self, expr: &Expr) -> Result<(Expr, LoadedByAddress), Failure> {
        let mut walk = Walk { resolver: self, loaded: LoadedByAddress::new() };
        let expr = walk.expr(expr)?;
        Ok((expr, walk.loaded))
    }

    /// Resolves and checks an expression in the empty scope.
    pub(super) fn check_closed(&mut self, expr: &Expr) -> Result<Checked, Failure> {
        let resolved = self.resolve_closed(expr)?;
        self.check_resolved(&resolved)
    }

    fn resolve_closed(&mut self, expr: &Expr) -> Result<Resolved, Failure> {
        let (expr, loaded) = self.resolve_here(expr)?;
        Ok(Resolved::new(expr, Rc::new(loaded), self.session.context.clone()))
    }

    fn check_resolved(&self, resolved: &Resolved) -> Result<Checked, Failure> {
        resolved.check().map_err(|error| {
            let mut failure = ImportError::new(match error {
                CheckError::Limit(error) => ImportErrorKind::Limit(error),
                error => ImportErrorKind::Check(error),
            });
            failure.source_text = self.here().source.clone();
            failure
        })
    }

    /// Parses, resolves and checks the contents of a place.
    pub(super) fn load_code(
        &mut self,
        target: &ImportTarget,
        fetched: Fetched,
    ) -> Result<Checked, Failure> {
        let place = key(target);
        if self.stack.iter().any(|visited| key(&visited.target) == place) {
            let location = target.location();
            return Err(ImportError::new(ImportErrorKind::Cycle { location }));
        }
        let text = String::from_utf8_lossy(&fetched.bytes).into_owned();
        let source = Source { name: target.location().into(), text: text.into() };
        let parsed = crate::parser::parse_bytes(&fetched.bytes, &self.session.limits);
        let parsed = parsed.map_err(|error| {
            let mut failure = ImportError::new(ImportErrorKind::Parse(error));
            failure.source_text = Some(source.clone());
            failure
        })?;
        self.stack.push(Visited { target: target.clone(), source: Some(source) });
        let checked = deep(|| self.check_imported(&parsed.expr));
        self.stack.pop();
        checked
    }

    /// Resolves and checks what stands in a file, unless the semi-semantic cache knows it.
    fn check_imported(&mut self, expr: &Expr) -> Result<Checked, Failure> {
        // What only passes another import on is as quickly resolved as found.
        if !self.session.is_semi_semantic || matches!(expr.kind(), ExprKind::Import(_)) {
            return self.check_closed(expr);
        }
        let resolved = self.resolve_closed(expr)?;
        let Some(key) = resolved.semi_semantic_key() else {
            return self.check_resolved(&resolved);
        };
        let importer = self.session.importer;
        if let Some(bytes) = importer.cached(Cache::SemiSemantic, &key)
            && let Ok(expr) = decode_resolved(&bytes, &self.session.limits)
        {
            let context = self.session.context.clone();
            let known = Resolved::new(expr, Rc::default(), context);
            // What has no type cannot be what was stored.
            if let Ok(checked) = known.check() {
                return Ok(checked);
            }
        }
        let checked = self.check_resolved(&resolved)?;
        if let Some(bytes) = checked.semi_semantic_bytes() {
            importer.store(Cache::SemiSemantic, &key, &bytes);
        }
        Ok(checked)
    }

    /// Loads an import, or finds it loaded.
    pub(super) fn load(&mut self, import: &Import) -> Result<Rc<Loaded>, Failure> {
        if let Some(hash) = &import.hash
            && import.mode != ImportMode::Location
            && let Some(loaded) = self.load_cached(hash)
        {
            return Ok(loaded);
        }
        let target = self.absolute(&import.target)?;
        let place = (key(&target), import.mode);
        let known = self.session.loaded.get(&place).cloned();
        let loaded = match known {
            Some(loaded) => {
                self.check_access(&target, import.mode)?;
                loaded
            }
            None => {
                let checked = self.load_new(&target, import.mode)?;
                let loaded = Rc::new(checked.into_loaded());
                self.session.loaded.insert(place, loaded.clone());
                loaded
            }
        };
        // A location is not what is there, so that a hash says nothing of it.
        if let Some(expected) = &import.hash
            && import.mode != ImportMode::Location
        {
            self.verify(&target, expected, &loaded)?;
        }
        Ok(loaded)
    }

    /// Finds a hashed import in this session or in the cache.
    fn load_cached(&mut self, hash: &Hash) -> Option<Rc<Loaded>> {
        if let Some(loaded) = self.session.by_hash.get(hash) {
            return Some(loaded.clone());
        }
        let bytes = self.session.importer.cached(Cache::Semantic, hash)?;
        // What is damaged or poisoned is as good as absent.
        if Hash::from_bytes(Sha256::digest(&bytes).into()) != *hash {
            return None;
        }
        let loaded = cached::load(bytes, hash, &self.session.limits).map(Rc::new)?;
        self.session.by_hash.insert(*hash, loaded.clone());
        Some(loaded)
    }

    /// Compares what was loaded with the hash that it should have, and caches it.
    fn verify(
        &mut self,
        target: &ImportTarget,
        expected: &Hash,
        loaded: &Rc<Loaded>,
    ) -> Result<(), Failure> {
        let checked = Checked::from_loaded(loaded, self.session.context.clone());
        let bytes = checked.encode().map_err(limit)?;
        let actual = Hash::from_bytes(Sha256::digest(&bytes).into());
        if actual != *expected {
            let (location, expected) = (target.location(), *expected);
            let kind = ImportErrorKind::HashMismatch { location, expected, actual };
            return Err(ImportError::new(kind));
        }
        loaded.hash.get_or_init(|| *expected);
        self.session.importer.store(Cache::Semantic, expected, &bytes);
        self.session.by_hash.insert(*expected, loaded.clone());
        Ok(())
    }

    /// Returns the target as seen from the root, canonical, its headers evaluated.
    fn absolute(&mut self, target: &ImportTarget) -> Result<ImportTarget, Failure> {
        let mut target = target.clone();
        if let ImportTarget::Remote(url) = &target
            && let Some(headers) = &url.headers
        {
            let headers = Some(self.evaluate_headers(headers)?);
            target = ImportTarget::Remote(Arc::new(Url { headers, ..Url::clone(url) }));
        }
        Ok(self.here().target.chain(&target).canonicalize())
    }

    fn load_new(&mut self, target: &ImportTarget, mode: ImportMode) -> Result<Checked, Failure> {
        if mode == ImportMode::Location {
            return self.check_closed(&location(target));
        }
        let fetched = self.check_access(target, mode)?;
        match mode {
            ImportMode::Bytes => {
                let bytes = Arc::from(fetched.bytes.as_slice());
                self.check_closed(&Expr::new(ExprKind::Bytes(bytes)))
            }
            ImportMode::Text => match std::str::from_utf8(&fetched.bytes) {
                Ok(text) => self.check_closed(&Expr::text(text)),
                Err(_) => {
                    let location = target.location();
                    Err(ImportError::new(ImportErrorKind::NotText { location }))
                }
            },
            ImportMode::Code | ImportMode::Location => {
                self.load_code(target, Fetched::clone(&fetched))
            }
        }
    }

    /// Fetches a target, or finds it fetched, and checks whether the importing place may have it.
    fn check_access(
        &mut self,
        target: &ImportTarget,
        mode: ImportMode,
    ) -> Result<Rc<Fetched>, Failure> {
        if mode == ImportMode::Location {
            return Ok(Rc::default());
        }
        let parent = self.here().target.clone();
        if matches!(parent, ImportTarget::Remote(_))
            && matches!(target, ImportTarget::Local(..) | ImportTarget::Environment(_))
        {
            let (parent, location) = (parent.location(), target.location());
            return Err(ImportError::new(ImportErrorKind::Opaque { parent, location }));
        }
        let fetched = self.fetch(target)?;
        if let (ImportTarget::Remote(parent), ImportTarget::Remote(child)) = (&parent, target)
            && !parent.same_origin(child)
            && !allows(&fetched, parent)
        {
            let (parent, location) = (parent.address(), child.address());
            return Err(ImportError::new(ImportErrorKind::Cors { parent, location }));
        }
        Ok(fetched)
    }

    fn fetch(&mut self, target: &ImportTarget) -> Result<Rc<Fetched>, Failure> {
        let place = key(target);
        let location = target.location();
        if !self.session.fetched.contains_key(&place) {
            let max = self.session.limits.imports;
            if self.session.fetched.len() >= max {
                return Err(ImportError::new(ImportErrorKind::TooMany { limit: max }));
            }
            let result = self.fetch_new(target)?.map(Rc::new);
            let length = result.as_ref().map_or(0, |fetched| fetched.bytes.len() as u64);
            self.session.fetched_bytes += length;
            let max = self.session.limits.memory_bytes;
            if self.session.fetched_bytes > max {
                return Err(limit(LimitError::Memory { limit: max }));
            }
            self.session.fetched.insert(place.clone(), result);
        }
        let max = self.session.limits.import_bytes;
        match &self.session.fetched[&place] {
            Ok(fetched) if fetched.bytes.len() as u64 > max => {
                Err(ImportError::new(ImportErrorKind::TooLarge { location, limit: max }))
            }
            Ok(fetched) => Ok(fetched.clone()),
            Err(FetchError::Absent(reason)) => {
                let reason = reason.clone();
                Err(ImportError::new(ImportErrorKind::Absent { location, reason }))
            }
            Err(FetchError::Failed(reason)) => {
                let reason = reason.clone();
                Err(ImportError::new(ImportErrorKind::Failed { location, reason }))
            }
        }
    }

    fn fetch_new(&mut self, target: &ImportTarget) -> Result<Result<Fetched, FetchError>, Failure> {
        let importer = self.session.importer;
        Ok(match target {
            ImportTarget::Local(anchor, path) => {
                importer.fetch(Request::Local { anchor: *anchor, path })
            }
            ImportTarget::Environment(name) => importer.fetch(Request::Environment { name }),
            ImportTarget::Missing => Err(FetchError::Absent("nothing is there".to_owned())),
            ImportTarget::Remote(url) => {
                let mut headers = self.origin_headers(url.secure, &url.authority)?;
                let inline = url.headers.as_ref().and_then(pairs).unwrap_or_default();
                // What the user has configured wins over what the import says.
                let configured: Vec<String> =
                    headers.iter().map(|(name, _)| name.to_ascii_lowercase()).collect();
                headers.extend(
                    inline
                        .into_iter()
                        .filter(|(name, _)| !configured.contains(&name.to_ascii_lowercase())),
                );
                importer.fetch(Request::Remote { url: &url.address(), headers: &headers })
            }
        })
    }

    /// Fetches something that need not be there.
    pub(super) fn fetch_optional(&self, request: Request<'_>) -> Result<Option<Fetched>, Failure> {
        match self.session.importer.fetch(request) {
            Ok(fetched) => Ok(Some(fetched)),
            Err(FetchError::Absent(_)) => Ok(None),
            Err(FetchError::Failed(reason)) => {
                let location = "the configuration of headers".to_owned();
                Err(ImportError::new(ImportErrorKind::Failed { location, reason }))
            }
        }
    }
}

/// Whether a server lets pages of `parent`'s origin import this (`corsCompliant`).
fn allows(fetched: &Fetched, parent: &Url) -> bool {
    let mut values = fetched
        .headers
        .iter()
        .filter(|(name, _)| name.eq_ignore_ascii_case("access-control-allow-origin"))
        .map(|(_, value)| value.trim());
    match (values.next(), values.next()) {
        (Some(value), None) => {
            value == "*" || value == format!("{}://{}", parent.scheme(), parent.authority)
        }
        _ => false,
    }
}

/// `< Local : Text | … >.Local "…"`
fn location(target: &ImportTarget) -> Expr {
    let text = || Some(Expr::builtin(crate::Builtin::Text));
    let union = Expr::new(ExprKind::UnionType(vec![
        (Label::new("Environment"), text()),
        (Label::new("Local"), text()),
        (Label::new("Missing"), None),
        (Label::new("Remote"), text()),
    ]));
    let constructor = |name| Expr::new(ExprKind::Field(union, Label::new(name)));
    match target {
        ImportTarget::Local(..) => constructor("Local").apply(Expr::text(&target.location())),
        ImportTarget::Remote(url) => constructor("Remote").apply(Expr::text(&url.address())),
        ImportTarget::Environment(name) => constructor("Environment").apply(Expr::text(name)),
        ImportTarget::Missing => constructor("Missing"),
    }
}

/// The walk over one expression.
struct Walk<'r, 's, 'i> {
    resolver: &'r mut Resolver<'s, 'i>,
    loaded: LoadedByAddress,
}

impl Rewrite for Walk<'_, '_, '_> {
    type Error = Failure;

    fn expr(&mut self, expr: &Expr) -> Result<Expr, Failure> {
        match expr.kind() {
            ExprKind::Import(import) => {
                let loaded = self.resolver.load(import).map_err(|mut failure| {
                    let source = self.resolver.here().source.clone();
                    let location = import.target.location();
                    failure.chain.insert(0, Frame { source, span: expr.span(), location });
                    failure
                })?;
                // A node of its own, by whose address the loaded import is found again.
                let place = Expr::at(expr.span(), ExprKind::Import(import.clone()));
                self.loaded.insert(place.address(), (place.clone(), loaded));
                Ok(place)
            }
            ExprKind::Op(Operator::Alternative, left, right) => match deep(|| self.expr(left)) {
                Err(failure) if failure.is_absent() => deep(|| self.expr(right)),
                result => result,
            },
            _ => deep(|| children(self, expr)),
        }
    }
}
