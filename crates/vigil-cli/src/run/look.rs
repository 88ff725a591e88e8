//! `vigil ls`, `stat` and `diff`.

use std::ops::ControlFlow;

use serde_json::{Value, json};
use vigil_base::{EntryKind, Tree, Uri, Vcid};
use vigil_files::{Change, Listed};

use super::Session;
use super::get::{locate, locate_tree};
use crate::args::{DiffArgs, ListArgs, StatArgs};
use crate::failure::CommandError;
use crate::human;

pub(super) fn list(args: &ListArgs, session: &mut Session<'_>) -> Result<(), CommandError> {
    let (store, found) = locate_tree(&args.target, &args.reach, session)?;
    let mut result = Ok(());
    let out = &mut session.out;
    let mut visit = |listed: Listed| {
        result = if args.format.json {
            out.json(&json!({
                "path": listed.path.to_string(),
                "kind": human::kind(listed.kind),
                "vcid": listed.vcid.to_string(),
                "size": listed.size,
            }))
        } else {
            out.line(line(&listed, args.long))
        };
        if result.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    };
    vigil_files::list(&store, found.vcid, args.recursive, &mut visit).map_err(|source| {
        CommandError::Resolve { uri: found.uri.clone(), source: Box::new(source) }
    })?;
    result
}

fn line(listed: &Listed, is_long: bool) -> String {
    let slash = if listed.kind == EntryKind::Tree { "/" } else { "" };
    let path = human::tree_path(&listed.path);
    if !is_long {
        return format!("{path}{slash}");
    }
    let size = listed.size.map_or_else(|| "-".into(), human::size);
    format!("{:<10} {size:>10}  {}  {path}{slash}", human::kind(listed.kind), listed.vcid)
}

pub(super) fn stat(args: &StatArgs, session: &mut Session<'_>) -> Result<(), CommandError> {
    let (store, found) = locate(&args.target, &args.reach, session)?;
    let failed = |source| CommandError::Read { uri: found.uri.clone(), source: Box::new(source) };
    let blob = store.find(found.vcid).map_err(failed)?;
    let entries = match found.kind {
        EntryKind::Tree => {
            Some(count_entries(&store.read(found.vcid).map_err(failed)?, &found.uri)?)
        }
        _ => None,
    };
    let uri = human::uri(found.kind, found.vcid);
    if args.format.json {
        return session.out.json(&json!({
            "uri": uri.to_string(),
            "kind": human::kind(found.kind),
            "vcid": found.vcid.to_string(),
            "size": blob.len(),
            "pieces": blob.piece_count(),
            "entries": entries,
            "metadata": found.metadata.as_ref().map(Vcid::to_string),
        }));
    }
    session.out.line(format_args!("uri       {uri}"))?;
    session.out.line(format_args!("kind      {}", human::kind(found.kind)))?;
    if let Some(entries) = entries {
        session.out.line(format_args!("entries   {}", human::grouped(entries)))?;
    }
    let bytes = human::count(blob.len(), "byte", "bytes");
    let size =
        if blob.len() < 1024 { bytes } else { format!("{} ({bytes})", human::size(blob.len())) };
    let what = if found.kind == EntryKind::Tree { ", the record alone" } else { "" };
    session.out.line(format_args!("size      {size}{what}"))?;
    if blob.piece_count() > 1 {
        session
            .out
            .line(format_args!("pieces    {}", human::grouped(blob.piece_count() as u64)))?;
    }
    if let Some(metadata) = found.metadata {
        session.out.line(format_args!("metadata  {metadata}"))?;
    }
    Ok(())
}

fn count_entries(record: &[u8], uri: &Uri) -> Result<u64, CommandError> {
    match Tree::decode(record) {
        Ok(tree) => Ok(tree.entries().len() as u64),
        Err(_) => Err(CommandError::NotATree { uri: uri.clone() }),
    }
}

#[derive(Default)]
struct Differences {
    added: u64,
    removed: u64,
    changed: u64,
}

impl Differences {
    /// Counts a change, and returns its sign and word.
    fn take(&mut self, change: &Change) -> (&'static str, &'static str) {
        let (count, sign, word) = match (&change.left, &change.right) {
            (None, _) => (&mut self.added, "+", "added"),
            (Some(_), None) => (&mut self.removed, "-", "removed"),
            (Some(_), Some(_)) => (&mut self.changed, "~", "changed"),
        };
        *count += 1;
        (sign, word)
    }
}

pub(super) fn diff(args: &DiffArgs, session: &mut Session<'_>) -> Result<(), CommandError> {
    let (store, left) = locate_tree(&args.left, &args.reach, session)?;
    let (_, right) = locate_tree(&args.right, &args.reach, session)?;
    let mut differences = Differences::default();
    let mut result = Ok(());
    let out = &mut session.out;
    let mut visit = |change: Change| {
        let (sign, word) = differences.take(&change);
        result = if args.format.json {
            out.json(&json!({
                "change": word,
                "path": change.path.to_string(),
                "left": side(change.left),
                "right": side(change.right),
            }))
        } else {
            let kind = change.right.or(change.left).map(|(kind, _)| kind);
            let slash = if kind == Some(EntryKind::Tree) { "/" } else { "" };
            out.line(format_args!("{sign} {}{slash}", human::tree_path(&change.path)))
        };
        if result.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    };
    vigil_files::diff(&store, left.vcid, right.vcid, &mut visit).map_err(|source| {
        CommandError::Resolve { uri: left.uri.clone(), source: Box::new(source) }
    })?;
    result?;
    let Differences { added, removed, changed } = differences;
    session.say(match added + removed + changed {
        0 => "no difference".into(),
        _ => format!("{added} added, {removed} removed, {changed} changed"),
    })
}

fn side(side: Option<(EntryKind, Vcid)>) -> Option<Value> {
    side.map(|(kind, vcid)| json!({ "kind": human::kind(kind), "vcid": vcid.to_string() }))
}
