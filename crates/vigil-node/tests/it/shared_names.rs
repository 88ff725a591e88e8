//! `att://domain/name@version` as resources: what machines say, asked again when they say more.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use expect_test::expect;
use vigil_base::world::Moment;
use vigil_base::{Entry, EntryKind, EntryName, Name, Tree, Vcid};
use vigil_kernel::{How, render_provenance};
use vigil_node::shared_names::{SharedNames, SharedNamesError};
use vigil_store::FolderDisk;
use vigil_trust::SecretKey;
use vigil_trust::feed::{Batch, FeedLog, Incarnation, Waiting};
use vigil_trust::home::{Bundle, Home, HomeError, Person, PuddleHere};
use vigil_trust::names::{AttName, NameEntry, NameTarget};
use vigil_trust::puddle::{Clocks, Event, JoinRequest, Lease, PuddleEvent, Target, TimeHere};

use crate::support::Place;
use crate::{Sevens, request};

const NAME: &str = "att://ada.example/log@1";

/// A machine with what it keeps.
pub(crate) struct Machine {
    pub(crate) folder: PathBuf,
    pub(crate) key: SecretKey,
}

pub(crate) fn key(seed: u8) -> SecretKey {
    SecretKey::from_seed(&[seed; 32])
}

/// The Person of the puddle that machine `seed` begins.
pub(crate) fn person_of(seed: u8) -> SecretKey {
    key(100 + seed)
}

impl Machine {
    pub(crate) fn new(folder: PathBuf, seed: u8) -> Self {
        Self { folder, key: key(seed) }
    }

    pub(crate) fn home(&self) -> Home {
        Home::new(Arc::new(FolderDisk::private(&self.folder)))
    }

    pub(crate) fn log(&self) -> FeedLog {
        let public = self.key.public().bytes();
        let disk = Arc::new(FolderDisk::private(&self.folder));
        FeedLog::open(disk, public, Vcid::of(b"here"), |_| false, &Sevens, Waiting::Long)
            .expect("it opens")
    }

    /// Says something in the machine's feed.
    pub(crate) fn say(&self, entries: &[Vec<u8>]) {
        self.log().append(&self.key, Moment(3), entries).expect("durable");
    }

    /// Begins a puddle with this machine and another.
    pub(crate) fn begin(&self, seed: u8, other: &SecretKey) -> Vcid {
        let person = person_of(seed);
        let name = Name::new("home").expect("a name");
        // Another one for each machine that begins one.
        let nonce = *self.key.public().bytes().0.first_chunk().expect("a key is longer");
        let event = Event::Genesis { name, lease: Lease::Never, nonce };
        let genesis = PuddleEvent { puddle: None, after: vec![], event }.sign(&person, Moment(1));
        let id = genesis.id();
        let add = |key: &SecretKey, after: Vcid| {
            let name = Name::new("bench").expect("a name");
            let request = JoinRequest::sign(key, Moment(1), &name);
            let event = Event::Add { request, pardons: vec![] };
            PuddleEvent { puddle: Some(id), after: vec![after], event }.sign(&person, Moment(2))
        };
        let first = add(&self.key, id);
        let second = add(other, first.id());
        self.say(&[genesis.encode(), first.encode(), second.encode()]);
        self.join(id, seed);
        id
    }

    pub(crate) fn join(&self, id: Vcid, seed: u8) {
        let home = self.home();
        let clocks = Clocks { wall: Moment(0), steady: None };
        let here = PuddleHere { id, time: TimeHere::begin(&clocks) };
        let set = |kept: &mut Option<PuddleHere>| {
            *kept = Some(here);
            Ok::<_, HomeError>(())
        };
        home.update_puddle(set).expect("written");
        home.set_person(&the_person(seed), None).expect("written");
    }

    pub(crate) fn bundle(&self, id: Vcid) -> Bundle {
        let home = self.home();
        let known = home.open_puddle(id).expect("readable");
        let packed = home.bundle(&known).expect("packed");
        Bundle::decode(&packed.bundle.encode()).expect("it holds")
    }

    pub(crate) fn hear(&self, other: &Self, id: Vcid) {
        self.home().take_bundle(&other.bundle(id)).expect("taken");
    }
}

pub(crate) fn the_person(seed: u8) -> Person {
    let name = Name::new("ada").expect("a name");
    Person { key: person_of(seed).public().bytes(), name, at: Moment(0) }
}

fn entry(name: &str, target: Option<(EntryKind, Vcid)>, replaces: Vec<Vcid>) -> Vec<u8> {
    let name = AttName::parse(name).expect("a name");
    let target = target.map(|(kind, vcid)| NameTarget { kind, vcid });
    NameEntry { name, target, replaces }.encode()
}

/// Says that the name means bytes, which are kept in the store.
fn set(place: &Place, machine: &Machine, text: &str) -> Vcid {
    let vcid = place.set_name("kept", EntryKind::File, text.as_bytes());
    machine.say(&[entry(NAME, Some((EntryKind::File, vcid)), vec![])]);
    vcid
}

