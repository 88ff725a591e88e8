//! What a tier gives back: listing records, encrypted objects, and the profile files that say who may
//! ask it. The tier is a folder, so that nothing here needs a network.
//!
//! Invariants:
//! - what is wrong with one object costs that object, never the rest;
//! - an altered object gives an error, never other bytes.

use super::store::{options, world};
use crate::corpus;
use crate::script::Script;
use crate::world::{CountedBytes, MemoryDisk};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use vigil_base::Vcid;
use vigil_store::Store;
use vigil_tier::{Address, OpenTierError, PushOptions, Secret, Tier, TierOptions};

/// Fields of listing records.
pub const LISTING_WORDS: &[&[u8]] = &[
    b"{\"type\": \"vigil.tier.arena/1\", ",
    b"\"site\": \"abababababababababababababababab\", ",
    b"\"serial\": 7, ",
    b"\"class\": \"shared\"",
    b"\"created\": -1",
    b"\"vcid\": \"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\"",
    b"\"bytes\": 18446744073709551615",
    b"\"encrypted\": true",
    b"\\u0000",
    b"1e999",
    b"[[[[[[[[",
];

/// Edits: which object, what to do, where.
pub const SEALED_WORDS: &[&[u8]] =
    &[b"\x00\x00", b"\x01\x01", b"\x02\x02", b"\x03\x03", b"\x04", b"vigilenc\x01\0\0\0\xc0\0\0\0"];

/// Sections, keys and what makes lines something else.
pub const PROFILE_WORDS: &[&[u8]] = &[
    b"[default]\n",
    b"[profile x]\n",
    b"[services s]\n",
    b"aws_access_key_id = a\n",
    b"aws_secret_access_key = b\n",
    b"region = r\n",
    b"services = s\n",
    b"s3 =\n  endpoint_url = http://127.0.0.1:9\n",
    b"role_arn = x\n",
    b" # ",
    b"\t;",
    b"[",
    b"=",
    b"\r\n",
];

/// Where the tier of a target lies.
fn folder(target: &str) -> PathBuf {
    corpus::artifacts(target).join("tier")
}

fn tier_at(folder: &Path, secret: Option<Secret>) -> Result<Tier, OpenTierError> {
    let nothing = |_: &str| None;
    let mut options = TierOptions::new(&nothing, Arc::new(CountedBytes::default()));
    options.secret = secret;
    let address = Address::parse(&format!("file://{}", folder.display())).expect("a folder");
    Tier::open(&address, &options)
}

/// Checks one input as a listing record.
pub fn run_listing(input: &[u8]) {
    const NAME: &str = "abababababababababababababababab-7.json";
    static TIER: OnceLock<(Tier, PathBuf)> = OnceLock::new();
    let (tier, record) = TIER.get_or_init(|| {
        let folder = folder("listing");
        std::fs::create_dir_all(folder.join("arenas")).expect("the fuzzer may write there");
        let tier = tier_at(&folder, None).expect("the folder is there");
        (tier, folder.join("arenas").join(NAME))
    });
    std::fs::write(record, input).expect("the fuzzer may write there");
    let listing = tier.list().expect("the folder is there");
    assert_eq!(listing.entries.len() + listing.complaints.len(), 1, "{listing:?}");
    for entry in &listing.entries {
        assert_eq!((entry.site.0, entry.serial), ([0xab; 16], 7), "it lies under another's name");
        assert!(input.len() <= 16 << 10);
    }
    for complaint in &listing.complaints {
        let shown = complaint.to_string();
        assert!(shown.len() < 2000, "the complaint repeats too much: {} bytes", shown.len());
    }
}

/// A tier with encrypted blobs, as it was written.
struct Sealed {
    folder: PathBuf,
    blobs: Vec<(Vcid, Vec<u8>)>,
    objects: Vec<(PathBuf, Vec<u8>)>,
}

fn secret() -> Secret {
    Secret::from_key_file(&[3; 32]).expect("32 bytes")
}

