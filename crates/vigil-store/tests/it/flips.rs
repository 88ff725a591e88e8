//! One bit is wrong somewhere. Reads give right bytes or say what is wrong; nothing else.

use std::sync::Arc;

use vigil_base::Vcid;
use vigil_store::{ReadError, Store, Writer};

use crate::crash::{Blobs, Ledger, chain, check_index, open_on};
use crate::sim::Sim;
use crate::world::{noise, noise_bytes, text_bytes};

/// Returns whether every read was right, and panics where one was wrong.
#[track_caller]
pub fn read_all(store: &Store, ledger: &Ledger, at: &str) -> bool {
    let mut all_fine = true;
    // The second round finds decoded frames and mappings that the first has left.
    for _ in 0..2 {
        for (vcid, bytes) in &ledger.tried {
            match store.read(*vcid) {
                Ok(read) => assert!(read == **bytes, "{at}: {vcid} came back with other bytes"),
                Err(why) => {
                    let text = chain(&why);
                    assert!(text.contains(&vcid.to_string()), "{at}: which blob? {text}");
                    all_fine = false;
                }
            }
            check_range(store, *vcid, bytes, at);
        }
    }
    all_fine
}

#[track_caller]
fn check_range(store: &Store, vcid: Vcid, bytes: &[u8], at: &str) {
    let Ok(blob) = store.find(vcid) else { return };
    let (start, len) = (bytes.len() / 3, bytes.len() / 4);
    let mut range = vec![0; len];
    match store.read_range(&blob, start as u64, &mut range) {
        Ok(()) => assert!(range == bytes[start..start + len], "{at}: {vcid}: a wrong range"),
        Err(ReadError::Range { .. }) => panic!("{at}: {vcid} has another length"),
        Err(_) => {}
    }
    if let Ok(Some(mapped)) = store.map_range(&blob, start as u64) {
        assert!(bytes[start..].starts_with(&mapped), "{at}: {vcid}: a wrong mapping");
    }
}

/// Makes a store of these blobs, all acknowledged.
pub fn make(blobs: &[Vec<u8>], seals: bool) -> (Sim, Ledger) {
    make_on(Sim::default(), blobs, seals)
}

/// The same on a machine that may have been used before.
pub fn make_on(sim: Sim, blobs: &[Vec<u8>], seals: bool) -> (Sim, Ledger) {
    let mut ledger = Ledger::default();
    let store = open_on(sim.process()).expect("a store");
    let writer = store.writer().expect("a writer");
    let blobs: Vec<_> = blobs.iter().cloned().map(Arc::new).collect();
    ledger.put(&writer, &blobs).expect("a put");
    if seals {
        writer.seal().expect("a seal");
    } else {
        writer.finish().expect("a commit");
    }
    ledger.acknowledge();
    (sim, ledger)
}

/// Flips one bit and looks at all that may follow.
fn flip(whole: &Sim, ledger: &Ledger, path: &str, byte: usize, bit: u8) {
    let at = format!("bit {bit} of byte {byte} of {path}");
    let sim = whole.copy();
    sim.tamper(path, |content| content[byte] ^= 1 << bit);
    let store = match open_on(sim.process()) {
        Ok(store) => store,
        Err(why) => {
            assert_eq!(path, "store.cbor", "{at}: does not open: {why}");
            return;
        }
    };
    let all_fine = read_all(&store, ledger, &at);
    if path.starts_with("index/") {
        assert!(all_fine, "{at}: an index mends itself");
        store.writer().and_then(Writer::finish).unwrap_or_else(|why| panic!("{at}: {why:?}"));
        check_index(&sim, &at);
    }
    // Without its index, the store believes the arenas and nothing else.
    sim.wipe("index/");
    if path.starts_with("arenas/") {
        let bare = open_on(sim.process()).unwrap_or_else(|why| panic!("{at}: bare: {why}"));
        read_all(&bare, ledger, &at);
    }
}

/// Every byte of a store that holds a little of everything.
#[test]
fn any_byte_of_a_tiny_store() {
    let blobs = [Vec::new(), noise_bytes(1, 100), text_bytes(2, 400), text_bytes(3, 9000)];
    for seals in [false, true] {
        let (sim, ledger) = make(&blobs, seals);
        let mut seen = 0;
        for path in sim.paths() {
            let len = sim.content(&path).expect("it is there").len();
            for byte in 0..len {
                // Pages that are mostly zeros are looked at in part.
                let content = sim.content(&path).expect("it is there");
                let is_padding = content[byte] == 0 && byte % 61 != 0;
                if !is_padding {
                    flip(&sim, &ledger, &path, byte, (byte % 8) as u8);
                    seen += 1;
                }
            }
        }
        assert!(seen > 400, "only {seen} bytes were looked at");
    }
}

/// A sample of the bytes of a store with several arenas.
#[test]
fn some_bytes_of_a_larger_store() {
    let blobs = Blobs::new(9);
    let all: Vec<Vec<u8>> = blobs
        .small
        .iter()
        .chain([&blobs.text, &blobs.noise])
        .chain(&blobs.later)
        .map(|blob| blob.to_vec())
        .collect();
    for seals in [false, true] {
        let (sim, ledger) = make(&all, seals);
        let mut dice = noise(11);
        for path in sim.paths() {
            let len = sim.content(&path).expect("it is there").len();
            for _ in 0..40.min(len) {
                let draw = u32::from_le_bytes([dice(), dice(), dice(), dice()]) as usize;
                flip(&sim, &ledger, &path, draw % len, dice() % 8);
            }
        }
    }
}

/// An empty blob lies where the next one starts; proving it proves nothing else.
#[test]
fn an_empty_blob_vouches_for_no_other() {
    let bytes = noise_bytes(4, 5000);
    let other = noise_bytes(5, 900);
    let (sim, _) = make(&[Vec::new(), bytes.clone(), other.clone()], false);
    let path = "arenas/00000001.arena";
    let content = sim.content(path).expect("an arena");
    let at = content.windows(64).position(|w| w == &bytes[..64]).expect("stored raw");
    sim.tamper(path, |content| content[at + 2000] ^= 1);
    let store = open_on(sim.process()).expect("the store");
    assert_eq!(store.read(Vcid::of(&other)).expect("the last of the frame"), other);
    assert_eq!(store.read(Vcid::of(b"")).expect("the empty blob"), b"");
    let read = store.read(Vcid::of(&bytes)).map(|read| read.len());
    let error = read.expect_err("it is damaged");
    assert!(matches!(error, ReadError::Corrupt { .. }), "{error}");
}
