//! Objects that were altered, cut, swapped or removed in the bucket are refused, each with its own
//! words, and pushing again mends them.

use std::path::Path;

use vigil_tier::{PushOptions, Secret, Sent, Tier};

use crate::server::Server;
use crate::world::{Site, chain, key_file};

/// What is done to an object, given another object of the same folder.
type Deed = fn(&Path, &Path);

fn flip(at: usize) -> impl Fn(&Path, &Path) {
    move |object, _| {
        let mut bytes = std::fs::read(object).expect("an object");
        bytes[at] ^= 1;
        std::fs::write(object, bytes).expect("a write");
    }
}

fn cut(object: &Path, _: &Path) {
    let bytes = std::fs::read(object).expect("an object");
    std::fs::write(object, &bytes[..bytes.len() - 1]).expect("a write");
}

fn empty(object: &Path, _: &Path) {
    std::fs::write(object, b"").expect("a write");
}

fn swap(object: &Path, other: &Path) {
    std::fs::copy(other, object).expect("a copy");
}

fn remove(object: &Path, _: &Path) {
    std::fs::remove_file(object).expect("a removal");
}

/// Pushes two sites, does the deed to the first's arena, and looks at what pulling it says.
#[track_caller]
fn check(secret: Option<Secret>, deed: impl Fn(&Path, &Path), want: &str) {
    let server = Server::start();
    let tier = server.tier_with(secret).expect("a tier");
    let (first, second) = (Site::with(40, &[100_000, 70_000]), Site::with(41, &[100_000, 70_000]));
    let keep = PushOptions::default();
    let push = |tier: &Tier, site: &Site, options: &PushOptions<'_>| {
        tier.push_arena(&site.store, site.arenas[0], options).expect("a push")
    };
    let objects = [push(&tier, &first, &keep), push(&tier, &second, &keep)];
    let [object, other] = objects.map(|pushed| server.tier_object(&pushed.object));
    deed(&object, &other);

    let entries = tier.list().expect("a listing").entries;
    let entry = entries.into_iter().find(|entry| entry.site == first.store.site());
    let entry = entry.expect("the record is there all the same");
    let fresh = Site::empty(42);
    let error = tier.pull_arenas(&fresh.store, &[entry], &|_| {}).expect_err("it is not the arena");
    assert!(chain(&error).contains(want), "{}", chain(&error));
    assert_eq!(fresh.store.arenas().expect("arenas").len(), 0, "nothing was taken");
    assert!(fresh.store.find(first.blobs[0].0).is_err());

    // Nothing goes here before it is there: moving sends it again.
    let moving = PushOptions { keep: false, ..keep };
    let pushed = push(&tier, &first, &moving);
    assert_ne!(pushed.sent, Sent::Nothing);
    assert!(pushed.moved);
    let entries = tier.list().expect("a listing").entries;
    tier.pull_arenas(&fresh.store, &entries, &|_| {}).expect("a pull");
    first.check(&fresh.store);
}

#[test]
fn plain_objects() {
    let deeds: [(Deed, &str); 4] = [
        (cut, "do not hash to its name"),
        (empty, "do not hash to its name"),
        (swap, "do not hash to its name"),
        (remove, "there is no object"),
    ];
    for (deed, want) in deeds {
        check(None, deed, want);
    }
    check(None, flip(50_000), "do not hash to its name");
}

#[test]
fn encrypted_objects() {
    let deeds: [(Deed, &str); 4] = [
        (cut, "it was cut or replaced"),
        (empty, "it was cut or replaced"),
        (swap, "holds another object"),
        (remove, "there is no object"),
    ];
    for (deed, want) in deeds {
        check(Some(key_file(1)), deed, want);
    }
    check(Some(key_file(1)), flip(3), "is not an encrypted object");
    check(Some(key_file(1)), flip(70), "encrypted with another key");
    check(Some(key_file(1)), flip(150), "was altered near byte 0");
    check(Some(key_file(1)), flip(70_000), "was altered near byte 65744");
}

/// A record that is wrong is a complaint; the others are found.
#[test]
fn listing_records() {
    for secret in [None, Some(key_file(1))] {
        let server = Server::start();
        let folder = if secret.is_some() { "enc/arenas" } else { "arenas" };
        let tier = server.tier_with(secret).expect("a tier");
        let sites = [Site::with(43, &[1000]), Site::with(44, &[1000]), Site::with(45, &[1000])];
        for site in &sites {
            tier.push_arena(&site.store, site.arenas[0], &PushOptions::default()).expect("a push");
        }
        let names = server.tier_objects(folder);
        let [first, second, _] = &names[..] else { panic!("{names:?}") };
        let path = |name: &str| server.tier_object(&format!("{folder}/{name}"));
        std::fs::copy(path(second), path(first)).expect("a copy");
        std::fs::write(path(second), vec![b'['; 20_000]).expect("a write");
        std::fs::write(path("stray"), b"{}").expect("a write");
        let listing = tier.list().expect("a listing");
        assert_eq!((listing.entries.len(), listing.complaints.len()), (1, 3));
        // Pushing writes the records anew.
        for site in &sites {
            tier.push_arena(&site.store, site.arenas[0], &PushOptions::default()).expect("a push");
        }
        assert_eq!(tier.list().expect("a listing").entries.len(), 3);
    }
}

#[test]
fn single_blobs() {
    let server = Server::start();
    let tier = server.tier();
    let site = Site::with(46, &[5000, 9_000_000]);
    let fresh = Site::empty(47);
    for (vcid, _) in &site.blobs {
        let pushed = tier.push_blob(&site.store, *vcid, &PushOptions::default()).expect("a push");
        let object = server.tier_object(&pushed.object);
        flip(3000)(&object, &object);
        let error = tier.pull_blob(&fresh.store, *vcid, &|_| {}).expect_err("it was altered");
        assert!(error.to_string().contains("do not hash to its name"), "{error}");
        assert!(fresh.store.find(*vcid).is_err());
        let keep = PushOptions { read_back: true, ..PushOptions::default() };
        let pushed = tier.push_blob(&site.store, *vcid, &keep).expect("a push");
        assert_eq!(pushed.sent, Sent::Again);
        tier.pull_blob(&fresh.store, *vcid, &|_| {}).expect("a pull");
    }
    site.check(&fresh.store);
}
