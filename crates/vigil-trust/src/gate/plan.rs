//! The plan: which packages an installation is made of, dependencies before what needs them.
//!
//! Invariant: what is planned is closed: whatever one of it needs, in the version that it needs, is in it.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::cmp::Ordering;
use core::fmt;

use vigil_base::{Blame, Blamed};

use crate::package::{Manifest, PackageName, version_order};

/// Most packages of one plan.
pub const PACKAGES_MAX: usize = 10_000;

/// A package that is needed and not there as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unmet {
    /// Which.
    pub package: PackageName,
    /// In which version at least.
    pub least: String,
    /// What needs it.
    pub by: PackageName,
}

impl fmt::Display for Unmet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} needs {} {} or later", self.by, self.package, self.least)
    }
}

/// Why packages do not make a plan.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// There are too many.
    #[error("a plan has at most {PACKAGES_MAX} packages")]
    Many,
    /// A package that is wanted is not there.
    #[error("{package} is neither installed nor among the packages that were given")]
    Absent {
        /// Which.
        package: PackageName,
    },
    /// A package that another one needs is not there.
    #[error("{0}, which is neither installed nor among the packages that were given")]
    Missing(Box<Unmet>),
    /// A package that another one needs is too old.
    #[error("{unmet}, and there is {found}")]
    TooOld {
        /// What is needed.
        unmet: Box<Unmet>,
        /// In which version it is there.
        found: String,
    },
    /// Packages need each other.
    #[error("packages need each other: {}", circle(path))]
    Cycle {
        /// Each needs the next, and the last is the first.
        path: Vec<PackageName>,
    },
    /// Two packages that were given differ under one name and version.
    #[error("two different packages are {package} {version}")]
    Twice {
        /// Which.
        package: PackageName,
        /// In which version.
        version: String,
    },
}

impl Blamed for PlanError {
    fn blame(&self) -> Blame {
        Blame::Caller
    }
}

fn circle(path: &[PackageName]) -> String {
    path.iter().map(PackageName::to_string).collect::<Vec<_>>().join(" needs ")
}

/// How far a package has been looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    Open,
    Done,
}

/// Plans: of each name the newest that is offered, or else what is installed; `wanted` and all that they
/// need. Returns the manifests, dependencies first.
///
/// # Errors
/// Says what is missing, too old, or goes round in a circle.
pub fn plan<'a>(
    wanted: &[PackageName],
    offered: &[&'a Manifest],
    installed: &[&'a Manifest],
) -> Result<Vec<&'a Manifest>, PlanError> {
    if offered.len() + installed.len() > PACKAGES_MAX {
        return Err(PlanError::Many);
    }
    let chosen = choose(offered, installed)?;
    let mut marks: BTreeMap<PackageName, Mark> = BTreeMap::new();
    let mut order = Vec::new();
    // Names on the way down, each with how many of its dependencies have been looked at.
    let mut way: Vec<(&Manifest, usize)> = Vec::new();
    for name in wanted {
        let absent = || PlanError::Absent { package: name.clone() };
        let top = *chosen.get(name).ok_or_else(absent)?;
        if !marks.contains_key(name) {
            marks.insert(name.clone(), Mark::Open);
            way.push((top, 0));
        }
        while let Some((manifest, next)) = way.last_mut() {
            let manifest: &'a Manifest = chosen[&manifest.package()];
            let Some(needed) = manifest.dependencies().get(*next) else {
                marks.insert(manifest.package(), Mark::Done);
                order.push(manifest);
                way.pop();
                continue;
            };
            *next += 1;
            let package = needed.package.clone();
            let unmet = || {
                let (package, least) = (needed.package.clone(), needed.least.clone());
                Box::new(Unmet { package, least, by: manifest.package() })
            };
            let Some(other) = chosen.get(&package) else {
                return Err(PlanError::Missing(unmet()));
            };
            let found = other.name().version();
            if version_order(found, &needed.least) == Ordering::Less {
                return Err(PlanError::TooOld { unmet: unmet(), found: found.into() });
            }
            match marks.get(&package) {
                Some(Mark::Done) => {}
                Some(Mark::Open) => {
                    let names = way.iter().map(|(manifest, _)| manifest.package());
                    let mut path: Vec<_> = names.skip_while(|name| *name != package).collect();
                    path.push(package);
                    return Err(PlanError::Cycle { path });
                }
                None => {
                    marks.insert(package, Mark::Open);
                    way.push((other, 0));
                }
            }
        }
    }
    Ok(order)
}

fn choose<'a>(
    offered: &[&'a Manifest],
    installed: &[&'a Manifest],
) -> Result<BTreeMap<PackageName, &'a Manifest>, PlanError> {
    let mut chosen: BTreeMap<PackageName, &'a Manifest> = BTreeMap::new();
    for manifest in offered {
        let package = manifest.package();
        let Some(other) = chosen.get(&package) else {
            chosen.insert(package, manifest);
            continue;
        };
        let version = manifest.name().version();
        match version_order(version, other.name().version()) {
            Ordering::Equal if manifest.id() != other.id() => {
                return Err(PlanError::Twice { package, version: version.into() });
            }
            Ordering::Greater => _ = chosen.insert(package, manifest),
            _ => {}
        }
    }
    for manifest in installed {
        chosen.entry(manifest.package()).or_insert(manifest);
    }
    Ok(chosen)
}
