//! Where bytes lie: content by what it is, names of this machine, files below an allowed folder.

use std::str::FromStr as _;

use vigil_base::cbor::{DecodeError, Decoder, Fault};
use vigil_base::{EntryKind, Root, Tree, TreePath, Uri, Vcid};
use vigil_kernel::{
    Body, Call, Context, Endpoint, Grammar, Label, MediaType, Produced, Reason, Refusal, Serving,
};

use super::{grammar, misuse, version};

/// The media type of a tree's record.
pub const TREE_TYPE: &str = "application/vnd.vigil.tree";
const BYTES: &str = "application/octet-stream";

fn kept(vcid: Vcid, kind: EntryKind) -> Produced {
    let name = if kind == EntryKind::Tree { TREE_TYPE } else { BYTES };
    let media_type = MediaType::new(name).expect("both are media types");
    Produced { body: Body::Kept(vcid), media_type, label: Label::default() }
}

/// Follows a path down from a tree.
fn descend(
    context: &Context<'_>,
    start: (EntryKind, Vcid),
    path: &TreePath,
) -> Result<(EntryKind, Vcid), Refusal> {
    let absent = |text: String| Refusal::new(Reason::Absent, text);
    let mut here = start;
    for name in path.names() {
        if here.0 != EntryKind::Tree {
            return Err(absent(format!("nothing is below `{name}`: what holds it is no folder")));
        }
        let record = context.read(here.1)?;
        let tree = Tree::decode(&record).map_err(|_| misuse(format!("{} is no tree", here.1)))?;
        let entry = tree.get(name).ok_or_else(|| absent(format!("there is no `{name}` there")))?;
        here = (entry.kind, entry.vcid);
    }
    // Says so now if it is not here.
    context.find(here.1)?;
    Ok(here)
}

fn read_uri(call: &Call) -> Result<Uri, Refusal> {
    Uri::from_str(call.request.uri.as_str()).map_err(|error| misuse(error.to_string()))
}

/// `ca://sha256:…`, and what a tree holds below that.
pub struct Content {
    grammar: Grammar,
}

impl Default for Content {
    fn default() -> Self {
        Self { grammar: grammar("ca://sha256:{content:rest}") }
    }
}

impl Endpoint for Content {
    fn name(&self) -> &str {
        "content"
    }

    fn help(&self) -> &str {
        "bytes by their SHA-256, and what a tree holds under a path"
    }

    fn grammar(&self) -> &Grammar {
        &self.grammar
    }

    fn version(&self) -> Vcid {
        version()
    }

    fn serve<'a>(&'a self, call: &'a Call, context: &'a Context<'a>) -> Serving<'a> {
        Box::pin(async move {
            let uri = read_uri(call)?;
            let Root::Content(vcid) = uri.root else {
                return Err(misuse("that is no content"));
            };
            let kind = if uri.path.is_some() { EntryKind::Tree } else { EntryKind::File };
            let path = uri.path.unwrap_or_default();
            let (kind, vcid) = descend(context, (kind, vcid), &path)?;
            Ok(kept(vcid, kind))
        })
    }
}

/// `@name`, earlier meanings of it, and what a tree holds below that.
pub struct Names {
    grammar: Grammar,
}

impl Default for Names {
    fn default() -> Self {
        Self { grammar: grammar("@{name:rest}") }
    }
}

impl Endpoint for Names {
    fn name(&self) -> &str {
        "name"
    }

    fn help(&self) -> &str {
        "what this machine's owner calls so, and what a tree holds under a path"
    }

    fn grammar(&self) -> &Grammar {
        &self.grammar
    }

    fn version(&self) -> Vcid {
        version()
    }

    fn serve<'a>(&'a self, call: &'a Call, context: &'a Context<'a>) -> Serving<'a> {
        Box::pin(async move {
            let uri = read_uri(call)?;
            let Root::Name { name, back } = &uri.root else {
                return Err(misuse("that is no name"));
            };
            let absent = |text: String| Refusal::new(Reason::Absent, text);
            let state = context.root(&format!("name/{}", name.as_str())).await?;
            let state = state.ok_or_else(|| absent(format!("nothing is named {name}")))?;
            let broken = |error: DecodeError| Refusal::new(Reason::World, error.to_string());
            let versions = decode_versions(&state).map_err(broken)?;
            let found = versions.iter().rev().nth(*back as usize).copied();
            let found = found
                .ok_or_else(|| absent(format!("{name} has only {} versions", versions.len())))?;
            let (kind, vcid) = descend(context, found, &uri.path.unwrap_or_default())?;
            Ok(kept(vcid, kind))
        })
    }
}

/// Reads what [`crate::StoreHost`] gives as a name's state.
fn decode_versions(state: &[u8]) -> Result<Vec<(EntryKind, Vcid)>, DecodeError> {
    let mut decoder = Decoder::new(state)?;
    let mut versions = Vec::new();
    for _ in 0..decoder.array()? / 2 {
        let at = decoder.offset();
        let Some(kind) = EntryKind::from_code(decoder.unsigned()?) else {
            return decoder.fault(at, Fault::Range);
        };
        versions.push((kind, Vcid::from_bytes(decoder.byte_array()?)));
    }
    decoder.finish()?;
    Ok(versions)
}

/// `file:…`: files below the folder that the host allows.
pub struct Files {
    grammar: Grammar,
}

impl Default for Files {
    fn default() -> Self {
        Self { grammar: grammar("file:{path:rest}") }
    }
}

impl Endpoint for Files {
    fn name(&self) -> &str {
        "file"
    }

    fn help(&self) -> &str {
        "files below the folder that this node may read"
    }

    fn grammar(&self) -> &Grammar {
        &self.grammar
    }

    fn version(&self) -> Vcid {
        version()
    }

    fn serve<'a>(&'a self, call: &'a Call, context: &'a Context<'a>) -> Serving<'a> {
        Box::pin(async move {
            let state = context.root(&format!("file/{}", call.parts["path"])).await?;
            let vcid = state.and_then(|state| <[u8; 32]>::try_from(&*state).ok());
            match vcid {
                Some(vcid) => Ok(kept(Vcid::from_bytes(vcid), EntryKind::File)),
                None => {
                    let text = format!("no file `{}` may be read here", call.parts["path"]);
                    Err(Refusal::new(Reason::Absent, text))
                }
            }
        })
    }
}
