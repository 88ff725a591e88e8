//! Person, machine and puddle, as people meet them.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, ChildStdin, Stdio};

use serde_json::Value;

use crate::bench::{Bench, Ran};

pub const PASSPHRASE: &str = "correct horse battery";

pub fn bench() -> Bench {
    let bench = Bench::new();
    bench.write("pass", format!("{PASSPHRASE}\n"));
    bench
}

pub fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("one document")
}

/// Makes a Person whose words are in `words`, a machine, and a puddle, in the store `store`.
pub fn settled(bench: &Bench) {
    bench.fine("person new ada --words-file words --passphrase-file pass --memory 64MiB");
    bench.fine("machine enroll bench --passphrase-file pass --memory 64MiB");
    bench.fine("puddle create home --passphrase-file pass");
}

pub fn fingerprint(bench: &Bench, store: &str, what: &str) -> String {
    let shown = bench.fine(&format!("--store {store} {what} show --json"));
    json(&shown)["fingerprint"].as_str().expect("words").to_owned()
}

/// Lets the machine of the store `other` into the puddle, and carries the bundle there.
pub fn admitted(bench: &Bench, other: &str) {
    bench.fine(&format!(
        "--store {other} machine enroll {other} --passphrase-file pass --memory 64MiB"
    ));
    let code = bench.fine(&format!("--store {other} puddle join --passphrase-file pass"));
    let words = fingerprint(bench, other, "machine");
    let admit =
        ["puddle", "admit", code.trim(), "--passphrase-file", "pass", "--fingerprint", &words];
    Ran::of(bench.vigil(&admit)).expect(0);
    bench.fine("puddle export -o bundle");
    let person = fingerprint(bench, "store", "person");
    let join = ["--store", other, "puddle", "join", "--bundle", "bundle", "--fingerprint"];
    let wrong = [&join[..], &["zoo zoo"]].concat();
    Ran::of(bench.vigil(&wrong)).expect(1).says("the fingerprints differ");
    Ran::of(bench.vigil(&[&join[..], &[&person]].concat())).expect(0);
}

/// A program that asks, and is answered.
pub struct Talk {
    pub child: Child,
    input: ChildStdin,
    talk: BufReader<std::process::ChildStderr>,
}

impl Talk {
    pub fn begin(bench: &Bench, line: &str) -> Self {
        let mut command = bench.vigil(&line.split(' ').collect::<Vec<_>>());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        let input = child.stdin.take().expect("a pipe");
        let talk = BufReader::new(child.stderr.take().expect("a pipe"));
        Self { child, input, talk }
    }

    /// Reads what is said up to and with `end`.
    pub fn until(&mut self, end: &str) -> String {
        let mut said = Vec::new();
        while !said.ends_with(end.as_bytes()) {
            let count = self.talk.read_until(end.as_bytes()[end.len() - 1], &mut said);
            assert!(count.expect("a pipe") > 0, "{}", String::from_utf8_lossy(&said));
        }
        String::from_utf8(said).expect("text")
    }

    pub fn answer(&mut self, line: &str) {
        writeln!(self.input, "{line}").expect("somebody listens");
    }

    pub fn end(mut self) -> Ran {
        drop(self.input);
        let (mut out, mut talk) = (String::new(), String::new());
        self.talk.read_to_string(&mut talk).expect("text");
        self.child.stdout.take().expect("a pipe").read_to_string(&mut out).expect("text");
        Ran { code: self.child.wait().expect("it ends").code(), out, talk }
    }
}

