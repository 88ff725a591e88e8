//! Each rule of the gate: what satisfies it, and what does not.

use vigil_base::Vcid;
use vigil_trust::gate::{Evidence, Gate, Installed, Rule, Verdict};
use vigil_trust::package::{Attested, Claim, Dossier, Manifest};
use vigil_trust::puddle::{Event, Scope, Target};

use vigil_trust::SecretKey;

use super::world::{Somebody, World, hours, judge, manifest, now, rebuild, refusals};

const NAME: &str = "example.com/tool@1.0";

fn good() -> (World, Dossier) {
    let mut world = World::new();
    let dossier = world.good(manifest(NAME, &[], &[]));
    (world, dossier)
}

/// Signs and logs a manifest anew.
fn publish(world: &mut World, manifest: Manifest, key: &SecretKey) -> Dossier {
    let mut dossier = world.good(manifest.clone());
    let claim = Claim::sign(key, hours(900), &manifest);
    dossier.claim = Some(claim.statement().encode());
    dossier.proof = Some(world.prove(&manifest, &claim, [901, 902]));
    dossier
}

#[track_caller]
fn check(world: &World, lines: &str, dossier: &Dossier, want: &[Rule]) {
    let decision = judge(&world.policy(lines), dossier, &[]);
    assert_eq!(refusals(&decision), want, "{decision:#?}");
    // Whatever is refused says what would satisfy it, and every rule is told of once.
    assert!(decision.refusals().all(|reason| reason.wanted.is_some()));
    let told: Vec<Rule> = decision.reasons.iter().map(|reason| reason.rule).collect();
    assert_eq!(told, Rule::ALL);
    assert_eq!(decision.is_allowed(), want.is_empty());
}

#[test]
fn what_everybody_vouches_for_is_allowed() {
    let (world, dossier) = good();
    check(&world, "", &dossier, &[]);
    // And so is what went through a file.
    let again = Dossier::decode(&dossier.encode()).expect("a dossier");
    assert_eq!(again, dossier);
    check(&world, "rebuilders 3\nmax-age 5d", &again, &[]);
}

#[test]
fn nothing_that_is_absent_is_taken_as_given() {
    let (world, _) = good();
    let bare = Dossier::new(manifest(NAME, &[], &[]));
    check(&world, "", &bare, &[Rule::Signature, Rule::Person, Rule::Rebuilders, Rule::Log]);
    let lines = "rebuilders 0\ninclusion waived";
    check(&world, lines, &bare, &[Rule::Signature, Rule::Person]);
}

#[test]
fn the_signature_is_over_this_manifest() {
    let (world, dossier) = good();
    let mut other = dossier.clone();
    other.manifest = manifest("example.com/tool@1.1", &[], &[]);
    let wrong = [Rule::Signature, Rule::Person, Rule::Rebuilders, Rule::Log];
    check(&world, "", &other, &wrong);
    let claim = dossier.claim.clone().expect("a claim");
    for at in (0..claim.len()).step_by(5) {
        let mut altered = dossier.clone();
        altered.claim.as_mut().expect("a claim")[at] ^= 1;
        let decision = judge(&world.policy(""), &altered, &[]);
        assert!(refusals(&decision).contains(&Rule::Signature), "byte {at}");
    }
}

#[test]
fn a_chain_leads_from_a_person_who_is_known_to_whoever_signed() {
    let (mut world, dossier) = good();
    let (machine, stranger) = (world.ada.machine(1), world.ada.machine(2));
    // A machine that nobody granted anything, with the chain of another.
    let stolen = publish(&mut world, dossier.manifest.clone(), &stranger);
    check(&world, "", &stolen, &[Rule::Person]);
    let mut none = dossier.clone();
    none.chain.clear();
    check(&world, "", &none, &[Rule::Person]);
    // The Person themselves needs no chain.
    let key = SecretKey::from_seed(&world.ada.key.seed());
    let mut own = publish(&mut world, dossier.manifest.clone(), &key);
    own.chain.clear();
    check(&world, "", &own, &[]);
    // Somebody whom nobody here knows.
    let mut mallory = Somebody::new("mallory", 66);
    let chain = vec![mallory.grant(1, &["publish"], "", None)];
    let mut unknown = publish(&mut world, dossier.manifest.clone(), &mallory.machine(1));
    unknown.chain = chain;
    check(&world, "", &unknown, &[Rule::Person]);
    // Grants for something else: to rebuild, of other packages, or until yesterday.
    for (verbs, prefix, expiry) in [
        (["rebuild"], "example.com", None),
        (["publish"], "example.org", None),
        (["publish"], "example.com/too", None),
        (["publish"], "example.com", Some(hours(902))),
    ] {
        let narrow = world.ada.grant(1, &verbs, prefix, expiry);
        let mut narrowed = dossier.clone();
        narrowed.chain = vec![narrow];
        check(&world, "", &narrowed, &[Rule::Person]);
    }
    // A grant that has ended since then held when the witnesses saw the claim.
    let until = world.ada.grant(1, &["publish"], "example.com", Some(hours(903)));
    let mut ended = publish(&mut world, dossier.manifest, &machine);
    ended.chain = vec![until];
    check(&world, "", &ended, &[]);
    check(&world, "inclusion waived", &ended, &[]);
    ended.proof = None;
    check(&world, "inclusion waived", &ended, &[Rule::Person]);
}

