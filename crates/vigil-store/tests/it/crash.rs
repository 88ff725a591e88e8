//! The power goes, or a process dies, at every single write, sync and rename of a scripted life.

use std::collections::BTreeMap;
use std::sync::Arc;

use vigil_base::world::Disk;
use vigil_base::{EntryKind, Name, Vcid};
use vigil_store::{ChunkBytes, Options, ReadError, Store, Tuning, Version, Writer};

use crate::index_file;
use crate::sim::Sim;
use crate::world::{noise_bytes, stopped_moment, text_bytes, world_on};

/// Arenas, frames and chunks as small as they come, so that a short life fills and seals several.
pub fn small_options() -> Options {
    Options {
        arena_bytes_max: 1 << 20,
        cache_bytes_max: 256 << 10,
        sync_every_bytes: None,
        tuning: Tuning {
            whole_bytes_max: 8 << 10,
            blob_frame_bytes: 8 << 10,
            chunk_frame_bytes: 32 << 10,
            chunk_bytes: ChunkBytes { min: 4 << 10, average: 8 << 10, max: 16 << 10 },
            level: 1,
        },
        ..Options::default()
    }
}

pub fn open_on(disk: Arc<dyn Disk>) -> Result<Store, String> {
    Store::open(world_on(disk), small_options()).map_err(|error| chain(&error))
}

/// Joins the messages of an error and its sources.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text += &format!(": {inner}");
        source = inner.source();
    }
    text
}

/// What was tried, and what of it was acknowledged.
#[derive(Clone, Default)]
pub struct Ledger {
    pub tried: BTreeMap<Vcid, Arc<Vec<u8>>>,
    pub acknowledged: BTreeMap<Vcid, Arc<Vec<u8>>>,
    pub named: Option<Vcid>,
}

impl Ledger {
    pub fn put(&mut self, writer: &Writer, blobs: &[Arc<Vec<u8>>]) -> Result<(), String> {
        let mut batch = writer.batch().map_err(|error| chain(&error))?;
        for bytes in blobs {
            self.tried.insert(Vcid::of(bytes), bytes.clone());
            batch.put_any(bytes).map_err(|error| chain(&error))?;
        }
        batch.finish().map_err(|error| chain(&error))?;
        Ok(())
    }

    /// Called where everything that was tried has been acknowledged.
    pub fn acknowledge(&mut self) {
        self.acknowledged.extend(self.tried.iter().map(|(vcid, bytes)| (*vcid, bytes.clone())));
    }
}

/// The blobs of a life: whole ones, compressible and incompressible long ones, and an empty one.
pub struct Blobs {
    pub small: Vec<Arc<Vec<u8>>>,
    pub text: Arc<Vec<u8>>,
    pub noise: Arc<Vec<u8>>,
    pub later: Vec<Arc<Vec<u8>>>,
    pub big_noise: Arc<Vec<u8>>,
    pub last: Vec<Arc<Vec<u8>>>,
}

impl Blobs {
    pub fn new(seed: u64) -> Self {
        let noise = |index, len| Arc::new(noise_bytes(seed * 1000 + index, len));
        let text = |index, len| Arc::new(text_bytes(seed * 1000 + index, len));
        Self {
            small: (0..8).map(|i| text(i, 50 + 300 * i as usize)).chain([noise(9, 0)]).collect(),
            text: text(20, 90_000),
            noise: noise(21, 120_000),
            later: (30..36).map(|i| noise(i, 700)).collect(),
            big_noise: noise(40, 700_000),
            last: (50..54).map(|i| text(i, 2000)).collect(),
        }
    }
}

fn name() -> Name {
    Name::new("life").expect("a name")
}

fn version(vcid: Vcid) -> Version {
    Version { at: stopped_moment(), kind: EntryKind::File, vcid, metadata: None }
}

/// A life of two processes and three jobs. Stops with the first error.
fn live(sim: &Sim, blobs: &Blobs, ledger: &mut Ledger) -> Result<(), String> {
    let text = |error: &dyn std::error::Error| chain(error);
    let first = open_on(sim.process())?;
    let writer = first.writer().map_err(|e| text(&e))?;
    ledger.put(&writer, &blobs.small)?;
    ledger.put(&writer, &[blobs.text.clone(), blobs.noise.clone()])?;
    writer.commit().map_err(|e| text(&e))?;
    ledger.acknowledge();
    // Another process relies on what the first wrote, in arenas that the first still holds.
    let second = open_on(sim.process())?;
    let other = second.writer().map_err(|e| text(&e))?;
    ledger.put(&writer, &blobs.later)?;
    second.refresh().map_err(|e| text(&e))?;
    ledger.put(&other, &[blobs.later[0].clone(), blobs.last[0].clone(), blobs.text.clone()])?;
    other.commit().map_err(|e| text(&e))?;
    for blob in [&blobs.later[0], &blobs.last[0], &blobs.text] {
        ledger.acknowledged.insert(Vcid::of(blob), blob.clone());
    }
    writer.finish().map_err(|e| text(&e))?;
    ledger.acknowledge();
    other.finish().map_err(|e| text(&e))?;
    drop((first, second));
    // A third continues the open arenas, fills one, and names what it stored.
    let third = open_on(sim.process())?;
    let writer = third.writer().map_err(|e| text(&e))?;
    ledger.put(&writer, std::slice::from_ref(&blobs.big_noise))?;
    ledger.put(&writer, &blobs.last)?;
    let target = Vcid::of(&blobs.big_noise);
    writer.set_name(&name(), version(target)).map_err(|e| text(&e))?;
    ledger.acknowledge();
    ledger.named = Some(target);
    let sealed = writer.seal().map_err(|e| text(&e))?;
    assert!(sealed.len() >= 2, "both lanes have an arena to seal, not {sealed:?}");
    let writer = third.writer().map_err(|e| text(&e))?;
    let extra = Arc::new(noise_bytes(77, 30_000));
    ledger.put(&writer, &[extra])?;
    writer.finish().map_err(|e| text(&e))?;
    ledger.acknowledge();
    Ok(())
}

