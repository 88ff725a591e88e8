//! Files of names that are not what was written.

use vigil_base::{EntryKind, Name, TreeReferences, Vcid};
use vigil_store::{CollectOptions, NamesError, Version};

use super::plant;
use crate::crash::open_on;
use crate::flips::make;
use crate::world::{noise_bytes, stopped_moment, text_bytes};

fn name(text: &str) -> Name {
    Name::new(text).expect("a name")
}

#[test]
fn a_name_of_garbage_is_named_and_hides_no_other() {
    let (sim, ledger) = make(&[text_bytes(1, 900), text_bytes(2, 700)], true);
    let store = open_on(sim.process()).expect("it opens");
    let writer = store.writer().expect("a writer");
    let vcids: Vec<Vcid> = ledger.tried.keys().copied().collect();
    for (text, vcid) in ["good", "bad"].iter().zip(&vcids) {
        let version = Version {
            at: stopped_moment(),
            kind: EntryKind::File,
            vcid: *vcid,
            metadata: Some(*vcid),
        };
        writer.set_name(&name(text), version).expect("a name");
    }
    writer.finish().expect("a commit");
    let own = sim.content("names/bad.cbor").expect("a name");
    let good = sim.content("names/good.cbor").expect("a name");
    assert_ne!(own, good);
    let mut garbage = vec![Vec::new(), vec![0; 100], noise_bytes(1, 5000), b"\x9b".repeat(200)];
    garbage.extend((0..own.len()).map(|cut| own[..cut].to_vec()));
    garbage.push([&own[..], b"\0"].concat());
    garbage.push(sim.content("index/shared/manifest").expect("a manifest"));
    garbage.push(sim.content("arenas/00000001.arena").expect("an arena"));
    for bytes in garbage {
        let sim = sim.copy();
        sim.tamper("names/bad.cbor", |content| *content = bytes);
        let store = open_on(sim.process()).expect("it opens");
        let error = store.versions(&name("bad")).expect_err("garbage");
        assert!(matches!(error, NamesError::Damaged { .. }), "{error}");
        assert!(error.to_string().contains("bad"), "{error}");
        assert_eq!(store.version(&name("good"), 0).expect("it is whole").vcid, vcids[0]);
        // What a damaged name leads to is not known, so nobody may conclude that it is not needed.
        assert!(store.names().is_err());
    }
}

/// Names that no program of ours gives, beside those of ours.
#[test]
fn files_among_the_names_that_are_no_names_are_left_alone() {
    let (sim, _) = make(&[text_bytes(1, 900)], true);
    for path in ["names/.cbor", "names/a b.cbor", "names/x.cbor.new", "names/readme"] {
        plant(&sim, path, b"somebody else's");
    }
    let store = open_on(sim.process()).expect("it opens");
    assert!(store.names().expect("a listing").is_empty());
    let options = CollectOptions {
        keep: &[],
        references: &TreeReferences,
        is_dry_run: false,
        dead_percent_min: 1,
    };
    store.collect(&options).expect("a collection");
    assert!(sim.content("names/readme").is_some());
}
