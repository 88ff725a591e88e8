//! What the engine's lock guards: graph, tables, and everything that is under way.
//!
//! It runs no computation: it says which are ready, and takes in how they ended. User code that it
//! calls is named in [`super::Key`].
//!
//! Invariants, whenever the lock is free:
//! - a node is under way exactly if it has an entry, and an entry has a waiter: when the last one
//!   leaves, the entry goes;
//! - whoever waits stands in the entry of what it waits for, so the entries are the graph of waits.

use std::any::{Any, TypeId};
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::task::Waker;

use super::crew::Crew;
use super::demand::Gate;
use super::failure::{Failed, Failure};
use super::graph::{Flag, Graph, NodeId, Seen, Standing};
use super::job::Job;
use super::key::{AnyTable, Key, Swapped, Table};
use super::walk::Walk;
use super::{Shared, Statistics};

/// A node that is under way.
pub struct Entry {
    /// Tells this time from earlier ones.
    pub attempt: u32,
    pub waiters: Vec<Option<Waiter>>,
    pub waiters_live: usize,
    pub work: Work,
    /// Where it waits itself: a walk's places, kept while the computation that follows it runs, so
    /// that what was started ahead for it is not cancelled in between.
    pub held: Vec<Ticket>,
}

/// How a node is being brought up to date.
pub enum Work {
    /// By computing it.
    Job(Arc<Job>),
    /// By checking what is below it. Taken out while it is being advanced.
    Walk(Option<Box<Walk>>),
}

/// Who waits for an entry.
pub enum Waiter {
    /// A future: of a computation, or from outside.
    Future { gate: Arc<Gate>, owner: Option<Arc<Job>> },
    /// A walk.
    Walk { owner: NodeId, attempt: u32 },
}

/// A place among an entry's waiters.
#[derive(Clone, Copy, Debug)]
pub struct Ticket {
    pub node: NodeId,
    pub attempt: u32,
    pub index: usize,
}

/// What must happen once the lock is free.
#[derive(Default)]
pub struct Effects {
    pub wakers: Vec<Waker>,
    /// Jobs whose futures are to be dropped.
    pub cancelled: Vec<Arc<Job>>,
    pub is_work_new: bool,
}

/// What the lock guards.
pub struct Core {
    pub graph: Graph,
    pub tables: Vec<Box<dyn AnyTable>>,
    types: Vec<(TypeId, u16)>,
    pub entries: HashMap<NodeId, Entry>,
    pub ready: Vec<Arc<Job>>,
    pub failures: HashMap<NodeId, Failed>,
    pub fingerprints: HashMap<NodeId, Option<u128>>,
    /// Waiters that were told, and have not come for the value yet.
    pub pins: HashMap<NodeId, u32>,
    /// Nodes whose own value is transient.
    pub expiring: Vec<NodeId>,
    /// Nodes that failed because they need themselves; any edit may mend that.
    pub cyclic: Vec<NodeId>,
    /// Entries that somebody joined: only there can a circle of waits have closed.
    pub joined: Vec<NodeId>,
    pub crew: Arc<dyn Crew>,
    pub effects: Effects,
    pub bytes_held: usize,
    pub bytes_max: usize,
    /// What may be evicted, in the order in which the evicting hand passes: every node with a value that
    /// was computed, and some without. Empty while there is no budget.
    pub evictable: VecDeque<NodeId>,
    /// Rises with each edit, and whenever something that was sound ceases to be without one: where a walk
    /// has been holds for one revision.
    pub revision: u64,
    attempt_last: u32,
    /// Walks to be advanced before the lock is free.
    resumed: Vec<(NodeId, u32)>,
    pub statistics: Statistics,
}

impl Core {
    pub fn new(crew: Arc<dyn Crew>, bytes_max: usize) -> Self {
        Self {
            graph: Graph::default(),
            tables: Vec::new(),
            types: Vec::new(),
            entries: HashMap::new(),
            ready: Vec::new(),
            failures: HashMap::new(),
            fingerprints: HashMap::new(),
            pins: HashMap::new(),
            expiring: Vec::new(),
            cyclic: Vec::new(),
            joined: Vec::new(),
            crew,
            effects: Effects::default(),
            bytes_held: 0,
            bytes_max,
            evictable: VecDeque::new(),
            revision: 0,
            attempt_last: 0,
            resumed: Vec::new(),
            statistics: Statistics::default(),
        }
    }

