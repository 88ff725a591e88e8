//! Arenas that end too early, or are gone.

use super::{Atlas, arena_paths, check_put_again, record_end, verify};
use crate::crash::{Ledger, open_on};
use crate::flips::{make, read_all};
use crate::sim::Sim;
use crate::world::{noise_bytes, text_bytes};

/// A little of everything: frames, an extent, and layouts that need both.
fn blobs() -> Vec<Vec<u8>> {
    let mut blobs: Vec<Vec<u8>> = (0..6).map(|seed| text_bytes(seed, 200)).collect();
    blobs.extend([Vec::new(), noise_bytes(7, 900), text_bytes(8, 20_000), noise_bytes(9, 14_000)]);
    blobs
}

/// Every blob whose records all end before the cut is read; of the others nothing wrong is.
#[track_caller]
fn check_cut(sim: &Sim, ledger: &Ledger, atlas: &Atlas, path: &str, cut: u64, at: &str) {
    let store = open_on(sim.process()).unwrap_or_else(|why| panic!("{at}: opens: {why}"));
    let number: u32 = path[7..15].parse().expect("a number");
    let survives = |located: &vigil_store::format::Located| {
        located.at.arena != number || record_end(located) <= cut
    };
    for (vcid, bytes) in &ledger.tried {
        if atlas.is_whole(*vcid, &survives) {
            let read = store.read(*vcid).unwrap_or_else(|why| panic!("{at}: {vcid}: {why}"));
            assert!(read == **bytes, "{at}: {vcid} came back with other bytes");
        }
    }
    read_all(&store, ledger, at);
}

fn cut_everywhere(seals: bool, keeps_index: bool) {
    let (whole, mut ledger) = make(&blobs(), seals);
    if seals {
        crate::verify_flips::take_in_extent(&whole, &mut ledger);
    }
    let atlas = Atlas::of(&whole);
    let mut cuts = 0;
    for path in arena_paths(&whole) {
        let len = whole.content(&path).expect("an arena").len();
        for cut in (0..len).step_by(64).chain([1, 4095, len - 1]) {
            // Most of the header is alike: nothing of the arena can be read.
            if cut < 4096 && cut % 1024 != 0 {
                continue;
            }
            let at = format!("{path} cut at {cut} of {len}, sealed {seals}, index {keeps_index}");
            let sim = whole.copy();
            sim.tamper(&path, |content| content.truncate(cut));
            if !keeps_index {
                sim.wipe("index/");
            }
            let survives = if cut < 4096 { 0 } else { cut as u64 };
            check_cut(&sim, &ledger, &atlas, &path, survives, &at);
            if cut % 256 == 0 {
                check_put_again(&sim, &ledger, &at);
            }
            cuts += 1;
        }
    }
    assert!(cuts > 300, "only {cuts} cuts");
}

#[test]
fn an_open_arena_cut_anywhere_keeps_what_lies_before() {
    cut_everywhere(false, false);
}

#[test]
fn an_open_arena_cut_behind_the_back_of_its_index_is_not_relied_on() {
    cut_everywhere(false, true);
}

#[test]
fn a_sealed_arena_cut_anywhere_keeps_what_lies_before() {
    cut_everywhere(true, false);
}

#[test]
fn a_sealed_arena_cut_behind_the_back_of_its_index_is_not_relied_on() {
    cut_everywhere(true, true);
}

/// The index goes on listing what somebody has deleted; nothing may be left out because of that.
#[test]
fn a_deleted_arena_is_not_relied_on() {
    for seals in [false, true] {
        let (whole, ledger) = make(&blobs(), seals);
        for path in arena_paths(&whole) {
            let at = format!("{path} deleted, sealed {seals}");
            let sim = whole.copy();
            sim.wipe(&path);
            let store = open_on(sim.process()).expect("it opens");
            read_all(&store, &ledger, &at);
            drop(store);
            check_put_again(&sim, &ledger, &at);
        }
    }
}

/// Who only looks is told: what the index lists and no arena holds is damage.
#[test]
fn verify_finds_that_an_arena_was_cut_or_deleted() {
    let (whole, ledger) = make(&blobs(), true);
    let atlas = Atlas::of(&whole);
    let mut found = 0;
    for path in arena_paths(&whole) {
        let number: u32 = path[7..15].parse().expect("a number");
        let len = whole.content(&path).expect("an arena").len();
        for cut in [None, Some(0), Some(4096), Some(len / 2), Some(len - 64)] {
            let sim = whole.copy();
            match cut {
                None => sim.wipe(&path),
                Some(cut) => sim.tamper(&path, |content| content.truncate(cut)),
            }
            let cut = cut.unwrap_or(0) as u64;
            let survives = |located: &vigil_store::format::Located| {
                located.at.arena != number || record_end(located) <= cut
            };
            let lost: Vec<_> =
                ledger.tried.keys().filter(|vcid| !atlas.is_whole(**vcid, &survives)).collect();
            let report = verify(&open_on(sim.process()).expect("it opens"));
            assert!(!report.is_clean(), "{path} cut at {cut} of {len}");
            for vcid in lost {
                assert!(report.lost.contains(vcid), "{path} cut at {cut}: {vcid} is not named");
                found += 1;
            }
        }
    }
    assert!(found > 20, "only {found} losses were looked for");
}
