//! Names that people vouch for: what they mean under this machine's policy, and why some mean nothing.

use vigil_base::{TreePath, Uri};
use vigil_kernel::{Produced, Refusal};
use vigil_trust::names::{AttName, Meaning, NameState};

use super::places::{absent, descend, kept};
use super::{BYTES_TYPE, TREE_TYPE};
use crate::description::{Asked, Description, misuse, world};

/// Shared names.
pub const ENDPOINTS: &[Description] = &[Description {
    name: "att",
    help: "what a Person's machines say it is, domain/name@version, and what a tree holds under a path",
    pattern: Some("att://{name:rest}"),
    parameters: &[],
    gives: &[BYTES_TYPE, TREE_TYPE],
    only_looks_up: true,
    serve: |asked| Box::pin(shared(asked)),
}];

/// Parts `domain/name@version/path`: before the version no `@` can be, and in it no slash.
fn parts(text: &str) -> Result<(AttName, Option<TreePath>), Refusal> {
    let (before, after) = text.split_once('@').unwrap_or((text, ""));
    let (version, path) = match after.split_once('/') {
        Some((version, path)) => (version, Some(path)),
        None => (after, None),
    };
    let name = match text.contains('@') {
        true => AttName::parse(&format!("{before}@{version}")),
        false => AttName::parse(before),
    };
    let name = name.map_err(|error| misuse(error.to_string()))?;
    let path = path.map(TreePath::parse).transpose();
    let path = path.map_err(|error| misuse(format!("the path cannot be read: {error}")))?;
    Ok((name, path))
}

async fn shared(asked: Asked<'_>) -> Result<Produced, Refusal> {
    let (name, path) = parts(&asked.call.parts["name"])?;
    let text = name.to_string();
    let root = text.trim_start_matches("att://");
    let state = asked.context.root(&format!("att/{root}")).await?;
    let nothing = || {
        absent(format!("nobody here has set {name}"))
            .hint("`vigil name list --shared` shows those that there are")
    };
    let state = NameState::decode(&state.ok_or_else(nothing)?);
    let state = state.map_err(|error| world(error.to_string()))?;
    match state.meaning {
        Meaning::Target(target) => {
            Ok(kept(descend(&asked, (target.kind, target.vcid), path.as_ref())?))
        }
        Meaning::Withdrawn => {
            Err(absent(format!("{name} was taken away by {}", sides(&state, false))))
        }
        Meaning::Conflict => Err(absent(format!(
            "{name} means different things to machines that had not heard of each other: {}",
            sides(&state, true)
        ))
        .hint("`vigil name set` settles it")),
        Meaning::Frozen => Err(absent(format!(
            "{name} is frozen, since a machine said two things at one position: {}",
            sides(&state, true)
        ))
        .hint("`vigil puddle show` tells which; its Person settles it")),
    }
}

/// Tells all that was said, by whom, and where in their feeds.
fn sides(state: &NameState, with_targets: bool) -> String {
    let sides = state.standing.iter().map(|(target, feed, position)| {
        let machine = feed.machine.to_string();
        let by = format!("{} at {position}", &machine[..16]);
        match (with_targets, target) {
            (false, _) => by,
            (true, None) => format!("nothing by {by}"),
            (true, Some(target)) => format!("{} by {by}", Uri::content(target.vcid)),
        }
    });
    sides.collect::<Vec<_>>().join(", ")
}
