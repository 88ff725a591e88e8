//! Arenas that are whole, and not where they were.

use super::{arena_paths, check_put_again, make_elsewhere, plant, verify};
use crate::crash::{Ledger, open_on};
use crate::flips::{make, read_all};
use crate::sim::Sim;
use crate::world::{noise_bytes, text_bytes};

fn blobs() -> Vec<Vec<u8>> {
    let small = (0..8).map(|seed| text_bytes(seed, 300));
    small.chain([noise_bytes(20, 700_000), noise_bytes(21, 700_000)]).collect()
}

/// Two arenas: the first is full.
fn two_arenas(seals: bool) -> (Sim, Ledger, [String; 2]) {
    let (sim, ledger) = make(&blobs(), seals);
    let paths = arena_paths(&sim);
    let two = [paths[0].clone(), paths[1].clone()];
    (sim, ledger, two)
}

/// At no time anything wrong is read. Verifying sets right what the index says, for good.
#[track_caller]
fn check(sim: &Sim, ledger: &Ledger, at: &str) {
    let bare = sim.copy();
    bare.wipe("index/");
    let store = open_on(bare.process()).unwrap_or_else(|why| panic!("{at}: bare: {why}"));
    assert!(read_all(&store, ledger, &format!("{at}, without its index")));
    check_put_again(&sim.copy(), ledger, at);
    let store = open_on(sim.process()).unwrap_or_else(|why| panic!("{at}: opens: {why}"));
    read_all(&store, ledger, at);
    verify(&store);
    assert!(read_all(&store, ledger, &format!("{at}, verified")));
    store.writer().and_then(vigil_store::Writer::finish).expect("a commit");
    drop(store);
    let later = open_on(sim.process()).expect("it opens");
    assert!(read_all(&later, ledger, &format!("{at}, verified, later")));
    assert!(verify(&later).is_clean(), "{at}");
}

#[test]
fn arenas_that_have_changed_places() {
    for seals in [false, true] {
        let (sim, ledger, [one, other]) = two_arenas(seals);
        let contents = [&one, &other].map(|path| sim.content(path).expect("an arena"));
        sim.tamper(&one, |content| content.clone_from(&contents[1]));
        sim.tamper(&other, |content| content.clone_from(&contents[0]));
        check(&sim, &ledger, &format!("swapped, sealed {seals}"));
    }
}

#[test]
fn arenas_with_another_number() {
    for seals in [false, true] {
        let (sim, ledger, two) = two_arenas(seals);
        for (path, number) in two.iter().zip([70, 71]) {
            let content = sim.content(path).expect("an arena");
            plant(&sim, &format!("arenas/{number:08}.arena"), &content);
            sim.wipe(path);
        }
        check(&sim, &ledger, &format!("renamed, sealed {seals}"));
    }
}

#[test]
fn arenas_that_are_there_twice() {
    for seals in [false, true] {
        let (sim, ledger, two) = two_arenas(seals);
        for (path, number) in two.iter().zip([70, 71]) {
            let content = sim.content(path).expect("an arena");
            plant(&sim, &format!("arenas/{number:08}.arena"), &content);
        }
        let store = open_on(sim.process()).expect("it opens");
        assert!(read_all(&store, &ledger, "twice"), "sealed {seals}");
        check(&sim, &ledger, &format!("twice, sealed {seals}"));
        // One of each is damaged; the other serves, and repairing leaves one that is whole.
        let sim = sim.copy();
        for path in &two {
            sim.tamper(path, |content| content[4096..].fill(0x55));
        }
        let store = open_on(sim.process()).expect("it opens");
        assert!(read_all(&store, &ledger, "one of two"), "sealed {seals}");
    }
}

/// An arena of another store, and of an earlier time of this one.
#[test]
fn arenas_of_elsewhere_and_of_yesterday() {
    let other: Vec<Vec<u8>> = (50..58).map(|seed| text_bytes(seed, 300)).collect();
    for seals in [false, true] {
        let (sim, ledger, [one, _]) = two_arenas(seals);
        let (elsewhere, _) = make_elsewhere(&other, seals);
        let foreign = elsewhere.content(&one).expect("an arena");
        let replaced = sim.copy();
        replaced.tamper(&one, |content| content.clone_from(&foreign));
        let at = format!("replaced, sealed {seals}");
        read_all(&open_on(replaced.process()).expect("it opens"), &ledger, &at);
        check_put_again(&replaced, &ledger, &at);
        // As one more arena it is welcome, and disturbs nobody.
        plant(&sim, "arenas/00000070.arena", &foreign);
        check(&sim, &ledger, &format!("one more, sealed {seals}"));
    }
}
