//! Whole arenas made by somebody who knows the arena's key, as whoever hands one over does: every
//! checksum is right, and what is checked by it may lie.
//!
//! Invariants:
//! - an honest record that no later record claims is found with all of its items;
//! - what a scan calls intact is intact.

use crate::script::Script;
use crate::world::MemoryFile;
use std::sync::Arc;
use vigil_base::Vcid;
use vigil_store::format::{
    ALIGN, ArenaKey, Class, Codec, Header, Item, ItemId, ItemKind, Located, RecordKind, Seal, Site,
    Trailer, align, encode_directory, merkle_root, payload_check,
};
use vigil_store::{Arena, Record};

const KEY: ArenaKey = ArenaKey([7; 32]);
const ITEMS_MAX: u8 = 6;

/// Decisions: the flags of a record, item counts and lengths.
pub const WORDS: &[&[u8]] = &[
    b"\x00\x01\x04\0",
    b"\x01\x02\x08\0\x10\0",
    b"\x02\x01\x40\0",
    b"\x04",
    b"\x08",
    b"\x10",
    b"\x20",
    b"\x40",
    b"\x80",
    b"\xff\xff\xff\xff",
    b"\x28\xb5\x2f\xfd",
];

// The bits of a record's first byte: what it is, and where it lies.
const EXTENT: u8 = 1;
const ZSTD: u8 = 2;
const LIES_PAYLOAD_LEN: u8 = 4;
const LIES_RAW_LEN: u8 = 8;
const LIES_DIRECTORY_LEN: u8 = 16;
const LIES_CHECK: u8 = 32;
const LIES_ITEM: u8 = 64;
const SEALS: u8 = 128;

/// An arena in the making.
struct Forgery {
    bytes: Vec<u8>,
    /// Items of honest records: where the record ends, and the item's id.
    honest: Vec<(u64, u64, ItemId)>,
    /// What each record claims to cover.
    claims: Vec<(u64, u64)>,
}

/// Checks one input.
pub fn run(input: &[u8]) {
    let class = Class::shared();
    let header =
        Header { site: Site([1; 16]), serial: 1, capacity: 1 << 30, created: 0, class, key: KEY };
    let mut forgery = Forgery { bytes: header.encode(), honest: Vec::new(), claims: Vec::new() };
    let mut script = Script::new(input);
    let mut sealed = false;
    while !script.is_empty() && !sealed {
        let flags = script.byte();
        if flags == SEALS {
            forgery.seal(&mut script);
            sealed = true;
        } else {
            forgery.record(flags, &mut script);
        }
    }
    check(forgery, sealed);
}

impl Forgery {
    /// Adds a record as the flags say: honest, or lying in some of its fields.
    fn record(&mut self, flags: u8, script: &mut Script<'_>) {
        let start = self.bytes.len() as u64;
        let (items, payload) = items_and_payload(flags, script);
        let directory = encode_directory(&items);
        let lied = |flag: u8, truth: u64, script: &mut Script<'_>| {
            if flags & flag == 0 { truth } else { script.number(4) }
        };
        let raw_len = if flags & ZSTD == 0 {
            payload.len() as u64
        } else {
            items.iter().map(|item| u64::from(item.len)).sum()
        };
        let kind = if flags & EXTENT == 0 { RecordKind::Frame } else { RecordKind::Extent };
        let codec = if flags & ZSTD == 0 { Codec::Raw } else { Codec::Zstd };
        let check = match (flags & LIES_CHECK, kind) {
            (0, RecordKind::Frame) => payload_check(&payload),
            _ => [0; 16],
        };
        let trailer = Trailer {
            kind,
            codec,
            payload_len: lied(LIES_PAYLOAD_LEN, payload.len() as u64, script),
            raw_len: lied(LIES_RAW_LEN, raw_len, script),
            directory_len: lied(LIES_DIRECTORY_LEN, directory.len() as u64, script) as u32,
            payload_check: check,
        };
        self.bytes.extend_from_slice(&payload);
        self.bytes.extend_from_slice(&directory);
        self.bytes.resize(align(self.bytes.len() as u64) as usize, 0);
        let trailer_at = self.bytes.len() as u64;
        self.bytes.extend_from_slice(&trailer.encode(&KEY, trailer_at, &directory));
        let end = self.bytes.len() as u64;
        self.claims.push((trailer_at.saturating_sub(trailer.body_len()), trailer_at));
        if flags & !EXTENT == 0 {
            let honest = items.iter().filter(|item| item.kind != ItemKind::Layout);
            self.honest.extend(honest.map(|item| (start, end, item.id)));
        }
    }

    /// Ends the arena with a seal whose table may say anything.
    fn seal(&mut self, script: &mut Script<'_>) {
        let table_at = self.bytes.len() as u64;
        let mut entries = Vec::new();
        for _ in 0..script.byte() % 8 {
            let mut bytes = [0; vigil_store::format::LOCATED_LEN];
            let taken = script.take(bytes.len());
            bytes[..taken.len()].copy_from_slice(taken);
            entries.extend(Located::decode(&bytes));
        }
        let table: Vec<u8> = entries.iter().flat_map(Located::encode).collect();
        let entry_count = entries.len() as u64 + u64::from(script.byte() / 128) * script.number(8);
        let seal = Seal {
            entries: entry_count,
            table_at: table_at.wrapping_add(u64::from(script.byte() / 128) * script.number(8)),
            root: merkle_root(&entries),
            table_check: payload_check(&table),
        };
        self.bytes.extend_from_slice(&table);
        self.bytes.extend_from_slice(&seal.encode(&KEY));
    }
}