/// Makes a Person at a keyboard; the answers go through `twist`.
fn new_person_by_hand(bench: &Bench, twist: impl Fn(&str) -> String) -> (Ran, Vec<String>) {
    let mut talk = Talk::begin(bench, "person new ada --words-only");
    talk.until("bring them back.\n");
    let mut words = vec![String::new(); 24];
    let mut out = BufReader::new(talk.child.stdout.take().expect("a pipe"));
    for _ in 0..4 {
        let mut row = String::new();
        out.read_line(&mut row).expect("a row of words");
        let parts: Vec<&str> = row.split_whitespace().collect();
        for pair in parts.chunks(2) {
            words[pair[0].parse::<usize>().expect("a number") - 1] = pair[1].into();
        }
    }
    for _ in 0..3 {
        let asked = talk.until(": ");
        let number: usize = asked
            .trim_start_matches(|letter: char| !letter.is_ascii_digit())
            .trim_end_matches(": ")
            .parse()
            .expect("a number");
        let answer = twist(&words[number - 1]);
        talk.answer(&answer);
        if answer != words[number - 1] {
            break;
        }
    }
    talk.child.stdout = Some(out.into_inner());
    (talk.end(), words)
}

#[test]
fn the_words_are_shown_once_and_three_of_them_are_asked_for() {
    let bench = bench();
    let (ran, words) = new_person_by_hand(&bench, str::to_owned);
    ran.expect(0).says("bits");
    let shown = json(&bench.fine("person show --json"));
    assert_eq!(shown["sealed"], false);
    // The words are the Person: they bring the same key back elsewhere.
    bench.write("words", words.join("\n"));
    let back =
        bench.fine("--store other person recover ada --words-file words --words-only --json");
    assert_eq!(json(&back)["key"], shown["key"]);
    let second = bench.run("person new eve --words-file more --words-only").expect(1);
    second.says("there is a Person here already: ada");
    assert!(!bench.join("more").exists());
}

#[test]
fn a_wrong_answer_keeps_nothing() {
    let bench = bench();
    let (ran, _) = new_person_by_hand(&bench, |_| "xyzzy".into());
    ran.expect(1).says("nothing was kept");
    bench.run("person show").expect(1).says("there is no Person here");
}

#[test]
fn words_that_are_wrong_are_refused_and_not_repeated() {
    let bench = bench();
    bench.fine("person new ada --words-file words --words-only");
    let text = std::fs::read_to_string(bench.join("words")).expect("words");
    let mut list: Vec<&str> = text.split_whitespace().collect();
    let swapped = list[0].to_owned();
    list[0] = "xyzzy";
    bench.write("typo", list.join(" "));
    let ran =
        bench.run("--store other person recover ada --words-file typo --words-only").expect(1);
    assert!(ran.talk.contains("word 1 is not on the English list") && !ran.talk.contains("xyzzy"));
    list[0] = &swapped;
    list.truncate(23);
    bench.write("short", list.join(" "));
    let ran =
        bench.run("--store other person recover ada --words-file short --words-only").expect(1);
    ran.says("these are 23");
}

#[test]
fn a_wrong_passphrase_a_cut_file_and_an_altered_one_are_told_apart() {
    let bench = bench();
    bench.fine("machine enroll bench --passphrase-file pass --memory 64MiB");
    bench.write("wrong", "correct horse batterY\n");
    bench.run("machine unlock --passphrase-file pass").expect(0);
    bench.run("machine unlock --passphrase-file wrong").expect(1).says("the passphrase is wrong");
    let file = bench.join("store/trust/machine.sealed");
    let good = std::fs::read(&file).expect("the sealed key");
    std::fs::write(&file, &good[..good.len() - 1]).expect("a file");
    bench.run("machine unlock --passphrase-file pass").expect(3).says("the sealed key is cut");
    let mut altered = good;
    altered[60] ^= 1;
    std::fs::write(&file, &altered).expect("a file");
    bench.run("machine unlock --passphrase-file pass").expect(3).says("the sealed key was altered");
    std::fs::write(&file, b"hello").expect("a file");
    bench.run("machine unlock --passphrase-file pass").expect(1).says("not a sealed key");
    bench.run("--store other machine enroll x --passphrase-file pass --memory 63MiB").expect(1);
    bench.write("short", "seven..\n");
    bench
        .run("--store other machine enroll x --passphrase-file short")
        .expect(1)
        .says("at least 8");
}

