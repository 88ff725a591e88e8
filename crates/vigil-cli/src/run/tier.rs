//! `vigil tier`.

use std::sync::{Arc, Mutex};

use serde_json::json;
use vigil_base::{Name, Root, Uri, Vcid};
use vigil_store::{ArenaState, Remote, Store, Supply};

use super::Session;
use super::get::follow;
use crate::args::{FormatArgs, TierAddArgs, TierChoice, TierCommand};
use crate::failure::CommandError;
use crate::human;
use crate::talk::Progress;
use crate::tiers::{LazyTiers, TierFailure, TierLink, TierSent, TierSettings, load, save};

pub(super) fn perform(
    command: &TierCommand,
    session: &mut Session<'_>,
) -> Result<(), CommandError> {
    match command {
        TierCommand::Add(args) => add(args, session),
        TierCommand::List { format } => list(*format, session),
        TierCommand::Remove { name } => remove(name, session),
        TierCommand::Push { uris, arena, moves, tier, format } => {
            let (store, name, link) = open(tier, session)?;
            match uris.as_slice() {
                [] => push_arenas(&store, &name, &*link, arena, *moves, *format, session),
                uris => push_blobs(&store, &name, &*link, uris, *format, session),
            }
        }
        TierCommand::Pull { uris, tier, format } => {
            let (store, name, link) = open(tier, session)?;
            match uris.as_slice() {
                [] => pull_arenas(&store, &name, &*link, *format, session),
                uris => pull_blobs(&store, &name, &*link, uris, *format, session),
            }
        }
        TierCommand::Status { tier, format } => status(tier, *format, session),
    }
}

/// Lets a store read what has been moved to its tiers. They are opened when that first happens.
pub(super) fn attach(store: &Store, session: &Session<'_>) -> Result<(), CommandError> {
    let settings = load(&*store.world().disk)?;
    if !settings.is_empty() {
        let door = session.environment.tiers.clone();
        let lazy = LazyTiers { door, settings, opened: Mutex::default() };
        store.attach_remote(Arc::new(lazy) as Arc<dyn Remote>);
    }
    Ok(())
}

/// Returns what the tiers of a store can supply for mending.
pub(super) fn supplies(
    store: &Store,
    session: &Session<'_>,
) -> Result<Vec<Box<dyn Supply>>, CommandError> {
    let supply = |settings: TierSettings| {
        let link = session.environment.tiers.open(&settings);
        link.and_then(|link| link.supply(store.class())).map_err(failed(&settings.name))
    };
    load(&*store.world().disk)?.into_iter().map(supply).collect()
}

fn failed(name: &Name) -> impl FnOnce(TierFailure) -> CommandError {
    let name = name.clone();
    |(blame, source)| CommandError::Tier { name, blame, source }
}

fn add(args: &TierAddArgs, session: &mut Session<'_>) -> Result<(), CommandError> {
    let store = session.store()?;
    let settings = TierSettings {
        name: args.name.clone(),
        address: args.address.clone(),
        endpoint: args.endpoint.clone(),
        region: args.region.clone(),
        profile: args.profile.clone(),
        key_file: args.key_file.clone(),
        passphrase_file: args.passphrase_file.clone(),
    };
    let link = session.environment.tiers.open(&settings).map_err(failed(&args.name))?;
    link.probe().map_err(failed(&args.name))?;
    let mut tiers = load(&*store.world().disk)?;
    tiers.retain(|tier| tier.name != settings.name);
    let encrypted = is_encrypted(&settings);
    tiers.push(settings);
    save(&*store.world().disk, &tiers)?;
    let (name, address) = (args.name.as_str(), &args.address);
    if args.format.json {
        let document = json!({ "name": name, "address": address, "encrypted": encrypted });
        return session.out.json(&document);
    }
    let how = if encrypted { ", encrypted" } else { "" };
    session.say(format_args!("{name} is {address}{how}"))
}

fn is_encrypted(settings: &TierSettings) -> bool {
    settings.key_file.is_some() || settings.passphrase_file.is_some()
}

