//! A puddle over time: what is asked of it, by which clock, after a rotation, and by many at once.

use std::path::Path;
use std::sync::Arc;

use vigil_base::world::Moment;
use vigil_store::FolderDisk;
use vigil_trust::home::{Bundle, Home, HomeError};
use vigil_trust::puddle::{Clocks, Event, PuddleEvent};
use vigil_trust::{SecretKey, Words};

use crate::bench::{Bench, Ran};
use crate::identity::{admitted, bench, json, settled};

const DAY: i64 = 24 * 3600 * 1_000_000_000;

fn person(bench: &Bench, words: &str) -> SecretKey {
    let text = std::fs::read_to_string(bench.join(words)).expect("words");
    Words::parse(&text).expect("words").person()
}

fn home(bench: &Bench, store: &str) -> Home {
    Home::new(Arc::new(FolderDisk::private(bench.join(store).join("trust"))))
}

fn now(bench: &Bench, store: &str) -> i64 {
    let time = json(&bench.fine(&format!("--store {store} puddle time --json")));
    time["clock"].as_i64().expect("a moment")
}

/// Adds to a bundle that the Person signed something at a moment.
fn sign_at(bench: &Bench, bundle: &str, at: i64) {
    let bytes = std::fs::read(bench.join(bundle)).expect("a bundle");
    let mut read = Bundle::decode(&bytes).expect("it holds");
    let after = read.view().expect("a puddle").next_after();
    let event = PuddleEvent { puddle: Some(read.puddle), after, event: Event::Renew };
    read.events.push(event.sign(&person(bench, "words"), Moment(at)));
    bench.write(bundle, read.encode());
}

#[test]
fn whether_a_machine_may_do_something_is_answered_with_the_chain_or_the_rule() {
    let bench = bench();
    settled(&bench);
    admitted(&bench, "van");
    let grant = "puddle grant bench --subsystem files --verbs read,list --prefix logs --for 7d";
    let root = bench.fine(&format!("{grant} --passphrase-file pass"));
    let narrow = "puddle grant van --subsystem files --verbs read --prefix logs/a --for 1d";
    let link = bench.fine(&format!("{narrow} --under {} --passphrase-file pass", root.trim()));
    let check = |who: &str, rest: &str| bench.run(&format!("puddle check {who} {rest}"));
    let answer = check("van", "--subsystem files --verb read --path logs/a/1 --json").expect(0);
    let answer = json(&answer.out);
    assert_eq!(answer["allowed"], true);
    let chain: Vec<&str> = answer["chain"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|link| link["id"].as_str().expect("an id"))
        .collect();
    assert_eq!(chain, [root.trim(), link.trim()]);
    let text = check("van", "--subsystem files --verb read --path logs/a/1").expect(0).out;
    assert!(text.contains("by the Person to bench") && text.contains("by bench to van"), "{text}");
    for (who, ask, rule) in [
        ("van", "--subsystem names --verb read --path logs/a", "subsystem"),
        ("van", "--subsystem files --verb list --path logs/a", "verb"),
        ("van", "--subsystem files --verb read --path logs/b", "prefix"),
        ("van", "--subsystem files --verb read --path logs/a/../b", "prefix"),
        ("van", "--subsystem files --verb read", "prefix"),
        (&"ab".repeat(32), "--subsystem files --verb read", "unknown"),
    ] {
        let ran = check(who, &format!("{ask} --json")).expect(1);
        assert_eq!(json(&ran.out)["rule"], rule, "{ask}");
        check(who, ask).expect(1).says("may not");
    }
    check("nobody", "--subsystem files --verb read").expect(1).says("no machine and no grant");
    bench.fine("puddle revoke bench --passphrase-file pass");
    let ran = check("van", "--subsystem files --verb read --path logs/a --json").expect(1);
    assert_eq!(json(&ran.out)["rule"], "no-grant");
    let ran = check("bench", "--subsystem files --verb read --path logs --json").expect(1);
    assert_eq!(json(&ran.out)["rule"], "revoked");
}

#[test]
fn a_date_in_the_future_is_doubted_until_somebody_says_whom_to_believe() {
    let bench = bench();
    settled(&bench);
    admitted(&bench, "van");
    bench.fine("puddle grant van --subsystem files --verbs read --for 700d --passphrase-file pass");
    bench.fine("puddle export -o bundle");
    bench.fine("--store van puddle import bundle");
    let check = "--store van puddle check van --subsystem files --verb read --path x --json";
    bench.fine(check);
    // Somebody's clock was a year ahead when the Person signed there.
    let year = now(&bench, "van") + 365 * DAY;
    sign_at(&bench, "bundle", year);
    let ran = bench.run("--store van puddle import bundle").expect(0);
    ran.says("`vigil puddle time` settles it");
    assert_eq!(json(&bench.run(check).expect(1).out)["rule"], "doubtful");
    let time = json(&bench.fine("--store van puddle time --json"));
    assert_eq!((&time["doubtful"], &time["signed"]), (&true.into(), &year.into()));
    // Its own clock is right: the lease goes by when it was heard, and grants by this clock.
    bench.shell("cp -a van van2").expect(0);
    bench.fine("--store van puddle time --from clock");
    bench.fine(check);
    let time = json(&bench.fine("--store van puddle time --json"));
    assert_eq!(time["doubtful"], false);
    let (heard, clock) = (time["heard"].as_i64(), time["clock"].as_i64());
    assert!(heard <= clock && clock < Some(year), "{time}");
    // Or its clock was behind: then it is a year later, and the lease counts from there.
    bench.fine("--store van2 puddle time --from signed");
    let time = json(&bench.fine("--store van2 puddle time --json"));
    assert!(time["now"].as_i64() >= Some(year) && time["doubtful"] == false, "{time}");
    // What is signed there would be dated by that, so nothing is until the clock is right.
    let revoke = "--store van2 puddle grant van --subsystem files --verbs read --under";
    let id = json(&bench.fine("--store van2 puddle show --json"))["grants"][0]["id"].clone();
    let line = format!("{revoke} {} --passphrase-file pass", id.as_str().expect("an id"));
    bench.run(&line).expect(1).says("behind what it showed before");
}