    /// Returns the table of a key type, making it the first time, and its number.
    pub fn table<K: Key>(&mut self) -> (u16, &mut Table<K>) {
        let id = TypeId::of::<K>();
        let known = self.types.iter().find(|(other, _)| *other == id).map(|(_, number)| *number);
        let number = known.unwrap_or_else(|| {
            let number = u16::try_from(self.tables.len()).expect("a program has few key types");
            self.tables.push(Box::new(Table::<K>::new()));
            self.types.push((id, number));
            number
        });
        let table: &mut dyn Any = &mut *self.tables[usize::from(number)];
        (number, table.downcast_mut().expect("tables are found by their key type"))
    }

    /// Returns the node of a key, adding it where it is new.
    pub fn intern<K: Key>(&mut self, key: &K) -> (NodeId, u32) {
        let (family, table) = self.table::<K>();
        if let Some(found) = table.find(key) {
            return found;
        }
        let slot = table.slot_next();
        let node = self.graph.add(family, slot);
        self.table::<K>().1.insert(key.clone(), node);
        (node, slot)
    }

    /// Returns a node's key as text.
    pub fn describe(&self, node: NodeId) -> String {
        let (family, slot) = self.graph.place(node);
        self.tables[usize::from(family)].describe(slot)
    }

    /// Returns whether a node's value can be handed out now.
    pub fn is_at_hand(&self, node: NodeId) -> bool {
        self.graph.standing(node) == Standing::Sound && !self.graph.has(node, Flag::EVICTED)
    }

    /// Returns the value of a node that is at hand.
    pub fn take_up<K: Key>(&mut self, node: NodeId, slot: u32) -> Result<K::Value, Failed> {
        self.graph.set(node, Flag::USED, true);
        if self.graph.has(node, Flag::FAILED) {
            return Err(self.failures[&node].clone());
        }
        Ok(self.table::<K>().1.value(slot).expect("a sound node has a value").clone())
    }

    /// Returns the value of a key if it is at hand.
    pub fn peek<K: Key>(&mut self, key: &K) -> Option<Result<K::Value, Failed>> {
        let (node, slot) = self.table::<K>().1.find(key)?;
        self.is_at_hand(node).then(|| self.take_up::<K>(node, slot))
    }

    /// Returns the keys of type `B` at or below a key, and what was passed on the way there; where not
    /// `all`, what lies below one of them is left out.
    pub fn below<K: Key, B: Key>(&mut self, key: &K, all: bool) -> (Vec<B>, Vec<Seen>) {
        let (mut keys, mut passed) = (Vec::new(), Vec::new());
        let Some((start, _)) = self.table::<K>().1.find(key) else { return (keys, passed) };
        let family = self.table::<B>().0;
        let mut known = HashSet::from([start]);
        let mut open = vec![start];
        while let Some(node) = open.pop() {
            let version = self.graph.version(node);
            passed.push(Seen { node, version, with_previous: false });
            let (own_family, slot) = self.graph.place(node);
            if own_family == family {
                keys.push(self.table::<B>().1.key(slot).clone());
                if !all {
                    continue;
                }
            }
            let dependencies: Vec<NodeId> = self.graph.dependencies(node).collect();
            open.extend(dependencies.into_iter().rev().filter(|below| known.insert(*below)));
        }
        (keys, passed)
    }

    /// Makes sure that a node is under way or at hand, and returns whether it is at hand.
    pub fn pursue(&mut self, node: NodeId, shared: &Arc<Shared>) -> bool {
        if self.graph.has(node, Flag::PENDING) {
            self.take_pending(node);
        }
        if self.is_at_hand(node) {
            return true;
        }
        if self.entries.contains_key(&node) {
            self.joined.push(node);
            return false;
        }
        if self.graph.standing(node) != Standing::Doubtful {
            self.pursue_job(node, shared);
            return false;
        }
        let walk = Work::Walk(Some(Box::new(Walk::new(node, self.revision))));
        let attempt = self.enter(node, walk);
        self.resumed.push((node, attempt));
        self.advance_resumed(shared);
        self.is_at_hand(node)
    }

