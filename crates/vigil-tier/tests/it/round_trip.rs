//! Arenas and blobs go to a tier and come back.

use std::sync::Arc;

use vigil_base::Vcid;
use vigil_store::ArenaState;
use vigil_tier::{PushError, PushOptions, Sent, Tier, Tiers};

use crate::server::{BUCKET, Server};
use crate::world::{Site, chain, open_tier};

const MOVE: PushOptions<'_> = PushOptions { keep: false, read_back: false, progress: &|_| {} };

fn push_all(site: &Site, tier: &Tier, options: &PushOptions<'_>) {
    for number in &site.arenas {
        tier.push_arena(&site.store, *number, options).expect("a push");
    }
}

/// Every object of a plain tier hashes to its key: `sha256sum` needs no Vigil.
fn check_names(server: &Server) {
    let names = server.tier_objects("cas");
    assert!(!names.is_empty());
    for name in names {
        let bytes = std::fs::read(server.tier_object(&format!("cas/{name}"))).expect("an object");
        assert_eq!(Vcid::of(&bytes).to_hex(), name);
    }
}

#[test]
fn arenas_move_away_and_come_back() {
    let server = Server::start();
    let mut site = Site::full(1);
    let tier = server.tier();
    let status = tier.status(&site.store).expect("a status");
    assert!(status.arenas.iter().all(|arena| arena.is_here() && !arena.is_there));
    let total = status.here_bytes;
    assert!(total > 19_000_000 && status.both_bytes + status.there_bytes == 0);

    let keep = PushOptions::default();
    let first = tier.push_arena(&site.store, site.arenas[0], &keep).expect("a push");
    assert_eq!((first.sent, first.moved, first.read_back), (Sent::New, false, false));
    assert_eq!(first.object, format!("cas/{}", first.vcid.to_hex()));
    push_all(&site, &tier, &keep);
    check_names(&server);
    let again = tier.push_arena(&site.store, site.arenas[0], &keep).expect("a push");
    assert_eq!(again, vigil_tier::Pushed { sent: Sent::Nothing, ..first });
    let status = tier.status(&site.store).expect("a status");
    assert_eq!((status.both_bytes, status.here_bytes, status.blobs), (total, 0, 0));

    push_all(&site, &tier, &MOVE);
    for number in &site.arenas {
        assert!(!site.arena_file(*number).exists());
    }
    site.reopen();
    let status = tier.status(&site.store).expect("a status");
    assert_eq!((status.there_bytes, status.both_bytes, status.here_bytes), (total, 0, 0));
    assert!(status.arenas.iter().all(vigil_tier::ArenaPlace::is_moved));
    let last = &site.blobs.last().expect("a blob").0;
    let error = site.store.read(*last).expect_err("there is no tier to read from");
    assert!(chain(&error).contains("has been moved to a tier"), "{}", chain(&error));
    site.store.attach_remote(Arc::new(tier.clone()));
    site.check(&site.store);
    let error = tier.push_arena(&site.store, first_number(&site), &MOVE).expect_err("it is gone");
    assert!(matches!(error, PushError::Moved { .. }), "{error}");

    let listing = tier.list().expect("a listing");
    let pulled = tier.pull_arenas(&site.store, &listing.entries, &|_| {}).expect("a pull");
    assert_eq!((pulled.bytes, pulled.present), (total, 0));
    site.reopen();
    site.check(&site.store);
    let states: Vec<_> =
        site.store.arenas().expect("arenas").into_iter().map(|info| info.state).collect();
    assert!(states.iter().all(|state| *state == ArenaState::Sealed), "{states:?}");
}

fn first_number(site: &Site) -> u32 {
    site.arenas[0]
}

#[test]
fn a_fresh_machine_finds_and_pulls_arenas() {
    let server = Server::start();
    let site = Site::full(2);
    push_all(&site, &server.tier(), &PushOptions::default());
    let fresh = Site::empty(3);
    let tier = server.tier();
    let listing = tier.list().expect("a listing");
    assert_eq!(listing.entries.len(), site.arenas.len());
    assert!(listing.complaints.is_empty() && listing.locked == 0);
    for (entry, info) in listing.entries.iter().zip(site.store.arenas().expect("arenas")) {
        assert_eq!((entry.site, entry.serial), (info.site, info.serial));
        assert_eq!((Some(entry.items), Some(entry.root)), (info.items, info.root));
        assert!(entry.bytes == info.bytes && entry.class == info.class && !entry.encrypted);
    }
    let moved = std::cell::Cell::new(0);
    let count = |bytes| moved.set(moved.get() + bytes);
    let pulled = tier.pull_arenas(&fresh.store, &listing.entries, &count).expect("a pull");
    assert_eq!(moved.get(), pulled.bytes);
    site.check(&fresh.store);
    let again = tier.pull_arenas(&fresh.store, &listing.entries, &|_| {}).expect("a pull");
    assert_eq!((again.bytes, again.present), (0, site.arenas.len() as u64));
    assert_eq!(again.numbers, pulled.numbers);
}

