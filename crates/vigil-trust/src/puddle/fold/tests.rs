//! The fold: each rule on its own, and all of them against a naive reference on random histories.

use vigil_base::world::Moment;

use super::*;
use crate::feed::{Batch, Incarnation};
use crate::keys::{SecretKey, Signature};
use crate::puddle::{
    AFTER_MAX, Ask, ChainError, Denial, Freshness, Idle, JoinRequest, KeptBatches, Link, Misfit,
    Scope, When, check_chain,
};
use crate::testing::Repeating;
use alloc::format;
use alloc::string::ToString as _;
use marks::{counts, counts_at};

mod asking;
mod marks;
mod naive;
mod random;

pub(super) fn key(seed: u8) -> SecretKey {
    SecretKey::from_seed(&[seed; 32])
}

/// Person keys are 100, 101, …; machines 1, 2, ….
pub(super) const PERSON: u8 = 100;

pub(super) fn genesis() -> Statement {
    let event = Event::Genesis {
        name: Name::new("home").expect("a name"),
        lease: Lease::Never,
        nonce: [0; 16],
    };
    PuddleEvent { puddle: None, after: Vec::new(), event }.sign(&key(PERSON), Moment(0))
}

pub(super) fn request(machine: u8) -> JoinRequest {
    let name = Name::new(&format!("m{machine}")).expect("a name");
    JoinRequest::sign(&key(machine), Moment(0), &name)
}

pub(super) fn scope(verbs: &[&str], prefix: &str, expiry: Option<i64>) -> Scope {
    Scope::new("files", verbs.iter().copied(), prefix, expiry.map(Moment)).expect("a scope")
}

/// A history that grows.
struct History {
    id: Vcid,
    statements: Vec<Statement>,
    frozen: BTreeSet<FeedId>,
}

impl History {
    fn new() -> Self {
        let genesis = genesis();
        Self { id: genesis.id(), statements: Vec::from([genesis]), frozen: BTreeSet::new() }
    }

    fn view(&self) -> View {
        let view = fold(self.id, &self.statements, &self.frozen).expect("there is a genesis");
        let backwards = fold(self.id, self.statements.iter().rev(), &self.frozen);
        assert_eq!(backwards.as_ref(), Ok(&view), "the order of events has changed the fold");
        view
    }

    /// Signs an event that has seen `after`.
    fn push_after(&mut self, author: u8, after: &[Vcid], event: Event) -> Vcid {
        let mut after = after.to_vec();
        after.sort_unstable();
        let event = PuddleEvent { puddle: Some(self.id), after, event };
        let at = Moment(self.statements.len() as i64);
        self.statements.push(event.sign(&key(author), at));
        self.statements.last().expect("it was pushed").id()
    }

    /// Signs an event that has seen all there is.
    fn push(&mut self, author: u8, event: Event) -> Vcid {
        let heads = self.heads();
        self.push_after(author, &heads, event)
    }

    fn add(&mut self, machine: u8) -> Vcid {
        self.push(PERSON, Event::Add { request: request(machine), pardons: Vec::new() })
    }

    fn grant(&mut self, author: u8, to: u8, parent: Option<Vcid>, scope: Scope) -> Vcid {
        self.push(author, Event::Grant { to: key(to).public().bytes(), parent, scope })
    }

    /// Rotates the Person's key, having seen `after`.
    fn rotate_after(&mut self, before: u8, after: &[Vcid], to: u8) -> Vcid {
        let event = rotate(&self.id, before, after, to);
        self.push_after(before, after, event)
    }

    /// Rotates the Person's key, having seen all there is.
    fn rotate(&mut self, before: u8, to: u8) -> Vcid {
        let heads = self.heads();
        self.rotate_after(before, &heads, to)
    }

    fn heads(&self) -> Vec<Vcid> {
        self.view().next_after()
    }

    fn state(&self, machine: u8) -> MachineState {
        self.view().machines[&key(machine).public().bytes()].state.clone()
    }
}

