//! `git` verifies the commits that `vigil attest` makes, and signs commits and tags of its own through
//! `vigil agent`.

use std::collections::BTreeSet;
use std::ffi::OsString;

use serde_json::Value;

use super::{Signing, program};
use crate::bench::Ran;
use crate::identity::{admitted, json};

fn git() -> Option<OsString> {
    program("VIGIL_INTEROP_GIT", "git", &["--version"], "apt-get install git openssh-client")
}

const REVIEWED: &[&str] =
    &["--predicate", "https://example.org/reviewed/v1", "--repository", "vouched"];

#[test]
fn what_is_attested_is_a_signed_commit_with_nothing_but_the_list_of_signers() {
    let Some(git) = git() else { return };
    let signing = Signing::start();
    signing.accepts(&git, &["init", "-q", "vouched"], "");
    let said = signing.vigil(&[&["attest", "@result"], REVIEWED].concat());
    let list = format!("gpg.ssh.allowedSignersFile={}", signing.bench.join("signers").display());
    let within = |words: &[&'static str]| [&["-C", "vouched"], words].concat();
    let listed = |words: &[&'static str]| {
        let words = [&["-C", "vouched", "-c", &list], words].concat();
        signing.accepts(&git, &words, "")
    };
    let principal = signing.principal();
    let line = format!("said by {principal}, at 1 of its feed and in commit ");
    assert!(said.talk.contains(&line), "{}", said.talk);
    let good = format!("Good \"git\" signature for {principal}");
    assert!(listed(&["verify-commit", "HEAD"]).contains(&good));
    assert!(listed(&["log", "--show-signature"]).contains(&good));
    // Git holds two small files, and not the bytes that they are about.
    let names = signing.accepts(&git, &within(&["ls-tree", "-r", "--name-only", "HEAD"]), "");
    let names: Vec<&str> = names.lines().collect();
    assert!(names.len() == 2 && names[1] == format!("{}.sig", names[0]), "{names:?}");

    // Without the list, and for a commit whose message was changed, git does not say so.
    signing.refuses(&git, &within(&["verify-commit", "HEAD"]), "");
    let commit = listed(&["cat-file", "commit", "HEAD"]).replacen("Attest", "Attesd", 1);
    signing.bench.write("forged", commit);
    let forge = ["-C", "vouched", "hash-object", "-t", "commit", "-w", "../forged"];
    let forged = signing.accepts(&git, &forge, "");
    let words = ["-C", "vouched", "-c", &list, "verify-commit", forged.trim()];
    let said = signing.refuses(&git, &words, "");
    assert!(said.contains("Signature verification failed"), "{said}");
}

/// Another machine of the Person's, in the store `van`, whose agent runs until this is dropped.
struct Van<'a>(&'a Signing);

impl<'a> Van<'a> {
    fn start(signing: &'a Signing) -> Self {
        let bench = &signing.bench;
        bench.fine("puddle create home --passphrase-file pass");
        admitted(bench, "van");
        let van = "--store van agent certify --passphrase-file pass";
        bench.write("request", bench.fine(&format!("{van} --request")));
        let certify = "agent certify --for request --passphrase-file pass";
        bench.write("certificate", bench.fine(certify));
        bench.fine(&format!("{van} --take certificate"));
        bench.fine("--store van add result --name result");
        bench.fine("--store van agent start --socket van-agent/agent.sock --passphrase-file pass");
        Self(signing)
    }

    /// Attests as the machine does; nobody is asked for a passphrase.
    #[track_caller]
    fn attests(&self, predicate: &str) -> Value {
        let words = "--repository vouched --socket van-agent/agent.sock --json";
        let line = format!("--store van attest @result --predicate {predicate} {words}");
        json(&self.0.bench.fine(&line))
    }
}

impl Drop for Van<'_> {
    fn drop(&mut self) {
        let stop = "--store van agent stop --socket van-agent/agent.sock";
        let stopped = self.0.bench.run(stop);
        assert!(std::thread::panicking() || stopped.code == Some(0), "{}", stopped.talk);
    }
}

