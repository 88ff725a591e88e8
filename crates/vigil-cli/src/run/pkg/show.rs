//! Showing packages and what is installed.

use std::path::Path;

use serde_json::json;
use vigil_pkg::Profile;
use vigil_trust::package::{Footprint, Need};

use super::{failed, installed, read};
use crate::args::PkgPlaceArgs;
use crate::failure::CommandError;
use crate::human;
use crate::run::{Session, log};

fn words(needs: &Footprint) -> Vec<&str> {
    needs.iter().map(Need::as_str).collect()
}

pub(super) fn inspect(
    path: &Path,
    manifest_file: Option<&Path>,
    is_json: bool,
    session: &mut Session<'_>,
) -> Result<(), CommandError> {
    let (dossier, _) = read(path, session)?;
    let manifest = &dossier.manifest;
    if let Some(path) = manifest_file {
        log::write(path, &manifest.encode())?;
    }
    let payload = manifest.payload();
    let foreign: Vec<&str> = dossier.foreign.iter().map(|it| it.kind.as_str()).collect();
    if is_json {
        let programs = manifest.entry_points().iter().map(|entry| {
            let (name, path) = (entry.name.for_people(), entry.path.to_string());
            json!({ "name": name, "path": path, "needs": words(&entry.needs) })
        });
        let dependencies = manifest.dependencies().iter();
        let dependencies = dependencies
            .map(|other| json!({ "package": other.package.to_string(), "least": other.least }));
        return session.out.json(&json!({
            "package": manifest.package().to_string(),
            "version": manifest.name().version(),
            "summary": manifest.summary(),
            "manifest": manifest.id().to_string(),
            "payload": payload.root.to_string(),
            "blobs": payload.blobs,
            "bytes": payload.bytes,
            "needs": words(manifest.needs()),
            "programs": programs.collect::<Vec<_>>(),
            "dependencies": dependencies.collect::<Vec<_>>(),
            "is_signed": dossier.claim.is_some(),
            "chain": dossier.chain.len(),
            "attestations": dossier.attestations.len(),
            "has_proof": dossier.proof.is_some(),
            "foreign": foreign,
        }));
    }
    session.out.line(manifest.name())?;
    let mut line = |what: &str, text: String| match text.is_empty() {
        true => Ok(()),
        false => session.out.line(format_args!("  {what:<13} {text}")),
    };
    line("summary", manifest.summary().to_owned())?;
    line("manifest", manifest.id().to_string())?;
    let blobs = human::count(payload.blobs, "blob", "blobs");
    line("payload", format!("{}, {blobs}, {}", payload.root, human::size(payload.bytes)))?;
    line("needs", words(manifest.needs()).join(", "))?;
    for entry in manifest.entry_points() {
        line("program", format!("{} = {}", entry.name.for_people(), entry.path))?;
    }
    for other in manifest.dependencies() {
        line("depends on", format!("{} {} or later", other.package, other.least))?;
    }
    line("claim", if dossier.claim.is_some() { "there is one" } else { "none" }.to_owned())?;
    line("attestations", dossier.attestations.len().to_string())?;
    line("log proof", if dossier.proof.is_some() { "there is one" } else { "none" }.to_owned())?;
    line("foreign", foreign.join(", "))
}

pub(super) fn list(
    args: &PkgPlaceArgs,
    is_json: bool,
    session: &mut Session<'_>,
) -> Result<(), CommandError> {
    let place = installed::place(args, session);
    let current = Profile::new(&place).current().map_err(failed("read what is installed"))?;
    for package in current.iter().flat_map(|current| &current.packages) {
        let manifest = &package.manifest;
        let (name, version) = (manifest.package(), manifest.name().version());
        let folder = place.root().join("trees").join(manifest.payload().root.to_hex());
        if is_json {
            session.out.json(&json!({
                "package": name.to_string(),
                "version": version,
                "manifest": manifest.id().to_string(),
                "folder": human::path(&folder),
                "is_wanted": package.is_wanted,
            }))?;
        } else {
            let why = if package.is_wanted { "" } else { "  (needed by another)" };
            session.out.line(format_args!("{name} {version}{why}"))?;
        }
    }
    Ok(())
}

pub(super) fn generations(
    args: &PkgPlaceArgs,
    is_json: bool,
    session: &mut Session<'_>,
) -> Result<(), CommandError> {
    let place = installed::place(args, session);
    let profile = Profile::new(&place);
    let current = profile.current().map_err(failed("read what is installed"))?;
    let current = current.map(|current| current.number);
    for number in profile.numbers().map_err(failed("list generations"))? {
        let made = profile.generation(number).map_err(failed("read a generation"))?;
        let is_current = Some(number) == current;
        if is_json {
            session.out.json(&json!({
                "generation": number,
                "parent": made.parent,
                "at": made.at.0,
                "packages": made.packages.len(),
                "is_current": is_current,
            }))?;
        } else {
            let mark = if is_current { "  current" } else { "" };
            let count = human::count(made.packages.len() as u64, "package", "packages");
            let at = human::moment(made.at);
            session.out.line(format_args!("{number}  {at}  {count}{mark}"))?;
        }
    }
    Ok(())
}
