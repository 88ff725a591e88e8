//! `vigil name set | history | resolve` for names that people vouch for: `att://domain/name@version`.
//!
//! They are said in this machine's feed, and mean what the feeds of the puddle's machines say together.
//! Which Person speaks for a domain is policy; here it is always the Person whose puddle this is.

use std::collections::BTreeMap;

use serde_json::json;
use vigil_base::{Uri, Vcid};
use vigil_trust::names::{AttName, Meaning, NameEntry, Pointer, Said, Setting, fold_names};

use super::Session;
use super::get::locate;
use super::trust;
use super::trust::puddle::{Opened, append};
use crate::args::{PassphraseArgs, ReachArgs, Target};
use crate::failure::CommandError;
use crate::human;
use crate::signing_failure::SigningError;

/// Most settings that one entry replaces; more wait for the next entry.
const REPLACED_MAX: usize = 64;

/// Folds what the puddle's machines said.
fn pointers(opened: &Opened) -> BTreeMap<AttName, Pointer> {
    let view = &opened.known.view;
    let batches = opened.known.feeds.iter().flat_map(|file| &file.batches);
    let said = batches.flat_map(|batch| {
        let feed = batch.header().feed;
        batch.entries().map(move |(position, entry)| Said { feed, position, entry })
    });
    // A fork freezes what its feed says; what a machine said that is none of ours, or no more, is
    // nobody's word.
    let counts = |said: &Said<'_>| {
        let is_frozen = opened.known.frozen.contains(&said.feed);
        let Some(machine) = view.machines.get(&said.feed.machine) else { return false };
        let is_pardoned = machine.pardons.contains(&said.feed.incarnation);
        is_frozen && !is_pardoned || view.counts(&said.feed, said.position)
    };
    fold_names(said.filter(counts), &opened.known.frozen)
}

fn open(session: &Session<'_>) -> Result<Opened, CommandError> {
    Opened::of(&trust::home(session)?, session)
}

fn pointer(name: &AttName, session: &Session<'_>) -> Result<Pointer, CommandError> {
    let found = pointers(&open(session)?).remove(name);
    Ok(found.ok_or_else(|| SigningError::NoName { name: name.clone() })?)
}

pub(super) fn set(
    name: &AttName,
    target: &Target,
    reach: &ReachArgs,
    args: &PassphraseArgs,
    session: &mut Session<'_>,
) -> Result<(), CommandError> {
    let (store, found) = locate(target, reach, session)?;
    let failed = |source| CommandError::Read { uri: found.uri.clone(), source: Box::new(source) };
    store.find(found.vcid).map_err(failed)?;
    let home = trust::home(session)?;
    let mut opened = Opened::of(&home, session)?;
    let unlocked = trust::unlock_machine(&home, args, session)?;
    let standing = pointers(&opened).remove(name).map(|pointer| pointer.standing);
    // Whatever stands is replaced knowingly: what other machines said, and this one in earlier lives.
    let standing = standing.unwrap_or_default().into_iter();
    let mut replaces: Vec<Vcid> = standing.map(|setting| setting.id).collect();
    replaces.sort_unstable();
    replaces.truncate(REPLACED_MAX);
    let entry = NameEntry { name: name.clone(), target: Some(found.vcid), replaces };
    append(&home, &mut opened, &unlocked.key, &[entry.encode()], session)?;
    session.say(format_args!("{name} now means {}", Uri::content(found.vcid)))
}

pub(super) fn resolve(
    name: &AttName,
    is_json: bool,
    session: &mut Session<'_>,
) -> Result<(), CommandError> {
    let pointer = pointer(name, session)?;
    if is_json {
        return session.out.json(&json!({
            "name": name.to_string(),
            "meaning": word(&pointer.meaning),
            "vcid": target(&pointer.meaning).map(|vcid| vcid.to_string()),
        }));
    }
    match pointer.meaning {
        Meaning::Target(vcid) => session.out.line(Uri::content(vcid)),
        Meaning::Withdrawn | Meaning::Conflict | Meaning::Frozen => {
            for setting in &pointer.standing {
                session.say(line(setting))?;
            }
            let meaning = word(&pointer.meaning);
            Err(SigningError::NoMeaning { name: name.clone(), meaning }.into())
        }
    }
}

fn target(meaning: &Meaning) -> Option<Vcid> {
    match meaning {
        Meaning::Target(vcid) => Some(*vcid),
        _ => None,
    }
}

/// Returns the word that stands for what a name means.
fn word(meaning: &Meaning) -> &'static str {
    match meaning {
        Meaning::Target(_) => "target",
        Meaning::Withdrawn => "withdrawn",
        Meaning::Conflict => "conflict",
        Meaning::Frozen => "frozen",
    }
}

fn line(setting: &Setting) -> String {
    let target = setting.target.map_or_else(|| "nothing".into(), |id| Uri::content(id).to_string());
    let machine = setting.feed.machine.to_string();
    format!("{target}  by {} at {}", &machine[..16], setting.position)
}

pub(super) fn history(
    name: &AttName,
    is_json: bool,
    session: &mut Session<'_>,
) -> Result<(), CommandError> {
    let pointer = pointer(name, session)?;
    let standing = pointer.standing.iter().map(|setting| (true, setting));
    let before = pointer.history.iter().rev().map(|setting| (false, setting));
    for (stands, setting) in standing.chain(before) {
        if is_json {
            session.out.json(&json!({
                "name": name.to_string(),
                "stands": stands,
                "vcid": setting.target.map(|vcid| vcid.to_string()),
                "machine": setting.feed.machine.to_string(),
                "position": setting.position,
            }))?;
        } else {
            let mark = if stands { "now   " } else { "before" };
            session.out.line(format_args!("{mark}  {}", line(setting)))?;
        }
    }
    Ok(())
}

/// Lists the names, if this machine is in a puddle.
pub(super) fn list(is_json: bool, session: &mut Session<'_>) -> Result<bool, CommandError> {
    let home = trust::home(session)?;
    if home.puddle().map_err(crate::trust_failure::TrustError::from)?.is_none() {
        return Ok(false);
    }
    let pointers = pointers(&Opened::of(&home, session)?);
    for (name, pointer) in &pointers {
        let count = pointer.standing.len() + pointer.history.len();
        let meaning = word(&pointer.meaning);
        let vcid = target(&pointer.meaning);
        if is_json {
            session.out.json(&json!({
                "name": name.to_string(),
                "meaning": meaning,
                "vcid": vcid.map(|vcid| vcid.to_string()),
                "settings": count,
            }))?;
            continue;
        }
        let count = human::count(count as u64, "setting", "settings");
        let shown = vcid.map_or_else(|| meaning.into(), |vcid| Uri::content(vcid).to_string());
        session.out.line(format_args!("{name}  {count}  {shown}"))?;
    }
    Ok(!pointers.is_empty())
}
