//! What is encrypted comes back with its key, and tells nothing without.

use std::sync::Arc;

use vigil_tier::{ObjectError, OpenTierError, PullError, PushOptions, Secret, Sent};

use crate::server::Server;
use crate::world::{Site, key_file};

const MOVE: PushOptions<'_> = PushOptions { keep: false, read_back: false, progress: &|_| {} };

fn passphrase(text: &str) -> Secret {
    Secret::from_passphrase(text.as_bytes()).expect("not empty")
}

fn round_trip(seed: u64, secret: Secret) {
    let server = Server::start();
    let mut site = Site::full(seed);
    let tier = server.tier_with(Some(secret.clone())).expect("a tier");
    let single = site.blobs[0].0;
    assert_eq!(tier.push_blob(&site.store, single, &MOVE).expect("the empty blob").sent, Sent::New);
    let mut vcids = Vec::new();
    for number in &site.arenas {
        let pushed = tier.push_arena(&site.store, *number, &MOVE).expect("a push");
        assert!(pushed.moved && pushed.object.starts_with("enc/cas/"), "{pushed:?}");
        assert!(!pushed.object.contains(&pushed.vcid.to_hex()));
        vcids.push(pushed.vcid.to_hex());
    }
    check_nothing_told(&server, &site, &vcids);

    // Ranges of the moved arenas, by another process that has the secret.
    site.reopen();
    let tier = server.tier_with(Some(secret)).expect("a tier");
    site.store.attach_remote(Arc::new(tier.clone()));
    site.check(&site.store);

    let status = tier.status(&site.store).expect("a status");
    assert_eq!((status.blobs, status.here_bytes, status.both_bytes), (1, 0, 0));
    assert!(status.arenas.iter().all(|arena| arena.is_there && arena.is_moved()));
    let fresh = Site::empty(seed + 1);
    let listing = tier.list().expect("a listing");
    assert!(listing.entries.iter().all(|entry| entry.encrypted));
    tier.pull_arenas(&fresh.store, &listing.entries, &|_| {}).expect("a pull");
    site.check(&fresh.store);
    let fresh = Site::empty(seed + 2);
    tier.pull_blob(&fresh.store, single, &|_| {}).expect("a pull");
    assert!(fresh.store.read(single).expect("it was pulled").is_empty());
}

/// No object's name or bytes have the hash of an arena, or bytes of a blob.
fn check_nothing_told(server: &Server, site: &Site, vcids: &[String]) {
    assert!(server.tier_objects("cas").is_empty() && server.tier_objects("arenas").is_empty());
    let long: Vec<&[u8]> =
        site.blobs.iter().filter_map(|(_, bytes)| bytes.get(1000..1032)).collect();
    for folder in ["enc/cas", "enc/arenas"] {
        assert!(!server.tier_objects(folder).is_empty());
        for name in server.tier_objects(folder) {
            let object = std::fs::read(server.tier_object(&format!("{folder}/{name}")));
            let mut object = object.expect("an object");
            object.truncate(1 << 20);
            assert!(object.starts_with(b"vigilenc"));
            let has = |needle: &[u8]| object.windows(needle.len()).any(|window| window == needle);
            assert!(!vcids.iter().any(|vcid| name.contains(vcid) || has(vcid.as_bytes())));
            assert!(!has(b"shared") && !has(long[0]));
        }
    }
}

#[test]
fn with_a_key_file() {
    round_trip(20, key_file(1));
}

#[test]
fn with_a_passphrase() {
    round_trip(24, passphrase("correct horse battery staple\n"));
}

#[test]
fn without_the_right_secret_nothing_opens() {
    let server = Server::start();
    let site = Site::with(28, &[5000]);
    let tier = server.tier_with(Some(key_file(1))).expect("a tier");
    let pushed =
        tier.push_arena(&site.store, site.arenas[0], &PushOptions::default()).expect("a push");
    let refused = |secret| server.tier_with(Some(secret)).err().expect("another secret");
    assert!(matches!(refused(key_file(2)), OpenTierError::Object(ObjectError::WrongKey { .. })));
    let error = refused(passphrase("a phrase")).to_string();
    assert!(error.contains("encrypted with a key file") && error.contains("--encrypt-key-file"));

    let plain = server.tier();
    let listing = plain.list().expect("a listing");
    assert!(listing.entries.is_empty() && listing.locked == 1);
    let error = plain.pull_blob(&Site::empty(29).store, pushed.vcid, &|_| {});
    let error = error.expect_err("it is not there in the plain");
    assert!(matches!(error, PullError::Object(ObjectError::Absent { .. })), "{error}");

    let server = Server::start();
    let tier = server.tier_with(Some(passphrase("a phrase"))).expect("a tier");
    tier.push_arena(&site.store, site.arenas[0], &PushOptions::default()).expect("a push");
    let refused = |secret| server.tier_with(Some(secret)).err().expect("another secret");
    let error = refused(passphrase("another phrase")).to_string();
    assert!(error.contains("another key or passphrase"), "{error}");
    let error = refused(key_file(1)).to_string();
    assert!(error.contains("--passphrase-file"), "{error}");
}

/// Two machines that write a new tier at once agree on one salt: the first key record stays.
#[test]
fn two_machines_share_a_passphrase() {
    let server = Server::start();
    let secret = || Some(passphrase("one phrase"));
    let (first, second) = (server.tier_with(secret()), server.tier_with(secret()));
    let (first, second) = (first.expect("a tier"), second.expect("a tier"));
    let (here, there) = (Site::with(33, &[5000]), Site::with(34, &[6000]));
    first.push_arena(&here.store, here.arenas[0], &MOVE).expect("a push");
    second.push_arena(&there.store, there.arenas[0], &MOVE).expect("a push");
    assert_eq!(second.list().expect("a listing").entries.len(), 2);
    assert!(second.list().expect("a listing").complaints.is_empty());
}

/// One tier may have both kinds; with the secret, both are found.
#[test]
fn plain_and_encrypted_arenas_live_side_by_side() {
    let server = Server::start();
    let (plain, secret) = (Site::with(35, &[5000]), Site::with(36, &[6000]));
    let keep = PushOptions::default();
    server.tier().push_arena(&plain.store, plain.arenas[0], &keep).expect("a push");
    let tier = server.tier_with(Some(key_file(3))).expect("a tier");
    tier.push_arena(&secret.store, secret.arenas[0], &keep).expect("a push");
    let listing = tier.list().expect("a listing");
    let fresh = Site::empty(37);
    tier.pull_arenas(&fresh.store, &listing.entries, &|_| {}).expect("a pull");
    plain.check(&fresh.store);
    secret.check(&fresh.store);
}
