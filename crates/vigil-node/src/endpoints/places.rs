//! Where bytes lie: content by what it is, names of this machine, files and folders below an allowed
//! one, and text in the URI itself.

use std::str::FromStr as _;

use vigil_base::cbor::{DecodeError, Decoder, Fault};
use vigil_base::{EntryKind, Root, Tree, TreePath, Uri, Vcid, percent_decode};
use vigil_kernel::{Blobs as _, Produced, Reason, Refusal};

use super::{BYTES_TYPE, TEXT_TYPE, TREE_TYPE};
use crate::description::{Asked, Description, kept_as, media_type, misuse, world};

/// Content, names, files, data.
pub const ENDPOINTS: &[Description] = &[
    Description {
        name: "content",
        help: "bytes by their SHA-256, and what a tree holds under a path",
        pattern: Some("ca://sha256:{content:rest}"),
        parameters: &[],
        gives: &[BYTES_TYPE, TREE_TYPE],
        only_looks_up: true,
        serve: |asked| Box::pin(content(asked)),
    },
    Description {
        name: "name",
        help: "what this machine's owner calls so, and what a tree holds under a path",
        pattern: Some("@{name:rest}"),
        parameters: &[],
        gives: &[BYTES_TYPE, TREE_TYPE],
        only_looks_up: true,
        serve: |asked| Box::pin(name(asked)),
    },
    Description {
        name: "file",
        help: "files and folders below the folder that this node may read (--files)",
        pattern: Some("file:{path:rest}"),
        parameters: &[],
        gives: &[BYTES_TYPE, TREE_TYPE],
        only_looks_up: true,
        serve: |asked| Box::pin(file(asked)),
    },
    Description {
        name: "data",
        help: "the text that stands in the URI itself, with %HH for blanks and the like",
        pattern: Some("data:,{text:rest}"),
        parameters: &[],
        gives: &[TEXT_TYPE],
        only_looks_up: true,
        serve: |asked| Box::pin(data(asked)),
    },
];

/// So much of a record shows whether it is a tree.
const TREE_START_BYTES: usize = 64;

pub(super) fn kept((kind, vcid): (EntryKind, Vcid)) -> Produced {
    kept_as(if kind == EntryKind::Tree { TREE_TYPE } else { BYTES_TYPE }, vcid)
}

pub(super) fn absent(text: String) -> Refusal {
    Refusal::new(Reason::Absent, text)
}

fn kind_text(kind: EntryKind) -> &'static str {
    match kind {
        EntryKind::File | EntryKind::Executable => "a file",
        EntryKind::Symlink => "a symbolic link",
        EntryKind::Tree => "a folder",
    }
}

/// Follows a path down from a tree, or from what is none.
pub(super) fn descend(
    asked: &Asked<'_>,
    start: (EntryKind, Vcid),
    path: Option<&TreePath>,
) -> Result<(EntryKind, Vcid), Refusal> {
    let mut here = start;
    let mut walked = TreePath::root();
    let steps = path.map_or(&[][..], TreePath::names);
    let no_folder = |walked: &TreePath, kind| {
        let what = match walked.is_root() {
            true => "what is named".to_owned(),
            false => format!("`{walked}`"),
        };
        Err(absent(format!("{what} is {}, so nothing is below it", kind_text(kind))))
    };
    for name in steps {
        if here.0 != EntryKind::Tree {
            return no_folder(&walked, here.0);
        }
        look(asked, here.1)?;
        let record = asked.context.read(here.1)?;
        let tree =
            Tree::decode(&record).map_err(|_| misuse(format!("{} is not a tree", here.1)))?;
        let place = || match walked.is_root() {
            true => "the tree".to_owned(),
            false => format!("`{walked}`"),
        };
        let missing = || absent(format!("there is no `{name}` in {}", place()));
        let entry = tree.get(name).ok_or_else(missing)?;
        here = (entry.kind, entry.vcid);
        walked = walked.join(name.clone());
    }
    if path.is_some_and(TreePath::is_root) && here.0 != EntryKind::Tree {
        return no_folder(&walked, here.0);
    }
    look(asked, here.1)?;
    Ok(here)
}

/// Says now if bytes are not here. That may be otherwise later, so nobody keeps the answer.
fn look(asked: &Asked<'_>, vcid: Vcid) -> Result<(), Refusal> {
    let Err(refusal) = asked.context.find(vcid) else { return Ok(()) };
    match asked.host.is_here(vcid) {
        Ok(false) => Err(absent(format!("no blob named {vcid}"))
            .hint("it is not in this store; `--store PATH` names another")),
        _ => Err(refusal),
    }
}

