//! The texts and files of transparency logs: notes, checkpoints, proofs, policies, requests, fraud
//! proofs and tiles.
//!
//! Invariants:
//! - what is read is written back as it was;
//! - no tile makes a proof that does not lead to the signed root, and no tile accuses an honest log.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::OnceLock;

use vigil_trust::log::{
    AddCheckpoint, Checkpoint, Ed25519Kind, Edge, FraudProof, Growth, GrowthRoots, KeyName,
    LeafIndex, LogKeys, LogPolicy, LogReader, Monitor, Note, NoteKey, NoteSigner, Origin,
    SignedCheckpoint, TileId, Tiles, TlogProof, TreeHash, TreeSize, check_consistency,
    check_inclusion, decode_bundle,
};

/// Lines of all the texts.
pub const TEXT_WORDS: &[&[u8]] = &[
    b"c2sp.org/tlog-proof@v1\n",
    b"extra YQ==\n",
    b"index 5\n",
    b"old 7\n",
    b"47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n",
    b"log.example/fuzz\n",
    b"\n\n",
    b"\xe2\x80\x94 log.example/fuzz ",
    b"cosignature/v1\ntime 5\n",
    b"group g all ",
    b"group g 2 ",
    b"quorum none\n",
    b"quorum g\n",
    b"witness w ",
    b"log ",
    b"tile/0/x001/234.p/5",
    b"tile/entries/000",
    b"18446744073709551615",
];

/// Edits of tiles: which, where, what.
pub const TILE_WORDS: &[&[u8]] = &[b"\0\0\0", b"\x01\0\xff", b"\x02\x01\x80", b"\xff\xff\xff"];

const ENTRIES: u64 = 600;

fn signer() -> NoteSigner {
    let name = KeyName::new("log.example/fuzz").expect("a name");
    NoteSigner::from_seed(name, Ed25519Kind::Log, &[7; 32])
}

fn keys() -> LogKeys {
    LogKeys::of(signer().key().clone()).expect("a log's key")
}

/// Reads a text as everything that it could be.
pub fn run_text(input: &[u8]) {
    if let Ok(note) = Note::parse(input) {
        assert_eq!(note.to_string().as_bytes(), input, "a note has one form");
    }
    if let Ok(signed) = SignedCheckpoint::parse(input) {
        assert_eq!(signed.to_string().as_bytes(), input, "a checkpoint has one form");
        // Nobody signed it but by a chance that does not come.
        let _ = signed.verify(&keys());
    }
    if let Ok(proof) = TlogProof::parse(input) {
        assert_eq!(proof.to_string().as_bytes(), input, "a proof has one form");
        let root = proof.checkpoint.unverified().root;
        let _ = check_inclusion(proof.inclusion(), root, &proof.path, root);
    }
    if let Ok(request) = AddCheckpoint::parse(input) {
        assert_eq!(request.to_string().as_bytes(), input, "a request has one form");
        let Checkpoint { size, root, .. } = *request.checkpoint.unverified();
        let growth = Growth { from: request.old, to: size };
        let _ = check_consistency(growth, GrowthRoots { from: root, to: root }, &request.proof);
    }
    if let Ok(policy) = LogPolicy::parse(input) {
        assert!(policy.logs().len() + policy.witnesses().len() <= 1024);
    }
    if let Ok(fraud) = FraudProof::decode(input) {
        assert_eq!(fraud.encode(), input, "a fraud proof has one form");
        let _ = fraud.check_log(&keys());
    }
    if let Ok(monitor) = Monitor::decode(keys(), input) {
        assert_eq!(monitor.encode(), input, "a monitor's state has one form");
    }
    let Ok(text) = std::str::from_utf8(input) else { return };
    if let Ok(id) = TileId::parse(text) {
        assert_eq!(id.path(), text, "a tile has one path");
    }
    if let Ok(key) = NoteKey::parse(text) {
        assert_eq!(key.to_string(), text, "a key has one text");
    }
}

#[derive(Clone)]
struct Files(BTreeMap<TileId, Vec<u8>>);

impl Tiles for Files {
    type Error = Infallible;

    fn tile(&mut self, id: TileId) -> Result<Option<Vec<u8>>, Infallible> {
        Ok(self.0.get(&id).cloned())
    }
}

fn entry(index: u64) -> Vec<u8> {
    format!("entry {index}").into_bytes()
}

/// A log of a few hundred entries, made once.
fn honest() -> &'static (Files, SignedCheckpoint) {
    static HONEST: OnceLock<(Files, SignedCheckpoint)> = OnceLock::new();
    HONEST.get_or_init(|| {
        let (mut edge, mut files) = (Edge::new(), Vec::new());
        for index in 0..ENTRIES {
            edge.push(&entry(index), &mut files).expect("a short entry");
        }
        files.extend(edge.partial(TreeSize(0)));
        let origin = Origin::new("log.example/fuzz").expect("an origin");
        let (size, root) = (edge.size(), edge.root());
        let checkpoint = Checkpoint { origin, size, root, extensions: Vec::new() };
        let signed = checkpoint.sign(&[&signer()]).expect("a checkpoint");
        (Files(files.into_iter().map(|file| (file.id, file.bytes)).collect()), signed)
    })
}

/// Edits the files of a log as the input says, and reads it: four bytes for an edit.
pub fn run_tiles(input: &[u8]) {
    let (files, signed) = honest();
    let mut files = files.clone();
    let ids: Vec<TileId> = files.0.keys().copied().collect();
    for edit in input.as_chunks::<4>().0 {
        let id = ids[usize::from(edit[0]) % ids.len()];
        let Some(bytes) = files.0.get_mut(&id) else { continue };
        let at = usize::from(edit[1]) * bytes.len() / 256;
        match edit[2] % 5 {
            0 => _ = files.0.remove(&id),
            1 => bytes.truncate(at),
            2 => bytes.extend_from_slice(&[edit[3]; 3]),
            _ => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= edit[3];
                }
            }
        }
    }
    for (id, bytes) in &files.0 {
        let _ = decode_bundle(*id, bytes);
    }
    let mut reader = LogReader::new(files.clone(), signed.clone());
    for index in [0, 255, 256, ENTRIES - 1] {
        if let Ok((bytes, proof)) = reader.entry(LeafIndex(index)) {
            assert_eq!(bytes, entry(index), "another entry was proven");
            let root = signed.unverified().root;
            let leaf = TreeHash::of_leaf(&bytes);
            assert_eq!(check_inclusion(proof.inclusion(), leaf, &proof.path, root), Ok(()));
        }
    }
    let mut monitor = Monitor::new(keys());
    let seen = monitor.look(signed, files, |index, bytes| {
        let _ = (index, bytes.len());
    });
    assert!(monitor.fraud().is_none(), "an honest log was accused");
    assert!(seen.is_err() || monitor.size() == TreeSize(ENTRIES));
}
