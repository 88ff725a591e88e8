//! Attestations in the mouths of machines: one that is revoked, one that is forked, and one that is nobody's.

use vigil_base::world::Moment;
use vigil_base::{Name, Vcid};
use vigil_node::attest::{Attestation, Checked, FeedWords, Refusal, check, revoked};
use vigil_node::shared_names::SharedNames;
use vigil_trust::attestations::{AttestationEntry, SshKeyEntry, Standing};
use vigil_trust::feed::{Batch, Equivocation, Incarnation};
use vigil_trust::formats::{
    AllowedSigners, Certificate, InTotoStatement, Json, MachineCertificate, Subject,
};
use vigil_trust::home::Bundle;
use vigil_trust::puddle::{Event, JoinRequest, PuddleEvent, Target};
use vigil_trust::{Purpose, SecretKey};

use crate::shared_names::{Machine, copy, key, know, person_of, the_person, two};
use crate::support::Place;

const NOW: u64 = 1_900_000_000;

/// What the Person of puddle `seed` says of a machine's SSH key.
fn certificate(seed: u8, machine: &SecretKey) -> Certificate {
    let certificate = MachineCertificate {
        name: &Name::new("bench").expect("a name"),
        machine: &machine.public(),
        ssh: &machine.subkey(Purpose::Ssh).public(),
        nonce: [9; 32],
        valid_after: 0,
        valid_before: u64::MAX,
    };
    certificate.sign(&person_of(seed)).expect("a sound body")
}

/// Signs that a machine has reviewed a text, and returns that with the entry for its feed.
fn attest(seed: u8, machine: &SecretKey, text: &str) -> (Checked, Vec<u8>) {
    let statement = InTotoStatement {
        subjects: vec![Subject::sha256(text, &Vcid::of(text.as_bytes()).to_hex())],
        predicate_type: "https://example.org/reviewed/v1".into(),
        predicate: Json::object([]),
    };
    let certificate = certificate(seed, machine);
    let Ok(signed) = Attestation::sign(machine, &certificate, &statement);
    let signers = [AllowedSigners::of_authority(&certificate, "a person")];
    let checked = check(signed.hash, signed.envelope.as_bytes(), &signed.signature, &signers, NOW);
    let entry = signed.entry(&statement).expect("it fits").encode();
    (checked.expect("all of its signatures hold"), entry)
}

fn words(machine: &Machine) -> FeedWords {
    FeedWords::read(&SharedNames::new(&machine.folder), |_| true).expect("readable")
}

/// Checks what becomes of attestations, in this order.
#[track_caller]
fn judged(machine: &Machine, all: &[&Checked], want: &[Result<Option<u64>, &str>]) {
    let words = words(machine);
    let found: Vec<Result<Option<u64>, String>> = all
        .iter()
        .map(|checked| {
            let judged = words.judge(checked);
            judged.map(|said| said.map(|said| said.position)).map_err(|why| why.to_string())
        })
        .collect();
    let want: Vec<Result<Option<u64>, String>> =
        want.iter().map(|one| one.map_err(ToOwned::to_owned)).collect();
    assert_eq!(found, want);
}

/// Has the Person take away a machine, having seen what is here of it, and returns the event.
fn revoke(at: &Machine, id: Vcid, target: &SecretKey) {
    let known = at.home().open_puddle(id).expect("readable");
    let machine = target.public().bytes();
    let kept = known.marks(&machine);
    let event = Event::Revoke { target: Target::Machine(machine), kept, reason: "stolen".into() };
    let after = known.view.next_after();
    let event = PuddleEvent { puddle: Some(id), after, event }.sign(&person_of(1), Moment(4));
    at.say(&[event.encode()]);
}

const REVOKED: &str = "its machine was revoked, and what counts of its feed does not have it";
const FROZEN: &str =
    "its machine has said two things at one position, and no feed of it that counts has it";