#[test]
fn a_machine_joins_is_granted_revoked_and_both_sides_see_it() {
    let bench = bench();
    settled(&bench);
    admitted(&bench, "van");
    let grant = "puddle grant van --subsystem files --verbs read,list --prefix logs --for 7d";
    bench.fine(&format!("{grant} --passphrase-file pass"));
    bench.fine("puddle export -o second");
    let taken = bench.fine("--store van puddle import second");
    assert_eq!(taken, "1 new batch, 1 new event\n");
    let taken = bench.fine("--store van puddle import second");
    assert_eq!(taken, "0 new batches, 0 new events\n");
    let here = json(&bench.fine("puddle show --json"));
    let there = json(&bench.fine("--store van puddle show --json"));
    assert_eq!(here["grants"], there["grants"]);
    assert_eq!(here["grants"][0]["prefix"], "logs");
    // The other machine passes on a part of what it has, and no more than that.
    let id = here["grants"][0]["id"].as_str().expect("an id").to_owned();
    let under = format!("--under {id} --passphrase-file pass");
    let wider =
        "--store van puddle grant bench --subsystem files --verbs read --prefix keys --for 1h";
    bench.run(&format!("{wider} {under}")).expect(1).says("gives more than the grant above");
    let narrow =
        "--store van puddle grant bench --subsystem files --verbs read --prefix logs/a --for 1h";
    bench.fine(&format!("{narrow} {under}"));
    bench.fine("--store van puddle export -o third");
    bench.fine("puddle import third");
    let tree = bench.fine("puddle show");
    assert!(tree.contains("files read in logs/a") && tree.contains("by van"), "{tree}");
    // A revocation takes the machine, and what was granted by it.
    bench.fine("puddle revoke van --reason stolen --passphrase-file pass");
    let tree = bench.fine("puddle show");
    assert!(tree.contains("revoked: stolen") && !tree.contains("logs/a"), "{tree}");
    bench.fine("puddle export -o fourth");
    bench.fine("--store van puddle import fourth");
    let again =
        "--store van puddle grant bench --subsystem files --verbs read --prefix logs --for 1h";
    bench.run(&format!("{again} {under}")).expect(1);
}

#[test]
fn what_comes_while_a_passphrase_is_asked_for_was_seen_before_the_revocation() {
    let bench = bench();
    settled(&bench);
    admitted(&bench, "van");
    bench.write("file", "bytes");
    bench.fine("--store van add file --name file");
    let name = "att://ada.example/file@1";
    bench.fine(&format!("--store van name set {name} @file --passphrase-file pass"));
    bench.fine("--store van puddle export -o from-van");
    let mut talk = Talk::begin(&bench, "puddle revoke van --reason sold");
    talk.until("passphrase of this machine: ");
    bench.fine("puddle import from-van");
    talk.answer(PASSPHRASE);
    talk.end().expect(0);
    assert!(bench.fine("name list --shared").contains(name));
}

#[test]
fn a_wrong_fingerprint_stops_and_a_code_must_hold() {
    let bench = bench();
    settled(&bench);
    bench.fine("--store van machine enroll van --passphrase-file pass --memory 64MiB");
    let code = bench.fine("--store van puddle join --passphrase-file pass");
    let wrong = fingerprint(&bench, "store", "machine");
    let admit = |code: &str, words: &str| {
        let line = ["puddle", "admit", code, "--passphrase-file", "pass", "--fingerprint", words];
        Ran::of(bench.vigil(&line))
    };
    admit(code.trim(), &wrong).expect(1).says("the fingerprints differ");
    let right = fingerprint(&bench, "van", "machine");
    let mut altered = code.trim().to_owned();
    let last = altered.pop().expect("a digit");
    altered.push(if last == '0' { '1' } else { '0' });
    admit(&altered, &right).expect(1).says("does not hold");
    admit("vigil-join-zz", &right).expect(1).says("not a pairing code");
    // A bundle that does not name the machine is not joined.
    bench.fine("puddle export -o bundle");
    bench.run("--store van puddle join --bundle bundle").expect(1).says("has not been admitted");
}

