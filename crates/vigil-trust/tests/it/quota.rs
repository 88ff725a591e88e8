//! What a machine can make others take: nothing that does not count, and not without bound.

use std::collections::BTreeSet;
use std::sync::Arc;

use vigil_base::world::{Disk as _, Moment};
use vigil_base::{Name, Vcid};
use vigil_trust::feed::{Batch, Equivocation, FeedLog, Incarnation, Waiting};
use vigil_trust::home::{Bundle, Home, MACHINE_BYTES_MAX};
use vigil_trust::puddle::{
    Event, FeedMark, JoinRequest, Lease, MachineState, PuddleEvent, Scope, Target,
};
use vigil_trust::{KeyBytes, SecretKey, Statement};

use crate::disk::{Counting, MemoryDisk};

const PERSON: u8 = 100;

fn key(seed: u8) -> SecretKey {
    SecretKey::from_seed(&[seed; 32])
}

fn public(seed: u8) -> KeyBytes {
    key(seed).public().bytes()
}

/// A machine with its own folder.
struct Machine {
    seed: u8,
    disk: MemoryDisk,
    random: Counting,
}

impl Machine {
    fn new(seed: u8) -> Self {
        let random = Counting::default();
        // Lives of different machines differ anyway, by their keys.
        Self { seed, disk: MemoryDisk::default(), random }
    }

    fn home(&self) -> Home {
        Home::new(Arc::new(self.disk.clone()))
    }

    fn say(&self, entries: &[Vec<u8>]) -> Vec<Batch> {
        let (disk, place) = (Arc::new(self.disk.clone()), Vcid::of(b"here"));
        let log =
            FeedLog::open(disk, public(self.seed), place, |_| false, &self.random, Waiting::Long);
        log.expect("it opens").append(&key(self.seed), Moment(1), entries).expect("durable")
    }

    /// Signs an event and says it.
    fn sign(&self, author: u8, puddle: Option<Vcid>, event: Event) -> Vcid {
        let after = puddle.map_or_else(Vec::new, |id| {
            self.home().open_puddle(id).expect("it is there").view.next_after()
        });
        let statement = PuddleEvent { puddle, after, event }.sign(&key(author), Moment(2));
        self.say(&[statement.encode()]);
        statement.id()
    }

    fn packed(&self, id: Vcid) -> Bundle {
        let known = self.home().open_puddle(id).expect("it is there");
        self.home().bundle(&known).expect("the disk is well").bundle
    }

    fn take(&self, bundle: &Bundle) -> vigil_trust::home::Taken {
        self.home().take_bundle(bundle).expect("the disk is well")
    }

    fn state(&self, id: Vcid, seed: u8) -> MachineState {
        self.home().open_puddle(id).expect("it is there").view.machines[&public(seed)].state.clone()
    }
}

fn add(seed: u8) -> Event {
    let name = Name::new(&format!("m{seed}")).expect("a name");
    Event::Add { request: JoinRequest::sign(&key(seed), Moment(0), &name), pardons: vec![] }
}

fn revoke(seed: u8, kept: Vec<FeedMark>) -> Event {
    Event::Revoke { target: Target::Machine(public(seed)), kept, reason: "lost".into() }
}

/// Two machines of one puddle that know each other.
fn pair() -> (Machine, Machine, Vcid) {
    let (one, two) = (Machine::new(1), Machine::new(2));
    let name = Name::new("home").expect("a name");
    let id = one.sign(PERSON, None, Event::Genesis { name, lease: Lease::Never, nonce: [0; 16] });
    one.sign(PERSON, Some(id), add(1));
    one.sign(PERSON, Some(id), add(2));
    two.take(&one.packed(id));
    (one, two, id)
}

fn entry(text: &str) -> Vec<u8> {
    text.into()
}

