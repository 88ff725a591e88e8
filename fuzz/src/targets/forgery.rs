//! Making arenas from decisions: honest records, lying ones, and seals that say anything.
//!
//! Invariant: the header is honest, and every checksum is right unless a decision says otherwise.

use crate::script::Script;
use vigil_base::Vcid;
use vigil_store::Layout;
use vigil_store::format::{
    ALIGN, ArenaKey, Class, Codec, Header, Item, ItemId, ItemKind, LOCATED_LEN, Located, Location,
    RecordKind, Seal, Site, Trailer, align, encode_directory, merkle_root, payload_check,
};

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

/// The kinds of items that a decision picks from; the rest are plain blobs.
const CHUNK: u8 = 1;
const HONEST_LAYOUT: u8 = 2;
const LYING_LAYOUT: u8 = 3;

/// An arena in the making.
#[derive(Default)]
pub struct Forgery {
    /// The arena's bytes.
    pub bytes: Vec<u8>,
    /// Items of honest records: where the record starts and ends, and the item's id.
    pub honest: Vec<(u64, u64, ItemId)>,
    /// What each record claims to cover.
    pub claims: Vec<(u64, u64)>,
    /// Whether a seal ends it.
    pub is_sealed: bool,
    /// Every id that some record or table speaks of.
    pub ids: Vec<ItemId>,
    /// Where each item lies, as an honest seal would say.
    located: Vec<Located>,
    /// The chunks so far, for layouts: id and bytes.
    chunks: Vec<(ItemId, Vec<u8>)>,
}

/// Makes an arena as an input decides.
pub fn forge(input: &[u8]) -> Forgery {
    let class = Class::shared();
    let (site, capacity) = (Site([1; 16]), 1 << 30);
    let header = Header { site, serial: 1, capacity, created: 0, class, key: KEY };
    let mut forgery = Forgery { bytes: header.encode(), ..Forgery::default() };
    let mut script = Script::new(input);
    while !script.is_empty() && !forgery.is_sealed {
        match script.byte() {
            SEALS => forgery.seal(&mut script),
            flags => forgery.record(flags, &mut script),
        }
    }
    forgery
}

impl Forgery {
    /// Adds a record as the flags say: honest, or lying in some of its fields.
    fn record(&mut self, flags: u8, script: &mut Script<'_>) {
        let start = self.bytes.len() as u64;
        let (items, payload) = self.items_and_payload(flags, script);
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
        let mut inner = 0u32;
        for item in &items {
            let trailer = (trailer_at / ALIGN) as u32;
            let at = Location { arena: 0, trailer, inner, len: item.len };
            self.located.push(Located { id: item.id, kind: item.kind, at });
            self.ids.push(item.id);
            inner = inner.wrapping_add(item.len);
        }
    }

    /// Ends the arena with a seal whose table may say anything.
    fn seal(&mut self, script: &mut Script<'_>) {
        let table_at = self.bytes.len() as u64;
        let lies = script.byte();
        let mut entries = std::mem::take(&mut self.located);
        entries.sort_unstable();
        entries.dedup();
        for _ in 0..lies % 8 {
            let mut bytes = [0; LOCATED_LEN];
            let taken = script.take(bytes.len());
            bytes[..taken.len()].copy_from_slice(taken);
            entries.extend(Located::decode(&bytes));
        }
        self.is_sealed = true;
        self.ids.extend(entries.iter().map(|entry| entry.id));
        let table: Vec<u8> = entries.iter().flat_map(Located::encode).collect();
        let entry_count =
            (entries.len() as u64).wrapping_add(u64::from(script.byte() / 128) * script.number(8));
        let seal = Seal {
            entries: entry_count,
            table_at: table_at.wrapping_add(u64::from(script.byte() / 128) * script.number(8)),
            root: merkle_root(&entries),
            table_check: payload_check(&table),
        };
        self.bytes.extend_from_slice(&table);
        self.bytes.extend_from_slice(&seal.encode(&KEY));
    }

    /// Decides the items of a record and their bytes.
    fn items_and_payload(&mut self, flags: u8, script: &mut Script<'_>) -> (Vec<Item>, Vec<u8>) {
        let (mut items, mut payload) = (Vec::new(), Vec::new());
        for _ in 0..script.byte() % ITEMS_MAX {
            let (id, kind, bytes) = self.item(script);
            payload.extend_from_slice(&bytes);
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

    /// Decides one item.
    fn item(&mut self, script: &mut Script<'_>) -> (ItemId, ItemKind, Vec<u8>) {
        let what = script.byte();
        if matches!(what % 4, HONEST_LAYOUT | LYING_LAYOUT) {
            return self.layout(what, script);
        }
        let count = usize::from(script.byte());
        let bytes = script.take(count).to_vec();
        match what % 4 {
            CHUNK => {
                let id = ItemId::of_chunk(&bytes);
                self.chunks.push((id, bytes.clone()));
                (id, ItemKind::Chunk, bytes)
            }
            _ => (Vcid::of(&bytes).into(), ItemKind::Blob, bytes),
        }
    }

    /// Lays out the chunks so far, or some of them, or says so and lies.
    fn layout(&self, what: u8, script: &mut Script<'_>) -> (ItemId, ItemKind, Vec<u8>) {
        let chosen: Vec<&(ItemId, Vec<u8>)> =
            self.chunks.iter().filter(|(_, bytes)| !bytes.is_empty()).take(8).collect();
        let blob: Vec<u8> = chosen.iter().flat_map(|(_, bytes)| bytes.iter().copied()).collect();
        let honest_len = |(id, bytes): &&(ItemId, Vec<u8>)| (*id, bytes.len() as u32);
        let mut chunks: Vec<(ItemId, u32)> = chosen.iter().map(honest_len).collect();
        let mut id = Vcid::of(&blob).into();
        if what % 4 == LYING_LAYOUT {
            match script.byte() % 4 {
                0 => id = Vcid::of(b"a blob that somebody else has").into(),
                1 => chunks.reverse(),
                2 => chunks.truncate(1),
                _ => {
                    if let Some((_, len)) = chunks.first_mut() {
                        *len = script.number(2) as u32;
                    }
                }
            }
        }
        (id, ItemKind::Layout, Layout::new(chunks).encode())
    }
}
