//! `vigil verify` and `repair`.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::json;
use vigil_base::world::{Disk as _, OpenMode};
use vigil_base::{EntryKind, References as _, TreeReferences, Vcid};
use vigil_store::format::{ItemId, ItemKind};
use vigil_store::{
    Arena, ArenaError, ArenaSupply, FolderDisk, NoSupply, RepairReport, Store, Supply,
    VerifyOptions, VerifyReport,
};

use super::Session;
use crate::args::{RepairArgs, VerifyArgs};
use crate::failure::CommandError;
use crate::human;
use crate::talk::Progress;

pub(super) fn verify(args: &VerifyArgs, session: &mut Session<'_>) -> Result<(), CommandError> {
    let store = session.store()?;
    let mut report = read_all(&store, args.sample.unwrap_or(100), session)?;
    let missing = missing_from_names(&store)?;
    report.lost.extend(missing);
    report.lost.sort_unstable();
    report.lost.dedup();
    if args.format.json {
        session.out.json(&json_of(&report))?;
    } else {
        print(&report, args.sample, session)?;
    }
    if report.is_index_damaged {
        session.say(
            "the index was damaged, or that of other arenas; it is written anew with the next add",
        )?;
    }
    match complaint(&report) {
        None => Ok(()),
        Some(what) => Err(CommandError::Damaged { what }),
    }
}

fn read_all(
    store: &Store,
    percent: u8,
    session: &Session<'_>,
) -> Result<VerifyReport, CommandError> {
    let meter = session.talk.meter("verifying");
    let show = |done, total| {
        meter.show(&Progress { things: None, bytes: done, bytes_total: Some(total) });
    };
    Ok(store.verify(&VerifyOptions { percent, threads: session.threads, progress: &show })?)
}

/// Returns what names lead to and the store does not have whole.
fn missing_from_names(store: &Store) -> Result<Vec<Vcid>, CommandError> {
    let mut todo: Vec<(Vcid, bool)> = Vec::new();
    for (_, versions) in store.names()? {
        for version in versions {
            todo.push((version.vcid, version.kind == EntryKind::Tree));
            todo.extend(version.metadata.map(|metadata| (metadata, false)));
        }
    }
    let mut seen = HashSet::new();
    let mut missing = Vec::new();
    while let Some((vcid, is_tree)) = todo.pop() {
        if !seen.insert((vcid, is_tree)) {
            continue;
        }
        if !store.contains(vcid).unwrap_or(false) {
            missing.push(vcid);
            continue;
        }
        let mut below = |vcid, is_tree| todo.push((vcid, is_tree));
        let is_readable = !is_tree
            || store
                .read(vcid)
                .is_ok_and(|bytes| TreeReferences.references(&bytes, &mut below).is_ok());
        if !is_readable {
            missing.push(vcid);
        }
    }
    Ok(missing)
}

fn item_kind(kind: ItemKind) -> &'static str {
    match kind {
        ItemKind::Blob => "blob",
        ItemKind::Chunk => "chunk",
        ItemKind::Layout => "layout",
    }
}

fn json_of(report: &VerifyReport) -> serde_json::Value {
    let damaged = report.damaged.iter().map(|item| {
        json!({
            "vcid": item.id.to_vcid().to_string(),
            "kind": item_kind(item.kind),
            "arena": item.at.arena,
            "offset": u64::from(item.at.trailer) * vigil_store::format::ALIGN,
        })
    });
    let strays = report.strays.iter().map(|stray| {
        json!({
            "arena": stray.arena,
            "start": stray.start,
            "end": stray.end,
            "is_damage": stray.is_damage,
        })
    });
    let unreadable =
        report.unreadable.iter().map(|(arena, reason)| json!({ "arena": arena, "reason": reason }));
    json!({
        "clean": report.is_clean(),
        "arenas": report.arenas,
        "records": report.records,
        "items": report.items,
        "stored_bytes": report.stored_bytes,
        "raw_bytes": report.raw_bytes,
        "damaged": damaged.collect::<Vec<_>>(),
        "lost": report.lost.iter().map(Vcid::to_string).collect::<Vec<_>>(),
        "unfinished": report.unfinished.iter().map(Vcid::to_string).collect::<Vec<_>>(),
        "strays": strays.collect::<Vec<_>>(),
        "unreadable": unreadable.collect::<Vec<_>>(),
        "damaged_seals": report.seals,
        "unindexed": report.unindexed,
        "index_damaged": report.is_index_damaged,
    })
}