/// Batches of a feed, each of one entry, behind `before`.
pub(super) fn batches(
    key: &SecretKey,
    incarnation: u8,
    before: Option<&Batch>,
    entries: &[&str],
) -> Vec<Batch> {
    let mut batches: Vec<Batch> = Vec::new();
    for entry in entries {
        let previous = batches.last().or(before).map(Batch::signed_header);
        let incarnation = Incarnation([incarnation; 16]);
        batches.push(Batch::sign(key, incarnation, previous, Moment(0), &[entry]));
    }
    batches
}

const SAID: [&str; 5] = ["a", "b", "c", "d", "e"];

fn mark(batch: &Batch) -> FeedMark {
    let header = batch.header();
    FeedMark { incarnation: header.feed.incarnation, next: header.end(), last: batch.id() }
}

fn revoke(machine: u8, kept: &[(u8, usize)]) -> Event {
    let last = |(incarnation, next): &(u8, usize)| {
        mark(&batches(&key(machine), *incarnation, None, &SAID)[next - 1])
    };
    revoke_at(machine, kept.iter().map(last).collect())
}

fn revoke_at(machine: u8, kept: Vec<FeedMark>) -> Event {
    let target = Target::Machine(key(machine).public().bytes());
    Event::Revoke { target, kept, reason: "lost".into() }
}

fn revoke_grant(grant: Vcid) -> Event {
    Event::Revoke { target: Target::Grant(grant), kept: Vec::new(), reason: "lost".into() }
}

fn feed_id(machine: u8, incarnation: u8) -> FeedId {
    FeedId { machine: key(machine).public().bytes(), incarnation: Incarnation([incarnation; 16]) }
}

/// The event, with a consent to a rotation that has seen `after`.
fn rotate(id: &Vcid, before: u8, after: &[Vcid], to: u8) -> Event {
    let mut after = after.to_vec();
    after.sort_unstable();
    Event::rotate(id, &key(before).public().bytes(), &after, &key(to))
}

#[test]
fn only_the_person_adds_machines() {
    let mut history = History::new();
    history.add(1);
    assert_eq!(history.state(1), MachineState::Active);
    let by_machine = history.push(1, Event::Add { request: request(2), pardons: Vec::new() });
    let view = history.view();
    assert_eq!(view.refused[&by_machine], Refusal::NotAuthor);
    assert_eq!(view.machines.len(), 1);
    assert_eq!(view.authority, Authority::Person(key(PERSON).public().bytes()));
}

#[test]
fn without_its_genesis_there_is_no_puddle_and_another_puddles_events_mean_nothing() {
    let history = History::new();
    let nothing = fold(history.id, [], &BTreeSet::new());
    assert_eq!(nothing, Err(FoldError::NoGenesis { puddle: history.id }));
    let mut other = History::new();
    other.add(1);
    let foreign = PuddleEvent {
        puddle: Some(Vcid::of(b"another")),
        after: Vec::new(),
        event: Event::Add { request: request(2), pardons: Vec::new() },
    };
    other.statements.push(foreign.sign(&key(PERSON), Moment(1)));
    assert_eq!(other.view().machines.len(), 1);
}

#[test]
fn a_revocation_wins_over_whatever_is_concurrent() {
    let mut history = History::new();
    let added = history.add(1);
    history.push(PERSON, revoke(1, &[(7, 3)]));
    // The Person's other copy, which has not seen it, adds the machine again and grants to it.
    history.push_after(PERSON, &[added], Event::Add { request: request(1), pardons: Vec::new() });
    let grant = Event::Grant {
        to: key(1).public().bytes(),
        parent: None,
        scope: scope(&["read"], "", None),
    };
    let grant = history.push_after(PERSON, &[added], grant);
    assert!(matches!(history.state(1), MachineState::Revoked { .. }));
    let view = history.view();
    assert_eq!(view.refused[&grant], Refusal::Inactive);
    // Its feed counts as far as the revocation says, and no further; other lives of it do not.
    assert!(counts_at(&view, 1, 7, 2) && !counts_at(&view, 1, 7, 3));
    assert!(!counts_at(&view, 1, 8, 0) && !counts_at(&view, 2, 7, 0));
}

