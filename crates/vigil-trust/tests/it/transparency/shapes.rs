//! Texts and bytes that are nearly what they should be.

use vigil_trust::log::{
    AddCheckpoint, Checkpoint, CosignedAt, Ed25519Kind, FraudProof, Inclusion, KeyName, LeafIndex,
    LogPolicy, LogReader, Note, NoteKey, NoteSigner, Origin, SignedCheckpoint, TileId, TileKind,
    TlogProof, TreeHash, TreeSize, cosign, decode_bundle, ml_dsa_44_message,
};

use super::world::{MemoryLog, ORIGIN, entry, log_signer, sign, signer};

#[test]
fn a_tile_has_one_path() {
    let round = |path: &str| TileId::parse(path).map(|id| id.path());
    for path in [
        "tile/0/000",
        "tile/63/999",
        "tile/entries/000.p/1",
        "tile/0/x001/x234/067.p/255",
        "tile/0/x018/x446/x744/x073/x709/x551/615",
    ] {
        assert_eq!(round(path).as_deref(), Ok(path));
    }
    for path in [
        "",
        "tile",
        "tile/0",
        "tile/0/",
        "tile/00/000",
        "tile/64/000",
        "tile/-1/000",
        "tile/0/0000",
        "tile/0/x000/001",
        "tile/0/001/002",
        "tile/0/x001",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/01",
        "tile/0/000.p/1/",
        "tile/0/../000",
        "tile/Entries/000",
        "/tile/0/000",
        "tile/0/x999/x999/x999/x999/x999/x999/999",
    ] {
        assert!(TileId::parse(path).is_err(), "{path}");
    }
    let last = TileId { kind: TileKind::Hashes(7), index: u64::MAX, width: 256 };
    assert_eq!(last.end(), None);
    assert!(!last.is_pruned(LeafIndex(u64::MAX)));
}

#[test]
fn a_bundle_holds_as_many_entries_as_its_path_says() {
    let id = TileId { kind: TileKind::Entries, index: 0, width: 2 };
    assert_eq!(decode_bundle(id, b"\0\x01a\0\x02bc"), Ok(vec![&b"a"[..], b"bc"]));
    let errors = [&b"\0\x01a\0\x02b"[..], b"\0\x01a", b"\0\x01a\0", b"", b"\0\x01a\0\x02bcd"];
    for bytes in errors {
        assert!(decode_bundle(id, bytes).is_err(), "{bytes:?}");
    }
}

#[test]
fn notes_are_strict() {
    let good = sign(TreeSize(0), TreeHash::of_empty_tree()).to_string();
    let parse = |text: &str| Note::parse(text.as_bytes()).map(|note| note.to_string());
    assert_eq!(parse(&good).as_deref(), Ok(good.as_str()));
    let line = good.lines().last().expect("a signature");
    let wrong = [
        good.trim_end().to_owned(),
        good.replace("\n\n", "\n"),
        good.replace('\u{2014}', "-"),
        good.replace(line, &format!("{line} more")),
        good.replace(line, ""),
        good.replace('\n', "\r\n"),
        good.replace("0\n", "0\t\n"),
        good.replace(line, line.trim_end_matches('=')),
        format!("{good}\n"),
    ];
    for text in wrong {
        assert!(parse(&text).is_err(), "{text:?}");
    }
    // An empty line may stand in a note's text, but not in a checkpoint's.
    let gap = good.replace("\n\n", "\n\n\n");
    assert!(parse(&gap).is_ok() && SignedCheckpoint::parse(gap.as_bytes()).is_err());
    assert!(Note::parse(b"\xff\n\n\xe2\x80\x94 a AAAAAAA=\n").is_err());
    let many = |count: usize| format!("text\n\n{}", format!("{line}\n").repeat(count));
    assert!(parse(&many(16)).is_ok() && parse(&many(100)).is_ok());
    assert!(parse(&many(101)).is_err());
    assert!(Note::sign("no line feed", &[&log_signer()]).is_err());
}

