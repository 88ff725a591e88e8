//! The graph: which node depends on which, and which may be out of date.
//!
//! Columns indexed by node, and edges in packed lists; no keys, no values, no user code, no locks.
//! Why it is so: `docs/design/kernel.md`.
//!
//! Invariants, while nobody holds the graph:
//! - each edge stands twice, in the list of the one who depends and of the one depended on, and each
//!   copy knows the other's place;
//! - whatever depends, however far, on a node that is dirty or in doubt is itself dirty, in doubt, or
//!   without a value: so a sound node has only sound nodes below it;
//! - where no node is dirty, none is in doubt.

use std::sync::atomic::{AtomicU8, Ordering};

use super::crew::Crew;
use super::lists::{List, Lists};

/// A node's place in the columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u32);

impl NodeId {
    fn at(self) -> usize {
        self.0 as usize
    }
}

/// What is known about a node's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It was never computed.
    Absent,
    /// It is what computing it now would give.
    Sound,
    /// Something far below it may have changed.
    Doubtful,
    /// It must be computed again before anybody may use it.
    Dirty,
}

/// Something that a computation has read: a node, and the version that it had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// What was read.
    pub node: NodeId,
    /// Its version then.
    pub version: u32,
    /// Whether it was asked for together with the one before, so that whoever needed one needs both.
    pub with_previous: bool,
}

/// A flag of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flag(u8);

impl Flag {
    /// Its value, or that of something below it, lasts for one run only.
    pub const TRANSIENT: Self = Self(1 << 2);
    /// Its value was given up to save memory.
    pub const EVICTED: Self = Self(1 << 3);
    /// It was used since the evicting hand passed.
    pub const USED: Self = Self(1 << 4);
    /// A value was injected that nobody has read yet.
    pub const PENDING: Self = Self(1 << 5);
    /// Its computation ended without a value; why is noted elsewhere.
    pub const FAILED: Self = Self(1 << 6);
    /// Its value was injected, so nothing can compute it again.
    pub const INJECTED: Self = Self(1 << 7);
}

const STATE: u8 = 3;
const ABSENT: u8 = 0;
const VALID: u8 = 1;
const DIRTY: u8 = 2;

/// In the first half of a dependency edge: asked for together with the edge before.
pub const WITH_PREVIOUS: u32 = 1 << 31;
const NODES_MAX: usize = 1 << 31;

/// From so many edges on, a level of the search upward is split.
const SPLIT_EDGES_MIN: usize = 1 << 15;

/// From so many nodes on, a level is split by nodes and its edges are not counted.
const SPLIT_NODES_MIN: usize = 1 << 14;

/// A place in a level: before an edge of a node of a part.
#[derive(Clone, Copy, Debug, Default)]
struct Cut {
    part: usize,
    index: usize,
    edge: usize,
}

/// The levels of a walk upward: a part for each thread.
#[derive(Debug, Default)]
struct Scratch {
    level: Vec<Vec<u32>>,
    next: Vec<Vec<u32>>,
}

/// Nodes and edges.
#[derive(Debug)]
pub struct Graph {
    /// State in the lower two bits, flags above.
    state: Vec<u8>,
    /// The node is in doubt while its mark is the epoch.
    mark: Vec<AtomicU8>,
    /// Which typed table keeps the key and the value, and where in it.
    family: Vec<u16>,
    slot: Vec<u32>,
    /// Rises whenever the value changes.
    version: Vec<u32>,
    /// Scratch, to find duplicates in a list of nodes.
    stamp: Vec<u32>,
    below: Vec<List>,
    above: Vec<List>,
    lists: Lists,
    epoch: u8,
    /// Whether any node was marked in this epoch.
    has_marks: bool,
    stamp_last: u32,
    dirty_count: usize,
    /// How often nodes that were in no doubt came into it.
    doubted: u64,
    scratch: Scratch,
}

impl Default for Graph {
    fn default() -> Self {
        Self {
            state: Vec::new(),
            mark: Vec::new(),
            family: Vec::new(),
            slot: Vec::new(),
            version: Vec::new(),
            stamp: Vec::new(),
            below: Vec::new(),
            above: Vec::new(),
            lists: Lists::default(),
            epoch: 1,
            has_marks: false,
            stamp_last: 0,
            dirty_count: 0,
            doubted: 0,
            scratch: Scratch::default(),
        }
    }
}