fn list(format: FormatArgs, session: &mut Session<'_>) -> Result<(), CommandError> {
    for tier in load(&*session.store()?.world().disk)? {
        let encrypted = is_encrypted(&tier);
        if format.json {
            session.out.json(&json!({
                "name": tier.name.as_str(),
                "address": tier.address,
                "endpoint": tier.endpoint,
                "region": tier.region,
                "profile": tier.profile,
                "encrypted": encrypted,
            }))?;
        } else {
            let how = if encrypted { "  encrypted" } else { "" };
            session.out.line(format_args!("{}  {}{how}", tier.name.as_str(), tier.address))?;
        }
    }
    Ok(())
}

fn remove(name: &Name, session: &mut Session<'_>) -> Result<(), CommandError> {
    let store = session.store()?;
    let mut tiers = load(&*store.world().disk)?;
    let before = tiers.len();
    tiers.retain(|tier| tier.name != *name);
    if tiers.len() == before {
        return Err(CommandError::NoTier { name: Some(name.clone()) });
    }
    let is_moved = |state: ArenaState| matches!(state, ArenaState::Moved(_));
    let moved = store.arenas()?.iter().filter(|arena| is_moved(arena.state)).count() as u64;
    if moved > 0 && tiers.is_empty() {
        return Err(CommandError::TierNeeded { name: name.clone(), arenas: moved });
    }
    save(&*store.world().disk, &tiers)?;
    session.say(format_args!("{} is forgotten; what lies there stays there", name.as_str()))
}

fn open(
    choice: &TierChoice,
    session: &Session<'_>,
) -> Result<(Store, Name, Box<dyn TierLink>), CommandError> {
    let store = session.store()?;
    let mut tiers = load(&*store.world().disk)?;
    let index = match &choice.name {
        Some(name) => tiers.iter().position(|tier| tier.name == *name),
        None if tiers.len() > 1 => return Err(CommandError::WhichTier),
        None => (!tiers.is_empty()).then_some(0),
    };
    let Some(index) = index else {
        return Err(CommandError::NoTier { name: choice.name.clone() });
    };
    let settings = tiers.swap_remove(index);
    let link = session.environment.tiers.open(&settings).map_err(failed(&settings.name))?;
    Ok((store, settings.name, link))
}

fn push_arenas(
    store: &Store,
    name: &Name,
    link: &dyn TierLink,
    only: &[u32],
    moves: bool,
    format: FormatArgs,
    session: &mut Session<'_>,
) -> Result<(), CommandError> {
    let is_sealed = |state: ArenaState| matches!(state, ArenaState::Sealed);
    let numbers: Vec<u32> = match only {
        [] => {
            let ours = store.arenas()?.into_iter().filter(|arena| arena.class == *store.class());
            ours.filter(|arena| is_sealed(arena.state)).map(|arena| arena.number).collect()
        }
        only => only.to_vec(),
    };
    if numbers.is_empty() {
        return session
            .say("no arena is sealed and here; `vigil arena seal` seals those that are open");
    }
    for number in numbers {
        let sent = metered(&format!("sending arena {number:08}"), session, |progress| {
            link.push_arena(store, number, moves, progress)
        });
        print_sent(&sent.map_err(failed(name))?, format, session)?;
    }
    Ok(())
}

fn push_blobs(
    store: &Store,
    name: &Name,
    link: &dyn TierLink,
    uris: &[Uri],
    format: FormatArgs,
    session: &mut Session<'_>,
) -> Result<(), CommandError> {
    for uri in uris {
        let found = follow(store, uri)?;
        let sent = metered(&format!("sending {uri}"), session, |progress| {
            link.push_blob(store, found.vcid, progress)
        });
        print_sent(&sent.map_err(failed(name))?, format, session)?;
    }
    Ok(())
}

fn print_sent(
    sent: &TierSent,
    format: FormatArgs,
    session: &mut Session<'_>,
) -> Result<(), CommandError> {
    if format.json {
        return session.out.json(&json!({
            "vcid": sent.vcid.to_string(),
            "bytes": sent.bytes,
            "object": sent.object,
            "new": sent.is_new,
            "moved": sent.is_moved,
        }));
    }
    let size = human::size(sent.bytes);
    let what = if sent.is_new { "sent" } else { "was there" };
    let moved = if sent.is_moved { ", compared, and removed here" } else { "" };
    session.out.line(format_args!("{}  {size:>10}  {what}{moved}", sent.object))
}

