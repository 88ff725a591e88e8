//! People, machines, a log and witnesses, and packages that they vouch for.

use std::collections::BTreeSet;

use vigil_base::world::Moment;
use vigil_base::{EntryName, Name, TreePath, Vcid};
use vigil_trust::formats::{STATEMENT_MEDIA_TYPE, sign_envelope};
use vigil_trust::gate::{Decision, Evidence, Gate, GatePolicy, Rule};
use vigil_trust::log::{CosignedAt, Ed25519Kind, LogReader, SignedCheckpoint, TreeHash, cosign};
use vigil_trust::names::AttName;
use vigil_trust::package::{
    Attested, Claim, Dependency, Dossier, EntryPoint, Footprint, Manifest, Need, PackageName,
    Payload, Rebuild, log_entry,
};
use vigil_trust::puddle::{Event, JoinRequest, Lease, PuddleEvent, Scope, View, fold};
use vigil_trust::{KeyBytes, SecretKey, Statement};

use crate::transparency::world::{MemoryLog, log_signer, signer};

pub const HOUR: i64 = 3600 * 1_000_000_000;

pub fn hours(count: i64) -> Moment {
    Moment(count * HOUR)
}

/// The time at which everything is judged.
pub fn now() -> Moment {
    hours(1000)
}

/// Somebody with a puddle and as many machines as are asked for.
pub struct Somebody {
    pub name: &'static str,
    pub key: SecretKey,
    seed: u8,
    pub events: Vec<Statement>,
}

impl Somebody {
    pub fn new(name: &'static str, seed: u8) -> Self {
        let key = SecretKey::from_seed(&[seed; 32]);
        let event = Event::Genesis {
            name: Name::new(name).expect("a name"),
            lease: Lease::Never,
            nonce: [seed; 16],
        };
        let genesis = PuddleEvent { puddle: None, after: vec![], event }.sign(&key, hours(1));
        Self { name, key, seed, events: vec![genesis] }
    }

    pub fn public(&self) -> KeyBytes {
        self.key.public().bytes()
    }

    pub fn puddle(&self) -> Vcid {
        self.events[0].id()
    }

    pub fn machine(&self, number: u8) -> SecretKey {
        let mut seed = [self.seed; 32];
        seed[0] = 100 + number;
        SecretKey::from_seed(&seed)
    }

    /// Signs an event that has seen all before.
    pub fn say(&mut self, event: Event) -> Statement {
        let after = vec![self.events.last().expect("a genesis").id()];
        let puddle = Some(self.puddle());
        let signed = PuddleEvent { puddle, after, event }.sign(&self.key, hours(2));
        self.events.push(signed.clone());
        signed
    }

    /// Admits a machine, and grants it something of packages.
    pub fn grant(
        &mut self,
        number: u8,
        verbs: &[&str],
        prefix: &str,
        expiry: Option<Moment>,
    ) -> Vec<u8> {
        let name = Name::new(&format!("m{number}")).expect("a name");
        let machine = self.machine(number);
        let request = JoinRequest::sign(&machine, hours(2), &name);
        self.say(Event::Add { request, pardons: vec![] });
        let scope = Scope::new("pkg", verbs.iter().copied(), prefix, expiry).expect("a scope");
        let to = machine.public().bytes();
        self.say(Event::Grant { to, parent: None, scope }).encode()
    }

    pub fn view(&self) -> View {
        fold(self.puddle(), &self.events, &BTreeSet::new()).expect("there is a genesis")
    }
}

pub fn need(text: &str) -> Need {
    Need::parse(text).expect("a need")
}

pub fn footprint(needs: &[&str]) -> Footprint {
    needs.iter().map(|text| need(text)).collect()
}

pub fn package(text: &str) -> PackageName {
    PackageName::parse(text).expect("a package's name")
}

pub fn payload(text: &str) -> Payload {
    Payload { root: Vcid::of(text.as_bytes()), blobs: 1, bytes: text.len() as u64 }
}

/// A manifest that needs packages, each in a version.
pub fn manifest(name: &str, needs: &[&str], dependencies: &[(&str, &str)]) -> Manifest {
    let manifest = Manifest::new(AttName::parse(name).expect("a name"), payload(name));
    let dependencies = dependencies
        .iter()
        .map(|(name, least)| Dependency { package: package(name), least: (*least).into() });
    let entry = EntryPoint {
        name: EntryName::new("run").expect("a name"),
        path: TreePath::parse("bin/run").expect("a path"),
        needs: Footprint::new(),
    };
    let manifest = manifest.expect("a small payload");
    let made = manifest.with(footprint(needs), vec![entry], dependencies.collect());
    made.expect("a manifest")
}

