//! A log whose machine loses power, and whose writers die, at every single operation.

use std::sync::Arc;

use vigil_base::world::Disk;
use vigil_trust::log::{
    CosignedAt, DiskTiles, DurableLog, Ed25519Kind, LeafIndex, LogError, LogReader, Monitor,
    Progress, SignedCheckpoint, TreeSize, cosign, minimum_index,
};

use super::world::{append, chain, create, entry, log_keys, log_signer, open_on, signer};
use crate::sim::Sim;

/// What readers see: every entry, by a monitor that believes nothing.
fn read_all(disk: &Arc<dyn Disk>, at: &str) -> SignedCheckpoint {
    let file = disk.open("checkpoint", vigil_base::world::OpenMode::Read);
    let file = file.unwrap_or_else(|error| panic!("{at}: {error}"));
    let mut bytes = vec![0; file.len().expect("a length") as usize];
    file.read_at(0, &mut bytes).expect("a checkpoint");
    let shown = SignedCheckpoint::parse(&bytes).unwrap_or_else(|error| panic!("{at}: {error}"));
    let mut monitor = Monitor::new(log_keys());
    let seen = monitor.look(&shown, DiskTiles(&**disk), |index, bytes| {
        assert_eq!(bytes, entry(index.0), "{at}");
    });
    seen.unwrap_or_else(|error| panic!("{at}: {}", chain(&error)));
    shown
}

/// A life of two processes; returns the sizes that were acknowledged, as far as it got.
fn live(sim: &Sim, acknowledged: &mut Vec<TreeSize>) -> Result<(), String> {
    let text = |error: LogError| chain(&error);
    let mut first = DurableLog::create(sim.process(), log_signer()).map_err(text)?;
    acknowledged.push(TreeSize(0));
    for count in [1, 1, 3, 250, 1, 300] {
        acknowledged.push(append(&mut first, count)?);
    }
    first.flush().map_err(text)?;
    let mut second = DurableLog::open(sim.process(), log_signer()).map_err(text)?;
    acknowledged.push(append(&mut second, 10)?);
    let size = second.checkpoint().expect("a checkpoint").unverified().size;
    let more: Vec<Vec<u8>> = (size.0..size.0 + 500).map(entry).collect();
    let more: Vec<&[u8]> = more.iter().map(Vec::as_slice).collect();
    let appended = first.append(&more).map_err(text)?;
    assert_eq!(appended.first, LeafIndex(size.0));
    acknowledged.push(appended.checkpoint.unverified().size);
    first.flush().map_err(text)?;
    acknowledged.push(append(&mut first, 2)?);
    Ok(())
}

/// Every checkpoint that a reader may have seen until then stays true.
fn check(sim: &Sim, seen: &[SignedCheckpoint], acknowledged: &[TreeSize], at: &str) {
    let disk: Arc<dyn Disk> = sim.process();
    let mut log = match DurableLog::open(disk.clone(), log_signer()) {
        Ok(log) => log,
        Err(LogError::NoLog { .. }) if acknowledged.is_empty() => return,
        Err(error) => panic!("{at}: {}", chain(&error)),
    };
    let shown = read_all(&disk, at);
    let size = shown.unverified().size;
    assert!(acknowledged.iter().all(|known| *known <= size), "{at}: {size} of {acknowledged:?}");
    for earlier in seen {
        let earlier = earlier.unverified();
        assert!(earlier.size <= size, "{at}: {} was seen, {size} is left", earlier.size);
        let mut reader = LogReader::new(DiskTiles(&*disk), shown.clone());
        let proof = reader.prove_growth(earlier.size);
        proof.unwrap_or_else(|error| panic!("{at}: {}", chain(&error)));
        let mut nodes = vigil_trust::log::TileNodes::new(DiskTiles(&*disk), size);
        let root = vigil_trust::log::root(&mut nodes, earlier.size).expect("a root");
        assert_eq!(root, earlier.root, "{at}: another tree of {} entries", earlier.size);
    }
    append(&mut log, 3).unwrap_or_else(|error| panic!("{at}: {error}"));
    drop(log);
    read_all(&disk, at);
}

/// What is published at a moment, if anything whole.
fn published(sim: &Sim) -> Option<SignedCheckpoint> {
    SignedCheckpoint::parse(&sim.content("checkpoint")?).ok()
}

