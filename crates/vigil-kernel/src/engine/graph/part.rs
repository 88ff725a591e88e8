//! Parts: nodes and edges that were made elsewhere, to be taken into an empty graph at once.

use std::sync::atomic::AtomicU8;

use super::super::lists::{List, Lists};
use super::{Flag, Graph, VALID, WITH_PREVIOUS};

/// Nodes that have a value, with their edges, each after all that it depends on.
#[derive(Debug)]
pub struct Part {
    below: Vec<List>,
    above: Vec<List>,
    lists: Lists,
}

impl Part {
    /// Links `nodes` nodes; `counts` and `edges` are little-endian words: how many dependencies each
    /// has, and those, one after another. `None` where they do not fit together, or a node would depend
    /// on itself or a later one.
    pub fn link(nodes: usize, counts: &[u8], edges: &[u8]) -> Option<Self> {
        let words =
            |bytes| <[u8]>::as_chunks::<4>(bytes).0.iter().map(|word| u32::from_le_bytes(*word));
        let mut dependents = vec![0_u32; nodes];
        let mut lists_end = 0;
        let mut below = Vec::with_capacity(nodes);
        let mut left = words(edges);
        for (node, count) in words(counts).enumerate() {
            for _ in 0..count {
                let dependency = (left.next()? & !WITH_PREVIOUS) as usize;
                if dependency >= node {
                    return None;
                }
                dependents[dependency] += 1;
            }
            below.push(Lists::lay(&mut lists_end, count as usize)?);
        }
        if left.next().is_some() {
            return None;
        }
        let mut above = Vec::with_capacity(nodes);
        for count in &dependents {
            above.push(Lists::lay(&mut lists_end, *count as usize)?);
        }
        let mut lists = Lists::zeros(lists_end);
        // From here on: how many dependents stand already.
        let mut filled = dependents;
        filled.fill(0);
        let mut left = words(edges);
        for (node, list) in below.iter().enumerate() {
            for (index, edge) in left.by_ref().take(list.len()).enumerate() {
                let dependency = (edge & !WITH_PREVIOUS) as usize;
                let place = filled[dependency];
                filled[dependency] += 1;
                lists.set(*list, index, (edge, place));
                lists.set(above[dependency], place as usize, (node as u32, index as u32));
            }
        }
        Some(Self { below, above, lists })
    }
}

impl Graph {
    /// Returns whether there are neither nodes nor edges.
    pub fn is_empty(&self) -> bool {
        self.state.is_empty() && self.lists.is_empty()
    }

    /// Takes a part into an empty graph: all of it is sound. The nodes' slots are their places.
    pub fn take_in(&mut self, part: Part, family: u16, is_injected: impl Fn(usize) -> bool) {
        assert!(self.is_empty(), "a part is taken into an empty graph");
        let nodes = part.below.len();
        let state = |node| VALID | if is_injected(node) { Flag::INJECTED.0 } else { 0 };
        self.state = (0..nodes).map(state).collect();
        self.mark = (0..nodes).map(|_| AtomicU8::new(0)).collect();
        self.family = vec![family; nodes];
        self.slot = (0..nodes as u32).collect();
        self.version = vec![0; nodes];
        self.stamp = vec![0; nodes];
        (self.below, self.above, self.lists) = (part.below, part.above, part.lists);
    }
}
