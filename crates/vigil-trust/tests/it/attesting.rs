//! What a client of the agent can have written into a feed: once, durably, and not without end.

use std::sync::Arc;

use vigil_base::Vcid;
use vigil_base::world::{Disk as _, Moment, OpenMode};
use vigil_trust::SecretKey;
use vigil_trust::agent::{ATTESTED_BYTES_MAX, AttestError, Place, attest};
use vigil_trust::attestations::{AttestationEntry, SshKeyEntry};
use vigil_trust::feed::{Batch, FeedId, FeedLog, Incarnation, Waiting, read_feeds};

use crate::disk::{Counting, MemoryDisk};

fn key() -> SecretKey {
    SecretKey::from_seed(&[1; 32])
}

fn entry(text: &str) -> AttestationEntry {
    let hash = Vcid::of(text.as_bytes());
    AttestationEntry::new(hash, "https://example.org/reviewed/v1", [hash]).expect("it fits")
}

fn say(disk: &MemoryDisk, random: &Counting, text: &str) -> Option<Result<Place, AttestError>> {
    let (disk, machine) = (Arc::new(disk.clone()), key().public().bytes());
    let log =
        FeedLog::open(disk, machine, Vcid::of(b"here"), |_| false, random, Waiting::Long).ok()?;
    Some(attest(log, &key(), Moment(1), &entry(text)))
}

fn said(disk: &MemoryDisk) -> Vec<Vec<u8>> {
    let feeds = read_feeds(disk).expect("the disk is well");
    let batches = feeds.iter().flat_map(|file| &file.batches);
    batches.flat_map(Batch::entries).map(|(_, entry)| entry.to_vec()).collect()
}

#[test]
fn what_is_said_again_is_found_and_the_ssh_key_comes_first_and_once() {
    let (disk, random) = (MemoryDisk::default(), Counting::default());
    let say = |text| say(&disk, &random, text).expect("it opens").expect("durable").position;
    assert_eq!([say("a"), say("b"), say("a"), say("b"), say("c")], [1, 2, 1, 2, 3]);
    let want = [entry("a"), entry("b"), entry("c")].map(|entry| entry.encode());
    assert_eq!(said(&disk)[0], SshKeyEntry::sign(&key()).encode());
    assert_eq!(said(&disk)[1..], want);
}

#[test]
fn a_place_that_was_returned_survives_whatever_comes() {
    for steps in 0..40 {
        // The program dies at a step, another one is asked for the same, and then power is lost.
        let (disk, random) = (MemoryDisk::default(), Counting::default());
        disk.die_after(steps);
        let first = say(&disk, &random, "a").and_then(Result::ok);
        disk.revive();
        let second = say(&disk, &random, "a").expect("it opens").expect("it is written");
        assert!(first.is_none_or(|first| first == second), "{steps}");
        let disk = disk.after_power_loss(0);
        let feeds = read_feeds(&disk).expect("the disk is well");
        let found = feeds.iter().find(|file| file.feed.id().incarnation == second.incarnation);
        let batches = found.map(|file| file.batches.as_slice()).unwrap_or_default();
        let at = batches.iter().flat_map(Batch::entries).find(|(at, _)| *at == second.position);
        assert_eq!(at.map(|(_, said)| said.to_vec()), Some(entry("a").encode()), "{steps}");
    }
}

#[test]
fn attestations_leave_room_for_names() {
    let (disk, random) = (MemoryDisk::default(), Counting::default());
    let first = say(&disk, &random, "a").expect("it opens");
    // An earlier life of this machine, and another machine, which is not counted.
    let long = |machine, len| {
        let id = FeedId { machine, incarnation: Incarnation([9; 16]) };
        let file = disk.open(&format!("feeds/{id}.feed"), OpenMode::Create).expect("it opens");
        file.set_len(len).expect("written");
    };
    long(SecretKey::from_seed(&[2; 32]).public().bytes(), ATTESTED_BYTES_MAX);
    assert!(matches!(say(&disk, &random, "b"), Some(Ok(_))));
    long(key().public().bytes(), ATTESTED_BYTES_MAX);
    let refused = say(&disk, &random, "c").expect("it opens").expect_err("there is no room");
    assert!(matches!(refused, AttestError::Full { bytes } if bytes > ATTESTED_BYTES_MAX));
    assert_eq!(say(&disk, &random, "a"), Some(first), "what was said stays");
}
