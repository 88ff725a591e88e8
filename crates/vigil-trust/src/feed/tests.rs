//! Feeds without a disk: order, gaps, forks.

use super::*;
use crate::keys::SecretKey;
use crate::testing::Repeating;
use alloc::format;
use alloc::string::ToString as _;
use vigil_base::world::Moment;

const INCARNATION: Incarnation = Incarnation([1; 16]);

fn key() -> SecretKey {
    SecretKey::from_seed(&[1; 32])
}

/// Signs batches of these many entries, one after another; `salt` makes their bytes differ.
fn chain(key: &SecretKey, incarnation: Incarnation, counts: &[usize], salt: &str) -> Vec<Batch> {
    let mut batches: Vec<Batch> = Vec::new();
    for (at, count) in counts.iter().enumerate() {
        let entries: Vec<_> =
            (0..*count).map(|entry| format!("{salt} {at} {entry}").into_bytes()).collect();
        let previous = batches.last().map(Batch::signed_header);
        batches.push(Batch::sign(key, incarnation, previous, Moment(at as i64), &entries));
    }
    batches
}

fn feed() -> Feed {
    Feed::new(FeedId { machine: key().public().bytes(), incarnation: INCARNATION })
}

#[test]
fn batches_are_taken_in_order_and_again() {
    let batches = chain(&key(), INCARNATION, &[3, 1, 5], "a");
    let mut feed = feed();
    assert_eq!(feed.accept(&batches[1]), Err(FeedError::Gap { want: 0, found: 3 }));
    for batch in &batches {
        assert_eq!(feed.accept(batch), Ok(Accepted::New));
    }
    for batch in &batches {
        assert_eq!(feed.accept(batch), Ok(Accepted::Known));
    }
    assert_eq!((feed.next(), feed.head()), (9, Some(batches[2].id())));
    let positions: Vec<u64> =
        batches.iter().flat_map(|batch| batch.entries().map(|(at, _)| at)).collect();
    assert_eq!(positions, (0..9).collect::<Vec<u64>>());
}

#[test]
fn another_machine_or_incarnation_is_another_feed() {
    let other = chain(&SecretKey::from_seed(&[2; 32]), INCARNATION, &[1], "a");
    assert_eq!(feed().accept(&other[0]), Err(FeedError::AnotherFeed));
    let cloned = chain(&key(), Incarnation([2; 16]), &[1], "a");
    assert_eq!(feed().accept(&cloned[0]), Err(FeedError::AnotherFeed));
    let own = chain(&key(), INCARNATION, &[1], "a");
    let nothing = Equivocation::between(own[0].signed_header(), cloned[0].signed_header());
    assert_eq!(nothing, None, "a new incarnation is no equivocation");
}

#[test]
fn every_way_to_say_two_things_is_evidence_and_freezes_the_feed() {
    let shapes: [(&[usize], usize); 5] =
        [(&[3, 1, 5], 0), (&[3, 1, 5], 1), (&[3, 1, 5], 2), (&[2, 2], 0), (&[4, 4], 1)];
    for (counts, which) in shapes {
        let ours = chain(&key(), INCARNATION, &[3, 1, 5], "a");
        let theirs = chain(&key(), INCARNATION, counts, "b");
        let mut feed = feed();
        ours.iter().for_each(|batch| assert_eq!(feed.accept(batch), Ok(Accepted::New)));
        let refused = feed.accept(&theirs[which]);
        let Err(FeedError::Forked(evidence)) = refused else { panic!("{counts:?}: {refused:?}") };
        assert_eq!(Equivocation::decode(&evidence.encode()), Ok((*evidence).clone()));
        assert_eq!(feed.fork(), Some(&*evidence));
        // Frozen: nothing more is taken, and what was there is still known.
        let more = chain(&key(), INCARNATION, &[3, 1, 5, 2], "a");
        assert!(matches!(feed.accept(&more[3]), Err(FeedError::Frozen(_))));
        assert_eq!(feed.accept(&ours[0]), Ok(Accepted::Known));
        // Whoever has heard nothing of the feed is convinced by the bytes alone.
        let mut far = Feed::new(feed.id());
        far.freeze(Equivocation::decode(&evidence.encode()).expect("evidence"));
        assert!(matches!(far.accept(&ours[0]), Err(FeedError::Frozen(_))));
    }
}