#[test]
fn a_stolen_device_key_works_before_it_is_revoked_and_not_after() {
    let mut history = History::new();
    history.add(1);
    history.add(2);
    let root = history.grant(PERSON, 1, None, scope(&["read"], "", None));
    let by_thief = history.grant(1, 2, Some(root), scope(&["read"], "", None));
    assert!(history.view().grants.contains_key(&by_thief));
    history.push(PERSON, revoke(1, &[]));
    let later = history.grant(1, 2, Some(root), scope(&["read"], "logs", None));
    let view = history.view();
    assert!(view.grants.is_empty());
    assert_eq!(view.refused[&root], Refusal::Inactive);
    assert_eq!(view.refused[&by_thief], Refusal::Parent);
    assert_eq!(view.refused[&later], Refusal::Parent);
    // The thief can give the key up, and cannot take anybody else's.
    let theft = history.push(1, revoke(2, &[]));
    assert_eq!(history.view().refused[&theft], Refusal::NotAuthor);
    assert_eq!(history.state(2), MachineState::Active);
}

#[test]
fn a_machine_may_revoke_itself_and_givers_their_grants() {
    let mut history = History::new();
    (1..=3).for_each(|machine| _ = history.add(machine));
    let root = history.grant(PERSON, 1, None, scope(&["read"], "", None));
    let second = history.grant(1, 2, Some(root), scope(&["read"], "", None));
    let third = history.grant(2, 3, Some(second), scope(&["read"], "", None));
    assert_eq!(history.view().grants.len(), 3);
    let not_theirs = history.push(3, revoke_grant(second));
    assert_eq!(history.view().refused[&not_theirs], Refusal::NotAuthor);
    history.push(1, revoke_grant(third));
    let view = history.view();
    assert_eq!(view.refused[&third], Refusal::Revoked);
    assert!(view.grants.contains_key(&second));
    history.push(2, revoke(2, &[]));
    assert!(matches!(history.state(2), MachineState::Revoked { .. }));
}

#[test]
fn a_fork_freezes_its_device_only_until_the_person_signs() {
    let mut history = History::new();
    history.add(1);
    history.add(2);
    let grant = history.grant(PERSON, 1, None, scope(&["read"], "", None));
    history.frozen.insert(feed_id(1, 7));
    assert_eq!(history.state(1), MachineState::Frozen { feeds: Vec::from([feed_id(1, 7)]) });
    assert_eq!(history.state(2), MachineState::Active);
    assert_eq!(history.view().refused[&grant], Refusal::Inactive);
    // Neither does what its other lives say: whoever forked one may begin another with the same key.
    let view = history.view();
    assert!(!counts_at(&view, 1, 7, 0) && !counts_at(&view, 1, 8, 0));
    let pardons = Vec::from([Incarnation([7; 16])]);
    history.push(PERSON, Event::Add { request: request(1), pardons });
    assert_eq!(history.state(1), MachineState::Active);
    let view = history.view();
    assert!(view.grants.contains_key(&grant));
    assert!(!counts_at(&view, 1, 7, 0) && counts_at(&view, 1, 8, 0));
    // A second fork freezes it again.
    history.frozen.insert(feed_id(1, 8));
    assert!(matches!(history.state(1), MachineState::Frozen { .. }));
}

#[test]
fn a_machine_that_is_added_again_after_its_revocation_is_not_in() {
    let mut history = History::new();
    let machine = key(1).public().bytes();
    assert_eq!(history.view().expect_active(&machine), Err(Idle::Unknown));
    history.add(1);
    assert_eq!(history.view().expect_active(&machine), Ok(()));
    history.frozen.insert(feed_id(1, 7));
    assert_eq!(history.view().expect_active(&machine), Err(Idle::Frozen));
    history.push(PERSON, revoke(1, &[]));
    let again = history.add(1);
    // The event itself is the Person's word and not refused; whoever admits must look at the machine.
    assert!(!history.view().refused.contains_key(&again));
    assert_eq!(history.view().expect_active(&machine), Err(Idle::Revoked));
}