fn said(machine: &Machine, id: Vcid, by: u8) -> BTreeSet<Vec<u8>> {
    let known = machine.home().open_puddle(id).expect("it is there");
    let of = known.batches().filter(|batch| batch.header().feed.machine == public(by));
    of.flat_map(Batch::entries).map(|(_, entry)| entry.to_vec()).collect()
}

#[test]
fn what_a_machine_says_after_its_revocation_goes_nowhere() {
    let (one, two, id) = pair();
    let first = two.say(&[entry("before")]);
    one.take(&two.packed(id));
    let marks = one.home().open_puddle(id).expect("it is there").marks(&public(2));
    let incarnation = first[0].header().feed.incarnation;
    assert_eq!(marks, [FeedMark { incarnation, next: 1, last: first[0].id() }]);
    one.sign(PERSON, Some(id), revoke(2, marks));
    two.say(&[entry("after")]);
    two.say(&[entry("long after")]);
    let theirs = two.packed(id);
    assert_eq!(one.take(&theirs).batches, 0);
    assert_eq!(said(&one, id, 2), BTreeSet::from([entry("before")]));
    // A machine that has taken it before the revocation came passes it on to nobody.
    let three = Machine::new(3);
    three.take(&theirs);
    assert_eq!(said(&three, id, 2).len(), 3);
    three.take(&one.packed(id));
    let four = Machine::new(4);
    four.take(&three.packed(id));
    assert_eq!(said(&four, id, 2), BTreeSet::from([entry("before")]));
    assert_eq!(four.state(id, 2), one.state(id, 2));
}

#[test]
fn an_event_counts_whatever_becomes_of_the_feed_that_carried_it() {
    let (one, two, id) = pair();
    // The Person signs on the second machine, and on the first one, not knowing of it, takes that away.
    let grant = Scope::new("files", ["read"], "", None).expect("a scope");
    let grant = Event::Grant { to: public(1), parent: None, scope: grant };
    let grant = two.sign(PERSON, Some(id), grant);
    two.sign(2, Some(id), revoke(2, vec![]));
    one.sign(PERSON, Some(id), revoke(2, vec![]));
    let taken = one.take(&two.packed(id));
    assert_eq!((taken.batches, taken.events), (0, 2));
    let known = one.home().open_puddle(id).expect("it is there");
    assert!(known.view.grants.contains_key(&grant));
    // It goes on from there, and taking it twice changes nothing.
    let three = Machine::new(3);
    three.take(&one.packed(id));
    let there = three.home().open_puddle(id).expect("it is there").view;
    assert_eq!(there, known.view);
    assert_eq!(three.take(&one.packed(id)).events, 0);
    // A machine's own word that it is gone counts where nobody else has said so.
    let (one, two, id) = pair();
    two.sign(2, Some(id), revoke(2, vec![]));
    one.take(&two.packed(id));
    assert!(matches!(one.state(id, 2), MachineState::Revoked { .. }));
}

#[test]
fn what_is_no_event_of_the_puddle_is_not_taken_from_a_bundle() {
    let (one, _, id) = pair();
    let foreign = PuddleEvent { puddle: Some(Vcid::of(b"x")), after: vec![], event: add(8) };
    let foreign = foreign.sign(&key(PERSON), Moment(0));
    let request = JoinRequest::sign(&key(5), Moment(0), &Name::new("five").expect("a name"));
    let plain = Statement::decode(&request.encode()).expect("a statement");
    let mut mixed = one.packed(id);
    let events = mixed.events.len();
    mixed.events.extend([foreign.clone(), plain.clone()]);
    let three = Machine::new(3);
    assert_eq!(three.take(&mixed).events, events);
    let known = three.home().open_puddle(id).expect("it is there");
    assert_eq!(known.view.machines.len(), 2);
    for statement in [foreign, plain] {
        assert!(!known.statements.contains_key(&statement.id()), "{}", statement.tag());
    }
}

