use expect_test::expect;
use proptest::prelude::*;
use vigil_base::cbor::Encoder;
use vigil_base::{Entry, EntryKind, EntryName, References as _, Tree, TreeReferences, Vcid};

fn entry(name: &[u8], kind: EntryKind) -> Entry {
    Entry { name: EntryName::new(name).expect("a name"), kind, vcid: Vcid::of(name) }
}

#[test]
fn order_does_not_show() {
    let a = entry(b"a", EntryKind::File);
    let b = entry(b"b\xff", EntryKind::Tree);
    let one = Tree::new(vec![a.clone(), b.clone()]).expect("two names");
    let two = Tree::new(vec![b, a.clone()]).expect("two names");
    assert_eq!(one.encode(), two.encode());
    let error = Tree::new(vec![a.clone(), a]).expect_err("one name twice");
    expect!["two entries are named a"].assert_eq(&error.to_string());
}

#[test]
fn the_empty_tree_has_known_bytes() {
    let bytes = Tree::default().encode();
    assert_eq!(bytes, b"\x82\x6cvigil.tree/1\x80");
    assert!(Tree::looks_like(&bytes));
    assert!(!Tree::looks_like(b"\x82\x6cvigil.tree/"));
}

/// Writes a record without the checks that `Tree::new` makes.
fn forged(entries: &[(&[u8], u64)]) -> Vec<u8> {
    let mut encoder = Encoder::record("vigil.tree/1", 2);
    encoder.array(entries.len());
    for (name, kind) in entries {
        encoder.array(3);
        encoder.bytes(name);
        encoder.unsigned(*kind);
        encoder.bytes(Vcid::of(name).as_bytes());
    }
    encoder.finish()
}

#[test]
fn forged_records_are_refused() {
    for name in [&b".."[..], b".", b"", b"a/b", b"a\0", &[b'x'; 256]] {
        let error = Tree::decode(&forged(&[(name, 0)])).expect_err("a bad name");
        expect!["the value is out of range at byte 15"].assert_eq(&error.to_string());
    }
    let error = Tree::decode(&forged(&[(b"b", 0), (b"a", 0)])).expect_err("wrong order");
    expect!["map keys are not in strictly rising order at byte 53"].assert_eq(&error.to_string());
    assert!(Tree::decode(&forged(&[(b"a", 0), (b"a", 0)])).is_err(), "one name twice");
    assert!(Tree::decode(&forged(&[(b"a", 4)])).is_err(), "an unknown kind");
    assert!(Tree::decode(b"\x82\x6cvigil.tree/2\x80").is_err(), "another tag");
    assert!(Tree::decode(b"\x82\x6cvigil.tree/1\x9b\x00\x00\x00\x01\x00\x00\x00\x00").is_err());
}

#[test]
fn references_say_what_to_follow() {
    let tree = Tree::new(vec![entry(b"f", EntryKind::File), entry(b"t", EntryKind::Tree)]);
    let mut found = Vec::new();
    TreeReferences
        .references(&tree.expect("two names").encode(), &mut |vcid, is_record| {
            found.push((vcid, is_record));
        })
        .expect("a tree");
    assert_eq!(found, [(Vcid::of(b"f"), false), (Vcid::of(b"t"), true)]);
}

proptest! {
    #[test]
    fn round_trips(names in prop::collection::btree_set("[^/\0.]{1,20}", 0..40)) {
        let entries = names.iter().map(|name| entry(name.as_bytes(), EntryKind::Executable)).collect();
        let tree = Tree::new(entries).expect("a set has no name twice");
        prop_assert_eq!(Tree::decode(&tree.encode()), Ok(tree));
    }

    /// What is accepted is canonical: encoding it again gives the same bytes.
    #[test]
    fn accepts_only_what_it_would_write(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = forged(&[(b"a", 0), (b"b", 3)]);
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(tree) = Tree::decode(&bytes) {
            prop_assert_eq!(tree.encode(), bytes);
        }
    }
}