#[test]
fn what_a_stolen_key_signs_after_its_revocation_is_refused_and_what_it_said_before_holds() {
    let place = Place::new();
    let (one, two, id) = two(&place);
    let (said, said_entry) = attest(1, &two.key, "said in the feed");
    let (unsaid, unsaid_entry) = attest(1, &two.key, "not said");
    let (stolen, stolen_entry) = attest(1, &two.key, "by the thief");
    two.say(&[SshKeyEntry::sign(&two.key).encode(), said_entry.clone()]);
    let all = [&said, &unsaid, &stolen];
    judged(&one, &all, &[Ok(None), Ok(None), Ok(None)]);
    one.hear(&two, id);
    judged(&one, &all, &[Ok(Some(1)), Ok(None), Ok(None)]);
    revoke(&one, id, &two.key);
    judged(&one, &all, &[Ok(Some(1)), Err(REVOKED), Err(REVOKED)]);
    // The thief goes on in the feed, and so does whoever takes entries over into a feed that counts.
    two.say(std::slice::from_ref(&stolen_entry));
    one.hear(&two, id);
    one.say(&[unsaid_entry, stolen_entry, said_entry]);
    judged(&one, &all, &[Ok(Some(1)), Err(REVOKED), Err(REVOKED)]);
    // For stock tools: the machine, and the key that it said is its own.
    let against = words(&one).against(&said.principal, &said.machine);
    assert!(matches!(against, Some(Refusal::Revoked)), "{against:?}");
    let list = revoked(&one.home().open_puddle(id).expect("readable"));
    assert_eq!((list.machines_len(), list.keys_len()), (1, 1));
}

/// What whoever has a machine's key signs in one of its lives, as that life's first batch.
fn forged(machine: &SecretKey, life: Incarnation, entry: &[u8]) -> Batch {
    Batch::sign(machine, life, None, Moment(3), &[entry])
}

#[test]
fn what_a_thief_signs_below_the_mark_is_refused_and_takes_nothing_from_what_was_said() {
    let place = Place::new();
    let (one, two, id) = two(&place);
    let (said, entry) = attest(1, &two.key, "said in the feed");
    let (stolen, stolen_entry) = attest(1, &two.key, "by the thief");
    two.say(&[SshKeyEntry::sign(&two.key).encode()]);
    two.say(&[entry]);
    one.hear(&two, id);
    revoke(&one, id, &two.key);
    let honest = one.bundle(id);
    let is_twos = |batch: &Batch| batch.header().feed.machine == two.key.public().bytes();
    let first = honest.batches.iter().find(|batch| is_twos(batch)).expect("it was said").clone();
    let rival = forged(&two.key, first.header().feed.incarnation, &stolen_entry);
    let mut backdated = honest.clone();
    backdated.batches.retain(|batch| !is_twos(batch));
    backdated.batches.push(rival.clone());
    // Whoever has nothing but what the thief hands out.
    let three = Machine::new(place.path().join("three"), 3);
    know(&three, vec![the_person(1)]);
    let names = SharedNames::new(&three.folder);
    names.follow("ada.example", &backdated).expect("known");
    judged(&three, &[&said, &stolen], &[Err(REVOKED), Err(REVOKED)]);
    names.follow("ada.example", &honest).expect("known");
    judged(&three, &[&said, &stolen], &[Ok(Some(1)), Err(REVOKED)]);
    // Whoever hears of both: the evidence is of the feed's first position.
    let evidence = Equivocation::between(first.signed_header(), rival.signed_header());
    let voiding = Bundle { evidence: evidence.into_iter().collect(), ..backdated };
    one.home().take_bundle(&voiding).expect("taken");
    names.follow("ada.example", &voiding).expect("known");
    assert_eq!(one.home().evidence().expect("readable").len(), 1);
    for machine in [&one, &three] {
        judged(machine, &[&said, &stolen], &[Ok(Some(1)), Err(REVOKED)]);
    }
}

