//! The fences: who may import whom, and what may never weigh on the light crates.
//!
//! The order is the one of the map in `ARCHITECTURE.md`; this module is where it is law.
//!
//! Invariant: every member of the workspace has a place, or the check fails.

use crate::metadata::{Metadata, Package, Use};
use crate::outcome::{Complaint, Outcome, StepError};
use crate::project::Project;

/// The order: a crate imports only what stands in a group above its own.
const ORDER: &[&[&str]] = &[
    &["vigil-sources"],
    &["vigil-base"],
    &["vigil-wire", "vigil-dhall", "vigil-abe"],
    &["vigil-access"],
    &["vigil-store", "vigil-trust"],
    &["vigil-files", "vigil-tier"],
    &["vigil-pkg"],
    &["vigil-kernel"],
    &["vigil-machine", "vigil-vectra"],
    &["vigil-query", "vigil-build", "vigil-reach"],
    &["vigil-federation"],
    &["vigil-swarm"],
    &["vigil-doors"],
    &["vigil-node"],
    &["vigil-cli"],
    &["vigil"],
    &["vigil-bench"],
];

/// Members that stand outside: they import no crate of the program and none imports them.
const OUTSIDE: &[&str] = &["xtask"];

/// Crates that everything else waits for, so nothing heavy may come with them.
const LIGHT: &[&str] = &["vigil-base", "vigil-kernel", "vigil-cli"];

/// Dependencies that weigh more than a light crate may; each lives in one crate of ours.
const HEAVY: &[&str] = &[
    "arrow",
    "aws-config",
    "axum",
    "datafusion",
    "h2",
    "hyper",
    "object_store",
    "parquet",
    "quinn",
    "reqwest",
    "rustls",
    "s3s",
    "tokio",
    "tonic",
    "wasmtime",
];

/// The manifest that complaints point at when no single crate is to blame.
const ROOT_MANIFEST: &str = "Cargo.toml";

/// Crates of the machine that depend on no host: whatever is linked into them is ours.
const BARE: &[&str] = &["vectra-abi", "vectra-core", "vectra-kernel", "vectra-rt", "vectra-tasks"];

/// Checks the fences of the root workspace, and of the machine's once it exists.
pub fn run(project: &Project) -> Result<Outcome, StepError> {
    let mut outcome = Outcome::of_complaints("fences", &check(&Metadata::read(project, "")?));
    if project.workspaces().contains(&"vectra") {
        let complaints = check_bare(&Metadata::read(project, "vectra")?);
        outcome.add(Outcome::of_complaints("fences of vectra", &complaints));
    }
    Ok(outcome)
}

/// Checks that nothing from outside is linked into the crates of the machine that know no host.
fn check_bare(metadata: &Metadata) -> Vec<Complaint> {
    let mut found = Vec::new();
    for (id, package) in metadata.members().filter(|(_, p)| BARE.contains(&p.name.as_str())) {
        let below = metadata.reach([id], |kind| kind == Use::Normal);
        for foreign in below.keys().filter(|id| !BARE.contains(&metadata.name(id))) {
            let text = format!(
                "{} depends on no host, but {} comes with it ({})",
                package.name,
                metadata.name(foreign),
                chain(metadata, &below, foreign)
            );
            found.push(Complaint::about("vectra/Cargo.toml", text));
        }
    }
    found
}

/// Checks who imports whom.
pub fn check(metadata: &Metadata) -> Vec<Complaint> {
    let mut found = Vec::new();
    for (_, package) in metadata.members() {
        if OUTSIDE.contains(&package.name.as_str()) {
            found.extend(check_outside(metadata, package));
        } else {
            found.extend(check_order(metadata, package));
        }
    }
    found.extend(check_program(metadata));
    found.extend(check_weight(metadata));
    found.sort();
    found.dedup();
    found
}

/// Returns a crate's group; a door is any crate whose name begins with the group's.
fn place(name: &str) -> Option<usize> {
    ORDER.iter().position(|group| {
        group.contains(&name) || (group == &["vigil-doors"] && name.starts_with("vigil-doors-"))
    })
}

