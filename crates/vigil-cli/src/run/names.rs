//! `vigil name`.

use serde_json::{Value, json};
use vigil_base::{Name, Vcid};
use vigil_store::Version;

use super::get::locate;
use super::{Session, shared_names};
use crate::args::{AnyName, NameCommand, ReachArgs, Target};
use crate::failure::CommandError;
use crate::human;

pub(super) fn perform(
    command: &NameCommand,
    session: &mut Session<'_>,
) -> Result<(), CommandError> {
    match command {
        NameCommand::List { shared: true, format } => {
            if !shared_names::list(format.json, session)? {
                session.say("no shared names yet; `vigil name set att://…` sets one")?;
            }
            Ok(())
        }
        NameCommand::List { shared: false, format } => list(format.json, session),
        NameCommand::Show { name, format } => show(name, format.json, session),
        NameCommand::Set { name: AnyName::Local(name), target, reach, .. } => {
            set(name, target, reach, session)
        }
        NameCommand::Set { name: AnyName::Shared(name), target, reach, passphrase } => {
            shared_names::set(name, target, reach, passphrase, session)
        }
        NameCommand::History { name, format } => shared_names::history(name, format.json, session),
        NameCommand::Resolve { name, format } => shared_names::resolve(name, format.json, session),
        NameCommand::Follow { domain, bundle } => shared_names::follow(domain, bundle, session),
        NameCommand::Unfollow { domain } => shared_names::unfollow(domain, session),
        NameCommand::Domains { format } => shared_names::domains(format.json, session),
        NameCommand::Remove { name } => remove(name, session),
    }
}

/// The fields that a name and a version of one have in common.
fn json_of(name: &Name, version: &Version) -> Value {
    json!({
        "name": name.to_string(),
        "uri": human::uri(version.kind, version.vcid).to_string(),
        "kind": human::kind(version.kind),
        "vcid": version.vcid.to_string(),
        "metadata": version.metadata.as_ref().map(Vcid::to_string),
        "at": version.at.0,
    })
}

fn list(is_json: bool, session: &mut Session<'_>) -> Result<(), CommandError> {
    let names = session.store()?.names()?;
    let width = names.iter().map(|(name, _)| name.to_string().chars().count()).max().unwrap_or(0);
    for (name, versions) in &names {
        let Some(newest) = versions.last() else { continue };
        if is_json {
            let mut value = json_of(name, newest);
            value["versions"] = json!(versions.len());
            session.out.json(&value)?;
            continue;
        }
        let count = human::count(versions.len() as u64, "version", "versions");
        let (name, at) = (name.to_string(), human::moment(newest.at));
        let uri = human::uri(newest.kind, newest.vcid);
        session.out.line(format_args!("{name:<width$}  {at}  {count:>12}  {uri}"))?;
    }
    if names.is_empty() {
        session.say("no names yet; `vigil add PATH --name NAME` gives one")?;
    }
    Ok(())
}

fn show(name: &Name, is_json: bool, session: &mut Session<'_>) -> Result<(), CommandError> {
    let versions = session.store()?.versions(name)?;
    let width = format!("{name}~{}", versions.len()).chars().count();
    for (back, version) in versions.iter().rev().enumerate() {
        if is_json {
            let mut value = json_of(name, version);
            value["back"] = json!(back);
            session.out.json(&value)?;
            continue;
        }
        let at = human::moment(version.at);
        let uri = human::uri(version.kind, version.vcid);
        let shown = if back == 0 { name.to_string() } else { format!("{name}~{back}") };
        let mark = if version.metadata.is_some() { "  with metadata" } else { "" };
        session.out.line(format_args!("{shown:<width$}  {at}  {uri}{mark}"))?;
    }
    Ok(())
}

fn set(
    name: &Name,
    target: &Target,
    reach: &ReachArgs,
    session: &mut Session<'_>,
) -> Result<(), CommandError> {
    // From here on nobody removes what is about to be named.
    let writer = session.store()?.writer()?;
    let (store, found) = locate(target, reach, session)?;
    let failed = |source| CommandError::Read { uri: found.uri.clone(), source: Box::new(source) };
    store.find(found.vcid).map_err(failed)?;
    let at = session.environment.clock.now();
    let (kind, vcid, metadata) = (found.kind, found.vcid, found.metadata);
    writer.set_name(name, Version { at, kind, vcid, metadata })?;
    writer.finish()?;
    session.say(format_args!("{name} now means {}", human::uri(kind, vcid)))
}

fn remove(name: &Name, session: &mut Session<'_>) -> Result<(), CommandError> {
    let store = session.store()?;
    let versions = store.versions(name)?.len() as u64;
    store.edit_name(name, |_| Vec::new())?;
    let versions = human::count(versions, "version", "versions");
    session.say(format_args!("{name} is gone, with {versions}"))?;
    session.say("what only it led to stays stored until `vigil gc`")
}