#[test]
fn a_frozen_machine_is_not_believed_in_a_new_life() {
    let place = Place::new();
    let (one, two, id) = two(&place);
    let (said, entry) = attest(1, &two.key, "said in the feed");
    let (stolen, stolen_entry) = attest(1, &two.key, "by the thief");
    two.say(&[entry]);
    one.hear(&two, id);
    let mut sent = one.bundle(id);
    let is_twos = |batch: &&Batch| batch.header().feed.machine == two.key.public().bytes();
    let life = sent.batches.iter().find(is_twos).expect("it was said").header().feed.incarnation;
    sent.batches.retain(|batch| !is_twos(&batch));
    sent.batches.push(forged(&two.key, life, b"a fork"));
    sent.batches.push(forged(&two.key, Incarnation([9; 16]), &stolen_entry));
    one.home().take_bundle(&sent).expect("taken");
    judged(&one, &[&said, &stolen], &[Err(FROZEN), Err(FROZEN)]);
    // The Person forgives the fork: the key is the machine's again, in all of its other lives.
    let request = JoinRequest::sign(&two.key, Moment(1), &Name::new("bench").expect("a name"));
    let after = one.home().open_puddle(id).expect("readable").view.next_after();
    let event = Event::Add { request, pardons: vec![life] };
    let event = PuddleEvent { puddle: Some(id), after, event }.sign(&person_of(1), Moment(4));
    one.say(&[event.encode()]);
    judged(&one, &[&said, &stolen], &[Ok(None), Ok(Some(0))]);
}

#[test]
fn a_forked_feed_counts_for_nothing_until_the_person_decides() {
    let place = Place::new();
    let (one, two, id) = two(&place);
    let (before, entry) = attest(1, &two.key, "before the fork");
    two.say(&[entry]);
    let twin = Machine { folder: place.path().join("twin"), key: key(2) };
    copy(&two.folder, &twin.folder);
    let (left, entry) = attest(1, &two.key, "one side");
    two.say(&[entry]);
    let (right, entry) = attest(1, &two.key, "other side");
    twin.say(&[entry]);
    one.hear(&two, id);
    let all = [&before, &left, &right];
    judged(&one, &all, &[Ok(Some(0)), Ok(Some(1)), Ok(None)]);
    one.hear(&twin, id);
    judged(&one, &all, &[Err(FROZEN), Err(FROZEN), Err(FROZEN)]);
    let standings: Vec<Standing> = words(&one).all().map(|one| one.standing).collect();
    assert_eq!(standings, [Standing::Frozen; 3], "both sides are shown");
    let against = words(&one).against(&before.principal, &before.machine);
    assert!(matches!(against, Some(Refusal::Frozen)), "{against:?}");
    let itself = words(&one).against(&before.principal, &one.key.public().bytes());
    assert!(itself.is_none(), "{itself:?}");
    // The Person decides, having seen all of one side: what came before the fork stays.
    revoke(&one, id, &two.key);
    judged(&one, &all, &[Ok(Some(0)), Err(REVOKED), Err(REVOKED)]);
}

#[test]
fn a_puddle_has_a_say_in_its_own_persons_machines_alone() {
    let place = Place::new();
    let (one, two, id) = two(&place);
    let (ours, entry) = attest(1, &two.key, "ours");
    two.say(&[entry]);
    one.hear(&two, id);
    // Another Person, who is known here, has admitted a machine of ours by its code, and revokes it.
    let theirs = Machine::new(place.path().join("theirs"), 9);
    let puddle = theirs.begin(9, &key(10));
    let known = theirs.home().open_puddle(puddle).expect("readable");
    let name = Name::new("bench").expect("a name");
    let request = JoinRequest::sign(&two.key, Moment(1), &name);
    let target = Target::Machine(two.key.public().bytes());
    let mut after = known.view.next_after();
    for event in [
        Event::Add { request, pardons: vec![] },
        Event::Revoke { target, kept: vec![], reason: "spite".into() },
    ] {
        let event = PuddleEvent { puddle: Some(puddle), after, event };
        let event = event.sign(&person_of(9), Moment(4));
        theirs.say(&[event.encode()]);
        after = vec![event.id()];
    }
    let (their, their_entry) = attest(9, &theirs.key, "theirs");
    theirs.say(&[their_entry]);
    know(&one, vec![the_person(9)]);
    let names = SharedNames::new(&one.folder);
    names.follow("ada.example", &theirs.bundle(puddle)).expect("known");
    let at = theirs.home().open_puddle(puddle).expect("readable");
    let machines = &at.view.machines[&two.key.public().bytes()];
    assert!(matches!(machines.state, vigil_trust::puddle::MachineState::Revoked { .. }));
    judged(&one, &[&ours, &their], &[Ok(Some(0)), Ok(Some(5))]);
    // Under a Person whose puddle is not here, nothing is held against anybody.
    let (stranger, _) = attest(50, &key(51), "a stranger's");
    judged(&one, &[&stranger], &[Ok(None)]);
    // And their own machine is refused by their word.
    let (later, _) = attest(9, &two.key, "under their certificate");
    let refused = words(&one).judge(&later).expect_err("it is revoked there");
    assert!(matches!(refused, Refusal::Revoked), "{refused}");
}

