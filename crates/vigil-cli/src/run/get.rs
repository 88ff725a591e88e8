//! `vigil get`, `cat` and `tar`: from the store to files and pipes.

use std::ops::Range;
use std::path::Path;

use vigil_base::{EntryKind, Root, Tree, Uri, Vcid};
use vigil_files::{
    Resolved, RestoreOptions, RestoreProgress, resolve, restore, write_blob, write_tar,
};
use vigil_store::{ReadError, Store};

use super::Session;
use super::kernel::Resolving;
use crate::args::{ByteRange, CatArgs, GetArgs, ReachArgs, TarArgs, Target};
use crate::failure::CommandError;
use crate::human;
use crate::talk::{Progress, Talk};

/// Follows a URI.
pub(super) fn follow(store: &Store, uri: &Uri) -> Result<Resolved, CommandError> {
    resolve(store, uri)
        .map_err(|source| CommandError::Resolve { uri: uri.clone(), source: Box::new(source) })
}

/// Resolves a URI or a pipeline, and says what it gives as a place in the store.
///
/// The bytes are what the kernel finds. How a tree keeps them, their mode, and the metadata beside
/// them, is looked up where the target is a URI of the store.
pub(super) fn locate(
    target: &Target,
    reach: &ReachArgs,
    session: &mut Session<'_>,
) -> Result<(Store, Resolved), CommandError> {
    let mut kernel = Resolving::start(reach, session)?;
    let found = kernel.locate(target);
    kernel.finish(session)?;
    Ok((kernel.store, found?))
}

/// Resolves to a tree. For a person who left out the slash, bytes that are named by their hash and look
/// like a tree are taken for one: here, nothing else could be meant.
pub(super) fn locate_tree(
    target: &Target,
    reach: &ReachArgs,
    session: &mut Session<'_>,
) -> Result<(Store, Resolved), CommandError> {
    let (store, found) = locate(target, reach, session)?;
    if found.kind == EntryKind::Tree {
        return Ok((store, found));
    }
    let is_bare = target.plain.as_ref().is_some_and(is_bare);
    if !is_bare || !looks_like_tree(&store, found.vcid)? {
        return Err(CommandError::NotATree { uri: found.uri });
    }
    let found = follow(&store, &Uri::tree(found.vcid))?;
    Ok((store, found))
}

/// Whether a URI names bytes by their hash and nothing else.
fn is_bare(uri: &Uri) -> bool {
    uri.path.is_none() && matches!(uri.root, Root::Content(_))
}

fn looks_like_tree(store: &Store, vcid: Vcid) -> Result<bool, CommandError> {
    let failed = |source: ReadError| CommandError::Read {
        uri: Uri::content(vcid),
        source: Box::new(source),
    };
    let blob = store.find(vcid).map_err(failed)?;
    let mut start = vec![0; blob.len().min(64) as usize];
    store.read_range(&blob, 0, &mut start).map_err(failed)?;
    Ok(Tree::looks_like(&start))
}

pub(super) fn get(args: &GetArgs, session: &mut Session<'_>) -> Result<(), CommandError> {
    let (store, mut found) = locate(&args.target, &args.reach, session)?;
    let uri = found.uri.clone();
    let Some(output) = &args.output else {
        return write_bytes(&store, &uri, &found, args.range, session);
    };
    if let Some(range) = args.range {
        return get_range(&store, &uri, &found, range, output, args.overwrite, session);
    }
    if found.kind != EntryKind::Tree && is_bare(&uri) {
        hint_slash(&store, &uri, found.vcid, &session.talk)?;
    }
    if let Some(Some(record)) = args.metadata {
        found.metadata = Some(record);
    }
    if args.metadata.is_some() && found.metadata.is_none() {
        return Err(CommandError::NoMetadata { uri: uri.clone() });
    }
    let options = RestoreOptions {
        threads: session.threads,
        metadata: args.metadata.is_some(),
        overwrites: args.overwrite,
    };
    let restored = {
        let meter = session.talk.meter(format!("getting {uri}"));
        let show = |progress: RestoreProgress| {
            meter.show(&Progress {
                things: Some((progress.files_done, progress.files, "files")),
                bytes: progress.bytes_done,
                bytes_total: None,
            });
        };
        restore(&store, &found, output, &options, &show).map_err(|source| {
            let (uri, path) = (uri.clone(), output.clone());
            CommandError::Restore { uri, path, source: Box::new(source) }
        })?
    };
    restored.notes.iter().for_each(|note| session.talk.warn("note", note));
    let files = human::count(restored.files, "file", "files");
    let size = human::size(restored.bytes);
    session.say(format_args!("{}: {files}, {size}", session.shown(output)))
}