#[test]
fn one_machine_makes_others_keep_no_more_than_its_share() {
    let (one, two, id) = pair();
    let long = vec![7; 15 << 20];
    for _ in 0..5 {
        two.say(std::slice::from_ref(&long));
    }
    let known = two.home().open_puddle(id).expect("it is there");
    let packed = two.home().bundle(&known).expect("the disk is well");
    assert_eq!(packed.over, BTreeSet::from([public(2)]));
    // Whoever packs without a bound is not believed either.
    let greedy = Bundle { batches: known.batches().cloned().collect(), ..packed.bundle };
    for _ in 0..2 {
        assert_eq!(one.take(&greedy).over, BTreeSet::from([public(2)]));
        let known = one.home().open_puddle(id).expect("it is there");
        let files = known.feeds.iter().filter(|file| file.feed.id().machine == public(2));
        let bytes: u64 = files.map(|file| file.end).sum();
        assert!(bytes <= MACHINE_BYTES_MAX as u64 && bytes > 50 << 20, "{bytes}");
    }
    // What the others say is packed all the same.
    let three = Machine::new(3);
    assert!(three.take(&one.packed(id)).over.is_empty());
    assert_eq!(said(&three, id, 1).len(), 3);
}

#[test]
fn power_may_be_lost_at_every_step_of_taking_a_bundle() {
    let (one, two, id) = pair();
    two.say(&[entry("from two")]);
    two.sign(2, Some(id), revoke(2, vec![]));
    let clone = one.disk.copied();
    one.say(&[entry("one side")]);
    let other = Machine { seed: 1, disk: clone, random: Counting::default() };
    other.say(&[entry("the other side")]);
    other.take(&two.packed(id));
    let bundle = other.packed(id);
    let want = {
        let whole = Machine { seed: 1, disk: one.disk.copied(), random: Counting::default() };
        whole.take(&bundle);
        whole.home().open_puddle(id).expect("it is there").view
    };
    let mut done = 0;
    for steps in 0..60 {
        for kept in [0, 3, 1 << 20] {
            let machine = Machine { seed: 1, disk: one.disk.copied(), random: Counting::default() };
            machine.disk.die_after(steps);
            let is_done = machine.home().take_bundle(&bundle).is_ok();
            done += u32::from(is_done);
            let disk = machine.disk.after_power_loss(kept);
            let after = Machine { disk, ..machine };
            // Nothing that was here is lost, nor is what was said to be taken.
            assert!(said(&after, id, 1).contains(&entry("one side")), "{steps} {kept}");
            let view = after.home().open_puddle(id).expect("it opens").view;
            assert!(!is_done || view == want, "{steps} {kept}");
            after.take(&bundle);
            assert_eq!(after.home().open_puddle(id).expect("it opens").view, want);
        }
    }
    assert!(done > 0, "it was never let through");
}

/// What the thief of machine 2 signs in the life that some batches are of, behind the last of these.
fn forged(life: Incarnation, behind: &[Batch], entries: &[Vec<u8>]) -> Vec<Batch> {
    let mut batches = behind.to_vec();
    for entry in entries {
        let previous = batches.last().map(Batch::signed_header);
        batches.push(Batch::sign(&key(2), life, previous, Moment(3), std::slice::from_ref(entry)));
    }
    batches.split_off(behind.len())
}

/// A machine with three honest batches, which the Person has seen and then revoked it: the Person's machine, the
/// puddle, the batches, and what the Person's machine packs before and after.
fn stolen() -> (Machine, Vcid, Vec<Batch>, [Bundle; 2]) {
    let (one, two, id) = pair();
    let honest = ["a", "b", "c"].map(|text| two.say(&[entry(text)])).concat();
    one.take(&two.packed(id));
    let before = one.packed(id);
    let marks = one.home().open_puddle(id).expect("it is there").marks(&public(2));
    one.sign(PERSON, Some(id), revoke(2, marks));
    let after = one.packed(id);
    (one, id, honest, [before, after])
}

