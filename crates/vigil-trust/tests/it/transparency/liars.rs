//! Logs and witnesses that lie, and what catches them.

use vigil_trust::log::{
    Contradiction, CosignedAt, Ed25519Kind, FraudError, FraudProof, LeafIndex, LogReader, Monitor,
    MonitorError, MonitorStateError, NodePlace, Progress, SignedCheckpoint, TileId, TileKind,
    TileNodes, TreeHash, TreeSize, cosign, first_difference, proven,
};

use super::world::{MemoryLog, log_keys, log_signer, sign, signer};

/// A log that agrees with [`MemoryLog::of`] up to an index and not there.
fn fork(count: u64, at: u64) -> MemoryLog {
    let mut log = MemoryLog::default();
    for index in 0..count {
        let entry = super::world::entry(index);
        log.push(if index == at { b"something else" } else { &entry });
    }
    log
}

fn monitor_of(log: &mut MemoryLog) -> Monitor {
    let signed = log.sign();
    let mut monitor = Monitor::new(log_keys());
    let mut count = 0;
    let seen = monitor.look(&signed, log, |index, entry| {
        assert_eq!((index.0, entry), (count, super::world::entry(count).as_slice()));
        count += 1;
    });
    let to = signed.unverified().size;
    assert_eq!(seen.ok(), Some(Progress::Grown { from: TreeSize(0), to }));
    assert_eq!(count, to.0);
    monitor
}

#[test]
fn two_roots_of_one_size_are_a_proof_of_at_most_500_bytes() {
    let views = [MemoryLog::of(1_000).sign(), fork(1_000, 999).sign()];
    let proof = FraudProof::of_roots(&log_keys(), [&views[0], &views[1]]).expect("a proof");
    let bytes = proof.encode();
    assert!(bytes.len() <= 500, "{} bytes", bytes.len());
    let read = FraudProof::decode(&bytes).expect("a proof");
    assert_eq!((&read, read.check_log(&log_keys())), (&proof, Ok(())));
    // Each side is a note that other programs check.
    for note in read.notes() {
        assert_eq!(note.is_signed_by(log_signer().key()), Ok(true));
    }
    // Nobody else is accused by it, and no bit of it can change.
    let other = signer(super::world::ORIGIN, Ed25519Kind::Log, 200);
    let other = vigil_trust::log::LogKeys::of(other.key().clone()).expect("a key");
    assert_eq!(proof.check_log(&other), Err(FraudError::Unsigned));
    for bit in 0..bytes.len() * 8 {
        let mut changed = bytes.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        let holds = FraudProof::decode(&changed).is_ok_and(|p| p.check_log(&log_keys()).is_ok());
        assert!(!holds, "bit {bit}");
    }
}

#[test]
fn what_is_consistent_is_no_proof() {
    let (small, large) = (MemoryLog::of(700).sign(), MemoryLog::of(900).sign());
    let accuse =
        |a: &SignedCheckpoint, b: &SignedCheckpoint| FraudProof::of_roots(&log_keys(), [a, b]);
    assert_eq!(accuse(&small, &large), Err(FraudError::Consistent));
    assert_eq!(accuse(&small, &small), Err(FraudError::Consistent));
    let [a, b] = &mut [700, 900].map(|size| {
        let mut log = MemoryLog::of(size);
        log.sign();
        TileNodes::new(log, TreeSize(size))
    });
    let found = first_difference((a, TreeSize(700)), (b, TreeSize(900)));
    assert_eq!(found.ok(), Some(None));
    let place = NodePlace { level: 0, index: 5 };
    let sides = [
        proven(a, place, TreeSize(700)).expect("a path"),
        proven(b, place, TreeSize(900)).expect("a path"),
    ];
    let accused = FraudProof::of_nodes(&log_keys(), [&small, &large], place, sides);
    assert_eq!(accused, Err(FraudError::Consistent));
}

