//! Images: what the next process knows without computing it, and what is refused.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use vigil_base::Vcid;
use vigil_kernel::engine::{Cx, Engine, EngineOptions, ImageError, Key, Stored, Threads};

use crate::seeds::Random;

static BEGUN: AtomicUsize = AtomicUsize::new(0);

/// Numbers up to 9 are inputs; those above read three below them, two of them together.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Node(u32);

impl Key for Node {
    type Value = u64;

    async fn compute(&self, cx: &Cx) -> u64 {
        BEGUN.fetch_add(1, Ordering::Relaxed);
        let number = self.0;
        if number < 10 {
            return 0;
        }
        if number == 700 {
            cx.set_transient();
        }
        let below = [number / 2, number * 7 % number.min(300)].map(Node);
        let mut sum = u64::from(number);
        for value in cx.get_all(below).await {
            sum = sum.wrapping_mul(31).wrapping_add(value.expect("nothing fails"));
        }
        let last = cx.get(&Node(number - 1 - (sum % 7) as u32)).await.expect("nothing fails");
        (sum + last) % 5
    }

    fn same(before: &u64, after: &u64) -> bool {
        before == after
    }
}

fn word(from: &mut &[u8]) -> Option<u32> {
    let (word, rest) = from.split_first_chunk()?;
    *from = rest;
    Some(u32::from_le_bytes(*word))
}

impl Stored for Node {
    fn write_key(&self, out: &mut Vec<u8>) {
        out.extend(self.0.to_le_bytes());
    }

    fn read_key(from: &mut &[u8]) -> Option<Self> {
        word(from).map(Self)
    }

    fn write_value(value: &u64, out: &mut Vec<u8>) {
        out.extend((*value as u32).to_le_bytes());
    }

    fn read_value(from: &mut &[u8]) -> Option<u64> {
        word(from).map(u64::from)
    }
}

fn get(engine: &Engine, number: u32) -> u64 {
    engine.block_on(engine.get(&Node(number))).expect("nothing fails")
}

fn engine(values: &[u64; 10]) -> Engine {
    let options = EngineOptions { crew: Arc::new(Threads(2)), ..EngineOptions::default() };
    let engine = Engine::new(options);
    set(&engine, values);
    engine
}

fn set(engine: &Engine, values: &[u64; 10]) {
    engine.edit(|edit| {
        values.iter().enumerate().for_each(|(at, value)| edit.set(&Node(at as u32), *value));
    });
}

fn stamp() -> Vcid {
    Vcid::of(b"this code")
}

/// One test, since it counts what all of them begin.
#[test]
fn the_next_process_knows_what_this_one_did() {
    println!("images: seeds 0..40");
    for seed in 0..40 {
        println!("images: seed {seed}");
        let mut random = Random(seed);
        let mut values = [0_u64; 10];
        values.iter_mut().for_each(|value| *value = random.next() % 4);
        let top = 200 + random.below(400) as u32;
        let one = engine(&values);
        let answer = get(&one, top);
        get(&one, 700);
        let image = one.image::<Node>(stamp());
        assert_eq!(image, one.image::<Node>(stamp()), "one state has one image");
        BEGUN.store(0, Ordering::Relaxed);
        let two = Engine::default();
        let count = two.load_image::<Node>(&image, stamp()).expect("it is whole");
        set(&two, &values);
        assert_eq!(get(&two, top), answer);
        assert_eq!(BEGUN.swap(0, Ordering::Relaxed), 0, "all of that was known");
        assert_eq!(two.image::<Node>(stamp()).len(), image.len());
        // What is for one run only, and what rests on it, is not in it.
        assert!(count < one.footprint().nodes);
        assert!(two.peek(&Node(700)).is_none());
        // After edits both compute the same things, and the same number of them.
        for _ in 0..5 {
            values[random.below(10)] = random.next() % 4;
            set(&one, &values);
            set(&two, &values);
            let want = get(&one, top);
            let begun = BEGUN.swap(0, Ordering::Relaxed);
            assert_eq!(get(&two, top), want);
            assert_eq!(BEGUN.swap(0, Ordering::Relaxed), begun, "seed {seed}");
            let scratch = engine(&values);
            assert_eq!(get(&scratch, top), want);
            BEGUN.store(0, Ordering::Relaxed);
        }
        damaged_images_are_refused(&image, &mut random, &values, top);
    }
}

fn damaged_images_are_refused(image: &[u8], random: &mut Random, values: &[u64; 10], top: u32) {
    let refused = |bytes: &[u8], stamp: Vcid| {
        let engine = Engine::default();
        let refused = engine.load_image::<Node>(bytes, stamp).expect_err("it is damaged");
        assert_eq!(engine.footprint().nodes, 0, "and nothing of it is known");
        (engine, refused)
    };
    for _ in 0..60 {
        let mut bytes = image.to_vec();
        let bit = random.below(bytes.len() * 8);
        bytes[bit / 8] ^= 1 << (bit % 8);
        refused(&bytes, stamp());
        refused(&image[..random.below(image.len())], stamp());
    }
    assert_eq!(refused(image, Vcid::of(b"other code")).1, ImageError::Stale);
    let (cold, _) = refused(&[], stamp());
    set(&cold, values);
    let want = get(&engine(values), top);
    assert_eq!(get(&cold, top), want);
    assert_eq!(cold.load_image::<Node>(image, stamp()), Err(ImageError::InUse));
}
