//! OpenSSH's own tool, both ways: files and the chain Person → Machine.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use vigil_base::Name;
use vigil_trust::formats::{
    AllowedSigners, Certificate, MachineCertificate, RevocationList, SshSignature, SshSigner,
    key_line, parse_key_line, sign_ssh,
};
use vigil_trust::{Purpose, SecretKey};

use super::{accepts, program, refuses};
use crate::formats::{NOW, PRINCIPAL, certificate, subkey};

const MESSAGE: &[u8] = b"what is signed\n";

fn ssh_keygen() -> Option<OsString> {
    // It has no question that it answers with success.
    program("VIGIL_INTEROP_SSH_KEYGEN", "ssh-keygen", &[], "apt-get install openssh-client")
}

fn allowed_signers() -> String {
    let person = subkey(1, Purpose::Ssh).public();
    let line = AllowedSigners {
        pattern: "*@0123abcd.vigil".into(),
        authority: person,
        namespaces: vec!["git".into(), "attestation@vigil".into()],
        comment: "a person".into(),
    };
    line.line().expect("sound words")
}

#[test]
fn the_chain_is_verified_with_nothing_but_a_list_of_signers() {
    let Some(program) = ssh_keygen() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    let key = subkey(2, Purpose::Ssh);
    let signer = SshSigner::Certified(Box::new(certificate()));
    let signature = sign_ssh(&key, signer, "git", MESSAGE).expect("the right key");
    fs::write(path.join("signers"), allowed_signers()).expect("a file");
    fs::write(path.join("sig"), signature.text()).expect("a file");
    let verify = |namespace, principal| {
        ["-Y", "verify", "-f", "signers", "-n", namespace, "-I", principal, "-s", "sig"]
    };
    let good = accepts(&program, path, &verify("git", PRINCIPAL), MESSAGE);
    assert!(good.contains("Good \"git\" signature for laptop@0123abcd.vigil"), "{good}");
    let find = ["-Y", "find-principals", "-f", "signers", "-s", "sig"];
    assert!(accepts(&program, path, &find, MESSAGE).contains(PRINCIPAL));

    let why = "Signature verification failed";
    refuses(&program, path, &verify("git", PRINCIPAL), b"what is signeD\n", why);
    refuses(&program, path, &verify("attestation@vigil", PRINCIPAL), MESSAGE, "namespace");
    refuses(&program, path, &verify("git", "desktop@0123abcd.vigil"), MESSAGE, "");
    // One byte of the certificate's serial, which its authority signed.
    let mut altered = certificate();
    altered.body.serial += 1;
    let signer = SshSigner::Certified(Box::new(altered));
    let forged = sign_ssh(&key, signer, "git", MESSAGE).expect("the right key");
    fs::write(path.join("sig"), forged.text()).expect("a file");
    refuses(&program, path, &verify("git", PRINCIPAL), MESSAGE, "");
    // A namespace that the list does not allow.
    let other = sign_ssh(&key, SshSigner::Certified(Box::new(certificate())), "file", MESSAGE);
    fs::write(path.join("sig"), other.expect("the right key").text()).expect("a file");
    refuses(
        &program,
        path,
        &verify("file", PRINCIPAL),
        MESSAGE,
        "not permitted for use in signature namespace",
    );
    // A list of revoked keys, first without and then with this machine's.
    fs::write(path.join("sig"), signature.text()).expect("a file");
    let with_list = [&verify("git", PRINCIPAL)[..], &["-r", "revoked"]].concat();
    let other = key_line(&subkey(3, Purpose::Ssh).public(), "") + "\n";
    fs::write(path.join("revoked"), &other).expect("a file");
    accepts(&program, path, &with_list, MESSAGE);
    fs::write(path.join("revoked"), other + &key_line(&key.public(), "") + "\n").expect("a file");
    refuses(&program, path, &with_list, MESSAGE, "Could not verify signature");
}

