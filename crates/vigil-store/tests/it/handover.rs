//! A process dies or stops at every operation, another goes on, and then the power goes.
//!
//! The second sees everything that the first has written, synced or not, and must acknowledge nothing
//! that leans on what the power can take away.

use std::sync::Arc;

use vigil_base::Vcid;

use crate::crash::{Blobs, Ledger, chain, check, check_index, open_on};
use crate::sim::{Sim, SimDisk};
use crate::world::noise_bytes;

/// What the first process does. Stops with the first error.
fn begin(disk: Arc<SimDisk>, blobs: &Blobs, ledger: &mut Ledger) -> Result<(), String> {
    let store = open_on(disk)?;
    let writer = store.writer().map_err(|e| chain(&e))?;
    ledger.put(&writer, &blobs.small)?;
    ledger.put(&writer, &[blobs.text.clone(), blobs.noise.clone()])?;
    writer.commit().map_err(|e| chain(&e))?;
    ledger.acknowledge();
    ledger.put(&writer, &blobs.later)?;
    writer.finish().map_err(|e| chain(&e))?;
    ledger.acknowledge();
    let writer = store.writer().map_err(|e| chain(&e))?;
    ledger.put(&writer, &blobs.last)?;
    writer.commit().map_err(|e| chain(&e))?;
    ledger.acknowledge();
    ledger.put(&writer, &[Arc::new(noise_bytes(5, 20_000))])?;
    writer.seal().map_err(|e| chain(&e))?;
    ledger.acknowledge();
    Ok(())
}

/// What the second does: it relies on all that it finds, and adds a little.
fn go_on(sim: &Sim, ledger: &mut Ledger, publishes: bool, at: &str) {
    let store = open_on(sim.process()).unwrap_or_else(|why| panic!("{at}: opens: {why}"));
    crate::crash::check_reads(&store, ledger, at);
    let writer = store.writer().unwrap_or_else(|why| panic!("{at}: writer: {why:?}"));
    let mut all: Vec<_> = ledger.tried.values().cloned().collect();
    all.push(Arc::new(noise_bytes(6, 900)));
    ledger.put(&writer, &all).unwrap_or_else(|why| panic!("{at}: put: {why}"));
    writer.commit().unwrap_or_else(|why| panic!("{at}: commit: {why:?}"));
    ledger.acknowledge();
    if publishes {
        writer.finish().unwrap_or_else(|why| panic!("{at}: finish: {why:?}"));
    }
}

fn sweep(freezes: bool) {
    let blobs = Blobs::new(2);
    let whole = Sim::default();
    let disk = whole.process();
    begin(disk.clone(), &blobs, &mut Ledger::default()).expect("nothing stands in its way");
    for number in 1..=disk.operations() {
        for publishes in [false, true] {
            let at = format!("ended at operation {number}, publishes {publishes}");
            let sim = Sim::default();
            let first = sim.process();
            if freezes {
                first.freeze_at(number);
            } else {
                first.kill_at(number);
            }
            let mut ledger = Ledger::default();
            let _ended = begin(first, &blobs, &mut ledger);
            if sim.is_locked("index.lock") {
                continue; // Whoever comes next waits for its turn, by design.
            }
            go_on(&sim, &mut ledger, publishes, &at);
            for seed in [None, Some(number)] {
                let dark = sim.reboot(seed);
                let at = format!("{at}, power lost, seed {seed:?}");
                check(&dark, &ledger, &at);
                // A third process continues, publishes, and leaves an index that knows everything.
                go_on(&dark, &mut ledger.clone(), true, &at);
                check_index(&dark, &at);
            }
        }
    }
}

#[test]
fn killed_and_continued() {
    sweep(false);
}

#[test]
fn frozen_and_passed_by() {
    sweep(true);
}

/// What the second process found before the first wrote its last is not all that the arena holds.
#[test]
fn a_continued_arena_is_listed_without_holes() {
    let sim = Sim::default();
    let blobs = Blobs::new(3);
    let mut ledger = Ledger::default();
    let disk = sim.process();
    let first = open_on(disk.clone()).expect("a store");
    let writer = first.writer().expect("a writer");
    ledger.put(&writer, &blobs.small).expect("a put");
    writer.commit().expect("a commit");
    let second = open_on(sim.process()).expect("the store again");
    let other = second.writer().expect("a second writer, that has seen the first commit");
    ledger.put(&writer, &blobs.later).expect("a put");
    writer.commit().expect("a commit that the second has not seen");
    ledger.acknowledge();
    disk.kill();
    ledger.put(&other, &blobs.last).expect("a put into the arena that the first has left");
    other.finish().expect("a commit");
    ledger.acknowledge();
    check(&sim, &ledger, "after the second");
    check_index(&sim, "after the second");
    check(&sim.reboot(None), &ledger, "after the second, dark");
    let vcid = Vcid::of(&blobs.later[0]);
    assert_eq!(second.read(vcid).expect("the second finds it too"), *blobs.later[0]);
}