/// Looks at a machine that has come up again.
pub fn check(sim: &Sim, ledger: &Ledger, at: &str) {
    let store = open_on(sim.process()).unwrap_or_else(|why| panic!("{at}: does not open: {why}"));
    check_reads(&store, ledger, at);
    if let Some(target) = ledger.named {
        let found = store.version(&name(), 0).unwrap_or_else(|why| panic!("{at}: name: {why}"));
        assert_eq!(found.vcid, target, "{at}: the name");
    }
}

/// Goes on using a machine that has come up again.
pub fn check_life_after(sim: &Sim, ledger: &Ledger, at: &str) {
    // Sealing lists what arenas hold; torn records must not get into the list.
    let sealing = sim.copy();
    let sealer = open_on(sealing.process()).expect("a copy opens too");
    sealer.writer().and_then(Writer::seal).unwrap_or_else(|why| panic!("{at}: seal: {why:?}"));
    drop(sealer);
    sealing.wipe("index/");
    for (sim, at) in [(sim, at.to_owned()), (&sealing, format!("{at}, sealed, without its index"))]
    {
        let store = open_on(sim.process()).unwrap_or_else(|why| panic!("{at}: opens: {why}"));
        check_reads(&store, ledger, &at);
        let writer = store.writer().unwrap_or_else(|why| panic!("{at}: writer: {why:?}"));
        let mut again = Ledger::default();
        let all: Vec<_> = ledger.tried.values().cloned().collect();
        again.put(&writer, &all).unwrap_or_else(|why| panic!("{at}: put again: {why}"));
        writer.commit().unwrap_or_else(|why| panic!("{at}: commit again: {why:?}"));
        again.acknowledge();
        check_reads(&store, &again, &format!("{at}, put again"));
        // What was acknowledged now does not need the power to stay.
        let dark = sim.reboot(None);
        let late = open_on(dark.process()).unwrap_or_else(|why| panic!("{at}: late: {why}"));
        check_reads(&late, &again, &format!("{at}, put again, dark again"));
        writer.finish().unwrap_or_else(|why| panic!("{at}: finish: {why:?}"));
        drop(store);
        check_index(sim, &at);
    }
}

/// Compares the published index with one that is made of the arenas alone.
pub fn check_index(sim: &Sim, at: &str) {
    let published = index_file::entries(sim, "shared");
    let bare = sim.copy();
    bare.wipe("index/");
    let store = open_on(bare.process()).expect("a store without an index");
    store.writer().and_then(Writer::finish).expect("it publishes what it has found");
    let rebuilt = index_file::entries(&bare, "shared");
    let lost: Vec<_> = rebuilt.difference(&published).take(3).collect();
    let surplus: Vec<_> = published.difference(&rebuilt).take(3).collect();
    assert!(lost.is_empty(), "{at}: arenas hold what the index does not list: {lost:?}");
    assert!(surplus.is_empty(), "{at}: the index lists what no arena holds: {surplus:?}");
}

/// Whatever is claimed is right, and what was acknowledged is there.
pub fn check_reads(store: &Store, ledger: &Ledger, at: &str) {
    for (vcid, bytes) in &ledger.tried {
        let is_due = ledger.acknowledged.contains_key(vcid);
        let what = format!("{at}: {vcid} of {} bytes", bytes.len());
        match store.read(*vcid) {
            Ok(read) => assert!(read == **bytes, "{what} came back with other bytes"),
            Err(why) if is_due => panic!("{what} was acknowledged: {}", chain(&why)),
            Err(why) => {
                let has = store.contains(*vcid);
                assert!(!matches!(has, Ok(true)), "{what} is claimed, and lost: {}", chain(&why));
                assert!(
                    matches!(has, Ok(false) | Err(ReadError::Corrupt { .. })),
                    "{what}: {has:?}"
                );
            }
        }
    }
}

fn sweep(part: u64, parts: u64) {
    let blobs = Blobs::new(1);
    let whole = Sim::default();
    live(&whole, &blobs, &mut Ledger::default())
        .expect("nothing stands in the way of a whole life");
    let operations = whole.operations();
    assert!(operations > 60, "a life has {operations} operations");
    for number in (1..=operations).filter(|number| number % parts == part) {
        let sim = Sim::default();
        sim.lose_power_at(number);
        let mut ledger = Ledger::default();
        let end = live(&sim, &blobs, &mut ledger);
        assert!(end.is_err() || number == operations, "operation {number} of {operations} failed");
        let seeds = [None, Some(number), Some(7919 + number), Some(104_729 + number)];
        for (seed, index) in seeds.into_iter().zip(0..) {
            let at = format!("power lost at operation {number}, seed {seed:?}");
            let sim = sim.reboot(seed);
            check(&sim, &ledger, &at);
            // Going on from there is dear to check, so each operation does it with one seed of four.
            if number / parts % 4 == index {
                check_life_after(&sim, &ledger, &at);
            }
        }
    }
}

#[test]
fn power_lost_at_odd_operations() {
    sweep(1, 2);
}

#[test]
fn power_lost_at_even_operations() {
    sweep(0, 2);
}
