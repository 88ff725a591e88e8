//! Logs and witnesses that lie about packages: the gate is told nothing but what came along.

use vigil_trust::gate::{Evidence, Gate, Rule};
use vigil_trust::log::{
    AddCheckpoint, Ed25519Kind, FraudProof, LeafIndex, LogReader, TreeHash, TreeSize,
    WitnessRefusal, decide,
};
use vigil_trust::package::{Dossier, log_entry};

use super::world::{World, cosigned, hours, judge, manifest, now, refusals};
use crate::transparency::world::{MemoryLog, log_keys, signer};

fn good() -> (World, Dossier) {
    let mut world = World::new();
    let dossier = world.good(manifest("example.com/tool@1.0", &[], &[]));
    (world, dossier)
}

#[track_caller]
fn refused(world: &World, dossier: &Dossier) {
    assert_eq!(refusals(&judge(&world.policy(""), dossier, &[])), [Rule::Log]);
}

#[test]
fn a_view_for_one_victim_finds_no_witnesses() {
    let (mut world, mut dossier) = good();
    let manifest = dossier.manifest.clone();
    let claim = world.claim(&manifest);
    let entry = log_entry(manifest.name(), claim.manifest(), claim.statement().id());
    // The log shows its victim another tree, which no honest witness has seen.
    let honest = cosigned(world.log.sign(), [901, 902]);
    let mut split = MemoryLog::of(3);
    split.push(&entry);
    let shown = split.sign();
    let proof =
        LogReader::new(split.clone(), shown.clone()).prove(LeafIndex(3), TreeHash::of_leaf(&entry));
    dossier.proof = Some(proof.expect("it is there").to_string().into_bytes());
    refused(&world, &dossier);
    // A witness that has seen the honest tree does not sign the other.
    let request = AddCheckpoint { old: TreeSize(0), proof: vec![], checkpoint: shown };
    let answer = decide(&log_keys(), Some(&honest), request);
    assert!(matches!(answer, Err(WitnessRefusal::Conflict { .. } | WitnessRefusal::SplitView(_))));
    // Cosignatures of another tree are none of this one.
    let text = String::from_utf8(dossier.proof.clone().expect("a proof")).expect("text");
    let lines: String =
        honest.note().signatures().iter().skip(1).map(|line| format!("{line}\n")).collect();
    dossier.proof = Some((text + &lines).into_bytes());
    refused(&world, &dossier);
    world.log.push(b"more");
}

#[test]
fn one_witness_is_no_quorum_and_one_twice_is_one() {
    let (mut world, mut dossier) = good();
    let text = String::from_utf8(dossier.proof.clone().expect("a proof")).expect("text");
    let without: Vec<&str> = text.lines().filter(|line| !line.contains("w2.example")).collect();
    dossier.proof = Some((without.join("\n") + "\n").into_bytes());
    refused(&world, &dossier);
    let first = text.lines().find(|line| line.contains("w1.example")).expect("its line");
    dossier.proof = Some((without.join("\n") + "\n" + first + "\n").into_bytes());
    refused(&world, &dossier);
    world.log.push(b"more");
}

#[test]
fn a_dropped_entry_a_proof_of_another_and_a_tree_set_back_prove_nothing() {
    let (mut world, mut dossier) = good();
    // The tree as it was before the entry, cosigned anew.
    let earlier = cosigned(MemoryLog::of(5).sign(), [950, 951]);
    let path = String::from_utf8(dossier.proof.clone().expect("a proof")).expect("text");
    let (head, _) = path.split_once("\n\n").expect("two parts");
    dossier.proof = Some(format!("{head}\n\n{earlier}").into_bytes());
    refused(&world, &dossier);
    // The proof of another package.
    let other = world.good(manifest("example.com/other@1.0", &[], &[]));
    dossier.proof = other.proof;
    refused(&world, &dossier);
    // A log in which the entry was replaced.
    let mut dropped = MemoryLog::of(5);
    dropped.push(b"something else");
    let shown = cosigned(dropped.sign(), [950, 951]);
    dossier.proof = Some(format!("{head}\n\n{shown}").into_bytes());
    refused(&world, &dossier);
}

#[test]
fn every_bit_of_a_proof_counts() {
    let (world, dossier) = good();
    let policy = world.policy("");
    let mut gate = Gate::new(&policy, now());
    let proof = dossier.proof.clone().expect("a proof");
    for bit in (0..proof.len() * 8).step_by(3) {
        let mut altered = dossier.clone();
        altered.proof.as_mut().expect("a proof")[bit / 8] ^= 1 << (bit % 8);
        let evidence = Evidence { dossier: &altered, views: &[], installed: None };
        assert!(refusals(&gate.judge(&evidence)).contains(&Rule::Log), "bit {bit}");
    }
}

#[test]
fn a_log_that_was_caught_proves_nothing_any_more() {
    let (mut world, dossier) = good();
    let policy = world.policy("");
    let mut gate = Gate::new(&policy, now());
    let one = world.log.sign();
    let mut split = MemoryLog::of(5);
    split.push(b"for you alone");
    let fraud = FraudProof::of_roots(&log_keys(), [&one, &split.sign()]).expect("a proof");
    let evidence = Evidence { dossier: &dossier, views: &[], installed: None };
    assert!(gate.judge(&evidence).is_allowed());
    gate.freeze(&fraud).expect("it holds");
    assert_eq!(refusals(&gate.judge(&evidence)), [Rule::Log]);
    // A proof against somebody else freezes nothing, and neither does one that is forged.
    let other = signer("other.example", Ed25519Kind::Log, 1);
    let lines = format!("log {}\nquorum none", other.key());
    let others = vigil_trust::gate::GatePolicy::parse(lines.as_bytes(), &[]).expect("a policy");
    assert!(Gate::new(&others, hours(1000)).freeze(&fraud).is_err());
    let mut bytes = fraud.encode();
    let last = bytes.len() - 9;
    bytes[last] ^= 1;
    let forged = FraudProof::decode(&bytes);
    assert!(forged.is_err() || Gate::new(&policy, now()).freeze(&forged.expect("one")).is_err());
}