fn manifest(package: &Package) -> String {
    match package.name.as_str() {
        "xtask" => "xtask/Cargo.toml".to_owned(),
        "vigil-bench" => "benches/Cargo.toml".to_owned(),
        name => format!("crates/{name}/Cargo.toml"),
    }
}

fn members_used<'a>(
    metadata: &'a Metadata,
    package: &'a Package,
) -> impl Iterator<Item = &'a Package> {
    let used = package.uses.iter().filter_map(|(id, _)| metadata.packages.get(id));
    used.filter(|used| used.member)
}

fn check_outside(metadata: &Metadata, package: &Package) -> Vec<Complaint> {
    let used = members_used(metadata, package);
    used.map(|used| {
        let text = format!("{} stands outside and must not import {}", package.name, used.name);
        Complaint::about(&manifest(package), text)
    })
    .collect()
}

fn check_order(metadata: &Metadata, package: &Package) -> Vec<Complaint> {
    let path = manifest(package);
    let Some(own) = place(&package.name) else {
        let text = format!("{} has no place in the order: give it one in fences.rs", package.name);
        return vec![Complaint::about(&path, text)];
    };
    let mut found = Vec::new();
    for used in members_used(metadata, package) {
        let text = match place(&used.name) {
            Some(theirs) if theirs < own => continue,
            Some(theirs) if theirs == own => format!(
                "{} and {} stand side by side and must not import each other; the node joins them",
                package.name, used.name
            ),
            Some(_) => format!(
                "{} stands before {} in the order and must not import it",
                package.name, used.name
            ),
            None if OUTSIDE.contains(&used.name.as_str()) => {
                format!("nobody imports {}, but {} does", used.name, package.name)
            }
            // It has been complained about under its own name.
            None => continue,
        };
        found.push(Complaint::about(&path, text));
    }
    found
}

/// What the program may link besides the command line. The command line owns the traits of its doors
/// and stands to the right of everything, so only the program sees both a door and what is behind it.
const JOINED: &[&str] = &[
    "vigil-base",
    "vigil-store",
    "vigil-dhall",
    "vigil-tier",
    "vigil-vectra",
    "vigil-query",
    "vigil-doors-http",
    "vigil-node",
];

/// Once there is a node, the program links it, what is behind the command line's doors, and nothing
/// else of ours: whatever the node can join, it joins.
fn check_program(metadata: &Metadata) -> Vec<Complaint> {
    if !metadata.members().any(|(_, package)| package.name == "vigil-node") {
        return Vec::new();
    }
    let Some((_, program)) = metadata.members().find(|(_, package)| package.name == "vigil") else {
        return vec![Complaint::about(ROOT_MANIFEST, "there is a node but no program `vigil`")];
    };
    let normal = program.uses.iter().filter(|(_, kind)| *kind == Use::Normal);
    let used = normal.filter_map(|(id, _)| metadata.packages.get(id)).filter(|used| used.member);
    let is_joined = |name: &str| name == "vigil-cli" || JOINED.contains(&name);
    used.filter(|used| !is_joined(&used.name))
        .map(|used| {
            let text = format!("vigil may link node, cli and doors only, not {}", used.name);
            Complaint::about(&manifest(program), text)
        })
        .collect()
}

fn check_weight(metadata: &Metadata) -> Vec<Complaint> {
    let mut found = Vec::new();
    let light = metadata.members().filter(|(_, package)| LIGHT.contains(&package.name.as_str()));
    for (id, package) in light {
        let below = metadata.reach([id], |kind| kind != Use::Development);
        for heavy in below.keys().filter(|used| HEAVY.contains(&metadata.name(used))) {
            let text = format!(
                "{} must stay light, but {} comes with it ({})",
                package.name,
                metadata.name(heavy),
                chain(metadata, &below, heavy)
            );
            found.push(Complaint::about(&manifest(package), text));
        }
    }
    found
}