/// Tells a person who left out the slash that there is a tree behind these bytes.
fn hint_slash(store: &Store, uri: &Uri, vcid: Vcid, talk: &Talk<'_>) -> Result<(), CommandError> {
    if looks_like_tree(store, vcid)? {
        talk.warn(
            "hint",
            format_args!("these are the bytes of a tree's record; `{uri}/` means the tree"),
        );
    }
    Ok(())
}

/// Settles a range of a blob; without an end it goes to the blob's.
fn settle(
    store: &Store,
    uri: &Uri,
    vcid: Vcid,
    range: ByteRange,
) -> Result<Range<u64>, CommandError> {
    let failed = |source| CommandError::Read { uri: uri.clone(), source: Box::new(source) };
    let len = store.find(vcid).map_err(failed)?.len();
    let (start, end) = (range.start, range.end.unwrap_or(len));
    if start > end || end > len {
        return Err(failed(ReadError::Range { vcid, len, start, end }));
    }
    Ok(start..end)
}

/// Writes a file's bytes to standard output.
fn write_bytes(
    store: &Store,
    uri: &Uri,
    found: &Resolved,
    range: Option<ByteRange>,
    session: &mut Session<'_>,
) -> Result<(), CommandError> {
    if found.kind == EntryKind::Tree {
        return Err(CommandError::IsATree { uri: uri.clone() });
    }
    if is_bare(uri) {
        hint_slash(store, uri, found.vcid, &session.talk)?;
    }
    let range = range.map(|range| settle(store, uri, found.vcid, range)).transpose()?;
    write_part(store, uri, found.vcid, range, &mut session.out, &session.talk)
}

pub(super) fn write_part(
    store: &Store,
    uri: &Uri,
    vcid: Vcid,
    range: Option<Range<u64>>,
    out: &mut dyn std::io::Write,
    talk: &Talk<'_>,
) -> Result<(), CommandError> {
    let meter = talk.meter(format!("reading {uri}"));
    let show = |done, total| {
        meter.show(&Progress { things: None, bytes: done, bytes_total: Some(total) });
    };
    write_blob(store, vcid, range, out, &show)
        .map_err(|source| CommandError::Write { uri: uri.clone(), source: Box::new(source) })?;
    Ok(())
}

/// Writes a part of a file to another file.
fn get_range(
    store: &Store,
    uri: &Uri,
    found: &Resolved,
    range: ByteRange,
    output: &Path,
    overwrites: bool,
    session: &Session<'_>,
) -> Result<(), CommandError> {
    if found.kind == EntryKind::Tree {
        return Err(CommandError::IsATree { uri: uri.clone() });
    }
    let range = settle(store, uri, found.vcid, range)?;
    let failed = |action: &'static str| {
        move |source| CommandError::File { action, path: output.into(), source }
    };
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(!overwrites).create(overwrites).truncate(overwrites);
    let mut file = options.open(output).map_err(failed("create"))?;
    write_part(store, uri, found.vcid, Some(range), &mut file, &session.talk)?;
    file.sync_all().map_err(failed("sync"))
}

pub(super) fn cat(args: &CatArgs, session: &mut Session<'_>) -> Result<(), CommandError> {
    let mut kernel = Resolving::start(&args.reach, session)?;
    for target in &args.targets {
        let found = kernel.locate(target);
        if found.is_err() {
            kernel.finish(session)?;
        }
        let found = found?;
        write_bytes(&kernel.store, &found.uri, &found, None, session)?;
    }
    kernel.finish(session)
}

pub(super) fn tar(args: &TarArgs, session: &mut Session<'_>) -> Result<(), CommandError> {
    let (store, found) = locate_tree(&args.target, &args.reach, session)?;
    let meter = session.talk.meter(format!("reading {}", args.target));
    let show = |done| meter.show(&Progress { things: None, bytes: done, bytes_total: None });
    let written = write_tar(&store, &found, &mut session.out, session.threads, &show);
    written.map_err(|source| CommandError::Write { uri: found.uri, source: Box::new(source) })?;
    Ok(())
}