#[test]
fn grants_only_narrow_and_go_four_deep() {
    let mut history = History::new();
    (1..=6).for_each(|machine| _ = history.add(machine));
    let wide = scope(&["read", "write"], "logs", Some(100));
    let root = history.grant(PERSON, 1, None, wide.clone());
    let widened = history.grant(1, 2, Some(root), scope(&["read"], "", Some(100)));
    let longer = history.grant(1, 2, Some(root), scope(&["read"], "logs", None));
    let not_holder = history.grant(2, 3, Some(root), wide.clone());
    let from_nothing = history.grant(1, 2, None, wide.clone());
    let to_itself = history.grant(1, 1, Some(root), wide);
    let second = history.grant(1, 2, Some(root), scope(&["read"], "logs/a", Some(90)));
    let back = history.grant(2, 1, Some(second), scope(&["read"], "logs/a", Some(90)));
    let third = history.grant(2, 3, Some(second), scope(&["read"], "logs/a", Some(80)));
    let fourth = history.grant(3, 4, Some(third), scope(&["read"], "logs/a", Some(70)));
    let fifth = history.grant(4, 5, Some(fourth), scope(&["read"], "logs/a", Some(60)));
    let sixth = history.grant(5, 6, Some(fifth), scope(&["read"], "logs/a", Some(60)));
    let view = history.view();
    for (id, want) in [
        (widened, Refusal::Widened),
        (longer, Refusal::Widened),
        (not_holder, Refusal::NotHolder),
        (from_nothing, Refusal::NotAuthor),
        (to_itself, Refusal::Cycle),
        (back, Refusal::Cycle),
        (fifth, Refusal::TooDeep),
        (sixth, Refusal::Parent),
    ] {
        assert_eq!(view.refused[&id], want);
    }
    assert_eq!(
        view.grants.keys().copied().collect::<BTreeSet<_>>(),
        BTreeSet::from([root, second, third, fourth])
    );
    let ask = Ask { subsystem: "files", verb: "read", resource: "logs/a/1" };
    let four = key(4).public().bytes();
    let may = |grant: &Vcid, ask: &Ask<'_>, now| {
        let when = When { now: Moment(now), freshness: Freshness::Fresh { until: None } };
        view.authorise(&four, grant, ask, &when).map(|chain| chain.len())
    };
    assert_eq!(may(&fourth, &ask, 69), Ok(4));
    assert_eq!(may(&fourth, &ask, 70), Err(Denial::Expired { link: 4 }));
    assert_eq!(may(&third, &ask, 1), Err(Denial::NotHolder));
    assert_eq!(may(&fifth, &ask, 1), Err(Denial::NoGrant));
    let write = Ask { verb: "write", ..ask };
    let misfit = Misfit::Verb;
    assert_eq!(may(&fourth, &write, 1), Err(Denial::NotAllowed { misfit }));
}

#[test]
fn a_rotation_ends_a_key_and_keeps_what_it_had_seen() {
    let mut history = History::new();
    history.add(1);
    let grant = history.grant(PERSON, 1, None, scope(&["read"], "", None));
    let before = history.heads();
    history.rotate(PERSON, PERSON + 1);
    // Whoever has the old key adds a machine: with and without having seen the rotation.
    let add = |machine| Event::Add { request: request(machine), pardons: Vec::new() };
    let unaware = history.push_after(PERSON, &before, add(2));
    let aware = history.push(PERSON, add(3));
    let by_successor = history.push(PERSON + 1, add(4));
    let view = history.view();
    assert_eq!(view.authority, Authority::Person(key(PERSON + 1).public().bytes()));
    assert_eq!(view.refused[&unaware], Refusal::RotatedKey);
    assert_eq!(view.refused[&aware], Refusal::RotatedKey);
    assert!(view.grants.contains_key(&grant) && !view.refused.contains_key(&by_successor));
    assert_eq!(view.machines.len(), 2);
    // A revocation that had not seen the rotation counts, one that had does not.
    let too_late = history.push(PERSON, revoke(4, &[]));
    assert_eq!(history.view().refused[&too_late], Refusal::RotatedKey);
    history.push_after(PERSON, &before, revoke(1, &[]));
    assert!(matches!(history.state(1), MachineState::Revoked { .. }));
    assert_eq!(history.state(4), MachineState::Active);
}