#[test]
fn no_loss_of_power_loses_or_forks_what_was_seen() {
    let whole = Sim::default();
    live(&whole, &mut Vec::new()).expect("a whole life");
    let operations = whole.operations();
    assert!(operations > 80, "{operations}");
    for number in 1..=operations {
        let (sim, mut acknowledged) = (Sim::default(), Vec::new());
        sim.lose_power_at(number);
        live(&sim, &mut acknowledged).expect_err("the power is gone");
        let seen: Vec<SignedCheckpoint> = published(&sim).into_iter().collect();
        for seed in [None, Some(number), Some(number + 1_000_000)] {
            let at = format!("power lost at {number}, seed {seed:?}");
            check(&sim.reboot(seed), &seen, &acknowledged, &at);
        }
    }
}

#[test]
fn no_death_of_a_writer_loses_or_forks_what_was_seen() {
    let whole = Sim::default();
    live(&whole, &mut Vec::new()).expect("a whole life");
    for number in 1..=whole.operations() {
        let (sim, mut acknowledged) = (Sim::default(), Vec::new());
        // The power of this machine goes, the disk keeps all: what a killed process leaves.
        sim.lose_power_at(number);
        live(&sim, &mut acknowledged).expect_err("it has died");
        let seen: Vec<SignedCheckpoint> = published(&sim).into_iter().collect();
        check(&sim.copy(), &seen, &acknowledged, &format!("killed at {number}"));
    }
}

#[test]
fn a_writer_that_dies_beside_another_leaves_it_whole() {
    for number in 1..60 {
        let sim = Sim::default();
        let mut acknowledged = vec![append(&mut create(sim.process()), 200).expect("a batch")];
        let dying = sim.process();
        let mut survivor = open_on(&sim);
        let mut other = DurableLog::open(dying.clone(), log_signer()).expect("a log");
        dying.kill_at(dying.operations() + number);
        if let Ok(size) = append(&mut other, 100) {
            acknowledged.push(size);
        }
        let disk: Arc<dyn Disk> = sim.process();
        let added = survivor.append(&[]).expect("a look");
        let size = added.checkpoint.unverified().size.0;
        let more: Vec<Vec<u8>> = (size..size + 60).map(entry).collect();
        let more: Vec<&[u8]> = more.iter().map(Vec::as_slice).collect();
        survivor.append(&more).unwrap_or_else(|error| panic!("{number}: {}", chain(&error)));
        let shown = read_all(&disk, &format!("one of two killed at {number}"));
        assert!(acknowledged.iter().all(|known| *known <= shown.unverified().size));
    }
}

#[test]
fn a_writer_that_hangs_is_waited_for_until_it_dies() {
    let sim = Sim::default();
    let mut other = create(sim.process());
    let hanging = sim.process();
    let mut log = DurableLog::open(hanging.clone(), log_signer()).expect("a log");
    hanging.freeze_at(hanging.operations() + 1);
    append(&mut log, 5).expect_err("it hangs in its first write");
    assert!(sim.is_locked("state/lock"), "whoever hangs keeps its lock");
    let waiting = std::thread::spawn(move || {
        other.append(&[]).map_err(|error| chain(&error))?;
        append(&mut other, 7)
    });
    hanging.kill();
    waiting.join().expect("no panic").expect("a batch");
    read_all(&(sim.process() as Arc<dyn Disk>), "after one that hung");
}

#[test]
fn a_full_disk_refuses_and_loses_nothing() {
    let whole = Sim::default();
    let mut log = create(whole.process());
    append(&mut log, 300).expect("a batch");
    let before = whole.operations();
    append(&mut log, 300).expect("a batch");
    for number in before + 1..=whole.operations() {
        let sim = Sim::default();
        let mut log = create(sim.process());
        append(&mut log, 300).expect("a batch");
        sim.fill_at(Some(number));
        let refused = append(&mut log, 300);
        sim.fill_at(None);
        let disk: Arc<dyn Disk> = sim.process();
        drop(log);
        let log = open_on(&sim);
        let size = log.checkpoint().expect("a checkpoint").unverified().size.0;
        assert!(size == 600 || (size == 300 && refused.is_err()), "{number}: {size}");
        read_all(&disk, &format!("full at {number}"));
    }
}

