//! Headers of web imports: those after `using`, and those of the user's configuration.

use std::sync::Arc;

use super::error::{ImportError, ImportErrorKind};
use super::resolver::{Failure, Resolver};
use super::{Fetched, Request};
use crate::expr::{Expr, ExprKind};
use crate::import::{Anchor, ImportPath, ImportTarget};
use crate::label::Label;

/// Names and values.
pub(super) type Headers = Vec<(String, String)>;

/// The headers of each origin that the user has configured.
#[derive(Clone, Default)]
pub(super) enum OriginHeaders {
    #[default]
    NotLoaded,
    Loading,
    Loaded(Arc<Vec<(String, Headers)>>),
}

/// Returns the entries of a list of two-field records, by the names of the fields.
fn entries<'e>(expr: &'e Expr, names: &[[&str; 2]]) -> Option<Vec<(&'e Expr, &'e Expr)>> {
    let items = match expr.kind() {
        ExprKind::EmptyList(_) => return Some(Vec::new()),
        ExprKind::List(items) => items,
        _ => return None,
    };
    let get = |fields: &'e [(Label, Expr)], name: &str| {
        fields.iter().find(|(label, _)| label.as_str() == name).map(|(_, value)| value)
    };
    items
        .iter()
        .map(|item| match item.kind() {
            ExprKind::Record(fields) => {
                names.iter().find_map(|[key, value]| Some((get(fields, key)?, get(fields, value)?)))
            }
            _ => None,
        })
        .collect()
}

fn text(expr: &Expr) -> Option<String> {
    match expr.kind() {
        ExprKind::Text(chunks, last) if chunks.is_empty() => Some(last.to_string()),
        _ => None,
    }
}

const MAP: [&str; 2] = ["mapKey", "mapValue"];
const HEADER: [&str; 2] = ["header", "value"];

/// Returns the headers that a normal form lists.
pub(super) fn pairs(expr: &Expr) -> Option<Headers> {
    entries(expr, &[MAP, HEADER])?
        .into_iter()
        .map(|(key, value)| Some((text(key)?, text(value)?)))
        .collect()
}

impl Resolver<'_, '_> {
    /// Resolves, checks and normalizes headers; nothing but the empty scope is around them.
    pub(super) fn evaluate_headers(&mut self, headers: &Expr) -> Result<Expr, Failure> {
        let checked = self.check_closed(headers)?;
        let ty = checked.type_expr().map_err(|e| ImportError::new(ImportErrorKind::Limit(e)))?;
        let normal =
            checked.normalize().map_err(|e| ImportError::new(ImportErrorKind::Limit(e)))?;
        if pairs(&normal).is_none() {
            return Err(ImportError::new(ImportErrorKind::Headers { actual: ty }));
        }
        Ok(normal)
    }

    /// Returns the headers that the user has configured for an authority.
    pub(super) fn origin_headers(
        &mut self,
        secure: bool,
        authority: &str,
    ) -> Result<Headers, Failure> {
        let configured = match &self.session.origin_headers {
            OriginHeaders::Loaded(configured) => configured.clone(),
            OriginHeaders::Loading => {
                let location = format!("{}://{authority}", if secure { "https" } else { "http" });
                return Err(ImportError::new(ImportErrorKind::HeadersCycle { location }));
            }
            OriginHeaders::NotLoaded => {
                self.session.origin_headers = OriginHeaders::Loading;
                let loaded = self.load_origin_headers();
                self.session.origin_headers = OriginHeaders::NotLoaded;
                let loaded = Arc::new(loaded?);
                self.session.origin_headers = OriginHeaders::Loaded(loaded.clone());
                loaded
            }
        };
        // The key always names a port.
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        let explicit = host.rsplit_once(':').is_some_and(|(_, port)| {
            !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit())
        });
        let port = if secure { 443 } else { 80 };
        let origin = if explicit { host.to_owned() } else { format!("{host}:{port}") };
        let found = configured.iter().find(|(key, _)| *key == origin);
        Ok(found.map(|(_, headers)| headers.clone()).unwrap_or_default())
    }

    fn load_origin_headers(&mut self) -> Result<Vec<(String, Headers)>, Failure> {
        let Some((target, fetched)) = self.headers_file()? else {
            return Ok(Vec::new());
        };
        let checked = self.load_code(&target, fetched)?;
        let normal =
            checked.normalize().map_err(|e| ImportError::new(ImportErrorKind::Limit(e)))?;
        let origins = entries(&normal, &[MAP]).and_then(|origins| {
            origins.into_iter().map(|(key, value)| Some((text(key)?, pairs(value)?))).collect()
        });
        match origins {
            Some(origins) => Ok(origins),
            None => {
                let actual =
                    checked.type_expr().map_err(|e| ImportError::new(ImportErrorKind::Limit(e)))?;
                Err(ImportError::new(ImportErrorKind::Headers { actual }))
            }
        }
    }

    /// `env:DHALL_HEADERS ? "${XDG_CONFIG_HOME}/dhall/headers.dhall" ? ~/.config/dhall/headers.dhall`
    fn headers_file(&mut self) -> Result<Option<(ImportTarget, Fetched)>, Failure> {
        let variable = |name: &'static str| Request::Environment { name };
        if let Some(fetched) = self.fetch_optional(variable("DHALL_HEADERS"))? {
            let target = ImportTarget::Environment("DHALL_HEADERS".into());
            return Ok(Some((target, fetched)));
        }
        let mut components: Vec<Arc<str>> = Vec::new();
        let mut anchor = Anchor::Home;
        match self.fetch_optional(variable("XDG_CONFIG_HOME"))? {
            Some(config) if !config.bytes.is_empty() => {
                anchor = Anchor::Absolute;
                let text = String::from_utf8_lossy(&config.bytes).into_owned();
                components.extend(text.split('/').filter(|part| !part.is_empty()).map(Arc::from));
            }
            _ => components.push(".config".into()),
        }
        components.push("dhall".into());
        let path = ImportPath { directory: components, file: "headers.dhall".into() };
        let fetched = self.fetch_optional(Request::Local { anchor, path: &path })?;
        Ok(fetched.map(|fetched| (ImportTarget::Local(anchor, path), fetched)))
    }
}