#[test]
fn different_leaves_at_one_index_are_a_proof_of_about_three_kilobytes() {
    let (a_size, b_size) = (70_000, 66_000);
    for at in [0, 255, 256, 65_535, 65_999] {
        let (mut a, mut b) = (MemoryLog::of(a_size), fork(b_size, at));
        let views = [a.sign(), b.sign()];
        let mut a = TileNodes::new(a, TreeSize(a_size));
        let mut b = TileNodes::new(b, TreeSize(b_size));
        let found = first_difference((&mut a, TreeSize(a_size)), (&mut b, TreeSize(b_size)));
        assert_eq!(found.ok(), Some(Some(LeafIndex(at))));
        let place = NodePlace { level: 0, index: at };
        let sides = [
            proven(&mut a, place, TreeSize(a_size)).expect("a path"),
            proven(&mut b, place, TreeSize(b_size)).expect("a path"),
        ];
        let proof = FraudProof::of_nodes(&log_keys(), [&views[0], &views[1]], place, sides);
        let bytes = proof.expect("a proof").encode();
        assert!(bytes.len() <= 3_000, "{} bytes", bytes.len());
        let read = FraudProof::decode(&bytes).expect("a proof");
        assert_eq!(read.check_log(&log_keys()), Ok(()));
        assert!(matches!(read.contradiction(), Contradiction::Nodes { .. }));
    }
}

#[test]
fn a_split_view_freezes_the_monitor_for_good() {
    let mut monitor = monitor_of(&mut MemoryLog::of(1_000));
    // The same size, told by somebody else.
    let mut gossiping = monitor.clone();
    assert_eq!(gossiping.gossip(&MemoryLog::of(1_000).sign()).ok(), Some(false));
    assert_eq!(gossiping.gossip(&fork(1_000, 3).sign()).ok(), Some(true));
    // A larger fork: the edge that was kept shows where it differs.
    let mut forked = fork(1_500, 700);
    let shown = forked.sign();
    let Err(MonitorError::Fraud(fraud)) = monitor.look(&shown, forked, |_, _| {}) else {
        panic!("a fork is a fraud");
    };
    assert_eq!(fraud.check_log(&log_keys()), Ok(()));
    assert!(fraud.encode().len() <= 3_000);
    // A smaller fork.
    let mut smaller = monitor_of(&mut MemoryLog::of(1_000));
    let mut forked = fork(900, 100);
    let shown = forked.sign();
    let seen = smaller.look(&shown, forked, |_, _| {});
    assert!(matches!(seen, Err(MonitorError::Fraud(_))), "{seen:?}");
    // Frozen stays frozen, also for who reads the state later, and whatever the log shows then.
    for monitor in [monitor, gossiping, smaller] {
        let mut kept = Monitor::decode(log_keys(), &monitor.encode()).expect("a state");
        assert!(kept.fraud().is_some());
        let mut honest = MemoryLog::of(2_000);
        let shown = honest.sign();
        assert!(matches!(kept.look(&shown, honest, |_, _| {}), Err(MonitorError::Fraud(_))));
    }
}

#[test]
fn a_smaller_view_is_proven_to_differ_by_what_was_read_before() {
    let mut monitor = Monitor::new(log_keys());
    // Read in steps; the whole tree has one edge, which no smaller tree holds.
    for size in [100, 600, 1_024] {
        let mut log = MemoryLog::of(size);
        let shown = log.sign();
        monitor.look(&shown, log, |_, _| {}).expect("it grows");
    }
    let mut forked = fork(900, 300);
    let shown = forked.sign();
    let kept = Monitor::decode(log_keys(), &monitor.encode()).expect("a state");
    for mut monitor in [monitor.clone(), kept] {
        let seen = monitor.look(&shown, forked.clone(), |_, _| {});
        let Err(MonitorError::Fraud(fraud)) = seen else { panic!("a fork is a fraud: {seen:?}") };
        assert_eq!(fraud.check_log(&log_keys()), Ok(()));
    }
    // A view of a size that was seen before is compared without any files.
    assert!(monitor.has_seen(TreeSize(600)) && !monitor.has_seen(TreeSize(601)));
    assert_eq!(monitor.gossip(&fork(601, 3).sign()).ok(), Some(false));
    assert_eq!(monitor.gossip(&MemoryLog::of(600).sign()).ok(), Some(false));
    assert_eq!(monitor.gossip(&fork(600, 599).sign()).ok(), Some(true));
}

