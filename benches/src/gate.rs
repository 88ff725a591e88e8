//! Measures the gate: a decision for a closure of packages, each with a claim, a chain, three rebuilders and
//! a proof that two of three witnesses have seen.

use std::error::Error;
use std::time::Instant;

use vigil_base::Vcid;
use vigil_base::world::Moment;
use vigil_trust::formats::{STATEMENT_MEDIA_TYPE, sign_envelope};
use vigil_trust::gate::{Evidence, Gate, GatePolicy, plan};
use vigil_trust::log::{
    Checkpoint, CosignedAt, Ed25519Kind, KeyName, LeafIndex, MemoryTree, NoteSigner, Origin,
    TlogProof, TreeHash, cosign, prove_inclusion,
};
use vigil_trust::names::AttName;
use vigil_trust::package::{
    Attested, Claim, Dependency, Dossier, Footprint, Manifest, PackageName, Payload, Rebuild,
    log_entry,
};
use vigil_trust::puddle::{Event, PuddleEvent, Scope};
use vigil_trust::{KeyBytes, SecretKey};

type Failure = Box<dyn Error>;

const PACKAGES: usize = 100;
const SECOND: i64 = 1_000_000_000;
const NOW: Moment = Moment(1_700_000_100 * SECOND);

/// Milliseconds for one decision about all packages.
#[derive(Clone, Copy, Debug)]
pub struct GateCost {
    /// By a gate that has verified nothing yet.
    pub fresh: f64,
    /// By the same gate once more.
    pub again: f64,
}

fn key(seed: u8) -> SecretKey {
    SecretKey::from_seed(&[seed; 32])
}

/// The grant by which the machine of a person may do something.
fn grant(person: u8, verb: &str) -> Result<Vec<u8>, Failure> {
    let to = key(person + 100).public().bytes();
    let scope = Scope::new("pkg", [verb], "", None)?;
    let event = Event::Grant { to, parent: None, scope };
    let puddle = Some(Vcid::of(&[person]));
    Ok(PuddleEvent { puddle, after: vec![], event }.sign(&key(person), Moment(0)).encode())
}

/// Each package but the last needs the next two.
fn manifest(number: usize) -> Result<Manifest, Failure> {
    let name = AttName::new("bench.example", &format!("p{number}"), "1.0")?;
    let payload = Payload { root: Vcid::of(name.name().as_bytes()), blobs: 1, bytes: 1 };
    let next = (number + 1..PACKAGES.min(number + 3)).map(|other| {
        let package = PackageName::parse(&format!("bench.example/p{other}"))?;
        Ok(Dependency { package, least: "1.0".into() })
    });
    let next = next.collect::<Result<Vec<_>, Failure>>()?;
    Ok(Manifest::new(name, payload)?.with(Footprint::new(), vec![], next)?)
}

fn dossier(
    manifest: Manifest,
    chain: &[Vec<u8>],
    rebuilders: &[Vec<u8>],
) -> Result<Dossier, Failure> {
    let mut dossier = Dossier::new(manifest);
    let manifest = &dossier.manifest;
    let claim = Claim::sign(&key(101), Moment(1_700_000_000 * SECOND), manifest);
    let mut attestations = Vec::new();
    for (number, grant) in rebuilders.iter().enumerate() {
        let machine = key(102 + number as u8);
        let rebuild = Rebuild {
            package: manifest.name().clone(),
            manifest: manifest.id(),
            payload: manifest.payload().root,
            used: Footprint::new(),
        };
        let statement = rebuild.statement(&machine.public().bytes()).json().into_bytes();
        let envelope = sign_envelope(&machine, STATEMENT_MEDIA_TYPE, statement)?;
        let envelope = envelope.json().into_bytes();
        attestations.push(Attested { envelope, chain: vec![grant.clone()] });
    }
    for attested in attestations {
        dossier.attest(attested);
    }
    dossier.claim = Some(claim.statement().encode());
    dossier.chain = chain.to_vec();
    Ok(dossier)
}

