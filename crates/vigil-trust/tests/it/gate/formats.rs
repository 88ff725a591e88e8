//! Manifests and dossiers: strict, bounded, and the same when written again.

use proptest::prelude::*;
use vigil_base::cbor::Encoder;
use vigil_base::{EntryName, TreePath};
use vigil_trust::names::AttName;
use vigil_trust::package::{
    Dependency, Dossier, EntryPoint, MANIFEST_BYTES_MAX, Manifest, ManifestError, climb,
};

use super::world::{World, footprint, manifest, package, payload};

const NAME: &str = "example.com/tool@1.0";

fn rich() -> Manifest {
    let entry = |name: &str, path: &str, needs: &[&str]| EntryPoint {
        name: EntryName::new(name).expect("a name"),
        path: TreePath::parse(path).expect("a path"),
        needs: footprint(needs),
    };
    let entries = vec![entry("tool", "bin/tool", &["clock"]), entry("aid", "libexec/aid", &[])];
    let needs = footprint(&["clock", "network:example.com"]);
    let other = |name: &str| Dependency { package: package(name), least: "1.2".into() };
    let made = Manifest::new(AttName::parse(NAME).expect("a name"), payload(NAME));
    let made = made.and_then(|it| it.with_summary("does things"));
    made.and_then(|it| it.with(needs, entries, vec![other("b.c/d"), other("a.b/c")]))
        .expect("a manifest")
}

#[test]
fn a_manifest_is_what_it_was_and_every_bit_counts() {
    let made = rich();
    let bytes = made.encode();
    assert_eq!(Manifest::decode(&bytes).as_ref(), Ok(&made));
    assert_eq!(made.entry_points()[0].name.as_bytes(), b"aid");
    for bit in 0..bytes.len() * 8 {
        let mut altered = bytes.clone();
        altered[bit / 8] ^= 1 << (bit % 8);
        if let Ok(other) = Manifest::decode(&altered) {
            assert_eq!(other.encode(), altered);
            assert_ne!(other.id(), made.id());
        }
    }
    assert!((0..bytes.len()).all(|cut| Manifest::decode(&bytes[..cut]).is_err()));
}

#[test]
fn programs_stay_within_what_the_package_declares() {
    let entry = |name: &str, path: &str, needs: &[&str]| EntryPoint {
        name: EntryName::new(name).expect("a name"),
        path: TreePath::parse(path).expect("a path"),
        needs: footprint(needs),
    };
    let with = |needs: &[&str], entries: Vec<EntryPoint>| {
        let made = Manifest::new(AttName::parse(NAME).expect("a name"), payload(NAME));
        made.expect("small").with(footprint(needs), entries, vec![])
    };
    assert!(with(&["network"], vec![entry("a", "a", &["network:x.y"])]).is_ok());
    let more = with(&["network:x.y"], vec![entry("a", "a", &["network"])]);
    assert!(matches!(more, Err(ManifestError::Undeclared { .. })), "{more:?}");
    let more = with(&[], vec![entry("a", "a", &["clock"])]);
    assert!(matches!(more, Err(ManifestError::Undeclared { .. })), "{more:?}");
    for name in ["-rf", ".bashrc", "a b", "a;b", "a\n", "ä"] {
        let wrong = with(&[], vec![entry(name, "a", &[])]);
        assert!(matches!(wrong, Err(ManifestError::Program { .. })), "{name:?} {wrong:?}");
    }
    let whole = with(&[], vec![entry("a", "", &[])]);
    assert!(matches!(whole, Err(ManifestError::Path { .. })), "{whole:?}");
    let twice = with(&[], vec![entry("a", "a", &[]), entry("a", "b", &[])]);
    assert!(matches!(twice, Err(ManifestError::Twice { .. })), "{twice:?}");
    let own = Dependency { package: package("example.com/tool"), least: "1".into() };
    let made = Manifest::new(AttName::parse(NAME).expect("a name"), payload(NAME)).expect("small");
    let own = made.with(footprint(&[]), vec![], vec![own]);
    assert!(matches!(own, Err(ManifestError::Itself { .. })), "{own:?}");
}