/// A certificate as enrolment makes it: of the Person `person` for the machine `machine`.
fn of_machine(person: u8, machine: u8) -> Certificate {
    let key = |seed: u8| SecretKey::from_seed(&[seed; 32]);
    let machine = key(machine);
    let certificate = MachineCertificate {
        name: &Name::new("laptop").expect("a name"),
        machine: &machine.public(),
        ssh: &machine.subkey(Purpose::Ssh).public(),
        nonce: [7; 32],
        valid_after: 0,
        valid_before: u64::MAX,
    };
    certificate.sign(&key(person)).expect("a sound body")
}

#[test]
fn a_revocation_list_is_honoured() {
    let Some(program) = ssh_keygen() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    let machine = |seed: u8| SecretKey::from_seed(&[seed; 32]).public().bytes();
    for seed in 2..=4 {
        let key = subkey(seed, Purpose::Ssh);
        fs::write(path.join(format!("{seed}.pub")), key_line(&key.public(), "") + "\n").expect("");
        // Of this year's key of the Person and of the one before it was rotated.
        for person in [1, 9] {
            let file = path.join(format!("{seed}-{person}-cert.pub"));
            fs::write(file, of_machine(person, seed).line("") + "\n").expect("a file");
        }
    }
    let mut list = RevocationList::default();
    fs::write(path.join("none"), list.encode(1_900_000_000, "nothing")).expect("a file");
    list.machine(machine(2));
    fs::write(path.join("certificates"), list.encode(1_900_000_000, "one machine")).expect("");
    list.machine(machine(3));
    list.key(&subkey(2, Purpose::Ssh).public());
    fs::write(path.join("both"), list.encode(1_900_000_000, "two\nmachines")).expect("a file");
    let is_revoked = |list: &str, key: &str, is: bool| {
        let query = ["-Q", "-f", list, key];
        match is {
            true => refuses(&program, path, &query, b"", "REVOKED"),
            false => assert!(accepts(&program, path, &query, b"").contains("ok"), "{list} {key}"),
        }
    };
    for (key, by_certificate, by_both) in [
        ("2.pub", false, true),
        ("2-1-cert.pub", true, true),
        ("2-9-cert.pub", true, true),
        ("3.pub", false, false),
        ("3-1-cert.pub", false, true),
        ("4.pub", false, false),
        ("4-1-cert.pub", false, false),
        ("4-9-cert.pub", false, false),
    ] {
        is_revoked("none", key, false);
        is_revoked("certificates", key, by_certificate);
        is_revoked("both", key, by_both);
    }
    let shown = accepts(&program, path, &["-Q", "-l", "-f", "both"], b"");
    assert!(shown.contains("twomachines") && shown.contains(&machine(3).to_string()), "{shown}");
    // And where a signature is verified, as git does it.
    let person = SecretKey::from_seed(&[1; 32]);
    let ssh = person.subkey(Purpose::Ssh).public();
    let signers = AllowedSigners::of_person(&person.public(), &ssh, "a person");
    fs::write(path.join("signers"), signers.line().expect("sound words")).expect("a file");
    let verify = |seed: u8, list: &str| {
        let certificate = of_machine(1, seed);
        let principal = certificate.body.principals[0].clone();
        let signer = SshSigner::Certified(Box::new(certificate));
        let signed = sign_ssh(&subkey(seed, Purpose::Ssh), signer, "git", MESSAGE);
        fs::write(path.join("sig"), signed.expect("the right key").text()).expect("a file");
        let words = ["-Y", "verify", "-f", "signers", "-n", "git", "-s", "sig", "-r", list, "-I"];
        super::run(&program, path, &[&words[..], &[&principal]].concat(), MESSAGE)
    };
    for (seed, list, is_good) in [
        (2, "none", true),
        (2, "certificates", false),
        (2, "both", false),
        (3, "certificates", true),
        (3, "both", false),
        (4, "both", true),
    ] {
        let output = verify(seed, list);
        assert_eq!(output.status.success(), is_good, "{seed} {list}: {}", super::said(&output));
    }
    // A list that was cut is refused as a whole, and so is every signature.
    let bytes = fs::read(path.join("both")).expect("a file");
    fs::write(path.join("cut"), &bytes[..bytes.len() - 1]).expect("a file");
    assert!(!verify(4, "cut").status.success());
}

