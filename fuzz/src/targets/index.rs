//! Indices that lie, with every checksum right: which runs there are, how far they reach, and where
//! each item lies.
//!
//! Invariants:
//! - no read gives wrong bytes, also where it is the second;
//! - verifying finds out: afterwards everything that the arenas hold can be read.

use super::store::{options, whole, world};
use crate::script::Script;
use crate::world::{MemoryDisk, MemoryFile};
use std::sync::{Arc, OnceLock};
use vigil_base::cbor::{Decoder, Encoder};
use vigil_store::format::{LOCATED_LEN, Located, payload_check};
use vigil_store::{Arena, Store, VerifyOptions};

/// Edits of the genuine manifest, and pieces of others.
pub const MANIFEST_WORDS: &[&[u8]] = &[
    b"\x00\x85\x6dvigil.index/2",
    b"\x01\x20\x00\x01",
    b"\x80",
    b"\x81\x82\x01\x05",
    b"\x84\x01\x50",
    b"\xf5",
    b"\xf4",
    b"\x1b\xff\xff\xff\xff\xff\xff\xff\xff",
];

/// Decisions: which entry, which of its fields, what to write there.
pub const ENTRY_WORDS: &[&[u8]] =
    &[b"\x00", b"\x01\x01", b"\x02\x00\x00", b"\x02\x01\x02", b"\x02\x02\x03", b"\x03"];

const MANIFEST: &str = "index/shared/manifest";
const PAGE_LEN: usize = 4096;
const BLOCK_ENTRIES: usize = 85;
/// Lists longer than this only take time.
const ENTRIES_MAX: usize = 400;

/// Returns the genuine manifest, without its checksum.
fn genuine_manifest() -> &'static [u8] {
    let found = whole().files.iter().find(|(path, _)| path == MANIFEST);
    found.map_or(&[][..], |(_, bytes)| &bytes[..bytes.len() - 16])
}

/// Returns where the items lie, as the arenas themselves say.
fn genuine_entries() -> &'static [Located] {
    static ENTRIES: OnceLock<Vec<Located>> = OnceLock::new();
    ENTRIES.get_or_init(|| {
        let mut entries = Vec::new();
        for (path, bytes) in &whole().files {
            let number = path.strip_prefix("arenas/").and_then(|name| name.strip_suffix(".arena"));
            if let Some(number) = number.and_then(|digits| digits.parse().ok()) {
                let file = Arc::new(MemoryFile::of(bytes.clone()));
                let arena = Arena::open(file, number).expect("the store is whole");
                entries.extend(arena.scan(0).expect("the store is whole").items);
            }
        }
        entries
    })
}

/// Opens the store with another index, and reads everything before and after verifying.
fn check(index: Vec<(String, Vec<u8>)>) {
    let mut files = whole().files.clone();
    files.retain(|(path, _)| !index.iter().any(|(other, _)| other == path));
    files.extend(index);
    let store = Store::open(world(MemoryDisk::of(files)), options());
    let store = store.expect("the arenas are whole, so whatever the index says it opens");
    for _ in 0..2 {
        for (vcid, want) in &whole().blobs {
            if let Ok(bytes) = store.read(*vcid) {
                assert!(bytes == *want, "wrong bytes for {vcid}");
            }
        }
    }
    let verify = VerifyOptions { percent: 100, threads: 1, progress: &|_, _| {} };
    let report = store.verify(&verify).expect("the arenas are whole");
    for (vcid, want) in &whole().blobs {
        assert!(!report.lost.contains(vcid), "{vcid} is not lost");
        let bytes = store.read(*vcid).expect("the arenas are whole, and were listed anew");
        assert!(bytes == *want, "wrong bytes for {vcid}");
    }
}

/// Checks one input as a manifest: whole, or as edits of the genuine one.
pub fn run_manifest(input: &[u8]) {
    let mut script = Script::new(input);
    let mut record = match script.byte() {
        0 => script.take(input.len()).to_vec(),
        _ => genuine_manifest().to_vec(),
    };
    while !script.is_empty() {
        let at = script.number(2) as usize % (record.len() + 1);
        let (cut, count) = (script.byte() as usize % 9, script.byte() as usize % 9);
        let end = (at + cut).min(record.len());
        record.splice(at..end, script.take(count).iter().copied());
    }
    record.extend(payload_check(&record));
    check(vec![(MANIFEST.to_owned(), record)]);
}