#[test]
fn an_old_key_takes_away_only_what_its_rotation_had_seen() {
    let mut history = History::new();
    history.add(1);
    let before = history.heads();
    history.rotate(PERSON, PERSON + 1);
    history.push(PERSON + 1, Event::Add { request: request(2), pardons: Vec::new() });
    let grant = history.grant(PERSON + 1, 2, None, scope(&["read"], "", None));
    let signed_at = history.view().signed_at();
    let of_new = history.push_after(PERSON, &before, revoke(2, &[]));
    let of_grant = revoke_grant(grant);
    let of_grant = history.push_after(PERSON, &before, of_grant);
    let view = history.view();
    assert_eq!(view.refused[&of_new], Refusal::RotatedKey);
    assert_eq!(view.refused[&of_grant], Refusal::RotatedKey);
    assert!(view.grants.contains_key(&grant));
    // What the old key says of the time is not the Person's word, nor how far a feed counts.
    history.push_after(PERSON, &before, revoke(1, &[]));
    assert!(matches!(history.state(1), MachineState::Revoked { .. }));
    assert_eq!(history.view().signed_at(), signed_at);
    assert!(!counts_at(&history.view(), 1, 7, 0));
    history.push(PERSON + 1, revoke(1, &[(7, 3)]));
    assert!(counts_at(&history.view(), 1, 7, 2));
}

#[test]
fn whoever_has_an_old_key_adds_nothing_by_a_second_rotation() {
    let mut history = History::new();
    history.add(1);
    let before = history.heads();
    let owners = rotate(&history.id, PERSON, &before, PERSON + 1);
    history.push(PERSON, owners.clone());
    // The thief adds a machine, and says that a rotation had seen it: with the owner's consent, copied.
    let add = Event::Add { request: request(2), pardons: Vec::new() };
    let add = history.push_after(PERSON, &before, add);
    let scope = scope(&["read"], "", None);
    let grant = Event::Grant { to: key(2).public().bytes(), parent: None, scope };
    let grant = history.push_after(PERSON, &[add], grant);
    let copied = history.push_after(PERSON, &[grant], owners);
    let view = history.view();
    assert_eq!(view.refused[&copied], Refusal::Successor);
    assert_eq!(view.authority, Authority::Person(key(PERSON + 1).public().bytes()));
    assert_eq!(view.refused[&add], Refusal::RotatedKey);
    assert_eq!((view.machines.len(), view.grants.len()), (1, 0));
    // With a successor of the thief's own the key is contested, and still nothing is added.
    history.rotate_after(PERSON, &[grant], PERSON + 2);
    let view = history.view();
    assert!(matches!(view.authority, Authority::Contested(_)));
    assert_eq!(view.refused[&add], Refusal::Contested);
    assert_eq!((view.machines.len(), view.grants.len()), (1, 0));
    assert_eq!(history.state(1), MachineState::Active);
}

#[test]
fn two_rotations_that_had_not_seen_each_other_contest_the_key() {
    let mut history = History::new();
    let added = history.add(1);
    let one = history.rotate_after(PERSON, &[added], PERSON + 1);
    let two = history.rotate_after(PERSON, &[added], PERSON + 2);
    let later = history.push(PERSON + 1, Event::Add { request: request(2), pardons: Vec::new() });
    let view = history.view();
    assert_eq!(view.authority, Authority::Contested(BTreeSet::from([one, two])));
    assert_eq!(view.refused[&later], Refusal::NotAuthor);
    assert_eq!(history.state(1), MachineState::Active, "what was before stays");
}

#[test]
fn no_machine_can_stop_the_person_from_signing() {
    let mut history = History::new();
    let added = history.add(1);
    // Whoever has any key makes junk that nothing has seen, and junk that has seen what the Person said.
    for number in 0..=AFTER_MAX {
        let scope = scope(&["read"], &format!("junk/{number}"), None);
        let grant = Event::Grant { to: key(1).public().bytes(), parent: None, scope };
        let author = if number.is_multiple_of(2) { 1 } else { 9 };
        history.push_after(author, &[added], grant);
    }
    assert_eq!(history.view().heads, BTreeSet::from([added]));
    history.add(2);
    assert_eq!(history.state(2), MachineState::Active);
    history.rotate(PERSON, PERSON + 1);
    let view = history.view();
    assert_eq!(view.authority, Authority::Person(key(PERSON + 1).public().bytes()));
    assert_eq!((view.machines.len(), view.heads.len()), (2, 1));
}

