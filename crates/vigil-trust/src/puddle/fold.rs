//! The fold: from a set of events, and of evidence, to who may do what.
//!
//! 1. The Person's keys, from the genesis through rotations. Two rotations that had not seen each other
//!    contest the puddle: no key counts until people settle it by a new one.
//! 2. Revocations. What a key signed that was rotated away counts if the rotation had seen it; but a
//!    revocation of what the rotation had seen counts unless its author had seen the rotation.
//!    A revocation by the Person counts even while events that it names as seen have not come.
//! 3. Machines: added by the Person, not revoked, not frozen by a fork that is not forgiven.
//! 4. Grants: from the Person or under a grant that holds, narrowing, to a machine that is active.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use vigil_base::{Blame, Blamed, Name, Vcid};

use super::event::{Event, FeedMark, PuddleEvent, Target};
use super::freshness::Lease;
use super::scope::DEPTH_MAX;
use super::view::{Authority, GrantView, MachineState, MachineView, Refusal, View};
use crate::feed::{FeedId, Incarnation};
use crate::keys::KeyBytes;
use crate::statement::Statement;

/// Why there is no fold at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FoldError {
    /// The genesis is missing or is something else.
    #[error("the event that began the puddle {puddle} is not there")]
    NoGenesis {
        /// The puddle.
        puddle: Vcid,
    },
}

impl Blamed for FoldError {
    fn blame(&self) -> Blame {
        Blame::Caller
    }
}

/// An event with what it hangs on.
struct Node<'a> {
    statement: &'a Statement,
    event: PuddleEvent,
}

/// A working set, while it is folded.
struct Folding<'a> {
    id: Vcid,
    nodes: BTreeMap<Vcid, Node<'a>>,
    /// Which events name an event as seen.
    children: BTreeMap<Vcid, Vec<Vcid>>,
    refused: BTreeMap<Vcid, Refusal>,
    /// Revocations that name events which are not here. They stay among the nodes; what has seen them
    /// does not.
    waiting: BTreeSet<Vcid>,
}

/// Computes what a set of events means. `frozen` names feeds of which there is evidence of a fork.
///
/// # Errors
/// Fails where the event that began the puddle is not among them.
pub fn fold<'a>(
    puddle: Vcid,
    statements: impl IntoIterator<Item = &'a Statement>,
    frozen: &BTreeSet<FeedId>,
) -> Result<View, FoldError> {
    let (nodes, children, refused) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    let waiting = BTreeSet::new();
    let mut folding = Folding { id: puddle, nodes, children, refused, waiting };
    for statement in statements {
        folding.take(statement);
    }
    let Some((name, lease)) = folding.genesis() else {
        return Err(FoldError::NoGenesis { puddle });
    };
    folding.drop_waiting();
    let epochs = folding.epochs();
    let (valid, late) = folding.judge_person(&epochs);
    let revoked = folding.revocations(&epochs, &valid, &late);
    let machines = folding.machines(&valid, &late, &revoked, frozen);
    let grants = folding.grants(&epochs, &valid, &revoked, &machines);
    let heads = folding.heads(&valid);
    folding.refuse_others(&valid);
    let signed = valid.iter().filter_map(|id| Some((*id, folding.nodes.get(id)?.statement.at())));
    let signed = signed.collect();
    Ok(View {
        id: puddle,
        name,
        lease,
        authority: epochs.authority(),
        persons: epochs.keys.clone(),
        machines,
        grants,
        refused: folding.refused,
        heads,
        signed,
    })
}

/// The Person's keys, and what of each counts.
struct Epochs {
    keys: Vec<KeyBytes>,
    /// For each key but one that counts still: what all of its rotations had seen, and these.
    closed: Vec<BTreeSet<Vcid>>,
    /// For each such key, the rotations.
    rotations: Vec<BTreeSet<Vcid>>,
    /// For each such key, what was signed by those who had seen a rotation.
    aware: Vec<BTreeSet<Vcid>>,
    is_contested: bool,
}

impl Epochs {
    fn authority(&self) -> Authority {
        match (self.is_contested, self.rotations.last(), self.keys.last()) {
            (true, Some(rotations), _) => Authority::Contested(rotations.clone()),
            (_, _, Some(key)) => Authority::Person(*key),
            (_, _, None) => Authority::Contested(BTreeSet::new()),
        }
    }

