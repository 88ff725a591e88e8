//! What threads and broken-off jobs of one process may not do to each other.

use std::io::Read;

use vigil_base::Vcid;
use vigil_base::world::DiskFault;
use vigil_store::{AppendError, PutError};

use crate::crash::{chain, open_on};
use crate::sim::Sim;
use crate::world::{noise_bytes, text_bytes};

/// A source that gives some bytes and then fails, as a disk does that is pulled out.
struct Torn<'a>(&'a [u8]);

impl Read for Torn<'_> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        match self.0.read(into) {
            Ok(0) => Err(std::io::Error::other("the source is gone")),
            other => other,
        }
    }
}

/// Everything a commit has answered for is there when the power comes back.
#[track_caller]
fn check_after_power_loss(sim: &Sim, blobs: &[&[u8]]) {
    let store = open_on(sim.reboot(None).process()).expect("the store opens again");
    for bytes in blobs {
        let read = store.read(Vcid::of(bytes)).map_err(|error| chain(&error));
        assert!(read.expect("it was acknowledged") == *bytes, "other bytes");
    }
}

/// A source that fails leaves its first chunks half stored; the next try must not lean on them.
#[test]
fn a_stream_that_broke_off_can_be_put_again() {
    for (seed, bytes) in [(1, noise_bytes(1, 900_000)), (2, text_bytes(2, 900_000))] {
        let sim = Sim::default();
        let store = open_on(sim.process()).expect("a store");
        let writer = store.writer().expect("a writer");
        let mut batch = writer.batch().expect("a batch");
        let error = batch.put_stream(&mut Torn(&bytes[..700_000])).expect_err("it broke off");
        assert!(matches!(error, PutError::Source(_)), "{error}");
        batch.put_stream(&mut &bytes[..]).expect("the second try");
        batch.finish().expect("a flush");
        writer.seal().expect("a commit");
        assert_eq!(store.read(Vcid::of(&bytes)).expect("it is here"), bytes, "seed {seed}");
        check_after_power_loss(&sim, &[&bytes]);
        // No byte was written twice, so the seals are where they belong.
        for info in store.arenas().expect("the arenas") {
            assert_eq!(info.state, vigil_store::ArenaState::Sealed, "arena {}", info.number);
        }
    }
}

/// Two batches get the same blob, and the one that is to write it is not done yet.
#[test]
fn a_commit_answers_for_blobs_that_another_batch_still_holds() {
    let long = text_bytes(5, 100_000);
    let short = text_bytes(6, 3000);
    let sim = Sim::default();
    let store = open_on(sim.process()).expect("a store");
    let writer = store.writer().expect("a writer");
    let mut slow = writer.batch().expect("a batch");
    slow.put_any(&short).expect("a put");
    slow.put_any(&long).expect("a put");
    let mut quick = writer.batch().expect("another");
    quick.put_any(&short).expect("a put");
    quick.put_any(&long).expect("a put");
    quick.finish().expect("a flush");
    writer.commit().expect("a commit");
    check_after_power_loss(&sim, &[&short, &long]);
    slow.finish().expect("a flush");
    writer.finish().expect("a commit");
    check_after_power_loss(&sim, &[&short, &long]);
}

/// When nothing fits any more, writing fails, reading goes on, and nothing piles up.
#[test]
fn a_full_disk_refuses_writes_and_nothing_else() {
    let blobs: Vec<Vec<u8>> = (0..5).map(|seed| noise_bytes(seed, 9000 * seed as usize)).collect();
    let whole = Sim::default();
    let operations = fill(&whole, &blobs, None).operations();
    for number in 1..=operations {
        let sim = fill(&Sim::default(), &blobs, Some(number));
        let files = sim.paths().len();
        assert!(files <= whole.paths().len() + 3, "full at {number}: {:?}", sim.paths());
        let store = open_on(sim.process()).expect("there is room again");
        let writer = store.writer().expect("a writer");
        for bytes in &blobs {
            writer.put(bytes).expect("a put");
        }
        writer.finish().expect("a commit");
        let blobs: Vec<&[u8]> = blobs.iter().map(Vec::as_slice).collect();
        check_after_power_loss(&sim, &blobs);
    }
}

/// Puts `blobs` with a commit after each, on a disk that is full from operation `number` on.
fn fill(sim: &Sim, blobs: &[Vec<u8>], number: Option<u64>) -> Sim {
    sim.fill_at(number);
    let mut acknowledged: Vec<&[u8]> = Vec::new();
    if let Ok(store) = open_on(sim.process()) {
        let mut failures = 0;
        for bytes in blobs {
            let put = store.writer().and_then(|writer| {
                writer.put(bytes)?;
                writer.commit()
            });
            match put {
                Ok(()) => acknowledged.push(bytes),
                Err(PutError::Append(AppendError::Disk(error))) => {
                    assert_eq!(error.fault, DiskFault::Full, "{error}");
                    failures += 1;
                }
                Err(error) => {
                    assert!(chain(&error).contains("full"), "{}", chain(&error));
                    failures += 1;
                }
            }
        }
        for bytes in &acknowledged {
            assert!(store.read(Vcid::of(bytes)).expect("reading goes on") == **bytes);
        }
        assert!(failures == 0 || number.is_some(), "nothing was full");
    }
    check_after_power_loss(sim, &acknowledged);
    sim.fill_at(None);
    sim.clone()
}