#[test]
fn what_a_stolen_machine_signs_after_its_revocation_is_refused_here_and_by_stock_tools() {
    let Some(git) = git() else { return };
    let signing = Signing::start();
    let bench = &signing.bench;
    signing.accepts(&git, &["init", "-q", "vouched"], "");
    let van = Van::start(&signing);
    let first = van.attests("https://example.org/reviewed/v1");
    // Its SSH key comes first; saying the same again says nothing new.
    assert_eq!(first["feed"]["position"], 1);
    let again = van.attests("https://example.org/reviewed/v1");
    assert_eq!((&again["feed"], &again["commit"]), (&first["feed"], &Value::Null));
    let second = van.attests("https://example.org/tested/v1");
    assert_eq!(second["feed"]["position"], 2);
    signing.vigil(&[&["attest", "@result"], REVIEWED].concat());
    bench.fine("--store van puddle export -o from-van");
    bench.fine("puddle import from-van");
    let feeds = || -> Vec<Value> {
        let listed = bench.fine("attest list --feeds --json");
        listed.lines().map(json).collect()
    };
    let of_van = |one: &&Value| one["machine"] == first["feed"]["machine"];
    let known = feeds();
    let positions: Vec<&Value> = known.iter().filter(of_van).map(|one| &one["position"]).collect();
    assert_eq!((known.len(), positions), (3, vec![&Value::from(1), &Value::from(2)]));
    assert!(known.iter().all(|one| one["standing"] == "counts"), "{known:?}");
    let verify = "attest verify --repository vouched --json";
    let holds = bench.fine(verify);
    assert!(holds.lines().map(json).all(|one| one["feed"]["position"].is_u64()), "{holds}");

    // It is stolen, with its agent open, and revoked.
    bench.fine("puddle revoke van --reason stolen --passphrase-file pass");
    let listed = json(&bench.fine("puddle krl -o revoked.krl --json"));
    assert_eq!((&listed["machines"], &listed["keys"]), (&1.into(), &1.into()));
    let stolen = van.attests("https://example.org/stolen/v1");
    assert_eq!(stolen["feed"]["position"], 3);
    bench.fine("--store van puddle export -o from-van");
    bench.fine("puddle import from-van");
    assert_eq!(feeds().len(), 3, "what it says later is not even taken");
    let judged = bench.run(verify).expect(1);
    for one in judged.out.lines().map(json) {
        let is_stolen = one["attestation"] == stolen["attestation"];
        assert_eq!(one["holds"], !is_stolen, "{one}");
        let why = "its machine was revoked, and what counts of its feed does not have it";
        assert!(!is_stolen || one["why"] == why, "{one}");
    }
    assert_eq!(judged.out.lines().count(), 4);

    // Stock tools have no feeds; they have the list.
    let list = format!("gpg.ssh.allowedSignersFile={}", bench.join("signers").display());
    let krl = format!("gpg.ssh.revocationFile={}", bench.join("revoked.krl").display());
    let commits = signing.accepts(&git, &["-C", "vouched", "log", "--format=%H %ae"], "");
    let mut refused = 0;
    for line in commits.lines() {
        let (commit, who) = line.split_once(' ').expect("two words");
        let plain = ["-C", "vouched", "-c", &list, "verify-commit", commit];
        signing.accepts(&git, &plain, "");
        let strict = ["-C", "vouched", "-c", &list, "-c", &krl, "verify-commit", commit];
        if who.starts_with("van@") {
            let said = signing.refuses(&git, &strict, "");
            assert!(said.contains("Could not verify signature"), "{said}");
            refused += 1;
        } else {
            signing.accepts(&git, &strict, "");
        }
    }
    assert_eq!((commits.lines().count(), refused), (4, 3));
    let keygen = OsString::from("ssh-keygen");
    let query = |key: &'static str| ["-Q", "-f", "revoked.krl", key];
    let said = signing.refuses(&keygen, &query("van/trust/machine-cert.pub"), "");
    assert!(said.contains("REVOKED"), "{said}");
    signing.accepts(&keygen, &query("store/trust/machine-cert.pub"), "");
    let bare = bench.shell("SSH_AUTH_SOCK=van-agent/agent.sock ssh-add -L | grep '^ssh-ed25519 '");
    bench.write("van.pub", bare.expect(0).out);
    let said = signing.refuses(&keygen, &query("van.pub"), "");
    assert!(said.contains("REVOKED"), "{said}");
}

#[test]
fn the_agent_and_commands_write_into_one_feed_one_after_the_other() {
    let Some(git) = git() else { return };
    let signing = Signing::start();
    let bench = &signing.bench;
    bench.fine("puddle create home --passphrase-file pass");
    for number in 0..4 {
        signing.accepts(&git, &["init", "-q", &format!("repo{number}")], "");
    }
    std::thread::scope(|scope| {
        for number in 0..4 {
            scope.spawn(move || {
                let predicate = format!("--predicate https://example.org/{number}");
                let place = format!("--repository repo{number} --socket agent/agent.sock");
                bench.fine(&format!("attest @result {predicate} {place}"));
            });
            scope.spawn(move || {
                let name = format!("att://ada.example/result@{number}");
                bench.fine(&format!("name set {name} @result --passphrase-file pass"));
            });
        }
    });
    let said = bench.fine("attest list --feeds --json");
    let said: Vec<Value> = said.lines().map(json).collect();
    let positions: BTreeSet<u64> = said.iter().filter_map(|one| one["position"].as_u64()).collect();
    assert_eq!((said.len(), positions.len()), (4, 4), "{said:?}");
    assert!(said.iter().all(|one| one["machine"] == said[0]["machine"]), "{said:?}");
    assert!(said.iter().all(|one| one["standing"] == "counts"), "{said:?}");
    assert_eq!(bench.fine("name list --shared --json").lines().count(), 4);
    let verified = json(&bench.fine("puddle verify --json"));
    // Two events, four attestations, four names, and the SSH key, perhaps more than once.
    assert!(verified["entries"].as_u64().is_some_and(|entries| entries >= 11), "{verified}");
    assert_eq!((&verified["torn"], &verified["forked"]), (&json("[]"), &json("[]")));
}