#[test]
fn one_altered_byte_of_a_bundle_is_refused() {
    let bench = bench();
    settled(&bench);
    bench.fine("puddle export -o bundle");
    bench.fine("puddle verify bundle");
    let good = std::fs::read(bench.join("bundle")).expect("a bundle");
    for at in (40..good.len()).step_by(good.len() / 23) {
        let mut altered = good.clone();
        altered[at] ^= 1;
        bench.write("altered", &altered);
        bench.run("puddle verify altered").expect(1);
        bench.run("puddle import altered").expect(1);
    }
}

#[test]
fn a_copied_folder_starts_a_new_life_and_contradicts_nothing() {
    let bench = bench();
    settled(&bench);
    bench.shell("cp -a store clone").expect(0);
    let grant = |store: &str, verb: &str| {
        let line = format!("--store {store} puddle grant bench --subsystem files --verbs {verb}");
        bench.fine(&format!("{line} --passphrase-file pass"));
    };
    grant("store", "read");
    grant("clone", "write");
    bench.fine("--store clone puddle export -o theirs");
    bench.fine("puddle import theirs");
    let shown = json(&bench.fine("puddle show --json"));
    assert_eq!(shown["machines"][0]["state"], "active");
    assert_eq!(shown["grants"].as_array().expect("a list").len(), 2);
    bench.fine("puddle verify");
}

#[test]
fn a_torn_feed_is_told_of_until_a_new_life_continues_it() {
    let bench = bench();
    settled(&bench);
    let grant = "puddle grant bench --subsystem files --verbs read --passphrase-file pass";
    bench.fine(grant);
    bench.fine("puddle verify");
    let mut feeds = Vec::new();
    crate::secrets::each_file(&bench.join("store/trust/feeds"), &mut |path| {
        feeds.extend(path.extension().is_some_and(|end| end == "feed").then(|| path.to_owned()));
    });
    let [feed] = feeds.as_slice() else { panic!("{feeds:?}") };
    let bytes = std::fs::read(feed).expect("the feed");
    std::fs::write(feed, &bytes[..bytes.len() - 1]).expect("a file");
    bench.run("puddle verify").expect(1).says("is torn");
    bench.fine(grant);
    bench.fine("puddle verify");
    assert_eq!(std::fs::read(feed).expect("the feed"), bytes[..bytes.len() - 1], "it was cut");
}

#[test]
fn after_a_rotation_the_old_words_sign_no_more() {
    let bench = bench();
    settled(&bench);
    let before = json(&bench.fine("person show --json"));
    bench.fine("person rotate --words-file words --new-words-file new --passphrase-file pass --memory 64MiB");
    let after = json(&bench.fine("person show --json"));
    assert_ne!(before["key"], after["key"]);
    assert_eq!(json(&bench.fine("puddle show --json"))["person"], after["key"]);
    let grant = "puddle grant bench --subsystem files --verbs read --passphrase-file pass";
    bench.run(&format!("{grant} --words-file words")).expect(1).says("not the words of the Person");
    bench.fine(&format!("{grant} --words-file new"));
    bench.fine("puddle verify");
}

#[test]
fn others_are_known_by_a_compared_fingerprint() {
    let bench = bench();
    bench.fine("--store theirs person new bob --words-file words --words-only");
    let theirs = json(&bench.fine("--store theirs person show --json"));
    let (key, words) = (theirs["key"].as_str().expect("a key"), theirs["fingerprint"].as_str());
    let words = words.expect("words");
    let trust = |name: &str, words: &str| {
        Ran::of(bench.vigil(&["person", "trust", name, key, "--fingerprint", words]))
    };
    trust("bob", "zoo zoo").expect(1).says("the fingerprints differ");
    trust("bob", words).expect(0);
    trust("rob", words).expect(1).says("somebody is known by that name or key: bob");
    assert!(bench.fine("person list").contains(words));
    bench.fine("person forget bob");
    bench.run("person forget bob").expect(1).says("nobody is known as bob");
    bench.run("person trust bob 12").expect(1).says("64 hexadecimal digits");
}