/// The machine whose folder the place's nodes read, in a puddle with another, which has a folder of its own.
pub(crate) fn two(place: &Place) -> (Machine, Machine, Vcid) {
    let one = Machine::new(place.path().join("trust"), 1);
    let two = Machine::new(place.path().join("other"), 2);
    let id = one.begin(1, &two.key);
    two.hear(&one, id);
    two.join(id, 1);
    (one, two, id)
}

#[test]
fn a_name_is_asked_again_in_each_run_and_why_tells_what_it_follows_from() {
    let place = Place::new();
    let (one, ..) = two(&place);
    let node = place.open();
    place.check(
        &node,
        NAME,
        expect![
            "Absent: nobody here has set att://ada.example/log@1
  in att://ada.example/log@1
hint: `vigil name list --shared` shows those that there are"
        ],
    );
    set(&place, &one, "first\nsecond\n");
    let count = format!("{NAME} | head 1");
    for (text, want) in [("first\nsecond\n", "first\n"), ("first\nthird\n", "first\n")] {
        set(&place, &one, text);
        node.kernel().root_changed("att/ada.example/log@1");
        node.kernel().begin_run();
        assert_eq!(place.show(&node, NAME), format!("application/octet-stream: {text}"));
        assert_eq!(place.show(&node, &count), format!("text/plain: {want}"));
        // And in a process of its own, which has nothing but the traces.
        assert_eq!(place.bytes(&count), want.as_bytes());
    }
    // Said again without anything new: nothing is made but the name itself.
    let node = place.open();
    place.show(&node, &count);
    let story = node.why(&request(&count)).expect("told");
    let text = render_provenance(&story);
    assert!(text.contains("root att/ada.example/log@1"), "{text}");
    let head = story.iter().find(|item| item.name == count);
    assert_eq!(head.expect("it is told").story.how, How::Kept, "{text}");
}

#[test]
fn a_name_can_mean_a_tree_and_a_path_leads_into_it() {
    let place = Place::new();
    let (one, ..) = two(&place);
    let file = place.set_name("file", EntryKind::File, b"inside\n");
    let name = EntryName::new(b"a.txt").expect("a name");
    let tree = Tree::new(vec![Entry { name, kind: EntryKind::File, vcid: file }]).expect("a tree");
    let tree = place.set_name("tree", EntryKind::Tree, &tree.encode());
    one.say(&[entry(NAME, Some((EntryKind::Tree, tree)), vec![])]);
    assert_eq!(place.list(NAME), ["File a.txt"]);
    assert_eq!(place.bytes(&format!("{NAME}/a.txt")), b"inside\n");
    assert_eq!(place.refusal(&format!("{NAME}/b.txt")), "Absent: there is no `b.txt` in the tree");
    one.say(&[entry(NAME, None, vec![])]);
    let refusal = place.refusal(NAME);
    assert!(refusal.starts_with("Absent: att://ada.example/log@1 was taken away by "), "{refusal}");
    for (text, why) in [
        (
            "att://ada.example/log",
            "a name is `domain/name@version`, such as `plant7.example/log@12`",
        ),
        ("att://Ada/log@1", "a domain is labels of a-z, 0-9 and `-`, parted by dots"),
        ("att://ada.example/log@1/a//b", "the path cannot be read"),
    ] {
        let refusal = place.refusal(text);
        assert!(refusal.starts_with("Misuse: ") && refusal.contains(why), "{refusal}");
    }
}

#[test]
fn machines_that_had_not_heard_of_each_other_give_no_answer_until_one_replaces_the_others() {
    let place = Place::new();
    let (one, two, id) = two(&place);
    let first = set(&place, &one, "one");
    let second = set(&place, &two, "two");
    assert_eq!(place.bytes(NAME), b"one", "nothing has been heard of the other");
    one.hear(&two, id);
    let refusal = place.refusal(NAME);
    let both = [format!("ca://{first} by "), format!("ca://{second} by ")];
    assert!(refusal.contains("had not heard of each other: "), "{refusal}");
    assert!(both.iter().all(|side| refusal.contains(side)), "{refusal}");

    let pointer = SharedNames::new(&one.folder).all().expect("readable")
        [&AttName::parse(NAME).expect("a name")]
        .clone();
    let mut ids: Vec<Vcid> = pointer.standing.iter().map(|setting| setting.id).collect();
    ids.sort_unstable();
    one.say(&[entry(NAME, Some((EntryKind::File, second)), ids)]);
    assert_eq!(place.bytes(NAME), b"two");
}

/// Copies a folder with all in it.
pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder") {
        let path = entry.expect("an entry").path();
        let to = to.join(path.file_name().expect("a name"));
        if path.is_dir() { copy(&path, &to) } else { _ = fs::copy(&path, &to).expect("a file") }
    }
}

