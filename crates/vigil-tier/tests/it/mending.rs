//! A damaged store is mended from a tier.

use vigil_store::{NoSupply, VerifyOptions};
use vigil_tier::{PushOptions, TierSupply};

use crate::server::Server;
use crate::world::{Site, key_file};

/// Changes a byte of every 64 KiB of each arena's records.
fn damage(site: &Site) {
    for number in &site.arenas {
        let path = site.arena_file(*number);
        let mut bytes = std::fs::read(&path).expect("an arena");
        let end = bytes.len() - 8192;
        (5000..end).step_by(64 << 10).for_each(|at| bytes[at] ^= 0x80);
        std::fs::write(&path, bytes).expect("a write");
    }
}

fn is_sound(site: &mut Site) -> bool {
    site.reopen();
    let options = VerifyOptions { percent: 100, threads: 1, progress: &|_, _| {} };
    site.store.verify(&options).expect("a verification").is_clean()
}

#[test]
fn arenas_of_a_tier_mend_a_store() {
    for secret in [None, Some(key_file(1))] {
        let server = Server::start();
        let tier = server.tier_with(secret).expect("a tier");
        let mut site = Site::with(30, &[0, 5000, 300_000, 3_000_000]);
        for number in &site.arenas {
            tier.push_arena(&site.store, *number, &PushOptions::default()).expect("a push");
        }
        damage(&site);
        assert!(!is_sound(&mut site));
        let error = tier.push_arena(&site.store, site.arenas[0], &PushOptions::default());
        let error = error.expect_err("it is damaged").to_string();
        assert!(error.contains("damaged") || error.contains("not sealed"), "{error}");
        let supply = TierSupply::new(&tier, site.store.class()).expect("a supply");
        let report = site.store.repair(&supply).expect("a repair");
        assert_eq!((report.lost, supply.complaints()), (Vec::new(), Vec::<String>::new()));
        assert!(report.mended > 0);
        assert!(is_sound(&mut site));
        site.check(&site.store);
    }
}

#[test]
fn single_blobs_of_a_tier_mend_a_store() {
    let server = Server::start();
    let tier = server.tier();
    let mut site = Site::with(31, &[200_000, 200_000, 200_000]);
    let kept = site.blobs[0].0;
    tier.push_blob(&site.store, kept, &PushOptions::default()).expect("a push");
    damage(&site);
    assert!(!is_sound(&mut site));
    let supply = TierSupply::new(&tier, site.store.class()).expect("a supply");
    let report = site.store.repair(&supply).expect("a repair");
    assert!(!report.lost.contains(&kept) && !report.lost.is_empty());
    assert!(site.store.read(kept).expect("it was mended") == site.blobs[0].1);
}

#[test]
fn without_a_supply_the_same_damage_loses_blobs() {
    let mut site = Site::with(31, &[200_000, 200_000, 200_000]);
    damage(&site);
    assert!(!is_sound(&mut site));
    assert_eq!(site.store.repair(&NoSupply).expect("a repair").lost.len(), 3);
}