/// Puts all claims into one log, has witnesses see it, and returns the policy's lines about it.
fn log(dossiers: &mut [Dossier]) -> Result<String, Failure> {
    let signer = |name: &str, kind, seed| -> Result<NoteSigner, Failure> {
        Ok(NoteSigner::from_seed(KeyName::new(name)?, kind, &[seed; 32]))
    };
    let mut tree = MemoryTree::default();
    let mut leaves = Vec::new();
    for dossier in dossiers.iter() {
        let claim = Claim::decode(dossier.claim.as_ref().ok_or("a claim")?)?;
        let entry = log_entry(dossier.manifest.name(), claim.manifest(), claim.statement().id());
        leaves.push(TreeHash::of_leaf(&entry));
        tree.push(TreeHash::of_leaf(&entry));
    }
    let own = signer("bench.example/log", Ed25519Kind::Log, 1)?;
    let size = tree.size();
    let root = vigil_trust::log::root(&mut tree, size)?;
    let origin = Origin::new("bench.example/log")?;
    let checkpoint = Checkpoint { origin, size, root, extensions: vec![] };
    let mut shown = checkpoint.sign(&[&own])?;
    let text = shown.note().text().to_owned();
    let mut lines = format!("log {}\n", own.key());
    for number in 0..3_u8 {
        let witness = signer(&format!("w{number}.example"), Ed25519Kind::Witness, 10 + number)?;
        let at = CosignedAt::from_seconds(1_700_000_000).ok_or("a time")?;
        shown.note_mut().add([cosign(&witness, &text, at)]);
        lines += &format!("witness w{number} {}\n", witness.key());
    }
    for (index, dossier) in dossiers.iter_mut().enumerate() {
        let index = LeafIndex(index as u64);
        let inclusion = vigil_trust::log::Inclusion { index, size };
        let path = prove_inclusion(&mut tree, inclusion)?;
        let proof = TlogProof { extra: None, index, path, checkpoint: shown.clone() };
        dossier.proof = Some(proof.to_string().into_bytes());
    }
    Ok(lines + "group two 2 w0 w1 w2\nquorum two\n")
}

/// Measures decisions about a closure; the best of so many rounds counts.
///
/// # Errors
/// Fails if a package is refused that everybody vouches for.
pub fn measure_gate(rounds: usize) -> Result<GateCost, Failure> {
    let chain = [grant(1, "publish")?];
    let rebuilders = [grant(2, "rebuild")?, grant(3, "rebuild")?, grant(4, "rebuild")?];
    let manifests = (0..PACKAGES).map(manifest).collect::<Result<Vec<_>, _>>()?;
    let dossiers = manifests.into_iter().map(|it| dossier(it, &chain, &rebuilders));
    let mut dossiers = dossiers.collect::<Result<Vec<_>, _>>()?;
    let lines = log(&mut dossiers)?;
    let people: Vec<(String, KeyBytes)> =
        (1..5).map(|seed| (format!("person{seed}"), key(seed).public().bytes())).collect();
    let people: Vec<(&str, KeyBytes)> =
        people.iter().map(|(name, key)| (name.as_str(), *key)).collect();
    let policy = GatePolicy::parse(lines.as_bytes(), &people)?;
    let decide = |gate: &mut Gate<'_>| -> Result<f64, Failure> {
        let start = Instant::now();
        let offered: Vec<&Manifest> = dossiers.iter().map(|dossier| &dossier.manifest).collect();
        let planned = plan(&[offered[0].package()], &offered, &[])?;
        let mut allowed = 0;
        for dossier in &dossiers {
            let evidence = Evidence { dossier, views: &[], installed: None };
            allowed += usize::from(gate.judge(&evidence).is_allowed());
        }
        if (planned.len(), allowed) != (PACKAGES, PACKAGES) {
            return Err(format!("{} planned, {allowed} allowed", planned.len()).into());
        }
        Ok(start.elapsed().as_secs_f64() * 1e3)
    };
    let mut best = GateCost { fresh: f64::MAX, again: f64::MAX };
    for _ in 0..rounds.max(1) {
        let mut gate = Gate::new(&policy, NOW);
        best.fresh = best.fresh.min(decide(&mut gate)?);
        best.again = best.again.min(decide(&mut gate)?);
    }
    Ok(best)
}
