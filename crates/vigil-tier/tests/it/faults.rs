//! The server fails, at every request of a push; nothing is lost, and what passes is tried again.

use std::sync::Arc;

use vigil_tier::{ObjectError, PushError, PushOptions};

use crate::server::Server;
use crate::world::{Site, chain, key_file};

const MOVE: PushOptions<'_> = PushOptions { keep: false, read_back: false, progress: &|_| {} };

/// Pulls the plug before the n-th request of a move, for every n until the move succeeds.
#[test]
fn a_server_that_goes_away_loses_nothing() {
    let server = Server::start();
    for (round, secret) in [None, Some(key_file(1))].into_iter().enumerate() {
        let mut site = Site::with(50 + round as u64, &[5000, 9_000_000]);
        let largest = site.arenas.iter().copied().max_by_key(|number| {
            std::fs::metadata(site.arena_file(*number)).expect("an arena").len()
        });
        let number = largest.expect("there are arenas");
        let mut requests = 0;
        loop {
            server.plug_in();
            let tier = server.hasty_tier(secret.clone());
            server.pull_plug_after(requests);
            let result = tier.push_arena(&site.store, number, &MOVE);
            server.plug_in();
            match result {
                Ok(pushed) => {
                    assert!(pushed.moved);
                    break;
                }
                Err(PushError::Object(ObjectError::Unreachable { .. })) => {
                    assert!(site.arena_file(number).exists());
                    site.check(&site.store);
                }
                Err(PushError::Tier(error)) => {
                    assert!(chain(&error).contains("nothing was lost"), "{}", chain(&error));
                }
                Err(error) => panic!("{error}"),
            }
            requests += 1;
            assert!(requests < 40, "the push needs no more requests than that");
        }
        assert!(requests > 5, "{requests} requests");
        site.reopen();
        site.store.attach_remote(Arc::new(server.tier_with(secret).expect("a tier")));
        site.check(&site.store);
    }
}

#[test]
fn passing_faults_are_tried_again() {
    let server = Server::start();
    let tier = server.tier();
    let mut site = Site::full(53);
    for number in &site.arenas {
        server.be_busy(2);
        tier.push_arena(&site.store, *number, &MOVE).expect("a push");
    }
    site.reopen();
    site.store.attach_remote(Arc::new(tier.clone()));
    server.be_busy(2);
    site.check(&site.store);
    server.be_busy(2);
    assert_eq!(tier.list().expect("a listing").entries.len(), site.arenas.len());
}

#[test]
fn reading_says_which_object_and_goes_on_later() {
    let server = Server::start();
    let tier = server.tier();
    let mut site = Site::full(54);
    let mut vcids = Vec::new();
    for number in &site.arenas {
        vcids.push(tier.push_arena(&site.store, *number, &MOVE).expect("a push").vcid.to_hex());
    }
    site.reopen();
    site.store.attach_remote(Arc::new(tier.clone()));
    server.pull_plug_after(0);
    let (vcid, bytes) = site.blobs.last().expect("a blob");
    let error = chain(&site.store.read(*vcid).expect_err("nobody answers"));
    assert!(vcids.iter().any(|vcid| error.contains(&format!("cas/{vcid}"))), "{error}");
    assert!(error.contains("try again when the server can be reached"), "{error}");
    let fresh = Site::empty(55);
    let error = tier.pull_blob(&fresh.store, *vcid, &|_| {}).expect_err("nobody answers");
    assert!(error.to_string().contains("nothing was lost"), "{error}");
    server.plug_in();
    assert!(site.store.read(*vcid).expect("the server is back") == *bytes);
}

/// The plug is pulled while arenas are fetched: none of them is taken.
#[test]
fn a_pull_is_all_or_nothing() {
    let server = Server::start();
    let tier = server.tier();
    let site = Site::full(56);
    for number in &site.arenas {
        tier.push_arena(&site.store, *number, &PushOptions::default()).expect("a push");
    }
    let entries = tier.list().expect("a listing").entries;
    let fresh = Site::empty(57);
    for requests in 0..4 {
        server.pull_plug_after(requests);
        tier.pull_arenas(&fresh.store, &entries, &|_| {}).expect_err("nobody answers");
        server.plug_in();
        assert!(fresh.store.arenas().expect("arenas").is_empty());
    }
    tier.pull_arenas(&fresh.store, &entries, &|_| {}).expect("a pull");
    site.check(&fresh.store);
}
