//! What a machine keeps: files that are replaced whole, and bundles that are taken twice.

use std::collections::BTreeSet;
use std::sync::Arc;

use vigil_base::world::{Disk as _, Lock, Moment, OpenMode};
use vigil_base::{Name, Vcid};
use vigil_trust::attestations::{
    AttestationEntry, SshKeyEntry, Standing, fold_attestations, ssh_keys,
};
use vigil_trust::feed::{Batch, Equivocation, FeedLog, Waiting};
use vigil_trust::home::{Bundle, Home, HomeError, Known, Person, PuddleHere};
use vigil_trust::names::Said;
use vigil_trust::puddle::{Clocks, Event, JoinRequest, Lease, MachineState, PuddleEvent, TimeHere};
use vigil_trust::{Purpose, SecretKey};

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

fn clocks(at: i64) -> Clocks {
    Clocks { wall: Moment(at), steady: None }
}

/// Keeps a list of people.
fn set_known(home: &Home, people: &[Person]) -> Result<(), HomeError> {
    home.update_known(|known| {
        *known = people.to_vec();
        Ok(())
    })
}

#[test]
fn people_are_kept_and_forgotten_whatever_step_fails() {
    let (before, after) = ([person(1, "bob"), person(2, "eve")], [person(1, "bob")]);
    let mut done = 0;
    for steps in 0..12 {
        let disk = MemoryDisk::default();
        let home = Home::new(Arc::new(disk.clone()));
        set_known(&home, &before).expect("the disk is well");
        disk.die_after(steps);
        let is_done = set_known(&home, &after).is_ok();
        done += u32::from(is_done);
        for kept in [0, 5, 1 << 20] {
            let home = Home::new(Arc::new(disk.after_power_loss(kept)));
            let known = home.known().expect("the list is whole");
            assert!(known == after || !is_done && known == before, "{steps} {kept}: {known:?}");
        }
    }
    assert!(done > 0, "it was never let through");
}

#[test]
fn the_person_and_the_puddle_are_read_as_they_were_written() {
    let home = Home::new(Arc::new(MemoryDisk::default()));
    assert_eq!((home.person(), home.puddle()), (Ok(None), Ok(None)));
    let (ada, eve) = (person(3, "ada"), person(4, "eve"));
    home.keep_seal(&ada.key, b"sealed").expect("the disk is well");
    home.set_person(&ada, None).expect("the disk is well");
    assert_eq!(home.person(), Ok(Some(ada.clone())));
    assert_eq!(home.person_sealed(&ada.key), Ok(Some(b"sealed".to_vec())));
    // Whoever did not know of ada does not take her place.
    assert_eq!(home.set_person(&eve, None), Err(HomeError::Changed));
    assert_eq!(home.set_person(&ada, None), Ok(()));
    home.drop_seals(None).expect("the disk is well");
    assert_eq!(home.person_sealed(&ada.key), Ok(None));
    assert_eq!((home.set_machine(b"one"), home.set_machine(b"two")), (Ok(true), Ok(false)));
    assert_eq!(home.machine_sealed(), Ok(Some(b"one".to_vec())));
    let mut time = TimeHere::begin(&clocks(-5));
    time.hear(Moment(-7), &clocks(-5));
    let here = PuddleHere { id: Vcid::of(b"x"), time };
    let set: Result<(), HomeError> = home.update_puddle(|found| {
        *found = Some(here);
        Ok(())
    });
    assert_eq!((set, home.puddle()), (Ok(()), Ok(Some(here))));
}

#[test]
fn one_process_at_a_time_changes_the_files() {
    let disk = MemoryDisk::default();
    let home = Home::new(Arc::new(disk.clone()));
    let other = disk.open("lock", OpenMode::Create).expect("the disk is well");
    assert_eq!(other.lock(Lock::Exclusive, false), Ok(true));
    assert_eq!(home.set_machine(b"sealed"), Err(HomeError::Busy));
    assert_eq!(set_known(&home, &[]), Err(HomeError::Busy));
    assert_eq!(home.set_certificate("a line\n"), Err(HomeError::Busy));
    drop(other);
    assert_eq!(home.set_certificate("a line\n"), Ok(()));
    let file = disk.open("machine-cert.pub", OpenMode::Read).expect("it was written");
    assert_eq!(file.len(), Ok(7));
    assert_eq!(home.set_machine(b"sealed"), Ok(true));
}

#[test]
fn power_may_be_lost_at_every_step_of_a_rotation_and_the_new_key_is_sealed_before_it_counts() {
    let (old, new) = (person(3, "ada"), person(4, "ada"));
    let mut done = 0;
    for steps in 0..20 {
        for kept in [0, 1, 1 << 20] {
            let disk = MemoryDisk::default();
            let home = Home::new(Arc::new(disk.clone()));
            home.keep_seal(&old.key, b"old").expect("the disk is well");
            home.set_person(&old, None).expect("the disk is well");
            disk.die_after(steps);
            let is_done = home.keep_seal(&new.key, b"new").is_ok()
                && home.set_person(&new, Some(old.key)).is_ok()
                && home.drop_seals(Some(&new.key)).is_ok();
            done += u32::from(is_done);
            let home = Home::new(Arc::new(disk.after_power_loss(kept)));
            let person = home.person().expect("it is whole").expect("there is one");
            assert!(person == new || !is_done && person == old, "{steps} {kept}");
            let want = if person == new { b"new" } else { b"old" };
            let sealed = home.person_sealed(&person.key).expect("the disk is well");
            assert_eq!(sealed.as_deref(), Some(want.as_slice()), "{steps} {kept}");
        }
    }
    assert!(done > 0, "it was never let through");
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
        FeedLog::open(Arc::new(disk.clone()), public, place, |_| false, random, Waiting::Long)
            .expect("it opens");
    log.append(&key(machine), Moment(3), &[genesis.encode(), added.encode()]).expect("durable");
    (disk.clone(), Home::new(Arc::new(disk)), id)
}