/// Lets the clock of a store have shown a moment before.
fn has_shown(bench: &Bench, store: &str, at: i64) {
    let clocks = Clocks { wall: Moment(at), steady: None };
    let set: Result<(), HomeError> = home(bench, store).update_puddle(|here| {
        here.as_mut().expect("it is in a puddle").time.pass(&clocks);
        Ok(())
    });
    set.expect("the disk is well");
}

#[test]
fn a_lease_ends_and_the_person_renews_it() {
    let bench = bench();
    settled(&bench);
    bench.fine("puddle grant bench --subsystem files --verbs read --passphrase-file pass");
    let check = "puddle check bench --subsystem files --verb read --path x --json";
    bench.fine(check);
    has_shown(&bench, "store", now(&bench, "store") + 31 * DAY);
    let ran = bench.run(check).expect(1);
    assert_eq!(json(&ran.out)["rule"], "stale");
    ran.says("vigil puddle renew");
    assert_eq!(json(&bench.fine("puddle show --json"))["fresh"], false);
    // The clock had been ahead; it is right now, and what it left behind is taken down.
    bench.run("puddle renew --passphrase-file pass").expect(1).says("behind what it showed before");
    bench.fine("puddle time --from clock");
    let before = json(&bench.fine("puddle time --json"));
    bench.fine("puddle renew --passphrase-file pass");
    let after = json(&bench.fine("puddle time --json"));
    assert!(after["heard"].as_i64() > before["heard"].as_i64(), "{before} {after}");
    assert!(after["signed"].as_i64() > before["signed"].as_i64(), "{before} {after}");
    bench.fine(check);
    bench.fine("puddle verify");
}

#[test]
fn a_rotation_is_followed_by_the_other_machines_and_after_a_crash() {
    let bench = bench();
    settled(&bench);
    admitted(&bench, "van");
    bench.fine(
        "--store van person recover ada --words-file words --passphrase-file pass --memory 64MiB",
    );
    bench.shell("cp -a store/trust before").expect(0);
    bench.fine("person rotate --words-file words --new-words-file new --passphrase-file pass --memory 64MiB");
    let key = json(&bench.fine("person show --json"))["key"].clone();
    // The other machine hears of it, says so, and goes on with the new words alone.
    bench.fine("puddle export -o bundle");
    bench.run("--store van puddle import bundle").expect(0).says("ada has rotated to the key");
    assert_eq!(json(&bench.fine("--store van person show --json"))["key"], key);
    let grant = "--store van puddle grant bench --subsystem files --verbs read";
    let with =
        |words: &str| bench.run(&format!("{grant} --words-file {words} --passphrase-file pass"));
    with("words").expect(1).says("not the words of the Person");
    with("new").expect(0);
    let recover = "--store van person recover ada --passphrase-file pass --memory 64MiB";
    bench.fine(&format!("{recover} --words-file new"));
    bench.run(&format!("{recover} --words-file words")).expect(1);
    assert_eq!(json(&bench.fine("--store van person show --json"))["sealed"], true);
    // The first machine crashed between the puddle's hearing of it and its own remembering.
    bench.shell("cp before/person before/person-*.sealed store/trust/").expect(0);
    let grant = "puddle grant bench --subsystem files --verbs read --passphrase-file pass";
    bench.run(grant).expect(0).says("ada has rotated to the key");
    assert_eq!(json(&bench.fine("person show --json"))["key"], key);
    bench.fine(grant);
}

#[test]
fn a_new_key_is_sealed_under_the_passphrase_of_the_person() {
    let bench = bench();
    bench.write("mine", "my own passphrase\n");
    bench.fine("person new ada --words-file words --passphrase-file mine --memory 64MiB");
    bench.fine("machine enroll bench --passphrase-file pass --memory 64MiB");
    bench.fine("puddle create home --words-file words --passphrase-file pass");
    let rotate = "person rotate --words-file words --passphrase-file pass --memory 64MiB";
    // Nobody is there to ask for it, and the machine's own is not taken for it.
    bench.run(&format!("{rotate} --new-words-file none")).expect(1).says("nobody answered");
    assert!(!bench.join("none").exists());
    bench.fine(&format!("{rotate} --new-words-file new --person-passphrase-file mine"));
    let grant = "puddle grant bench --subsystem files --verbs read --passphrase-file pass";
    bench.run(grant).expect(1).says("nobody answered");
    bench.fine(&format!("{grant} --person-passphrase-file mine"));
}

#[test]
fn many_processes_change_the_files_one_after_the_other() {
    let bench = bench();
    let keys: Vec<(String, String)> = (0..8)
        .map(|number| {
            let public = SecretKey::from_seed(&[number; 32]).public();
            (public.to_string(), vigil_trust::fingerprint(&public))
        })
        .collect();
    bench.run("person list").expect(0);
    std::thread::scope(|scope| {
        for (number, (key, words)) in keys.iter().enumerate() {
            let name = format!("p{number}");
            let bench = &bench;
            scope.spawn(move || {
                let line = ["person", "trust", &name, key, "--fingerprint", words];
                Ran::of(bench.vigil(&line)).expect(0);
            });
        }
    });
    assert_eq!(bench.fine("person list --json").lines().count(), keys.len());
    assert!(Path::new(&bench.join("store/trust/lock")).exists());
}
