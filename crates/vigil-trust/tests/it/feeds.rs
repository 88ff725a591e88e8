//! The own feed on a disk that dies: nothing acknowledged is lost, and nothing is ever said twice.

use std::sync::Arc;

use vigil_base::Vcid;
use vigil_base::world::{Disk as _, Moment};
use vigil_trust::SecretKey;
use vigil_trust::feed::{
    Batch, Equivocation, FeedError, FeedFile, FeedLog, FeedLogError, Fresh, SignedHeader, Waiting,
    keep, read_feeds,
};

use crate::disk::{Counting, MemoryDisk};

fn key() -> SecretKey {
    SecretKey::from_seed(&[1; 32])
}

fn place() -> Vcid {
    Vcid::of(b"here")
}

fn open(disk: &MemoryDisk, random: &Counting) -> Result<FeedLog, FeedLogError> {
    let machine = key().public().bytes();
    FeedLog::open(Arc::new(disk.clone()), machine, place(), |_| false, random, Waiting::Long)
}

fn entry(number: u64) -> Vec<u8> {
    format!("entry {number}").into_bytes()
}

/// Every entry of every feed, in no order that matters.
fn said(disk: &MemoryDisk) -> Vec<Vec<u8>> {
    let feeds = read_feeds(disk).expect("the disk is well");
    let batches = feeds.iter().flat_map(|file| &file.batches);
    batches.flat_map(Batch::entries).map(|(_, entry)| entry.to_vec()).collect()
}

/// Every header that could have been shown to anybody.
fn headers(files: &[FeedFile]) -> Vec<SignedHeader> {
    files.iter().flat_map(|file| file.feed.headers().to_vec()).collect()
}

#[test]
fn a_feed_goes_on_where_it_was() {
    let (disk, random) = (MemoryDisk::default(), Counting::default());
    let mut log = open(&disk, &random).expect("it opens");
    assert_eq!(log.fresh(), Some(Fresh::First));
    let id = log.id();
    log.append(&key(), Moment(1), &[entry(0), entry(1)]).expect("durable");
    log.append(&key(), Moment(2), &[entry(2)]).expect("durable");
    drop(log);
    let mut log = open(&disk, &random).expect("it opens");
    assert_eq!((log.fresh(), log.id()), (None, id));
    log.append(&key(), Moment(3), &[entry(3)]).expect("durable");
    assert_eq!(said(&disk), (0..4).map(entry).collect::<Vec<_>>());
    assert!(log.append::<Vec<u8>>(&key(), Moment(4), &[]).expect("nothing to do").is_empty());
}

#[test]
fn many_entries_are_cut_into_batches_that_follow_each_other() {
    let (disk, random) = (MemoryDisk::default(), Counting::default());
    let mut log = open(&disk, &random).expect("it opens");
    let many: Vec<Vec<u8>> = (0..70_000).map(entry).collect();
    let batches = log.append(&key(), Moment(1), &many).expect("durable");
    assert_eq!(batches.len(), 2);
    let long = vec![vec![0; 7 << 20]; 5];
    assert_eq!(log.append(&key(), Moment(1), &long).expect("durable").len(), 3);
    assert!(log.append(&key(), Moment(1), &[vec![0; 17 << 20]]).is_err());
    let feeds = read_feeds(&disk).expect("the disk is well");
    assert_eq!((feeds[0].feed.next(), feeds[0].is_torn), (70_005, false));
}

#[test]
fn power_may_be_lost_at_every_step_and_nothing_acknowledged_is_lost() {
    for steps in 0..60 {
        for kept in [0, 1, 100, 1 << 20] {
            let (disk, random) = (MemoryDisk::default(), Counting::default());
            disk.die_after(steps);
            let mut acknowledged = 0;
            if let Ok(mut log) = open(&disk, &random) {
                while acknowledged < 20
                    && log.append(&key(), Moment(1), &[entry(acknowledged)]).is_ok()
                {
                    acknowledged += 1;
                }
            }
            // Only the program has died so far. It starts again, and what it finds may be shown to others.
            disk.revive();
            drop(open(&disk, &random).expect("it opens after the program died"));
            let shown = headers(&read_feeds(&disk).expect("reading goes on"));
            let disk = disk.after_power_loss(kept);
            let mut log = open(&disk, &random).expect("it opens after power is back");
            let there = said(&disk);
            assert!(
                (0..acknowledged).all(|number| there.contains(&entry(number))),
                "{steps} {kept}"
            );
            log.append(&key(), Moment(2), &[b"after".to_vec()]).expect("it goes on");
            drop(log);
            assert!(said(&disk).contains(&b"after".to_vec()));
            // No position is signed anew: nothing that is here contradicts what was shown.
            let now = headers(&read_feeds(&disk).expect("the disk is well"));
            for one in &shown {
                let contradicted = now.iter().any(|two| Equivocation::between(one, two).is_some());
                assert!(!contradicted, "{steps} {kept}");
            }
        }
    }
}

