//! Licences: every package of every lock file must be free for any use.
//!
//! It reads what packages state; it does not read their licence texts.
//!
//! Invariant: a licence that is not on the list is refused, whatever it is called.

mod spdx;

use crate::metadata::{Metadata, Package, Use};
use crate::outcome::{Complaint, Outcome, StepError};
use crate::project::Project;
use spdx::Term;

/// Licences that ask for nothing but to be named.
const PERMISSIVE: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-1-Clause",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "NCSA",
    "Unicode-3.0",
    "Unicode-DFS-2016",
    "Unlicense",
    "Zlib",
];

/// Licences that are also fine for what is never linked into anything we ship.
const DEVELOPMENT: &[&str] =
    &["LGPL-2.1-only", "LGPL-2.1-or-later", "LGPL-3.0-only", "LGPL-3.0-or-later"];

/// Members that are tools for development: what only they use is never shipped.
const TOOLS: &[&str] = &["xtask", "vigil-bench", "vigil-fuzz"];

/// Checks every workspace that has a lock file, one case each.
pub fn run(project: &Project) -> Result<Outcome, StepError> {
    let mut outcome = Outcome::default();
    for workspace in project.workspaces() {
        let lock = if workspace.is_empty() {
            "Cargo.lock".to_owned()
        } else {
            format!("{workspace}/Cargo.lock")
        };
        let metadata = Metadata::read(project, workspace)?;
        let file = project.root.join(&lock);
        let locked = std::fs::read_to_string(&file)
            .map_err(|source| StepError::File { path: file, source })?;
        let mut complaints = check(&lock, &metadata);
        complaints.extend(check_covered(&lock, &locked, &metadata));
        let what = format!("licences of {} packages in {lock}", metadata.packages.len());
        outcome.add(Outcome::of_complaints(&what, &complaints));
    }
    Ok(outcome)
}

/// Checks what every package of one lock file states.
pub fn check(lock: &str, metadata: &Metadata) -> Vec<Complaint> {
    let members = metadata.members();
    let shipped = members.filter(|(_, package)| !TOOLS.contains(&package.name.as_str()));
    let shipped: Vec<&str> = shipped.map(|(id, _)| id).collect();
    let linked = metadata.reach(shipped, |kind| kind != Use::Development);
    let packages = metadata.packages.iter();
    packages
        .filter_map(|(id, package)| judge(package, linked.contains_key(id.as_str())))
        .map(|text| Complaint::about(lock, text))
        .collect()
}

/// Returns what is wrong with a package's licence, if anything is.
fn judge(package: &Package, linked: bool) -> Option<String> {
    let who = format!("{} {}", package.name, package.version);
    let Some(stated) = &package.licence else {
        return Some(format!("{who} states no licence"));
    };
    let allowed = |term: &Term| {
        let name = term.to_string();
        let plain = name.strip_suffix('+').unwrap_or(&name);
        PERMISSIVE.contains(&plain) || (!linked && DEVELOPMENT.contains(&plain))
    };
    match spdx::parse(stated) {
        Err(error) => Some(format!("{who}: the licence `{stated}` cannot be read: {error}")),
        Ok(expression) if expression.holds(&allowed) => None,
        Ok(_) => {
            let place = if linked { "in what is linked" } else { "even for development" };
            Some(format!("{who}: the licence `{stated}` is not allowed {place}"))
        }
    }
}

/// Complains about packages of the lock file that cargo did not describe, licences and all.
fn check_covered(lock: &str, locked: &str, metadata: &Metadata) -> Vec<Complaint> {
    let known = |name: &str, version: &str| {
        metadata.packages.values().any(|p| p.name == name && p.version == version)
    };
    let mut found = Vec::new();
    for block in locked.split("[[package]]").skip(1) {
        let field = |name: &str| {
            let start = format!("{name} = \"");
            let line = block.lines().find_map(|line| line.strip_prefix(start.as_str()));
            line.and_then(|value| value.strip_suffix('"')).unwrap_or_default().to_owned()
        };
        let (name, version) = (field("name"), field("version"));
        if !known(&name, &version) {
            let text = format!("{name} {version} is locked, but cargo does not describe it");
            found.push(Complaint::about(lock, text));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_texts(metadata: &Metadata, want: &[&str]) {
        let got: Vec<String> =
            check("Cargo.lock", metadata).into_iter().map(|complaint| complaint.text).collect();
        assert_eq!(got, want);
    }

    #[test]
    fn permissive_licences_pass() {
        check_texts(
            &Metadata::of(&[
                ("vigil", "Apache-2.0", true, &[("a", Use::Normal), ("b", Use::Normal)]),
                ("a", "MIT OR GPL-3.0-only", false, &[]),
                ("b", "(MIT/Apache-2.0) AND Unicode-3.0", false, &[]),
            ]),
            &[],
        );
    }

    #[test]
    fn lgpl_is_for_development_only_and_gpl_and_fsl_for_nothing() {
        check_texts(
            &Metadata::of(&[
                (
                    "vigil",
                    "Apache-2.0",
                    true,
                    &[("linked", Use::Normal), ("test", Use::Development)],
                ),
                ("xtask", "Apache-2.0", true, &[("tool", Use::Normal), ("worse", Use::Normal)]),
                ("linked", "LGPL-2.1-or-later", false, &[]),
                ("test", "LGPL-3.0-only", false, &[("fsl", Use::Normal)]),
                ("tool", "LGPL-2.1-or-later", false, &[]),
                ("worse", "MIT AND GPL-2.0-only", false, &[]),
                ("fsl", "FSL-1.1-MIT", false, &[]),
                ("silent", "", false, &[]),
                ("broken", "MIT OR", false, &[]),
            ]),
            &[
                "broken 1.0.0: the licence `MIT OR` cannot be read: it ends too early",
                "fsl 1.0.0: the licence `FSL-1.1-MIT` is not allowed even for development",
                "linked 1.0.0: the licence `LGPL-2.1-or-later` is not allowed in what is linked",
                "silent 1.0.0 states no licence",
                "worse 1.0.0: the licence `MIT AND GPL-2.0-only` is not allowed even for \
                 development",
            ],
        );
    }

    #[test]
    fn a_locked_package_that_cargo_hides_is_named() {
        let locked = "version = 4\n\n[[package]]\nname = \"a\"\nversion = \"1.0.0\"\n\n\
                      [[package]]\nname = \"hidden\"\nversion = \"2.0.0\"\n";
        let metadata = Metadata::of(&[("a", "MIT", true, &[])]);
        let found = check_covered("Cargo.lock", locked, &metadata);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].text, "hidden 2.0.0 is locked, but cargo does not describe it");
    }
}