fn seal() -> Sealed {
    let folder = folder("sealed");
    if folder.exists() {
        std::fs::remove_dir_all(&folder).expect("the folder is ours");
    }
    std::fs::create_dir_all(&folder).expect("the fuzzer may write there");
    let tier = tier_at(&folder, Some(secret())).expect("the folder is there");
    let store = Store::open(world(MemoryDisk::default()), options()).expect("a fresh store opens");
    let writer = store.writer().expect("a fresh store can be written");
    let contents = [Vec::new(), b"a few bytes".to_vec(), vec![9; 70_000]];
    let mut blobs = Vec::new();
    for bytes in contents {
        blobs.push((writer.put(&bytes).expect("there is room"), bytes));
    }
    writer.finish().expect("there is room");
    for (vcid, _) in &blobs {
        tier.push_blob(&store, *vcid, &PushOptions::default()).expect("the folder is there");
    }
    let mut objects = Vec::new();
    let mut folders = vec![folder.clone()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(&next).expect("the folder is there") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let bytes = std::fs::read(&path).expect("an object");
                objects.push((path, bytes));
            }
        }
    }
    objects.sort();
    Sealed { folder, blobs, objects }
}

/// Checks one input as what somebody has done to an encrypted tier.
pub fn run_sealed(input: &[u8]) {
    static SEALED: OnceLock<Sealed> = OnceLock::new();
    let sealed = SEALED.get_or_init(seal);
    let mut altered = sealed.objects.clone();
    let mut script = Script::new(input);
    while !script.is_empty() {
        edit(&mut altered, &mut script);
    }
    for (path, bytes) in &altered {
        std::fs::write(path, bytes).expect("the fuzzer may write there");
    }
    // A key record that says something else is an error, and nothing more can be asked.
    if let Ok(tier) = tier_at(&sealed.folder, Some(secret())) {
        let listing = tier.list().expect("the folder is there");
        assert!(listing.entries.is_empty(), "nothing was listed there: {listing:?}");
        let fresh = Store::open(world(MemoryDisk::default()), options());
        let fresh = fresh.expect("a fresh store opens");
        for (vcid, want) in &sealed.blobs {
            let pulled = tier.pull_blob(&fresh, *vcid, &|_| {});
            match fresh.read(*vcid) {
                Ok(bytes) => assert!(pulled.is_ok() && bytes == *want, "wrong bytes for {vcid}"),
                Err(error) => assert!(pulled.is_err(), "{vcid} was pulled, but: {error:?}"),
            }
        }
    }
}

fn edit(objects: &mut [(PathBuf, Vec<u8>)], script: &mut Script<'_>) {
    let which = script.byte() as usize % objects.len();
    let what = script.byte() % 6;
    let at = script.number(3) as usize;
    let other = objects[at % objects.len()].1.clone();
    let bytes = &mut objects[which].1;
    let at = at % bytes.len().max(1);
    match what {
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
        3 => {
            let end = (at + usize::from(script.byte())).min(bytes.len());
            bytes[at..end].fill(0);
        }
        4 => *bytes = other,
        _ => *bytes = script.take(300).to_vec(),
    }
}

/// Checks one input as both profile files.
pub fn run_profile(input: &[u8]) {
    let folder = folder("profile");
    std::fs::create_dir_all(&folder).expect("the fuzzer may write there");
    let file = folder.join("config");
    std::fs::write(&file, input).expect("the fuzzer may write there");
    let path = file.display().to_string();
    for profile in [None, Some("x".to_owned())] {
        let environment = |name: &str| match name {
            "AWS_CONFIG_FILE" | "AWS_SHARED_CREDENTIALS_FILE" => Some(path.clone()),
            _ => None,
        };
        let mut options = TierOptions::new(&environment, Arc::new(CountedBytes::default()));
        options.profile = profile;
        let address = Address::parse("s3://bucket/prefix").expect("an address");
        if let Err(error) = Tier::open(&address, &options) {
            let shown = error.to_string();
            assert!(shown.len() < input.len() + 1000, "the error repeats too much: {shown}");
        }
    }
}