#[test]
fn a_batch_that_follows_another_history_is_evidence_too() {
    let ours = chain(&key(), INCARNATION, &[3, 1], "a");
    let theirs = chain(&key(), INCARNATION, &[3, 1], "b");
    let mut feed = feed();
    assert_eq!(feed.accept(&ours[0]), Ok(Accepted::New));
    let refused = feed.accept(&theirs[1]);
    assert!(matches!(refused, Err(FeedError::Forked(_))), "{refused:?}");
}

#[test]
fn honest_batches_are_no_evidence() {
    let batches = chain(&key(), INCARNATION, &[3, 1, 5], "a");
    for one in &batches {
        for two in &batches {
            let found = Equivocation::between(one.signed_header(), two.signed_header());
            assert_eq!(found, None);
        }
    }
    let another = chain(&key(), Incarnation([2; 16]), &[3], "b");
    let forged = {
        let mut encoder = vigil_base::cbor::Encoder::record("vigil.equivocation/1", 5);
        batches[0].signed_header().encode_into(&mut encoder);
        another[0].signed_header().encode_into(&mut encoder);
        encoder.finish()
    };
    assert_eq!(Equivocation::decode(&forged), Err(EquivocationError::NoContradiction));
}

#[test]
fn every_bit_of_a_batch_and_of_evidence_counts() {
    let batches = chain(&key(), INCARNATION, &[2, 1], "a");
    let bytes = batches[1].encode();
    assert_eq!(Batch::decode(&bytes), Ok(batches[1].clone()));
    for bit in 0..bytes.len() * 8 {
        let mut altered = bytes.clone();
        altered[bit / 8] ^= 1 << (bit % 8);
        assert!(Batch::decode(&altered).is_err(), "bit {bit}");
    }
    let theirs = chain(&key(), INCARNATION, &[2], "b");
    let evidence =
        Equivocation::between(batches[0].signed_header(), theirs[0].signed_header()).expect("two");
    let bytes = evidence.encode();
    for bit in 0..bytes.len() * 8 {
        let mut altered = bytes.clone();
        altered[bit / 8] ^= 1 << (bit % 8);
        assert!(Equivocation::decode(&altered).is_err(), "bit {bit}");
    }
}

#[test]
fn each_field_of_a_batch_that_is_altered_is_refused_for_its_own_reason() {
    let batch = &chain(&key(), INCARNATION, &[2], "a")[0];
    let other = &chain(&key(), INCARNATION, &[2], "b")[0];
    let refused = |header: &SignedHeader, entries: &Batch| {
        let mut encoder = vigil_base::cbor::Encoder::record("vigil.batch/1", 4);
        header.encode_into(&mut encoder);
        let listed: Vec<&[u8]> = entries.entries().map(|(_, entry)| entry).collect();
        let mut inner = vigil_base::cbor::Encoder::new();
        inner.array(listed.len());
        listed.iter().for_each(|entry| inner.bytes(entry));
        encoder.bytes(&inner.finish());
        Batch::decode(&encoder.finish()).expect_err("it was altered").to_string()
    };
    let entries = "the entries of a batch are not those that were signed";
    assert_eq!(refused(batch.signed_header(), other), entries);
    let more = &chain(&key(), INCARNATION, &[3], "a")[0];
    assert_eq!(refused(batch.signed_header(), more), entries);
}

#[test]
fn random_deliveries_agree_with_a_list() {
    let random = Repeating::new(11);
    for _ in 0..200 {
        let counts: Vec<usize> = (0..1 + random.below(6)).map(|_| 1 + random.below(3)).collect();
        let batches = chain(&key(), INCARNATION, &counts, "a");
        let mut feed = feed();
        let mut taken = 0;
        for _ in 0..20 {
            let at = random.below(batches.len());
            let got = feed.accept(&batches[at]);
            let is_as_wanted = match at.cmp(&taken) {
                core::cmp::Ordering::Less => got == Ok(Accepted::Known),
                core::cmp::Ordering::Equal => got == Ok(Accepted::New),
                core::cmp::Ordering::Greater => matches!(got, Err(FeedError::Gap { .. })),
            };
            assert!(is_as_wanted, "{got:?}");
            taken += usize::from(at == taken);
        }
        assert_eq!(feed.next(), counts[..taken].iter().sum::<usize>() as u64);
    }
}
