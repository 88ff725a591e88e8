//! A second reader and writer of manifests and runs, written from `docs/format/index.md` alone.

use std::collections::BTreeSet;

use vigil_base::cbor::{Decoder, Encoder};
use vigil_store::format::Located;

use crate::sim::Sim;

const PAGE: usize = 4096;
const ENTRY: usize = 48;

/// Returns every entry of every run that the manifest of `class` lists.
pub fn entries(sim: &Sim, class: &str) -> BTreeSet<Located> {
    let manifest = sim.content(&format!("index/{class}/manifest")).expect("a manifest");
    let (body, _check) = manifest.split_at(manifest.len() - 16);
    let mut decoder = Decoder::record(body, "vigil.index/2", 5).expect("a manifest's tag");
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

/// Returns the run that lists these sorted entries.
pub fn run_of(entries: &[Located]) -> Vec<u8> {
    let (mut blocks, mut fence, mut checks) = (Vec::new(), Vec::new(), Vec::new());
    for block in entries.chunks(85) {
        let mut body: Vec<u8> = block.iter().flat_map(Located::encode).collect();
        body.resize(85 * ENTRY, 0);
        let check = blake3::hash(&body);
        let check = &check.as_bytes()[..16];
        let first = u64::from_be_bytes(block[0].id.0[..8].try_into().expect("eight bytes"));
        fence.extend(first.to_le_bytes());
        checks.extend_from_slice(check);
        blocks.extend_from_slice(&body);
        blocks.extend_from_slice(check);
    }
    let mut run = b"vigindex".to_vec();
    run.extend(1_u64.to_le_bytes());
    run.extend((entries.len() as u64).to_le_bytes());
    run.extend_from_slice(&blake3::hash(&fence).as_bytes()[..16]);
    run.extend_from_slice(&blake3::hash(&checks).as_bytes()[..16]);
    let check = blake3::hash(&run);
    run.extend_from_slice(&check.as_bytes()[..16]);
    run.resize(PAGE, 0);
    [run, blocks, fence].concat()
}

/// Returns a manifest that covers what `manifest` covers, by one run alone.
pub fn manifest_with_run(manifest: &[u8], number: u64, entries: u64) -> Vec<u8> {
    let mut decoder = Decoder::record(&manifest[..manifest.len() - 16], "vigil.index/2", 5)
        .expect("a manifest's tag");
    let generation = decoder.unsigned().expect("a generation");
    let _next = decoder.unsigned().expect("a number");
    for _ in 0..decoder.array().expect("runs") {
        decoder.array_of(2).expect("a run");
        let _run = (decoder.unsigned().expect("a number"), decoder.unsigned().expect("entries"));
    }
    let mut encoder = Encoder::record("vigil.index/2", 5);
    encoder.unsigned(generation + 1);
    encoder.unsigned(number + 1);
    encoder.array(1);
    encoder.array(2);
    encoder.unsigned(number);
    encoder.unsigned(entries);
    let arenas = decoder.array().expect("arenas");
    encoder.array(arenas);
    for _ in 0..arenas {
        decoder.array_of(4).expect("an arena");
        encoder.array(4);
        encoder.unsigned(decoder.unsigned().expect("its number"));
        encoder.bytes(decoder.bytes().expect("its mark"));
        encoder.unsigned(decoder.unsigned().expect("its end"));
        encoder.bool(decoder.bool().expect("whether it is sealed"));
    }
    let mut bytes = encoder.finish();
    let check = blake3::hash(&bytes);
    bytes.extend_from_slice(&check.as_bytes()[..16]);
    bytes
}
