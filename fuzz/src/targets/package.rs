//! Packages: manifests, dossiers, records of generations, policies, and whole files.
//!
//! The first byte says which decoder.
//!
//! Invariant: what is accepted encodes to the very same bytes, and judging it neither panics nor hangs.

use std::io::Cursor;

use vigil_base::world::Moment;
use vigil_pkg::{Generation, read_dossier, unpack};
use vigil_trust::gate::{Evidence, Gate, GatePolicy, plan};
use vigil_trust::package::{Attested, Dossier, Manifest, Need, climb, version_order};

/// Tags and pieces of records and lines.
pub const WORDS: &[&[u8]] = &[
    b"vigvpkg\x01",
    b"vigil.package/1",
    b"vigil.package-manifest/1",
    b"vigil.package-attestation/1",
    b"vigil.generation/1",
    b"vigil.tree/1",
    b"network:example.org",
    b"clock",
    b"minisign",
    b"sigstore",
    b"rebuilders ",
    b"allow * ",
    b"publisher ",
    b"person ",
    b"../",
    b"\x80",
    b"\xf6",
    b"\x58\x20",
];

/// Checks one input.
pub fn run(input: &[u8]) {
    let Some((which, input)) = input.split_first() else { return };
    match which % 6 {
        0 => same(Manifest::decode(input).map(|read| read.encode()), input),
        1 => same(Attested::decode(input).map(|read| read.encode()), input),
        2 => same(Generation::decode(input).map(|read| read.encode()), input),
        3 => dossier(input),
        4 => file(input),
        _ => text(input),
    }
}

fn same<E>(read: Result<Vec<u8>, E>, input: &[u8]) {
    if let Ok(encoded) = read {
        assert_eq!(encoded, input, "it was accepted but is not what the encoder writes");
    }
}

fn dossier(input: &[u8]) {
    let Ok(dossier) = Dossier::decode(input) else { return };
    assert_eq!(dossier.encode(), input, "it was accepted but is not what the encoder writes");
    let policy = GatePolicy::parse(b"", &[]).expect("nothing is a policy");
    let evidence = Evidence { dossier: &dossier, views: &[], installed: None };
    let decision = Gate::new(&policy, Moment(0)).judge(&evidence);
    assert!(!decision.is_allowed(), "nobody is known, and somebody was believed");
    let manifest = &dossier.manifest;
    let planned = plan(&[manifest.package()], &[manifest], &[]);
    assert_eq!(planned.is_ok(), manifest.dependencies().is_empty());
}

fn file(input: &[u8]) {
    let mut left = Cursor::new(input);
    let Ok(dossier) = read_dossier(&mut left) else { return };
    let Ok(survey) = unpack(&mut left, dossier.manifest.payload(), None) else { return };
    assert_eq!(left.position(), input.len() as u64, "something was left over");
    let _ = survey.check(&dossier.manifest);
}

fn text(input: &[u8]) {
    let _ = GatePolicy::parse(input, &[]);
    let _ = climb(input);
    let Ok(text) = std::str::from_utf8(input) else { return };
    if let Ok(need) = Need::parse(text) {
        assert!(need.covers(&need) && need.as_str() == text);
    }
    if let Some((one, two)) = text.split_once('\n') {
        assert_eq!(version_order(one, two), version_order(two, one).reverse());
    }
}
