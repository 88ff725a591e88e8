//! Random operations on two stores of one disk, against a list in memory of what must be there.

use std::collections::HashMap;
use std::sync::Arc;

use vigil_base::{TreeReferences, Vcid};
use vigil_store::{CollectError, CollectOptions, Keep, ReadError, Store, VerifyOptions, Writer};

use crate::crash::{chain, check_index, open_on};
use crate::sim::Sim;
use crate::world::{noise, noise_bytes, text_bytes};

/// What the world does next.
struct Dice(Box<dyn FnMut() -> u8>);

impl Dice {
    fn below(&mut self, sides: usize) -> usize {
        let wide = [(self.0)(), (self.0)(), (self.0)(), (self.0)()];
        u32::from_le_bytes(wide) as usize % sides
    }

    /// Most blobs come again and again, so that deduplication is met all the time.
    fn blob(&mut self) -> Arc<Vec<u8>> {
        let seed = self.below(60) as u64;
        let len = [0, 1, 64, 700, 5000, 9000, 40_000, 130_000][seed as usize % 8];
        Arc::new(if seed.is_multiple_of(3) {
            noise_bytes(seed, len)
        } else {
            text_bytes(seed, len)
        })
    }
}

struct World {
    sim: Sim,
    stores: [Store; 2],
    /// What has been put; true once it is acknowledged.
    model: HashMap<Vcid, (Arc<Vec<u8>>, bool)>,
    at: String,
}

impl World {
    fn new(seed: u64) -> Self {
        let sim = Sim::default();
        let stores = [0, 1].map(|_| open_on(sim.process()).expect("a store"));
        Self { sim, stores, model: HashMap::new(), at: format!("seed {seed}") }
    }

    #[track_caller]
    fn fine<T, E: std::error::Error>(&self, result: Result<T, E>) -> T {
        result.unwrap_or_else(|why| panic!("{}: {}", self.at, chain(&why)))
    }

    fn put(&mut self, store: usize, dice: &mut Dice) {
        let writer = self.fine(self.stores[store].writer());
        let mut put = Vec::new();
        for _ in 0..=dice.below(3) {
            let mut batch = self.fine(writer.batch());
            for _ in 0..dice.below(5) {
                let bytes = dice.blob();
                put.push((self.fine(batch.put_any(&bytes)), bytes));
            }
            self.fine(batch.finish());
        }
        let is_acknowledged = match dice.below(5) {
            0 => self.fine(writer.seal().map(|_| true)),
            1 | 2 => self.fine(writer.finish().map(|()| true)),
            3 => self.fine(writer.commit().map(|()| true)),
            _ => false,
        };
        for (vcid, bytes) in put {
            let slot = self.model.entry(vcid).or_insert((bytes, false));
            slot.1 |= is_acknowledged;
        }
    }

    fn read(&self, store: usize, dice: &mut Dice) {
        let bytes = dice.blob();
        let vcid = Vcid::of(&bytes);
        let is_due = self.model.get(&vcid).is_some_and(|(_, is_acknowledged)| *is_acknowledged);
        let at = &self.at;
        match self.stores[store].read(vcid) {
            Ok(read) => assert!(read == *bytes, "{at}: other bytes"),
            Err(ReadError::Absent { .. } | ReadError::Incomplete { .. }) if !is_due => {}
            // A record that was never acknowledged, and torn when the power went.
            Err(ReadError::Corrupt { .. }) if !is_due => {}
            Err(why) => panic!("{at}: {} bytes, due {is_due}: {}", bytes.len(), chain(&why)),
        }
        let Ok(blob) = self.stores[store].find(vcid) else { return };
        let start = dice.below(bytes.len() + 1);
        let mut range = vec![0; dice.below(bytes.len() + 1 - start)];
        let result = self.stores[store].read_range(&blob, start as u64, &mut range);
        if is_due {
            self.fine(result);
            assert!(range == bytes[start..start + range.len()], "{at}: a wrong range");
        }
    }

    /// Keeps half of what is acknowledged, and everything else may go.
    fn collect(&mut self, store: usize, dice: &mut Dice) {
        self.model.retain(|_, (_, is_acknowledged)| *is_acknowledged && dice.below(4) > 0);
        let keep: Vec<Keep> = self.model.keys().map(|vcid| (*vcid, false)).collect();
        let options = CollectOptions {
            keep: &keep,
            references: &TreeReferences,
            is_dry_run: false,
            dead_percent_min: 20,
        };
        match self.stores[store].collect(&options) {
            Ok(_) | Err(CollectError::InUse) => {}
            Err(why) => panic!("{}: {}", self.at, chain(&why)),
        }
    }

    fn lose_power(&mut self, dice: &mut Dice) {
        let seed = dice.below(4);
        self.sim = self.sim.reboot((seed > 0).then_some(seed as u64));
        self.stores = [0, 1].map(|_| open_on(self.sim.process()).expect("the store again"));
        self.model.retain(|_, (_, is_acknowledged)| *is_acknowledged);
    }

    fn step(&mut self, dice: &mut Dice) {
        let store = dice.below(2);
        match dice.below(20) {
            0..=6 => self.put(store, dice),
            7..=12 => (0..6).for_each(|_| self.read(store, dice)),
            13 => self.fine(self.stores[store].refresh()),
            14 | 15 => self.stores[store] = open_on(self.sim.process()).expect("the store again"),
            16 => self.sim.wipe("index/"),
            17 => self.lose_power(dice),
            18 => self.collect(store, dice),
            _ => {
                let options = VerifyOptions { percent: 100, threads: 1, progress: &|_, _| {} };
                let report = self.fine(self.stores[store].verify(&options));
                assert!(report.unreadable.is_empty(), "{}: {report:?}", self.at);
            }
        }
    }

    fn check_all(&self) {
        for store in &self.stores {
            for (vcid, (bytes, is_acknowledged)) in &self.model {
                if *is_acknowledged {
                    assert!(self.fine(store.read(*vcid)) == **bytes, "{}: other bytes", self.at);
                }
            }
        }
        self.fine(self.stores[0].writer().and_then(Writer::finish));
        check_index(&self.sim, &self.at);
    }
}

#[test]
fn two_stores_agree_with_a_list() {
    for seed in (0..24).chain([67]) {
        let mut dice = Dice(Box::new(noise(seed * 31 + 1)));
        let mut world = World::new(seed);
        for step in 0..40 {
            world.at = format!("seed {seed}, step {step}");
            world.step(&mut dice);
        }
        world.check_all();
    }
}