fn items_and_payload(flags: u8, script: &mut Script<'_>) -> (Vec<Item>, Vec<u8>) {
    let (mut items, mut payload) = (Vec::new(), Vec::new());
    for _ in 0..script.byte() % ITEMS_MAX {
        let count = script.number(1) as usize * 4;
        let bytes = script.take(count);
        payload.extend_from_slice(bytes);
        let kind = match bytes.len() % 3 {
            0 => ItemKind::Chunk,
            1 if flags & EXTENT == 0 => ItemKind::Layout,
            _ => ItemKind::Blob,
        };
        let id = match kind {
            ItemKind::Chunk => ItemId::of_chunk(bytes),
            _ => Vcid::of(bytes).into(),
        };
        let len = if flags & LIES_ITEM == 0 {
            bytes.len() as u32
        } else {
            // Four bits of the field are the kind's.
            (script.number(4) as u32) & 0x0FFF_FFFF
        };
        items.push(Item { id, kind, len });
    }
    (items, payload)
}

fn check(forgery: Forgery, sealed: bool) {
    let arena = match Arena::open(Arc::new(MemoryFile::of(forgery.bytes)), 3) {
        Ok(arena) => arena,
        Err(error) => panic!("its header is honest, but: {error}"),
    };
    if let Ok(Ok(seal)) = arena.seal()
        && let Ok(items) = arena.sealed_items(&seal)
    {
        assert!(items.iter().all(|located| located.at.arena == 3));
    }
    let Ok(scan) = arena.scan(0) else { return };
    for located in &scan.items {
        let record = arena.record(u64::from(located.at.trailer) * ALIGN);
        assert!(record.is_ok_and(|record| is_intact(&arena, &record, located)), "{located:?}");
    }
    if sealed {
        // A seal that is believed may end the records early; only what is found counts then.
        return;
    }
    for (start, end, id) in forgery.honest {
        let overlaid = forgery.claims.iter().any(|(from, to)| *to >= end && *from < end);
        let found = scan.items.iter().any(|located| located.id == id);
        assert!(overlaid || found, "the honest record {start}..{end} was not found");
    }
    let walked = arena.items_by_walking_back(scan.end);
    assert!(walked.is_ok(), "walking back is no reason to fail");
}

/// Reads an item the way a reader does and compares it with its id.
fn is_intact(arena: &Arena, record: &Record, located: &Located) -> bool {
    let mut bytes = vec![0; located.at.len as usize];
    let start = located.at.inner as usize;
    match record.trailer.kind {
        RecordKind::Extent => {
            if arena.read_raw(record, located.at.inner, &mut bytes).is_err() {
                return false;
            }
        }
        RecordKind::Frame => match arena.decode_frame(record) {
            Ok(frame) => bytes.copy_from_slice(&frame[start..start + located.at.len as usize]),
            Err(_) => return false,
        },
    }
    match located.kind {
        ItemKind::Blob => ItemId::from(Vcid::of(&bytes)) == located.id,
        ItemKind::Chunk => ItemId::of_chunk(&bytes) == located.id,
        // A layout names the blob that it lays out; its frame's checksum proves it.
        ItemKind::Layout => record.trailer.kind == RecordKind::Frame,
    }
}
