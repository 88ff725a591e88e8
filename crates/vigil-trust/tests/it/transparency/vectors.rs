//! Values that others wrote down: RFC 6962's test tree, and the examples of the specifications.

use vigil_trust::log::{
    Checkpoint, Frontier, MemoryTree, Note, NoteKey, SignedCheckpoint, TileId, TileKind, TreeHash,
    TreeSize, root,
};

/// The eight entries of Certificate Transparency's reference tree.
const ENTRIES: [&[u8]; 8] = [
    b"",
    b"\x00",
    b"\x10",
    b"\x20\x21",
    b"\x30\x31",
    b"\x40\x41\x42\x43",
    b"\x50\x51\x52\x53\x54\x55\x56\x57",
    b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
];

/// Its roots, from one entry to eight.
const ROOTS: [&str; 8] = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];

fn hex(hash: TreeHash) -> String {
    hash.0.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn the_reference_tree_has_its_roots() {
    let (mut frontier, mut tree) = (Frontier::new(), MemoryTree::default());
    let empty = hex(frontier.root());
    assert_eq!(empty, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    for (entry, want) in ENTRIES.iter().zip(ROOTS) {
        frontier.push(TreeHash::of_leaf(entry));
        tree.push(TreeHash::of_leaf(entry));
        assert_eq!(hex(frontier.root()), want);
        let size = tree.size();
        assert_eq!(root(&mut tree, size).map(hex), Ok(want.to_owned()));
    }
}

#[test]
fn the_note_of_the_specification_verifies() {
    let key =
        NoteKey::parse("example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k")
            .expect("a key");
    let text = "This is an example message.\n\n\
        \u{2014} example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYj\
        OBH3mFXmRKuwHjG1Yu72IneyaQM=\n";
    let note = Note::parse(text.as_bytes()).expect("a note");
    assert_eq!(note.to_string(), text);
    assert_eq!(note.is_signed_by(&key), Ok(true));
    assert_eq!(key.to_string().len(), 69);
    let other = text.replace("example message", "Example message");
    let other = Note::parse(other.as_bytes()).expect("a note");
    assert!(other.is_signed_by(&key).is_err());
}

#[test]
fn the_checkpoint_of_the_specification_is_read() {
    let text = "example.com/behind-the-sofa\n20852163\n\
        CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n\
        \u{2014} example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhc\
        yv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n\
        \u{2014} witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJs\
        X3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==\n";
    let signed = SignedCheckpoint::parse(text.as_bytes()).expect("a checkpoint");
    assert_eq!(signed.to_string(), text);
    let Checkpoint { origin, size, extensions, .. } = signed.unverified();
    assert_eq!(origin.as_str(), "example.com/behind-the-sofa");
    assert_eq!((*size, extensions.len()), (TreeSize(20_852_163), 0));
    // The time in the witness's line, as the specification's own text gives it.
    let bytes = &signed.note().signatures()[1].bytes;
    assert_eq!(bytes[..8], 1_679_315_147u64.to_be_bytes());
}

#[test]
fn tiles_are_where_the_specification_says() {
    let id = |kind, index, width| TileId { kind, index, width }.path();
    assert_eq!(id(TileKind::Hashes(0), 1_234_067, 256), "tile/0/x001/x234/067");
    assert_eq!(id(TileKind::Hashes(1), 0, 17), "tile/1/000.p/17");
    assert_eq!(id(TileKind::Entries, 273, 112), "tile/entries/273.p/112");
    // "A tree of size 70,000 will be represented by 273 full level 0 tiles, …"
    let size = TreeSize(70_000);
    let width =
        |level, index| TileId::of_size(TileKind::Hashes(level), index, size).map(|id| id.width);
    assert_eq!((width(0, 272), width(0, 273), width(0, 274)), (Some(256), Some(112), None));
    assert_eq!((width(1, 0), width(1, 1), width(1, 2)), (Some(256), Some(17), None));
    assert_eq!((width(2, 0), width(2, 1), width(3, 0)), (Some(1), None, None));
    // "A tree of size 256 will be represented by a full level 0 tile and a partial level 1 tile."
    let of = |level| TileId::of_size(TileKind::Hashes(level), 0, TreeSize(256)).map(|id| id.width);
    assert_eq!((of(0), of(1), of(2)), (Some(256), Some(1), None));
}
