//! In what a request differs from the one most like it that was answered before.
//!
//! It is asked for when somebody wants to know why something was made, and costs nothing otherwise: no
//! list of requests is kept, the traces themselves are read.

use std::collections::BTreeSet;

use vigil_base::Vcid;
use vigil_kernel::{
    Argument, Invocation, OPERAND, Provenance, Trace, Traces as _, render_pipeline,
};

use crate::host::{StoreHost, fault};
use vigil_kernel::HostFault;

/// Most files of traces that are read for one answer: some hundred milliseconds.
const FILES_MAX: usize = 20_000;

/// What the kernel says of a request that it has no trace of.
const NONE: &str = "there is no earlier run";

/// Says of each answer that had no earlier run in what the nearest one differed.
pub fn tell(host: &StoreHost, list: &mut [Provenance]) -> Result<(), HostFault> {
    let own: BTreeSet<Vcid> = list.iter().filter_map(|item| item.story.filed_under).collect();
    if !list.iter().any(|item| item.story.why == NONE) {
        return Ok(());
    }
    let mut others = host.all_traces(FILES_MAX)?;
    others.retain(|trace| !own.contains(&trace.request.digest()));
    for item in list.iter_mut().filter(|item| item.story.why == NONE) {
        let Some(filed_under) = item.story.filed_under else { continue };
        let kept = host.find(filed_under)?;
        let Some((_, bytes)) = kept.first() else { continue };
        let trace = Trace::decode(bytes).map_err(|error| fault(&error))?;
        if let Some(differs) = nearest(&trace, &others) {
            item.story.why = format!("{NONE} of just this; {differs}");
        }
    }
    Ok(())
}

/// Finds the trace of the same endpoint that differs in the fewest arguments, and says in which.
fn nearest(trace: &Trace, others: &[Trace]) -> Option<String> {
    let mine = call_of(trace)?;
    let same = others.iter().filter(|other| other.endpoint == trace.endpoint);
    let differences = same.filter_map(|other| {
        let theirs = call_of(other)?;
        let differs = differences(&mine, &theirs);
        let keys: BTreeSet<&String> =
            mine.arguments.keys().chain(theirs.arguments.keys()).collect();
        // One that has nothing in common is no neighbour.
        (differs.len() < keys.len().max(2)).then_some(differs)
    });
    let nearest = differences.min_by(|a, b| (a.len(), a).cmp(&(b.len(), b)))?;
    match nearest.is_empty() {
        true => None,
        false => Some(format!("the nearest one {}", nearest.join(", and "))),
    }
}

fn call_of(trace: &Trace) -> Option<Invocation> {
    Invocation::from_uri(&trace.request.uri)?.ok()
}

fn differences(mine: &Invocation, theirs: &Invocation) -> Vec<String> {
    let keys: BTreeSet<&String> = mine.arguments.keys().chain(theirs.arguments.keys()).collect();
    let mut all = Vec::new();
    for key in keys {
        let (now, then) = (mine.arguments.get(key), theirs.arguments.get(key));
        if now == then {
            continue;
        }
        let shown = |argument: Option<&Argument>| match argument {
            None => "nothing".to_owned(),
            Some(Argument::Value(text)) => format!("`{text}`"),
            Some(Argument::Reference(uri)) => render_pipeline(uri),
        };
        let what = if key == OPERAND {
            "was made of".to_owned()
        } else {
            format!("had the argument {key}=")
        };
        let gap = if key == OPERAND { " " } else { "" };
        all.push(format!("{what}{gap}{}, not {}", shown(then), shown(now)));
    }
    all
}