#[test]
fn a_copy_of_what_was_read_proves_whichever_entry_differs() {
    let mut whole = MemoryLog::of(1_024);
    let mut monitor = monitor_of(&mut whole);
    for at in [0, 255, 256, 700, 899] {
        let mut forked = fork(900, at);
        let shown = forked.sign();
        // Nothing that is kept lies within a tree of 900 entries.
        let alone = monitor.clone().look(&shown, forked.clone(), |_, _| {});
        assert!(matches!(alone, Err(MonitorError::Behind { .. })), "{at}: {alone:?}");
        let mut beside = monitor.clone();
        let seen = beside.look_beside(&shown, forked, Some(whole.clone()), |_, _| {});
        let Err(MonitorError::Fraud(fraud)) = seen else { panic!("{at}: {seen:?}") };
        assert_eq!(fraud.check_log(&log_keys()), Ok(()));
        let Contradiction::Nodes { place, .. } = fraud.contradiction() else { panic!("{at}") };
        assert_eq!((place.level, place.index), (0, at));
    }
    // A copy that lies accuses nobody.
    let mut honest = MemoryLog::of(900);
    let shown = honest.sign();
    let mut copy = fork(1_024, 5);
    copy.sign();
    let seen = monitor.look_beside(&shown, honest, Some(copy), |_, _| {});
    assert!(matches!(seen, Err(MonitorError::Behind { .. })), "{seen:?}");
}

#[test]
fn what_a_monitor_keeps_does_not_grow_with_how_often_it_looked() {
    let mut monitor = Monitor::new(log_keys());
    let mut log = MemoryLog::default();
    for index in 0..300 {
        log.push(&super::world::entry(index));
        let shown = log.sign();
        monitor.look(&shown, log.clone(), |_, _| {}).expect("it grows");
    }
    let sizes: Vec<u64> = (1..=300).filter(|size| monitor.has_seen(TreeSize(*size))).collect();
    let newest: Vec<u64> = (285..=300).collect();
    assert_eq!(sizes[..sizes.len() - 16], [1, 2, 4, 8, 16, 32, 64, 128, 256]);
    assert_eq!(sizes[sizes.len() - 16..], newest);
}

#[test]
fn a_dropped_entry_is_a_fork() {
    let mut monitor = monitor_of(&mut MemoryLog::of(600));
    let mut dropped = MemoryLog::default();
    (0..800)
        .filter(|index| *index != 300)
        .for_each(|index| dropped.push(&super::world::entry(index)));
    let shown = dropped.sign();
    let seen = monitor.look(&shown, dropped, |_, _| {});
    assert!(matches!(seen, Err(MonitorError::Fraud(_))), "{seen:?}");
}

#[test]
fn a_rollback_is_told_and_proves_nothing_alone() {
    let mut monitor = monitor_of(&mut MemoryLog::of(1_024));
    let state = monitor.clone();
    // Shown with all files still there: an earlier state of the same log.
    let earlier = MemoryLog::of(1_000).sign();
    let mut log = MemoryLog::of(1_024);
    log.sign();
    let seen = monitor.look(&earlier, log, |_, _| {}).ok();
    assert_eq!(seen, Some(Progress::Stale { shown: TreeSize(1_000), known: TreeSize(1_024) }));
    // Shown as if the rest had never been; 1024 entries leave one hash, which is not in this tree.
    let mut set_back = MemoryLog::of(1_000);
    let shown = set_back.sign();
    let seen = monitor.look(&shown, set_back, |_, _| {});
    assert!(matches!(seen, Err(MonitorError::Behind { .. })), "{seen:?}");
    assert_eq!(monitor, state);
}

#[test]
fn files_that_were_changed_on_their_way_prove_nothing() {
    let mut monitor = monitor_of(&mut MemoryLog::of(600));
    let state = monitor.clone();
    let mut log = MemoryLog::of(800);
    let shown = log.sign();
    let last = TileId { kind: TileKind::Entries, index: 3, width: 32 };
    let mut changed = log.clone();
    *changed.files.get_mut(&last).and_then(|b| b.last_mut()).expect("a byte") ^= 1;
    let seen = monitor.look(&shown, changed, |_, _| {});
    assert!(seen.is_err() && monitor == state, "{seen:?}");
    let mut missing = log.clone();
    missing.files.remove(&last);
    let seen = monitor.look(&shown, missing, |_, _| {});
    assert!(matches!(seen, Err(MonitorError::Tile(_))), "{seen:?}");
    // Hashes that lie as well: they do not lead to what was signed.
    let mut lying = log.clone();
    for bytes in lying.files.values_mut() {
        bytes[3] ^= 1;
    }
    let seen = monitor.look(&shown, lying, |_, _| {});
    assert!(seen.is_err() && monitor == state, "{seen:?}");
    let seen = monitor.look(&shown, log, |_, _| {}).ok();
    assert_eq!(seen, Some(Progress::Grown { from: TreeSize(600), to: TreeSize(800) }));
}

