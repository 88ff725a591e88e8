//! Every field of every record that is signed, altered in turn: each is refused, and for the right reason.
//!
//! The records of other formats are altered field by field in `formats/`.

use std::error::Error;

use vigil_base::world::Moment;
use vigil_base::{EntryKind, Name, Vcid};
use vigil_trust::attestations::{AttestationEntry, SshKeyEntry};
use vigil_trust::feed::{Batch, Equivocation, Incarnation};
use vigil_trust::home::Bundle;
use vigil_trust::names::{AttName, NameEntry, NameTarget};
use vigil_trust::puddle::{
    Event, FeedMark, JoinRequest, Lease, PuddleEvent, Scope, Target, check_chain,
};
use vigil_trust::{Purpose, SecretKey, Statement, SubkeyCertificate};

fn key(seed: u8) -> SecretKey {
    SecretKey::from_seed(&[seed; 32])
}

/// Where a value lies that has no others in it: its first byte, and how many bytes its head has.
struct Leaf {
    at: usize,
    head: usize,
    end: usize,
}

/// Finds the values of canonical CBOR, also those within byte strings that hold records.
fn leaves(bytes: &[u8], at: usize, into: &mut Vec<Leaf>) -> usize {
    let (major, info) = (bytes[at] >> 5, bytes[at] & 31);
    let extra = match info {
        0..=23 => 0,
        24..=27 => 1 << (info - 24),
        _ => panic!("not canonical"),
    };
    let head = 1 + extra;
    let argument = bytes[at + 1..at + head].iter().fold(0, |all, byte| all << 8 | *byte as usize);
    let argument = if extra == 0 { usize::from(info) } else { argument };
    let start = at + head;
    match major {
        4 => (0..argument).fold(start, |at, _| leaves(bytes, at, into)),
        2 | 3 => {
            let end = start + argument;
            // A record within begins with an array of few items and a tag.
            let inner = &bytes[start..end];
            let is_record = major == 2
                && inner.len() > 8
                && inner[0] >> 5 == 4
                && (inner[1..].starts_with(b"\x6dvigil")
                    || inner.windows(6).take(4).any(|window| window == b"vigil."));
            if is_record {
                let found = leaves(bytes, start, into);
                assert_eq!(found, end, "a record within fills its bytes");
            } else {
                into.push(Leaf { at, head, end });
            }
            end
        }
        _ => {
            into.push(Leaf { at, head, end: start });
            start
        }
    }
}

/// Returns an error and what caused it, in one line.
fn told(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

/// Alters each value in turn, and compares the beginning of what is said of it.
#[track_caller]
fn check<T, E: Error + 'static>(
    what: &str,
    bytes: &[u8],
    read: impl Fn(&[u8]) -> Result<T, E>,
    want: &[(&str, &str)],
) {
    if let Err(error) = read(bytes) {
        panic!("{what} does not hold unaltered: {}", told(&error));
    }
    let mut found = Vec::new();
    assert_eq!(leaves(bytes, 0, &mut found), bytes.len());
    let fields: Vec<&str> = want.iter().map(|(field, _)| *field).collect();
    assert_eq!(found.len(), fields.len(), "{what} has other fields than {fields:?}");
    for (leaf, (field, reason)) in found.iter().zip(want) {
        let mut altered = bytes.to_vec();
        // The last byte of what the field holds; of a value that is all head, the head.
        let last =
            if leaf.end > leaf.at + leaf.head { leaf.end - 1 } else { leaf.at + leaf.head - 1 };
        altered[last] ^= 1;
        let Err(error) = read(&altered) else { panic!("{field} of {what} was altered") };
        let told = told(&error);
        assert!(told.contains(reason), "{field} of {what}: {told}");
    }
}

const UNSIGNED: &str = "the author did not sign this statement";
const NO_STATEMENT: &str = "this is not a statement";

