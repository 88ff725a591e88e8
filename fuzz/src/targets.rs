//! The targets: one function for each decoder, in one table.
//!
//! A target returns when the decoder did right, whether it took the input or refused it, and panics
//! when it did not. Where it can, it compares with a naive model that is easy to believe.
//!
//! Invariant: every decoder of bytes from outside has a row here.

mod cbor;
mod cbor_model;
mod faulty;
mod tree;
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
    /// How many bytes may be allocated for each byte of input, beyond a fixed floor.
    pub memory_per_byte: usize,
}

/// Finds a target by its name, the faulty ones included.
pub fn find(name: &str) -> Option<&'static Target> {
    TARGETS.iter().chain(faulty::TARGETS).find(|target| target.name == name)
}

/// Every target.
pub const TARGETS: &[Target] = &[
    Target {
        name: "cbor",
        holds: "exactly what a naive reader of the profile accepts is valid",
        run: cbor::run,
        words: cbor::WORDS,
        input_bytes_max: 4096,
        memory_per_byte: 16,
    },
    Target {
        name: "tree",
        holds: "a tree that is decoded encodes to the same bytes",
        run: tree::run,
        words: tree::WORDS,
        input_bytes_max: 8192,
        memory_per_byte: 32,
    },
    Target {
        name: "uri",
        holds: "a URI that is read, shown and read again is the same URI",
        run: uri::run,
        words: uri::WORDS,
        input_bytes_max: 20 << 10,
        memory_per_byte: 64,
    },
];
