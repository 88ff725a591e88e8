//! Index files that are another store's, another day's, garbage, or made up with right checksums.

use vigil_base::Vcid;
use vigil_store::format::{ItemId, ItemKind, Located};

use super::{Atlas, check_put_again, graft, make_elsewhere, plant, verify};
use crate::crash::{Ledger, check_index, open_on};
use crate::flips::{make, read_all};
use crate::index_file;
use crate::sim::Sim;
use crate::world::{noise_bytes, text_bytes};

fn mixed(seeds: std::ops::Range<u64>) -> Vec<Vec<u8>> {
    let of_seed = |seed: u64| match seed % 3 {
        0 => noise_bytes(seed, 20_000),
        1 => text_bytes(seed, 20_000),
        _ => text_bytes(seed, 500),
    };
    seeds.map(of_seed).collect()
}

/// Everything can be read, at once: what is wrong with the index is noticed.
#[track_caller]
fn check_healed(sim: &Sim, ledger: &Ledger, at: &str) {
    let store = open_on(sim.process()).unwrap_or_else(|why| panic!("{at}: opens: {why}"));
    assert!(read_all(&store, ledger, at), "{at}: an index mends itself");
    drop(store);
    check_put_again(sim, ledger, at);
    check_index(sim, at);
}

#[test]
fn garbage_for_an_index_is_noticed_and_rebuilt() {
    let (whole, ledger) = make(&mixed(0..9), true);
    let files: Vec<String> =
        whole.paths().into_iter().filter(|path| path.starts_with("index/")).collect();
    assert!(files.len() >= 2, "a manifest and a run: {files:?}");
    for path in &files {
        let own = whole.content(path).expect("it is listed");
        let others = files.iter().map(|other| whole.content(other).expect("it is listed"));
        let garbage = [Vec::new(), vec![0; own.len()], vec![0xFF; 5000], noise_bytes(1, 9000)];
        let arena = whole.content("arenas/00000001.arena").expect("an arena");
        for bytes in garbage.into_iter().chain(others).chain([arena]) {
            if bytes == own {
                continue;
            }
            let at = format!("{path} with {} other bytes", bytes.len());
            let sim = whole.copy();
            sim.tamper(path, |content| *content = bytes);
            check_healed(&sim, &ledger, &at);
        }
        let sim = whole.copy();
        sim.wipe(path);
        check_healed(&sim, &ledger, &format!("{path} is gone"));
    }
}

/// What another store has is not here, whatever its index says.
#[test]
fn an_index_of_another_store_is_not_believed() {
    let (sim, ledger) = make(&mixed(0..9), true);
    let (other, others) = make_elsewhere(&mixed(5..20), true);
    graft(&other, &sim, "index/");
    let store = open_on(sim.process()).expect("it opens");
    assert!(read_all(&store, &ledger, "another store's index"));
    for vcid in others.tried.keys().filter(|vcid| !ledger.tried.contains_key(vcid)) {
        assert!(!store.contains(*vcid).expect("a lookup"), "{vcid} is in the other store");
    }
    drop(store);
    // The dear case: what it lists must not be left out when it is put here.
    check_put_again(&sim, &others, "another store's blobs");
}

/// Restored from backups of different days: an older index lists less, a newer one too much.
#[test]
fn an_index_of_another_day_is_not_relied_on() {
    for seals in [false, true] {
        let (morning, _) = make(&mixed(0..6), seals);
        let evening = morning.copy();
        let store = open_on(evening.process()).expect("it opens");
        let mut ledger = Ledger::default();
        let writer = store.writer().expect("a writer");
        let blobs: Vec<_> = mixed(0..12).into_iter().map(std::sync::Arc::new).collect();
        ledger.put(&writer, &blobs).expect("a put");
        writer.finish().expect("a commit");
        ledger.acknowledge();
        drop(store);
        let older = evening.copy();
        graft(&morning, &older, "index/");
        check_healed(&older, &ledger, &format!("an older index, sealed {seals}"));
        let newer = morning.copy();
        graft(&evening, &newer, "index/");
        check_put_again(&newer, &ledger, &format!("a newer index, sealed {seals}"));
    }
}

/// Gives a store an index that lists what `change` makes of the truth, with every checksum right.
fn forged(whole: &Sim, change: impl FnOnce(&mut Vec<Located>)) -> Sim {
    let sim = whole.copy();
    let mut entries: Vec<Located> = index_file::entries(&sim, "shared").into_iter().collect();
    change(&mut entries);
    entries.sort_unstable();
    entries.dedup();
    let manifest = sim.content("index/shared/manifest").expect("a manifest");
    sim.wipe("index/");
    plant(&sim, "index/shared/00000900.run", &index_file::run_of(&entries));
    let manifest = index_file::manifest_with_run(&manifest, 900, entries.len() as u64);
    plant(&sim, "index/shared/manifest", &manifest);
    // It is taken for the index that it says it is.
    assert_eq!(open_on(sim.process()).expect("it opens").item_count(), entries.len() as u64);
    sim
}