    /// Makes sure that a node is under way; without an entry it is one that must be computed.
    pub fn pursue_job(&mut self, node: NodeId, shared: &Arc<Shared>) {
        if self.entries.contains_key(&node) {
            self.joined.push(node);
            return;
        }
        let job = self.new_job(node, shared);
        self.enter(node, Work::Job(job));
    }

    fn enter(&mut self, node: NodeId, work: Work) -> u32 {
        self.attempt_last = self.attempt_last.wrapping_add(1);
        let attempt = self.attempt_last;
        let entry = Entry { attempt, waiters: Vec::new(), waiters_live: 0, work, held: Vec::new() };
        self.entries.insert(node, entry);
        attempt
    }

    fn new_job(&mut self, node: NodeId, shared: &Arc<Shared>) -> Arc<Job> {
        let job = Arc::new(Job::new(node, shared.clone()));
        self.make_ready(job.clone());
        job
    }

    /// Puts a job where the next free thread finds it.
    pub fn make_ready(&mut self, job: Arc<Job>) {
        self.ready.push(job);
        self.effects.is_work_new = true;
    }

    /// Adds a waiter to a node that is under way.
    pub fn wait_for(&mut self, node: NodeId, waiter: Waiter) -> Ticket {
        let entry = self.entries.get_mut(&node).expect("one waits for what is under way");
        entry.waiters.push(Some(waiter));
        entry.waiters_live += 1;
        Ticket { node, attempt: entry.attempt, index: entry.waiters.len() - 1 }
    }

    /// Returns whether the place is still waited at.
    pub fn is_waiting(&self, ticket: Ticket) -> bool {
        self.entries.get(&ticket.node).is_some_and(|entry| entry.attempt == ticket.attempt)
    }

    /// Gives up places. What nobody waits for any longer is cancelled, and so on downward.
    pub fn leave(&mut self, mut tickets: Vec<Ticket>) {
        while let Some(ticket) = tickets.pop() {
            let Some(entry) = self.entries.get_mut(&ticket.node) else { continue };
            if entry.attempt != ticket.attempt || entry.waiters[ticket.index].take().is_none() {
                continue;
            }
            entry.waiters_live -= 1;
            if entry.waiters_live > 0 {
                continue;
            }
            let entry = self.entries.remove(&ticket.node).expect("it was there");
            if let Work::Job(job) = entry.work {
                self.statistics.cancelled += 1;
                self.effects.cancelled.push(job);
            }
            tickets.extend(entry.held);
        }
    }

    /// Starts a computation anew whose inputs have changed under it.
    pub fn restart(&mut self, node: NodeId, shared: &Arc<Shared>) {
        self.statistics.restarted += 1;
        let job = self.new_job(node, shared);
        let entry = self.entries.get_mut(&node).expect("it is under way");
        if let Work::Job(before) = std::mem::replace(&mut entry.work, Work::Job(job)) {
            self.effects.cancelled.push(before);
        }
    }

    /// Ends an entry: tells futures, and notes the walks that can go on.
    pub fn end(&mut self, node: NodeId) {
        let Some(entry) = self.entries.remove(&node) else { return };
        self.leave(entry.held);
        for waiter in entry.waiters.into_iter().flatten() {
            match waiter {
                Waiter::Future { gate, .. } => {
                    *self.pins.entry(node).or_default() += 1;
                    self.effects.wakers.extend(gate.open_one());
                }
                Waiter::Walk { owner, attempt } => self.resumed.push((owner, attempt)),
            }
        }
    }

    /// Advances walks until each waits for something or has ended.
    pub fn advance_resumed(&mut self, shared: &Arc<Shared>) {
        while let Some((node, attempt)) = self.resumed.pop() {
            let Some(entry) = self.entries.get_mut(&node) else { continue };
            let Work::Walk(place) = &mut entry.work else { continue };
            if entry.attempt != attempt {
                continue;
            }
            // Only one at a time advances walks, so a walk that is out is never looked for.
            let mut walk = place.take().expect("a walk is advanced by one at a time");
            let mut held = std::mem::take(&mut entry.held);
            let has_ended = walk.advance(self, (node, attempt), &mut held, shared);
            let is_over = has_ended && self.is_at_hand(node);
            let work = match has_ended && !is_over {
                true => Work::Job(self.new_job(node, shared)),
                false => Work::Walk(Some(walk)),
            };
            let entry = self.entries.get_mut(&node).expect("it is under way");
            entry.work = work;
            entry.held = held;
            if is_over {
                self.end(node);
            }
        }
    }

