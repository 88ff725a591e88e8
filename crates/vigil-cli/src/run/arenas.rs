//! `vigil arena`.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde_json::json;
use vigil_base::Vcid;
use vigil_store::{ArenaInfo, ArenaState};

use super::Session;
use crate::args::FormatArgs;
use crate::failure::CommandError;
use crate::human;
use crate::resolve::is_standard;

pub(super) fn list(format: FormatArgs, session: &mut Session<'_>) -> Result<(), CommandError> {
    for arena in session.store()?.arenas()? {
        if format.json {
            session.out.json(&json_of(&arena))?;
        } else {
            session.out.line(line(&arena))?;
        }
    }
    Ok(())
}

fn state(arena: &ArenaInfo) -> &'static str {
    match arena.state {
        ArenaState::Open => "open",
        ArenaState::Sealed => "sealed",
        ArenaState::Moved(_) => "moved",
    }
}

fn line(arena: &ArenaInfo) -> String {
    let (number, size) = (arena.number, human::size(arena.bytes));
    let items = match arena.items {
        Some(items) => human::count(items, "item", "items"),
        None => "-".into(),
    };
    let root = arena.root.map_or_else(|| "-".into(), |root| root.to_string());
    let (state, class) = (state(arena), arena.class.as_str());
    format!("{number:08}  {state:<6}  {size:>10}  {items:>12}  {class}  {root}")
}

fn json_of(arena: &ArenaInfo) -> serde_json::Value {
    let moved_as = match arena.state {
        ArenaState::Moved(vcid) => Some(vcid.to_string()),
        _ => None,
    };
    json!({
        "number": arena.number,
        "state": state(arena),
        "bytes": arena.bytes,
        "items": arena.items,
        "root": arena.root.as_ref().map(Vcid::to_string),
        "site": arena.site.to_string(),
        "serial": arena.serial,
        "class": arena.class.as_str(),
        "created": arena.created,
        "moved_as": moved_as,
    })
}

pub(super) fn seal(format: FormatArgs, session: &mut Session<'_>) -> Result<(), CommandError> {
    let mut sealed = session.store()?.writer()?.seal()?;
    sealed.sort_unstable();
    if format.json {
        return session.out.json(&json!({ "sealed": sealed }));
    }
    for number in &sealed {
        session.out.line(format_args!("{number:08}"))?;
    }
    let count = human::count(sealed.len() as u64, "arena", "arenas");
    session.say(format_args!("sealed {count}"))
}

pub(super) fn export(
    number: u32,
    output: Option<&Path>,
    session: &mut Session<'_>,
) -> Result<(), CommandError> {
    let store = session.store()?;
    let Some(path) = output else {
        let vcid = store.export_arena(number, &mut session.out)?;
        return session.say(format_args!("arena {number:08} is {vcid}"));
    };
    let failed = |action: &'static str| {
        move |source| CommandError::File { action, path: path.into(), source }
    };
    let mut file = File::create_new(path).map_err(failed("create"))?;
    let written = store
        .export_arena(number, &mut file)
        .map_err(CommandError::from)
        .and_then(|vcid| file.sync_all().map(|()| vcid).map_err(failed("sync")));
    match written {
        Ok(vcid) => {
            let shown = session.shown(path);
            session.say(format_args!("arena {number:08} is in {shown}, {vcid}"))
        }
        Err(error) => {
            // Half an arena is of no use to anybody.
            std::fs::remove_file(path).map_err(failed("remove the unfinished"))?;
            Err(error)
        }
    }
}

pub(super) fn import(
    files: &[PathBuf],
    format: FormatArgs,
    session: &mut Session<'_>,
) -> Result<(), CommandError> {
    let store = session.store()?;
    let mut sources: Vec<Box<dyn Read>> = Vec::new();
    for path in files {
        sources.push(if is_standard(path) {
            Box::new(std::io::stdin().lock())
        } else {
            let failed = |source| CommandError::File { action: "open", path: path.clone(), source };
            Box::new(File::open(path).map_err(failed)?)
        });
    }
    let mut sources: Vec<&mut dyn Read> =
        sources.iter_mut().map(|source| &mut **source as _).collect();
    let numbers = store.import_arenas(&mut sources)?;
    if format.json {
        return session.out.json(&json!({ "imported": numbers }));
    }
    for number in &numbers {
        session.out.line(format_args!("{number:08}"))?;
    }
    let count = human::count(numbers.len() as u64, "arena", "arenas");
    session.say(format_args!("took in {count}, after comparing every item with its name"))
}
