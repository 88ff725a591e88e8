//! `vigil add`.

use std::path::Path;

use serde_json::json;
use vigil_base::{EntryKind, Vcid};
use vigil_files::{AddOptions, AddProgress, Added, add_path, add_stream};
use vigil_store::{Stored, Version, Writer};

use super::Session;
use crate::args::AddArgs;
use crate::failure::CommandError;
use crate::human;
use crate::resolve::is_standard;
use crate::talk::Progress;

pub(super) fn add(args: &AddArgs, session: &mut Session<'_>) -> Result<(), CommandError> {
    let defaults = AddOptions::default();
    // Opened first: the store's folder must be there to be told from others.
    let store = session.store()?;
    let options = AddOptions {
        exclude: args.exclude.clone(),
        obeys_ignore_files: args.ignore_files,
        metadata: args.metadata,
        file_bytes_max: args.max_file_size.unwrap_or(defaults.file_bytes_max),
        threads: session.threads,
        skips: identity(&session.store_folder).into_iter().collect(),
        uses_cache: !args.no_cache,
    };
    let writer = store.writer()?;
    for path in &args.paths {
        let added = if is_standard(path) {
            add_input(&writer, &options)?
        } else {
            add_one(&writer, path, &options, session)?
        };
        match &args.name {
            Some(name) => {
                let at = session.environment.clock.now();
                let Added { kind, root, metadata, .. } = added;
                writer.set_name(name, Version { at, kind, vcid: root, metadata })?;
            }
            None => writer.commit()?,
        }
        report(path, &added, args, session)?;
    }
    Ok(writer.finish()?)
}

fn add_one(
    writer: &Writer,
    path: &Path,
    options: &AddOptions,
    session: &Session<'_>,
) -> Result<Added, CommandError> {
    let meter = session.talk.meter(format!("adding {}", session.shown(path)));
    let show = |progress: AddProgress| {
        meter.show(&Progress {
            things: Some((progress.files_done, progress.files_found, "files")),
            bytes: progress.bytes_done,
            bytes_total: progress.is_walk_done.then_some(progress.bytes_found),
        });
    };
    add_path(writer, path, options, &show)
        .map_err(|source| CommandError::Add { path: path.into(), source: Box::new(source) })
}

fn add_input(writer: &Writer, options: &AddOptions) -> Result<Added, CommandError> {
    let failed =
        |source| CommandError::Add { path: "standard input".into(), source: Box::new(source) };
    let mut input = std::io::stdin().lock();
    let (root, bytes, stored) = add_stream(writer, &mut input, options).map_err(failed)?;
    Ok(Added {
        root,
        kind: EntryKind::File,
        metadata: None,
        files: 1,
        folders: 0,
        bytes,
        unchanged_files: 0,
        stored,
        notes: Vec::new(),
    })
}

fn report(
    path: &Path,
    added: &Added,
    args: &AddArgs,
    session: &mut Session<'_>,
) -> Result<(), CommandError> {
    for note in &added.notes {
        session.talk.warn("note", note);
    }
    let uri = human::uri(added.kind, added.root);
    if args.format.json {
        let Stored { new_bytes, written_bytes, .. } = added.stored;
        let notes: Vec<_> = added
            .notes
            .iter()
            .map(|note| json!({ "path": human::path(&note.path), "note": note.to_string() }))
            .collect();
        session.out.json(&json!({
            "path": human::path(path),
            "uri": uri.to_string(),
            "kind": human::kind(added.kind),
            "vcid": added.root.to_string(),
            "metadata": added.metadata.as_ref().map(Vcid::to_string),
            "name": args.name.as_ref().map(ToString::to_string),
            "files": added.files,
            "folders": added.folders,
            "bytes": added.bytes,
            "unchanged_files": added.unchanged_files,
            "new_bytes": new_bytes,
            "written_bytes": written_bytes,
            "notes": notes,
        }))?;
    } else {
        session.out.line(&uri)?;
    }
    // The URI is of use to whoever waits for it while the next path is being added.
    session.say(format_args!("{}: {}", session.shown(path), summary(added)))?;
    match &args.name {
        Some(name) => session.say(format_args!("{name} now means it")),
        None => Ok(()),
    }
}

fn summary(added: &Added) -> String {
    let mut text = String::new();
    if added.folders > 0 {
        text += &human::count(added.files, "file", "files");
        text += &format!(" in {}, ", human::count(added.folders, "folder", "folders"));
    }
    text += &human::size(added.bytes);
    let Stored { new_bytes, written_bytes, .. } = added.stored;
    if new_bytes == 0 {
        text += "; nothing of it was new";
    } else {
        text +=
            &format!("; {} new, kept in {}", human::size(new_bytes), human::size(written_bytes));
    }
    if added.unchanged_files > 0 && added.folders > 0 {
        text +=
            &format!("; {} not read again", human::count(added.unchanged_files, "file", "files"));
    }
    text
}

/// Returns what the system knows a folder by, if it is there.
pub(super) fn identity(folder: &Path) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt as _;
    let data = std::fs::metadata(folder).ok()?;
    Some((data.dev(), data.ino()))
}