#[test]
fn a_torn_tail_is_left_alone_and_a_new_life_begins() {
    let (disk, random) = (MemoryDisk::default(), Counting::default());
    let mut log = open(&disk, &random).expect("it opens");
    let id = log.id();
    log.append(&key(), Moment(1), &[entry(0)]).expect("durable");
    log.append(&key(), Moment(1), &[entry(1)]).expect("durable");
    drop(log);
    let name = format!("feeds/{id}.feed");
    disk.meddle(&name, |bytes| bytes.truncate(bytes.len() - 1));
    let mut log = open(&disk, &random).expect("it opens");
    assert_eq!(log.fresh(), Some(Fresh::Torn));
    assert_ne!(log.id(), id);
    log.append(&key(), Moment(2), &[entry(2)]).expect("durable");
    let there = said(&disk);
    assert!(there.contains(&entry(0)) && !there.contains(&entry(1)) && there.contains(&entry(2)));
    // The new life says first which one it continues.
    let feeds = read_feeds(&disk).expect("the disk is well");
    let new = feeds.iter().find(|file| file.feed.id() != id).expect("a second feed");
    let (position, first) = new.batches[0].entries().next().expect("an entry");
    let old = feeds.iter().find(|file| file.feed.id() == id).expect("the first feed");
    assert!(old.is_torn && position == 0 && first == vigil_trust::feed::continues(&old.feed));
}

#[test]
fn a_life_that_ended_before_it_spoke_is_continued_by_what_it_was_to_say() {
    let (disk, random) = (MemoryDisk::default(), Counting::default());
    let mut log = open(&disk, &random).expect("it opens");
    log.append(&key(), Moment(1), &[entry(0)]).expect("durable");
    let id = log.id();
    drop(log);
    let name = format!("feeds/{id}.feed");
    disk.meddle(&name, |bytes| bytes.push(0));
    // A new life begins, and the program ends before anything is said. Then the folder is copied.
    let second = open(&disk, &random).expect("it opens").id();
    let feeds = read_feeds(&disk).expect("the disk is well");
    let old = feeds.iter().find(|file| file.feed.id() == id).expect("the first feed");
    let want = vigil_trust::feed::continues(&old.feed);
    let first = |disk: &MemoryDisk, place| {
        let machine = key().public().bytes();
        let disk = Arc::new(disk.clone());
        let mut log = FeedLog::open(disk, machine, place, |_| false, &random, Waiting::Long)
            .expect("it opens");
        let batches = log.append(&key(), Moment(2), &[entry(1)]).expect("durable");
        let (position, said) = batches[0].entries().next().expect("an entry");
        (log.id(), position, said.to_vec())
    };
    let copied = disk.copied();
    assert_eq!(first(&disk, place()), (second, 0, want.clone()));
    let (third, position, said) = first(&copied, Vcid::of(b"there"));
    assert!(third != second && position == 0 && said == want);
}

#[test]
fn a_restored_backup_and_a_cloned_machine_start_new_lives() {
    let (disk, random) = (MemoryDisk::default(), Counting::default());
    let mut log = open(&disk, &random).expect("it opens");
    let id = log.id();
    log.append(&key(), Moment(1), &[entry(0)]).expect("durable");
    let backup = disk.copied();
    log.append(&key(), Moment(2), &[entry(1)]).expect("durable");
    // The copy lies elsewhere: other folders have other numbers.
    let machine = key().public().bytes();
    let there = Vcid::of(b"there");
    let mut restored =
        FeedLog::open(Arc::new(backup.clone()), machine, there, |_| false, &random, Waiting::Long)
            .expect("it opens");
    assert_eq!(restored.fresh(), Some(Fresh::Moved));
    assert_ne!(restored.id(), id);
    restored.append(&key(), Moment(3), &[entry(9)]).expect("durable");
    // A snapshot that was rolled back in place is told by what others have of this feed.
    let rolled_back = disk.copied();
    let log =
        FeedLog::open(Arc::new(rolled_back), machine, place(), |_| true, &random, Waiting::Long);
    assert_eq!(log.expect("it opens").fresh(), Some(Fresh::Moved));
    // Nobody has said two things at one position.
    let all: Vec<SignedHeader> = [&disk, &backup]
        .into_iter()
        .flat_map(|disk| headers(&read_feeds(disk).expect("the disk is well")))
        .collect();
    for one in &all {
        assert!(all.iter().all(|two| Equivocation::between(one, two).is_none()));
    }
}