#[test]
fn more_heads_than_an_event_names_become_one_in_stages() {
    let mut history = History::new();
    let added = history.add(1);
    for number in 0..AFTER_MAX + 10 {
        let scope = scope(&["read"], &format!("{number}"), None);
        let grant = Event::Grant { to: key(1).public().bytes(), parent: None, scope };
        history.push_after(PERSON, &[added], grant);
    }
    assert_eq!(history.view().heads.len(), AFTER_MAX + 10);
    history.add(2);
    assert_eq!(history.view().heads.len(), 11);
    history.add(3);
    assert_eq!(history.view().heads.len(), 1);
    assert_eq!(history.view().machines.len(), 3);
}

#[test]
fn nobody_becomes_a_person_without_consent_or_twice() {
    let mut history = History::new();
    let consent = Signature([1; 64]);
    let forced = Event::Rotate { successor: key(PERSON + 1).public().bytes(), consent };
    let forced = history.push(PERSON, forced);
    let heads = history.heads();
    let elsewhere = rotate(&Vcid::of(b"another puddle"), PERSON, &heads, PERSON + 1);
    let elsewhere = history.push(PERSON, elsewhere);
    let to_itself = history.rotate(PERSON, PERSON);
    let view = history.view();
    for id in [forced, elsewhere, to_itself] {
        assert_eq!(view.refused[&id], Refusal::Successor);
    }
    assert_eq!(view.authority, Authority::Person(key(PERSON).public().bytes()));
}

#[test]
fn what_names_unknown_events_waits() {
    let mut history = History::new();
    let missing = Vcid::of(b"not here");
    let add = Event::Add { request: request(1), pardons: Vec::new() };
    let waiting = history.push_after(PERSON, &[missing], add);
    let add = Event::Add { request: request(2), pardons: Vec::new() };
    let behind = history.push_after(PERSON, &[waiting], add);
    let by_machine = history.push_after(1, &[waiting], revoke(1, &[]));
    let view = history.view();
    assert_eq!(view.refused[&waiting], Refusal::Waiting);
    assert_eq!(view.refused[&behind], Refusal::Waiting);
    assert_eq!(view.refused[&by_machine], Refusal::Waiting);
    assert!(view.machines.is_empty());
    assert_eq!(view.heads, BTreeSet::from([history.id]));
}

#[test]
fn a_revocation_by_the_person_waits_for_nothing() {
    let mut history = History::new();
    history.add(1);
    history.add(2);
    let grant = history.grant(PERSON, 2, None, scope(&["read"], "", None));
    let (before, signed_at) = (history.heads(), history.view().signed_at());
    // The thief of a machine has kept from this one what the Person had seen.
    let missing = Vcid::of(b"not here");
    let first = history.push_after(PERSON, &[missing], revoke(1, &[]));
    assert!(matches!(history.state(1), MachineState::Revoked { .. }));
    history.push_after(PERSON, &[first], revoke_grant(grant));
    let view = history.view();
    assert_eq!(view.refused[&grant], Refusal::Revoked);
    assert_eq!(history.state(2), MachineState::Active);
    // Nothing else follows from what waits.
    assert_eq!((history.heads(), view.signed_at()), (before, signed_at));
}

#[test]
fn every_bit_of_every_event_counts() {
    let mut history = History::new();
    history.add(1);
    let root = history.grant(PERSON, 1, None, scope(&["read"], "logs", Some(5)));
    let target = Target::Grant(root);
    let mark = mark(&batches(&key(1), 1, None, &SAID)[0]);
    history.push(PERSON, Event::Revoke { target, kept: Vec::from([mark]), reason: "lost".into() });
    history.push(PERSON, Event::Renew);
    history.rotate(PERSON, PERSON + 1);
    for statement in &history.statements {
        let good = PuddleEvent::decode(statement).expect("an event");
        assert_eq!(good.encode(), statement.body());
        let bytes = statement.encode();
        // Signatures are slow to check in a debug build, so one bit of each byte.
        for at in 0..bytes.len() {
            let mut altered = bytes.clone();
            altered[at] ^= 1 << (at % 8);
            assert!(Statement::decode(&altered).is_err(), "byte {at} of {}", statement.tag());
        }
    }
}