/// Packs what is there, and reads it as another machine does.
fn packed(home: &Home, id: Vcid) -> Bundle {
    let known = home.open_puddle(id).expect("it is there");
    let packed = home.bundle(&known).expect("the disk is well");
    let read = Bundle::decode(&packed.bundle.encode()).expect("it holds");
    assert_eq!(read, packed.bundle);
    read
}

#[test]
fn a_bundle_makes_another_machine_see_the_same_and_twice_changes_nothing() {
    let random = Counting::default();
    let (_, home, id) = puddle(1, &random);
    let known = home.open_puddle(id).expect("it is there");
    let bytes = home.bundle(&known).expect("the disk is well").bundle.encode();
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
fn what_a_feed_says_besides_changes_nothing_of_the_puddle_and_travels_with_it() {
    let random = Counting::default();
    let (disk, home, id) = puddle(1, &random);
    let before = home.open_puddle(id).expect("it is there").view;
    let entry = AttestationEntry::new(Vcid::of(b"e"), "a:b", [Vcid::of(b"s")]).expect("it fits");
    let entries = [SshKeyEntry::sign(&key(1)).encode(), entry.encode(), b"unknown".to_vec()];
    let public = key(1).public().bytes();
    let place = Vcid::of(b"here");
    let mut log = FeedLog::open(Arc::new(disk), public, place, |_| false, &random, Waiting::Long)
        .expect("it opens");
    log.append(&key(1), Moment(4), &entries).expect("durable");
    assert_eq!(home.open_puddle(id).expect("it is there").view, before);
    // Events that follow them are found as before.
    let event = PuddleEvent { puddle: Some(id), after: before.next_after(), event: Event::Renew };
    let renewed = event.sign(&key(100), Moment(5));
    log.append(&key(1), Moment(5), &[renewed.encode(), entry.encode()]).expect("durable");
    drop(log);
    let view = home.open_puddle(id).expect("it is there").view;
    assert!(view.signed.contains_key(&renewed.id()) && view.refused.is_empty());
    let other = Home::new(Arc::new(MemoryDisk::default()));
    other.take_bundle(&packed(&home, id)).expect("the disk is well");
    let known = other.open_puddle(id).expect("it is there");
    assert_eq!(known.view, view);
    let said: Vec<Said<'_>> = known.batches().flat_map(Said::all).collect();
    let found = fold_attestations(Some((&view, &known.kept())), said.iter().copied());
    let positions: Vec<u64> = found.iter().map(|one| one.position).collect();
    assert_eq!((positions, &found[0].entry), (vec![3, 6], &entry));
    assert!(found.iter().all(|one| one.standing == Standing::Counts));
    let ssh = key(1).subkey(Purpose::Ssh).public();
    assert_eq!(ssh_keys(said), [(public, vec![ssh])].into());
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
        let mut log = FeedLog::open(disk, public, place, |_| false, &random, Waiting::Long)
            .expect("it opens");
        log.append(&key(1), Moment(5), &[what]).is_ok()
    };
    // Opening syncs, writing is let through, and the sync after it is not: the program dies there.
    disk.die_after(2);
    assert!(!append(&disk, b"not acknowledged"));
    disk.revive();
    let known = home.open_puddle(id).expect("it is there");
    let shown = home.bundle(&known).expect("the disk is well").bundle.batches;
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
    let mut mixed = packed(&home, id);
    // Another puddle of the same Person, so that nothing but membership is in the way.
    mixed.batches.extend(packed(&stranger, elsewhere).batches);
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
        let mut log =
            FeedLog::open(Arc::new(disk.clone()), public, place, |_| false, &random, Waiting::Long)
                .expect("it opens");
        log.append(&key(1), Moment(4), &[what]).expect("durable");
    };
    say(&disk, b"one thing");
    say(&clone, b"another");
    let bundle = packed(&Home::new(Arc::new(clone)), id);
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
    let far = Home::new(Arc::new(MemoryDisk::default()));
    far.take_bundle(&packed(&home, id)).expect("the disk is well");
    let known = far.open_puddle(id).expect("it is there");
    let state = &known.view.machines[&key(1).public().bytes()].state;
    assert!(matches!(state, MachineState::Frozen { .. }));
    // Both sides of it are there, and nothing that follows either.
    let said = |known: &Known| {
        let entries = known.batches().flat_map(Batch::entries).map(|(_, entry)| entry.to_vec());
        entries.filter(|entry| entry.is_ascii()).collect::<BTreeSet<_>>()
    };
    let both = BTreeSet::from([b"one thing".to_vec(), b"another".to_vec()]);
    assert_eq!(said(&home.open_puddle(id).expect("it is there")), both);
    assert_eq!(said(&known), both);
    say(&disk, b"later");
    assert!(said(&home.open_puddle(id).expect("it is there")).contains(b"later".as_slice()));
    assert_eq!(far.take_bundle(&packed(&home, id)).expect("the disk is well").batches, 0);
    assert_eq!(said(&far.open_puddle(id).expect("it is there")), both);
}