/// Checks one input as a list of places.
pub fn run_entries(input: &[u8]) {
    let genuine = genuine_entries();
    let mut script = Script::new(input);
    let mut entries: Vec<Located> = Vec::new();
    while !script.is_empty() && entries.len() < ENTRIES_MAX {
        match script.byte() % 4 {
            0 => entries.extend_from_slice(genuine),
            1 => entries.push(pick(genuine, &mut script)),
            2 => {
                let mut entry = pick(genuine, &mut script);
                let other = pick(genuine, &mut script);
                match script.byte() % 6 {
                    0 => entry.at = other.at,
                    1 => entry.at.inner = script.number(4) as u32,
                    2 => entry.at.trailer = script.number(4) as u32,
                    3 => entry.at.len = script.number(4) as u32 & 0x0FFF_FFFF,
                    4 => entry.kind = other.kind,
                    _ => entry.at.arena = script.number(4) as u32,
                }
                entries.push(entry);
            }
            _ => {
                let mut bytes = [0; LOCATED_LEN];
                let taken = script.take(bytes.len());
                bytes[..taken.len()].copy_from_slice(taken);
                entries.extend(Located::decode(&bytes));
            }
        }
    }
    entries.sort_unstable();
    entries.dedup();
    check(index_of(&entries));
}

fn pick(genuine: &[Located], script: &mut Script<'_>) -> Located {
    genuine[script.byte() as usize % genuine.len()]
}

/// Returns the files of an index that lists these entries and covers what the genuine one covers.
fn index_of(entries: &[Located]) -> Vec<(String, Vec<u8>)> {
    let (mut blocks, mut fence, mut checks) = (Vec::new(), Vec::new(), Vec::new());
    for block in entries.chunks(BLOCK_ENTRIES) {
        let mut body: Vec<u8> = block.iter().flat_map(Located::encode).collect();
        body.resize(BLOCK_ENTRIES * LOCATED_LEN, 0);
        fence.extend(body[..8].iter().rev());
        let check = payload_check(&body);
        checks.extend(check);
        blocks.extend(body);
        blocks.extend(check);
    }
    let mut run = b"vigindex".to_vec();
    run.extend(1_u64.to_le_bytes());
    run.extend((entries.len() as u64).to_le_bytes());
    run.extend(payload_check(&fence));
    run.extend(payload_check(&checks));
    run.extend(payload_check(&run));
    run.resize(PAGE_LEN, 0);
    run.extend(blocks);
    run.extend(fence);
    let manifest = manifest_with_run(entries.len() as u64).expect("the genuine one is a manifest");
    vec![("index/shared/00000900.run".to_owned(), run), (MANIFEST.to_owned(), manifest)]
}

/// Returns the genuine manifest with the run 900 in place of its own.
fn manifest_with_run(entries: u64) -> Result<Vec<u8>, vigil_base::cbor::DecodeError> {
    let mut decoder = Decoder::record(genuine_manifest(), "vigil.index/2", 5)?;
    let mut encoder = Encoder::record("vigil.index/2", 5);
    encoder.unsigned(decoder.unsigned()?);
    let _next = decoder.unsigned()?;
    encoder.unsigned(901);
    for _ in 0..decoder.array()? {
        decoder.array_of(2)?;
        let _run = (decoder.unsigned()?, decoder.unsigned()?);
    }
    encoder.array(1);
    encoder.array(2);
    encoder.unsigned(900);
    encoder.unsigned(entries);
    let arenas = decoder.array()?;
    encoder.array(arenas);
    for _ in 0..arenas {
        decoder.array_of(4)?;
        encoder.array(4);
        encoder.unsigned(decoder.unsigned()?);
        encoder.bytes(decoder.bytes()?);
        encoder.unsigned(decoder.unsigned()?);
        encoder.bool(decoder.bool()?);
    }
    let mut bytes = encoder.finish();
    bytes.extend(payload_check(&bytes));
    Ok(bytes)
}
