//! Finding a circle of waits. It is looked for when nothing is ready to run, and only where somebody
//! joined what was under way already: no other wait can close a circle.

use std::collections::HashMap;
use std::sync::Arc;

use super::Shared;
use super::core::{Core, Waiter, Work};
use super::failure::Failure;
use super::graph::NodeId;

/// Most keys of a circle that are printed.
const PATH_MAX: usize = 64;

/// Looks for a circle of waits and ends it. Returns whether there was one.
///
/// Of the computations on it, the one whose key is the first as text fails: which one does not hang
/// on who began.
pub fn break_one(core: &mut Core, shared: &Arc<Shared>) -> bool {
    while let Some(start) = core.joined.last().copied() {
        let Some(circle) = find(core, start) else {
            core.joined.pop();
            continue;
        };
        // A computation that has read what may have changed since might not wait here today.
        let renewed = circle.iter().filter(|node| core.renew_if_stale(**node, shared)).count();
        if renewed > 0 {
            return true;
        }
        let job_of = |node: &NodeId| match &core.entries[node].work {
            Work::Job(job) => Some(job.clone()),
            Work::Walk(_) => None,
        };
        // Recorded dependencies have no circle, so a computation is on each circle of waits.
        let heads = circle.iter().enumerate().filter_map(|(at, node)| Some((at, job_of(node)?)));
        let named = heads.map(|(at, job)| (core.describe(job.node), at, job));
        let (_, at, job) =
            named.min_by(|a, b| a.0.cmp(&b.0)).expect("a computation is on the circle");
        let path = describe(core, &circle, at);
        core.effects.cancelled.push(job.clone());
        core.conclude_failed(&job, Failure::Cycle { path }, shared);
        return true;
    }
    false
}

/// Returns the circle through what waits, directly or not, for `start`, if there is one: each one
/// waits for the next, and the last for the first.
fn find(core: &Core, start: NodeId) -> Option<Vec<NodeId>> {
    /// Where a node is: on the path with this place, or looked at to the end.
    #[derive(Clone, Copy)]
    enum Place {
        OnPath(usize),
        Done,
    }
    let mut places: HashMap<NodeId, Place> = HashMap::new();
    // Each with the next of its waiters to look at.
    let mut path: Vec<(NodeId, usize)> = vec![(start, 0)];
    places.insert(start, Place::OnPath(0));
    while let Some((node, next)) = path.last_mut() {
        let node = *node;
        let waiters = core.entries.get(&node).map_or(&[][..], |entry| &entry.waiters[..]);
        let Some(waiter) = waiters.get(*next) else {
            places.insert(node, Place::Done);
            path.pop();
            continue;
        };
        *next += 1;
        let owner = match waiter {
            // One that was given up may not have been dropped yet; it waits for nothing.
            Some(Waiter::Future { owner: Some(job), .. }) if core.is_current(job) => job.node,
            // A computation keeps the places of the walk before it, and does not wait in them.
            Some(Waiter::Walk { owner, attempt }) if core.is_walking(*owner, *attempt) => *owner,
            Some(Waiter::Walk { .. } | Waiter::Future { .. }) | None => continue,
        };
        match places.get(&owner) {
            Some(Place::OnPath(at)) => {
                return Some(path[*at..].iter().rev().map(|(node, _)| *node).collect());
            }
            Some(Place::Done) => {}
            None => {
                places.insert(owner, Place::OnPath(path.len()));
                path.push((owner, 0));
            }
        }
    }
    None
}

/// Returns the keys around the circle, from the one at `head` to itself, with what lies between where
/// a walk waits.
fn describe(core: &Core, circle: &[NodeId], head: usize) -> Vec<String> {
    let mut nodes = Vec::new();
    for step in 0..circle.len() {
        let node = circle[(head + step) % circle.len()];
        let next = circle[(head + step + 1) % circle.len()];
        match &core.entries[&node].work {
            Work::Walk(Some(walk)) if walk.path().next_back() == Some(next) => {
                nodes.extend(walk.path());
                nodes.pop();
            }
            _ => nodes.push(node),
        }
    }
    nodes.push(circle[head]);
    let hidden = nodes.len().saturating_sub(PATH_MAX);
    let shown = nodes.len() - hidden;
    let mut path: Vec<String> =
        nodes[..shown / 2].iter().map(|node| core.describe(*node)).collect();
    if hidden > 0 {
        path.push(format!("… {hidden} more …"));
    }
    path.extend(nodes[shown / 2 + hidden..].iter().map(|node| core.describe(*node)));
    path
}
