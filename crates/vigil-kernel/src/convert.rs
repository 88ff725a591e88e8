//! Transreption: reaching a wanted media type by the cheapest path of converters.

use std::collections::{BTreeMap, BTreeSet};

use crate::context::Context;
use crate::endpoint::{Body, Produced};
use crate::engine::Cx;
use crate::keys::ScopeKey;
use crate::pipeline;
use crate::refusal::{Reason, Refusal};
use crate::representation::Label;
use crate::request::{MediaType, Request};
use crate::resolver::refused;
use crate::space::Converter;

/// Asks for what is wanted through converters of the scope.
pub async fn transrept(
    cx: &Cx,
    context: &Context<'_>,
    scope: &std::sync::Arc<str>,
    request: &Request,
) -> Result<Produced, Refusal> {
    let plain = Request { wanted: None, ..request.clone() };
    let mut found = context.request(plain).await?;
    let wanted = request.wanted.clone().unwrap_or_else(|| found.media_type.clone());
    if found.media_type != wanted {
        let space = cx.get(&ScopeKey(scope.clone())).await.map_err(|failure| refused(&failure))?;
        let converters = space.map(|space| space.converters()).unwrap_or_default();
        let Some(path) = cheapest(&converters, &found.media_type, &wanted) else {
            let from = &found.media_type;
            let text = format!(
                "no converter leads from {from} to {wanted}\nhint: `vigil endpoints --converters` lists them"
            );
            return Err(Refusal::new(Reason::Misuse, text));
        };
        let mut uri = request.uri.clone();
        for converter in path {
            uri = pipeline::piped(&uri, &converter.call)
                .map_err(|error| Refusal::new(Reason::Misuse, error.to_string()))?;
        }
        found = context.source(&uri).await?;
        if found.media_type != wanted {
            let text = format!("{uri} should give {wanted}, and gave {}", found.media_type);
            return Err(Refusal::new(Reason::Broken, text));
        }
    }
    Ok(Produced {
        body: Body::Kept(found.vcid),
        media_type: wanted,
        // Vouches for all that it is given: it adds nothing of its own.
        label: Label { integrity: found.label.integrity, ..Label::default() },
    })
}

/// Returns the cheapest path; of several, the one with fewer steps, and then the one whose calls are
/// first in the order of their names (Dijkstra 1959, over few types).
pub fn cheapest<'a>(
    converters: &'a [Converter],
    from: &MediaType,
    to: &MediaType,
) -> Option<Vec<&'a Converter>> {
    // Cost, steps, names of the calls: the order of paths.
    type Path<'a> = (u64, Vec<&'a Converter>);
    fn rank<'p>(path: &'p Path<'_>) -> (u64, usize, Vec<&'p str>) {
        (path.0, path.1.len(), path.1.iter().map(|step| step.call.as_str()).collect())
    }
    let mut best: BTreeMap<&MediaType, Path<'_>> = BTreeMap::from([(from, (0, Vec::new()))]);
    let mut done: BTreeSet<&MediaType> = BTreeSet::new();
    loop {
        let open = best.iter().filter(|(kind, _)| !done.contains(**kind));
        let (kind, path) = open.min_by(|a, b| rank(a.1).cmp(&rank(b.1)))?;
        let (kind, path) = (*kind, path.clone());
        if kind == to {
            return Some(path.1);
        }
        done.insert(kind);
        for step in converters.iter().filter(|step| step.from == *kind) {
            let mut longer = path.clone();
            longer.0 += u64::from(step.cost);
            longer.1.push(step);
            let is_better = best.get(&step.to).is_none_or(|known| rank(&longer) < rank(known));
            if is_better {
                best.insert(&step.to, longer);
            }
        }
    }
}