/// The fields of a statement around those of its body.
fn statement<'a>(body: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let mut fields = vec![
        ("tag of the statement", NO_STATEMENT),
        ("tag of the claim", NO_STATEMENT),
        ("author", "author"),
        ("time", UNSIGNED),
    ];
    fields.extend(body);
    fields.push(("signature", UNSIGNED));
    fields
}

/// The fields of a body, for each of which the author has signed.
fn signed<'a>(fields: &[&'a str]) -> Vec<(&'a str, &'a str)> {
    statement(&fields.iter().map(|field| (*field, UNSIGNED)).collect::<Vec<_>>())
}

fn sign(event: Event) -> Vec<u8> {
    let (puddle, after) = (Some(Vcid::of(b"puddle")), vec![Vcid::of(b"seen")]);
    PuddleEvent { puddle, after, event }.sign(&key(1), Moment(500)).encode()
}

fn request() -> JoinRequest {
    JoinRequest::sign(&key(2), Moment(7), &Name::new("van").expect("a name"))
}

#[test]
fn each_event_of_a_puddle() {
    let decode = |bytes: &[u8]| Statement::decode(bytes);
    let name = Name::new("home").expect("a name");
    let lease = Lease::seconds(600).expect("a lease");
    let genesis = Event::Genesis { name, lease, nonce: [3; 16] };
    let genesis = PuddleEvent { puddle: None, after: vec![], event: genesis };
    let genesis = genesis.sign(&key(1), Moment(500)).encode();
    check("a genesis", &genesis, decode, &signed(&["tag", "name", "lease", "nonce"]));
    let add = Event::Add { request: request(), pardons: vec![Incarnation([4; 16])] };
    let fields = signed(&[
        "tag",
        "puddle",
        "seen",
        "tag of the request",
        "tag of its claim",
        "machine",
        "its time",
        "tag of its body",
        "its name",
        "its signature",
        "pardon",
    ]);
    check("an addition", &sign(add), decode, &fields);
    let last = Vcid::of(b"last");
    let kept = vec![FeedMark { incarnation: Incarnation([5; 16]), next: 9, last }];
    let machine = Target::Machine(key(2).public().bytes());
    let revoke = |target| Event::Revoke { target, kept: kept.clone(), reason: "lost".into() };
    let fields =
        ["tag", "puddle", "seen", "kind", "target", "incarnation", "next", "last", "reason"];
    let fields = signed(&fields);
    let none = FeedMark { next: 0, ..kept[0] };
    let none = Event::Revoke { target: machine, kept: vec![none], reason: "lost".into() };
    let none = Statement::decode(&sign(none)).expect("it is signed");
    assert!(PuddleEvent::decode(&none).is_err(), "a mark that keeps nothing");
    check("a revocation of a machine", &sign(revoke(machine)), decode, &fields);
    let grant = Target::Grant(Vcid::of(b"grant"));
    check("a revocation of a grant", &sign(revoke(grant)), decode, &fields);
    let scope = Scope::new("files", ["read", "write"], "logs", Some(Moment(900)));
    let grant = Event::Grant {
        to: key(2).public().bytes(),
        parent: Some(Vcid::of(b"parent")),
        scope: scope.expect("a scope"),
    };
    let fields = signed(&[
        "tag",
        "puddle",
        "seen",
        "to",
        "parent",
        "subsystem",
        "read",
        "write",
        "prefix",
        "expiry",
    ]);
    check("a grant", &sign(grant), decode, &fields);
    let before = key(1).public().bytes();
    let rotate = Event::rotate(&Vcid::of(b"puddle"), &before, &[Vcid::of(b"seen")], &key(8));
    check(
        "a rotation",
        &sign(rotate),
        decode,
        &signed(&["tag", "puddle", "seen", "successor", "consent"]),
    );
    check("a renewal", &sign(Event::Renew), decode, &signed(&["tag", "puddle", "seen"]));
}