/// What a machine says that it got.
pub fn rebuild(manifest: &Manifest, got: Vcid, used: &[&str], machine: &SecretKey) -> Vec<u8> {
    let rebuild = Rebuild {
        package: manifest.name().clone(),
        manifest: manifest.id(),
        payload: got,
        used: footprint(used),
    };
    let statement = rebuild.statement(&machine.public().bytes()).json().into_bytes();
    let envelope = sign_envelope(machine, STATEMENT_MEDIA_TYPE, statement);
    envelope.expect("a key for envelopes").json().into_bytes()
}

/// A maintainer, three rebuilders, a log with two witnesses.
pub struct World {
    pub ada: Somebody,
    pub others: Vec<Somebody>,
    pub log: MemoryLog,
    /// What ada's first machine may do.
    pub chain: Vec<Vec<u8>>,
}

impl World {
    pub fn new() -> Self {
        let mut ada = Somebody::new("ada", 1);
        let chain = vec![ada.grant(1, &["publish"], "example.com", None)];
        let others = [("bob", 2), ("cy", 3), ("dee", 4), ("eve", 5)];
        let others = others.into_iter().map(|(name, seed)| {
            let mut somebody = Somebody::new(name, seed);
            somebody.grant(1, &["rebuild"], "", None);
            somebody
        });
        Self { ada, others: others.collect(), log: MemoryLog::of(5), chain }
    }

    /// The policy: its lines, and those about the log.
    pub fn policy(&self, lines: &str) -> GatePolicy {
        let witness = |name: &str, seed| signer(name, Ed25519Kind::Witness, seed).key().to_string();
        let log = log_signer().key().to_string();
        let (one, two) = (witness("w1.example", 61), witness("w2.example", 62));
        let text = format!(
            "{lines}\nlog {log}\nwitness w1 {one}\nwitness w2 {two}\ngroup both all w1 w2\nquorum both\n"
        );
        let mut known = vec![(self.ada.name, self.ada.public())];
        known.extend(self.others.iter().map(|other| (other.name, other.public())));
        GatePolicy::parse(text.as_bytes(), &known).expect("a policy")
    }

    pub fn claim(&self, manifest: &Manifest) -> Claim {
        Claim::sign(&self.ada.machine(1), hours(900), manifest)
    }

    pub fn attest(&self, manifest: &Manifest, who: usize) -> Attested {
        self.attest_with(manifest, who, manifest.payload().root, &[])
    }

    pub fn attest_with(
        &self,
        manifest: &Manifest,
        who: usize,
        got: Vcid,
        used: &[&str],
    ) -> Attested {
        let somebody = &self.others[who];
        // Genesis, its first machine, and what that may do.
        let chain = vec![somebody.events[2].encode()];
        Attested { envelope: rebuild(manifest, got, used, &somebody.machine(1)), chain }
    }

    /// Puts a claim into the log, and has both witnesses see it at an hour.
    pub fn prove(&mut self, manifest: &Manifest, claim: &Claim, seen: [i64; 2]) -> Vec<u8> {
        let entry = log_entry(manifest.name(), claim.manifest(), claim.statement().id());
        self.log.push(&entry);
        let signed = cosigned(self.log.sign(), seen);
        let index = vigil_trust::log::LeafIndex(signed.unverified().size.0 - 1);
        let mut reader = LogReader::new(self.log.clone(), signed);
        let proof = reader.prove(index, TreeHash::of_leaf(&entry)).expect("it is there");
        proof.to_string().into_bytes()
    }

    /// A package for which everybody vouches.
    pub fn good(&mut self, manifest: Manifest) -> Dossier {
        let claim = self.claim(&manifest);
        let mut dossier = Dossier::new(manifest);
        dossier.claim = Some(claim.statement().encode());
        dossier.chain = self.chain.clone();
        dossier.proof = Some(self.prove(&dossier.manifest.clone(), &claim, [901, 902]));
        for who in 0..3 {
            let attested = self.attest(&dossier.manifest, who);
            assert!(dossier.attest(attested));
        }
        dossier
    }
}

pub fn cosigned(mut signed: SignedCheckpoint, seen: [i64; 2]) -> SignedCheckpoint {
    for (name, seed, at) in [("w1.example", 61, seen[0]), ("w2.example", 62, seen[1])] {
        let witness = signer(name, Ed25519Kind::Witness, seed);
        let at = CosignedAt::from_moment(hours(at)).expect("a time");
        let line = cosign(&witness, signed.note().text(), at);
        signed.note_mut().add([line]);
    }
    signed
}

pub fn judge(policy: &GatePolicy, dossier: &Dossier, views: &[View]) -> Decision {
    Gate::new(policy, now()).judge(&Evidence { dossier, views, installed: None })
}

/// The rules that do not hold.
pub fn refusals(decision: &Decision) -> Vec<Rule> {
    decision.refusals().map(|reason| reason.rule).collect()
}
