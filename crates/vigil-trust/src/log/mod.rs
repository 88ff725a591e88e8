//! The transparency log: an append-only list whose every reader can show what it was told.
//!
//! The formats are those of C2SP (tlog-tiles, tlog-checkpoint, signed-note, tlog-cosignature,
//! tlog-witness, tlog-policy, tlog-proof), so that other programs check our logs and we theirs. All
//! of it is pure but [`DurableLog`] and [`WitnessStore`], which keep files on a disk that is handed
//! in. It knows nothing of what an entry means, and speaks to no network.
//!
//! Invariants:
//! - a log never signs a tree whose entries are not durable, and never two trees of one size;
//! - nothing that comes from a log is believed before its hashes lead to a signed root;
//! - only two signed views that cannot both be true freeze a log: silence proves nothing.

mod checkpoint;
mod cosignature;
mod durable;
mod edge;
mod files;
mod fraud;
mod journal;
mod monitor;
mod note;
mod policy;
mod proof;
mod proof_file;
mod reader;
pub(crate) mod text;
mod tile;
mod tree;
mod witness;
mod witness_store;

pub use checkpoint::{
    Checkpoint, CheckpointError, LogKeyError, LogKeys, ORIGIN_BYTES_MAX, Origin, OriginError,
    SignedCheckpoint, UnsignedError,
};
pub use cosignature::{CosignedAt, cosign, cosigned_at, ed25519_message, ml_dsa_44_message};
pub use durable::{Appended, BATCH_BYTES_MAX, DurableLog, LogError, minimum_index};
pub use edge::{Edge, EdgeError, TileFile};
pub use files::DiskTiles;
pub use fraud::{
    Contradiction, FRAUD_BYTES_MAX, FraudError, FraudProof, Proven, View, first_difference, proven,
};
pub use journal::JournalError;
pub use monitor::{Monitor, MonitorError, MonitorStateError, Progress};
pub use note::{
    Ed25519Kind, KeyId, KeyKind, KeyName, KeyNameError, NOTE_BYTES_MAX, NOTE_SIGNATURES_MAX, Note,
    NoteError, NoteKey, NoteKeyError, NoteSignature, NoteSigner, NoteSignerError,
};
pub use policy::{
    LogPolicy, POLICY_BYTES_MAX, POLICY_NAMES_MAX, PolicyError, PolicyFault, PolicyLog,
    PolicyRefusal, PolicyWitness, Sight, Witnessed,
};
pub use proof::{
    Growth, GrowthRoots, Inclusion, PROOF_HASHES_MAX, ProofError, ProveError, check_consistency,
    check_inclusion, prove_consistency, prove_inclusion, prove_node, root_of_inclusion,
    root_of_node,
};
pub use proof_file::{PROOF_FILE_BYTES_MAX, ProofFileError, TlogProof};
pub use reader::{LogReadError, LogReader};
pub use tile::{
    BUNDLE_BYTES_MAX, ENTRY_BYTES_MAX, EntryTooLong, TILE_HEIGHT, TILE_WIDTH, TileError, TileId,
    TileKind, TileNodes, TilePathError, TileReadError, Tiles, decode_bundle, decode_tile,
    encode_entry,
};
pub use tree::{
    Frontier, FrontierError, LeafIndex, MemoryTree, NoNode, NodePlace, Nodes, TREE_HASH_LEN,
    TreeHash, TreeSize, root,
};
pub use witness::{
    Accepted, AddCheckpoint, Cosigned, REQUEST_BYTES_MAX, REQUEST_HASHES_MAX, RequestError,
    WitnessRefusal, decide,
};
pub use witness_store::{WitnessError, WitnessStore};