#[test]
fn a_request_a_subkey_a_batch_and_evidence() {
    check("a request", &request().encode(), JoinRequest::decode, &signed(&["tag", "name"]));
    let subkey = key(1).certify_subkey(Purpose::Ssh).encode();
    let unsigned = "the owner did not sign";
    check(
        "a subkey",
        &subkey,
        SubkeyCertificate::decode,
        &[
            ("tag", "this is not the certificate of a subkey"),
            ("tag of what is signed", "this is not the certificate of a subkey"),
            ("owner", "key"),
            ("purpose", "a format that is not known here"),
            ("subkey", "key"),
            ("signature", unsigned),
        ],
    );
    let first = Batch::sign(&key(1), Incarnation([6; 16]), None, Moment(500), &[b"a", b"b"]);
    let previous = Some(first.signed_header());
    let batch = Batch::sign(&key(1), Incarnation([6; 16]), previous, Moment(501), &[b"c"]);
    let no_batch = "this is not a batch of a feed";
    let unsigned = "the machine did not sign this batch";
    let header = [
        ("tag of the header", no_batch),
        ("machine", "machine"),
        ("incarnation", unsigned),
        ("first position", unsigned),
        // One entry would become none.
        ("count", no_batch),
        ("batch before", unsigned),
        ("root", unsigned),
        ("time", unsigned),
        ("signature", unsigned),
    ];
    let mut fields = vec![("tag", no_batch)];
    fields.extend(header);
    fields.push(("entries", "the entries of a batch are not those that were signed"));
    check("a batch", &batch.encode(), Batch::decode, &fields);
    let other = Batch::sign(&key(1), Incarnation([6; 16]), previous, Moment(502), &[b"d"]);
    let evidence = Equivocation::between(batch.signed_header(), other.signed_header());
    let of_header = |reason: &'static str| header.map(|(field, _)| (field, reason)).to_vec();
    let reason = "a header in the evidence does not hold";
    let mut fields = vec![("tag", "this is no evidence of equivocation")];
    fields.extend(of_header(reason));
    fields.extend(of_header(reason));
    check("evidence", &evidence.expect("it is").encode(), Equivocation::decode, &fields);
}

#[test]
fn what_a_feed_says_besides_events() {
    let subjects = [Vcid::of(b"one"), Vcid::of(b"two")];
    let entry = AttestationEntry::new(Vcid::of(b"envelope"), "a:b", subjects).expect("it fits");
    let name = NameEntry {
        name: AttName::parse("att://ada.example/result@1").expect("a name"),
        target: Some(NameTarget { kind: EntryKind::File, vcid: Vcid::of(b"result") }),
        replaces: vec![Vcid::of(b"before")],
    };
    let ssh = SshKeyEntry::sign(&key(1)).encode();
    let machine = key(1).public().bytes();
    // The machine has signed each field of each of them with the batch that they are in.
    let entries = [entry.encode(), name.encode(), ssh.clone()];
    let batch = Batch::sign(&key(1), Incarnation([6; 16]), None, Moment(5), &entries);
    let bytes = batch.encode();
    assert!(Batch::decode(&bytes).is_ok());
    let mut found = Vec::new();
    for (record, fields) in entries.iter().zip([5, 7, 3]) {
        found.clear();
        assert_eq!(leaves(record, 0, &mut found), record.len());
        assert_eq!(found.len(), fields);
        let at = bytes.windows(record.len()).position(|part| part == &record[..]);
        let at = at.expect("the batch has the entry");
        for leaf in &found {
            let mut forged = bytes.clone();
            forged[at + leaf.end - 1] ^= 1;
            let error = Batch::decode(&forged).expect_err("an entry was altered").to_string();
            assert_eq!(error, "the entries of a batch are not those that were signed");
        }
    }
    // An SSH key is claimed by both, or by nobody.
    found.clear();
    leaves(&ssh, 0, &mut found);
    for leaf in &found {
        let mut altered = ssh.clone();
        altered[leaf.end - 1] ^= 1;
        let claimed = SshKeyEntry::decode(&altered).ok().and_then(|read| read.key_of(&machine));
        assert_eq!(claimed, None);
    }
    let read = SshKeyEntry::decode(&ssh).expect("it is one");
    assert!(read.key_of(&machine).is_some() && read.key_of(&key(2).public().bytes()).is_none());
}

