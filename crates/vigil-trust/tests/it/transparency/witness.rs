//! The witness, by the letter of its specification.

use std::sync::Arc;

use vigil_base::world::{Clock, Disk as _, Moment};
use vigil_trust::log::{
    AddCheckpoint, Ed25519Kind, FraudError, FraudProof, LogReader, NoteSigner, SignedCheckpoint,
    TreeHash, TreeSize, WitnessError, WitnessRefusal, WitnessStore, cosigned_at,
};

use super::world::{MemoryLog, chain, log_keys, log_signer, sign, signer};
use crate::sim::Sim;
use crate::world::TickingClock;

fn witness_key() -> NoteSigner {
    signer("w.example/1", Ed25519Kind::Witness, 50)
}

fn witness(sim: &Sim) -> WitnessStore {
    let clock = Arc::new(TickingClock::new());
    WitnessStore::open(sim.process(), clock, witness_key(), vec![log_keys()]).expect("a witness")
}

/// A request with a proof from `old`.
fn request(log: &mut MemoryLog, old: u64) -> AddCheckpoint {
    let checkpoint = log.sign();
    let mut reader = LogReader::new(log.clone(), checkpoint.clone());
    let proof = reader.prove_growth(TreeSize(old)).expect("a proof");
    AddCheckpoint { old: TreeSize(old), proof, checkpoint }
}

#[track_caller]
fn expect_status(store: &WitnessStore, request: &str, status: u16) -> WitnessRefusal {
    match store.add_checkpoint(request.as_bytes()) {
        Err(WitnessError::Refused(refusal)) => {
            assert_eq!(refusal.status(), status, "{}", chain(&refusal));
            refusal
        }
        Err(error) => panic!("{}", chain(&error)),
        Ok(_) => panic!("it was cosigned"),
    }
}

#[test]
fn a_log_that_grows_is_cosigned_each_time() {
    let sim = Sim::default();
    let (store, mut log, mut old) = (witness(&sim), MemoryLog::default(), 0);
    for size in [0, 1, 1, 255, 256, 300, 1000] {
        while log.edge.size().0 < size {
            log.push(&super::world::entry(log.edge.size().0));
        }
        let body = request(&mut log, old).to_string();
        let cosigned = store.add_checkpoint(body.as_bytes()).expect("a cosignature");
        let mut signed = log.sign();
        signed.note_mut().add([cosigned.line.clone()]);
        let at = cosigned_at(&signed, witness_key().key()).expect("no forgery");
        assert!(at.is_some_and(|at| at.seconds() >= 1_700_000_000));
        assert_eq!(cosigned.answer(), format!("{}\n", cosigned.line));
        old = size;
    }
    let latest = store.latest(&log_keys()).expect("a record").expect("a checkpoint");
    assert_eq!((latest.unverified().size, latest.note().signatures().len()), (TreeSize(1000), 2));
    // Monitors find it where the specification says: under the hash of the origin.
    let path = sim.paths().into_iter().find(|path| path.ends_with("/checkpoint"));
    let folder = path.and_then(|path| path.split('/').next().map(str::to_owned));
    assert_eq!(folder.map(|name| name.len()), Some(64));
}

#[test]
fn refusals_have_the_status_of_the_specification() {
    let sim = Sim::default();
    let (store, mut log) = (witness(&sim), MemoryLog::of(10));
    let good = request(&mut log, 0);
    expect_status(&store, "old 0\n", 400);
    let other = signer("other.example", Ed25519Kind::Log, 3);
    let mut stranger = good.checkpoint.unverified().clone();
    stranger.origin = vigil_trust::log::Origin::new("other.example").expect("an origin");
    let foreign =
        AddCheckpoint { checkpoint: stranger.sign(&[&other]).expect("signed"), ..good.clone() };
    expect_status(&store, &foreign.to_string(), 404);
    let imposter = signer(super::world::ORIGIN, Ed25519Kind::Log, 3);
    let unsigned = good.checkpoint.unverified().sign(&[&imposter]).expect("signed");
    let unsigned = AddCheckpoint { checkpoint: unsigned, ..good.clone() };
    expect_status(&store, &unsigned.to_string(), 403);
    let forged = good.to_string().replacen("\n10\n", "\n11\n", 1);
    expect_status(&store, &forged, 403);
    expect_status(&store, &good.to_string().replacen("old 0", "old 11", 1), 400);
    let conflict = expect_status(&store, &good.to_string().replacen("old 0", "old 5", 1), 409);
    assert_eq!(conflict.answer(), ("text/x.tlog.size", "0\n".to_owned()));
    let padded = AddCheckpoint { proof: vec![TreeHash([1; 32])], ..good.clone() };
    expect_status(&store, &padded.to_string(), 422);
    let empty = AddCheckpoint { checkpoint: sign(TreeSize(0), TreeHash([1; 32])), ..good.clone() };
    expect_status(&store, &empty.to_string(), 409);
    store.add_checkpoint(good.to_string().as_bytes()).expect("a cosignature");
    log.push(b"more");
    let mut unproven = request(&mut log, 10);
    unproven.proof[0].0[0] ^= 1;
    expect_status(&store, &unproven.to_string(), 422);
    let behind = expect_status(&store, &request(&mut log, 0).to_string(), 409);
    assert_eq!(behind.answer().1, "10\n");
    store.add_checkpoint(request(&mut log, 10).to_string().as_bytes()).expect("a cosignature");
}

