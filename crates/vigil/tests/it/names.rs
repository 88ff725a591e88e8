//! Names that people vouch for, as resources: on one machine, on two, and of somebody else's.

use serde_json::Value;

use crate::bench::{Bench, Ran};
use crate::identity::{admitted, settled};

const NAME: &str = "att://ada.example/result@1";

fn bench() -> Bench {
    let bench = Bench::new();
    bench.write("pass", "correct horse battery\n");
    settled(&bench);
    bench
}

/// Stores a text in a store, and lets the name mean it there; returns its URI.
fn set(bench: &Bench, store: &str, text: &str) -> String {
    bench.write("text", text);
    bench.fine(&format!("--store {store} add text --name text"));
    let said = bench.run(&format!("--store {store} name set {NAME} @text --passphrase-file pass"));
    let said = said.expect(0).talk;
    said.trim().rsplit(' ').next().expect("a URI").to_owned()
}

#[test]
fn whatever_takes_a_uri_takes_such_a_name_and_what_it_means_now() {
    let bench = bench();
    bench
        .run(&format!("get {NAME}"))
        .expect(1)
        .says("nobody here has set att://ada.example/result@1");
    let first = set(&bench, "store", "one\ntwo\n");
    assert_eq!(bench.fine(&format!("get {NAME}")), "one\ntwo\n");
    assert_eq!(bench.fine(&format!("name resolve {NAME}")).trim(), first);
    let pipeline = format!("{NAME} | head 1");
    assert_eq!(Ran::of(bench.vigil(&["cat", &pipeline])).expect(0).out, "one\n");
    let why = |what: &str| Ran::of(bench.vigil(&["why", what])).expect(0).out;
    let told = why(&pipeline);
    assert!(told.contains("root att/ada.example/result@1"), "{told}");
    set(&bench, "store", "one\nthree\n");
    assert_eq!(bench.fine(&format!("cat {NAME}")), "one\nthree\n");
    // The line was made anew of what came in its place, and is the same.
    assert_eq!(Ran::of(bench.vigil(&["cat", &pipeline])).expect(0).out, "one\n");
    let lines = bench.fine(&format!("why {NAME} --json"));
    let item: Value = serde_json::from_str(lines.lines().next().expect("a line")).expect("JSON");
    assert_eq!(item["endpoint"], "att");
    assert_eq!(item["inputs"][0]["root"], true, "{item}");

    // A folder stays one.
    bench.write("folder/deep/a.txt", "inside\n");
    bench.fine("add folder --name folder");
    let site = "att://ada.example/site@2026";
    bench.fine(&format!("name set {site} @folder --passphrase-file pass"));
    assert_eq!(bench.fine(&format!("ls -R {site}")), "deep/\ndeep/a.txt\n");
    assert_eq!(bench.fine(&format!("cat {site}/deep/a.txt")), "inside\n");
    bench.fine(&format!("get {site} -o back"));
    bench.shell("diff -r folder back").expect(0);
    let listed = bench.fine("name list --shared --json");
    let metas: Vec<Value> =
        listed.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!((&metas[0]["settings"], &metas[1]["name"]), (&2.into(), &site.into()));
}

/// Carries what one store knows of the puddle to another.
fn carry(bench: &Bench, from: &str, to: &str) -> Ran {
    bench.fine(&format!("--store {from} puddle export -o carried"));
    bench.run(&format!("--store {to} puddle import carried")).expect(0)
}

#[test]
fn two_machines_that_had_not_heard_of_each_other_have_to_settle_it() {
    let bench = bench();
    admitted(&bench, "laptop");
    let ours = set(&bench, "store", "ours");
    let theirs = set(&bench, "laptop", "theirs");
    carry(&bench, "laptop", "store");
    let refused = bench.run(&format!("get {NAME}")).expect(1);
    let both = refused.talk.contains(&ours) && refused.talk.contains(&theirs);
    assert!(both, "{}", refused.talk);
    assert!(refused.talk.contains("hint: `vigil name set` settles it"), "{}", refused.talk);
    let refused = bench.run(&format!("name resolve {NAME}")).expect(1);
    assert!(refused.talk.contains(&ours) && refused.talk.contains(&theirs), "{}", refused.talk);
    let settled = set(&bench, "store", "settled");
    assert_eq!(bench.fine(&format!("get {NAME}")), "settled");
    // The other machine comes to the same, once it hears of it.
    carry(&bench, "store", "laptop");
    assert_eq!(bench.fine(&format!("--store laptop name resolve {NAME}")).trim(), settled);
}