#[test]
fn certificates_read_as_openssh_reads_them() {
    let Some(program) = ssh_keygen() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let line = certificate().line("laptop");
    fs::write(folder.path().join("x-cert.pub"), line + "\n").expect("a file");
    let shown = accepts(&program, folder.path(), &["-L", "-f", "x-cert.pub"], b"");
    let type_line = "Type: ssh-ed25519-cert-v01@openssh.com user certificate";
    for part in
        [type_line, PRINCIPAL, "Serial: 1", "Critical Options: (none)", "Extensions: (none)"]
    {
        assert!(shown.contains(part), "{part}: {shown}");
    }
}

#[test]
fn what_it_signs_and_certifies_is_verified_here() {
    let Some(program) = ssh_keygen() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    for name in ["ca", "key"] {
        let make = ["-q", "-t", "ed25519", "-N", "", "-C", name, "-f", name];
        accepts(&program, path, &make, b"");
    }
    let read = |name: &str| fs::read_to_string(path.join(name)).expect("a file");
    let ca = parse_key_line(&read("ca.pub")).expect("a key").0;
    let key = parse_key_line(&read("key.pub")).expect("a key").0;

    accepts(&program, path, &["-Y", "sign", "-f", "key", "-n", "git"], MESSAGE);
    fs::write(path.join("message"), MESSAGE).expect("a file");
    accepts(&program, path, &["-Y", "sign", "-f", "key", "-n", "git", "message"], b"");
    let text = read("message.sig");
    let signature = SshSignature::parse(&text).expect("a signature");
    assert_eq!(signature.signer, SshSigner::Key(key));
    assert_eq!(signature.text(), text, "the same text, line for line");
    assert_eq!(signature.verify("git", MESSAGE), Ok(()));
    assert!(signature.verify("git", b"another").is_err());

    let certify =
        ["-q", "-s", "ca", "-I", "laptop", "-n", PRINCIPAL, "-V", "20200101:20991231", "key"];
    accepts(&program, path, &certify, b"");
    let certificate = Certificate::parse_line(&read("key-cert.pub")).expect("a certificate");
    assert_eq!(certificate.verify(&ca, PRINCIPAL, NOW), Ok(key));
    assert!(certificate.verify(&key, PRINCIPAL, NOW).is_err());
    let sign = ["-Y", "sign", "-f", "key-cert.pub", "-n", "git", "message"];
    fs::remove_file(path.join("message.sig")).expect("it is there");
    fs::set_permissions(path.join("key"), fs::Permissions::from_mode(0o600)).expect("ours");
    fs::copy(path.join("key"), path.join("key-cert")).expect("a copy");
    accepts(&program, path, &sign, b"");
    let signature = SshSignature::parse(&read("message.sig")).expect("a signature");
    assert_eq!(signature.verify("git", MESSAGE), Ok(()));
    assert_eq!(signature.text(), read("message.sig"));
    assert_eq!(signature.signer.key(), &key);

    let restricted = ["-q", "-s", "ca", "-I", "x", "-n", "x", "-O", "force-command=true", "key"];
    accepts(&program, path, &restricted, b"");
    let refused = Certificate::parse_line(&read("key-cert.pub")).expect_err("a critical option");
    assert!(refused.to_string().contains("force-command"), "{refused}");
    let old = ["-Y", "sign", "-O", "hashalg=sha256", "-f", "key", "-n", "git", "message"];
    fs::remove_file(path.join("message.sig")).expect("it is there");
    accepts(&program, path, &old, b"");
    let refused = SshSignature::parse(&read("message.sig")).expect_err("another hash");
    assert!(refused.to_string().contains("sha256"), "{refused}");
}
