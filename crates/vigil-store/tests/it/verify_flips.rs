//! One bit is wrong somewhere in a sealed arena. `verify` says so, whichever it is, and `repair` mends
//! it from a copy that another store has exported.

use std::collections::BTreeSet;
use std::sync::Arc;

use vigil_base::Vcid;
use vigil_base::world::{Disk as _, OpenMode};
use vigil_store::{Arena, ArenaSupply, NoSupply, Store, VerifyOptions, VerifyReport, Writer};

use crate::crash::{Ledger, chain, open_on};
use crate::flips::{make, read_all};
use crate::sim::Sim;
use crate::world::{noise_bytes, text_bytes};

fn verify(store: &Store, threads: usize) -> VerifyReport {
    let options = VerifyOptions { percent: 100, threads, progress: &|_, _| {} };
    store.verify(&options).unwrap_or_else(|why| panic!("the disk is whole: {}", chain(&why)))
}

fn arenas(sim: &Sim) -> Vec<String> {
    sim.paths().into_iter().filter(|path| path.starts_with("arenas/")).collect()
}

/// A sealed store that holds a little of everything in as few bytes as possible.
fn tiny() -> (Sim, Ledger) {
    let small = [Vec::new(), noise_bytes(1, 100), text_bytes(2, 400), text_bytes(3, 9000)];
    let (sim, mut ledger) = make(&[&small[..], &[noise_bytes(4, 9000)]].concat(), true);
    take_in_extent(&sim, &mut ledger);
    (sim, ledger)
}

/// Imports a small arena with an extent.
pub fn take_in_extent(sim: &Sim, ledger: &mut Ledger) {
    let (arena, blob) = crate::golden::extent_arena();
    let store = open_on(sim.process()).expect("it opens");
    store.import_arenas(&mut [&mut &arena[..]]).expect("an import");
    store.writer().and_then(Writer::finish).expect("a commit");
    ledger.tried.insert(Vcid::of(&blob), Arc::new(blob));
    ledger.acknowledge();
}

/// The bytes of a file that are looked at: of the pages of zeros only some.
fn bytes_of_interest(content: &[u8]) -> impl Iterator<Item = usize> {
    let is_padding =
        |at: usize| content[at] == 0 && at < 4080 && at > 160 && !at.is_multiple_of(97);
    (0..content.len()).filter(move |at| !is_padding(*at))
}

fn flipped(whole: &Sim, path: &str, byte: usize, bit: u8) -> Sim {
    let sim = whole.copy();
    sim.tamper(path, |content| content[byte] ^= 1 << bit);
    sim
}

/// Blobs that cannot be read whole.
fn unreadable(store: &Store, ledger: &Ledger) -> BTreeSet<Vcid> {
    let cannot = |vcid: &&Vcid| store.read(**vcid).is_err();
    ledger.tried.keys().filter(cannot).copied().collect()
}

#[test]
fn verify_finds_every_single_flip_in_a_sealed_arena() {
    let (whole, ledger) = tiny();
    let report = verify(&open_on(whole.copy().process()).expect("it opens"), 2);
    assert!(report.is_clean() && report.items > 5, "{report:?}");
    let mut seen = 0;
    for path in arenas(&whole) {
        let content = whole.content(&path).expect("an arena");
        for byte in bytes_of_interest(&content) {
            // The footer counts most: all of its bits. Elsewhere one bit of each byte.
            let is_footer = byte + 128 >= content.len();
            let bits = if is_footer { 0..8 } else { (byte % 8) as u8..(byte % 8) as u8 + 1 };
            for bit in bits {
                let at = format!("bit {bit} of byte {byte} of {} of {path}", content.len());
                let sim = flipped(&whole, &path, byte, bit);
                let store = open_on(sim.process()).unwrap_or_else(|why| panic!("{at}: {why}"));
                let report = verify(&store, 1);
                assert!(!report.is_clean(), "{at}: nothing was found");
                // Whatever cannot be read is named.
                for vcid in unreadable(&store, &ledger) {
                    let is_header = byte < 4096 && !report.unreadable.is_empty();
                    assert!(is_header || report.lost.contains(&vcid), "{at}: {vcid}: {report:?}");
                }
                seen += 1;
            }
        }
    }
    assert!(seen > 4000, "only {seen} flips");
}

/// Without its index too: then the seal alone says what there should be.
#[test]
fn verify_finds_flips_without_an_index() {
    let (whole, _) = tiny();
    whole.wipe("index/");
    for path in arenas(&whole) {
        let content = whole.content(&path).expect("an arena");
        for byte in bytes_of_interest(&content).step_by(5) {
            let at = format!("byte {byte} of {} of {path}", content.len());
            let sim = flipped(&whole, &path, byte, (byte % 8) as u8);
            let store = open_on(sim.process()).unwrap_or_else(|why| panic!("{at}: {why}"));
            assert!(!verify(&store, 1).is_clean(), "{at}: nothing was found");
        }
    }
}

