//! What a machine keeps: files that are replaced whole, and bundles that are taken twice.

use std::sync::Arc;

use vigil_base::world::{Disk as _, Moment};
use vigil_base::{Name, Vcid};
use vigil_trust::SecretKey;
use vigil_trust::feed::{Equivocation, FeedLog};
use vigil_trust::home::{Bundle, Home, HomeError, Person, PuddleHere};
use vigil_trust::puddle::{Event, JoinRequest, Lease, MachineState, PuddleEvent, TimeFloor};

use crate::disk::{Counting, MemoryDisk};

fn key(seed: u8) -> SecretKey {
    SecretKey::from_seed(&[seed; 32])
}

fn person(seed: u8, name: &str) -> Person {
    Person {
        key: key(seed).public().bytes(),
        name: Name::new(name).expect("a name"),
        at: Moment(i64::from(seed)),
    }
}

#[test]
fn people_are_kept_and_forgotten_whatever_step_fails() {
    for steps in 0..12 {
        let disk = MemoryDisk::default();
        let home = Home::new(Arc::new(disk.clone()));
        let first = [person(1, "bob"), person(2, "eve")];
        home.set_known(&first).expect("the disk is well");
        disk.die_after(steps);
        let is_done = home.set_known(&first[..1]).is_ok();
        let after = Home::new(Arc::new(disk.after_power_loss(0)));
        let known = after.known().expect("the list is whole");
        assert_eq!(known.len(), if is_done { 1 } else { known.len().clamp(1, 2) });
    }
}

#[test]
fn the_person_and_the_puddle_are_read_as_they_were_written() {
    let home = Home::new(Arc::new(MemoryDisk::default()));
    assert_eq!((home.person(), home.puddle()), (Ok(None), Ok(None)));
    let ada = person(3, "ada");
    home.set_person(&ada, Some(b"sealed")).expect("the disk is well");
    assert_eq!(home.person(), Ok(Some(ada.clone())));
    assert_eq!(home.person_sealed(), Ok(Some(b"sealed".to_vec())));
    home.set_person(&ada, None).expect("the disk is well");
    assert_eq!(home.person_sealed(), Ok(None));
    let here = PuddleHere { id: Vcid::of(b"x"), floor: TimeFloor(Moment(-5)) };
    home.set_puddle(&here).expect("the disk is well");
    assert_eq!(home.puddle(), Ok(Some(here)));
}

/// A puddle of one machine on a disk of its own.
fn puddle(machine: u8, random: &Counting) -> (MemoryDisk, Home, Vcid) {
    let disk = MemoryDisk::default();
    let event = Event::Genesis {
        name: Name::new("home").expect("a name"),
        lease: Lease::Never,
        nonce: [machine; 16],
    };
    let genesis = PuddleEvent { puddle: None, after: vec![], event }.sign(&key(100), Moment(1));
    let name = Name::new("bench").expect("a name");
    let request = JoinRequest::sign(&key(machine), Moment(1), &name);
    let event = Event::Add { request, pardons: vec![] };
    let id = genesis.id();
    let added = PuddleEvent { puddle: Some(id), after: vec![id], event }.sign(&key(100), Moment(2));
    let public = key(machine).public().bytes();
    let place = Vcid::of(b"here");
    let mut log =
        FeedLog::open(Arc::new(disk.clone()), public, place, |_| false, random).expect("it opens");
    log.append(&key(machine), Moment(3), &[genesis.encode(), added.encode()]).expect("durable");
    (disk.clone(), Home::new(Arc::new(disk)), id)
}

#[test]
fn a_bundle_makes_another_machine_see_the_same_and_twice_changes_nothing() {
    let random = Counting::default();
    let (_, home, id) = puddle(1, &random);
    let known = home.open_puddle(id).expect("it is there");
    let bytes = home.bundle(id, &known).expect("the disk is well");
    let bundle = Bundle::decode(&bytes).expect("it holds");
    let other = Home::new(Arc::new(MemoryDisk::default()));
    assert_eq!(other.take_bundle(&bundle).expect("the disk is well").batches, 1);
    assert_eq!(other.take_bundle(&bundle).expect("the disk is well").batches, 0);
    assert_eq!(other.open_puddle(id).expect("it is there").view, known.view);
    // A byte in the middle of it, and nothing is taken.
    for at in (0..bytes.len()).step_by(7) {
        let mut altered = bytes.clone();
        altered[at] ^= 1;
        if let Ok(bundle) = Bundle::decode(&altered) {
            // Only the id of the puddle is not signed for; it names another one then.
            assert_ne!(bundle.puddle, id, "byte {at}");
        }
    }
}