#[test]
fn another_process_may_append_between_any_two_batches() {
    let sim = Sim::default();
    let mut first = create(sim.process());
    append(&mut first, 10).expect("a batch");
    let other = sim.clone();
    // While the first waits to look into the journal, another one has its turn.
    sim.before_open("state/lock", move || {
        append(&mut open_on(&other), 20).expect("a batch");
    });
    let entries: Vec<Vec<u8>> = (30..35).map(entry).collect();
    let entries: Vec<&[u8]> = entries.iter().map(Vec::as_slice).collect();
    let appended = first.append(&entries).expect("a batch");
    assert_eq!(appended.first, LeafIndex(30));
    read_all(&(sim.process() as Arc<dyn Disk>), "after both");
}

#[test]
fn partial_tiles_go_when_full_ones_are_there_and_not_before() {
    let sim = Sim::default();
    let mut log = create(sim.process());
    append(&mut log, 100).expect("a batch");
    append(&mut log, 100).expect("a batch");
    log.flush().expect("a flush");
    let has = |path: &str| sim.paths().iter().any(|known| known == path);
    assert!(has("tile/0/000.p/100") && has("tile/0/000.p/200") && has("tile/entries/000.p/100"));
    append(&mut log, 100).expect("a batch");
    assert!(has("tile/0/000.p/100") && has("tile/0/000"));
    log.flush().expect("a flush");
    assert!(!has("tile/0/000.p/100") && !has("tile/entries/000.p/200") && has("tile/0/001.p/44"));
    assert!(has("tile/1/000.p/1"));
    // Nothing that readers need lies outside of the two places that the specification names.
    let outside = |path: &&String| {
        !path.starts_with("tile/") && !path.starts_with("state/") && *path != "checkpoint"
    };
    assert_eq!(sim.paths().iter().find(outside), None);
    read_all(&(sim.process() as Arc<dyn Disk>), "after partial tiles went");
}

#[test]
fn a_long_journal_is_turned_by_itself() {
    let sim = Sim::default();
    let mut log = create(sim.process());
    let long = vec![7; 60_000];
    let batch: Vec<&[u8]> = vec![&long; 40];
    for _ in 0..4 {
        log.append(&batch).expect("a batch");
    }
    let len = sim.content("state/journal").map_or(0, |bytes| bytes.len());
    assert!(len < 6 << 20, "{len}");
    assert!(matches!(log.append(&[&[0; 65_536]]), Err(LogError::Entry(_))));
    let batch: Vec<&[u8]> = vec![&long; 1_200];
    assert!(matches!(log.append(&batch), Err(LogError::Batch { .. })));
    assert_eq!(open_on(&sim).checkpoint(), log.checkpoint());
}

#[test]
fn cosignatures_stay_through_crashes_until_the_next_checkpoint() {
    let sim = Sim::default();
    let mut log = create(sim.process());
    append(&mut log, 5).expect("a batch");
    let witness = signer("w.example", Ed25519Kind::Witness, 70);
    let at = CosignedAt::from_seconds(9).expect("a time");
    let shown = published(&sim).expect("a checkpoint");
    let good = cosign(&witness, shown.note().text(), at);
    let foreign = cosign(&signer("x.example", Ed25519Kind::Witness, 71), shown.note().text(), at);
    let stale = cosign(&witness, "another text\n", at);
    let lines = [good.clone(), foreign, stale, good.clone()];
    assert_eq!(log.add_cosignatures(&[witness.key().clone()], &lines).ok(), Some(1));
    let after = sim.reboot(None);
    open_on(&after);
    let kept = published(&after).expect("a checkpoint");
    assert_eq!(kept.note().signatures().last(), Some(&good));
}

#[test]
fn what_was_changed_or_set_back_is_not_signed_again() {
    let sim = Sim::default();
    let mut log = create(sim.process());
    append(&mut log, 300).expect("a batch");
    log.flush().expect("a flush");
    let open = |sim: &Sim| DurableLog::open(sim.process(), log_signer()).err();
    for path in ["tile/0/001.p/44", "tile/entries/001.p/44", "tile/1/000.p/1"] {
        let changed = sim.copy();
        changed.tamper(path, |bytes| bytes[5] ^= 1);
        let error = open(&changed).unwrap_or_else(|| panic!("{path} was changed"));
        assert!(matches!(error, LogError::Tiles(_) | LogError::Changed { .. }), "{error}");
    }
    let missing = sim.copy();
    missing.wipe("tile/entries");
    assert!(matches!(open(&missing), Some(LogError::Tiles(_))));
    // A journal from a backup: what was published since must not be signed differently.
    let old = sim.content("state/journal").expect("a journal");
    append(&mut log, 50).expect("a batch");
    log.flush().expect("a flush");
    sim.tamper("state/journal", |bytes| *bytes = old);
    let error = open(&sim);
    assert!(matches!(error, Some(LogError::SetBack { size: TreeSize(350) })), "{error:?}");
    let stranger = signer(super::world::ORIGIN, Ed25519Kind::Log, 90);
    let refused = DurableLog::open(missing.process(), stranger).err();
    assert!(matches!(refused, Some(LogError::Key(_))), "{refused:?}");
    let again = DurableLog::create(sim.process(), log_signer()).err();
    assert!(matches!(again, Some(LogError::Exists { .. })), "{again:?}");
}

