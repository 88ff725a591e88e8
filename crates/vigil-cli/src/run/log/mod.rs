//! `vigil log`.

mod keys;
mod verify;
mod watch;

use std::error::Error;
use std::fs;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::sync::Arc;

use serde_json::json;
use vigil_base::world::{Disk, replace_file};
use vigil_base::{Blame, Blamed};
use vigil_store::FolderDisk;
use vigil_trust::log::{
    AddCheckpoint, Appended, DiskTiles, DurableLog, Ed25519Kind, LeafIndex, LogReader,
    SignedCheckpoint, TreeHash, TreeSize,
};

use super::Session;
use crate::args::{
    LogAppendArgs, LogCommand, LogCosignArgs, LogInitArgs, LogProveArgs, LogServeArgs,
};
use crate::failure::CommandError;
use crate::human;
use crate::resolve::is_standard;

/// How many entries go into one batch: enough that the disk is waited for seldom.
const BATCH_ENTRIES_MAX: usize = 16 << 10;
/// How many bytes go into one batch.
const BATCH_BYTES_MAX: usize = 8 << 20;

pub(super) fn perform(command: &LogCommand, session: &mut Session<'_>) -> Result<(), CommandError> {
    match command {
        LogCommand::Init(args) => init(args, session),
        LogCommand::Append(args) => append(args, session),
        LogCommand::Prove(args) => prove(args, session),
        LogCommand::Verify(args) => verify::verify(args, session),
        LogCommand::Witness(args) => watch::witness(args, session),
        LogCommand::Cosign(args) => cosign(args, session),
        LogCommand::Monitor(args) => watch::monitor(args, session),
        LogCommand::Keep { folder, from, key } => keep(folder, *from, key.as_deref(), session),
        LogCommand::ServeDir(args) => serve(args, session),
    }
}

/// Wraps what went wrong, to be blamed on whoever gave the words.
pub(super) fn refused<E: Error + Send + Sync + 'static>(
    action: impl Into<String>,
) -> impl FnOnce(E) -> CommandError {
    let action = action.into();
    |error| CommandError::Log { action, blame: Blame::Caller, source: Box::new(error) }
}

/// Wraps what went wrong with its own blame.
pub(super) fn failed<E: Blamed + Send + Sync + 'static>(
    action: impl Into<String>,
) -> impl FnOnce(E) -> CommandError {
    let action = action.into();
    |error| CommandError::Log { action, blame: error.blame(), source: Box::new(error) }
}

/// Something that only needs words.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Because(String);

pub(super) fn because(action: &str, why: impl Into<String>) -> CommandError {
    refused(action)(Because(why.into()))
}

pub(super) fn disk(folder: &Path) -> Arc<dyn Disk> {
    Arc::new(FolderDisk::new(folder))
}

/// Reads a file, or standard input.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, CommandError> {
    let mut bytes = Vec::new();
    let result = if is_standard(path) {
        std::io::stdin().lock().read_to_end(&mut bytes).map(|_| bytes)
    } else {
        fs::read(path)
    };
    result.map_err(|source| CommandError::File { action: "read", path: path.into(), source })
}

/// Writes a file as a whole, so that a crash leaves the old one or the new one.
pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<(), CommandError> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
    Ok(replace_file(&FolderDisk::new(folder), &name.unwrap_or_default(), bytes)?)
}

pub(super) fn open(
    folder: &Path,
    key: Option<&Path>,
    session: &Session<'_>,
) -> Result<DurableLog, CommandError> {
    let signer = keys::read(&keys::place(folder, key), Ed25519Kind::Log, session)?;
    let action = format!("open the log in {}", session.shown(folder));
    DurableLog::open(disk(folder), signer).map_err(failed(action))
}

/// Reads what the log in a folder says. It is not asked who signed it: this is for the log's owner.
pub(super) fn published(
    folder: &Path,
    session: &Session<'_>,
) -> Result<SignedCheckpoint, CommandError> {
    let bytes = read(&folder.join("checkpoint"))?;
    let action = format!("read the checkpoint in {}", session.shown(folder));
    SignedCheckpoint::parse(&bytes).map_err(refused(action))
}

fn init(args: &LogInitArgs, session: &mut Session<'_>) -> Result<(), CommandError> {
    let place = keys::place(&args.folder, args.key.as_deref());
    let signer = keys::read_or_make(&place, Ed25519Kind::Log, Some(&args.origin), session)?;
    let key = signer.key().to_string();
    let action = format!("start a log in {}", session.shown(&args.folder));
    DurableLog::create(disk(&args.folder), signer).map_err(failed(action))?;
    if args.format.json {
        let key_file = session.shown(&place);
        return session
            .out
            .json(&json!({ "origin": args.origin, "key": key, "key_file": key_file }));
    }
    session.out.line(&key)?;
    let (folder, place) = (session.shown(&args.folder), session.shown(&place));
    session.say(format_args!("the log is in {folder}, its secret key in {place}"))
}