#[test]
fn no_proof_comes_out_of_tiles_that_lie() {
    let mut log = MemoryLog::of(70_000);
    let signed = log.sign();
    for id in log.files.keys().copied().collect::<Vec<_>>() {
        let mut lying = log.clone();
        lying.files.get_mut(&id).expect("a file")[2] ^= 0x40;
        let mut reader = LogReader::new(lying, signed.clone());
        for index in [0, 300, 69_999] {
            if let Ok((entry, proof)) = reader.entry(LeafIndex(index)) {
                assert_eq!(entry, super::world::entry(index));
                let want = LogReader::new(log.clone(), signed.clone()).entry(LeafIndex(index));
                assert_eq!(Some(proof), want.ok().map(|(_, proof)| proof));
            }
        }
    }
}

#[test]
fn a_witness_that_contradicts_itself_is_caught() {
    let witness = signer("w.example", Ed25519Kind::Witness, 60);
    let at = |seconds| CosignedAt::from_seconds(seconds).expect("a time");
    let seen = |mut signed: SignedCheckpoint, seconds| {
        let line = cosign(&witness, signed.note().text(), at(seconds));
        signed.note_mut().add([line]);
        signed
    };
    let honest = |size, seconds| seen(MemoryLog::of(size).sign(), seconds);
    let accuse =
        |a: &SignedCheckpoint, b: &SignedCheckpoint| FraudProof::of_witness(witness.key(), [a, b]);
    // Two roots for one size.
    let fraud = accuse(&honest(10, 5), &seen(fork(10, 9).sign(), 9)).expect("a proof");
    assert_eq!(
        (fraud.contradiction(), fraud.check_witness(witness.key())),
        (&Contradiction::Roots, Ok(()))
    );
    assert!(fraud.encode().len() <= 500);
    // A smaller tree at a later time.
    let (early, late) = (honest(20, 5), honest(10, 6));
    for pair in [[&early, &late], [&late, &early]] {
        let fraud = accuse(pair[0], pair[1]).expect("a proof");
        assert_eq!(fraud.contradiction(), &Contradiction::Rollback);
        assert_eq!(FraudProof::decode(&fraud.encode()).as_ref(), Ok(&fraud));
        // The log is not to blame for that.
        assert!(fraud.check_log(&log_keys()).is_err());
    }
    // What an honest witness may do: grow, see one tree twice, be asked twice in one second.
    for (a, b) in [((10, 5), (20, 6)), ((10, 5), (10, 9)), ((10, 5), (20, 5)), ((20, 5), (10, 5))] {
        assert_eq!(accuse(&honest(a.0, a.1), &honest(b.0, b.1)), Err(FraudError::Consistent));
    }
}

#[test]
fn a_monitor_s_state_is_checked_when_it_is_read() {
    let monitor = monitor_of(&mut MemoryLog::of(777));
    let bytes = monitor.encode();
    assert_eq!(Monitor::decode(log_keys(), &bytes).as_ref(), Ok(&monitor));
    for bit in 0..bytes.len() * 8 {
        let mut changed = bytes.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert!(Monitor::decode(log_keys(), &changed).is_err(), "bit {bit}");
    }
    let other = signer("other.example", Ed25519Kind::Log, 1);
    let other = vigil_trust::log::LogKeys::of(other.key().clone()).expect("a key");
    let refused = Monitor::decode(other, &bytes);
    assert!(matches!(refused, Err(MonitorStateError::Origin { .. })), "{refused:?}");
    let empty = Monitor::new(log_keys());
    assert_eq!(Monitor::decode(log_keys(), &empty.encode()), Ok(empty));
    let unsigned = sign(TreeSize(5), TreeHash([1; 32]));
    assert!(unsigned.verify(&log_keys()).is_ok());
}
