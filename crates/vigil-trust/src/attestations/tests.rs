//! Entries on their own, and the fold against a reference that asks the same of each entry, one by one.

use alloc::collections::BTreeSet;
use alloc::string::ToString as _;
use alloc::vec;

use vigil_base::Name;
use vigil_base::world::Moment;

use super::*;
use crate::Statement;
use crate::feed::{Batch, Incarnation};
use crate::puddle::{Event, FeedMark, JoinRequest, Lease, PuddleEvent, Target, fold};
use crate::testing::Repeating;

fn key(seed: u8) -> SecretKey {
    SecretKey::from_seed(&[seed; 32])
}

fn entry(text: &str) -> AttestationEntry {
    let subjects = [Vcid::of(text.as_bytes()), Vcid::of(b"other")];
    let predicate = "https://example.org/reviewed/v1";
    AttestationEntry::new(Vcid::of(text.as_bytes()), predicate, subjects).expect("it fits")
}

#[test]
fn what_is_decoded_is_encoded_alike_and_nothing_else_is_taken() {
    let random = Repeating::new(3);
    for bytes in [entry("a").encode(), SshKeyEntry::sign(&key(1)).encode()] {
        for _ in 0..4000 {
            let mut altered = bytes.clone();
            altered[random.below(bytes.len())] ^= 1 << random.below(8);
            if let Ok(entry) = AttestationEntry::decode(&altered) {
                assert_eq!(entry.encode(), altered);
            }
            if let Ok(entry) = SshKeyEntry::decode(&altered) {
                assert_eq!(entry.encode(), altered);
            }
        }
        assert!((0..bytes.len()).all(|cut| AttestationEntry::decode(&bytes[..cut]).is_err()));
        assert!((0..bytes.len()).all(|cut| SshKeyEntry::decode(&bytes[..cut]).is_err()));
    }
    assert_eq!(AttestationEntry::decode(&entry("a").encode()), Ok(entry("a")));
    assert!(AttestationEntry::decode(&SshKeyEntry::sign(&key(1)).encode()).is_err());
}

#[test]
fn what_no_entry_holds_is_refused_when_it_is_made_and_when_it_is_read() {
    let (envelope, one) = (Vcid::of(b"e"), [Vcid::of(b"s")]);
    let many: BTreeSet<Vcid> = (0..65_u8).map(|number| Vcid::of(&[number])).collect();
    let long = "x".repeat(PREDICATE_BYTES_MAX + 1);
    let new = |envelope, predicate: &str, subjects: &[Vcid]| {
        AttestationEntry::new(envelope, predicate, subjects.iter().copied())
    };
    assert_eq!(new(envelope, "", &one), Err(AttestationError::Predicate));
    assert_eq!(new(envelope, &long, &one), Err(AttestationError::Predicate));
    assert_eq!(new(envelope, "a\u{1b}[31m", &one), Err(AttestationError::Predicate));
    assert_eq!(new(envelope, "a:b", &[]), Err(AttestationError::Subjects));
    let written = |predicate: &str, subjects: &[Vcid]| {
        let (predicate, subjects) = (predicate.into(), subjects.to_vec());
        AttestationEntry::decode(&AttestationEntry { envelope, predicate, subjects }.encode())
            .expect_err("no entry holds it")
            .fault
    };
    let rising: Vec<Vcid> = many.into_iter().collect();
    assert_eq!(new(envelope, "a:b", &rising), Err(AttestationError::Subjects));
    assert_eq!(written("", &one), Fault::Range);
    assert_eq!(written(&long, &one), Fault::Range);
    assert_eq!(written("a\nb", &one), Fault::Range);
    assert_eq!(written("a:b", &[]), Fault::Range);
    assert_eq!(written("a:b", &rising), Fault::Range);
    assert_eq!(written("a:b", &[rising[1], rising[0]]), Fault::KeyOrder);
    assert_eq!(written("a:b", &[rising[1], rising[1]]), Fault::KeyOrder);
}

/// What machine 2 says in its life 1, one entry a batch; and what its thief says there.
fn chain(text: &str) -> Vec<Batch> {
    let mut batches: Vec<Batch> = Vec::new();
    for _ in 0..8 {
        let previous = batches.last().map(Batch::signed_header);
        batches.push(Batch::sign(&key(2), Incarnation([1; 16]), previous, Moment(0), &[text]));
    }
    batches
}

/// The batches of [`chain`] that count.
fn kept(view: &View) -> KeptBatches {
    let all = [chain("forged"), chain("said")].concat();
    KeptBatches::of(view, all.iter().map(Batch::signed_header))
}

fn feed(machine: u8, incarnation: u8) -> FeedId {
    let machine = key(machine).public().bytes();
    FeedId { machine, incarnation: Incarnation([incarnation; 16]) }
}