#[test]
fn two_roots_of_one_size_freeze_the_log() {
    let sim = Sim::default();
    let (store, mut log) = (witness(&sim), MemoryLog::of(10));
    store.add_checkpoint(request(&mut log, 0).to_string().as_bytes()).expect("a cosignature");
    let mut fork = MemoryLog::of(9);
    fork.push(b"for somebody else");
    let fork = AddCheckpoint { old: TreeSize(10), proof: Vec::new(), checkpoint: fork.sign() };
    let WitnessRefusal::SplitView(fraud) = expect_status(&store, &fork.to_string(), 409) else {
        panic!("two roots are a proof");
    };
    assert_eq!(fraud.check_log(&log_keys()), Ok(()));
    // Also for a process that opens the witness later, and for the view that was seen first.
    let again = witness(&sim);
    assert_eq!(again.fraud(&log_keys()).expect("a record"), Some(*fraud));
    log.push(b"more");
    let refusal = expect_status(&again, &request(&mut log, 10).to_string(), 403);
    assert!(matches!(refusal, WitnessRefusal::Frozen { .. }), "{refusal}");
}

#[test]
fn a_missing_consistency_proof_freezes_nothing() {
    let sim = Sim::default();
    let (store, mut log) = (witness(&sim), MemoryLog::of(10));
    store.add_checkpoint(request(&mut log, 0).to_string().as_bytes()).expect("a cosignature");
    let mut fork = MemoryLog::of(9);
    (0..5).for_each(|_| fork.push(b"for somebody else"));
    let fork = AddCheckpoint { old: TreeSize(10), proof: Vec::new(), checkpoint: fork.sign() };
    let refusal = expect_status(&store, &fork.to_string(), 422);
    assert!(matches!(refusal, WitnessRefusal::Inconsistent(_)), "{refusal}");
    log.push(b"more");
    store.add_checkpoint(request(&mut log, 10).to_string().as_bytes()).expect("a cosignature");
}

/// A clock that somebody sets back by an hour with each look.
struct SetBackClock(std::sync::atomic::AtomicI64);

impl Clock for SetBackClock {
    fn now(&self) -> Moment {
        Moment(self.0.fetch_sub(3600, std::sync::atomic::Ordering::Relaxed) * 1_000_000_000)
    }
}

#[test]
fn a_clock_that_is_set_back_accuses_no_witness() {
    let sim = Sim::default();
    let clock = Arc::new(SetBackClock(1_700_000_000.into()));
    let store = WitnessStore::open(sim.process(), clock, witness_key(), vec![log_keys()]);
    let store = store.expect("a witness");
    let mut seen = Vec::new();
    for (old, size) in [(0, 10), (10, 20), (20, 30)] {
        let body = request(&mut MemoryLog::of(size), old).to_string();
        seen.push(store.add_checkpoint(body.as_bytes()).expect("a cosignature").kept);
    }
    let witness = witness_key();
    for one in &seen {
        for two in &seen {
            let accused = FraudProof::of_witness(witness.key(), [one, two]);
            assert_eq!(accused, Err(FraudError::Consistent));
        }
    }
}

/// The power goes at every operation of three requests: what was answered is never gone back on.
#[test]
fn no_crash_makes_a_witness_forget_what_it_answered() {
    let bodies: Vec<(u64, String)> = [(0, 4), (4, 300), (300, 700)]
        .map(|(old, size)| (size, request(&mut MemoryLog::of(size), old).to_string()))
        .into();
    let live = |sim: &Sim| {
        let store = WitnessStore::open(
            sim.process(),
            Arc::new(TickingClock::new()),
            witness_key(),
            vec![log_keys()],
        );
        let Ok(store) = store else { return 0 };
        let answered =
            bodies.iter().take_while(|(_, body)| store.add_checkpoint(body.as_bytes()).is_ok());
        answered.last().map_or(0, |(size, _)| *size)
    };
    let whole = Sim::default();
    assert_eq!(live(&whole), 700);
    for number in 1..=whole.operations() {
        let sim = Sim::default();
        sim.lose_power_at(number);
        let answered = live(&sim);
        for seed in [None, Some(number), Some(number + 1000)] {
            let after = sim.reboot(seed);
            let latest = witness(&after).latest(&log_keys()).expect("a whole record");
            let kept = latest.map_or(0, |kept: SignedCheckpoint| kept.unverified().size.0);
            assert!(kept >= answered, "at {number}: {kept} kept, {answered} answered");
        }
    }
}

#[test]
fn a_log_does_not_witness_and_damage_is_told() {
    let sim = Sim::default();
    let clock = Arc::new(TickingClock::new());
    let opened = WitnessStore::open(sim.process(), clock, log_signer(), vec![log_keys()]);
    assert!(matches!(opened.err(), Some(WitnessError::Key { .. })));
    let (store, mut log) = (witness(&sim), MemoryLog::of(10));
    store.add_checkpoint(request(&mut log, 0).to_string().as_bytes()).expect("a cosignature");
    let path = sim.paths().into_iter().find(|path| path.ends_with("/checkpoint")).expect("a file");
    sim.tamper(&path, |bytes| bytes.truncate(20));
    let damaged = store.add_checkpoint(request(&mut log, 0).to_string().as_bytes());
    assert!(matches!(damaged, Err(WitnessError::Kept { .. })), "{damaged:?}");
    assert_eq!(sim.process().describe(), "the simulated disk");
}