#[test]
fn a_machine_that_knows_of_its_revocation_attests_nothing_and_no_store_is_needed_to_verify() {
    let Some(git) = git() else { return };
    let signing = Signing::start();
    let bench = &signing.bench;
    signing.accepts(&git, &["init", "-q", "vouched"], "");
    signing.vigil(&[&["attest", "@result"], REVIEWED].concat());
    bench.fine("puddle create home --passphrase-file pass");
    bench.fine("puddle revoke laptop --reason sold --passphrase-file pass");
    let other = ["attest", "@result", "--predicate", "https://example.org/other"];
    let other = [&other[..], &["--repository", "vouched", "--socket", "agent/agent.sock"]].concat();
    let refused = Ran::of(bench.vigil(&other)).expect(1);
    refused
        .says("this machine was revoked: nobody who has heard of it believes what it attests")
        .says("hint: attest on another machine");
    assert_eq!(bench.fine("attest list --feeds").lines().count(), 1);
    // Whoever has the list of signers needs nothing else, and gets nothing else.
    bench.fine("--store nowhere attest verify --signers signers --repository vouched");
    assert!(!bench.join("nowhere").exists());
}

#[test]
fn an_agent_that_may_not_write_into_the_feed_still_locks_and_ends() {
    let Some(git) = git() else { return };
    let signing = Signing::start();
    let bench = &signing.bench;
    signing.accepts(&git, &["init", "-q", "vouched"], "");
    let attest = [&["attest", "@result"], REVIEWED].concat();
    signing.vigil(&attest);
    // Another process is stopped, or takes in a long bundle.
    let lock = std::fs::File::open(bench.join("store/trust/feeds/lock")).expect("there is a lock");
    lock.lock().expect("nobody else has it");
    let other = ["attest", "@result", "--predicate", "https://example.org/other"];
    let other = [&other[..], &["--repository", "vouched", "--socket", "agent/agent.sock"]].concat();
    let refused = Ran::of(bench.vigil(&other)).expect(3);
    refused.says("another process is writing to this machine's feeds; try again when it is done");
    bench.fine("agent lock --socket agent/agent.sock");
    bench.fine("agent unlock --passphrase-file pass --socket agent/agent.sock");
    lock.unlock().expect("it was ours");
    let said = Ran::of(bench.vigil(&other)).expect(0);
    assert!(said.talk.contains("at 2 of its feed"), "{}", said.talk);
    // Nor does it write for a machine that is no longer the one that is here.
    std::fs::remove_file(bench.join("store/trust/machine.sealed")).expect("it was there");
    let certificate = std::fs::read(bench.join("store/trust/machine-cert.pub")).expect("there");
    bench.fine("machine enroll other --passphrase-file pass --memory 64MiB");
    bench.write("store/trust/machine-cert.pub", certificate);
    let refused = Ran::of(bench.vigil(&[&attest[..], &["--socket", "agent/agent.sock"]].concat()));
    refused.expect(3).says("the agent's key is of another machine");
}

#[test]
fn commits_and_tags_are_signed_through_the_agent_and_not_while_it_is_locked() {
    let Some(git) = git() else { return };
    let signing = Signing::start();
    let principal = signing.principal();
    let key = signing.bench.join("store/trust/machine-cert.pub").display().to_string();
    let list = signing.bench.join("signers").display().to_string();
    let settings = [
        "gpg.format=ssh".to_owned(),
        format!("user.signingkey={key}"),
        format!("gpg.ssh.allowedSignersFile={list}"),
        "user.name=Ada".to_owned(),
        "user.email=ada@example.org".to_owned(),
    ];
    let settings: Vec<&str> = settings.iter().flat_map(|one| ["-c", one]).collect();
    let with = |words: &[&'static str]| [&settings[..], &["-C", "code"], words].concat();
    signing.accepts(&git, &["init", "-q", "code"], "");
    signing.bench.write("code/x", "x\n");
    signing.accepts(&git, &with(&["add", "x"]), "");
    signing.accepts(&git, &with(&["commit", "-q", "-S", "-m", "Begin"]), "");
    signing.accepts(&git, &with(&["tag", "-s", "-m", "The first", "v1"]), "");
    let good = format!("Good \"git\" signature for {principal}");
    for verify in
        [&["verify-commit", "HEAD"][..], &["verify-tag", "v1"], &["log", "--show-signature"]]
    {
        let said = signing.accepts(&git, &with(verify), "");
        assert!(said.contains(&good), "{verify:?}: {said}");
    }
    signing.vigil(&["agent", "lock"]);
    signing.refuses(&git, &with(&["commit", "-q", "-S", "--allow-empty", "-m", "Locked"]), "");
    signing.vigil(&["agent", "unlock", "--passphrase-file", "pass"]);
    signing.accepts(&git, &with(&["commit", "-q", "-S", "--allow-empty", "-m", "Open"]), "");
}
