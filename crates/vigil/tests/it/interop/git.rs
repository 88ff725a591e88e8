//! `git` verifies the commits that `vigil attest` makes, and signs commits and tags of its own through
//! `vigil agent`.

use std::ffi::OsString;

use super::{Signing, program};

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
    assert!(said.talk.contains(&format!("said by {principal}, in commit ")), "{}", said.talk);
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
