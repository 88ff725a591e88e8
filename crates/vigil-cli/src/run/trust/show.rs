//! `vigil puddle show` and `vigil puddle verify`.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json};
use vigil_base::Vcid;
use vigil_trust::KeyBytes;
use vigil_trust::feed::{Batch, FeedFile, continues};
use vigil_trust::puddle::{
    Authority, Freshness, GrantView, Lease, MachineState, MachineView, View,
};

use super::carry::read_bundle;
use super::puddle::Opened;
use super::{Session, home};
use crate::failure::CommandError;
use crate::human;
use crate::trust_failure::TrustError;

/// How many digits of an id are shown in the tree.
pub(super) const SHORT: usize = 12;

pub(super) fn name_of(view: &View, key: &KeyBytes) -> String {
    match view.machines.get(key) {
        Some(machine) => machine.name.as_str().into(),
        None => "the Person".into(),
    }
}

pub(super) fn scope_text(grant: &GrantView, opened: &Opened) -> String {
    let scope = &grant.scope;
    let verbs: Vec<&str> = scope.verbs().collect();
    let below = if scope.prefix().is_empty() { "everything" } else { scope.prefix() };
    let until = match scope.expiry() {
        Some(expiry) if scope.is_expired(opened.now) => {
            format!(", expired {}", human::moment(expiry))
        }
        Some(expiry) => format!(", until {}", human::moment(expiry)),
        None => String::new(),
    };
    format!("{} {} in {below}{until}", scope.subsystem(), verbs.join(","))
}

pub(super) fn show(
    opened: &Opened,
    is_json: bool,
    session: &mut Session<'_>,
) -> Result<(), CommandError> {
    if is_json {
        return session.out.json(&json_of(opened));
    }
    let view = &opened.known.view;
    let fresh = fresh_text(&opened.freshness());
    session.out.line(format_args!("{}  {}  {fresh}", view.name.as_str(), view.id))?;
    match &view.authority {
        Authority::Person(key) => session.out.line(format_args!("Person {key}"))?,
        Authority::Contested(rotations) => {
            let count = human::count(rotations.len() as u64, "rotation", "rotations");
            session.out.line(format_args!("Person contested by {count}"))?;
        }
    }
    let last = view.machines.len();
    for (at, (key, machine)) in view.machines.iter().enumerate() {
        let (branch, trunk) = if at + 1 == last { ("└─", "   ") } else { ("├─", "│  ") };
        let (name, state) = (machine.name.as_str(), state_text(machine));
        session.out.line(format_args!("{branch} {name}  {key}  {state}"))?;
        let grants: Vec<_> = view.grants.iter().filter(|(_, grant)| grant.to == *key).collect();
        for (at, (id, grant)) in grants.iter().enumerate() {
            let branch = if at + 1 == grants.len() { "└─" } else { "├─" };
            let (short, from) = (&id.to_hex()[..SHORT], name_of(view, &grant.from));
            let scope = scope_text(grant, opened);
            session.out.line(format_args!("{trunk}{branch} {short}  {scope}, by {from}"))?;
        }
    }
    for (id, reason) in &view.refused {
        session.out.line(format_args!("refused {}: {reason}", &id.to_hex()[..SHORT]))?;
    }
    Ok(())
}

pub(super) fn fresh_text(freshness: &Freshness) -> String {
    match freshness {
        Freshness::Fresh { until: None } => "no lease".into(),
        Freshness::Fresh { until: Some(until) } => format!("fresh until {}", human::moment(*until)),
        Freshness::Stale { since } => format!("stale since {}", human::moment(*since)),
        Freshness::Doubtful { .. } => "the time is in doubt: see `vigil puddle time`".into(),
    }
}

/// Returns whether it may be relied upon; none where there is no lease.
pub(super) fn is_fresh(freshness: &Freshness) -> Option<bool> {
    match freshness {
        Freshness::Fresh { until: None } => None,
        Freshness::Fresh { .. } => Some(true),
        Freshness::Stale { .. } | Freshness::Doubtful { .. } => Some(false),
    }
}

fn state_text(machine: &MachineView) -> String {
    match &machine.state {
        MachineState::Active => "active".into(),
        MachineState::Revoked { reason, .. } if reason.is_empty() => "revoked".into(),
        MachineState::Revoked { reason, .. } => format!("revoked: {reason}"),
        MachineState::Frozen { .. } => "frozen: it said two things at one position".into(),
    }
}

pub(super) fn grant_json(id: &Vcid, grant: &GrantView, opened: &Opened) -> Value {
    let verbs: Vec<&str> = grant.scope.verbs().collect();
    json!({
        "id": id.to_string(),
        "from": grant.from.to_string(),
        "to": grant.to.to_string(),
        "under": grant.parent.as_ref().map(Vcid::to_string),
        "depth": grant.depth,
        "subsystem": grant.scope.subsystem(),
        "verbs": verbs,
        "prefix": grant.scope.prefix(),
        "expiry": grant.scope.expiry().map(|expiry| expiry.0),
        "expired": grant.scope.is_expired(opened.now),
    })
}

