//! The records of identity: golden files in `corpus/trust`, both ways. Ed25519 signs the same bytes alike.

use vigil_base::world::Moment;
use vigil_base::{EntryKind, Name, Vcid};
use vigil_trust::attestations::{AttestationEntry, SshKeyEntry};
use vigil_trust::feed::{Batch, Equivocation, FeedId, Incarnation};
use vigil_trust::formats::RevocationList;
use vigil_trust::home::Bundle;
use vigil_trust::names::{AttName, Domains, Meaning, NameEntry, NameState, NameTarget};
use vigil_trust::puddle::{Event, FeedMark, JoinRequest, PuddleEvent, Scope, Target};
use vigil_trust::{Purpose, SecretKey, Statement, SubkeyCertificate};

fn key(seed: u8) -> SecretKey {
    SecretKey::from_seed(&[seed; 32])
}

/// Compares with a golden file. With `UPDATE_EXPECT` set, as for other expectations, it is rewritten.
#[track_caller]
fn check(name: &str, bytes: &[u8]) {
    let hex: String = bytes
        .chunks(32)
        .map(|line| line.iter().map(|byte| format!("{byte:02x}")).collect::<String>() + "\n")
        .collect();
    let path = format!("{}/../../corpus/trust/{name}.hex", env!("CARGO_MANIFEST_DIR"));
    expect_test::expect_file![std::path::Path::new(&path)].assert_eq(&hex);
}

fn grant() -> Statement {
    let scope = Scope::new("files", ["read", "write"], "logs", Some(Moment(900)));
    let (to, scope) = (key(2).public().bytes(), scope.expect("a scope"));
    let event = Event::Grant { to, parent: None, scope };
    let (puddle, after) = (Some(Vcid::of(b"puddle")), vec![Vcid::of(b"seen")]);
    PuddleEvent { puddle, after, event }.sign(&key(1), Moment(500))
}

fn target() -> NameTarget {
    NameTarget { kind: EntryKind::File, vcid: Vcid::of(b"a result") }
}

/// The first batch of a feed, and one that follows with everything that is no event.
fn batches() -> [Batch; 2] {
    let incarnation = Incarnation([6; 16]);
    let first = Batch::sign(&key(2), incarnation, None, Moment(500), &[grant().encode()]);
    let attestation = AttestationEntry::new(
        Vcid::of(b"an envelope"),
        "https://example.org/reviewed/v1",
        [Vcid::of(b"a result"), Vcid::of(b"another")],
    );
    let name = AttName::parse("att://ada.example/result@1").expect("a name");
    let name = NameEntry { name, target: Some(target()), replaces: vec![Vcid::of(b"before")] };
    let entries = [
        SshKeyEntry::sign(&key(2)).encode(),
        attestation.expect("it fits").encode(),
        name.encode(),
    ];
    let previous = Some(first.signed_header());
    let second = Batch::sign(&key(2), incarnation, previous, Moment(501), &entries);
    [first, second]
}

fn evidence() -> Equivocation {
    let [first, second] = batches();
    let previous = Some(first.signed_header());
    let other = Batch::sign(&key(2), Incarnation([6; 16]), previous, Moment(502), &[b"other"]);
    Equivocation::between(second.signed_header(), other.signed_header()).expect("it is")
}

#[test]
fn what_is_signed_is_as_the_golden_files_have_it() {
    let [first, second] = batches();
    let join = JoinRequest::sign(&key(2), Moment(7), &Name::new("van").expect("a name"));
    let subkey = key(1).certify_subkey(Purpose::Ssh);
    let last = FeedMark { incarnation: Incarnation([6; 16]), next: 4, last: second.id() };
    let target = Target::Machine(key(2).public().bytes());
    let event = Event::Revoke { target, kept: vec![last], reason: "lost".into() };
    let (puddle, after) = (Some(Vcid::of(b"puddle")), vec![Vcid::of(b"seen")]);
    let event = PuddleEvent { puddle, after, event };
    let revocation = event.sign(&key(1), Moment(600));
    let bundle = Bundle {
        puddle: Vcid::of(b"puddle"),
        events: vec![grant()],
        batches: vec![first, second.clone()],
        evidence: vec![evidence()],
    };
    check("statement", &grant().encode());
    check("batch", &second.encode());
    check("evidence", &evidence().encode());
    check("subkey", &subkey.encode());
    check("join", &join.encode());
    check("revocation", &revocation.encode());
    check("bundle", &bundle.encode());
    assert_eq!(Statement::decode(&grant().encode()), Ok(grant()));
    assert_eq!(PuddleEvent::decode(&revocation), Ok(event));
    assert_eq!(Batch::decode(&second.encode()).as_ref(), Ok(&second));
    assert_eq!(Equivocation::decode(&evidence().encode()), Ok(evidence()));
    assert_eq!(SubkeyCertificate::decode(&subkey.encode()).as_ref(), Ok(&subkey));
    assert_eq!(JoinRequest::decode(&join.encode()).as_ref(), Ok(&join));
    assert_eq!(Bundle::decode(&bundle.encode()).as_ref(), Ok(&bundle));
}

#[test]
fn what_is_kept_of_names_and_listed_as_revoked_is_as_the_golden_files_have_it() {
    let domains = [("ada.example", b"one"), ("plant7.example", b"two")];
    let domains = domains.map(|(domain, puddle)| (domain.to_owned(), Vcid::of(puddle)));
    let domains = Domains(domains.into());
    let feed = FeedId { machine: key(2).public().bytes(), incarnation: Incarnation([6; 16]) };
    let standing = vec![(Some(target()), feed, 3), (None, feed, 3)];
    let state = NameState { meaning: Meaning::Frozen, standing };
    let mut list = RevocationList::default();
    list.machine(key(2).public().bytes());
    list.machine(key(3).public().bytes());
    list.key(&key(2).subkey(Purpose::Ssh).public());
    check("domains", &domains.encode());
    check("name-state", &state.encode());
    check("revoked.krl", &list.encode(1_900_000_000, "revoked machines of home"));
    assert_eq!(Domains::decode(&domains.encode()).as_ref(), Ok(&domains));
    assert_eq!(NameState::decode(&state.encode()).as_ref(), Ok(&state));
}
