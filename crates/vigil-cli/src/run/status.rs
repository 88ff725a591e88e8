//! `vigil status`.

use serde_json::json;
use vigil_base::world::Disk as _;
use vigil_store::{ArenaInfo, ArenaState, FolderDisk};

use super::Session;
use crate::args::StatusArgs;
use crate::failure::CommandError;
use crate::human;

pub(super) fn status(args: &StatusArgs, session: &mut Session<'_>) -> Result<(), CommandError> {
    let store = session.store()?;
    store.refresh()?;
    let arenas = store.arenas()?;
    let in_state = |state: fn(&ArenaState) -> bool| -> u64 {
        arenas.iter().filter(|arena| state(&arena.state)).count() as u64
    };
    let open = in_state(|state| matches!(state, ArenaState::Open));
    let sealed = in_state(|state| matches!(state, ArenaState::Sealed));
    let moved = in_state(|state| matches!(state, ArenaState::Moved(_)));
    let is_here = |arena: &&ArenaInfo| !matches!(arena.state, ArenaState::Moved(_));
    let bytes: u64 = arenas.iter().filter(is_here).map(|arena| arena.bytes).sum();
    let free = FolderDisk::new(&session.store_folder).free_bytes()?;
    let names = store.names()?.len() as u64;
    let folder = human::path(&session.store_folder);
    let out = &mut session.out;
    if args.format.json {
        return out.json(&json!({
            "store": folder,
            "site": store.site().to_string(),
            "class": store.class().as_str(),
            "names": names,
            "index_entries": store.item_count(),
            "arenas": arenas.len(),
            "open_arenas": open,
            "sealed_arenas": sealed,
            "moved_arenas": moved,
            "arena_bytes": bytes,
            "free_bytes": free,
        }));
    }
    let states = format!("{open} open, {sealed} sealed, {moved} moved to a tier");
    out.line(format_args!("store   {folder}"))?;
    out.line(format_args!("site    {}", store.site()))?;
    out.line(format_args!("names   {}", human::grouped(names)))?;
    out.line(format_args!("items   {}", human::grouped(store.item_count())))?;
    out.line(format_args!("arenas  {} ({states})", arenas.len()))?;
    out.line(format_args!("room    {} taken by arenas", human::size(bytes)))?;
    if let Some(free) = free {
        out.line(format_args!("        {} free on the disk", human::size(free)))?;
    }
    Ok(())
}
