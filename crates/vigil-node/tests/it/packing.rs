//! gzip and zstd, both ways, beside the programs of that name.

use std::io::Write as _;
use std::process::{Command, Stdio};

use crate::support::Place;

fn noise(len: usize) -> Vec<u8> {
    let mut state: u32 = 1;
    let next = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..len).map(next).collect()
}

#[test]
fn there_and_back() {
    let place = Place::new();
    for (name, bytes) in
        [("none", Vec::new()), ("some", b"some\n".to_vec()), ("much", noise(3 << 20))]
    {
        place.write(name, &bytes);
        for way in ["gzip | gunzip", "gzip 9 | gunzip", "zstd | unzstd", "zstd level=19 | unzstd"] {
            assert_eq!(place.bytes(&format!("file:{name} | {way}")), bytes, "{name} {way}");
        }
    }
    assert_eq!(place.bytes("file:much | gzip"), place.bytes("file:much | gzip"));
}

/// `gzip` is part of every system that a test runs on.
#[test]
fn gzip_agrees() {
    let place = Place::new();
    place.write("a", "hello\n".repeat(1000));
    let packed = place.bytes("file:a | gzip");
    let mut child = Command::new("gzip")
        .arg("-dc")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("gzip runs");
    child.stdin.take().expect("a pipe").write_all(&packed).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success());
    assert_eq!(output.stdout, "hello\n".repeat(1000).into_bytes());
    // Several members in one file are one text (RFC 1952 §2.2).
    place.write("two.gz", [packed.clone(), packed].concat());
    assert_eq!(place.bytes("file:two.gz | gunzip | count"), b"2000\n");
}

#[test]
fn bombs_end_at_their_bound() {
    let place = Place::new();
    let file = std::fs::File::create(place.files().join("zeros")).expect("the test is right");
    file.set_len(64 << 20).expect("the test is right");
    for (pack, unpack) in [("gzip", "gunzip"), ("zstd", "unzstd")] {
        let refusal = place.refusal(&format!("file:zeros | {pack} | {unpack} max=1MiB"));
        let want = format!("cannot be unpacked with {pack}: more than 1048576 bytes come out");
        assert!(refusal.starts_with("Misuse: ") && refusal.contains(&want), "{refusal}");
        let fits = format!("file:zeros | {pack} | {unpack} max=64MiB | count what=bytes");
        assert_eq!(place.bytes(&fits), b"67108864\n");
    }
    let refusal = place.refusal("file:zeros | gunzip max=lots");
    assert_eq!(refusal, "Misuse: `max` is a size such as 10GiB, and `lots` is none");
}

#[test]
fn what_is_damaged_is_refused() {
    let place = Place::new();
    place.write("plain", "plain\n");
    for way in ["gunzip", "unzstd"] {
        assert!(place.refusal(&format!("file:plain | {way}")).starts_with("Misuse: "), "{way}");
    }
    for way in ["gzip", "zstd"] {
        let packed = place.bytes(&format!("file:plain | {way}"));
        place.write("cut", &packed[..packed.len() - 3]);
        let refusal =
            place.refusal(&format!("file:cut | un{}", if way == "gzip" { "zip" } else { way }));
        assert!(refusal.starts_with("Misuse: "), "{refusal}");
        let mut bent = packed.clone();
        let middle = bent.len() / 2;
        bent[middle] ^= 1;
        place.write("bent", &bent);
        let unpack = if way == "gzip" { "gunzip" } else { "unzstd" };
        assert!(place.refusal(&format!("file:cut | {unpack}")).starts_with("Misuse: "), "{way}");
    }
}