#[test]
fn a_policy_may_say_who_publishes_what() {
    let (world, dossier) = good();
    check(&world, "publisher example.com/* ada", &dossier, &[]);
    check(&world, "publisher example.com/tool bob ada", &dossier, &[]);
    check(&world, "publisher example.com/* bob", &dossier, &[Rule::Person]);
    check(&world, "publisher example.org/* bob", &dossier, &[]);
}

#[test]
fn a_person_counts_once_whatever_they_bring() {
    let (mut world, mut dossier) = good();
    dossier.attestations.truncate(2);
    check(&world, "", &dossier, &[Rule::Rebuilders]);
    // A second machine of somebody who counts already.
    let manifest = dossier.manifest.clone();
    let first = dossier.attestations.clone();
    for number in 2..6 {
        for other in 0..4 {
            let second = world.others[other].grant(number, &["rebuild"], "", None);
            let machine = world.others[other].machine(number);
            let envelope = rebuild(&manifest, manifest.payload().root, &[], &machine);
            let attested = Attested { envelope, chain: vec![second] };
            let counts_already =
                first.iter().any(|it| it.envelope == world.attest(&manifest, other).envelope);
            if counts_already {
                assert!(dossier.attest(attested));
            }
        }
    }
    assert_eq!(dossier.attestations.len(), 2 + 2 * 4);
    check(&world, "", &dossier, &[Rule::Rebuilders]);
    // Two keys of one person, as the policy says.
    let eve = world.others[3].public();
    let attested = world.attest(&manifest, 3);
    dossier.attest(attested);
    check(&world, "", &dossier, &[]);
    let named: Vec<usize> =
        (0..3).filter(|who| first.contains(&world.attest(&manifest, *who))).collect();
    let twin = world.others.remove(3);
    let name = world.others[named[0]].name;
    check(&world, &format!("person {name} {eve}"), &dossier, &[Rule::Rebuilders]);
    world.others.push(twin);
}

#[test]
fn the_maintainer_is_no_rebuilder_of_their_own() {
    let (mut world, mut dossier) = good();
    dossier.attestations.truncate(2);
    let manifest = dossier.manifest.clone();
    let grant = world.ada.grant(2, &["rebuild"], "", None);
    let envelope = rebuild(&manifest, manifest.payload().root, &[], &world.ada.machine(2));
    dossier.attest(Attested { envelope, chain: vec![grant] });
    check(&world, "", &dossier, &[Rule::Rebuilders]);
    let decision = judge(&world.policy(""), &dossier, &[]);
    assert!(decision.notes.iter().any(|note| note.contains("the maintainer's own")));
}

#[test]
fn one_who_got_other_bits_is_heard() {
    let (world, mut dossier) = good();
    let manifest = dossier.manifest.clone();
    dossier.attest(world.attest_with(&manifest, 3, Vcid::of(b"other bits"), &[]));
    check(&world, "", &dossier, &[Rule::Rebuilders]);
    check(&world, "disagreeing 1", &dossier, &[]);
    // Who says both has not agreed.
    dossier.attest(world.attest_with(&manifest, 2, Vcid::of(b"other bits"), &[]));
    check(&world, "disagreeing 2", &dossier, &[Rule::Rebuilders]);
    check(&world, "disagreeing 2\nrebuilders 2", &dossier, &[]);
}