fn append(args: &LogAppendArgs, session: &mut Session<'_>) -> Result<(), CommandError> {
    let mut log = open(&args.folder, args.key.as_deref(), session)?;
    for path in &args.files {
        let bytes = read(path)?;
        let entries: Vec<&[u8]> = match args.lines {
            false => Vec::from([bytes.as_slice()]),
            true => bytes.strip_suffix(b"\n").unwrap_or(&bytes).split(|b| *b == b'\n').collect(),
        };
        if args.lines && bytes.is_empty() {
            continue;
        }
        let mut rest = entries.as_slice();
        while !rest.is_empty() {
            let (batch, after) = rest.split_at(batch_len(rest));
            let action = format!("append {}", session.shown(path));
            let appended = log.append(batch).map_err(failed(action))?;
            print_appended(&appended, batch.len(), args.format.json, session)?;
            // Whoever reads the line may rely on it, also if we die with the next batch.
            session.finish()?;
            rest = after;
        }
    }
    Ok(())
}

/// How many of these entries go into the next batch; at least one.
fn batch_len(entries: &[&[u8]]) -> usize {
    let mut bytes = 0;
    let fits = |entry: &&&[u8]| {
        bytes += entry.len();
        bytes <= BATCH_BYTES_MAX
    };
    entries.iter().take(BATCH_ENTRIES_MAX).take_while(fits).count().max(1)
}

fn print_appended(
    appended: &Appended,
    count: usize,
    is_json: bool,
    session: &mut Session<'_>,
) -> Result<(), CommandError> {
    let now = appended.checkpoint.unverified();
    let (first, size) = (appended.first.0, now.size.0);
    if is_json {
        let root = now.root.to_string();
        let document = json!({ "first": first, "count": count, "size": size, "root": root });
        return session.out.json(&document);
    }
    match count {
        1 => session.out.line(first),
        _ => session.out.line(format_args!("{first}-{}", first + count as u64 - 1)),
    }
}

fn prove(args: &LogProveArgs, session: &mut Session<'_>) -> Result<(), CommandError> {
    let checkpoint = published(&args.folder, session)?;
    let disk = disk(&args.folder);
    let mut reader = LogReader::new(DiskTiles(&*disk), checkpoint.clone());
    let text = if let Some(size) = args.since {
        let old = TreeSize(size);
        let proof = reader.prove_growth(old).map_err(refused("prove that the log only grew"))?;
        AddCheckpoint { old, proof, checkpoint }.to_string()
    } else {
        let proof = match (&args.entry, args.index) {
            (Some(path), _) => {
                let leaf = TreeHash::of_leaf(&read(path)?);
                let found = reader.find(leaf).map_err(refused("look for the entry"))?;
                let absent = || {
                    because("prove that", format!("no entry of the log is {}", session.shown(path)))
                };
                reader.prove(found.ok_or_else(absent)?, leaf)
            }
            (None, index) => {
                reader.entry(LeafIndex(index.unwrap_or_default())).map(|(_, proof)| proof)
            }
        };
        proof.map_err(refused("prove that the entry is in the log"))?.to_string()
    };
    match &args.output {
        Some(path) => write(path, text.as_bytes()),
        None => session.out.write_all(text.as_bytes()).map_err(CommandError::Output),
    }
}

fn cosign(args: &LogCosignArgs, session: &mut Session<'_>) -> Result<(), CommandError> {
    let mut log = open(&args.folder, args.key.as_deref(), session)?;
    let witnesses = args.witnesses.iter().map(|text| keys::public(text));
    let witnesses = witnesses.collect::<Result<Vec<_>, _>>()?;
    let bytes = read(&args.answer)?;
    let text = String::from_utf8_lossy(&bytes);
    let lines = text.lines().map(vigil_trust::log::NoteSignature::parse);
    let lines = lines.collect::<Result<Vec<_>, _>>().map_err(refused("read the answer"))?;
    let added = log.add_cosignatures(&witnesses, &lines).map_err(failed("add signatures"))?;
    if args.format.json {
        return session.out.json(&json!({ "added": added }));
    }
    let what = human::count(added as u64, "signature", "signatures");
    session.say(format_args!("{what} added to what the log says"))
}

fn keep(
    folder: &Path,
    from: u64,
    key: Option<&Path>,
    session: &mut Session<'_>,
) -> Result<(), CommandError> {
    let mut log = open(folder, key, session)?;
    log.keep_from(LeafIndex(from)).map_err(failed("let the log be kept from there on"))?;
    session.say(format_args!("full tiles that end before entry {from} are no longer served"))
}

fn serve(args: &LogServeArgs, session: &mut Session<'_>) -> Result<(), CommandError> {
    published(&args.folder, session)?;
    let door = session.environment.logs.clone();
    let mut told = Ok(());
    let mut ready = |address| {
        told = session.out.line(format_args!("http://{address}/")).and_then(|()| session.finish());
    };
    let served = door.serve(disk(&args.folder), args.listen, args.answers, &mut ready);
    told?;
    let action = format!("serve {}", session.shown(&args.folder));
    served.map_err(|(blame, source)| CommandError::Log { action, blame, source })
}