#[test]
fn each_link_of_a_chain() {
    let scope = || Scope::new("files", ["read"], "logs", Some(Moment(900))).expect("a scope");
    let puddle = Vcid::of(b"puddle");
    let link = |from: u8, to: u8, parent| {
        let event = Event::Grant { to: key(to).public().bytes(), parent, scope: scope() };
        PuddleEvent { puddle: Some(puddle), after: vec![], event }.sign(&key(from), Moment(5))
    };
    let first = link(1, 2, None);
    let second = link(2, 3, Some(first.id()));
    let person = key(1).public().bytes();
    let ask = vigil_trust::puddle::Ask { subsystem: "files", verb: "read", resource: "logs/x" };
    let fields =
        signed(&["tag", "puddle", "to", "parent", "subsystem", "verb", "prefix", "expiry"]);
    // The first link has no other above, and nothing that stands for none has another form.
    let of_first: Vec<(&str, &str)> = fields
        .iter()
        .map(|(field, reason)| (*field, if *field == "parent" { NO_STATEMENT } else { reason }))
        .collect();
    for (at, (statement, fields)) in [(&first, of_first), (&second, fields)].iter().enumerate() {
        let read = |bytes: &[u8]| {
            let mut chain = [first.encode(), second.encode()];
            chain[at] = bytes.to_vec();
            let checked = check_chain(&person, &puddle, &chain, &ask, Moment(6));
            if let Err(error) = &checked {
                assert!(error.to_string().contains(&format!("link {}", at + 1)), "{error}");
            }
            checked
        };
        check("a link", &statement.encode(), read, fields);
    }
    // What its giver altered and signed again is refused where the chain is broken by it.
    let stray = link(2, 3, Some(second.id()));
    let chain = [first.encode(), stray.encode()];
    let error =
        check_chain(&person, &puddle, &chain, &ask, Moment(6)).expect_err("it hangs elsewhere");
    assert_eq!(error.to_string(), "link 2 of the chain does not hang on the one above");
}

#[test]
fn what_a_bundle_holds_is_refused_by_its_place() {
    let statement = Statement::decode(&sign(Event::Renew)).expect("a statement");
    let incarnation = Incarnation([6; 16]);
    let batch = |text: &[u8]| Batch::sign(&key(1), incarnation, None, Moment(500), &[text]);
    let (one, two) = (batch(b"one"), batch(b"two"));
    let evidence = Equivocation::between(one.signed_header(), two.signed_header());
    let bundle = Bundle {
        puddle: Vcid::of(b"puddle"),
        events: vec![statement],
        batches: vec![one],
        evidence: vec![evidence.expect("it is")],
    };
    let bytes = bundle.encode();
    assert_eq!(Bundle::decode(&bytes).as_ref(), Ok(&bundle));
    let mut found = Vec::new();
    leaves(&bytes, 0, &mut found);
    let mut reasons = std::collections::BTreeSet::new();
    for leaf in found {
        let mut altered = bytes.clone();
        altered[leaf.end - 1] ^= 1;
        match Bundle::decode(&altered) {
            // Only the id of the puddle is not signed for; it names another one then.
            Ok(other) => assert_ne!(other.puddle, bundle.puddle),
            Err(error) => _ = reasons.insert(error.to_string()),
        }
    }
    let want = [
        "batch 1 of the bundle does not hold",
        "event 1 of the bundle does not hold",
        "evidence in the bundle does not hold",
        "this is not a bundle of a puddle",
    ];
    assert_eq!(reasons.into_iter().collect::<Vec<_>>(), want);
}