impl Graph {
    /// Adds a node without a value.
    pub fn add(&mut self, family: u16, slot: u32) -> NodeId {
        let index = self.state.len();
        // Beyond this, edges could not carry their flag; the memory would be some 200 GiB.
        assert!(index < NODES_MAX, "a graph has at most 2^31 nodes");
        self.state.push(ABSENT);
        self.mark.push(AtomicU8::new(0));
        self.family.push(family);
        self.slot.push(slot);
        self.version.push(0);
        self.stamp.push(0);
        self.below.push(List::default());
        self.above.push(List::default());
        NodeId(index as u32)
    }

    /// Returns how many nodes there are.
    pub fn len(&self) -> usize {
        self.state.len()
    }

    /// Returns the typed table that keeps the node's key and value, and where in it.
    pub fn place(&self, node: NodeId) -> (u16, u32) {
        (self.family[node.at()], self.slot[node.at()])
    }

    /// Returns the node's version.
    pub fn version(&self, node: NodeId) -> u32 {
        self.version[node.at()]
    }

    /// Returns whether the node has a flag.
    pub fn has(&self, node: NodeId, flag: Flag) -> bool {
        self.state[node.at()] & flag.0 != 0
    }

    /// Sets or clears a flag and returns whether that changed it.
    pub fn set(&mut self, node: NodeId, flag: Flag, on: bool) -> bool {
        let state = &mut self.state[node.at()];
        let before = *state;
        *state = if on { before | flag.0 } else { before & !flag.0 };
        *state != before
    }

    /// Returns what is known about the node's value.
    pub fn standing(&self, node: NodeId) -> Standing {
        match self.state[node.at()] & STATE {
            ABSENT => Standing::Absent,
            VALID if self.is_marked(node) => Standing::Doubtful,
            VALID => Standing::Sound,
            _ => Standing::Dirty,
        }
    }

    fn is_marked(&self, node: NodeId) -> bool {
        self.mark[node.at()].load(Ordering::Relaxed) == self.epoch
    }

    /// Returns the `index`th dependency, and whether it was asked for with the one before.
    pub fn dependency(&self, node: NodeId, index: usize) -> Option<(NodeId, bool)> {
        let edge = *self.lists.firsts(self.below[node.at()]).get(index)?;
        Some((NodeId(edge & !WITH_PREVIOUS), edge & WITH_PREVIOUS != 0))
    }

