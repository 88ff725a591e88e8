//! What cargo says of a workspace: its packages, who uses whom, and their licences.
//!
//! Invariant: every list comes from `cargo metadata --locked`, so it describes the lock file.

use crate::project::Project;
use crate::run::RunError;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Why a workspace could not be described.
#[derive(Debug, thiserror::Error)]
pub enum MetadataError {
    /// Cargo refused.
    #[error(transparent)]
    Cargo(#[from] RunError),
    /// Cargo's answer is not JSON.
    #[error("could not read what `cargo metadata` printed")]
    Json(#[from] serde_json::Error),
    /// Cargo's answer lacks a field.
    #[error("`cargo metadata` printed no usable `{0}`")]
    Missing(&'static str),
}

/// How one package uses another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Use {
    /// It is linked into what is built.
    Normal,
    /// It is needed to build.
    Build,
    /// It is needed for tests and benches only.
    Development,
}

/// One package of a workspace's lock file.
#[derive(Clone, Debug, Default)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its licence as an SPDX expression, if it states one.
    pub licence: Option<String>,
    /// Whether it is a member of the workspace.
    pub member: bool,
    /// The ids of the packages that it uses, and how.
    pub uses: Vec<(String, Use)>,
}

/// The packages of a workspace by cargo's id.
#[derive(Clone, Debug, Default)]
pub struct Metadata {
    /// Every package of the resolved graph.
    pub packages: BTreeMap<String, Package>,
}

impl Metadata {
    /// Asks cargo about a workspace with every feature on.
    pub fn read(project: &Project, workspace: &str) -> Result<Metadata, MetadataError> {
        let mut cargo = project.cargo(workspace);
        cargo.args(["metadata", "--format-version", "1", "--locked", "--all-features"]);
        Metadata::parse(&crate::run::capture(&mut cargo)?)
    }

    /// Reads what `cargo metadata` printed.
    pub fn parse(text: &str) -> Result<Metadata, MetadataError> {
        let json: Value = serde_json::from_str(text)?;
        let members: BTreeSet<&str> =
            list(&json, "workspace_members")?.iter().filter_map(Value::as_str).collect();
        let mut packages = BTreeMap::new();
        for package in list(&json, "packages")? {
            let id = string(package, "id")?;
            let licence = package.get("license").and_then(Value::as_str).map(str::to_owned);
            packages.insert(
                id.to_owned(),
                Package {
                    name: string(package, "name")?.to_owned(),
                    version: string(package, "version")?.to_owned(),
                    licence,
                    member: members.contains(id),
                    uses: Vec::new(),
                },
            );
        }
        let resolve = json.get("resolve").ok_or(MetadataError::Missing("resolve"))?;
        for node in list(resolve, "nodes")? {
            let mut uses = Vec::new();
            for used in list(node, "deps")? {
                let id = string(used, "pkg")?;
                for kind in list(used, "dep_kinds")? {
                    uses.push((id.to_owned(), use_of(kind)));
                }
            }
            uses.sort();
            uses.dedup();
            if let Some(package) = packages.get_mut(string(node, "id")?) {
                package.uses = uses;
            }
        }
        Ok(Metadata { packages })
    }

    /// Returns the members of the workspace with their ids.
    pub fn members(&self) -> impl Iterator<Item = (&str, &Package)> {
        self.packages.iter().filter(|(_, p)| p.member).map(|(id, p)| (id.as_str(), p))
    }

    /// Returns what can be reached from some packages, and through whom it was reached first.
    pub fn reach<'a>(
        &'a self,
        from: impl IntoIterator<Item = &'a str>,
        follow: impl Fn(Use) -> bool,
    ) -> BTreeMap<&'a str, Option<&'a str>> {
        let mut seen: BTreeMap<&str, Option<&str>> = BTreeMap::new();
        let mut open: Vec<(&str, Option<&str>)> = from.into_iter().map(|id| (id, None)).collect();
        while let Some((id, through)) = open.pop() {
            if seen.contains_key(id) {
                continue;
            }
            seen.insert(id, through);
            let Some(package) = self.packages.get(id) else { continue };
            let next = package.uses.iter().filter(|(_, kind)| follow(*kind));
            open.extend(next.map(|(used, _)| (used.as_str(), Some(id))));
        }
        seen
    }

    /// Returns a package's name, or its id when cargo named no such package.
    pub fn name<'a>(&'a self, id: &'a str) -> &'a str {
        self.packages.get(id).map_or(id, |package| &package.name)
    }
}

fn use_of(kind: &Value) -> Use {
    match kind.get("kind").and_then(Value::as_str) {
        Some("dev") => Use::Development,
        Some("build") => Use::Build,
        _ => Use::Normal,
    }
}

fn list<'a>(value: &'a Value, field: &'static str) -> Result<&'a [Value], MetadataError> {
    let list = value.get(field).and_then(Value::as_array);
    list.map(Vec::as_slice).ok_or(MetadataError::Missing(field))
}

fn string<'a>(value: &'a Value, field: &'static str) -> Result<&'a str, MetadataError> {
    value.get(field).and_then(Value::as_str).ok_or(MetadataError::Missing(field))
}

/// A package of a test's graph: name, licence, whether it is a member, and what it uses.
#[cfg(test)]
type Sketch<'a> = (&'a str, &'a str, bool, &'a [(&'a str, Use)]);

#[cfg(test)]
impl Metadata {
    /// Builds a graph.
    pub fn of(packages: &[Sketch<'_>]) -> Metadata {
        let built = packages.iter().map(|(name, licence, member, uses)| {
            let licence = (!licence.is_empty()).then(|| (*licence).to_owned());
            let uses = uses.iter().map(|(id, kind)| ((*id).to_owned(), *kind)).collect();
            let (name, version) = ((*name).to_owned(), "1.0.0".to_owned());
            (name.clone(), Package { name, version, licence, member: *member, uses })
        });
        Metadata { packages: built.collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargos_answer_is_read() {
        let metadata = Metadata::parse(
            r#"{"packages":[{"id":"a","name":"A","version":"1.0.0","license":"MIT"},
                            {"id":"b","name":"B","version":"2.0.0","license":null}],
                "workspace_members":["a"],
                "resolve":{"nodes":[{"id":"a","deps":[{"pkg":"b","dep_kinds":[
                    {"kind":null},{"kind":"dev"}]}]},{"id":"b","deps":[]}]}}"#,
        )
        .unwrap();
        let a = &metadata.packages["a"];
        assert!(a.member && !metadata.packages["b"].member);
        assert_eq!(a.uses, [("b".to_owned(), Use::Normal), ("b".to_owned(), Use::Development)]);
        assert_eq!(metadata.name("b"), "B");
        assert!(matches!(Metadata::parse("{}"), Err(MetadataError::Missing(_))));
        assert!(matches!(Metadata::parse("x"), Err(MetadataError::Json(_))));
    }

    #[test]
    fn reach_follows_only_what_it_is_told_to() {
        let metadata = Metadata::of(&[
            ("a", "", true, &[("b", Use::Normal), ("c", Use::Development)]),
            ("b", "", false, &[("d", Use::Build)]),
            ("c", "", false, &[]),
            ("d", "", false, &[("b", Use::Normal)]),
        ]);
        let all = metadata.reach(["a"], |kind| kind != Use::Development);
        assert_eq!(all.keys().copied().collect::<Vec<_>>(), ["a", "b", "d"]);
        assert_eq!(all["d"], Some("b"));
    }
}