    /// Turns the entry of a node that was computed, and may be out of date again, into a walk.
    fn doubt_result(&mut self, node: NodeId) {
        let revision = self.revision;
        let entry = self.entries.get_mut(&node).expect("it is under way");
        entry.work = Work::Walk(Some(Box::new(Walk::new(node, revision))));
        self.resumed.push((node, entry.attempt));
    }

    /// Takes in how a job ended: `value` is what it gave and whether that is as before, where there
    /// was one before.
    pub fn conclude<K: Key>(
        &mut self,
        job: &Job,
        value: K::Value,
        same: Option<bool>,
        shared: &Arc<Shared>,
    ) {
        let Some((mut seen, is_sound)) = self.conclude_reads(job, shared) else { return };
        let node = job.node;
        let (_, slot) = self.graph.place(node);
        let owns_transience = K::is_transient(&value) || job.is_transient();
        let had_none = self.table::<K>().1.value(slot).is_none();
        let fingerprint = self.fingerprints.remove(&node).flatten();
        let same = match (same, fingerprint) {
            (Some(same), _) => same,
            // Also of one that was sound and only dropped: it may tell of the world, and find another
            // one there before anybody has said that it changed.
            (None, Some(before)) => K::fingerprint(&value) == Some(before),
            // Without a hash, what it follows from must do: that is as it was. Not to rely on it would
            // start anew, without end, what was waiting for it.
            (None, None) => self.graph.standing(node) == Standing::Sound,
        };
        if owns_transience {
            self.expiring.push(node);
        }
        self.failures.remove(&node);
        let has_changed_kind = self.graph.set(node, Flag::FAILED, false);
        let swapped = self.table::<K>().1.replace(slot, value);
        self.account(swapped);
        self.graph.set(node, Flag::EVICTED, false);
        let was_injected = self.graph.set(node, Flag::INJECTED, false);
        self.can_be_evicted(node, had_none || was_injected);
        let is_transient = owns_transience || self.any_transient(&seen);
        let has_changed =
            self.graph.set(node, Flag::TRANSIENT, is_transient) || has_changed_kind || !same;
        self.graph.dedup(&mut seen);
        self.settle(node, &seen, has_changed, is_sound, shared);
        self.evict_over_budget();
    }

    /// Takes in that a job failed. The failure lasts for this run.
    pub fn conclude_failed(&mut self, job: &Job, failure: Failure, shared: &Arc<Shared>) {
        let is_cycle = matches!(failure, Failure::Cycle { .. });
        let Some((mut seen, is_sound)) = self.conclude_reads(job, shared) else { return };
        let node = job.node;
        if is_cycle {
            self.cyclic.push(node);
        }
        self.expiring.push(node);
        let before = self.failures.insert(node, Arc::new(failure));
        let is_same = before.is_some_and(|before| before == self.failures[&node]);
        let (family, slot) = self.graph.place(node);
        let evicted = self.tables[usize::from(family)].evict(slot);
        self.account(Swapped { came: 0, went: evicted.went });
        self.fingerprints.remove(&node);
        self.graph.set(node, Flag::EVICTED, false);
        self.graph.set(node, Flag::INJECTED, false);
        self.graph.set(node, Flag::FAILED, true);
        self.graph.set(node, Flag::TRANSIENT, true);
        self.graph.dedup(&mut seen);
        self.settle(node, &seen, !is_same, is_sound, shared);
    }

    /// Returns what the job read and whether all of that is sound; `None` if the job was given up,
    /// or has read what has changed since: then it runs again.
    fn conclude_reads(&mut self, job: &Job, shared: &Arc<Shared>) -> Option<(Vec<Seen>, bool)> {
        if !self.is_current(job) {
            return None;
        }
        let seen = job.take_seen();
        match self.graph.still_sound(&seen) {
            Some(is_sound) => Some((seen, is_sound)),
            None => {
                self.restart(job.node, shared);
                None
            }
        }
    }