fn print(
    report: &VerifyReport,
    sample: Option<u8>,
    session: &mut Session<'_>,
) -> Result<(), CommandError> {
    let out = &mut session.out;
    for item in &report.damaged {
        let (kind, arena) = (item_kind(item.kind), item.at.arena);
        let offset = u64::from(item.at.trailer) * vigil_store::format::ALIGN;
        let vcid = item.id.to_vcid();
        out.line(format_args!("damaged     {vcid}  {kind} in arena {arena:08} at byte {offset}"))?;
    }
    for vcid in &report.lost {
        out.line(format_args!("lost        {vcid}"))?;
    }
    for (arena, reason) in &report.unreadable {
        out.line(format_args!("unreadable  arena {arena:08}: {reason}"))?;
    }
    for arena in &report.seals {
        out.line(format_args!("seal        arena {arena:08}: its seal is damaged"))?;
    }
    for stray in report.strays.iter().filter(|stray| stray.is_damage) {
        let (arena, start, end) = (stray.arena, stray.start, stray.end);
        out.line(format_args!("stray       arena {arena:08}: bytes {start} to {end}"))?;
    }
    let items = human::count(report.items, "item", "items");
    let arenas = human::count(report.arenas, "arena", "arenas");
    let (stored, raw) = (human::size(report.stored_bytes), human::size(report.raw_bytes));
    let drawn = sample.map(|percent| format!(", a sample of {percent} %")).unwrap_or_default();
    out.line(format_args!(
        "compared {items} in {arenas}{drawn}: {stored} stored, {raw} of content"
    ))?;
    if report.is_clean() {
        out.line("everything is as it was written")?;
    }
    Ok(())
}

fn complaint(report: &VerifyReport) -> Option<String> {
    if report.is_clean() {
        return None;
    }
    let mut parts = Vec::new();
    let mut tell = |number: usize, one: &str, many: &str| {
        if number > 0 {
            parts.push(human::count(number as u64, one, many));
        }
    };
    tell(report.lost.len(), "blob cannot be read", "blobs cannot be read");
    tell(report.damaged.len(), "damaged item", "damaged items");
    tell(report.unreadable.len(), "unreadable arena", "unreadable arenas");
    tell(report.seals.len(), "damaged seal", "damaged seals");
    let strays = report.strays.iter().filter(|stray| stray.is_damage).count();
    tell(strays, "range that no record describes", "ranges that no record describes");
    Some(parts.join(", "))
}

pub(super) fn repair(args: &RepairArgs, session: &mut Session<'_>) -> Result<(), CommandError> {
    let store = session.store()?;
    let report = if args.from.is_empty() {
        match super::tier::supplies(&store, session)?.as_slice() {
            [] => store.repair(&NoSupply)?,
            supplies => store.repair(&Several(supplies))?,
        }
    } else {
        let mut arenas = Vec::new();
        for (number, path) in (0..).zip(&args.from) {
            arenas.push(open_arena(path, number)?);
        }
        let all: Vec<PathBuf> = args.from.clone();
        let supply = ArenaSupply::new(arenas).map_err(|source| CommandError::Arena {
            path: arena_at_fault(&source, &all),
            source,
        })?;
        store.repair(&supply)?
    };
    print_repair(args, &report, session)?;
    match report.lost.len() as u64 {
        0 => Ok(()),
        blobs => Err(CommandError::Lost { blobs }),
    }
}

/// Several places to have intact copies from, asked in turn.
struct Several<'a>(&'a [Box<dyn Supply>]);

impl Supply for Several<'_> {
    fn item(&self, id: &ItemId, kind: ItemKind) -> Option<Vec<u8>> {
        self.0.iter().find_map(|supply| supply.item(id, kind))
    }
}

/// Opens an arena file that lies outside the store.
fn open_arena(path: &Path, number: u32) -> Result<Arc<Arena>, CommandError> {
    let failed = |source| CommandError::Arena { path: path.into(), source };
    let absolute = std::path::absolute(path).map_err(|source| CommandError::File {
        action: "find",
        path: path.into(),
        source,
    })?;
    let (folder, name) = match (absolute.parent(), absolute.file_name().and_then(|n| n.to_str())) {
        (Some(folder), Some(name)) => (folder, name),
        _ => {
            let source = std::io::ErrorKind::InvalidFilename.into();
            return Err(CommandError::File { action: "open", path: path.into(), source });
        }
    };
    let file = FolderDisk::new(folder).open(name, OpenMode::Read);
    let file = file.map_err(|error| failed(ArenaError::Disk(error)))?;
    Arena::open(Arc::from(file), number).map(Arc::new).map_err(failed)
}

/// Arenas given with `--from` are numbered in their order.
fn arena_at_fault(error: &ArenaError, paths: &[PathBuf]) -> PathBuf {
    let number = match error {
        ArenaError::Header { number, .. } | ArenaError::Damaged { number, .. } => *number as usize,
        _ => 0,
    };
    paths.get(number).cloned().unwrap_or_default()
}

fn print_repair(
    args: &RepairArgs,
    report: &RepairReport,
    session: &mut Session<'_>,
) -> Result<(), CommandError> {
    if args.format.json {
        return session.out.json(&json!({
            "replaced": report.replaced,
            "saved_items": report.saved,
            "mended_items": report.mended,
            "lost": report.lost.iter().map(Vcid::to_string).collect::<Vec<_>>(),
        }));
    }
    for vcid in &report.lost {
        session.out.line(format_args!("lost  {vcid}"))?;
    }
    if report.replaced.is_empty() {
        return session.out.line("nothing is damaged");
    }
    let arenas = human::count(report.replaced.len() as u64, "arena", "arenas");
    let saved = human::count(report.saved, "item", "items");
    let mended = human::count(report.mended, "item", "items");
    session.out.line(format_args!("replaced {arenas}: {saved} copied, {mended} mended"))?;
    session.say("the damaged files are kept under damaged/ in the store")
}
