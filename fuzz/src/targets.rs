//! The targets: one function for each decoder, in one table.
//!
//! A target returns when the decoder did right, whether it took the input or refused it, and panics
//! when it did not. Where it can, it compares with a naive model that is easy to believe.
//!
//! Invariant: every decoder of bytes from outside has a row here.

mod arena;
mod cbor;
mod cbor_model;
mod dhall;
mod faulty;
mod foreign;
mod forgery;
mod header;
mod import;
mod index;
mod kernel;
mod log;
mod package;
mod records;
mod store;
mod tier;
mod tree;
mod trust;
mod uri;

/// One decoder under test.
pub struct Target {
    /// The name on the command line and of the folder with its seeds.
    pub name: &'static str,
    /// What holds for every input.
    pub holds: &'static str,
    /// Runs one input.
    pub run: fn(&[u8]),
    /// Words of the format, to be put into inputs.
    pub words: &'static [&'static [u8]],
    /// Longer inputs are not made.
    pub input_bytes_max: usize,
    /// How many bytes may be allocated whatever the input.
    pub memory_floor: usize,
    /// How many more may be allocated for each byte of input.
    pub memory_per_byte: usize,
}

/// Even an empty input may be answered with an error that holds some text.
const MEBIBYTE: usize = 1 << 20;

/// Finds a target by its name, the faulty ones included.
pub fn find(name: &str) -> Option<&'static Target> {
    TARGETS.iter().chain(faulty::TARGETS).find(|target| target.name == name)
}