/// Chains for a stranger: the grants of a history, root first.
fn chain(history: &History, ids: &[Vcid]) -> Vec<Vec<u8>> {
    let find = |id: &Vcid| history.statements.iter().find(|statement| statement.id() == *id);
    ids.iter().map(|id| find(id).expect("it is there").encode()).collect()
}

#[test]
fn a_stranger_checks_a_chain_and_names_the_link_at_fault() {
    let mut history = History::new();
    (1..=5).for_each(|machine| _ = history.add(machine));
    let all = scope(&["read"], "logs", Some(100));
    let a = history.grant(PERSON, 1, None, all.clone());
    let b = history.grant(1, 2, Some(a), all.clone());
    let c = history.grant(2, 3, Some(b), scope(&["read"], "logs", Some(50)));
    let d = history.grant(3, 4, Some(c), scope(&["read"], "logs", Some(50)));
    let e = history.grant(4, 5, Some(d), scope(&["read"], "logs", Some(50)));
    let wide = history.grant(2, 3, Some(b), scope(&["read"], "", Some(50)));
    let back = history.grant(2, 1, Some(b), all.clone());
    let stolen = history.grant(3, 4, Some(b), all);
    let not_a_grant = history.add(6);
    let person = key(PERSON).public().bytes();
    let ask = Ask { subsystem: "files", verb: "read", resource: "logs/x" };
    let check = |ids: &[Vcid], now| {
        let checked = check_chain(&person, &history.id, &chain(&history, ids), &ask, Moment(now));
        checked.map(|links: Vec<Link>| links.len())
    };
    assert_eq!(check(&[a, b, c, d], 49), Ok(4));
    assert_eq!(check(&[], 0), Err(ChainError::Empty));
    assert_eq!(check(&[a, b, c, d, e], 0), Err(ChainError::TooDeep { links: 5 }));
    assert_eq!(check(&[a, b, c, d], 50), Err(ChainError::Expired { link: 3 }));
    assert_eq!(check(&[a, b, wide], 0), Err(ChainError::Widened { link: 3 }));
    assert_eq!(check(&[a, b, back], 0), Err(ChainError::Cycle { link: 3 }));
    assert_eq!(check(&[b], 0), Err(ChainError::Author { link: 1 }));
    assert_eq!(check(&[a, c], 0), Err(ChainError::Author { link: 2 }));
    assert_eq!(check(&[a, b, stolen], 0), Err(ChainError::Author { link: 3 }));
    assert_eq!(check(&[a, b, a], 0), Err(ChainError::Author { link: 3 }), "a cycle");
    assert_eq!(check(&[not_a_grant], 0), Err(ChainError::Event { link: 1, source: None }));
    let another = check_chain(&person, &Vcid::of(b"x"), &chain(&history, &[a]), &ask, Moment(0));
    assert_eq!(another, Err(ChainError::Puddle { link: 1 }));
    let write = Ask { verb: "write", ..ask };
    let refused = check_chain(&person, &history.id, &chain(&history, &[a]), &write, Moment(0));
    assert_eq!(refused, Err(ChainError::NotAllowed));
    let mut altered = chain(&history, &[a, b]);
    let last = altered[1].len() - 1;
    altered[1][last] ^= 1;
    let refused =
        check_chain(&person, &history.id, &altered, &ask, Moment(0)).expect_err("altered");
    assert_eq!(refused.to_string(), "link 2 of the chain does not hold");
    let hangs = check_chain(&person, &history.id, &chain(&history, &[a, c, d]), &ask, Moment(0));
    assert_eq!(hangs, Err(ChainError::Author { link: 2 }));
}