#[test]
fn each_puddle_of_a_person_is_asked() {
    let place = Place::new();
    let (one, _, id) = two(&place);
    // Another puddle of the same Person, in which a third machine is.
    let other = Machine::new(place.path().join("other"), 3);
    let puddle = other.begin(1, &key(4));
    let three = Machine::new(place.path().join("three"), 4);
    three.hear(&other, puddle);
    let (said, entry) = attest(1, &three.key, "said in the feed");
    three.say(&[entry]);
    other.hear(&three, puddle);
    revoke(&other, puddle, &three.key);
    let (stolen, _) = attest(1, &three.key, "by the thief");
    know(&one, vec![the_person(1)]);
    // Nobody here knows the machine, until the other puddle is followed.
    judged(&one, &[&said, &stolen], &[Ok(None), Ok(None)]);
    let names = SharedNames::new(&one.folder);
    names.follow("ada.example", &other.bundle(puddle)).expect("known");
    judged(&one, &[&said, &stolen], &[Ok(Some(0)), Err(REVOKED)]);
    // A machine of the first one is judged as before.
    assert_ne!(id, puddle);
    let (ours, entry) = attest(1, &one.key, "ours");
    one.say(&[entry]);
    let position = words(&one).all().map(|one| one.position).max();
    judged(&one, &[&ours], &[Ok(position)]);
}

#[test]
fn damaged_evidence_stops_its_own_persons_attestations_alone() {
    let place = Place::new();
    let (one, _, _) = two(&place);
    let theirs = Machine::new(place.path().join("theirs"), 9);
    let puddle = theirs.begin(9, &key(10));
    let (ours, entry) = attest(1, &one.key, "ours");
    one.say(&[entry]);
    let (their, _) = attest(9, &theirs.key, "theirs");
    know(&one, vec![the_person(9)]);
    let names = SharedNames::new(&one.folder);
    names.follow("ada.example", &theirs.bundle(puddle)).expect("known");
    let followed = one.folder.join("followed").join(puddle.to_hex());
    let fork = format!("feeds/{}.fork", theirs.log().id());
    std::fs::write(followed.join(fork), b"damaged").expect("written");
    let read = |checked: &Checked| FeedWords::read(&names, |domain| domain == checked.domain());
    let words = read(&ours).expect("nobody asks for the other");
    assert!(words.judge(&ours).is_ok_and(|said| said.is_some()));
    let refused = read(&their).err().expect("it may have been frozen");
    assert!(refused.to_string().contains("is damaged; import a bundle"), "{refused}");
}

#[test]
fn a_feed_that_says_something_else_of_an_envelope_has_not_said_it() {
    let place = Place::new();
    let (one, two, id) = two(&place);
    let (said, entry) = attest(1, &two.key, "a text");
    let entry = AttestationEntry::decode(&entry).expect("an entry");
    let (hash, subjects) = (entry.envelope(), entry.subjects().to_vec());
    let other_kind = AttestationEntry::new(hash, "https://example.org/other", subjects);
    let other_thing = AttestationEntry::new(hash, entry.predicate(), [Vcid::of(b"another")]);
    two.say(&[other_kind.expect("fits").encode(), other_thing.expect("fits").encode()]);
    one.hear(&two, id);
    judged(&one, &[&said], &[Ok(None)]);
    two.say(&[entry.encode()]);
    one.hear(&two, id);
    judged(&one, &[&said], &[Ok(Some(2))]);
}

#[test]
fn a_machine_in_no_puddle_finds_what_it_said() {
    let place = Place::new();
    let alone = Machine::new(place.path().join("trust"), 1);
    let (said, entry) = attest(1, &alone.key, "alone");
    assert_eq!(words(&alone).all().count(), 0);
    alone.say(&[entry]);
    judged(&alone, &[&said], &[Ok(Some(0))]);
    assert_eq!(words(&alone).all().next().map(|one| one.standing), Some(Standing::Stranger));
}