/// The bundle with other batches of machine 2.
fn with(bundle: &Bundle, batches: &[Batch]) -> Bundle {
    let mut bundle = bundle.clone();
    bundle.batches.retain(|batch| batch.header().feed.machine != public(2));
    bundle.batches.extend_from_slice(batches);
    bundle
}

/// The batches of machine 2 that count at another machine, in order.
fn counted(machine: &Machine, id: Vcid) -> Vec<Batch> {
    let known = machine.home().open_puddle(id).expect("it is there");
    let kept = known.kept();
    let of = known.batches().filter(|batch| batch.header().feed.machine == public(2));
    of.filter(|batch| known.view.counts(&kept, &batch.header().feed, &batch.id()))
        .cloned()
        .collect()
}

#[test]
fn a_thief_puts_nothing_below_the_mark_of_a_revocation() {
    let (_, id, honest, [before, after]) = stolen();
    let life = honest[0].header().feed.incarnation;
    for have in 0..3 {
        // Whoever has nothing of the honest feed, or its beginning, when the forged bundle comes.
        let three = Machine::new(3);
        three.take(&with(&before, &honest[..have]));
        let rest: Vec<Vec<u8>> = (have..3).map(|at| entry(&format!("forged {at}"))).collect();
        let thiefs = [&honest[..have], &forged(life, &honest[..have], &rest)].concat();
        three.take(&with(&after, &thiefs));
        assert_eq!(counted(&three, id), [], "{have}");
        assert_eq!(said(&three, id, 2).len(), have);
        // What the Person had seen comes, and counts.
        three.take(&after);
        assert_eq!(counted(&three, id), honest, "{have}");
    }
}

#[test]
fn a_rival_of_what_was_kept_takes_nothing_from_it() {
    let (one, id, honest, [_, after]) = stolen();
    let life = honest[0].header().feed.incarnation;
    let rival = forged(life, &[], &[entry("rival")]);
    let headers = [&rival[0], &honest[0]].map(Batch::signed_header);
    let evidence = Equivocation::between(headers[0], headers[1]).expect("they contradict");
    assert_eq!(evidence.position(), 0);
    let three = Machine::new(3);
    three.take(&after);
    for machine in [&one, &three] {
        let taken = machine.take(&with(&after, &rival));
        assert_eq!((taken.batches, taken.missing, taken.forks.len()), (0, 0, 0));
        machine.take(&Bundle { evidence: vec![evidence.clone()], ..after.clone() });
        assert_eq!(machine.home().evidence().expect("readable").len(), 1);
        assert_eq!(counted(machine, id), honest);
    }
    // Nor does the evidence keep others from what counts.
    let four = Machine::new(4);
    four.take(&three.packed(id));
    assert_eq!(counted(&four, id), honest);
    // A feed that was forked before is kept up to the fork.
    let (one, two, id) = pair();
    let honest = ["a", "b", "c"].map(|text| two.say(&[entry(text)])).concat();
    one.take(&two.packed(id));
    let life = honest[0].header().feed.incarnation;
    let rival = forged(life, &honest[..2], &[entry("rival")]);
    let sent = with(&one.packed(id), &[&honest[..2], &rival].concat());
    one.take(&sent);
    let marks = one.home().open_puddle(id).expect("it is there").marks(&public(2));
    assert_eq!(marks, [FeedMark { incarnation: life, next: 2, last: honest[1].id() }]);
}

