//! The rules once more, as plain definitions without any care for cost: each question is answered by
//! looking at every event anew.

use super::*;

pub(super) struct Naive<'a> {
    pub puddle: Vcid,
    pub events: Vec<(Vcid, KeyBytes, PuddleEvent)>,
    pub frozen: &'a BTreeSet<FeedId>,
    /// The batches that have come.
    pub known: &'a [&'a Batch],
}

/// What is compared.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Summary {
    pub person: Option<KeyBytes>,
    pub machines: BTreeMap<KeyBytes, &'static str>,
    pub grants: BTreeMap<Vcid, usize>,
    pub signed: BTreeSet<Vcid>,
    pub said: BTreeSet<Vcid>,
}

impl Naive<'_> {
    pub fn summary(&self) -> Summary {
        let (keys, is_contested) = self.keys();
        let added = self.events.iter().filter_map(|(id, _, event)| match &event.event {
            Event::Add { request, .. } if self.is_person(id) => Some(request.machine()),
            _ => None,
        });
        let machines = added.map(|key| (key, self.state(&key))).collect();
        let grants = self.events.iter().filter_map(|(id, ..)| Some((*id, self.depth(id, 0)?)));
        let person = keys.last().copied().filter(|_| !is_contested);
        let signed = self.events.iter().map(|(id, ..)| *id).filter(|id| self.is_person(id));
        let said = self.known.iter().filter(|batch| self.counts(batch)).map(|batch| batch.id());
        let said = said.collect();
        Summary { person, machines, grants: grants.collect(), signed: signed.collect(), said }
    }

    fn find(&self, id: &Vcid) -> Option<&(Vcid, KeyBytes, PuddleEvent)> {
        self.events.iter().find(|(known, ..)| known == id)
    }

    /// Whether the author of `later` had seen `earlier`.
    fn saw(&self, later: &Vcid, earlier: &Vcid) -> bool {
        let Some((.., event)) = self.find(later) else { return false };
        event.after.iter().any(|before| before == earlier || self.saw(before, earlier))
    }

    fn is_whole(&self, id: &Vcid) -> bool {
        let is_whole = |event: &PuddleEvent| event.after.iter().all(|before| self.is_whole(before));
        self.find(id).is_some_and(|(.., event)| is_whole(event))
    }

    /// The rotations that end the last of some keys.
    fn endings(&self, keys: &[KeyBytes]) -> Vec<(Vcid, KeyBytes)> {
        let Some(key) = keys.last() else { return Vec::new() };
        let all: Vec<(Vcid, KeyBytes)> = self
            .events
            .iter()
            .filter_map(|(id, author, event)| match &event.event {
                Event::Rotate { successor, consent }
                    if author == key
                        && self.is_whole(id)
                        && !keys.contains(successor)
                        && Event::is_consented(
                            &self.puddle,
                            key,
                            &event.after,
                            successor,
                            consent,
                        ) =>
                {
                    Some((*id, *successor))
                }
                _ => None,
            })
            .collect();
        let is_first = |id: &Vcid| !all.iter().any(|(other, _)| self.saw(id, other));
        all.iter().filter(|(id, _)| is_first(id)).copied().collect()
    }

    fn keys(&self) -> (Vec<KeyBytes>, bool) {
        let (_, first, _) = self.find(&self.puddle).expect("there is a genesis");
        let mut keys = Vec::from([*first]);
        loop {
            let endings = self.endings(&keys);
            let Some((_, successor)) = endings.first() else { return (keys, false) };
            if endings.iter().any(|(_, other)| other != successor) {
                return (keys, true);
            }
            keys.push(*successor);
        }
    }

    /// Whether an event counts as the Person's word.
    fn is_person(&self, id: &Vcid) -> bool {
        let Some((_, author, event)) = self.find(id) else { return false };
        if !self.is_whole(id) {
            return false;
        }
        let (keys, _) = self.keys();
        let Some(epoch) = keys.iter().position(|key| key == author) else { return false };
        let endings = self.endings(&keys[..=epoch]);
        let is_ending = endings.iter().any(|(end, _)| end == id);
        let is_seen = is_ending || endings.iter().all(|(end, _)| self.saw(end, id));
        let is_rotation = matches!(event.event, Event::Rotate { .. });
        if is_rotation && !is_ending {
            return false;
        }
        is_seen || *id == self.puddle
    }

    /// Whether an event is a revocation that waits, by the last key; or one by an old key that had not seen
    /// its rotation, of what all rotations of that key had seen.
    fn is_late_revocation(&self, id: &Vcid) -> bool {
        let Some((_, author, event)) = self.find(id) else { return false };
        let Event::Revoke { target, .. } = &event.event else { return false };
        let (keys, _) = self.keys();
        let Some(epoch) = keys.iter().position(|key| key == author) else { return false };
        let endings = self.endings(&keys[..=epoch]);
        let is_known = self.events.iter().any(|(other, _, event)| {
            let is_target = match (&event.event, target) {
                (Event::Add { request, .. }, Target::Machine(machine)) => {
                    request.machine() == *machine && self.is_person(other)
                }
                (Event::Grant { .. }, Target::Grant(grant)) => grant == other,
                _ => false,
            };
            is_target && endings.iter().all(|(end, _)| self.saw(end, other))
        });
        let is_unaware = !endings.iter().any(|(end, _)| self.saw(id, end));
        if endings.is_empty() { !self.is_whole(id) } else { is_unaware && is_known }
    }

    fn is_revoked(&self, wanted: Target) -> bool {
        self.events.iter().any(|(id, _, event)| {
            matches!(&event.event, Event::Revoke { target, .. } if *target == wanted)
                && self.is_effective(id)
        })
    }

    /// Whether an event is a revocation that has an effect.
    fn is_effective(&self, id: &Vcid) -> bool {
        let Some((_, author, event)) = self.find(id) else { return false };
        let Event::Revoke { target, .. } = &event.event else { return false };
        let is_own = match target {
            Target::Machine(key) => key == author,
            Target::Grant(grant) => self.gave(author, grant, 0),
        };
        let is_person_once = self.keys().0.contains(author);
        let is_by_machine = self.is_whole(id) && is_own && !is_person_once;
        self.is_person(id) || self.is_late_revocation(id) || is_by_machine
    }

    /// Whether somebody gave a grant, or one of those above it.
    fn gave(&self, who: &KeyBytes, grant: &Vcid, steps: usize) -> bool {
        let Some((_, author, event)) = self.find(grant) else { return false };
        let Event::Grant { parent, .. } = &event.event else { return false };
        let is_above = |parent: &Vcid| steps < 4 && self.gave(who, parent, steps + 1);
        self.is_whole(grant) && (author == who || parent.as_ref().is_some_and(is_above))
    }

    fn state(&self, machine: &KeyBytes) -> &'static str {
        if self.is_revoked(Target::Machine(*machine)) {
            return "revoked";
        }
        let is_frozen = |feed: &FeedId| feed.machine == *machine && !self.is_pardoned(feed);
        if self.frozen.iter().any(is_frozen) { "frozen" } else { "active" }
    }

    fn is_pardoned(&self, feed: &FeedId) -> bool {
        self.events.iter().any(|(id, _, event)| match &event.event {
            Event::Add { request, pardons } => {
                request.machine() == feed.machine
                    && pardons.contains(&feed.incarnation)
                    && self.is_person(id)
            }
            _ => false,
        })
    }

    fn is_added(&self, machine: &KeyBytes) -> bool {
        self.events.iter().any(|(id, _, event)| match &event.event {
            Event::Add { request, .. } => request.machine() == *machine && self.is_person(id),
            _ => false,
        })
    }

    fn is_active(&self, machine: &KeyBytes) -> bool {
        self.is_added(machine) && self.state(machine) == "active"
    }

    /// Whether what a batch says counts.
    fn counts(&self, batch: &Batch) -> bool {
        let feed = batch.header().feed;
        if !self.is_added(&feed.machine) || self.is_pardoned(&feed) {
            return false;
        }
        match self.state(&feed.machine) {
            "active" => true,
            "revoked" => self.mark(&feed).is_some_and(|mark| {
                let is_end =
                    |end: &Batch| end.header().feed == feed && end.header().end() == mark.next;
                self.batch(&mark.last).is_some_and(is_end)
                    && self.is_from_the_start(&mark.last)
                    && self.leads_to(batch, &mark.last)
            }),
            _ => false,
        }
    }

    /// The mark that counts of a feed whose machine was revoked.
    fn mark(&self, feed: &FeedId) -> Option<FeedMark> {
        let revocations = self.events.iter().filter_map(|(id, _, event)| match &event.event {
            Event::Revoke { target, kept, .. } if *target == Target::Machine(feed.machine) => {
                let kept = kept.iter().filter(|mark| mark.incarnation == feed.incarnation);
                Some((id, kept.copied().collect::<Vec<FeedMark>>()))
            }
            _ => None,
        });
        let revocations: Vec<_> = revocations.filter(|(id, _)| self.is_effective(id)).collect();
        let rank = |id: &Vcid| match () {
            () if self.is_person(id) => 0,
            () if self.is_late_revocation(id) => 1,
            () => 2,
        };
        let first = revocations.iter().map(|(id, _)| rank(id)).min()?;
        let words: Vec<_> = revocations.iter().filter(|(id, _)| rank(id) == first).collect();
        if words.iter().any(|(_, kept)| kept.is_empty()) {
            return None;
        }
        let marks: Vec<FeedMark> = words.iter().flat_map(|(_, kept)| kept.clone()).collect();
        let least = marks.iter().min_by_key(|mark| mark.next)?;
        let is_alone = marks.iter().all(|mark| mark.next > least.next || mark.last == least.last);
        is_alone.then_some(*least)
    }

    fn batch(&self, id: &Vcid) -> Option<&Batch> {
        self.known.iter().copied().find(|batch| batch.id() == *id)
    }

    fn is_from_the_start(&self, id: &Vcid) -> bool {
        let previous = self.batch(id).map(|batch| batch.header().previous);
        previous.is_some_and(|before| before.is_none_or(|before| self.is_from_the_start(&before)))
    }

    fn leads_to(&self, batch: &Batch, end: &Vcid) -> bool {
        let before = self.batch(end).and_then(|end| end.header().previous);
        batch.id() == *end || before.is_some_and(|before| self.leads_to(batch, &before))
    }

    /// How deep a grant is, if it holds.
    fn depth(&self, id: &Vcid, steps: usize) -> Option<usize> {
        let (_, author, event) = self.find(id)?;
        let Event::Grant { to, parent, scope } = &event.event else { return None };
        let is_sound = self.is_whole(id)
            && steps <= 4
            && !self.is_revoked(Target::Grant(*id))
            && self.is_active(to);
        if !is_sound {
            return None;
        }
        if self.keys().0.contains(author) {
            return (self.is_person(id) && parent.is_none()).then_some(1);
        }
        let parent = (*parent)?;
        let depth = self.depth(&parent, steps + 1)? + 1;
        let (.., above) = self.find(&parent)?;
        let Event::Grant { to: holder, scope: wide, .. } = &above.event else { return None };
        let is_link = holder == author && self.is_active(author) && wide.covers(scope);
        (is_link && depth <= 4 && !self.holders(&parent).contains(to)).then_some(depth)
    }

    fn holders(&self, grant: &Vcid) -> Vec<KeyBytes> {
        let Some((.., event)) = self.find(grant) else { return Vec::new() };
        let Event::Grant { to, parent, .. } = &event.event else { return Vec::new() };
        let mut holders = parent.as_ref().map(|above| self.holders(above)).unwrap_or_default();
        holders.push(*to);
        holders
    }
}