/// What is wrong with the index costs nobody anything, and is told all the same.
#[test]
fn verify_finds_every_single_flip_in_the_index() {
    let (whole, ledger) = tiny();
    let index: Vec<String> =
        whole.paths().into_iter().filter(|path| path.starts_with("index/")).collect();
    assert!(index.len() >= 2, "a manifest and runs: {index:?}");
    for path in &index {
        let content = whole.content(path).expect("it is listed");
        let is_run = path.ends_with(".run");
        for byte in 0..content.len() {
            // Nobody reads what lies behind the fields of a run's first page.
            let is_padding = is_run && (72..4096).contains(&byte);
            let is_zero = content[byte] == 0 && byte % 7 != 0;
            if is_padding || is_zero {
                continue;
            }
            let at = format!("byte {byte} of {} of {path}", content.len());
            let sim = flipped(&whole, path, byte, (byte % 8) as u8);
            let store = open_on(sim.process()).unwrap_or_else(|why| panic!("{at}: {why}"));
            let report = verify(&store, 1);
            assert!(report.is_clean(), "{at}: {report:?}");
            assert!(report.is_index_damaged, "{at}: not told");
            assert!(read_all(&store, &ledger, &at), "{at}: an index mends itself");
        }
    }
    assert!(!verify(&open_on(whole.process()).expect("it opens"), 1).is_index_damaged);
}

/// Opens the arenas of a machine that is whole, as `repair --from` does with exported files.
fn supply(whole: &Sim) -> ArenaSupply {
    let disk = whole.process();
    let open = |path: &String| {
        let file = disk.open(path, OpenMode::Read).expect("an arena");
        Arc::new(Arena::open(Arc::from(file), 1).expect("an arena"))
    };
    ArenaSupply::new(arenas(whole).iter().map(open).collect()).expect("a supply")
}

#[test]
fn repair_mends_every_single_flip_from_a_copy() {
    let (whole, ledger) = tiny();
    let supply = supply(&whole);
    let mut mended = 0;
    for path in arenas(&whole) {
        let content = whole.content(&path).expect("an arena");
        let every = |byte: &usize| *byte >= content.len() - 700 || byte.is_multiple_of(3);
        for byte in bytes_of_interest(&content).filter(every) {
            let at = format!("byte {byte} of {} of {path}", content.len());
            let sim = flipped(&whole, &path, byte, (byte % 8) as u8);
            let store = open_on(sim.process()).unwrap_or_else(|why| panic!("{at}: {why}"));
            let report = store.repair(&supply).unwrap_or_else(|why| panic!("{at}: {why}"));
            assert_eq!(report.replaced.len(), 1, "{at}: {report:?}");
            assert!(report.lost.is_empty(), "{at}: {report:?}");
            mended += report.mended;
            drop(store);
            let later = open_on(sim.process()).unwrap_or_else(|why| panic!("{at}: {why}"));
            assert!(read_all(&later, &ledger, &at), "{at}: mended");
            assert!(verify(&later, 1).is_clean(), "{at}: mended");
        }
    }
    assert!(mended > 100, "{mended} items were mended");
}

/// Without any copy, what is lost is named, everything else is kept, and putting it again helps.
#[test]
fn repair_without_a_copy_keeps_all_else_and_names_the_lost() {
    let (whole, ledger) = tiny();
    let mut lost_any = 0;
    for path in arenas(&whole) {
        let content = whole.content(&path).expect("an arena");
        for byte in bytes_of_interest(&content).step_by(11) {
            let at = format!("byte {byte} of {} of {path}", content.len());
            let sim = flipped(&whole, &path, byte, (byte % 8) as u8);
            let store = open_on(sim.process()).unwrap_or_else(|why| panic!("{at}: {why}"));
            let before = unreadable(&store, &ledger);
            let report = store.repair(&NoSupply).unwrap_or_else(|why| panic!("{at}: {why}"));
            let later = open_on(sim.process()).unwrap_or_else(|why| panic!("{at}: {why}"));
            let after = unreadable(&later, &ledger);
            assert!(after.is_subset(&before), "{at}: {after:?} were whole before");
            let named: BTreeSet<Vcid> = report.lost.iter().copied().collect();
            assert!(after.is_subset(&named), "{at}: {after:?} are lost, named are {named:?}");
            lost_any += after.len();
            assert!(verify(&later, 1).is_clean(), "{at}");
            drop((store, later));
            let store = open_on(sim.process()).expect("it opens");
            let writer = store.writer().expect("a writer");
            ledger.tried.values().for_each(|bytes| _ = writer.put(bytes).expect("a put"));
            writer.finish().expect("a commit");
            assert!(read_all(&store, &ledger, &at), "{at}: put again");
        }
    }
    assert!(lost_any > 20, "{lost_any}");
}
