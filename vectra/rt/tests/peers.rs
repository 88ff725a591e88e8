//! Rings with a peer that lies: an error or a message, never a panic or an access out of bounds.

use std::sync::atomic::{AtomicU64, Ordering};

use vectra_rt::abi::Random;
use vectra_rt::{Consumer, PopError, Producer, PushError};

fn words(count: usize) -> Vec<AtomicU64> {
    (0..count).map(|_| AtomicU64::new(0)).collect()
}

const LIES: [u64; 9] = [0, 1, 63, 64, 65, 1 << 31, 1 << 32, 1 << 63, u64::MAX];

#[test]
fn a_consumer_survives_any_head() {
    for upward in [false, true] {
        let (head, tail, slots) = (words(2), words(2), words(64 * 8));
        let mut consumer = Consumer::new(&head, (!upward).then_some(&tail[..]), &slots);
        let (mut random, mut popped) = (Random(1), 0);
        for _ in 0..2000 {
            let lie = LIES[random.below(LIES.len() as u64) as usize];
            head[0].store(lie, Ordering::Relaxed);
            slots[random.below(512) as usize].store(random.word(), Ordering::Relaxed);
            let before = tail[0].load(Ordering::Relaxed);
            match consumer.pop() {
                Ok(_) if !upward => {
                    popped += 1;
                    let tail = tail[0].load(Ordering::Relaxed);
                    assert!(tail == before || tail == popped, "{tail} of {popped}");
                }
                Ok(_) | Err(PopError::Empty) => {}
                Err(PopError::PeerBroken) => {
                    assert_eq!(tail[0].load(Ordering::Relaxed), before, "a lie moved the tail");
                }
            }
            consumer.park();
            consumer.unpark();
        }
    }
}

#[test]
fn a_producer_survives_any_tail() {
    let (head, tail, slots) = (words(2), words(2), words(64 * 8));
    let mut producer = Producer::new(&head, Some(&tail), &slots);
    let mut broken = 0;
    for round in 0..2000 {
        let lie = LIES[round % LIES.len()];
        tail[0].store(lie, Ordering::Relaxed);
        let before = head[0].load(Ordering::Relaxed);
        match producer.push(&[round as u64; 7]) {
            Ok(_) => assert_eq!(head[0].load(Ordering::Relaxed), before + 1),
            Err(error) => {
                assert_eq!(head[0].load(Ordering::Relaxed), before);
                broken += usize::from(error == PushError::PeerBroken);
            }
        }
        producer.park();
        producer.unpark();
    }
    assert!(broken > 100, "lies are noticed");
}

#[test]
fn slots_come_back_by_the_quarter_and_all_when_nothing_is_left() {
    let (head, tail, slots) = (words(2), words(2), words(64 * 8));
    let mut producer = Producer::new(&head, Some(&tail), &slots);
    let mut consumer = Consumer::new(&head, Some(&tail), &slots);
    for round in 0..500u64 {
        let many = round % 64 + 1;
        for message in 0..many {
            assert_eq!(producer.push(&[message; 7]), Ok(false), "round {round}");
        }
        for message in 0..many {
            assert_eq!(consumer.pop(), Ok(([message; 7], false)), "round {round}");
            let held = (message + 1)
                - (tail[0].load(Ordering::Relaxed) - (head[0].load(Ordering::Relaxed) - many));
            assert!(held < 16, "{held} slots are held back");
        }
        assert_eq!(consumer.pop(), Err(PopError::Empty));
        assert!(producer.is_drained());
    }
}