#[test]
fn enrolment_certifies_the_machine_where_the_persons_key_is_at_hand() {
    use std::os::unix::fs::PermissionsExt as _;
    let bench = bench();
    let enroll = |store: &str, rest: &str| {
        let sealed = "--passphrase-file pass --memory 64MiB --json";
        bench.run(&format!("--store {store} machine enroll bench {sealed}{rest}"))
    };
    let certificate = |store: &str| {
        json(&bench.fine(&format!("--store {store} machine show --json")))["certificate"].clone()
    };
    let new = |store: &str, rest: &str| {
        bench.fine(&format!("--store {store} person new ada --words-file {store}-words {rest}"))
    };
    // Sealed here under the same passphrase.
    new("same", "--passphrase-file pass --memory 64MiB");
    let shown = json(&enroll("same", "").expect(0).out)["certificate"].clone();
    assert!(shown.as_str().is_some_and(|text| text.starts_with("bench@")), "{shown}");
    assert_eq!(certificate("same"), shown);
    let file = bench.join("same/trust/machine-cert.pub");
    let mode = std::fs::metadata(file).expect("a certificate").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    bench.fine("--store same attest signers");
    // It is not made anew when the puddle begins: an agent may offer it already.
    let before = std::fs::read(bench.join("same/trust/machine-cert.pub")).expect("a certificate");
    bench.fine("--store same puddle create home --passphrase-file pass");
    let after = std::fs::read(bench.join("same/trust/machine-cert.pub")).expect("a certificate");
    assert_eq!(before, after);
    // What is there of a key that was here before is no certificate of this machine, nor is what is damaged.
    let path = bench.join("same/trust/machine-cert.pub");
    let sealed = bench.join("same/trust/machine.sealed");
    for damaged in [false, true] {
        let before = std::fs::read(&path).expect("a certificate");
        if damaged {
            std::fs::write(&path, "ssh-ed25519-cert-v01@openssh.com AAAA").expect("written");
            let shown = bench.run("--store same machine show --json").expect(0);
            assert_eq!(json(&shown.out)["certificate"], Value::Null);
            assert!(shown.talk.contains("certificate is damaged"), "{}", shown.talk);
        }
        std::fs::remove_file(&sealed).expect("it was there");
        let shown = json(&enroll("same", "").expect(0).out);
        assert!(shown["certificate"].is_string(), "{shown}");
        assert_ne!(std::fs::read(&path).expect("a certificate"), before);
        assert!(certificate("same").is_string());
    }
    // Of a machine that was enrolled where no Person was, it is not told either.
    std::fs::remove_file(&sealed).expect("it was there");
    let person = json(&bench.fine("--store same person show --json"))["key"].clone();
    let seal = format!("same/trust/person-{}.sealed", person.as_str().expect("a key"));
    std::fs::write(bench.join(seal), "damaged").expect("written");
    let shown = enroll("same", "").expect(0);
    assert!(shown.talk.contains("the Person's key cannot be opened"), "{}", shown.talk);
    assert_eq!(json(&shown.out)["certificate"], Value::Null);
    // Sealed under another passphrase: nobody is asked; a file that is named must fit.
    bench.write("other", "another passphrase\n");
    new("two", "--passphrase-file other --memory 64MiB");
    enroll("two", " --person-passphrase-file pass").expect(1).says("the passphrase is wrong");
    bench.run("--store two machine show").expect(1).says("no key of its own");
    assert_eq!(json(&enroll("two", "").expect(0).out)["certificate"], Value::Null);
    new("named", "--passphrase-file other --memory 64MiB");
    let shown = json(&enroll("named", " --person-passphrase-file other").expect(0).out);
    assert!(shown["certificate"].is_string(), "{shown}");
    // In words alone: then, or when the puddle begins.
    new("words", "--words-only");
    assert_eq!(json(&enroll("words", "").expect(0).out)["certificate"], Value::Null);
    let create = "puddle create home --passphrase-file pass --words-file words-words";
    bench.fine(&format!("--store words {create}"));
    assert!(certificate("words").is_string());
    // Before there is a Person, there is nobody to certify it.
    assert_eq!(json(&enroll("nobody", "").expect(0).out)["certificate"], Value::Null);
}