#[test]
fn what_an_event_names_is_carried_by_its_writer_too() {
    let random = Counting::default();
    let (_, home, id) = puddle(1, &random);
    let known = home.open_puddle(id).expect("it is there");
    let heads = known.view.next_after();
    assert_eq!(heads.len(), 1);
    assert!(known.not_carried(&key(1).public().bytes(), &heads).is_empty());
    // Another machine that writes an event carries them on, whatever becomes of the first one's feed.
    let missing = known.not_carried(&key(2).public().bytes(), &heads);
    assert_eq!(missing.iter().map(|statement| statement.id()).collect::<Vec<_>>(), heads);
}

#[test]
fn what_a_bundle_shows_is_durable_before() {
    let random = Counting::default();
    let (disk, home, id) = puddle(1, &random);
    let append = |disk: &MemoryDisk, what: &[u8]| {
        let (public, place) = (key(1).public().bytes(), Vcid::of(b"here"));
        let disk = Arc::new(disk.clone());
        let mut log = FeedLog::open(disk, public, place, |_| false, &random).expect("it opens");
        log.append(&key(1), Moment(5), &[what]).is_ok()
    };
    // Opening syncs, writing is let through, and the sync after it is not: the program dies there.
    disk.die_after(2);
    assert!(!append(&disk, b"not acknowledged"));
    disk.revive();
    let known = home.open_puddle(id).expect("it is there");
    let shown = home.bundle(id, &known).expect("the disk is well");
    let shown = Bundle::decode(&shown).expect("it holds").batches;
    assert_eq!(shown.len(), 2);
    let after = disk.after_power_loss(0);
    assert!(append(&after, b"something else"));
    let home = Home::new(Arc::new(after));
    let now = home.open_puddle(id).expect("it is there").feeds;
    let said: Vec<_> = now.iter().flat_map(|file| file.feed.headers()).collect();
    for batch in &shown {
        assert!(said.iter().all(|now| Equivocation::between(batch.signed_header(), now).is_none()));
    }
}

#[test]
fn feeds_of_strangers_are_left_out_of_what_is_taken() {
    let random = Counting::default();
    let (_, home, id) = puddle(1, &random);
    let (_, stranger, elsewhere) = puddle(2, &random);
    let pack = |home: &Home, id| {
        let known = home.open_puddle(id).expect("it is there");
        Bundle::decode(&home.bundle(id, &known).expect("the disk is well")).expect("it holds")
    };
    let mut mixed = pack(&home, id);
    // Another puddle of the same Person, so that nothing but membership is in the way.
    mixed.batches.extend(pack(&stranger, elsewhere).batches);
    let other = Home::new(Arc::new(MemoryDisk::default()));
    assert_ne!(id, elsewhere);
    assert_eq!(other.take_bundle(&mixed).expect("the disk is well").batches, 1);
}

#[test]
fn a_clone_is_frozen_by_the_bundle_that_shows_it_and_only_it() {
    let random = Counting::default();
    let (disk, home, id) = puddle(1, &random);
    let clone = disk.copied();
    let say = |disk: &MemoryDisk, what: &[u8]| {
        let public = key(1).public().bytes();
        let place = Vcid::of(b"here");
        let mut log = FeedLog::open(Arc::new(disk.clone()), public, place, |_| false, &random)
            .expect("it opens");
        log.append(&key(1), Moment(4), &[what]).expect("durable");
    };
    say(&disk, b"one thing");
    say(&clone, b"another");
    let theirs = Home::new(Arc::new(clone));
    let bundle = theirs.bundle(id, &theirs.open_puddle(id).expect("it is there"));
    let bundle = Bundle::decode(&bundle.expect("the disk is well")).expect("it holds");
    let taken = home.take_bundle(&bundle).expect("the disk is well");
    assert_eq!(taken.forks.len(), 1);
    let view = home.open_puddle(id).expect("it is there").view;
    let state = &view.machines[&key(1).public().bytes()].state;
    assert!(matches!(state, MachineState::Frozen { .. }));
    // Damaged evidence is told of, and nothing counts meanwhile; the bundle brings it back.
    let fork = disk.list("feeds").expect("the disk is well");
    let fork = fork.iter().find(|name| name.ends_with(".fork")).expect("evidence").clone();
    disk.meddle(&format!("feeds/{fork}"), |bytes| bytes[9] ^= 1);
    let damaged = home.open_puddle(id).err();
    assert!(matches!(&damaged, Some(HomeError::Evidence { file, .. }) if *file == fork));
    home.take_bundle(&bundle).expect("the disk is well");
    // The evidence travels on, and convinces a machine that has heard one side only.
    let known = home.open_puddle(id).expect("it is there");
    let onwards = Bundle::decode(&home.bundle(id, &known).expect("the disk is well"));
    let far = Home::new(Arc::new(MemoryDisk::default()));
    far.take_bundle(&onwards.expect("it holds")).expect("the disk is well");
    let state = far.open_puddle(id).expect("it is there").view.machines[&key(1).public().bytes()]
        .state
        .clone();
    assert!(matches!(state, MachineState::Frozen { .. }));
}
