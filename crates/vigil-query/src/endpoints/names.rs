//! What the names in a query mean: tables by name, by URI, from a catalog, and views.

use std::collections::BTreeMap;

use vigil_kernel::{Identifier, Refusal, parse_pipeline};

use super::misuse;
use crate::catalog::Catalog;
use crate::engine::Engine;
use crate::error::nearest;

/// What a query is made of, by name.
#[derive(Default)]
pub struct Named {
    /// Tables that the query uses, and where they are.
    pub tables: BTreeMap<String, Identifier>,
    /// Views that it uses, each after those that it stands on.
    pub views: Vec<(String, String)>,
}

/// Deepest nesting of views.
const DEPTH_MAX: usize = 32;

/// Finds what the names in a query mean.
pub fn resolve(engine: &Engine, sql: &str, known: &Catalog) -> Result<Named, Refusal> {
    let mut named = Named::default();
    gather(engine, sql, known, &mut Vec::new(), &mut named)?;
    Ok(named)
}

fn gather(
    engine: &Engine,
    sql: &str,
    known: &Catalog,
    inside: &mut Vec<String>,
    named: &mut Named,
) -> Result<(), Refusal> {
    for name in engine.references(sql)? {
        if named.tables.contains_key(&name) || named.views.iter().any(|(view, _)| *view == name) {
            continue;
        }
        if let Some(uri) = known.tables.get(&name) {
            named.tables.insert(name, uri.clone());
        } else if let Some(view) = known.views.get(&name) {
            if inside.contains(&name) || inside.len() >= DEPTH_MAX {
                let chain = inside.join("` → `");
                return Err(misuse(format!("the views `{chain}` → `{name}` need themselves")));
            }
            inside.push(name.clone());
            gather(engine, view, known, inside, named)?;
            inside.pop();
            named.views.push((name, view.clone()));
        } else {
            let uri = uri(&name).ok_or_else(|| unknown(&name, known))?;
            named.tables.insert(name, uri);
        }
    }
    Ok(())
}

/// Reads a name that is a URI, or a pipeline.
fn uri(name: &str) -> Option<Identifier> {
    let is_uri = name.starts_with('@')
        || name.split_once(':').is_some_and(|(scheme, _)| {
            !scheme.is_empty()
                && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
        });
    is_uri.then(|| parse_pipeline(name).ok()).flatten()
}

fn unknown(name: &str, known: &Catalog) -> Refusal {
    let names = || known.tables.keys().chain(known.views.keys()).map(String::as_str);
    let hint = match nearest(name, names()) {
        Some(near) => format!("; did you mean `{near}`?"),
        None if names().next().is_none() => {
            "; name a resource in quotes, as in FROM '@data/x.parquet', or bind the name with \
             `--table NAME=URI`"
                .to_owned()
        }
        None => format!("; there are {}", names().collect::<Vec<_>>().join(", ")),
    };
    misuse(format!("there is no table `{name}`{hint}"))
}