    fn of(&self, key: &KeyBytes) -> Option<usize> {
        self.keys.iter().position(|known| known == key)
    }
}

/// What was taken away.
#[derive(Default)]
struct Revoked {
    /// Machines: by which event, and whether by the Person.
    machines: BTreeMap<KeyBytes, Vec<Vcid>>,
    grants: BTreeSet<Vcid>,
}

impl<'a> Folding<'a> {
    fn take(&mut self, statement: &'a Statement) {
        let id = statement.id();
        if !PuddleEvent::is_tagged(statement) {
            return;
        }
        match PuddleEvent::decode(statement) {
            Ok(event) if event.puddle.unwrap_or(id) == self.id => {
                self.nodes.insert(id, Node { statement, event });
            }
            // An event of another puddle is none of this one's business.
            Ok(_) => {}
            Err(error) => _ = self.refused.insert(id, error.into()),
        }
    }

    fn genesis(&self) -> Option<(Name, Lease)> {
        match &self.nodes.get(&self.id)?.event.event {
            Event::Genesis { name, lease, .. } => Some((name.clone(), *lease)),
            _ => None,
        }
    }

    /// Sets aside what names events that are not here, and whatever names those. Revocations stay, to be
    /// judged by who signed them: whoever forks a feed can keep what they name from somebody for ever.
    fn drop_waiting(&mut self) {
        let mut dropped: Vec<Vcid> = Vec::new();
        for (id, node) in &self.nodes {
            for before in &node.event.after {
                self.children.entry(*before).or_default().push(*id);
                if !self.nodes.contains_key(before) {
                    dropped.push(*id);
                }
            }
        }
        while let Some(id) = dropped.pop() {
            let is_new = match self.nodes.get(&id).map(|node| &node.event.event) {
                Some(Event::Revoke { .. }) => self.waiting.insert(id),
                Some(_) => {
                    self.refused.insert(id, Refusal::Waiting);
                    self.nodes.remove(&id).is_some()
                }
                None => false,
            };
            if is_new {
                dropped.extend(self.children.get(&id).into_iter().flatten().copied());
            }
        }
    }

    /// Returns some events, and all that their authors had seen, directly or not.
    fn past(&self, of: &BTreeSet<Vcid>) -> BTreeSet<Vcid> {
        let before = |id: &Vcid| self.nodes.get(id).map(|node| node.event.after.as_slice());
        let mut past = of.clone();
        let mut open: Vec<Vcid> = of.iter().copied().collect();
        while let Some(id) = open.pop() {
            let before = before(&id).unwrap_or_default().iter();
            open.extend(before.filter(|before| past.insert(**before)));
        }
        past
    }

    /// Returns the newest of what counts of the Person's word. What machines sign is left out: it needs no
    /// order, and whoever has a machine's key could make more of it than an event can name.
    fn heads(&self, valid: &BTreeSet<Vcid>) -> BTreeSet<Vcid> {
        let before = valid.iter().filter_map(|id| self.nodes.get(id));
        let before = before.flat_map(|node| node.event.after.iter().copied()).collect();
        valid.difference(&self.past(&before)).copied().collect()
    }

    /// Returns some rotations, and what every one of them had seen: whoever has a key that was rotated
    /// away can sign another rotation of it, and so add nothing to what counts.
    fn seen_by_all(&self, rotations: &BTreeSet<Vcid>) -> BTreeSet<Vcid> {
        let pasts = rotations.iter().map(|id| self.past(&BTreeSet::from([*id])));
        let common = pasts.reduce(|one, two| one.intersection(&two).copied().collect());
        common.unwrap_or_default().union(rotations).copied().collect()
    }

    /// Returns what was signed by authors who had seen any of some events.
    fn future(&self, of: &BTreeSet<Vcid>) -> BTreeSet<Vcid> {
        let mut future = BTreeSet::new();
        let mut open: Vec<Vcid> = of.iter().copied().collect();
        while let Some(id) = open.pop() {
            let after = self.children.get(&id).map(Vec::as_slice).unwrap_or_default().iter();
            open.extend(after.filter(|after| future.insert(**after)));
        }
        future
    }