#[test]
fn a_bad_byte_in_the_journal_cuts_nothing() {
    let sim = Sim::default();
    let mut log = create(sim.process());
    let len = |sim: &Sim| sim.content("state/journal").expect("a journal").len();
    let mut ends = vec![len(&sim)];
    for _ in 0..3 {
        append(&mut log, 2).expect("a batch");
        ends.push(len(&sim));
    }
    drop(log);
    let refuses = |damaged: &Sim, at: usize| {
        damaged.tamper("state/journal", |bytes| bytes[at] ^= 0x10);
        let before = damaged.content("state/journal");
        assert!(DurableLog::open(damaged.process(), log_signer()).is_err(), "byte {at}");
        assert_eq!(damaged.content("state/journal"), before, "byte {at}");
        damaged.tamper("state/journal", |bytes| bytes[at] ^= 0x10);
        append(&mut open_on(damaged), 1).expect("what was mended goes on");
    };
    for at in (ends[0]..ends[3]).step_by(7) {
        refuses(&sim.copy(), at);
    }
    // Where the published checkpoint is gone as well, a frame that others follow says so.
    for start in [ends[0], ends[1]] {
        for at in [start + 4, start + 35, start + 36, start + 60] {
            let damaged = sim.copy();
            damaged.tamper("checkpoint", Vec::clear);
            refuses(&damaged, at);
        }
    }
}

#[test]
fn a_log_is_kept_from_an_index_on_and_never_from_an_earlier_one() {
    let sim = Sim::default();
    let mut log = create(sim.process());
    append(&mut log, 600).expect("a batch");
    let disk = sim.process();
    assert_eq!(minimum_index(&*disk), Ok(LeafIndex(0)));
    log.keep_from(LeafIndex(300)).expect("an index");
    assert_eq!(minimum_index(&*disk), Ok(LeafIndex(300)));
    for index in [299, 601] {
        let refused = log.keep_from(LeafIndex(index));
        assert!(matches!(refused, Err(LogError::Minimum { .. })), "{refused:?}");
    }
    let is_pruned = |path: &str| {
        vigil_trust::log::TileId::parse(path).expect("a path").is_pruned(LeafIndex(300))
    };
    assert!(is_pruned("tile/0/000") && is_pruned("tile/entries/000"));
    assert!(!is_pruned("tile/0/001") && !is_pruned("tile/1/000") && !is_pruned("tile/0/000.p/9"));
    // What is kept can still be proven.
    let shown = published(&sim).expect("a checkpoint");
    let mut reader = LogReader::new(DiskTiles(&*disk), shown);
    assert!(reader.entry(LeafIndex(300)).is_ok());
    assert_eq!(
        reader.find(vigil_trust::log::TreeHash::of_leaf(&entry(444))).ok(),
        Some(Some(LeafIndex(444)))
    );
}

#[test]
fn a_monitor_goes_on_where_it_stopped() {
    let sim = Sim::default();
    let mut log = create(sim.process());
    let disk: Arc<dyn Disk> = sim.process();
    let mut monitor = Monitor::new(log_keys());
    let mut known = 0;
    for count in [1, 254, 1, 1, 300, 700] {
        append(&mut log, count).expect("a batch");
        log.flush().expect("a flush");
        let shown = published(&sim).expect("a checkpoint");
        let mut read = 0;
        let seen = monitor.look(&shown, DiskTiles(&*disk), |_, _| read += 1).expect("a look");
        let (from, to) = (TreeSize(known), TreeSize(known + count));
        assert_eq!((seen, read), (Progress::Grown { from, to }, count));
        known += count;
        monitor = Monitor::decode(log_keys(), &monitor.encode()).expect("a state");
    }
}