/// A manifest's bytes with one part made by hand.
fn crafted(make: impl Fn(&mut Encoder, &str)) -> Vec<u8> {
    let mut encoder = Encoder::record("vigil.package-manifest/1", 11);
    for part in ["domain", "name", "version", "summary"] {
        encoder.text(match part {
            "domain" => "example.com",
            "name" => "tool",
            "version" => "1",
            _ => "",
        });
    }
    encoder.bytes(&[7; 32]);
    for part in ["blobs", "bytes", "needs", "entries", "dependencies"] {
        make(&mut encoder, part);
    }
    encoder.finish_part()
}

fn plain(encoder: &mut Encoder, part: &str) {
    match part {
        "blobs" | "bytes" => encoder.unsigned(1),
        _ => encoder.array(0),
    }
}

#[test]
fn what_claims_to_be_huge_is_refused_before_it_costs_anything() {
    assert!(Manifest::decode(&crafted(plain)).is_ok());
    for huge in ["blobs", "bytes", "needs", "entries", "dependencies"] {
        let bytes = crafted(|encoder, part| match part == huge {
            true if matches!(part, "blobs" | "bytes") => encoder.unsigned(u64::MAX),
            true => encoder.array(usize::MAX >> 1),
            false => plain(encoder, part),
        });
        assert!(Manifest::decode(&bytes).is_err(), "{huge}");
    }
    let long = vec![0; MANIFEST_BYTES_MAX + 1];
    assert_eq!(Manifest::decode(&long), Err(ManifestError::Long { found: long.len() }));
    assert!(Dossier::decode(&vec![0x87; (4 << 20) + 1]).is_err());
    // Nested as deep as bytes allow.
    assert!(Manifest::decode(&[0x81; MANIFEST_BYTES_MAX]).is_err());
    assert!(Dossier::decode(&[0x81; 1 << 20]).is_err());
}

#[test]
fn paths_that_climb_are_no_paths() {
    for step in ["..", ".", "", "a/b", "a\0"] {
        let bytes = crafted(|encoder, part| match part {
            "entries" => {
                encoder.array(1);
                encoder.array(3);
                encoder.bytes(b"a");
                encoder.array(2);
                encoder.bytes(step.as_bytes());
                encoder.bytes(b"sh");
                encoder.array(0);
            }
            _ => plain(encoder, part),
        });
        assert!(Manifest::decode(&bytes).is_err(), "{step:?}");
    }
    for (target, want) in [
        ("a", Some(0)),
        ("a//b/./c", Some(0)),
        ("..", Some(1)),
        ("../a", Some(1)),
        ("./../../a", Some(2)),
        ("a/../b", None),
        ("../a/..", None),
        ("/etc/passwd", None),
        ("//etc", None),
        ("", None),
        ("a\0", None),
    ] {
        assert_eq!(climb(target.as_bytes()), want, "{target}");
    }
}

#[test]
fn a_dossier_is_read_as_it_was_written_and_no_other_way() {
    let mut world = World::new();
    let dossier = world.good(rich());
    let bytes = dossier.encode();
    assert_eq!(Dossier::decode(&bytes).as_ref(), Ok(&dossier));
    assert!((0..bytes.len()).step_by(7).all(|cut| Dossier::decode(&bytes[..cut]).is_err()));
    let mut unsorted = dossier.clone();
    unsorted.attestations.reverse();
    assert!(Dossier::decode(&unsorted.encode()).is_err());
    let mut twice = dossier;
    let first = twice.attestations[0].clone();
    assert!(!twice.attest(first.clone()));
    twice.attestations.insert(0, first);
    assert!(Dossier::decode(&twice.encode()).is_err());
    assert!(manifest(NAME, &[], &[]).encode().len() < 200);
}

proptest! {
    #[test]
    fn hostile_bytes_are_refused_or_read_one_way(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8)
    ) {
        let mut world = World::new();
        let mut bytes = world.good(rich()).encode();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Ok(dossier) = Dossier::decode(&bytes) {
            prop_assert_eq!(dossier.encode(), bytes);
            let decision = super::world::judge(&world.policy(""), &dossier, &[]);
            prop_assert_eq!(decision.reasons.len(), 8);
        }
    }
}
