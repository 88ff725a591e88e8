//! Golden arenas: what is written today is what was written when they were made, byte for byte, and
//! what was written then is read today. `corpus/arena/README.md` tells what they are.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use vigil_base::Vcid;
use vigil_base::world::{Disk as _, OpenMode};
use vigil_store::format::{
    ALIGN, ArenaKey, Class, Codec, Header, Item, ItemId, ItemKind, Located, Location, RecordKind,
    Seal, SealError, Site, Trailer, encode_directory, merkle_root, payload_check,
};
use vigil_store::{Arena, ArenaState, FolderDisk, Layout, Store};

use crate::crash::open_on;
use crate::sim::Sim;
use crate::world::{noise_bytes, stopped_moment, text_bytes};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpus/arena")
}

/// One blob of every sort that the store makes a difference between.
fn blobs() -> Vec<Vec<u8>> {
    vec![
        Vec::new(),
        b"a few bytes".to_vec(),
        noise_bytes(1, 700),
        text_bytes(2, 3000),
        text_bytes(3, 20_000),
        noise_bytes(4, 12_000),
    ]
}

fn later_blobs() -> Vec<Vec<u8>> {
    vec![text_bytes(10, 500), text_bytes(11, 900)]
}

/// Writes the same life as ever: clock, randomness and parameters are fixed.
fn write() -> Vec<(&'static str, Vec<u8>)> {
    let sim = Sim::default();
    let store = open_on(sim.process()).expect("a store");
    let put = |blobs: Vec<Vec<u8>>, seals: bool| {
        let writer = store.writer().expect("a writer");
        let mut batch = writer.batch().expect("a batch");
        blobs.iter().for_each(|bytes| _ = batch.put_any(bytes).expect("a put"));
        batch.finish().expect("a flush");
        if seals {
            writer.seal().expect("a seal");
        } else {
            writer.finish().expect("a commit");
        }
    };
    put(blobs(), true);
    for bytes in later_blobs() {
        put(vec![bytes], false);
    }
    let content = |number: u32| sim.content(&format!("arenas/{number:08}.arena")).expect("it");
    let open = content(2);
    // The power went in the middle of the second record.
    let torn = open[..open.len() - 100].to_vec();
    vec![
        ("frames.arena", content(1)),
        ("extent.arena", extent_arena().0),
        ("open.arena", open),
        ("torn.arena", torn),
    ]
}

/// Makes a sealed arena with a raw extent, and returns the blob in it too. The store itself makes
/// extents of blobs above 4 MiB only, so this one is put together by the functions of the format.
pub fn extent_arena() -> (Vec<u8>, Vec<u8>) {
    let blob = noise_bytes(4, 9000);
    let key = ArenaKey([5; 32]);
    let header = Header {
        site: Site([6; 16]),
        serial: 1,
        capacity: 1 << 20,
        created: stopped_moment().0,
        class: Class::shared(),
        key,
    };
    let pieces = [&blob[..4000], &blob[4000..]];
    let chunk = |bytes: &&[u8]| (ItemId::of_chunk(bytes), bytes.len() as u32);
    let chunks: Vec<(ItemId, u32)> = pieces.iter().map(chunk).collect();
    let layout = Layout::new(chunks.clone()).encode();
    let raw = |(id, len): &(ItemId, u32)| Item { id: *id, kind: ItemKind::Chunk, len: *len };
    let id = ItemId::from(Vcid::of(&blob));
    let laid_out = Item { id, kind: ItemKind::Layout, len: layout.len() as u32 };
    let mut bytes = header.encode();
    let mut located = Vec::new();
    for (payload, kind, items) in [
        (&blob, RecordKind::Extent, chunks.iter().map(raw).collect::<Vec<_>>()),
        (&layout, RecordKind::Frame, vec![laid_out]),
    ] {
        let directory = encode_directory(&items);
        let trailer = Trailer {
            kind,
            codec: Codec::Raw,
            payload_len: payload.len() as u64,
            raw_len: payload.len() as u64,
            directory_len: directory.len() as u32,
            payload_check: match kind {
                RecordKind::Extent => [0; 16],
                RecordKind::Frame => payload_check(payload),
            },
        };
        let trailer_at = bytes.len() as u64 + trailer.body_len();
        bytes.extend_from_slice(payload);
        bytes.extend_from_slice(&directory);
        bytes.resize(trailer_at as usize, 0);
        bytes.extend(trailer.encode(&key, trailer_at, &directory));
        let mut inner = 0;
        for Item { id, kind, len } in items {
            let at = Location { arena: 0, trailer: (trailer_at / ALIGN) as u32, inner, len };
            located.push(Located { id, kind, at });
            inner += len;
        }
    }
    located.sort_unstable();
    let table: Vec<u8> = located.iter().flat_map(Located::encode).collect();
    let seal = Seal {
        entries: located.len() as u64,
        table_at: bytes.len() as u64,
        root: merkle_root(&located),
        table_check: payload_check(&table),
    };
    bytes.extend(table);
    bytes.extend(seal.encode(&key));
    (bytes, blob)
}