#[test]
fn a_clone_in_the_same_place_is_caught_by_whoever_hears_both() {
    let (disk, random) = (MemoryDisk::default(), Counting::default());
    open(&disk, &random)
        .expect("it opens")
        .append(&key(), Moment(1), &[entry(0)])
        .expect("durable");
    let clone = disk.copied();
    let append = |disk: &MemoryDisk, number| {
        let mut log = open(disk, &random).expect("it opens");
        log.append(&key(), Moment(2), &[entry(number)]).expect("durable")
    };
    let (one, two) = (append(&disk, 1), append(&clone, 2));
    let far = MemoryDisk::default();
    let id = one[0].header().feed;
    let first = read_feeds(&disk).expect("the disk is well").remove(0).batches.remove(0);
    let kept = keep(&far, id, &[first, one[0].clone()]).expect("the disk is well");
    assert_eq!((kept.count, kept.refused), (2, None));
    let kept = keep(&far, id, &two).expect("the disk is well");
    let Some((rival, FeedError::Forked(evidence))) = kept.refused else { panic!("{kept:?}") };
    assert_eq!(rival, two[0]);
    assert_eq!(Equivocation::decode(&evidence.encode()).expect("it convinces").position(), 1);
}

#[test]
fn what_is_behind_a_damaged_byte_is_set_aside_before_a_feed_goes_on() {
    let (disk, random) = (MemoryDisk::default(), Counting::default());
    let mut log = open(&disk, &random).expect("it opens");
    let append = |log: &mut FeedLog, number| {
        log.append(&key(), Moment(1), &[entry(number)]).expect("durable").remove(0)
    };
    let batches: Vec<Batch> = (0..3).map(|number| append(&mut log, number)).collect();
    let id = log.id();
    let name = format!("feeds/{id}.feed");
    for at in [0, 20, 400] {
        let theirs = MemoryDisk::default();
        assert_eq!(keep(&theirs, id, &batches).expect("the disk is well").count, 3);
        let mut whole = Vec::new();
        theirs.meddle(&name, |bytes| {
            bytes[at] ^= 1;
            whole.clone_from(bytes);
        });
        // Only the first is heard again: the others are still somewhere here.
        let kept = keep(&theirs, id, &batches[..2]).expect("the disk is well");
        assert!(kept.count > 0 && kept.refused.is_none(), "byte {at}");
        let names = theirs.list("feeds").expect("the disk is well");
        let aside: Vec<_> = names.iter().filter(|name| name.ends_with(".aside")).collect();
        assert_eq!(aside.len(), 1, "byte {at}");
        let mut found = Vec::new();
        theirs.meddle(&format!("feeds/{}", aside[0]), |bytes| found.clone_from(bytes));
        assert!(whole.ends_with(&found) && found.len() > 100, "byte {at}");
        assert_eq!(said(&theirs), [entry(0), entry(1)]);
        // Nothing more is set aside where nothing is damaged.
        assert_eq!(keep(&theirs, id, &batches).expect("the disk is well").count, 1);
        assert_eq!(theirs.list("feeds").expect("the disk is well").len(), names.len());
    }
}

#[test]
fn any_damaged_byte_ends_a_feed_before_it() {
    let (disk, random) = (MemoryDisk::default(), Counting::default());
    let mut log = open(&disk, &random).expect("it opens");
    for number in 0..3 {
        log.append(&key(), Moment(1), &[entry(number)]).expect("durable");
    }
    let name = format!("feeds/{}.feed", log.id());
    let mut len = 0;
    disk.meddle(&name, |bytes| len = bytes.len());
    for at in 0..len {
        let damaged = disk.copied();
        damaged.meddle(&name, |bytes| bytes[at] ^= 0x10);
        let file = read_feeds(&damaged).expect("the disk is well").remove(0);
        assert!(file.is_torn && file.batches.len() < 3, "byte {at}");
        let got = said(&damaged);
        assert_eq!(got, (0..got.len() as u64).map(entry).collect::<Vec<_>>());
    }
}