#[test]
fn keys_are_strict_and_have_one_text() {
    let log = log_signer();
    let text = log.key().to_string();
    assert_eq!(NoteKey::parse(&text).as_ref(), Ok(log.key()));
    let secret = log.to_secret_text();
    assert_eq!(NoteSigner::parse(&secret).expect("a key").key(), log.key());
    assert!(!format!("{log:?}").contains(secret.rsplit('+').next().expect("a part")));
    for text in [
        "",
        "a+b",
        "a+00000000+AQ==",
        &text.replacen("log.example", "log.exampla", 1),
        &text.replacen('+', " +", 1),
        &text[..text.len() - 4],
        "PRIVATE+KEY+a+b+c",
    ] {
        assert!(NoteKey::parse(text).is_err(), "{text}");
    }
    for name in ["", "a b", "a+b", "a\u{2003}b", "a\nb"] {
        assert!(KeyName::new(name).is_err(), "{name:?}");
    }
}

#[test]
fn checkpoints_are_strict() {
    let root = TreeHash::of_empty_tree();
    let good = format!("{ORIGIN}\n7\n{root}\n");
    let parse = |text: &str| Checkpoint::parse(text).map(|checkpoint| checkpoint.to_string());
    assert_eq!(parse(&good).as_deref(), Ok(good.as_str()));
    let extended = format!("{good}more about it\n");
    assert_eq!(parse(&extended).as_deref(), Ok(extended.as_str()));
    for text in [
        "".to_owned(),
        format!("{ORIGIN}\n7\n"),
        format!("\n7\n{root}\n"),
        good.replace("\n7\n", "\n07\n"),
        good.replace("\n7\n", "\n-7\n"),
        good.replace("\n7\n", "\n18446744073709551616\n"),
        good.replace('=', ""),
        format!("{good}\n"),
        good.trim_end().to_owned(),
    ] {
        assert!(parse(&text).is_err(), "{text:?}");
    }
    // What a witness signs begins so; a log of that name could be made to sign for one.
    assert!(Origin::new("cosignature/v1").is_err());
    assert!(Origin::new(&"o".repeat(256)).is_err());
}

#[test]
fn a_proof_file_is_read_back_and_nothing_near_it_is() {
    let mut log = MemoryLog::of(300);
    let signed = log.sign();
    let mut reader = LogReader::new(log, signed);
    let (bytes, mut proof) = reader.entry(LeafIndex(257)).expect("an entry");
    assert_eq!(bytes, entry(257));
    for extra in [None, Some(Vec::new()), Some(b"anything".to_vec())] {
        proof.extra = extra;
        let text = proof.to_string();
        assert_eq!(TlogProof::parse(text.as_bytes()).as_ref(), Ok(&proof));
    }
    proof.extra = None;
    let text = proof.to_string();
    assert_eq!(proof.inclusion(), Inclusion { index: LeafIndex(257), size: TreeSize(300) });
    for wrong in [
        text.replacen("v1", "v2", 1),
        text.replacen("index 257", "index 0257", 1),
        text.replacen("index 257\n", "", 1),
        text.replacen("index 257\n", "index 257\n\n", 1),
        text.replacen("index 257\n", "index 257\nextra YQ==\n", 1),
        text.replacen("index", "extra ?\nindex", 1),
        text.replacen(
            "index 257\n",
            &format!("index 257\n{}", format!("{}\n", TreeHash([1; 32])).repeat(64)),
            1,
        ),
    ] {
        assert!(TlogProof::parse(wrong.as_bytes()).is_err(), "{wrong}");
    }
}