#[test]
fn a_machine_that_says_two_things_at_one_position_freezes_the_name() {
    let bench = bench();
    admitted(&bench, "laptop");
    bench.shell("cp -a store/trust/feeds saved").expect(0);
    let first = set(&bench, "store", "one side");
    carry(&bench, "store", "laptop");
    // Rolled back in place, as a virtual machine is: it cannot know what it has said.
    bench
        .shell("for file in saved/*; do cat $file > store/trust/feeds/${file##*/}; done")
        .expect(0);
    let second = set(&bench, "store", "other side");
    let ran = carry(&bench, "store", "laptop");
    assert!(ran.talk.contains("has said two things at one position"), "{}", ran.talk);
    let refused = bench.run(&format!("--store laptop get {NAME}")).expect(1);
    assert!(refused.talk.contains("att://ada.example/result@1 is frozen"), "{}", refused.talk);
    assert!(refused.talk.contains(&first) && refused.talk.contains(&second), "{}", refused.talk);
    let refused = bench.run(&format!("--store laptop name resolve {NAME}")).expect(1);
    assert!(refused.talk.contains(&first) && refused.talk.contains(&second), "{}", refused.talk);
}

#[test]
fn a_known_persons_puddle_can_be_given_a_domain() {
    let bench = bench();
    set(&bench, "store", "ours");
    let sealed = "--passphrase-file pass --memory 64MiB";
    bench.fine(&format!("--store bob person new bob --words-file bobs-words {sealed}"));
    bench.fine(&format!("--store bob machine enroll plant {sealed}"));
    bench.fine("--store bob puddle create works --passphrase-file pass");
    let theirs = set(&bench, "bob", "theirs");
    bench.fine("--store bob puddle export -o bundle");
    let follow = "name follow ada.example bundle";
    bench.run(follow).expect(1).says("nobody here knows the Person ");
    let shown = bench.fine("--store bob person show --json");
    let shown: Value = serde_json::from_str(&shown).expect("JSON");
    let text = |field: &str| shown[field].as_str().expect("text").to_owned();
    let (key, words) = (text("key"), text("fingerprint"));
    let trust = ["person", "trust", "bob", &key, "--fingerprint", &words];
    Ran::of(bench.vigil(&trust)).expect(0);
    bench.run(follow).expect(0).says("works speaks for ada.example here");
    assert_eq!(bench.fine(&format!("name resolve {NAME}")).trim(), theirs);
    // The name is known; the bytes are not here.
    bench.run(&format!("get {NAME}")).expect(1).says("no blob named");
    let own = "name set att://ada.example/result@1 @text --passphrase-file pass";
    bench.run(own).expect(1).says("is spoken for by another puddle here");
    assert!(bench.fine("name domains").starts_with("ada.example  works  "));
    bench.fine("name unfollow ada.example");
    assert_eq!(bench.fine(&format!("get {NAME}")), "ours");
    bench.run("name unfollow ada.example").expect(1).says("no other puddle speaks for");
}

#[test]
fn whoever_watches_is_told_when_it_means_something_else() {
    use std::io::{BufRead as _, BufReader};
    let bench = bench();
    let first = set(&bench, "store", "one");
    let mut command = bench.vigil(&["watch", NAME, "--once"]);
    command.stdout(std::process::Stdio::piped());
    let mut watch = command.spawn().expect("it starts");
    let mut lines = BufReader::new(watch.stdout.take().expect("a pipe")).lines();
    let mut line = || lines.next().expect("a line").expect("text");
    assert_eq!(format!("ca://{}", line()), first);
    let second = set(&bench, "store", "two");
    assert!(second.ends_with(line().rsplit(' ').next().expect("a hash")));
    assert_eq!(watch.wait().expect("it ends").code(), Some(0));
}
