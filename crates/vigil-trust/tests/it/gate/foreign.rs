//! Evidence in formats of others.

use vigil_trust::formats::{Json, MinisignKey, STATEMENT_MEDIA_TYPE, sign_envelope, sign_minisign};
use vigil_trust::gate::Rule;
use vigil_trust::package::{Dossier, ForeignEvidence, ForeignKind, Rebuild};
use vigil_trust::{Purpose, SecretKey};

use super::world::{World, footprint, judge, manifest, refusals};

fn good() -> (World, Dossier) {
    let mut world = World::new();
    let dossier = world.good(manifest("example.com/tool@1.0", &[], &[]));
    (world, dossier)
}

#[test]
fn a_minisign_signature_by_a_key_of_the_policy_stands_for_a_claim() {
    let (world, full) = good();
    let zoe = SecretKey::from_seed(&[50; 32]).subkey(Purpose::Minisign);
    let key = MinisignKey::new(zoe.public()).text();
    let key = key.lines().nth(1).expect("the key's line").to_owned();
    let mut dossier = full.clone();
    (dossier.claim, dossier.proof) = (None, None);
    let signed = sign_minisign(&zoe, &full.manifest.encode(), "a comment").expect("signed");
    let file = ForeignEvidence { kind: ForeignKind::Minisign, bytes: signed.text().into_bytes() };
    assert!(dossier.import(file.clone()) && !dossier.import(file));
    let dossier = Dossier::decode(&dossier.encode()).expect("a dossier");
    let judged =
        |lines: &str, dossier: &Dossier| refusals(&judge(&world.policy(lines), dossier, &[]));
    let waived = "inclusion waived";
    assert_eq!(judged(waived, &dossier), [Rule::Signature, Rule::Person]);
    let named = format!("{waived}\nminisign zoe {key}");
    assert_eq!(judged(&named, &dossier), []);
    assert_eq!(judged(&format!("{named}\npublisher * ada"), &dossier), [Rule::Person]);
    // Without a claim there is nothing in a log.
    assert_eq!(judged(&format!("minisign zoe {key}"), &dossier), [Rule::Log]);
    // It is over this manifest.
    let mut other = dossier;
    other.manifest = manifest("example.com/tool@1.1", &[], &[]);
    assert_eq!(judged(&format!("{named}\nrebuilders 0"), &other), [Rule::Signature, Rule::Person]);
}

#[test]
fn a_sigstore_bundle_by_a_key_of_the_policy_stands_for_a_rebuild() {
    let (world, mut dossier) = good();
    dossier.attestations.truncate(2);
    let zoe = SecretKey::from_seed(&[50; 32]).subkey(Purpose::Dsse);
    let manifest = dossier.manifest.clone();
    let bundle = |got| {
        let rebuild = Rebuild {
            package: manifest.name().clone(),
            manifest: manifest.id(),
            payload: got,
            used: footprint(&[]),
        };
        let statement = rebuild.statement(&zoe.public().bytes()).json().into_bytes();
        let envelope = sign_envelope(&zoe, STATEMENT_MEDIA_TYPE, statement).expect("signed");
        let envelope = Json::parse(envelope.json().as_bytes()).expect("JSON");
        let text = Json::text("application/vnd.dev.sigstore.bundle.v0.3+json");
        let material = Json::object([("publicKey", Json::object([("hint", Json::text("zoe"))]))]);
        let bundle = Json::object([
            ("mediaType", text),
            ("verificationMaterial", material),
            ("dsseEnvelope", envelope),
        ]);
        let bytes = bundle.canonical().into_bytes();
        ForeignEvidence { kind: ForeignKind::Sigstore, bytes }
    };
    dossier.import(bundle(manifest.payload().root));
    let named = format!("sigstore zoe {}", zoe.public());
    let judged =
        |lines: &str, dossier: &Dossier| refusals(&judge(&world.policy(lines), dossier, &[]));
    assert_eq!(judged("", &dossier), [Rule::Rebuilders]);
    assert_eq!(judged(&named, &dossier), []);
    // Somebody who counts already counts once.
    let twice = format!("sigstore ada {}", zoe.public());
    assert_eq!(judged(&twice, &dossier), [Rule::Rebuilders]);
    dossier.import(bundle(vigil_base::Vcid::of(b"other bits")));
    assert_eq!(judged(&named, &dossier), [Rule::Rebuilders]);
    dossier.import(ForeignEvidence { kind: ForeignKind::Sigstore, bytes: b"{}".to_vec() });
    assert!(judge(&world.policy(""), &dossier, &[]).notes.len() >= 2);
}
