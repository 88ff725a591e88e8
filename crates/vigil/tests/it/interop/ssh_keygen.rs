//! `ssh-keygen` verifies attestations and the chain Person → Machine, and signs through `vigil agent`.

use std::ffi::OsString;

use super::{Signing, program};

fn ssh_keygen() -> Option<OsString> {
    // It has no question that it answers with success.
    program("VIGIL_INTEROP_SSH_KEYGEN", "ssh-keygen", &[], "apt-get install openssh-client git")
}

#[test]
fn attestations_are_verified_with_nothing_but_the_list_of_signers() {
    let Some(keygen) = ssh_keygen() else { return };
    let signing = Signing::start();
    signing.bench.shell("git init -q vouched").expect(0);
    let predicate = ["--predicate", "https://example.org/reviewed/v1", "--repository", "vouched"];
    signing.vigil(&[&["attest", "@result"][..], &predicate].concat());
    let [file] = <[String; 1]>::try_from(signing.attestations()).expect("one attestation");
    let (signature, principal) = (format!("{file}.sig"), signing.principal());
    let find = ["-Y", "find-principals", "-f", "signers", "-s", &signature];
    assert_eq!(signing.accepts(&keygen, &find, "").trim(), principal);
    let verify = ["-Y", "verify", "-f", "signers", "-n", "attestation@vigil"];
    let verify = [&verify[..], &["-I", &principal, "-s", &signature]].concat();
    let good =
        format!("Good \"attestation@vigil\" signature for {principal} with ED25519-CERT key");
    let said = signing.accepts(&keygen, &verify, &file);
    assert!(said.contains(&good), "{said}");
    let vigil = "attest verify --repository vouched --signers signers";
    assert!(signing.bench.fine(vigil).starts_with(&format!("holds    {principal}  ")));

    // For another purpose, and with one byte changed, it is refused.
    let other: Vec<&str> =
        verify.iter().map(|word| if *word == "attestation@vigil" { "git" } else { word }).collect();
    signing.refuses(&keygen, &other, &file);
    signing.flip(&file);
    let said = signing.refuses(&keygen, &verify, &file);
    assert!(said.contains("Signature verification failed: incorrect signature"), "{said}");
    signing.bench.run(vigil).expect(1).says("1 attestation is refused");
}

#[test]
fn the_person_vouches_for_the_machine_and_for_no_other_key() {
    let Some(keygen) = ssh_keygen() else { return };
    let signing = Signing::start();
    let principal = signing.principal();
    let show = ["-L", "-f", "store/trust/machine-cert.pub"];
    let shown = signing.accepts(&keygen, &show, "");
    let authority = signing.bench.shell("cut -d' ' -f3- signers").expect(0).out;
    signing.bench.write("authority.pub", authority);
    let fingerprint = signing.accepts(&keygen, &["-l", "-f", "authority.pub"], "");
    let fingerprint = fingerprint.split(' ').nth(1).expect("a fingerprint");
    for part in ["user certificate", &principal, fingerprint] {
        assert!(shown.contains(part), "{part}: {shown}");
    }

    // It signs through the agent, with the certificate that enrolment made.
    let sign = ["-Y", "sign", "-f", "store/trust/machine-cert.pub", "-n", "git", "result"];
    signing.accepts(&keygen, &sign, "");
    let verify =
        ["-Y", "verify", "-f", "signers", "-n", "git", "-I", &principal, "-s", "result.sig"];
    assert!(signing.accepts(&keygen, &verify, "result").contains("Good \"git\" signature"));
    signing.flip("result");
    signing.refuses(&keygen, &verify, "result");
    signing.flip("result");
    // A stranger's key, and a namespace that the list does not give away.
    signing.accepts(&keygen, &["-q", "-t", "ed25519", "-N", "", "-f", "stranger"], "");
    signing.bench.shell("rm result.sig").expect(0);
    signing.accepts(&keygen, &["-Y", "sign", "-f", "stranger", "-n", "git", "result"], "");
    signing.refuses(&keygen, &verify, "result");
}