fn read_uri(asked: &Asked<'_>) -> Result<Uri, Refusal> {
    let text = asked.call.request.uri.as_str();
    Uri::from_str(text).map_err(|error| {
        let source = std::error::Error::source(&error).map(|source| format!(": {source}"));
        misuse(format!("{error}{}", source.unwrap_or_default()))
    })
}

async fn content(asked: Asked<'_>) -> Result<Produced, Refusal> {
    let uri = read_uri(&asked)?;
    let Root::Content(vcid) = uri.root else {
        return Err(misuse("that is no content"));
    };
    let kind = if uri.path.is_some() { EntryKind::Tree } else { EntryKind::File };
    let found = descend(&asked, (kind, vcid), uri.path.as_ref())?;
    if found.0 == EntryKind::Tree {
        // The slash behind a name is what somebody says, and not what is there.
        let start = asked.host.start(found.1, TREE_START_BYTES);
        if !Tree::looks_like(&start.map_err(|fault| world(fault.what))?) {
            return Err(misuse(format!("{} is not a tree", found.1)));
        }
    }
    Ok(kept(found))
}

async fn name(asked: Asked<'_>) -> Result<Produced, Refusal> {
    let uri = read_uri(&asked)?;
    let Root::Name { name, back } = &uri.root else {
        return Err(misuse("that is no name"));
    };
    let state = asked.context.root(&format!("name/{}", name.as_str())).await?;
    let nothing = || {
        absent(format!("nothing is named {name}"))
            .hint("`vigil name list` shows the names that there are")
    };
    let state = state.ok_or_else(nothing)?;
    let versions = decode_versions(&state).map_err(|error| world(error.to_string()))?;
    let found = versions.iter().rev().nth(*back as usize).copied();
    let missing = || {
        let count = versions.len();
        let versions = if count == 1 { "version" } else { "versions" };
        absent(format!("{name} has only {count} {versions}"))
            .hint(format!("`vigil name show {name}` shows its versions"))
    };
    let found = found.ok_or_else(missing)?;
    Ok(kept(descend(&asked, found, uri.path.as_ref())?))
}

async fn file(asked: Asked<'_>) -> Result<Produced, Refusal> {
    let path = &asked.call.parts["path"];
    let state = asked.context.root(&format!("file/{path}")).await?;
    let nothing = || {
        absent(format!("no file or folder `{path}` may be read here"))
            .hint("`--files FOLDER` says below which folder `file:` may read")
    };
    let state = state.ok_or_else(nothing)?;
    let place = decode_place(&state).map_err(|error| world(error.to_string()))?;
    Ok(kept(place))
}

async fn data(asked: Asked<'_>) -> Result<Produced, Refusal> {
    let text = percent_decode(&asked.call.parts["text"]);
    let text = text.ok_or_else(|| misuse("`%` is followed by two hexadecimal digits"))?;
    if std::str::from_utf8(&text).is_err() {
        return Err(misuse("the text of `data:,` is UTF-8, and this is not"));
    }
    Ok(Produced::bytes(media_type(TEXT_TYPE), text))
}

fn read_kind(decoder: &mut Decoder<'_>) -> Result<EntryKind, DecodeError> {
    let at = decoder.offset();
    match EntryKind::from_code(decoder.unsigned()?) {
        Some(kind) => Ok(kind),
        None => decoder.fault(at, Fault::Range),
    }
}

/// Reads what [`crate::StoreHost`] gives as a name's state.
fn decode_versions(state: &[u8]) -> Result<Vec<(EntryKind, Vcid)>, DecodeError> {
    let mut decoder = Decoder::new(state)?;
    let mut versions = Vec::new();
    for _ in 0..decoder.array()? / 2 {
        let kind = read_kind(&mut decoder)?;
        versions.push((kind, Vcid::from_bytes(decoder.byte_array()?)));
    }
    decoder.finish()?;
    Ok(versions)
}

/// Reads what [`crate::StoreHost`] gives as the state of a file or folder.
fn decode_place(state: &[u8]) -> Result<(EntryKind, Vcid), DecodeError> {
    let mut decoder = Decoder::new(state)?;
    decoder.array_of(2)?;
    let kind = read_kind(&mut decoder)?;
    let vcid = Vcid::from_bytes(decoder.byte_array()?);
    decoder.finish()?;
    Ok((kind, vcid))
}