#[test]
fn a_machine_that_says_two_things_freezes_what_it_said_and_nothing_else() {
    let place = Place::new();
    let (one, two, id) = two(&place);
    let other = "att://ada.example/other@1";
    let kept = place.set_name("kept", EntryKind::File, b"kept");
    one.say(&[entry(other, Some((EntryKind::File, kept)), vec![])]);
    // The same machine in two places that believe to be one.
    let twin = Machine { folder: place.path().join("twin"), key: key(2) };
    set(&place, &two, "before");
    copy(&two.folder, &twin.folder);
    let first = set(&place, &two, "one side");
    let second = set(&place, &twin, "other side");
    one.hear(&two, id);
    assert_eq!(place.bytes(NAME), b"one side");
    one.hear(&twin, id);
    let refusal = place.refusal(NAME);
    let start = "Absent: att://ada.example/log@1 is frozen, since a machine said two things at one position: ";
    assert!(refusal.starts_with(start), "{refusal}");
    for side in [first, second] {
        assert!(refusal.contains(&format!("ca://{side} by ")), "{refusal}");
    }
    assert_eq!(place.bytes(other), b"kept", "another machine's word");
    // In another life the same key is not believed either.
    let third = "att://ada.example/third@1";
    let says = [entry(third, Some((EntryKind::File, kept)), vec![])];
    let batch = Batch::sign(&two.key, Incarnation([9; 16]), None, Moment(3), &says);
    let mut sent = one.bundle(id);
    sent.batches.push(batch);
    one.home().take_bundle(&sent).expect("taken");
    let refusal = place.refusal(third);
    assert!(refusal.starts_with("Absent: att://ada.example/third@1 is frozen"), "{refusal}");

    // The Person decides, having seen all of one side: what came before the fork stays.
    let known = one.home().open_puddle(id).expect("readable");
    let kept = known.marks(&two.key.public().bytes());
    let target = Target::Machine(two.key.public().bytes());
    let event = Event::Revoke { target, kept, reason: "stolen".into() };
    let after = known.view.next_after();
    let revoked = PuddleEvent { puddle: Some(id), after, event }.sign(&person_of(1), Moment(4));
    one.say(&[revoked.encode()]);
    assert_eq!(place.bytes(NAME), b"before");
}

pub(crate) fn know(machine: &Machine, people: Vec<Person>) {
    let set = |known: &mut Vec<Person>| {
        *known = people;
        Ok::<_, HomeError>(())
    };
    machine.home().update_known(set).expect("written");
}

#[test]
fn a_domain_that_is_followed_is_its_puddles_alone_while_its_person_is_known() {
    let place = Place::new();
    let (one, ..) = two(&place);
    let own = set(&place, &one, "ours");
    let theirs = Machine::new(place.path().join("theirs"), 9);
    let id = theirs.begin(9, &key(10));
    set(&place, &theirs, "theirs");
    let names = SharedNames::new(&one.folder);
    let bundle = theirs.bundle(id);
    let refused = names.follow("ada.example", &bundle).expect_err("a stranger's");
    assert!(matches!(refused, SharedNamesError::Stranger { .. }), "{refused}");
    assert!(!one.folder.join("followed").exists(), "it left nothing behind");
    assert_eq!(place.bytes(NAME), b"ours");

    know(&one, vec![the_person(9)]);
    names.follow("ada.example", &bundle).expect("known");
    assert_eq!(place.bytes(NAME), b"theirs");
    one.say(&[entry(NAME, Some((EntryKind::File, own)), vec![])]);
    assert_eq!(place.bytes(NAME), b"theirs", "ours have no say in that domain");
    assert!(matches!(names.expect_own("ada.example"), Err(SharedNamesError::Taken { .. })));
    let taken = names.follow("ada.example", &one.bundle(one.home().puddle().unwrap().unwrap().id));
    assert!(matches!(taken, Err(SharedNamesError::Taken { .. })), "{taken:?}");
    // What they say later comes with a later bundle.
    set(&place, &theirs, "newer");
    assert_eq!(place.bytes(NAME), b"theirs");
    let new = names.follow("ada.example", &theirs.bundle(id)).expect("known");
    assert_eq!((new.batches, place.bytes(NAME)), (1, b"newer".to_vec()));

    know(&one, Vec::new());
    let absent = "Absent: nobody here has set att://ada.example/log@1";
    assert_eq!(place.refusal(NAME), absent);
    assert!(!names.domains().expect("readable")["ada.example"].is_known);
    assert!(names.unfollow("ada.example").expect("written"));
    assert_eq!(place.bytes(NAME), b"ours");
    assert!(!names.unfollow("ada.example").expect("written"));
}

#[test]
fn a_damaged_policy_is_told_of_and_gives_no_answer() {
    let place = Place::new();
    let (one, ..) = two(&place);
    set(&place, &one, "ours");
    fs::write(one.folder.join("domains"), b"\x82nothing").expect("a file");
    let refusal = place.refusal(NAME);
    assert!(refusal.starts_with("World: the list of domains is damaged: "), "{refusal}");
}