    /// Returns whether the job is the one that its node's entry runs.
    pub fn is_current(&self, job: &Job) -> bool {
        let work = self.entries.get(&job.node).map(|entry| &entry.work);
        matches!(work, Some(Work::Job(current)) if std::ptr::eq(&**current, job))
    }

    /// Lets what is under way at a node begin anew where it rests on what has changed, or may have,
    /// since. Returns whether it did.
    pub fn renew_if_stale(&mut self, node: NodeId, shared: &Arc<Shared>) -> bool {
        // Renewing another one may have ended it.
        let Some(entry) = self.entries.get(&node) else { return true };
        let attempt = entry.attempt;
        match &entry.work {
            Work::Job(job) if job.judge_seen(|seen| self.graph.still_sound(seen) == Some(true)) => {
                false
            }
            Work::Job(_) => {
                self.restart(node, shared);
                true
            }
            Work::Walk(Some(walk)) if walk.is_stale(self) => {
                self.resumed.push((node, attempt));
                self.advance_resumed(shared);
                true
            }
            Work::Walk(_) => false,
        }
    }

    /// Returns whether that attempt at a node is a walk.
    pub fn is_walking(&self, node: NodeId, attempt: u32) -> bool {
        let entry = self.entries.get(&node).filter(|entry| entry.attempt == attempt);
        entry.is_some_and(|entry| matches!(entry.work, Work::Walk(_)))
    }

    fn settle(
        &mut self,
        node: NodeId,
        seen: &[Seen],
        has_changed: bool,
        is_sound: bool,
        shared: &Arc<Shared>,
    ) {
        self.statistics.computed += 1;
        self.statistics.changed += u64::from(has_changed);
        self.graph.set(node, Flag::USED, true);
        let crew = self.crew.clone();
        let doubted = self.graph.doubted();
        self.graph.settle(node, seen, has_changed, is_sound, &*crew);
        // Something that was sound is not any longer, and no edit has said so: walks that have passed it
        // must look again.
        self.revision += u64::from(self.graph.doubted() != doubted);
        if self.graph.standing(node) == Standing::Sound {
            self.end(node);
        } else {
            self.doubt_result(node);
        }
        self.advance_resumed(shared);
    }

    fn any_transient(&self, seen: &[Seen]) -> bool {
        seen.iter().any(|item| self.graph.has(item.node, Flag::TRANSIENT))
    }

    /// Makes an injected value the node's value; it was found to differ when it was injected.
    pub fn take_pending(&mut self, node: NodeId) {
        let (family, slot) = self.graph.place(node);
        let swapped = self.tables[usize::from(family)].take_pending(slot);
        self.account(swapped);
        self.clear_failure(node);
        self.graph.set(node, Flag::PENDING, false);
        self.graph.set(node, Flag::INJECTED, true);
        let crew = self.crew.clone();
        self.graph.settle(node, &[], true, true, &*crew);
    }

    fn clear_failure(&mut self, node: NodeId) {
        self.failures.remove(&node);
        self.fingerprints.remove(&node);
        for flag in [Flag::FAILED, Flag::TRANSIENT, Flag::EVICTED] {
            self.graph.set(node, flag, false);
        }
    }

    /// Notes that a node has a value that can be computed again; `is_new` if it did not before.
    pub fn can_be_evicted(&mut self, node: NodeId, is_new: bool) {
        if !is_new || self.bytes_max == usize::MAX {
            return;
        }
        self.evictable.push_back(node);
        // Some stand there twice, after a failure for instance; not so many that it would matter.
        if self.evictable.len() > 2 * self.graph.len() {
            let mut known: Vec<NodeId> = self.evictable.drain(..).collect();
            known.sort_unstable();
            known.dedup();
            self.evictable = known.into();
        }
    }

    /// Notes that a waiter that was told has come.
    pub fn unpin(&mut self, node: NodeId) {
        if let Some(pins) = self.pins.get_mut(&node) {
            *pins -= 1;
            if *pins == 0 {
                self.pins.remove(&node);
                if self.bytes_held > self.bytes_max {
                    self.evict(node);
                }
            }
        }
    }

    pub fn account(&mut self, swapped: Swapped) {
        self.bytes_held = self.bytes_held + swapped.came - swapped.went;
    }
}