#[test]
fn an_ssh_key_is_a_machines_only_if_both_say_so() {
    let (laptop, thief) = (key(1), key(2));
    let own = SshKeyEntry::sign(&laptop);
    let ssh = laptop.subkey(Purpose::Ssh).public();
    assert_eq!(own.key_of(&laptop.public().bytes()), Some(ssh));
    // The thief of one machine says that another machine's key is its own, with what proof there is.
    let said = |feed, entry| Said { feed, batch: Vcid::of(b"a batch"), position: 0, entry };
    let stolen = SshKeyEntry { key: ssh.bytes(), proof: SshKeyEntry::sign(&thief).proof };
    let (own, replayed, stolen) = (own.encode(), own.encode(), stolen.encode());
    let theirs = SshKeyEntry::sign(&thief).encode();
    let keys = ssh_keys([
        said(feed(1, 1), own.as_slice()),
        said(feed(2, 1), &replayed),
        said(feed(2, 1), &stolen),
        said(feed(2, 2), &theirs),
        said(feed(2, 3), &theirs),
        said(feed(3, 1), b"no entry"),
    ]);
    let thiefs = thief.subkey(Purpose::Ssh).public();
    let want = [(laptop.public().bytes(), vec![ssh]), (thief.public().bytes(), vec![thiefs])];
    assert_eq!(keys, want.into());
    // Neither is a signature for another namespace, nor one by another subkey.
    let machine = laptop.public().bytes();
    let proof = laptop.subkey(Purpose::Ssh).sign(&sshsig_message("git", &machine.0));
    assert_eq!(SshKeyEntry { key: ssh.bytes(), proof }.key_of(&machine), None);
    let proof =
        laptop.subkey(Purpose::Minisign).sign(&sshsig_message(NAMESPACE_MACHINE, &machine.0));
    assert_eq!(SshKeyEntry { key: ssh.bytes(), proof }.key_of(&machine), None);
    let no_key = SshKeyEntry { key: KeyBytes([0; 32]), proof };
    assert_eq!(no_key.key_of(&machine), None);
}

#[test]
fn a_machine_that_claims_keys_without_end_is_not_listened_to_without_end() {
    let laptop = key(1);
    let ssh = laptop.subkey(Purpose::Ssh).public();
    let (own, machine) = (SshKeyEntry::sign(&laptop), laptop.public().bytes());
    // Half of all bytes are no key, and nothing was signed with any of these.
    let claim = |number: usize| {
        let mut bytes = [7; 32];
        bytes[..8].copy_from_slice(&number.to_le_bytes());
        SshKeyEntry { key: KeyBytes(bytes), proof: own.proof }.encode()
    };
    let claims: Vec<Vec<u8>> = (0..SSH_KEYS_MAX).map(claim).collect();
    let found = |position: u64| {
        let claims = claims.iter().zip(1..);
        let batch = Vcid::of(b"a batch");
        let claims =
            claims.map(|(entry, position)| Said { feed: feed(1, 1), batch, position, entry });
        let own = own.encode();
        let said = claims.chain([Said { feed: feed(1, 2), batch, position, entry: &own }]);
        ssh_keys(said).remove(&machine).unwrap_or_default()
    };
    // What is said early is heard, in whatever order it comes.
    assert_eq!(found(1), [ssh]);
    assert_eq!(found(1 << 20), []);
}

/// A puddle with the machines 1 to 4, of which 2 is revoked: what it said before position 5 was seen. 4 has
/// been forgiven its incarnation 9.
fn puddle(frozen: &BTreeSet<FeedId>) -> View {
    let person = key(100);
    let name = Name::new("home").expect("a name");
    let genesis = Event::Genesis { name, lease: Lease::Never, nonce: [0; 16] };
    let genesis = PuddleEvent { puddle: None, after: vec![], event: genesis };
    let genesis = genesis.sign(&person, Moment(0));
    let id = genesis.id();
    let mut events = vec![genesis];
    let mut write = |event| {
        let after = vec![events.last().map_or(id, Statement::id)];
        events.push(PuddleEvent { puddle: Some(id), after, event }.sign(&person, Moment(1)));
    };
    for seed in 1..=4 {
        let name = Name::new(&alloc::format!("m{seed}")).expect("a name");
        let request = JoinRequest::sign(&key(seed), Moment(0), &name);
        let pardons = if seed == 4 { vec![Incarnation([9; 16])] } else { vec![] };
        write(Event::Add { request, pardons });
    }
    let kept =
        vec![FeedMark { incarnation: Incarnation([1; 16]), next: 5, last: chain("said")[4].id() }];
    let target = Target::Machine(key(2).public().bytes());
    write(Event::Revoke { target, kept, reason: "stolen".into() });
    fold(id, &events, frozen).expect("a puddle")
}

