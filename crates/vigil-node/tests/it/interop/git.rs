//! `git` signs commits and tags through the agent, and verifies them with a list of signers alone.

use std::path::Path;

use vigil_base::Vcid;
use vigil_node::agent::AgentClient;
use vigil_node::attest::{
    Attestation, Checked, Found, Refusal, Repository, Signing, check, read_all,
};
use vigil_trust::formats::{InTotoStatement, Json, Subject};

use super::{prepare, program, run, said};
use crate::agent::{Running, certificate, machine, principal, signers};

#[test]
fn commits_and_tags_are_signed_and_verified() {
    let hint = "apt-get install git openssh-client";
    let Some(program) = program("VIGIL_INTEROP_GIT", "git", hint) else { return };
    let running = Running::start();
    prepare(&running);
    let git = |arguments: &[&str]| {
        let key = running.folder.path().join("id.pub").display().to_string();
        let signers = running.folder.path().join("signers").display().to_string();
        let settings = [
            "gpg.format=ssh".to_owned(),
            format!("user.signingkey={key}"),
            format!("gpg.ssh.allowedSignersFile={signers}"),
            "user.name=A Person".to_owned(),
            format!("user.email={}", principal()),
        ];
        let settings: Vec<&str> = settings.iter().flat_map(|one| ["-c", one]).collect();
        run(&program, &running, &[&settings[..], arguments].concat(), Path::new("/dev/null"))
    };
    let done = |arguments: &[&str]| {
        let output = git(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", said(&output));
        said(&output)
    };
    done(&["init", "-q", "."]);
    done(&["add", "message"]);
    done(&["commit", "-q", "-S", "-m", "Vouch for a message"]);
    done(&["tag", "-s", "-m", "The first", "v1"]);
    let good = format!("Good \"git\" signature for {}", principal());
    assert!(done(&["verify-commit", "HEAD"]).contains(&good));
    assert!(done(&["verify-tag", "v1"]).contains(&good));
    assert!(done(&["log", "--show-signature"]).contains(&good));

    // The same commit with one letter of its message changed.
    let commit = done(&["cat-file", "commit", "HEAD"]).replace("Vouch", "Vouck");
    std::fs::write(running.folder.path().join("forged"), commit).expect("a file");
    let forged = done(&["hash-object", "-t", "commit", "-w", "forged"]);
    let output = git(&["verify-commit", forged.trim()]);
    assert!(!output.status.success(), "{}", said(&output));
}

/// What a Person's list of signers says about the files in a repository.
fn checked(running: &Running) -> Vec<Result<Checked, Refusal>> {
    let found = read_all(running.folder.path()).expect("readable");
    let check = |one: &Found| check(one.name, &one.envelope, &one.signature, &[signers()], NOW);
    found.iter().map(check).collect()
}

const NOW: u64 = 1_900_000_000;

fn statement() -> InTotoStatement {
    let digest = Vcid::of(b"what is signed\n").to_hex();
    InTotoStatement {
        subjects: vec![Subject::sha256("message", &digest)],
        predicate_type: "https://example.org/reviewed/v1".into(),
        predicate: Json::object([("by", Json::text("two people"))]),
    }
}

#[test]
fn attestations_are_committed_and_verified_by_stock_tools_and_here() {
    let hint = "apt-get install git openssh-client";
    let Some(program) = program("VIGIL_INTEROP_GIT", "git", hint) else { return };
    let running = Running::start();
    prepare(&running);
    let folder = running.folder.path().to_path_buf();
    let nothing = Path::new("/dev/null");
    let done = |arguments: &[&str]| {
        let list = format!("gpg.ssh.allowedSignersFile={}", folder.join("signers").display());
        let output = run(&program, &running, &[&["-c", &list], arguments].concat(), nothing);
        assert!(output.status.success(), "{arguments:?}: {}", said(&output));
        said(&output)
    };
    done(&["init", "-q", "."]);
    std::fs::write(folder.join("staged"), "somebody is at work here").expect("a file");
    done(&["add", "staged"]);

    let client = AgentClient::connect(&running.socket).expect("it answers");
    let attestation = Attestation::sign(&client, &certificate(), &statement()).expect("signed");
    let repository = Repository::find(&folder).expect("there is one");
    let (key, principal) = (folder.join("id.pub"), principal());
    let signing =
        Signing { socket: &running.socket, certificate: &key, committer: ("laptop", &principal) };
    let commit = repository.commit(&attestation, "Attest message", &signing).expect("committed");
    assert_eq!(commit.as_deref(), Some(done(&["rev-parse", "HEAD"]).trim()));
    let again = repository.commit(&attestation, "Attest message", &signing).expect("no harm");
    assert_eq!(again, None, "the same word twice is one file");
    let good = format!("Good \"git\" signature for {principal}");
    assert!(done(&["verify-commit", "HEAD"]).contains(&good));
    assert!(done(&["log", "--show-signature"]).contains(&good));
    let names = done(&["show", "--name-only", "--format=", "HEAD"]);
    assert_eq!(names.lines().collect::<Vec<_>>(), attestation.paths(), "and nothing else");
    assert!(done(&["status", "--porcelain"]).contains("A  staged"));

    let [path, signature] = attestation.paths();
    let keygen = |file: &str| {
        let verify = ["-Y", "verify", "-f", "signers", "-n", "attestation@vigil"];
        let rest = ["-I", &principal, "-s", &signature];
        run("ssh-keygen".as_ref(), &running, &[&verify[..], &rest].concat(), &folder.join(file))
    };
    let output = keygen(&path);
    assert!(output.status.success(), "{}", said(&output));
    let found = checked(&running);
    let believed = found[0].as_ref().expect("it holds");
    assert_eq!((&believed.statement, &believed.principal), (&statement(), &principal));
    assert_eq!(believed.machine, machine().public().bytes());

    // One letter of the envelope: everybody refuses.
    let text = std::fs::read_to_string(folder.join(&path)).expect("a file");
    std::fs::write(folder.join(&path), text.replacen("payload", "pAyload", 1)).expect("a file");
    assert!(!keygen(&path).status.success());
    let refused = checked(&running).remove(0).expect_err("altered");
    assert_eq!(refused.to_string(), "the signature beside it does not hold");
}