fn json_of(opened: &Opened) -> Value {
    let view = &opened.known.view;
    let machines = view.machines.iter().map(|(key, machine)| {
        let (state, reason) = match &machine.state {
            MachineState::Active => ("active", None),
            MachineState::Revoked { reason, .. } => ("revoked", Some(reason.as_str())),
            MachineState::Frozen { .. } => ("frozen", None),
        };
        let held = view.grants.iter().filter(|(_, grant)| grant.to == *key);
        let grants: Vec<String> = held.map(|(id, _)| id.to_string()).collect();
        json!({
            "key": key.to_string(),
            "name": machine.name.as_str(),
            "state": state,
            "reason": reason,
            "grants": grants,
        })
    });
    let machines: Vec<Value> = machines.collect();
    let grants: Vec<Value> =
        view.grants.iter().map(|(id, grant)| grant_json(id, grant, opened)).collect();
    let refused = view.refused.iter();
    let refused: Vec<Value> = refused
        .map(|(id, reason)| json!({ "id": id.to_string(), "reason": reason.to_string() }))
        .collect();
    json!({
        "puddle": view.id.to_string(),
        "name": view.name.as_str(),
        "person": match &view.authority {
            Authority::Person(key) => Some(key.to_string()),
            Authority::Contested(_) => None,
        },
        "lease_seconds": match view.lease {
            Lease::Never => None,
            Lease::Seconds(seconds) => Some(seconds),
        },
        "fresh": is_fresh(&opened.freshness()),
        "machines": machines,
        "grants": grants,
        "refused": refused,
    })
}

/// What checking found.
struct Found {
    view: View,
    batches: usize,
    entries: u64,
    torn: Vec<String>,
    forked: Vec<String>,
}

fn count<'a>(batches: impl Iterator<Item = &'a Batch>) -> (usize, u64) {
    batches.fold((0, 0), |(batches, entries), batch| {
        (batches + 1, entries + u64::from(batch.header().count))
    })
}

fn look(bundle: Option<&Path>, session: &Session<'_>) -> Result<Found, CommandError> {
    if let Some(path) = bundle {
        let bundle = read_bundle(path)?;
        let (batches, entries) = count(bundle.batches.iter());
        let forked = bundle.evidence.iter().map(|evidence| evidence.feed().to_string()).collect();
        return Ok(Found {
            view: bundle.view().map_err(|error| TrustError::Home(error.into()))?,
            batches,
            entries,
            torn: Vec::new(),
            forked,
        });
    }
    let opened = Opened::of(&home(session)?, session)?;
    let files = &opened.known.feeds;
    let (batches, entries) = count(files.iter().flat_map(|file| &file.batches));
    // A torn end that a later life names as the one it continues has been seen and settled.
    let first =
        |file: &FeedFile| file.batches.first()?.entries().next().map(|(_, entry)| entry.to_vec());
    let said: BTreeSet<Vec<u8>> = files.iter().filter_map(first).collect();
    let torn = files.iter().filter(|file| file.is_torn && !said.contains(&continues(&file.feed)));
    let torn = torn.map(|file| file.feed.id().to_string()).collect();
    let forked = opened.known.frozen.iter().map(ToString::to_string).collect();
    Ok(Found { view: opened.known.view, batches, entries, torn, forked })
}

pub(super) fn verify(
    bundle: Option<&Path>,
    is_json: bool,
    session: &mut Session<'_>,
) -> Result<(), CommandError> {
    let found = look(bundle, session)?;
    let Found { view, batches, entries, torn, forked } = &found;
    if is_json {
        session.out.json(&json!({
            "puddle": view.id.to_string(),
            "batches": batches,
            "entries": entries,
            "machines": view.machines.len(),
            "grants": view.grants.len(),
            "refused": view.refused.len(),
            "torn": torn,
            "forked": forked,
        }))?;
    } else {
        let batches = human::count(*batches as u64, "batch", "batches");
        let entries = human::count(*entries, "entry", "entries");
        let machines = human::count(view.machines.len() as u64, "machine", "machines");
        let grants = human::count(view.grants.len() as u64, "grant", "grants");
        session.out.line(format_args!(
            "every signature holds: {batches}, {entries}, {machines}, {grants}"
        ))?;
    }
    let mut flaws: Vec<String> = Vec::new();
    flaws.extend(torn.iter().map(|feed| format!("feed {feed} is torn")));
    flaws.extend(forked.iter().map(|feed| format!("feed {feed} is forked")));
    // What was taken away, or waits for events that have not come, is as it should be.
    let odd = view.refused.iter().filter(|(_, reason)| !reason.is_expected());
    flaws.extend(odd.map(|(id, reason)| format!("{id} is refused: {reason}")));
    if matches!(view.authority, Authority::Contested(_)) {
        flaws.push("the Person's key is contested".into());
    }
    if flaws.is_empty() {
        return Ok(());
    }
    Err(TrustError::Broken { what: flaws.join("; ") }.into())
}