fn pull_arenas(
    store: &Store,
    name: &Name,
    link: &dyn TierLink,
    format: FormatArgs,
    session: &mut Session<'_>,
) -> Result<(), CommandError> {
    let pulled = metered("fetching arenas", session, |progress| link.pull_arenas(store, progress));
    let pulled = pulled.map_err(failed(name))?;
    if format.json {
        let (present, bytes) = (pulled.present, pulled.bytes);
        let document = json!({ "pulled": pulled.numbers, "present": present, "bytes": bytes });
        return session.out.json(&document);
    }
    let fetched = pulled.numbers.len() as u64 - pulled.present;
    let arenas = human::count(fetched, "arena", "arenas");
    let (present, size) = (pulled.present, human::size(pulled.bytes));
    let here = match present {
        0 => String::new(),
        _ => format!("; {} here already", human::count(present, "other was", "others were")),
    };
    session.say(format_args!("fetched and compared {arenas} ({size}){here}"))
}

fn pull_blobs(
    store: &Store,
    name: &Name,
    link: &dyn TierLink,
    uris: &[Uri],
    format: FormatArgs,
    session: &mut Session<'_>,
) -> Result<(), CommandError> {
    for uri in uris {
        let vcid = content_of(uri, store)?;
        let bytes = metered(&format!("fetching {uri}"), session, |progress| {
            link.pull_blob(store, vcid, progress)
        });
        let bytes = bytes.map_err(failed(name))?;
        if format.json {
            session.out.json(&json!({ "uri": Uri::content(vcid).to_string(), "bytes": bytes }))?;
        } else {
            let size = human::size(bytes);
            session.out.line(format_args!("{}  {size}", Uri::content(vcid)))?;
        }
    }
    Ok(())
}

/// A blob that is not here yet cannot be followed, only named.
fn content_of(uri: &Uri, store: &Store) -> Result<Vcid, CommandError> {
    match (&uri.root, &uri.path) {
        (Root::Content(vcid), None) => Ok(*vcid),
        (Root::Content(vcid), Some(path)) if path.is_root() => Ok(*vcid),
        _ => Ok(follow(store, uri)?.vcid),
    }
}

fn status(
    choice: &TierChoice,
    format: FormatArgs,
    session: &mut Session<'_>,
) -> Result<(), CommandError> {
    let (store, name, link) = open(choice, session)?;
    let report = link.status(&store).map_err(failed(&name))?;
    if format.json {
        let arenas: Vec<_> = report
            .arenas
            .iter()
            .map(|arena| {
                json!({
                    "number": arena.number,
                    "vcid": arena.vcid.as_ref().map(Vcid::to_string),
                    "bytes": arena.bytes,
                    "here": arena.is_here,
                    "there": arena.is_there,
                })
            })
            .collect();
        return session.out.json(&json!({
            "arenas": arenas,
            "blobs": report.blobs,
            "blob_bytes": report.blob_bytes,
            "complaints": report.complaints,
        }));
    }
    for arena in &report.arenas {
        let number =
            arena.number.map_or_else(|| "-       ".into(), |number| format!("{number:08}"));
        let place = match (arena.is_here, arena.is_there) {
            (true, true) => "here and there",
            (true, false) => "here",
            (false, true) => "there",
            (false, false) => "nowhere",
        };
        let size = human::size(arena.bytes);
        session.out.line(format_args!("{number}  {size:>10}  {place}"))?;
    }
    let (blobs, size) =
        (human::count(report.blobs, "blob", "blobs"), human::size(report.blob_bytes));
    session.out.line(format_args!("{blobs} ({size}) there on their own"))?;
    session.finish()?;
    for complaint in &report.complaints {
        session.talk.warn("warning", complaint);
    }
    Ok(())
}

/// Does something that reports bytes, with a meter on terminals.
fn metered<T>(label: &str, session: &Session<'_>, work: impl FnOnce(&dyn Fn(u64)) -> T) -> T {
    let meter = session.talk.meter(label);
    let done = std::cell::Cell::new(0);
    work(&|bytes| {
        done.set(done.get() + bytes);
        meter.show(&Progress { things: None, bytes: done.get(), bytes_total: None });
    })
}