/// Two places for one blob, the wrong one first: that the other was proven says nothing of it.
#[test]
fn a_proven_copy_vouches_for_no_other_place() {
    let blobs: Vec<Vec<u8>> = (0..8).map(|seed| text_bytes(seed, 400)).collect();
    let (whole, ledger) = make(&blobs, true);
    let sim = forged(&whole, |entries| {
        for index in 0..entries.len() {
            let mut wrong = entries[index];
            wrong.at.inner = wrong.at.inner.saturating_sub(1);
            entries.push(wrong);
        }
    });
    let store = open_on(sim.process()).expect("it opens");
    assert!(read_all(&store, &ledger, "two places for each"));
}

/// The place of one chunk is given to another of the same length.
#[test]
fn a_proven_place_vouches_for_no_other_id() {
    let (whole, ledger) = make(&[noise_bytes(1, 60_000), noise_bytes(2, 60_000)], true);
    let atlas = Atlas::of(&whole);
    let chunks: Vec<Located> = atlas
        .items
        .iter()
        .filter(|((kind, _), _)| *kind == ItemKind::Chunk)
        .flat_map(|(_, copies)| copies.clone())
        .collect();
    let sim = forged(&whole, |entries| {
        // Every chunk is where another of its own length is said to be as well; those of other
        // lengths get the front of one that is longer.
        for entry in entries.iter_mut().filter(|entry| entry.kind == ItemKind::Chunk) {
            let longer = chunks.iter().find(|c| c.id != entry.id && c.at.len >= entry.at.len);
            if let Some(longer) = longer {
                let len = entry.at.len;
                entry.at = longer.at;
                entry.at.len = len;
            }
        }
        let honest: Vec<Located> = chunks.clone();
        let copies = honest.iter().flat_map(|chunk| {
            let of_that_len = chunks.iter().filter(|c| c.at.len == chunk.at.len);
            of_that_len.map(|c| Located { at: chunk.at, ..*c }).collect::<Vec<_>>()
        });
        entries.extend(copies.collect::<Vec<_>>());
    });
    let store = open_on(sim.process()).expect("it opens");
    read_all(&store, &ledger, "other chunks' places");
}

/// A place with a proven chunk is claimed for an id whose bytes are nowhere.
#[test]
fn a_mapped_place_is_proven_for_each_id() {
    let bytes = noise_bytes(1, 60_000);
    let (whole, ledger) = make(std::slice::from_ref(&bytes), true);
    let missing = noise_bytes(2, 60_000);
    let (other, _) = make(std::slice::from_ref(&missing), true);
    let (here, there) = (Atlas::of(&whole), Atlas::of(&other));
    let own: Vec<Located> = here.items.values().flatten().copied().collect();
    let of_kind = |kind| own.iter().filter(move |located| located.kind == kind);
    let sim = forged(&whole, |entries| {
        for ((kind, id), copies) in &there.items {
            let len = copies[0].at.len;
            let places = of_kind(*kind).filter(|located| located.at.len >= len);
            entries.extend(places.map(|located| {
                let mut at = located.at;
                at.len = len;
                Located { id: *id, kind: *kind, at }
            }));
        }
    });
    let store = open_on(sim.process()).expect("it opens");
    assert!(read_all(&store, &ledger, "what is there"));
    let mut wanted = Ledger::default();
    wanted.tried.insert(Vcid::of(&missing), std::sync::Arc::new(missing));
    assert!(!read_all(&store, &wanted, "what is not"));
}

/// A layout's id names the blob that it lays out, so its bytes prove nothing by themselves.
#[test]
fn a_layout_is_that_of_the_blob_that_was_asked_for() {
    let blobs = [text_bytes(1, 40_000), text_bytes(2, 40_000)];
    let (whole, ledger) = make(&blobs, true);
    let sim = forged(&whole, |entries| {
        let layouts: Vec<Located> =
            entries.iter().filter(|entry| entry.kind == ItemKind::Layout).copied().collect();
        assert_eq!(layouts.len(), 2);
        for entry in entries.iter_mut().filter(|entry| entry.kind == ItemKind::Layout) {
            let other = layouts.iter().find(|layout| layout.id != entry.id);
            entry.at = other.expect("there are two").at;
        }
    });
    let store = open_on(sim.process()).expect("it opens");
    assert!(!read_all(&store, &ledger, "swapped layouts"));
    // Verifying sets the index right.
    verify(&store);
    assert!(read_all(&store, &ledger, "swapped layouts, verified"));
    let id = ItemId::from(Vcid::of(&blobs[0]));
    assert!(Atlas::of(&sim).items.contains_key(&(ItemKind::Layout, id)));
}