#[test]
fn requests_are_strict() {
    let signed = sign(TreeSize(0), TreeHash::of_empty_tree());
    let good = format!("old 0\n{}\n\n{signed}", TreeHash([3; 32]));
    let read = AddCheckpoint::parse(good.as_bytes()).expect("a request");
    assert_eq!(read.to_string(), good);
    for wrong in [
        good.replacen("old 0", "old 00", 1),
        good.replacen("old 0", "old  0", 1),
        good.replacen("old 0", "new 0", 1),
        good.replacen("\n\n", "\n", 1),
        good.replacen("\n\n", "\nAAAA\n\n", 1),
        good.replacen(
            "old 0\n",
            &format!("old 0\n{}", format!("{}\n", TreeHash([1; 32])).repeat(63)),
            1,
        ),
    ] {
        assert!(AddCheckpoint::parse(wrong.as_bytes()).is_err(), "{wrong}");
    }
}

#[test]
fn the_message_of_ml_dsa_44_is_laid_out_as_the_specification_draws_it() {
    let signed = sign(TreeSize(5), TreeHash([9; 32]));
    let at = CosignedAt::from_seconds(1_679_315_147).expect("a time");
    let name = KeyName::new("w.example").expect("a name");
    let message = ml_dsa_44_message(&name, signed.unverified(), at).expect("a message");
    let origin = ORIGIN.len();
    assert_eq!(&message[..12], b"subtree/v1\n\0");
    assert_eq!(&message[12..22], b"\x09w.example");
    assert_eq!(message[22..30], 1_679_315_147u64.to_be_bytes());
    assert_eq!(usize::from(message[30]), origin);
    assert_eq!(&message[31..31 + origin], ORIGIN.as_bytes());
    let rest = &message[31 + origin..];
    assert_eq!((&rest[..8], &rest[8..16]), (&[0; 8][..], &5u64.to_be_bytes()[..]));
    assert_eq!(rest[16..], [9; 32]);
    let long = KeyName::new(&"n".repeat(256)).expect("a name");
    assert_eq!(ml_dsa_44_message(&long, signed.unverified(), at), None);
}

/// Cuts and flips of every format: nothing panics, and what is read is written back as it was.
#[test]
fn no_cut_and_no_flipped_bit_surprises_a_reader() {
    let mut log = MemoryLog::of(300);
    let mut signed = log.sign();
    let witness = signer("w.example/1", Ed25519Kind::Witness, 9);
    let at = CosignedAt::from_seconds(77).expect("a time");
    let line = cosign(&witness, signed.note().text(), at);
    signed.note_mut().add([line]);
    let mut other = MemoryLog::of(299);
    other.push(b"another");
    let keys = super::world::log_keys();
    let fraud = FraudProof::of_roots(&keys, [&signed, &other.sign()]).expect("a fraud");
    let (_, proof) = LogReader::new(log, signed.clone()).entry(LeafIndex(7)).expect("an entry");
    let policy = format!("log {}\nwitness w {}\nquorum w\n", keys.keys()[0], witness.key());
    type Read = fn(&[u8]) -> Option<Vec<u8>>;
    let (fraud, proof, signed) = (fraud.encode(), proof.to_string(), signed.to_string());
    let texts: [(&[u8], Read); 4] = [
        (&fraud, |bytes| FraudProof::decode(bytes).ok().map(|fraud| fraud.encode())),
        (proof.as_bytes(), |bytes| {
            TlogProof::parse(bytes).ok().map(|proof| proof.to_string().into_bytes())
        }),
        (signed.as_bytes(), |bytes| {
            SignedCheckpoint::parse(bytes).ok().map(|signed| signed.to_string().into_bytes())
        }),
        (policy.as_bytes(), |bytes| LogPolicy::parse(bytes).ok().map(|_| bytes.to_vec())),
    ];
    for (bytes, read) in texts {
        assert_eq!(read(bytes).as_deref(), Some(bytes));
        for cut in 0..bytes.len() {
            assert!(read(&bytes[..cut]).is_none_or(|again| again == bytes[..cut]), "{cut}");
        }
        for bit in 0..bytes.len() * 8 {
            let mut changed = bytes.to_vec();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(read(&changed).is_none_or(|again| again == changed), "bit {bit}");
        }
    }
}
