//! Rings under loom: every order in which two processors may see each other's words.

use std::sync::atomic::Ordering;

use loom::sync::Arc;
use loom::sync::atomic::AtomicU64;
use vectra_rt::{Consumer, PopError, Producer, PushError, Word};

struct Checked(AtomicU64);

impl Word for Checked {
    fn load(&self, order: Ordering) -> u64 {
        self.0.load(order)
    }

    fn store(&self, value: u64, order: Ordering) {
        self.0.store(value, order);
    }

    fn fence(order: Ordering) {
        loom::sync::atomic::fence(order);
    }
}

/// A word whose announcements may come late: what the fence in [`Word::announce`] is for.
struct Late(AtomicU64);

impl Word for Late {
    fn load(&self, order: Ordering) -> u64 {
        self.0.load(order)
    }

    fn store(&self, value: u64, order: Ordering) {
        self.0.store(value, order);
    }

    fn fence(order: Ordering) {
        loom::sync::atomic::fence(order);
    }

    fn announce(&self, value: u64) {
        self.0.store(value, Ordering::Release);
    }
}

struct Pages<W = Checked> {
    head: [W; 2],
    tail: [W; 2],
    slots: Vec<W>,
    /// The bell: what a call would set in the other Task's mask.
    bell: AtomicU64,
}

fn pages(slots: usize) -> Arc<Pages> {
    pages_of(slots, || Checked(AtomicU64::new(0)))
}

fn pages_of<W>(slots: usize, word: fn() -> W) -> Arc<Pages<W>> {
    Arc::new(Pages {
        head: [word(), word()],
        tail: [word(), word()],
        slots: (0..slots * 8).map(|_| word()).collect(),
        bell: AtomicU64::new(0),
    })
}

fn model(run: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    // Two switches against a Task's will show every lost wake-up; more take minutes.
    builder.preemption_bound = Some(2);
    builder.check(run);
}

#[test]
fn messages_arrive_whole_and_in_order() {
    model(|| {
        let shared = pages(2);
        let theirs = shared.clone();
        let thread = loom::thread::spawn(move || {
            let mut producer = Producer::new(&theirs.head, Some(&theirs.tail), &theirs.slots);
            for message in 1..=2 {
                assert!(producer.push(&[message; 7]).is_ok());
            }
        });
        let mut consumer = Consumer::new(&shared.head, Some(&shared.tail), &shared.slots);
        let mut next = 1;
        for _ in 0..3 {
            match consumer.pop() {
                Ok((message, _)) => {
                    assert_eq!(message, [next; 7]);
                    next += 1;
                }
                Err(error) => assert_eq!(error, PopError::Empty),
            }
        }
        thread.join().unwrap();
    });
}

#[test]
fn a_parked_consumer_is_always_rung() {
    model(|| park_and_push(&pages(2)));
}

#[test]
#[should_panic(expected = "asleep")]
fn without_its_fence_a_bell_is_lost() {
    model(|| park_and_push(&pages_of(2, || Late(AtomicU64::new(0)))));
}

fn park_and_push<W: Word + Send + Sync + 'static>(shared: &Arc<Pages<W>>) {
    let theirs = shared.clone();
    let thread = loom::thread::spawn(move || {
        let mut producer = Producer::new(&theirs.head, Some(&theirs.tail), &theirs.slots);
        if producer.push(&[7; 7]) == Ok(true) {
            theirs.bell.store(1, Ordering::SeqCst);
        }
    });
    let mut consumer = Consumer::new(&shared.head, Some(&shared.tail), &shared.slots);
    let asleep = consumer.pop().is_err() && consumer.park();
    thread.join().expect("pushing does not panic");
    let rung = shared.bell.load(Ordering::SeqCst) == 1;
    assert!(!asleep || rung, "asleep for ever, with a message in the Ring and no bell");
}

#[test]
fn a_parked_producer_is_always_rung() {
    model(|| {
        let shared = pages(1);
        let mut producer = Producer::new(&shared.head, Some(&shared.tail), &shared.slots);
        assert_eq!(producer.push(&[1; 7]), Ok(false));
        let theirs = shared.clone();
        let thread = loom::thread::spawn(move || {
            let mut consumer = Consumer::new(&theirs.head, Some(&theirs.tail), &theirs.slots);
            if let Ok((_, true)) = consumer.pop() {
                theirs.bell.store(1, Ordering::SeqCst);
            }
        });
        let asleep = producer.push(&[2; 7]) == Err(PushError::Full) && producer.park();
        thread.join().unwrap();
        assert!(!asleep || shared.bell.load(Ordering::SeqCst) == 1);
    });
}

#[test]
fn a_producer_is_rung_when_a_quarter_is_given_back() {
    model(|| {
        let shared = pages(8);
        let mut producer = Producer::new(&shared.head, Some(&shared.tail), &shared.slots);
        (0..8).for_each(|_| assert_eq!(producer.push(&[1; 7]), Ok(false)));
        let theirs = shared.clone();
        let thread = loom::thread::spawn(move || {
            let mut consumer = Consumer::new(&theirs.head, Some(&theirs.tail), &theirs.slots);
            // What is less than a quarter stays: nobody is rung for it.
            assert_eq!(consumer.pop().map(|(_, rung)| rung), Ok(false));
            if let Ok((_, true)) = consumer.pop() {
                theirs.bell.store(1, Ordering::SeqCst);
            }
            assert_eq!(consumer.pop().map(|(_, rung)| rung), Ok(false));
        });
        let asleep = producer.push(&[2; 7]) == Err(PushError::Full) && producer.park();
        thread.join().unwrap();
        assert!(!asleep || shared.bell.load(Ordering::SeqCst) == 1);
    });
}

#[test]
fn an_upward_ring_never_gives_a_torn_message() {
    model(|| {
        let shared = pages(1);
        let theirs = shared.clone();
        let thread = loom::thread::spawn(move || {
            let mut producer = Producer::new(&theirs.head, None, &theirs.slots);
            for message in 1..=2 {
                assert_eq!(producer.push(&[message; 7]), Ok(true));
            }
        });
        let mut consumer = Consumer::new(&shared.head, None, &shared.slots);
        if let Ok((message, _)) = consumer.pop() {
            assert!(message == [1; 7] || message == [2; 7], "torn: {message:?}");
        }
        thread.join().unwrap();
    });
}