#[test]
fn attestations_of_other_packages_and_forged_ones_count_for_nothing() {
    let (world, mut dossier) = good();
    let (manifest, mut attestations) = (dossier.manifest.clone(), dossier.attestations.clone());
    let last = attestations.pop().expect("three of them");
    let with = |attested: Attested, dossier: &mut Dossier| {
        dossier.attestations = attestations.clone();
        dossier.attest(attested);
    };
    // Of another version with the same payload.
    let other = super::world::manifest("example.com/tool@0.9", &[], &[]);
    with(world.attest_with(&other, 3, manifest.payload().root, &[]), &mut dossier);
    check(&world, "", &dossier, &[Rule::Rebuilders]);
    // With the chain of another machine, with none, or with an altered envelope.
    let eve = world.attest(&manifest, 3);
    with(Attested { chain: last.chain, ..eve.clone() }, &mut dossier);
    check(&world, "", &dossier, &[Rule::Rebuilders]);
    with(Attested { chain: vec![], ..eve.clone() }, &mut dossier);
    check(&world, "", &dossier, &[Rule::Rebuilders]);
    for at in (0..eve.envelope.len()).step_by(11) {
        let mut envelope = eve.envelope.clone();
        envelope[at] ^= 1;
        with(Attested { envelope, ..eve.clone() }, &mut dossier);
        let decision = judge(&world.policy(""), &dossier, &[]);
        // The key's id is a hint; whatever else is altered counts for nothing.
        let text = String::from_utf8_lossy(&eve.envelope);
        let hint = text.find("keyid").expect("it has one");
        let is_hint = (hint - 1..hint + 74).contains(&at);
        assert!(is_hint || !decision.is_allowed(), "byte {at}: {decision:#?}");
    }
    with(eve, &mut dossier);
    check(&world, "", &dossier, &[]);
}

#[test]
fn a_rebuilder_s_key_of_another_format_is_none_for_envelopes() {
    let (world, mut dossier) = good();
    let machine = world.others[0].machine(1);
    for attested in &mut dossier.attestations {
        let text = String::from_utf8(attested.envelope.clone()).expect("JSON");
        let mut envelope = vigil_trust::formats::Envelope::parse(text.as_bytes()).expect("one");
        let certificate = machine.certify_subkey(vigil_trust::Purpose::Minisign).encode();
        envelope.signatures[0].certificate = Some(certificate);
        attested.envelope = envelope.json().into_bytes();
    }
    dossier.attestations.sort();
    check(&world, "", &dossier, &[Rule::Rebuilders]);
}

#[test]
fn needs_stay_within_what_was_allowed_and_declared() {
    let mut world = World::new();
    let needs = ["clock", "network:example.com:443"];
    let mut dossier = world.good(manifest(NAME, &needs, &[]));
    check(&world, "", &dossier, &[Rule::Footprint]);
    check(&world, "allow * clock", &dossier, &[Rule::Footprint]);
    check(&world, "allow * clock\nallow example.org/* network", &dossier, &[Rule::Footprint]);
    let allowed = "allow * clock\nallow example.com/* network:example.com";
    check(&world, allowed, &dossier, &[]);
    // A rebuilder who saw the build reach for more than the manifest declares.
    let manifest = dossier.manifest.clone();
    let root = manifest.payload().root;
    dossier.attest(world.attest_with(&manifest, 3, root, &["network:example.com:443"]));
    check(&world, allowed, &dossier, &[]);
    dossier.attest(world.attest_with(&manifest, 3, root, &["network:evil.example"]));
    check(&world, &format!("{allowed}\nallow * network"), &dossier, &[Rule::Footprint]);
}

#[test]
fn what_is_revoked_counts_no_more() {
    let (mut world, dossier) = good();
    let claim = Claim::decode(dossier.claim.as_ref().expect("a claim")).expect("it holds");
    let machine = claim.statement().author();
    let grant = vigil_trust::Statement::decode(&world.chain[0]).expect("it holds").id();
    let manifest = dossier.manifest.id();
    let person = world.ada.public();
    let ids = [
        manifest.to_hex(),
        claim.statement().id().to_hex(),
        machine.to_string(),
        grant.to_hex(),
        person.to_string(),
    ];
    for id in ids {
        check(&world, &format!("revoked {id}"), &dossier, &[Rule::Revocation]);
    }
    let rebuilder = world.others[0].machine(1).public();
    let lines = format!("revoked {rebuilder}");
    check(&world, &lines, &dossier, &[Rule::Rebuilders]);
    // What the puddle itself says.
    let judged = |world: &World| {
        let views = [world.ada.view(), world.others[1].view()];
        refusals(&judge(&world.policy(""), &dossier, &views))
    };
    assert_eq!(judged(&world), []);
    let reason = String::from("lost");
    let target = Target::Machine(world.others[1].machine(1).public().bytes());
    world.others[1].say(Event::Revoke { target, kept: vec![], reason: reason.clone() });
    assert_eq!(judged(&world), [Rule::Rebuilders]);
    let target = Target::Grant(grant);
    world.ada.say(Event::Revoke { target, kept: vec![], reason });
    assert_eq!(judged(&world), [Rule::Rebuilders, Rule::Revocation]);
}