#[test]
fn single_blobs_go_and_come() {
    let server = Server::start();
    let site = Site::full(4);
    let tier = server.tier();
    for (vcid, bytes) in &site.blobs {
        let pushed = tier.push_blob(&site.store, *vcid, &MOVE).expect("a push");
        assert!(!pushed.moved && pushed.sent == Sent::New && pushed.read_back);
        let object = std::fs::read(server.tier_object(&format!("cas/{}", vcid.to_hex())));
        assert!(object.expect("an object") == *bytes);
    }
    site.check(&site.store);
    let status = tier.status(&site.store).expect("a status");
    assert_eq!(status.blobs, site.blobs.len() as u64);
    let fresh = Site::empty(5);
    for (vcid, bytes) in &site.blobs {
        let len = tier.pull_blob(&fresh.store, *vcid, &|_| {}).expect("a pull");
        assert_eq!(len, bytes.len() as u64);
    }
    site.check(&fresh.store);
    let error = tier.pull_blob(&fresh.store, Vcid::of(b"unknown"), &|_| {});
    let error = error.expect_err("nobody has it").to_string();
    assert!(error.contains("there is no object `cas/"), "{error}");
}

/// Small reads of a moved arena are few requests: blocks are kept, and fetched ahead.
#[test]
fn ranges_cost_few_requests() {
    let server = Server::start();
    let mut site = Site::full(6);
    push_all(&site, &server.tier(), &MOVE);
    site.reopen();
    site.store.attach_remote(Arc::new(Tiers(vec![server.tier()])));
    let (vcid, bytes) = site.blobs.last().expect("a blob").clone();
    let blob = site.store.find(vcid).expect("it is known");
    let before = server.seen();
    let mut range = vec![0; 4096];
    site.store.read_range(&blob, 5_000_000, &mut range).expect("a range");
    assert!(range == bytes[5_000_000..5_004_096]);
    let cost = server.seen() - before;
    assert!(cost <= 4, "{cost} requests for 4 KiB");
    let before = server.seen();
    site.store.read_range(&blob, 5_000_100, &mut range).expect("a range");
    assert_eq!(server.seen(), before, "what was read is kept");
}

#[test]
fn a_folder_is_a_tier_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let address = format!("file://{}", folder.path().display());
    let site = Site::full(7);
    let tier = open_tier(&address, None, None).expect("a tier");
    push_all(&site, &tier, &MOVE);
    let fresh = Site::empty(8);
    let entries = tier.list().expect("a listing").entries;
    tier.pull_arenas(&fresh.store, &entries, &|_| {}).expect("a pull");
    site.check(&fresh.store);
    let absent = open_tier(&format!("{address}/absent"), None, None);
    let error = absent.err().expect("there is no such folder").to_string();
    assert!(error.contains("make the folder, or mount the disk"), "{error}");
}

/// A copied store goes on under the same site id, so that its next arena has a number that the
/// other one's has too. Neither may take the other's place.
#[test]
fn a_copied_store_does_not_overwrite() {
    let server = Server::start();
    let tier = server.tier();
    let first = Site::with(9, &[5000]);
    let mut second = Site::empty(9);
    let writer = second.store.writer().expect("a writer");
    writer.put(b"other bytes").expect("a put");
    second.arenas = writer.seal().expect("a seal");
    assert_eq!(first.store.site(), second.store.site(), "the seeds are the same");
    push_all(&first, &tier, &PushOptions::default());
    let error = tier.push_arena(&second.store, second.arenas[0], &MOVE).expect_err("a conflict");
    assert!(matches!(error, PushError::Conflict { .. }), "{error}");
    assert!(second.arena_file(second.arenas[0]).exists());
    let fresh = Site::empty(10);
    let entries = tier.list().expect("a listing").entries;
    tier.pull_arenas(&fresh.store, &entries, &|_| {}).expect("a pull");
    first.check(&fresh.store);
}

#[test]
fn open_arenas_and_strangers_are_refused() {
    let server = Server::start();
    let site = Site::empty(11);
    let writer = site.store.writer().expect("a writer");
    writer.put(b"some bytes").expect("a put");
    writer.finish().expect("a commit");
    let tier = server.tier();
    let number = site.store.arenas().expect("arenas")[0].number;
    let error = tier.push_arena(&site.store, number, &MOVE).expect_err("it may grow");
    assert!(matches!(error, PushError::NotSealed { .. }), "{error}");

    let nothing = |_: &str| None;
    let mut options = vigil_tier::TierOptions::new(&nothing, Arc::new(NoRandomness));
    options.endpoint = Some(server.endpoint());
    options.access = vigil_tier::Access::Keys {
        id: crate::server::KEY_ID.into(),
        secret: "guessed".into(),
        token: None,
    };
    let address = vigil_tier::Address::parse(&format!("s3://{BUCKET}")).expect("an address");
    let stranger = Tier::open(&address, &options).expect("nothing is asked yet");
    let error = stranger.probe().expect_err("the key is wrong").to_string();
    assert!(error.contains("not allowed to list `arenas`"), "{error}");
    tier.probe().expect("the right key");
}

struct NoRandomness;

impl vigil_base::world::Randomness for NoRandomness {
    fn fill(&self, _: &mut [u8]) -> Result<(), vigil_base::world::RandomnessError> {
        Err(vigil_base::world::RandomnessError { reason: "none is needed".into() })
    }
}