/// Spells how a package is reached, from the outermost to itself.
fn chain<'a>(
    metadata: &'a Metadata,
    reached: &std::collections::BTreeMap<&'a str, Option<&'a str>>,
    to: &'a str,
) -> String {
    let mut names = vec![metadata.name(to)];
    let mut at = to;
    while let Some(through) = reached.get(at).copied().flatten() {
        names.push(metadata.name(through));
        at = through;
    }
    names.reverse();
    names.join(" → ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_texts(metadata: &Metadata, want: &[&str]) {
        let got: Vec<String> = check(metadata).iter().map(ToString::to_string).collect();
        assert_eq!(got, want);
    }

    #[test]
    fn importing_to_the_left_is_fine() {
        let metadata = Metadata::of(&[
            ("vigil", "", true, &[("vigil-store", Use::Normal), ("vigil-cli", Use::Normal)]),
            ("vigil-cli", "", true, &[("vigil-base", Use::Normal)]),
            ("vigil-store", "", true, &[("vigil-base", Use::Normal), ("tokio", Use::Normal)]),
            ("vigil-base", "", true, &[("tokio", Use::Development)]),
            ("tokio", "", false, &[]),
        ]);
        check_texts(&metadata, &[]);
    }

    #[test]
    fn importing_to_the_right_or_sideways_is_not() {
        let metadata = Metadata::of(&[
            ("vigil-base", "", true, &[("vigil-store", Use::Development)]),
            ("vigil-store", "", true, &[("vigil-trust", Use::Normal)]),
            ("vigil-trust", "", true, &[("xtask", Use::Build)]),
            ("vigil-doors-http", "", true, &[("vigil-doors-grpc", Use::Normal)]),
            ("vigil-doors-grpc", "", true, &[]),
            ("vigil-new", "", true, &[]),
            ("xtask", "", true, &[("vigil-base", Use::Normal)]),
        ]);
        check_texts(
            &metadata,
            &[
                "crates/vigil-base/Cargo.toml: vigil-base stands before vigil-store in the order \
                 and must not import it",
                "crates/vigil-doors-http/Cargo.toml: vigil-doors-http and vigil-doors-grpc stand \
                 side by side and must not import each other; the node joins them",
                "crates/vigil-new/Cargo.toml: vigil-new has no place in the order: give it one in \
                 fences.rs",
                "crates/vigil-store/Cargo.toml: vigil-store and vigil-trust stand side by side \
                 and must not import each other; the node joins them",
                "crates/vigil-trust/Cargo.toml: nobody imports xtask, but vigil-trust does",
                "xtask/Cargo.toml: xtask stands outside and must not import vigil-base",
            ],
        );
    }

    #[test]
    fn heavy_crates_are_found_below_light_ones() {
        let metadata = Metadata::of(&[
            ("vigil-cli", "", true, &[("helper", Use::Normal)]),
            ("helper", "", false, &[("tokio", Use::Normal)]),
            ("tokio", "", false, &[]),
        ]);
        check_texts(
            &metadata,
            &["crates/vigil-cli/Cargo.toml: vigil-cli must stay light, but tokio comes with it \
               (vigil-cli → helper → tokio)"],
        );
    }

    #[test]
    fn the_machine_links_nothing_from_outside() {
        let metadata = Metadata::of(&[
            ("vectra-core", "", true, &[("vectra-abi", Use::Normal), ("loom", Use::Development)]),
            ("vectra-abi", "", true, &[("libc", Use::Normal)]),
            ("vectra-host", "", true, &[("libc", Use::Normal)]),
            ("libc", "", false, &[]),
            ("loom", "", false, &[]),
        ]);
        let texts: Vec<String> = check_bare(&metadata).into_iter().map(|c| c.text).collect();
        assert_eq!(
            texts,
            [
                "vectra-abi depends on no host, but libc comes with it (vectra-abi → libc)",
                "vectra-core depends on no host, but libc comes with it \
                 (vectra-core → vectra-abi → libc)",
            ]
        );
    }

    #[test]
    fn the_program_links_node_and_command_line_once_there_is_a_node() {
        let metadata = Metadata::of(&[
            ("vigil", "", true, &[("vigil-kernel", Use::Normal), ("vigil-node", Use::Normal)]),
            ("vigil-node", "", true, &[("vigil-kernel", Use::Normal)]),
            ("vigil-kernel", "", true, &[]),
        ]);
        check_texts(
            &metadata,
            &["crates/vigil/Cargo.toml: vigil may link node, cli and doors only, not \
               vigil-kernel"],
        );
    }
}