#[test]
fn a_key_that_was_rotated_away_keeps_what_its_rotation_had_seen() {
    let (mut world, dossier) = good();
    let successor = SecretKey::from_seed(&[77; 32]);
    let (puddle, before) = (world.ada.puddle(), world.ada.public());
    let after = vec![world.ada.events.last().expect("events").id()];
    world.ada.say(Event::rotate(&puddle, &before, &after, &successor));
    let judged = |dossier: &Dossier, world: &World| {
        refusals(&judge(&world.policy(""), dossier, &[world.ada.view()]))
    };
    assert_eq!(judged(&dossier, &world), []);
    // The old key goes on granting: whoever has it now is not heard.
    let scope = Scope::new("pkg", ["publish"], "", None).expect("a scope");
    let to = world.ada.machine(1).public().bytes();
    let grant = world.ada.say(Event::Grant { to, parent: None, scope }).encode();
    let mut late = dossier.clone();
    late.chain = vec![grant];
    assert_eq!(judged(&late, &world), [Rule::Revocation]);
    // Nor may the old key sign a claim itself.
    let key = SecretKey::from_seed(&world.ada.key.seed());
    let mut own = publish(&mut world, dossier.manifest, &key);
    own.chain.clear();
    assert_eq!(judged(&own, &world), [Rule::Revocation]);
}

#[test]
fn what_was_seen_too_long_ago_is_stale() {
    let (mut world, dossier) = good();
    check(&world, "max-age 99h", &dossier, &[]);
    check(&world, "max-age 98h", &dossier, &[Rule::Freshness]);
    // The quorum has to be fresh, not one witness.
    let manifest = dossier.manifest.clone();
    let mut one = dossier.clone();
    one.proof = Some(world.prove(&manifest, &world.claim(&manifest), [999, 901]));
    check(&world, "max-age 97h", &one, &[Rule::Freshness]);
    one.proof = Some(world.prove(&manifest, &world.claim(&manifest), [999, 1000]));
    check(&world, "max-age 97h", &one, &[]);
    // Witnesses from the future do not make it fresh.
    one.proof = Some(world.prove(&manifest, &world.claim(&manifest), [2000, 2000]));
    check(&world, "max-age 97h", &one, &[Rule::Freshness]);
    // Nor does a claim come from there.
    let claim = Claim::sign(&world.ada.machine(1), hours(1002), &manifest);
    let mut early = dossier;
    early.claim = Some(claim.statement().encode());
    early.proof = Some(world.prove(&manifest, &claim, [999, 1000]));
    check(&world, "", &early, &[Rule::Freshness]);
}

#[test]
fn a_puddle_that_was_silent_for_longer_than_its_lease_is_stale() {
    let (world, dossier) = good();
    let mut view = world.ada.view();
    let lease = |seconds| vigil_trust::puddle::Lease::seconds(seconds).expect("a lease");
    view.lease = lease(999 * 3600);
    assert!(judge(&world.policy(""), &dossier, &[view.clone()]).is_allowed());
    view.lease = lease(997 * 3600);
    let decision = judge(&world.policy(""), &dossier, &[view]);
    assert_eq!(refusals(&decision), [Rule::Freshness]);
}

#[test]
fn nothing_goes_back() {
    let (world, dossier) = good();
    let policy = world.policy("");
    let against = |version: &str, manifest: Vcid| {
        let installed = Installed { version: version.into(), manifest };
        let evidence = Evidence { dossier: &dossier, views: &[], installed: Some(&installed) };
        refusals(&Gate::new(&policy, now()).judge(&evidence))
    };
    let same = dossier.manifest.id();
    assert_eq!(against("0.9", Vcid::of(b"x")), []);
    assert_eq!(against("1.0", same), []);
    assert_eq!(against("1.0", Vcid::of(b"x")), [Rule::Version]);
    assert_eq!(against("1.0.1", Vcid::of(b"x")), [Rule::Version]);
    assert_eq!(against("10", Vcid::of(b"x")), [Rule::Version]);
}

#[test]
fn what_a_gate_remembers_changes_no_decision() {
    let (mut world, dossier) = good();
    let policy = world.policy("");
    let mut gate = Gate::new(&policy, now());
    let mut dossiers = vec![dossier.clone(), Dossier::new(dossier.manifest.clone())];
    for number in 0..20 {
        dossiers.push(world.good(manifest(&format!("example.com/p{number}@1"), &[], &[])));
    }
    let mut forged = dossier;
    forged.chain[0][40] ^= 1;
    dossiers.push(forged);
    for round in 0..2 {
        for dossier in &dossiers {
            let evidence = Evidence { dossier, views: &[], installed: None };
            let fresh = Gate::new(&policy, now()).judge(&evidence);
            assert_eq!(gate.judge(&evidence), fresh, "round {round}");
        }
    }
}

#[test]
fn waived_rules_say_so() {
    let (world, dossier) = good();
    let decision = judge(&world.policy("rebuilders 0\nmax-age never"), &dossier, &[]);
    let waived = decision.reasons.iter().filter(|reason| reason.verdict == Verdict::Waived);
    assert_eq!(
        waived.map(|reason| reason.rule).collect::<Vec<_>>(),
        [Rule::Rebuilders, Rule::Freshness]
    );
}