    /// Returns the dependencies in the order in which they were asked for.
    pub fn dependencies(&self, node: NodeId) -> impl ExactSizeIterator<Item = NodeId> + '_ {
        let edges = self.lists.firsts(self.below[node.at()]);
        edges.iter().map(|edge| NodeId(edge & !WITH_PREVIOUS))
    }

    /// Returns what depends on the node, in no order.
    #[cfg(test)]
    pub fn dependents(&self, node: NodeId) -> impl ExactSizeIterator<Item = NodeId> + '_ {
        self.lists.firsts(self.above[node.at()]).iter().map(|&node| NodeId(node))
    }

    /// Notes that a doubtful node turned out sound: everything it depends on is.
    pub fn confirm(&mut self, node: NodeId) {
        *self.mark[node.at()].get_mut() = 0;
    }

    /// Makes a node with a value dirty and everything above it doubtful. Returns whether it was not
    /// dirty before.
    pub fn soil(&mut self, node: NodeId, crew: &dyn Crew) -> bool {
        let state = &mut self.state[node.at()];
        if *state & STATE != VALID {
            return false;
        }
        *state = *state & !STATE | DIRTY;
        self.dirty_count += 1;
        // In doubt, so is everything above it already.
        if !self.is_marked(node) {
            self.doubt_above(node, crew);
        }
        true
    }

    /// Makes a node with a value doubtful, and everything above it.
    pub fn doubt(&mut self, node: NodeId, crew: &dyn Crew) {
        if !self.is_marked(node) {
            self.doubt_above(node, crew);
        }
    }

    /// Returns a number that rises whenever nodes that were in no doubt come into it.
    pub fn doubted(&self) -> u64 {
        self.doubted
    }

    /// Marks the node and everything above it, level by level, stopping at what is marked.
    fn doubt_above(&mut self, node: NodeId, crew: &dyn Crew) {
        self.doubted += 1;
        *self.mark[node.at()].get_mut() = self.epoch;
        self.has_marks = true;
        // Kept from walk to walk: fresh memory for a million nodes costs as much as the walk.
        let Scratch { mut level, mut next } = std::mem::take(&mut self.scratch);
        level.resize_with(crew.width().max(1), Vec::new);
        next.resize_with(crew.width().max(1), Vec::new);
        level[0].push(node.0);
        while level.iter().any(|part| !part.is_empty()) {
            match self.cuts(&level, crew.width()) {
                Some(cuts) => self.mark_level_split(&level, &cuts, &mut next, crew),
                None => {
                    for &at in level.iter().flatten() {
                        self.mark_some(self.lists.firsts(self.above[at as usize]), &mut next[0]);
                    }
                }
            }
            std::mem::swap(&mut level, &mut next);
            next.iter_mut().for_each(Vec::clear);
        }
        self.scratch = Scratch { level, next };
    }

    /// Marks `nodes` and collects those that were not marked. Two threads may both collect a node;
    /// that costs a second look at its list and no more.
    fn mark_some(&self, nodes: &[u32], next: &mut Vec<u32>) {
        for &node in nodes {
            let mark = &self.mark[node as usize];
            if mark.load(Ordering::Relaxed) != self.epoch {
                mark.store(self.epoch, Ordering::Relaxed);
                next.push(node);
            }
        }
    }

    /// Returns where the shares of a level begin, and its end, where it is worth splitting.
    ///
    /// A short level is split by edges, since one node may have all of them. A long one is split by
    /// nodes: to count its edges would be a walk of its own.
    fn cuts(&self, level: &[Vec<u32>], width: usize) -> Option<Vec<Cut>> {
        let nodes: usize = level.iter().map(Vec::len).sum();
        let is_long = nodes >= SPLIT_NODES_MIN;
        let weight = |at: u32| if is_long { 1 } else { self.above[at as usize].len() };
        let all: usize = match is_long {
            _ if width < 2 => 0,
            true => nodes,
            false => level.iter().flatten().map(|&at| weight(at)).sum(),
        };
        if width < 2 || !is_long && all < SPLIT_EDGES_MIN {
            return None;
        }
        let share = all.div_ceil(width);
        let mut cuts = vec![Cut::default()];
        let mut filled = 0;
        for (part, list) in level.iter().enumerate() {
            if is_long {
                let mut index = 0;
                while filled + list.len() - index > share {
                    index += share - filled;
                    filled = 0;
                    cuts.push(Cut { part, index, edge: 0 });
                }
                filled += list.len() - index;
                continue;
            }
            for (index, &at) in list.iter().enumerate() {
                let len = weight(at);
                let mut edge = 0;
                while filled + len - edge > share {
                    edge += share - filled;
                    filled = 0;
                    cuts.push(Cut { part, index, edge });
                }
                filled += len - edge;
            }
        }
        cuts.push(Cut { part: level.len(), index: 0, edge: 0 });
        Some(cuts)
    }

    fn mark_level_split(
        &self,
        level: &[Vec<u32>],
        cuts: &[Cut],
        next: &mut [Vec<u32>],
        crew: &dyn Crew,
    ) {
        let mut pieces: Vec<_> = cuts
            .windows(2)
            .zip(next)
            .map(|(cut, next)| move || self.mark_share(level, cut[0], cut[1], next))
            .collect();
        let mut pieces: Vec<&mut (dyn FnMut() + Send)> =
            pieces.iter_mut().map(|piece| piece as &mut (dyn FnMut() + Send)).collect();
        crew.run(&mut pieces);
    }

    /// Marks what lies above a part of a level.
    fn mark_share(&self, level: &[Vec<u32>], start: Cut, end: Cut, next: &mut Vec<u32>) {
        for (part, list) in level.iter().enumerate().skip(start.part) {
            if part > end.part {
                return;
            }
            let first = if part == start.part { start.index } else { 0 };
            // The node at the end's index is shared where the cut lies among its edges.
            let last = match part == end.part {
                true => end.index + usize::from(end.edge > 0),
                false => list.len(),
            };
            for (index, &at) in list.iter().enumerate().take(last).skip(first) {
                let edges = self.lists.firsts(self.above[at as usize]);
                let is_first = part == start.part && index == start.index;
                let is_last = part == end.part && index == end.index;
                let from = if is_first { start.edge } else { 0 };
                let to = if is_last { end.edge } else { edges.len() };
                self.mark_some(&edges[from..to], next);
            }
        }
    }

    /// Returns whether everything that was seen is sound and as it was then; `None` where something
    /// has changed for certain.
    pub fn still_sound(&self, seen: &[Seen]) -> Option<bool> {
        let mut sound = true;
        for item in seen {
            if self.version(item.node) != item.version {
                return None;
            }
            sound &= self.standing(item.node) == Standing::Sound;
        }
        Some(sound)
    }

    /// Takes in the end of a computation: what it read, and whether its value changed. The node then
    /// has a value; it is sound if `is_sound`, and doubtful otherwise.
    pub fn settle(
        &mut self,
        node: NodeId,
        seen: &[Seen],
        changed: bool,
        is_sound: bool,
        crew: &dyn Crew,
    ) {
        self.set_dependencies(node, seen);
        let state = &mut self.state[node.at()];
        let was = *state & STATE;
        *state = *state & !STATE | VALID;
        *self.mark[node.at()].get_mut() = 0;
        self.dirty_count -= usize::from(was == DIRTY);
        if changed {
            self.version[node.at()] = self.version[node.at()].wrapping_add(1);
            for index in 0..self.above[node.at()].len() {
                let dependent = self.lists.pair(self.above[node.at()], index).0;
                self.soil(NodeId(dependent), crew);
            }
        }
        if !is_sound {
            self.doubt(node, crew);
        }
        if self.dirty_count == 0 {
            self.end_doubts();
        }
    }

    /// Nothing is dirty, so every doubt was unfounded: a new epoch voids all marks at once.
    fn end_doubts(&mut self) {
        if !std::mem::take(&mut self.has_marks) {
            return;
        }
        if self.epoch == u8::MAX {
            self.mark.iter_mut().for_each(|mark| *mark.get_mut() = 0);
            self.epoch = 0;
        }
        self.epoch += 1;
    }

    /// Drops repetitions from a list of what was seen, keeping the first of each.
    pub fn dedup(&mut self, seen: &mut Vec<Seen>) {
        let stamp = self.next_stamp();
        let stamps = &mut self.stamp;
        let mut starts_group = false;
        seen.retain_mut(|item| {
            // A repetition that opened a group leaves that to the next one of the group.
            item.with_previous &= !std::mem::take(&mut starts_group);
            let first = std::mem::replace(&mut stamps[item.node.at()], stamp) != stamp;
            starts_group = !first && !item.with_previous;
            first
        });
    }

    fn next_stamp(&mut self) -> u32 {
        if self.stamp_last == u32::MAX {
            self.stamp.iter_mut().for_each(|stamp| *stamp = 0);
            self.stamp_last = 0;
        }
        self.stamp_last += 1;
        self.stamp_last
    }

    /// Replaces a node's dependencies; `seen` has no repetitions.
    fn set_dependencies(&mut self, node: NodeId, seen: &[Seen]) {
        let edge = |item: &Seen| item.node.0 | if item.with_previous { WITH_PREVIOUS } else { 0 };
        let old = self.below[node.at()];
        if self.lists.firsts(old).iter().copied().eq(seen.iter().map(edge)) {
            return;
        }
        for index in 0..old.len() {
            let (edge, place) = self.lists.pair(old, index);
            self.unlink(NodeId(edge & !WITH_PREVIOUS), place as usize);
        }
        self.lists.release(old);
        let new = self.lists.make(seen.iter().map(|item| (edge(item), 0)));
        for (index, item) in seen.iter().enumerate() {
            let above = &mut self.above[item.node.at()];
            let place = self.lists.push(above, (node.0, index as u32));
            self.lists.set_second(new, index, place as u32);
        }
        self.below[node.at()] = new;
    }

    /// Removes the dependent at `place` of `node`, and tells the one that moves there.
    fn unlink(&mut self, node: NodeId, place: usize) {
        let moved = self.lists.swap_remove(&mut self.above[node.at()], place);
        if let Some((dependent, index)) = moved {
            self.lists.set_second(self.below[dependent as usize], index as usize, place as u32);
        }
    }

    /// Returns the bytes that nodes and edges take.
    pub fn bytes(&self) -> usize {
        self.state.capacity()
            + self.mark.capacity()
            + self.family.capacity() * size_of::<u16>()
            + (self.slot.capacity() + self.version.capacity() + self.stamp.capacity())
                * size_of::<u32>()
            + (self.below.capacity() + self.above.capacity()) * size_of::<List>()
            + self.lists.bytes()
            + [&self.scratch.level, &self.scratch.next]
                .into_iter()
                .flatten()
                .map(|part| part.capacity() * size_of::<u32>())
                .sum::<usize>()
    }
}

mod part;

pub use part::Part;

#[cfg(test)]
mod tests;