    fn epochs(&mut self) -> Epochs {
        let first = self.nodes.get(&self.id).map(|node| node.statement.author());
        let keys: Vec<KeyBytes> = first.into_iter().collect();
        let (closed, rotations, aware) = (Vec::new(), Vec::new(), Vec::new());
        let mut epochs = Epochs { keys, closed, rotations, aware, is_contested: false };
        while let Some(key) = epochs.keys.last().copied() {
            let found = self.rotations_of(&key, &epochs.keys);
            let successors: BTreeSet<KeyBytes> = found.values().copied().collect();
            if found.is_empty() {
                break;
            }
            let found: BTreeSet<Vcid> = found.into_keys().collect();
            epochs.closed.push(self.seen_by_all(&found));
            epochs.aware.push(self.future(&found));
            epochs.rotations.push(found);
            match successors.first() {
                Some(successor) if successors.len() == 1 => epochs.keys.push(*successor),
                _ => {
                    epochs.is_contested = true;
                    break;
                }
            }
        }
        epochs
    }

    /// Finds the rotations of a key that had seen none of the others, and refuses those that do not hold.
    fn rotations_of(&mut self, key: &KeyBytes, before: &[KeyBytes]) -> BTreeMap<Vcid, KeyBytes> {
        let mut found = BTreeMap::new();
        let mut refused = Vec::new();
        for (id, node) in &self.nodes {
            let Event::Rotate { successor, consent } = &node.event.event else { continue };
            if node.statement.author() != *key {
                continue;
            }
            let is_new = !before.contains(successor);
            let after = &node.event.after;
            if is_new && Event::is_consented(&self.id, key, after, successor, consent) {
                found.insert(*id, *successor);
            } else {
                refused.push(*id);
            }
        }
        for id in refused {
            self.refused.insert(id, Refusal::Successor);
        }
        // Whoever had seen a rotation of a key rotates with a key that is gone.
        let late = self.future(&found.keys().copied().collect());
        found.retain(|id, _| !late.contains(id));
        found
    }

    /// Finds what counts of what the Person's keys signed: the Person's word, and revocations that wait, or
    /// are by old keys whose rotation had not seen them.
    fn judge_person(&mut self, epochs: &Epochs) -> (BTreeSet<Vcid>, BTreeSet<Vcid>) {
        let (mut valid, mut unaware, mut refused) = (BTreeSet::new(), Vec::new(), Vec::new());
        let mut late = BTreeSet::new();
        for (id, node) in &self.nodes {
            let Some(epoch) = epochs.of(&node.statement.author()) else { continue };
            if self.refused.contains_key(id) {
                continue;
            }
            let closed = epochs.closed.get(epoch);
            if closed.is_none() && self.waiting.contains(id) {
                late.insert(*id);
                continue;
            }
            let is_seen = closed.is_none_or(|closed| closed.contains(id));
            if is_seen || *id == self.id {
                valid.insert(*id);
                continue;
            }
            let is_last = epochs.is_contested && epoch + 1 == epochs.keys.len();
            let refusal = if is_last { Refusal::Contested } else { Refusal::RotatedKey };
            match &node.event.event {
                Event::Revoke { target, .. } if !epochs.aware[epoch].contains(id) => {
                    unaware.push((*id, *target, epoch, refusal));
                }
                _ => refused.push((*id, refusal)),
            }
        }
        for (id, target, epoch, refusal) in unaware {
            if self.is_target_known(&target, &epochs.closed[epoch], &valid) {
                late.insert(id);
            } else {
                refused.push((id, refusal));
            }
        }
        self.refused.extend(refused);
        (valid, late)
    }

    /// Says whether a machine was added, or a grant given, by what a rotation had seen.
    fn is_target_known(
        &self,
        target: &Target,
        closed: &BTreeSet<Vcid>,
        valid: &BTreeSet<Vcid>,
    ) -> bool {
        let event = |id: &Vcid| self.nodes.get(id).map(|node| &node.event.event);
        match target {
            Target::Machine(machine) => closed.intersection(valid).any(|id| {
                matches!(event(id), Some(Event::Add { request, .. }) if request.machine() == *machine)
            }),
            Target::Grant(grant) => {
                closed.contains(grant) && matches!(event(grant), Some(Event::Grant { .. }))
            }
        }
    }

    /// Returns a grant's givers, from itself up: a revocation by any of them counts.
    fn givers(&self, grant: &Vcid) -> Vec<KeyBytes> {
        let mut givers = Vec::new();
        let mut at = Some(*grant);
        while let Some(node) = at.and_then(|id| self.nodes.get(&id)) {
            let Event::Grant { parent, .. } = &node.event.event else { break };
            givers.push(node.statement.author());
            // A chain that is longer holds nowhere, so nothing need be found above.
            at = if givers.len() > DEPTH_MAX { None } else { *parent };
        }
        givers
    }

