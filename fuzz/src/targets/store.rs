//! A whole store whose files are damaged anywhere: what is read is right, or an error.
//!
//! Invariants:
//! - no damage makes a read return wrong bytes;
//! - a store whose arenas are whole gives everything back when its index is damaged by accident; one
//!   that lies with right checksums may hide blobs, and no more than that.

use crate::script::Script;
use crate::world::{CountedBytes, MemoryDisk, StoppedClock};
use std::sync::{Arc, OnceLock};
use vigil_base::Vcid;
use vigil_store::format::payload_check;
use vigil_store::{Options, Store, Tuning, World};

/// A block of an index run, whose last bytes are its checksum.
const BLOCK_LEN: usize = 4096;
const CHECK_LEN: usize = 16;

/// Edits: which file, what to do, where.
pub const WORDS: &[&[u8]] =
    &[b"\x00\x00", b"\x01\x01", b"\x02\x02", b"\x03\x03", b"\x04\x04", b"\xff\xff"];

/// A store that is whole, and what is in it.
pub struct Whole {
    /// Its files.
    pub files: Vec<(String, Vec<u8>)>,
    /// Everything that can be read from it.
    pub blobs: Vec<(Vcid, Vec<u8>)>,
}

/// Returns the store that damage is done to.
pub fn whole() -> &'static Whole {
    static WHOLE: OnceLock<Whole> = OnceLock::new();
    WHOLE.get_or_init(build)
}

/// Checks one input.
pub fn run(input: &[u8]) {
    let whole = whole();
    let mut files = whole.files.clone();
    let mut must_give_all = true;
    let mut script = Script::new(input);
    while !script.is_empty() {
        must_give_all &= edit(&mut files, &mut script);
    }
    let store = Store::open(world(MemoryDisk::of(files)), options());
    let Ok(store) = store else {
        assert!(!must_give_all, "a damaged index is rebuilt, but: {:?}", store.err());
        return;
    };
    for (vcid, want) in &whole.blobs {
        match store.read(*vcid) {
            Ok(bytes) => assert!(bytes == *want, "wrong bytes for {vcid}"),
            Err(error) => assert!(!must_give_all, "only the index is damaged, but: {error:?}"),
        }
    }
}

/// A small store that starts nothing in the background.
pub fn options() -> Options {
    let tuning = Tuning::default();
    Options { arena_bytes_max: 1 << 20, sync_every_bytes: None, tuning, ..Options::default() }
}

/// A world on the given disk.
pub fn world(disk: MemoryDisk) -> World {
    let randomness = Arc::new(CountedBytes::default());
    World { disk: Arc::new(disk), clock: Arc::new(StoppedClock), randomness }
}

/// Puts a few blobs of every kind into a store: empty, small, alike, and one that is cut.
fn build() -> Whole {
    let disk = Arc::new(MemoryDisk::default());
    let mut parts = world(MemoryDisk::default());
    parts.disk = disk.clone();
    let mut contents = vec![Vec::new(), b"small".to_vec(), b"other".to_vec(), vec![7; 3000]];
    let mut random = crate::random::Random::new(1, 1);
    contents.push((0..20_000).map(|_| random.next() as u8).collect());
    contents.push((0..300_000).map(|_| random.next() as u8).collect());
    let store = Store::open(parts, options()).expect("a fresh store opens");
    let writer = store.writer().expect("a fresh store can be written");
    let blobs = contents.into_iter().map(|bytes| {
        let vcid = writer.put(&bytes).expect("there is room");
        (vcid, bytes)
    });
    let blobs = blobs.collect();
    writer.finish().expect("there is room");
    Whole { files: disk.files(), blobs }
}

/// Damages one file and returns whether that is damage to the index by accident. Half of the edits are
/// no accident: they leave the checksums right.
fn edit(files: &mut [(String, Vec<u8>)], script: &mut Script<'_>) -> bool {
    let which = script.byte() as usize % files.len();
    let (path, bytes) = &mut files[which];
    let what = script.byte();
    let at = script.number(4) as usize % bytes.len().max(1);
    match what % 4 {
        0 => {
            let mask = script.byte();
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= mask;
            }
        }
        1 => bytes.truncate(at),
        2 => {
            let count = script.byte().into();
            bytes.splice(at..at, script.take(count).iter().copied());
        }
        _ => {
            let count = script.byte() as usize;
            let end = (at + count).min(bytes.len());
            bytes[at..end].fill(0);
        }
    }
    let on_purpose = what & 4 != 0;
    if on_purpose {
        mend(bytes);
    }
    path.starts_with("index/") && !on_purpose
}

/// Makes the checksums right again: of the blocks of a run, or at the end of a manifest.
fn mend(bytes: &mut [u8]) {
    let block_len = if bytes.len() >= BLOCK_LEN { BLOCK_LEN } else { bytes.len() };
    for block in bytes.chunks_exact_mut(block_len.max(CHECK_LEN)) {
        let (body, check) = block.split_at_mut(block.len() - CHECK_LEN);
        check.copy_from_slice(&payload_check(body));
    }
}