#[test]
fn what_a_thief_has_put_in_the_place_of_the_honest_feed_gives_way_to_it() {
    let (_, id, honest, [before, after]) = stolen();
    let life = honest[0].header().feed.incarnation;
    let renew = PuddleEvent { puddle: Some(id), after: vec![id], event: Event::Renew };
    let renew = renew.sign(&key(PERSON), Moment(9));
    let entries = [entry("forged"), renew.encode()];
    let thiefs = [&honest[..1], &forged(life, &honest[..1], &entries)].concat();
    let fresh = || {
        let three = Machine::new(3);
        three.take(&with(&before, &thiefs));
        three
    };
    let three = fresh();
    assert_eq!(counted(&three, id), thiefs, "nobody knows yet");
    // A machine's own word on itself moves nothing: it may be its thief's.
    let own = fresh();
    let last = honest[2].id();
    let event = revoke(2, vec![FeedMark { incarnation: life, next: 3, last }]);
    let event = PuddleEvent { puddle: Some(id), after: vec![id], event }.sign(&key(2), Moment(4));
    let mut by_machine = with(&before, &honest);
    by_machine.events.push(event);
    own.take(&by_machine);
    assert!(said(&own, id, 2).contains(&entry("forged")) && counted(&own, id).is_empty());
    // The Person's does, and what is put aside is not lost, nor are the Person's events in it.
    assert_eq!(three.take(&after).batches, 4, "three of the feed, and the Person's");
    assert_eq!(counted(&three, id), honest);
    assert!(!said(&three, id, 2).contains(&entry("forged")));
    let names = three.disk.list("feeds").expect("readable");
    assert!(names.iter().any(|name| name.ends_with(".aside")), "{names:?}");
    let want = three.home().open_puddle(id).expect("it is there");
    assert!(want.statements.contains_key(&renew.id()));
    // Wherever power is lost, it is as before or as after, and comes to the same.
    let (mut done, three) = (0, fresh());
    for steps in 0..80 {
        let machine = Machine { seed: 3, disk: three.disk.copied(), random: Counting::default() };
        machine.disk.die_after(steps);
        done += u32::from(machine.home().take_bundle(&after).is_ok());
        let disk = machine.disk.after_power_loss(0);
        let machine = Machine { disk, ..machine };
        let known = machine.home().open_puddle(id).expect("it opens");
        assert!(known.statements.contains_key(&renew.id()), "{steps}");
        machine.take(&after);
        assert_eq!(counted(&machine, id), honest, "{steps}");
        assert_eq!(machine.home().open_puddle(id).expect("it opens").view, want.view);
    }
    assert!(done > 0, "it was never let through");
}

#[test]
fn a_thief_who_begins_many_lives_stops_no_revocation() {
    let (one, two, id) = pair();
    let honest = ["a", "b", "c"].map(|text| two.say(&[entry(text)])).concat();
    one.take(&two.packed(id));
    let life = |number: u16| {
        let mut life = [0; 16];
        life[..2].copy_from_slice(&number.to_be_bytes());
        Incarnation(life)
    };
    let lives = (0..1025).flat_map(|number| forged(life(number), &[], &[entry("life")]));
    let mut sent = one.packed(id);
    sent.batches.extend(lives);
    assert!(one.take(&sent).over.is_empty());
    let marks = one.home().open_puddle(id).expect("it is there").marks(&public(2));
    assert_eq!(marks.len(), 1024);
    one.sign(PERSON, Some(id), revoke(2, marks));
    assert!(matches!(one.state(id, 2), MachineState::Revoked { .. }));
    let counted = counted(&one, id);
    assert!(honest.iter().all(|batch| counted.contains(batch)), "the longest stays");
}

#[test]
fn what_a_thief_has_filled_up_leaves_room_for_what_was_kept() {
    let (_, id, honest, [before, after]) = stolen();
    let three = Machine::new(3);
    // To the last kilobytes.
    let entries = [vec![vec![7; 15 << 20]; 4], vec![vec![7; 3000]; 1500]].concat();
    let full = forged(Incarnation([9; 16]), &[], &entries);
    assert_eq!(three.take(&with(&before, &full)).over, BTreeSet::from([public(2)]));
    assert!(three.take(&after).over.is_empty());
    assert_eq!(counted(&three, id), honest);
}
