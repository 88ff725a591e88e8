//! `vigil name set | history | resolve` for names that people vouch for: `att://domain/name@version`; and
//! `vigil name follow | unfollow | domains`, which say whose word counts for a domain.
//!
//! They are said in this machine's feed, and mean what the feeds of the puddle's machines say together.

use serde_json::json;
use vigil_base::{Uri, Vcid};
use vigil_node::shared_names::{SharedNames, pointers};
use vigil_trust::names::{AttName, Meaning, NameEntry, NameTarget, Pointer, Setting};

use super::Session;
use super::get::locate;
use super::trust;
use super::trust::carry::{read_bundle, warn_of_forks};
use super::trust::puddle::{Opened, append};
use crate::args::{PassphraseArgs, ReachArgs, Target};
use crate::failure::CommandError;
use crate::human;
use crate::signing_failure::SigningError;

/// Most settings that one entry replaces; more wait for the next entry.
const REPLACED_MAX: usize = 64;

/// Opens the names as this machine's policy sees them.
fn open(session: &Session<'_>) -> Result<SharedNames, CommandError> {
    // Looks whether others may read the folder.
    trust::home(session)?;
    Ok(SharedNames::new(session.store_folder.join(trust::FOLDER)))
}

fn pointer(name: &AttName, session: &Session<'_>) -> Result<Pointer, CommandError> {
    let names = open(session)?.all().map_err(SigningError::from)?;
    let found = names.get(name).cloned();
    Ok(found.ok_or_else(|| SigningError::NoName { name: name.clone() })?)
}

pub(super) fn set(
    name: &AttName,
    target: &Target,
    reach: &ReachArgs,
    args: &PassphraseArgs,
    session: &mut Session<'_>,
) -> Result<(), CommandError> {
    open(session)?.expect_own(name.domain()).map_err(SigningError::from)?;
    let (store, found) = locate(target, reach, session)?;
    let failed = |source| CommandError::Read { uri: found.uri.clone(), source: Box::new(source) };
    store.find(found.vcid).map_err(failed)?;
    let home = trust::home(session)?;
    let mut opened = Opened::of(&home, session)?;
    let unlocked = trust::unlock_machine(&home, args, session)?;
    let standing = pointers(&opened.known).remove(name).map(|pointer| pointer.standing);
    // Whatever stands is replaced knowingly: what other machines said, and this one in earlier lives.
    let standing = standing.unwrap_or_default().into_iter();
    let mut replaces: Vec<Vcid> = standing.map(|setting| setting.id).collect();
    replaces.sort_unstable();
    replaces.truncate(REPLACED_MAX);
    let target = NameTarget { kind: found.kind, vcid: found.vcid };
    let entry = NameEntry { name: name.clone(), target: Some(target), replaces };
    append(&home, &mut opened, &unlocked.key, &[entry.encode()], session)?;
    session.say(format_args!("{name} now means {}", uri(target)))
}

fn uri(target: NameTarget) -> Uri {
    human::uri(target.kind, target.vcid)
}

pub(super) fn resolve(
    name: &AttName,
    is_json: bool,
    session: &mut Session<'_>,
) -> Result<(), CommandError> {
    let pointer = pointer(name, session)?;
    if is_json {
        let target = target(&pointer.meaning);
        return session.out.json(&json!({
            "name": name.to_string(),
            "meaning": word(&pointer.meaning),
            "uri": target.map(|target| uri(target).to_string()),
            "vcid": target.map(|target| target.vcid.to_string()),
        }));
    }
    match pointer.meaning {
        Meaning::Target(target) => session.out.line(uri(target)),
        Meaning::Withdrawn | Meaning::Conflict | Meaning::Frozen => {
            for setting in &pointer.standing {
                session.say(line(setting))?;
            }
            let meaning = word(&pointer.meaning);
            Err(SigningError::NoMeaning { name: name.clone(), meaning }.into())
        }
    }
}

fn target(meaning: &Meaning) -> Option<NameTarget> {
    match meaning {
        Meaning::Target(target) => Some(*target),
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
    let target = setting.target.map_or_else(|| "nothing".into(), |target| uri(target).to_string());
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
                "uri": setting.target.map(|target| uri(target).to_string()),
                "vcid": setting.target.map(|target| target.vcid.to_string()),
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

/// Lists the names that count here.
pub(super) fn list(is_json: bool, session: &mut Session<'_>) -> Result<bool, CommandError> {
    let names = open(session)?.all().map_err(SigningError::from)?;
    for (name, pointer) in &*names {
        let count = pointer.standing.len() + pointer.history.len();
        let meaning = word(&pointer.meaning);
        let target = target(&pointer.meaning);
        if is_json {
            session.out.json(&json!({
                "name": name.to_string(),
                "meaning": meaning,
                "uri": target.map(|target| uri(target).to_string()),
                "vcid": target.map(|target| target.vcid.to_string()),
                "settings": count,
            }))?;
            continue;
        }
        let count = human::count(count as u64, "setting", "settings");
        let shown = target.map_or_else(|| meaning.into(), |target| uri(target).to_string());
        session.out.line(format_args!("{name}  {count}  {shown}"))?;
    }
    Ok(!names.is_empty())
}

pub(super) fn follow(
    domain: &str,
    bundle: &std::path::Path,
    session: &mut Session<'_>,
) -> Result<(), CommandError> {
    let names = open(session)?;
    let bundle = read_bundle(bundle)?;
    let taken = names.follow(domain, &bundle).map_err(SigningError::from)?;
    let speaker = names.domains().map_err(SigningError::from)?.remove(domain);
    let name = speaker.map(|speaker| speaker.name).unwrap_or_default();
    let new = human::count(taken.batches as u64, "new batch", "new batches");
    session.say(format_args!("{name} speaks for {domain} here; {new}"))?;
    warn_of_forks(&taken, session)
}

pub(super) fn unfollow(domain: &str, session: &mut Session<'_>) -> Result<(), CommandError> {
    if !open(session)?.unfollow(domain).map_err(SigningError::from)? {
        return Err(SigningError::NotFollowed { domain: domain.into() }.into());
    }
    session.say(format_args!("{domain} is spoken for by this machine's own puddle again"))
}

pub(super) fn domains(is_json: bool, session: &mut Session<'_>) -> Result<(), CommandError> {
    let domains = open(session)?.domains().map_err(SigningError::from)?;
    for (domain, speaker) in &domains {
        if is_json {
            session.out.json(&json!({
                "domain": domain,
                "puddle": speaker.puddle.to_string(),
                "name": speaker.name,
                "known": speaker.is_known,
            }))?;
            continue;
        }
        let (name, puddle) = (&speaker.name, speaker.puddle);
        let mark = if speaker.is_known { "" } else { "  (its Person is not known here any more)" };
        session.out.line(format_args!("{domain}  {name}  {puddle}{mark}"))?;
    }
    session.say("every other domain is spoken for by this machine's own puddle")
}
