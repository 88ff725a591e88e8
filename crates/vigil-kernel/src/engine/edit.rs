//! What changes values from outside: injected inputs, the end of a run, and a budget that is full.

use std::sync::Arc;

use super::Shared;
use super::core::{Core, Entry, Work};
use super::graph::{Flag, Graph, NodeId, Standing};
use super::job::Job;
use super::key::{Key, Swapped};

impl Core {
    /// Injects a value.
    pub fn set<K: Key>(&mut self, key: &K, value: K::Value) {
        let (node, slot) = self.intern(key);
        if self.graph.standing(node) == Standing::Absent {
            let swapped = self.table::<K>().1.replace(slot, value);
            self.account(swapped);
            let crew = self.crew.clone();
            self.graph.settle(node, &[], true, true, &*crew);
            self.graph.set(node, Flag::INJECTED, true);
            self.forsake(node);
            return;
        }
        let table = self.table::<K>().1;
        let same = table.value(slot).is_some_and(|before| K::same(before, &value));
        let lasts =
            ![Flag::FAILED, Flag::TRANSIENT].into_iter().any(|flag| self.graph.has(node, flag));
        let crew = self.crew.clone();
        let table = self.table::<K>().1;
        if same && lasts {
            // Whoever has read it has read this, whether it was injected or computed.
            table.drop_pending(slot);
            self.graph.set(node, Flag::PENDING, false);
            self.graph.set(node, Flag::INJECTED, true);
            self.graph.settle(node, &[], false, true, &*crew);
        } else {
            table.set_pending(slot, value);
            self.graph.set(node, Flag::PENDING, true);
            self.graph.soil(node, &*crew);
        }
        self.forsake(node);
    }

    /// Ends what was computing a node that has been given a value. Walks that waited for it go on when
    /// the edit is whole: what they have passed may be another in it.
    fn forsake(&mut self, node: NodeId) {
        let Some(entry) = self.entries.get_mut(&node) else { return };
        if let Work::Job(job) = std::mem::replace(&mut entry.work, Work::Walk(None)) {
            self.effects.cancelled.push(job);
        }
        self.end(node);
    }

    /// Makes a node compute anew when it is next asked for.
    pub fn invalidate<K: Key>(&mut self, key: &K, shared: &Arc<Shared>) {
        let (_, table) = self.table::<K>();
        let Some((node, slot)) = table.find(key) else { return };
        table.drop_pending(slot);
        self.graph.set(node, Flag::PENDING, false);
        let crew = self.crew.clone();
        self.graph.soil(node, &*crew);
        let is_job = |entry: &Entry| matches!(entry.work, Work::Job(_));
        if self.entries.get(&node).is_some_and(is_job) {
            self.restart(node, shared);
        }
    }

    /// Ends an edit: cycles may be mended, and jobs that read what was replaced need not go on.
    pub fn finish_edit(&mut self, shared: &Arc<Shared>) {
        self.revision += 1;
        let crew = self.crew.clone();
        for node in std::mem::take(&mut self.cyclic) {
            self.graph.soil(node, &*crew);
        }
        let has_read_stale = |job: &Job, graph: &Graph| {
            job.judge_seen(|seen| {
                seen.iter().any(|item| {
                    graph.has(item.node, Flag::PENDING) || graph.version(item.node) != item.version
                })
            })
        };
        let mut stale: Vec<NodeId> = self
            .entries
            .iter()
            .filter(|(_, entry)| match &entry.work {
                Work::Job(job) => has_read_stale(job, &self.graph),
                Work::Walk(_) => false,
            })
            .map(|(node, _)| *node)
            .collect();
        // In an order that does not hang on a hash, or a seed would not say what happens.
        stale.sort_unstable();
        for node in stale {
            self.restart(node, shared);
        }
        self.advance_resumed(shared);
    }

    /// Makes all that is transient compute anew.
    pub fn expire(&mut self) {
        self.revision += 1;
        let crew = self.crew.clone();
        for node in std::mem::take(&mut self.expiring) {
            if self.graph.has(node, Flag::TRANSIENT) && !self.graph.has(node, Flag::PENDING) {
                self.graph.soil(node, &*crew);
            }
        }
    }

    /// Drops values that were not used lately until the rest fits. What was injected is not looked at, so
    /// that a budget that it fills alone costs nothing.
    pub fn evict_over_budget(&mut self) {
        // Two rounds clear every flag and then take every value; what is left is pinned.
        let mut steps = 2 * self.evictable.len();
        while self.bytes_held > self.bytes_max && steps > 0 {
            steps -= 1;
            let Some(node) = self.evictable.pop_front() else { return };
            let is_pinned = self.pins.contains_key(&node);
            if self.graph.set(node, Flag::USED, false) || is_pinned {
                self.evictable.push_back(node);
            } else {
                self.evict(node);
            }
        }
    }

    /// Drops a node's value where it can be computed again and nobody is about to take it.
    pub fn evict(&mut self, node: NodeId) {
        // What is out of date or in doubt goes like the rest: its hash is enough for cut-off.
        let is_kept = self.graph.standing(node) == Standing::Absent
            || self.graph.has(node, Flag::FAILED)
            || self.graph.has(node, Flag::EVICTED)
            || self.pins.contains_key(&node)
            || self.graph.has(node, Flag::INJECTED);
        if is_kept {
            return;
        }
        let (family, slot) = self.graph.place(node);
        let evicted = self.tables[usize::from(family)].evict(slot);
        self.account(Swapped { came: 0, went: evicted.went });
        self.fingerprints.insert(node, evicted.fingerprint);
        self.graph.set(node, Flag::EVICTED, true);
        self.statistics.evicted += 1;
    }
}
