//! A second reader of manifests and runs, written from `docs/format/index.md` alone.

use std::collections::BTreeSet;

use vigil_base::cbor::Decoder;
use vigil_store::format::Located;

use crate::sim::Sim;

const PAGE: usize = 4096;
const ENTRY: usize = 48;

/// Returns every entry of every run that the manifest of `class` lists.
pub fn entries(sim: &Sim, class: &str) -> BTreeSet<Located> {
    let manifest = sim.content(&format!("index/{class}/manifest")).expect("a manifest");
    let (body, _check) = manifest.split_at(manifest.len() - 16);
    let mut decoder = Decoder::record(body, "vigil.index/1", 5).expect("a manifest's tag");
    let _generation = decoder.unsigned().expect("a generation");
    let _next = decoder.unsigned().expect("a number");
    let mut all = BTreeSet::new();
    for _ in 0..decoder.array().expect("runs") {
        decoder.array_of(2).expect("a run");
        let number = decoder.unsigned().expect("its number");
        let count = decoder.unsigned().expect("its entries");
        let run = sim.content(&format!("index/{class}/{number:08}.run")).expect("a run");
        let listed = run_entries(&run);
        assert_eq!(listed.len() as u64, count, "the manifest counts the entries of a run");
        all.extend(listed);
    }
    all
}

/// Returns the entries of a run, after comparing its every checksum.
pub fn run_entries(run: &[u8]) -> Vec<Located> {
    assert_eq!(&run[..8], b"vigindex");
    assert_eq!(run[8..16], 1_u64.to_le_bytes());
    let count = u64::from_le_bytes(run[16..24].try_into().expect("eight bytes")) as usize;
    let blocks = count.div_ceil(85);
    let fence = &run[PAGE * (blocks + 1)..];
    assert_eq!(fence.len(), 8 * blocks);
    assert_eq!(run[24..40], blake3::hash(fence).as_bytes()[..16]);
    assert_eq!(run[56..72], blake3::hash(&run[..56]).as_bytes()[..16]);
    let mut checks = Vec::new();
    let mut entries = Vec::new();
    for (index, block) in run[PAGE..PAGE * (blocks + 1)].chunks(PAGE).enumerate() {
        assert_eq!(block[PAGE - 16..], blake3::hash(&block[..PAGE - 16]).as_bytes()[..16]);
        checks.extend_from_slice(&block[PAGE - 16..]);
        let first = u64::from_be_bytes(block[..8].try_into().expect("eight bytes"));
        assert_eq!(fence[8 * index..8 * index + 8], first.to_le_bytes());
        for entry in block[..85 * ENTRY].chunks(ENTRY).take(count - 85 * index) {
            entries.push(Located::decode(entry.try_into().expect("48 bytes")).expect("an entry"));
        }
    }
    assert_eq!(run[40..56], blake3::hash(&checks).as_bytes()[..16]);
    assert!(entries.is_sorted_by(|a, b| a < b), "entries rise");
    entries
}