/// Every target.
pub const TARGETS: &[Target] = &[
    Target {
        name: "log-text",
        holds: "notes, checkpoints, proofs, requests and fraud proofs are written back as they were",
        run: log::run_text,
        words: log::TEXT_WORDS,
        input_bytes_max: 4096,
        memory_floor: MEBIBYTE,
        memory_per_byte: 64,
    },
    Target {
        name: "log-tiles",
        holds: "no edit of a log's files proves another entry or accuses the log",
        run: log::run_tiles,
        words: log::TILE_WORDS,
        input_bytes_max: 256,
        memory_floor: MEBIBYTE,
        memory_per_byte: 64,
    },
    Target {
        name: "package",
        holds: "what is said of a package is written back as it was, and believed of nobody",
        run: package::run,
        words: package::WORDS,
        input_bytes_max: 8192,
        memory_floor: MEBIBYTE,
        memory_per_byte: 64,
    },
    Target {
        name: "cbor",
        holds: "exactly what a naive reader of the profile accepts is valid",
        run: cbor::run,
        words: cbor::WORDS,
        input_bytes_max: 4096,
        memory_floor: MEBIBYTE,
        memory_per_byte: 16,
    },
    Target {
        name: "tree",
        holds: "a tree that is decoded encodes to the same bytes",
        run: tree::run,
        words: tree::WORDS,
        input_bytes_max: 8192,
        memory_floor: MEBIBYTE,
        memory_per_byte: 32,
    },
    Target {
        name: "uri",
        holds: "a URI that is read, shown and read again is the same URI",
        run: uri::run,
        words: uri::WORDS,
        input_bytes_max: 20 << 10,
        memory_floor: MEBIBYTE,
        memory_per_byte: 64,
    },
    Target {
        name: "header",
        holds: "an arena header that is decoded encodes to the same bytes",
        run: header::run_header,
        words: header::WORDS,
        input_bytes_max: 4096,
        memory_floor: MEBIBYTE,
        memory_per_byte: 16,
    },
    Target {
        name: "layout",
        holds: "a layout that is decoded encodes to the same bytes, and its chunks are found",
        run: header::run_layout,
        words: header::WORDS,
        input_bytes_max: 4096,
        memory_floor: MEBIBYTE,
        memory_per_byte: 16,
    },
    Target {
        name: "arena",
        holds: "honest records of a forged arena are found, and nothing wrong is called intact",
        run: arena::run,
        words: forgery::WORDS,
        input_bytes_max: 4096,
        // A frame may decode to 64 MiB, a directory claim as much, and a scan has a window.
        memory_floor: 200 * MEBIBYTE,
        memory_per_byte: 64,
    },
    Target {
        name: "import",
        holds: "nothing wrong is read from a forged arena that was imported",
        run: import::run,
        words: forgery::WORDS,
        input_bytes_max: 2048,
        memory_floor: 300 * MEBIBYTE,
        memory_per_byte: 64,
    },
    Target {
        name: "store",
        holds: "a store damaged anywhere returns right bytes or an error",
        run: store::run,
        words: store::WORDS,
        input_bytes_max: 256,
        memory_floor: 200 * MEBIBYTE,
        memory_per_byte: 64,
    },
    Target {
        name: "names",
        holds: "a name that is read and written again has the same bytes",
        run: records::run_name,
        words: records::NAME_WORDS,
        input_bytes_max: 2048,
        memory_floor: 100 * MEBIBYTE,
        memory_per_byte: 64,
    },
    Target {
        name: "moved",
        holds: "what is said of an arena that was moved away hides blobs at most",
        run: records::run_moved,
        words: records::MOVED_WORDS,
        input_bytes_max: 256,
        memory_floor: 200 * MEBIBYTE,
        memory_per_byte: 64,
    },
    Target {
        name: "snapshot",
        holds: "snapshot metadata that is decoded encodes to the same bytes",
        run: records::run_snapshot,
        words: records::SNAPSHOT_WORDS,
        input_bytes_max: 4096,
        memory_floor: MEBIBYTE,
        memory_per_byte: 64,
    },
    Target {
        name: "manifest",
        holds: "no manifest makes a read wrong, and verifying sets it right",
        run: index::run_manifest,
        words: index::MANIFEST_WORDS,
        input_bytes_max: 512,
        memory_floor: 300 * MEBIBYTE,
        memory_per_byte: 64,
    },
    Target {
        name: "runs",
        holds: "no list of places makes a read wrong, and verifying sets it right",
        run: index::run_entries,
        words: index::ENTRY_WORDS,
        input_bytes_max: 1024,
        memory_floor: 300 * MEBIBYTE,
        memory_per_byte: 64,
    },
    Target {
        name: "listing",
        holds: "a listing record of a tier is an entry of its own name, or a complaint",
        run: tier::run_listing,
        words: tier::LISTING_WORDS,
        input_bytes_max: 20 << 10,
        memory_floor: 100 * MEBIBYTE,
        memory_per_byte: 64,
    },
    Target {
        name: "sealed",
        holds: "an encrypted tier that was altered anywhere gives right bytes or an error",
        run: tier::run_sealed,
        words: tier::SEALED_WORDS,
        input_bytes_max: 512,
        memory_floor: 300 * MEBIBYTE,
        memory_per_byte: 64,
    },
    Target {
        name: "profile",
        holds: "any profile file opens a tier or says why not",
        run: tier::run_profile,
        words: tier::PROFILE_WORDS,
        input_bytes_max: 4096,
        memory_floor: 100 * MEBIBYTE,
        memory_per_byte: 256,
    },
    Target {
        name: "kernel-record",
        holds: "a request, representation or trace that is decoded encodes to the same bytes",
        run: kernel::run_record,
        words: kernel::RECORD_WORDS,
        input_bytes_max: 4096,
        memory_floor: MEBIBYTE,
        memory_per_byte: 256,
    },
    Target {
        name: "pipeline",
        holds: "a pipeline is one URI, and that is shown as a pipeline which is the same URI",
        run: kernel::run_pipeline,
        words: kernel::PIPELINE_WORDS,
        input_bytes_max: 2048,
        // Each level of nesting escapes the ones inside once more.
        memory_floor: 16 * MEBIBYTE,
        memory_per_byte: 16 << 10,
    },
    Target {
        name: "grammar",
        holds: "a grammar builds what it parses, and no URI fits two that are said not to overlap",
        run: kernel::run_grammar,
        words: kernel::GRAMMAR_WORDS,
        input_bytes_max: 512,
        // Overlaps are searched for over pairs of places in both patterns.
        memory_floor: 64 * MEBIBYTE,
        memory_per_byte: 64 << 10,
    },
    Target {
        name: "graph-image",
        holds: "an image of a graph is refused, or is the one image of what was loaded",
        run: kernel::run_image,
        words: kernel::IMAGE_WORDS,
        input_bytes_max: 2048,
        memory_floor: MEBIBYTE,
        memory_per_byte: 256,
    },
    Target {
        name: "dhall-text",
        holds: "a text of Dhall means the same when printed, formatted, evaluated and read again",
        run: dhall::run_text,
        words: dhall::TEXT_WORDS,
        input_bytes_max: 2048,
        // Evaluation is bounded by its own limit, of which values in memory are a small multiple.
        memory_floor: 64 * MEBIBYTE,
        memory_per_byte: 16 << 10,
    },
    Target {
        name: "dhall-binary",
        holds: "an expression that is decoded encodes to bytes that decode to it, in a cache, too",
        run: dhall::run_binary,
        words: dhall::BINARY_WORDS,
        input_bytes_max: 2048,
        memory_floor: 64 * MEBIBYTE,
        memory_per_byte: 16 << 10,
    },
    Target {
        name: "dhall-typed",
        holds: "a term keeps its type and its hash through normalizing, formatting and encoding",
        run: dhall::run_typed,
        words: &[],
        input_bytes_max: 256,
        memory_floor: 512 * MEBIBYTE,
        memory_per_byte: 1 << 20,
    },
    Target {
        name: "trust",
        holds: "what somebody signed is taken whole and encodes to the same bytes, or is refused",
        run: trust::run,
        words: trust::WORDS,
        input_bytes_max: 4096,
        memory_floor: 4 * MEBIBYTE,
        memory_per_byte: 64,
    },
    Target {
        name: "kept-names",
        holds: "who speaks for a domain, and what a name meant, are written back as they were",
        run: trust::run_names,
        words: trust::NAMES_WORDS,
        input_bytes_max: 4096,
        memory_floor: 4 * MEBIBYTE,
        memory_per_byte: 64,
    },
    Target {
        name: "foreign-ssh",
        holds: "an SSH signature or certificate that is decoded encodes to the same bytes",
        run: foreign::run_ssh,
        words: foreign::SSH_WORDS,
        input_bytes_max: 4096,
        memory_floor: 4 * MEBIBYTE,
        memory_per_byte: 256,
    },
    Target {
        name: "foreign-text",
        holds: "a key or signature file that is read, written and read again is the same",
        run: foreign::run_texts,
        words: foreign::TEXT_WORDS,
        input_bytes_max: 4096,
        memory_floor: 4 * MEBIBYTE,
        memory_per_byte: 256,
    },
    Target {
        name: "foreign-dsse",
        holds: "an envelope or statement that is read, written and read again is the same",
        run: foreign::run_dsse,
        words: foreign::JSON_WORDS,
        input_bytes_max: 8192,
        memory_floor: 4 * MEBIBYTE,
        memory_per_byte: 256,
    },
    Target {
        name: "agent",
        holds: "no message makes an agent answer with its key, and each that is read can be written",
        run: foreign::run_agent,
        words: foreign::AGENT_WORDS,
        input_bytes_max: 2048,
        memory_floor: 4 * MEBIBYTE,
        memory_per_byte: 256,
    },
];