    fn revocations(
        &mut self,
        epochs: &Epochs,
        valid: &BTreeSet<Vcid>,
        late: &BTreeSet<Vcid>,
    ) -> Revoked {
        let mut revoked = Revoked::default();
        let mut refused = Vec::new();
        for (id, node) in &self.nodes {
            let Event::Revoke { target, .. } = &node.event.event else { continue };
            let author = node.statement.author();
            let is_person = epochs.of(&author).is_some();
            let is_own = || match target {
                Target::Machine(machine) => *machine == author,
                Target::Grant(grant) => self.givers(grant).contains(&author),
            };
            let is_here = !self.waiting.contains(id);
            let is_allowed =
                valid.contains(id) || late.contains(id) || is_here && !is_person && is_own();
            match target {
                // What was a key of the Person's is judged above, and refused there.
                _ if !is_allowed && is_person => {}
                _ if !is_here && !is_allowed => refused.push((*id, Refusal::Waiting)),
                _ if !is_allowed => refused.push((*id, Refusal::NotAuthor)),
                Target::Machine(machine) => revoked.machines.entry(*machine).or_default().push(*id),
                Target::Grant(grant) => _ = revoked.grants.insert(*grant),
            }
        }
        self.refused.extend(refused);
        revoked
    }

    fn machines(
        &mut self,
        valid: &BTreeSet<Vcid>,
        late: &BTreeSet<Vcid>,
        revoked: &Revoked,
        frozen: &BTreeSet<FeedId>,
    ) -> BTreeMap<KeyBytes, MachineView> {
        let mut machines: BTreeMap<KeyBytes, MachineView> = BTreeMap::new();
        let mut refused = Vec::new();
        for (id, node) in &self.nodes {
            let Event::Add { request, pardons } = &node.event.event else { continue };
            if !valid.contains(id) {
                refused.push(*id);
                continue;
            }
            // Events come in the order of their ids, so the first one names the machine everywhere.
            let view = machines.entry(request.machine()).or_insert_with(|| MachineView {
                name: request.name().clone(),
                state: MachineState::Active,
                added: *id,
                kept: Vec::new(),
                pardons: BTreeSet::new(),
            });
            view.pardons.extend(pardons);
        }
        for id in refused {
            self.refused.entry(id).or_insert(Refusal::NotAuthor);
        }
        for (key, view) in &mut machines {
            if let Some(events) = revoked.machines.get(key) {
                self.mark_revoked(view, events, [valid, late]);
                continue;
            }
            let is_open =
                |feed: &&FeedId| feed.machine == *key && !view.pardons.contains(&feed.incarnation);
            let feeds: Vec<FeedId> = frozen.iter().filter(is_open).copied().collect();
            if !feeds.is_empty() {
                view.state = MachineState::Frozen { feeds };
            }
        }
        machines
    }

    /// The Person's word on how far a machine's feeds count goes before that of a key that was rotated
    /// away, and this before the machine's own. Of several the mark that keeps least counts, and of those that
    /// end at one position in different batches none.
    fn mark_revoked(&self, view: &mut MachineView, events: &[Vcid], words: [&BTreeSet<Vcid>; 2]) {
        let among = |word: &BTreeSet<Vcid>| -> Vec<Vcid> {
            events.iter().filter(|id| word.contains(*id)).copied().collect()
        };
        let first = words.into_iter().map(among).find(|found| !found.is_empty());
        let events = first.as_deref().unwrap_or(events);
        let mut marks: BTreeMap<Incarnation, Vec<BTreeSet<(u64, Vcid)>>> = BTreeMap::new();
        for id in events.iter().rev() {
            let Event::Revoke { kept, reason, .. } = &self.nodes[id].event.event else { continue };
            view.state = MachineState::Revoked { by: *id, reason: reason.clone() };
            let mut of_event: BTreeMap<Incarnation, BTreeSet<(u64, Vcid)>> = BTreeMap::new();
            for mark in kept {
                of_event.entry(mark.incarnation).or_default().insert((mark.next, mark.last));
            }
            for (incarnation, kept) in of_event {
                marks.entry(incarnation).or_default().push(kept);
            }
        }
        let kept_by_all = marks.into_iter().filter(|(_, kept)| kept.len() == events.len());
        view.kept = kept_by_all
            .filter_map(|(incarnation, kept)| {
                let kept: BTreeSet<(u64, Vcid)> = kept.into_iter().flatten().collect();
                let (next, last) = *kept.first()?;
                let is_contested = kept.iter().nth(1).is_some_and(|(other, _)| *other == next);
                (!is_contested).then_some(FeedMark { incarnation, next, last })
            })
            .collect();
    }

