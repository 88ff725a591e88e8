//! Trees: decoding is strict, so what is accepted encodes to the very same bytes.
//!
//! Invariant: an accepted tree is canonical CBOR, looks like a tree, and is sorted.

use vigil_base::cbor::validate;
use vigil_base::{References, Tree, TreeReferences};

/// Pieces of entries, with names that no tree may hold.
pub const WORDS: &[&[u8]] = &[
    b"vigil.tree/1",
    b"\x82\x6cvigil.tree/1",
    b"\x83\x41a\x00\x58\x20",
    b"\x83\x41b\x03\x58\x20",
    b"\x41.",
    b"\x42..",
    b"\x41/",
    b"\x40",
    b"\x41\x00",
    b"\x98\xff",
];

/// Checks one input.
pub fn run(input: &[u8]) {
    let Ok(tree) = Tree::decode(input) else { return };
    assert_eq!(tree.encode(), input, "it was accepted but is not what the encoder writes");
    assert!(Tree::looks_like(input));
    assert_eq!(validate(input), Ok(()));
    let sorted = tree.entries().is_sorted_by(|one, other| one.name < other.name);
    assert!(sorted, "the names are not in strict order");
    for entry in tree.entries() {
        assert_eq!(tree.get(&entry.name), Some(entry));
        let name = entry.name.as_bytes();
        assert!(!name.is_empty() && name != b"." && name != b"..");
        assert!(!name.contains(&b'/') && !name.contains(&0));
    }
    let mut references = 0;
    let found = TreeReferences.references(input, &mut |_, _| references += 1);
    assert!(found.is_ok() && references <= tree.entries().len());
}