#[test]
fn each_standing_has_its_rule() {
    let forked = feed(3, 1);
    let view = puddle(&BTreeSet::from([forked, feed(4, 9)]));
    let kept = kept(&view);
    let (said, forged) = (chain("said"), chain("forged"));
    let check = |feed, batch: Vcid, want| {
        assert_eq!(Standing::of(&view, &kept, &feed, &batch), want, "{feed}");
    };
    let any = Vcid::of(b"a batch");
    check(feed(1, 1), any, Standing::Counts);
    check(feed(1, 7), any, Standing::Counts);
    // Revoked: what the Person had seen stays, and what the thief signs in its place does not count.
    check(feed(2, 1), said[0].id(), Standing::Counts);
    check(feed(2, 1), said[4].id(), Standing::Counts);
    check(feed(2, 1), said[5].id(), Standing::Revoked);
    check(feed(2, 1), forged[0].id(), Standing::Revoked);
    check(feed(2, 1), forged[4].id(), Standing::Revoked);
    check(feed(2, 2), any, Standing::Revoked);
    // Frozen: nothing of that machine, in none of its lives.
    check(forked, any, Standing::Frozen);
    check(feed(3, 2), any, Standing::Frozen);
    check(feed(4, 9), any, Standing::Forgiven);
    check(feed(4, 8), any, Standing::Counts);
    check(feed(5, 1), any, Standing::Stranger);
    // A fork below the mark, also at the first position, takes nothing from what the Person had seen.
    let view = puddle(&BTreeSet::from([feed(2, 1)]));
    assert_eq!(Standing::of(&view, &kept, &feed(2, 1), &said[0].id()), Standing::Counts);
    assert_eq!(Standing::of(&view, &kept, &feed(2, 1), &forged[0].id()), Standing::Revoked);
}

#[test]
fn ten_thousand_random_feeds_agree_with_asking_for_each_entry() {
    let random = Repeating::new(21);
    let (said, forged) = (chain("said"), chain("forged"));
    for _ in 0..10_000 / 50 {
        let pick_feed = || feed(1 + random.below(5) as u8, 1 + random.below(2) as u8);
        let forks: BTreeSet<FeedId> = (0..random.below(3)).map(|_| pick_feed()).collect();
        let view = puddle(&forks);
        let kept = kept(&view);
        for _ in 0..50 {
            let entries: Vec<(FeedId, u64, bool, Vec<u8>)> = (0..random.below(8))
                .map(|_| {
                    let bytes = match random.below(4) {
                        0 => SshKeyEntry::sign(&key(1)).encode(),
                        1 => b"something else".to_vec(),
                        _ => entry(&random.below(3).to_string()).encode(),
                    };
                    (pick_feed(), random.below(8) as u64, random.below(2) == 0, bytes)
                })
                .collect();
            let handed = entries.iter().map(|(feed, position, is_forged, entry)| {
                let chain = if *is_forged { &forged } else { &said };
                let is_chain = *feed == self::feed(2, 1);
                let other = Vcid::of(b"a batch of another feed");
                let batch = if is_chain { chain[*position as usize].id() } else { other };
                Said { feed: *feed, batch, position: *position, entry }
            });
            let backwards = fold_attestations(Some((&view, &kept)), handed.clone().rev());
            let found = fold_attestations(Some((&view, &kept)), handed);
            assert_eq!(found, backwards, "the order has changed the fold");
            let told: BTreeSet<(FeedId, u64, Vec<u8>, bool)> = found
                .iter()
                .map(|one| {
                    let counts = one.standing == Standing::Counts;
                    (one.feed, one.position, one.entry.encode(), counts)
                })
                .collect();
            // Said another way: revoked machines keep what was seen of them, whatever else is forked.
            let tag = b"vigil.attestation/1";
            let is_tagged = |entry: &[u8]| entry.windows(tag.len()).any(|part| part == tag);
            let want: BTreeSet<(FeedId, u64, Vec<u8>, bool)> = entries
                .iter()
                .filter(|(.., entry)| is_tagged(entry))
                .map(|(feed, position, is_forged, entry)| {
                    let is = |seed: u8| feed.machine == key(seed).public().bytes();
                    let counts = match () {
                        () if is(5) => false,
                        () if is(2) => feed.incarnation.0[0] == 1 && *position < 5 && !is_forged,
                        () => !forks.iter().any(|fork| fork.machine == feed.machine),
                    };
                    (*feed, *position, entry.clone(), counts)
                })
                .collect();
            assert_eq!(told, want);
        }
    }
}