    /// Refuses renewals by anybody but the Person.
    fn refuse_others(&mut self, valid: &BTreeSet<Vcid>) {
        let renewals = self.nodes.iter().filter(|(_, node)| node.event.event == Event::Renew);
        let others = renewals.map(|(id, _)| *id).filter(|id| !valid.contains(id));
        for id in others.collect::<Vec<_>>() {
            self.refused.entry(id).or_insert(Refusal::NotAuthor);
        }
    }

    fn grants(
        &mut self,
        epochs: &Epochs,
        valid: &BTreeSet<Vcid>,
        revoked: &Revoked,
        machines: &BTreeMap<KeyBytes, MachineView>,
    ) -> BTreeMap<Vcid, GrantView> {
        let is_active = |key: &KeyBytes| {
            machines.get(key).is_some_and(|machine| machine.state == MachineState::Active)
        };
        let mut grants: BTreeMap<Vcid, GrantView> = BTreeMap::new();
        let mut refused: BTreeMap<Vcid, Refusal> = BTreeMap::new();
        // Level by level from the Person down; what stands below no level hangs in the air.
        for depth in 1..=DEPTH_MAX + 1 {
            let mut level = Vec::new();
            for (id, node) in &self.nodes {
                let Event::Grant { to, parent, scope } = &node.event.event else { continue };
                let from = node.statement.author();
                let above = parent.and_then(|parent| grants.get(&parent));
                let is_here = match (epochs.of(&from), parent) {
                    (Some(_), _) => depth == 1,
                    (None, None) => depth == 1,
                    (None, Some(_)) => above.is_some_and(|above| above.depth + 1 == depth),
                };
                if !is_here || self.refused.contains_key(id) {
                    continue;
                }
                let view =
                    GrantView { from, to: *to, parent: *parent, scope: scope.clone(), depth };
                let flaw = if epochs.of(&from).is_some() {
                    flaw_of_root(parent.is_some(), valid.contains(id))
                } else {
                    flaw_of_link(&view, above, &grants, is_active(&from))
                };
                let flaw = flaw
                    .or_else(|| revoked.grants.contains(id).then_some(Refusal::Revoked))
                    .or_else(|| (!is_active(to)).then_some(Refusal::Inactive));
                match flaw {
                    None => level.push((*id, view)),
                    Some(flaw) => _ = refused.insert(*id, flaw),
                }
            }
            grants.extend(level);
        }
        for (id, node) in &self.nodes {
            let is_grant = matches!(node.event.event, Event::Grant { .. });
            if is_grant && !grants.contains_key(id) && !self.refused.contains_key(id) {
                refused.entry(*id).or_insert(Refusal::Parent);
            }
        }
        self.refused.extend(refused);
        grants
    }
}

fn flaw_of_root(has_parent: bool, is_valid: bool) -> Option<Refusal> {
    match (is_valid, has_parent) {
        (false, _) => Some(Refusal::RotatedKey),
        // The Person needs no grant, and names none.
        (true, true) => Some(Refusal::Parent),
        (true, false) => None,
    }
}

fn flaw_of_link(
    view: &GrantView,
    above: Option<&GrantView>,
    grants: &BTreeMap<Vcid, GrantView>,
    is_giver_active: bool,
) -> Option<Refusal> {
    let Some(above) = above else { return Some(Refusal::NotAuthor) };
    if above.to != view.from {
        return Some(Refusal::NotHolder);
    }
    if !is_giver_active {
        return Some(Refusal::Inactive);
    }
    if view.depth > DEPTH_MAX {
        return Some(Refusal::TooDeep);
    }
    let mut link = Some(above);
    while let Some(at) = link {
        if at.to == view.to {
            return Some(Refusal::Cycle);
        }
        link = at.parent.and_then(|parent| grants.get(&parent));
    }
    (!above.scope.covers(&view.scope)).then_some(Refusal::Widened)
}

#[cfg(test)]
mod tests;