fn open(name: &str) -> Arena {
    let file = FolderDisk::new(folder()).open(name, OpenMode::Read).expect("the corpus is there");
    Arena::open(Arc::from(file), 1).expect("an arena")
}

/// Tells what an arena holds, in words that a person can compare with the format's page.
fn describe(arena: &Arena) -> String {
    let header = &arena.header;
    let mut text = format!(
        "site {} serial {} capacity {} created {} class {}\n",
        header.site,
        header.serial,
        header.capacity,
        header.created,
        header.class.as_str()
    );
    let (records, scan) = arena.records().expect("the corpus can be read");
    for (record, items) in &records {
        let trailer = &record.trailer;
        let _ = writeln!(
            text,
            "record {} trailer {} {:?} {:?} payload {} raw {}",
            record.start,
            record.trailer_at,
            trailer.kind,
            trailer.codec,
            trailer.payload_len,
            trailer.raw_len
        );
        for item in items {
            let id = Vcid::from_bytes(item.id.0).to_hex();
            let _ = writeln!(text, "  {:?} {id} {}", item.kind, item.len);
        }
    }
    scan.strays.iter().for_each(|(start, end)| _ = writeln!(text, "stray {start} to {end}"));
    let _ = match arena.seal().expect("the corpus can be read") {
        Ok(seal) => writeln!(
            text,
            "seal {} entries, table at {}, root {}",
            seal.entries, seal.table_at, seal.root
        ),
        Err(error) => writeln!(text, "{error}"),
    };
    text
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a test program resolves its own environment")]
fn what_is_written_has_the_golden_bytes() {
    let update = std::env::var("UPDATE_EXPECT").is_ok();
    for (name, bytes) in write() {
        let path = folder().join(name);
        let listing = folder().join(name.replace(".arena", ".txt"));
        if update {
            std::fs::write(&path, &bytes).expect("the corpus is writable");
            std::fs::write(&listing, describe(&open(name))).expect("the corpus is writable");
        }
        let golden = std::fs::read(&path).expect("the corpus is there");
        let differs = golden.iter().zip(&bytes).position(|(one, other)| one != other);
        assert_eq!(differs, None, "{name}: the first byte that differs");
        assert_eq!(golden.len(), bytes.len(), "{name}");
        let want = std::fs::read_to_string(&listing).expect("the corpus is there");
        assert_eq!(describe(&open(name)), want, "{name}");
    }
}

#[test]
fn golden_arenas_are_imported_and_read() {
    let files = ["frames.arena", "extent.arena"]
        .map(|name| std::fs::read(folder().join(name)).expect("the corpus is there"));
    let store = open_on(Sim::default().process()).expect("a store");
    let [mut frames, mut extent] = [&files[0][..], &files[1][..]];
    let numbers = store.import_arenas(&mut [&mut frames, &mut extent]).expect("an import");
    check_read(&store, &blobs());
    let (_, blob) = extent_arena();
    check_read(&store, std::slice::from_ref(&blob));
    let found = store.find(Vcid::of(&blob)).expect("it was imported");
    let mapped = store.map_range(&found, 0).expect("intact").expect("raw and contiguous");
    assert!(*mapped == blob[..], "an extent is one piece of memory");
    for (number, file) in numbers.iter().zip(&files) {
        let mut bytes = Vec::new();
        let vcid = store.export_arena(*number, &mut bytes).expect("an export");
        assert!(bytes == *file && vcid == Vcid::of(file), "a sealed arena never changes");
    }
    assert!(store.arenas().expect("a list").iter().all(|info| info.state == ArenaState::Sealed));
}

#[track_caller]
fn check_read(store: &Store, blobs: &[Vec<u8>]) {
    for bytes in blobs {
        assert!(store.read(Vcid::of(bytes)).expect("it is in the corpus") == *bytes);
    }
}

#[test]
fn golden_open_arenas_are_scanned() {
    for (name, left) in [("open.arena", 2), ("torn.arena", 1)] {
        let arena = open(name);
        assert_eq!(arena.seal().expect("a whole disk"), Err(SealError::Absent), "{name}");
        let scan = arena.scan(0).expect("a whole disk");
        let later = later_blobs();
        let mut want: Vec<Vcid> = later[..left].iter().map(|bytes| Vcid::of(bytes)).collect();
        let mut found: Vec<Vcid> = scan.items.iter().map(|item| item.id.to_vcid()).collect();
        want.sort_unstable();
        found.sort_unstable();
        assert_eq!(found, want, "{name}");
        assert!(scan.items.iter().all(|item| item.kind == ItemKind::Blob), "{name}");
        for located in &scan.items {
            let bytes = arena.read_item(located).expect("intact");
            assert!(later.contains(&bytes), "{name}");
        }
        let strays: u64 = scan.strays.iter().map(|(start, end)| end - start).sum();
        assert_eq!(strays > 0, name == "torn.arena", "{name}");
        assert!(strays < 10 * ALIGN, "{name}: {strays} bytes that no record covers");
    }
}
