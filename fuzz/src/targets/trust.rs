//! Statements, batches, evidence, bundles, sealed keys, and the bodies that they carry.
//!
//! The first byte says which decoder. Signatures cannot be guessed, so bodies are signed here with a known
//! key first: what a hostile member of a puddle could do.
//!
//! Invariant: what is accepted encodes to the very same bytes, and folding it neither panics nor hangs.

use std::collections::BTreeSet;
use vigil_base::Vcid;
use vigil_base::cbor::Decoder;
use vigil_base::world::Moment;
use vigil_trust::attestations::{
    AttestationEntry, SshKeyEntry, Standing, fold_attestations, ssh_keys,
};
use vigil_trust::feed::{Batch, Equivocation, FeedId, Incarnation};
use vigil_trust::home::Bundle;
use vigil_trust::names::{AttName, Domains, NameEntry, NameState, Said, fold_names};
use vigil_trust::puddle::{JoinRequest, PuddleEvent, fold};
use vigil_trust::{KeyBytes, Purpose, SecretKey, Statement, SubkeyCertificate, Words, seal};

/// Tags and pieces of records.
pub const WORDS: &[&[u8]] = &[
    b"vigil.statement/1",
    b"vigil.claim/1",
    b"vigil.batch/1",
    b"vigil.batch-header/1",
    b"vigil.equivocation/1",
    b"vigil.puddle-bundle/1",
    b"vigil.puddle-genesis/1",
    b"vigil.puddle-add/1",
    b"vigil.puddle-revoke/1",
    b"vigil.puddle-grant/1",
    b"vigil.puddle-rotate/1",
    b"vigil.name/1",
    b"vigil.attestation/1",
    b"vigil.ssh-key/1",
    b"vigil.sealed/1",
    b"vigseal\x01",
    b"machine",
    b"grant",
    b"\x80",
    b"\xf6",
    b"\x58\x20",
    b"\x58\x40",
];

/// Tags and pieces of what is kept of names.
pub const NAMES_WORDS: &[&[u8]] =
    &[b"vigil.domains/1", b"ada.example", b"\x80", b"\x82", b"\x84", b"\xf6", b"\x50", b"\x58\x20"];

fn key() -> SecretKey {
    SecretKey::from_seed(&[1; 32])
}

/// Checks one input.
pub fn run(input: &[u8]) {
    let Some((which, input)) = input.split_first() else { return };
    match which % 11 {
        0 => same(Statement::decode(input).map(|read| read.encode()), input),
        1 => same(Batch::decode(input).map(|read| read.encode()), input),
        2 => same(Equivocation::decode(input).map(|read| read.encode()), input),
        3 => same(SubkeyCertificate::decode(input).map(|read| read.encode()), input),
        4 => same(JoinRequest::decode(input).map(|read| read.encode()), input),
        5 => same(Bundle::decode(input).map(|read| read.encode()), input),
        6 => sealed(input),
        7 => name(input),
        8 => text(input),
        9 => body(input),
        _ => attestation(input),
    }
}

fn same<E>(read: Result<Vec<u8>, E>, input: &[u8]) {
    if let Ok(encoded) = read {
        assert_eq!(encoded, input, "it was accepted but is not what the encoder writes");
    }
}

/// A sealed file whose length and checksum are mended, so that what is below them is reached. Opening it
/// would take the memory that it asks for, so only the header is read.
fn sealed(input: &[u8]) {
    let _ = seal::read_header(input);
    let mut file = b"vigseal\x01".to_vec();
    file.extend((12 + input.len() as u32 + 32).to_le_bytes());
    file.extend(input);
    let check = Vcid::of(&file);
    file.extend(check.as_bytes());
    let _ = seal::read_header(&file);
}

fn name(input: &[u8]) {
    same(NameEntry::decode(input).map(|read| read.encode()), input);
    let feed = FeedId { machine: KeyBytes([1; 32]), incarnation: Incarnation([1; 16]) };
    let batch = Vcid::of(b"a batch");
    let said = Said { feed, batch, position: 0, entry: input };
    let again = Said { feed, batch, position: 1, entry: input };
    let table = fold_names([said, again], &BTreeSet::new());
    assert!(
        table.values().all(|pointer| pointer.standing.len() == 1 && pointer.history.len() == 1)
    );
}

/// An entry that a machine says twice, and a stranger once: it is told of each time, and counts for nothing
/// where there is no puddle.
fn attestation(input: &[u8]) {
    same(AttestationEntry::decode(input).map(|read| read.encode()), input);
    same(SshKeyEntry::decode(input).map(|read| read.encode()), input);
    let machine = key().public().bytes();
    let said = |machine, position| {
        let feed = FeedId { machine, incarnation: Incarnation([1; 16]) };
        Said { feed, batch: Vcid::of(b"a batch"), position, entry: input }
    };
    let said = [said(machine, 0), said(machine, 1), said(KeyBytes([1; 32]), 0)];
    let found = fold_attestations(None, said);
    assert!(found.is_empty() || found.len() == 3, "an entry was lost");
    assert!(found.iter().all(|one| one.standing == Standing::Stranger));
    // Only the machine itself can have proved it, and only its own key.
    let own = key().subkey(Purpose::Ssh).public();
    let keys = ssh_keys(said);
    assert!(keys.iter().all(|(of, keys)| *of == machine && *keys == [own]));
}

/// Checks one input as what is kept of names: the first byte says as what.
pub fn run_names(input: &[u8]) {
    let Some((which, input)) = input.split_first() else { return };
    match which % 2 {
        0 => same(Domains::decode(input).map(|read| read.encode()), input),
        _ => same(NameState::decode(input).map(|read| read.encode()), input),
    }
}

fn text(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    if let Ok(name) = AttName::parse(text) {
        assert_eq!(AttName::parse(&name.to_string()), Ok(name));
    }
    let _ = Words::parse(text);
}

/// A body that the Person signs, folded into a puddle.
fn body(input: &[u8]) {
    let is_record = vigil_base::cbor::validate(input).is_ok()
        && Decoder::new(input).is_ok_and(|mut at| at.array().is_ok() && at.text().is_ok());
    if !is_record {
        return;
    }
    let statement = Statement::sign(&key(), Moment(1), input.to_vec());
    assert_eq!(Statement::decode(&statement.encode()).as_ref(), Ok(&statement));
    if let Ok(event) = PuddleEvent::decode(&statement) {
        assert_eq!(event.encode(), input, "it was accepted but is not what the encoder writes");
    }
    let id = statement.id();
    if let Ok(view) = fold(id, [&statement], &BTreeSet::new()) {
        assert!(view.heads.contains(&id) && view.machines.is_empty());
    }
}
