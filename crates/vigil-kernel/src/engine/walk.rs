//! The walk: finding out whether a doubtful node is sound, by looking below it.
//!
//! A walk goes down in the order in which dependencies were asked for, so that it only ever starts a
//! computation whose result is needed for certain: everything that was asked for before it has turned
//! out as it was. It keeps its own stack, so that a chain of any depth costs memory and no recursion,
//! and it keeps its place while it waits.

use std::sync::Arc;

use super::Shared;
use super::core::{Core, Ticket, Waiter};
use super::graph::{Flag, NodeId, Standing};

/// How many nodes a walk that waits looks at beside its path, to find more that can run meanwhile.
const AHEAD_NODES: usize = 1024;

/// On how many levels of its path, from where it stands upward, it does so.
const AHEAD_LEVELS: usize = 32;

/// How many computations a walk keeps going beside the one it waits for. When half of them have
/// ended it looks for more.
const AHEAD_JOBS: usize = 64;

/// One node of a walk's path.
#[derive(Clone, Copy)]
struct Step {
    node: NodeId,
    /// Which dependency is being looked at.
    cursor: u32,
    /// From which one on nothing was looked at ahead, so that none is twice.
    ahead: u32,
}

impl Step {
    fn at(node: NodeId) -> Self {
        Self { node, cursor: 0, ahead: 0 }
    }
}

/// A search below one doubtful node.
pub struct Walk {
    /// The path from the node downward.
    path: Vec<Step>,
    /// The revision in which the path holds.
    revision: u64,
}

impl Walk {
    /// Starts at `node`.
    pub fn new(node: NodeId, revision: u64) -> Self {
        Self { path: vec![Step::at(node)], revision }
    }

    /// Returns the path from the node down to where the walk stands.
    pub fn path(&self) -> impl DoubleEndedIterator<Item = NodeId> + '_ {
        self.path.iter().map(|step| step.node)
    }

    /// Goes on until it must wait, and returns `false`, or until it is known whether its node is
    /// sound or must be computed, and returns `true`. `held` are the places where it waits.
    pub fn advance(
        &mut self,
        core: &mut Core,
        owner: (NodeId, u32),
        held: &mut Vec<Ticket>,
        shared: &Arc<Shared>,
    ) -> bool {
        held.retain(|ticket| core.is_waiting(*ticket));
        if !self.is_stale(core) {
            return self.go_on(core, owner, held, shared);
        }
        // What was needed before the edit may not be now: its places are left after those that are.
        let before = std::mem::take(held);
        self.revision = core.revision;
        self.path = vec![Step::at(owner.0)];
        let has_ended = self.go_on(core, owner, held, shared);
        core.leave(before);
        has_ended
    }

    /// Returns whether there was an edit since the walk last went on.
    pub fn is_stale(&self, core: &Core) -> bool {
        self.revision != core.revision
    }

    fn go_on(
        &mut self,
        core: &mut Core,
        owner: (NodeId, u32),
        held: &mut Vec<Ticket>,
        shared: &Arc<Shared>,
    ) -> bool {
        while let Some(step) = self.path.last_mut() {
            let node = step.node;
            let is_owner = node == owner.0;
            match core.graph.standing(node) {
                Standing::Sound => {
                    self.path.pop();
                }
                Standing::Dirty if core.graph.has(node, Flag::PENDING) => core.take_pending(node),
                Standing::Dirty | Standing::Absent if is_owner => return true,
                Standing::Doubtful if is_owner || !core.entries.contains_key(&node) => {
                    match next_unsound(core, node, step.cursor) {
                        Some((below, index)) => {
                            step.cursor = index;
                            self.path.push(Step::at(below));
                        }
                        None => {
                            core.graph.confirm(node);
                            self.path.pop();
                        }
                    }
                }
                Standing::Dirty | Standing::Absent | Standing::Doubtful => {
                    hold(core, node, owner, held, shared);
                    if held.len() <= AHEAD_JOBS / 2 {
                        self.look_ahead(core, owner, held, shared);
                    }
                    return false;
                }
            }
        }
        true
    }

    /// Sets going what else is needed for certain: what was asked for together with what the path
    /// goes through.
    fn look_ahead(
        &mut self,
        core: &mut Core,
        owner: (NodeId, u32),
        held: &mut Vec<Ticket>,
        shared: &Arc<Shared>,
    ) {
        let mut nodes_left = AHEAD_NODES;
        for step in self.path.iter_mut().rev().skip(1).take(AHEAD_LEVELS) {
            step.ahead = step.ahead.max(step.cursor + 1);
            while let Some((beside, true)) = core.graph.dependency(step.node, step.ahead as usize) {
                if nodes_left == 0 || held.len() > AHEAD_JOBS {
                    return;
                }
                nodes_left -= 1;
                step.ahead += 1;
                if let Some(dirty) = first_dirty(core, beside, &mut nodes_left) {
                    hold(core, dirty, owner, held, shared);
                }
            }
        }
    }
}

/// Makes the walk of `owner` wait for `node`.
fn hold(
    core: &mut Core,
    node: NodeId,
    (owner, attempt): (NodeId, u32),
    held: &mut Vec<Ticket>,
    shared: &Arc<Shared>,
) {
    if held.iter().any(|ticket| ticket.node == node) {
        return;
    }
    core.pursue_job(node, shared);
    held.push(core.wait_for(node, Waiter::Walk { owner, attempt }));
}

/// Returns the first dependency from `cursor` on that is not sound, and its index.
fn next_unsound(core: &Core, node: NodeId, cursor: u32) -> Option<(NodeId, u32)> {
    let mut index = cursor;
    while let Some((below, _)) = core.graph.dependency(node, index as usize) {
        if core.graph.standing(below) != Standing::Sound {
            return Some((below, index));
        }
        index += 1;
    }
    None
}

/// Returns the first node at or below `node` that must be computed to know whether `node` is sound,
/// unless that is an input, under way, or too far down.
fn first_dirty(core: &Core, mut node: NodeId, nodes_left: &mut usize) -> Option<NodeId> {
    loop {
        if core.entries.contains_key(&node) {
            return None;
        }
        match core.graph.standing(node) {
            Standing::Sound | Standing::Absent => return None,
            Standing::Dirty if core.graph.has(node, Flag::PENDING) => return None,
            Standing::Dirty => return Some(node),
            Standing::Doubtful => node = next_unsound(core, node, 0)?.0,
        }
        *nodes_left = nodes_left.checked_sub(1)?;
    }
}