/// Somebody who rebuilt the index publishes one that reaches less far than the one before.
#[test]
fn an_index_that_went_back_leaves_no_holes() {
    let sim = Sim::default();
    let blobs = Blobs::new(4);
    let mut ledger = Ledger::default();
    let first = open_on(sim.process()).expect("a store");
    let writer = first.writer().expect("a writer");
    ledger.put(&writer, &blobs.small).expect("a put");
    writer.commit().expect("a commit");
    // The second finds no index, lists the arenas, and is slow to publish what it found.
    let second = open_on(sim.process()).expect("the store again");
    let other = second.writer().expect("a writer");
    ledger.put(&writer, &blobs.later).expect("a put that the second has not seen");
    writer.finish().expect("an index that reaches to here");
    other.finish().expect("an index that does not");
    let writer = first.writer().expect("a writer that has seen the older index");
    ledger.put(&writer, &blobs.last).expect("a put");
    writer.finish().expect("a third index");
    ledger.acknowledge();
    check(&sim, &ledger, "after three indices");
    check_index(&sim, "after three indices");
}

/// The index says that an arena is sealed, and the power takes the seal away: what is appended to it
/// later must be found all the same.
#[test]
fn a_seal_that_was_lost_does_not_hide_what_follows() {
    let blobs = Blobs::new(5);
    let begin = |sim: &Sim, ledger: &mut Ledger| {
        let disk = sim.process();
        let store = open_on(disk.clone()).expect("a store");
        store.writer().and_then(vigil_store::Writer::finish).expect("an index");
        let writer = store.writer().expect("a writer");
        ledger.put(&writer, &blobs.small).expect("a put");
        writer.commit().expect("a commit");
        ledger.acknowledge();
        (disk, writer)
    };
    let whole = Sim::default();
    let (disk, writer) = begin(&whole, &mut Ledger::default());
    let before = disk.operations();
    writer.seal().expect("a seal");
    for number in before + 1..=disk.operations() {
        let at = format!("killed at operation {number}");
        let sim = Sim::default();
        let mut ledger = Ledger::default();
        let (disk, writer) = begin(&sim, &mut ledger);
        let second = open_on(sim.process()).expect("the store again");
        let other = second.writer().expect("a writer that has synced all records");
        disk.kill_at(number);
        _ = writer.seal();
        second.refresh().expect("the second sees the seal");
        other.finish().expect("a published index");
        let dark = sim.reboot(None);
        for blob in &blobs.last {
            let store = open_on(dark.process()).expect("the store after the power was back");
            let writer = store.writer().expect("a writer");
            ledger.put(&writer, std::slice::from_ref(blob)).expect("a put");
            writer.commit().expect("a commit, and nothing published");
            ledger.acknowledge();
        }
        check(&dark, &ledger, &at);
    }
}

/// A thread publishes while another is taking in the manifest from before.
#[test]
fn an_older_manifest_does_not_replace_a_newer_one() {
    let sim = Sim::default();
    let store = open_on(sim.process()).expect("a store");
    store.writer().and_then(vigil_store::Writer::finish).expect("a first index");
    let other = open_on(sim.process()).expect("the store again");
    let writer = other.writer().expect("a writer");
    // So many that the run of the third index does not absorb their run.
    let early: Vec<Vcid> =
        (0..9).map(|seed| writer.put(&noise_bytes(seed, 99)).expect("a put")).collect();
    writer.finish().expect("a second index");
    let run = sim.paths().into_iter().find(|path| path.ends_with(".run")).expect("a run");
    let late = Arc::new(std::sync::Mutex::new(None));
    let (slot, thread) = (late.clone(), store.clone());
    // The first has read the second manifest and is about to open its run.
    sim.before_open(&run, move || {
        let writer = thread.writer().expect("a writer");
        let vcid = writer.put(&noise_bytes(8, 3000)).expect("a put");
        writer.finish().expect("a third index");
        *slot.lock().expect("no panic") = Some(vcid);
    });
    store.refresh().expect("a refresh");
    let late = late.lock().expect("no panic").expect("the hook has run");
    assert_eq!(store.item_count(), 10, "all are in the index that this process has");
    for vcid in early.into_iter().chain([late]) {
        assert!(store.contains(vcid).expect("a lookup"));
    }
}
