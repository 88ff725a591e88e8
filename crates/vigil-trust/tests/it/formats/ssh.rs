//! SSH signatures and certificates.

use vigil_trust::formats::{
    AllowedSigners, Certificate, CertificateBody, SshSignature, SshSigner, key_blob, key_line,
    parse_key_blob, parse_key_line, sign_ssh, sshsig_message, sshsig_namespace,
};
use vigil_trust::{Purpose, Signature};

use super::{NOW, PRINCIPAL, certificate, certificate_of, check, subkey};

const MESSAGE: &[u8] = b"what is signed\n";

fn signed() -> SshSignature {
    let key = subkey(2, Purpose::Ssh);
    let signer = SshSigner::Certified(Box::new(certificate()));
    sign_ssh(&key, signer, "git", MESSAGE).expect("the right key")
}

/// Everything that somebody checks who trusts the Person 1.
fn accept(bytes: &[u8]) -> Result<(), String> {
    let signature = SshSignature::decode(bytes).map_err(|error| error.to_string())?;
    assert_eq!(signature.encode(), bytes, "two readings of one signature");
    signature.verify("git", MESSAGE).map_err(|error| error.to_string())?;
    let SshSigner::Certified(certificate) = &signature.signer else {
        return Err("no certificate".into());
    };
    let person = subkey(1, Purpose::Ssh).public();
    certificate.verify(&person, PRINCIPAL, NOW).map_err(|error| error.to_string())?;
    Ok(())
}

#[test]
fn a_signature_survives_its_text() {
    let signature = signed();
    let text = signature.text();
    assert!(text.lines().all(|line| line.len() <= 70));
    assert_eq!(SshSignature::parse(&text), Ok(signature.clone()));
    assert_eq!(SshSignature::parse(&text.replace('\n', "\r\n")), Ok(signature.clone()));
    assert_eq!(accept(&signature.encode()), Ok(()));
}

#[test]
fn every_bit_of_a_signature_counts() {
    let bytes = signed().encode();
    for bit in 0..bytes.len() * 8 {
        let mut altered = bytes.clone();
        altered[bit / 8] ^= 1 << (bit % 8);
        assert!(accept(&altered).is_err(), "bit {bit}");
    }
    for cut in 0..bytes.len() {
        assert!(SshSignature::decode(&bytes[..cut]).is_err(), "cut at {cut}");
    }
    let longer = [&bytes[..], &[0]].concat();
    check(SshSignature::decode(&longer), "bytes follow the field `signature`, which is the last");
}

#[test]
fn fields_of_a_signature_are_refused_by_name() {
    let altered = |alter: &dyn Fn(&mut SshSignature)| {
        let mut signature = signed();
        alter(&mut signature);
        accept(&signature.encode())
    };
    check(altered(&|s| s.namespace = "file".into()), "the signature is for `file`, not for `git`");
    check(altered(&|s| s.namespace.clear()), "the signature says nothing about what it is for");
    let wrong = "the signature is not one of its key over this file";
    check(altered(&|s| s.signature.0[63] ^= 1), wrong);
    check(altered(&|s| s.signature.0[0] ^= 1), wrong);
    check(altered(&|s| s.signature = Signature([0; 64])), wrong);
    let other = subkey(3, Purpose::Ssh);
    check(altered(&|s| s.signer = SshSigner::Certified(Box::new(certificate_of(&other)))), wrong);
    check(altered(&|s| s.signer = SshSigner::Key(other.public())), wrong);
    check(altered(&|s| s.signer = SshSigner::Key(*signed().signer.key())), "no certificate");
    check(signed().verify("git", b"what is signeD\n"), wrong);
}

#[test]
fn parts_that_have_no_field_here_are_refused_by_name() {
    let bytes = signed().encode();
    let replaced = |from: &[u8], to: &[u8]| {
        let at = bytes.windows(from.len()).rposition(|window| window == from).expect("there");
        SshSignature::decode(&[&bytes[..at], to, &bytes[at + from.len()..]].concat())
    };
    check(replaced(b"SSHSIG", b"SSHSIX"), "the bytes do not start with `SSHSIG`");
    let version = "the signature has version 2, and only 1 is known";
    check(replaced(b"SSHSIG\0\0\0\x01", b"SSHSIG\0\0\0\x02"), version);
    let hash = "the signature is over a `sha256` hash, and only `sha512` is taken";
    check(replaced(b"sha512", b"sha256"), hash);
    let reserved = "the signature's reserved field is not empty";
    check(replaced(b"git\0\0\0\0", b"git\0\0\0\x01x"), reserved);
    let kind = "the key is of the kind `ssh-rsa25519`, and only `ssh-ed25519` is taken";
    let from = b"\0\0\0\x0bssh-ed25519\0\0\0\x40";
    // The lengths around it are wrong then, too, but what is wrong first is said.
    let key = SshSignature { signer: SshSigner::Key(subkey(2, Purpose::Ssh).public()), ..signed() };
    let bytes = key.encode();
    let at = bytes.windows(from.len()).rposition(|window| window == from).expect("there");
    let len_at = at - 4;
    let longer = [
        &bytes[..len_at],
        &(84u32).to_be_bytes(),
        b"\0\0\0\x0cssh-rsa25519\0\0\0\x40",
        &bytes[at + from.len()..],
    ];
    check(SshSignature::decode(&longer.concat()), kind);
}

#[test]
fn text_that_is_no_signature_is_refused() {
    let armour = "the text is no SSH signature: `-----BEGIN SSH SIGNATURE-----`, base64 and \
                  `-----END SSH SIGNATURE-----` are expected";
    let text = signed().text();
    check(SshSignature::parse(""), armour);
    check(SshSignature::parse(&text.replace("BEGIN", "START")), armour);
    check(SshSignature::parse(&text.replace("END", "STOP")), armour);
    check(SshSignature::parse(&text.replace("AAAA", "AA!A")), armour);
    check(SshSignature::parse(&"A".repeat(1 << 20)), armour);
}

#[test]
fn certificates_are_refused_for_the_right_reason() {
    let person = subkey(1, Purpose::Ssh);
    let (good, authority) = (certificate(), person.public());
    let verify = |certificate: &Certificate| {
        // What is verified has gone over the wire.
        let decoded = Certificate::decode(&certificate.encode());
        decoded
            .map_err(|error| error.to_string())?
            .verify(&authority, PRINCIPAL, NOW)
            .map_err(|error| error.to_string())
    };
    assert_eq!(verify(&good), Ok(subkey(2, Purpose::Ssh).public()));
    let wrong = "the certificate's signature is not its authority's";
    let altered = |alter: &dyn Fn(&mut CertificateBody)| {
        let mut certificate = good.clone();
        alter(&mut certificate.body);
        verify(&certificate)
    };
    check(altered(&|b| b.nonce[0] ^= 1), wrong);
    check(altered(&|b| b.key = authority), wrong);
    check(altered(&|b| b.serial += 1), wrong);
    check(altered(&|b| b.key_id.push('x')), wrong);
    check(altered(&|b| b.principals.push("root".into())), wrong);
    check(altered(&|b| b.principals[0] = "root".into()), wrong);
    check(altered(&|b| b.valid_after -= 1), wrong);
    check(altered(&|b| b.valid_before += 1), wrong);
    check(altered(&|b| b.extensions.push(("permit-pty".into(), Vec::new()))), wrong);
    let stranger = subkey(3, Purpose::Ssh).public();
    let by = format!("the certificate is by {stranger}, not by {authority}");
    check(altered(&|b| b.authority = stranger), &by);
    check(
        altered(&|b| b.principals.clear()),
        "the certificate names nobody, which OpenSSH reads as everybody",
    );
    check(altered(&|b| b.valid_before = b.valid_after), "the certificate ends before it starts");
    check(
        altered(&|b| b.principals[0] = "*".into()),
        "the certificate names `*`: names are 1 to 255 bytes without spaces and commas",
    );
    let mut forged = good.clone();
    forged.signature.0[5] ^= 1;
    check(verify(&forged), wrong);
    let at = |second| good.verify(&authority, PRINCIPAL, second);
    check(
        at(1_699_999_999),
        "the certificate holds from second 1700000000 of 1970 on, and it is 1699999999",
    );
    assert!(at(1_700_000_000).is_ok() && at(3_999_999_999).is_ok());
    check(
        at(4_000_000_000),
        "the certificate held until second 4000000000 of 1970, and it is 4000000000",
    );
    let root = good.verify(&authority, "root", NOW);
    check(root, "the certificate does not name `root`");
}

#[test]
fn certificates_of_other_kinds_are_refused_by_name() {
    let bytes = certificate().encode();
    // The type comes after kind, nonce, key and serial: 4+32, 4+32, 4+32, 8.
    let type_at = 36 + 36 + 36 + 8;
    let mut host = bytes.clone();
    assert_eq!(host[type_at..type_at + 4], [0, 0, 0, 1]);
    host[type_at + 3] = 2;
    check(
        Certificate::decode(&host),
        "the certificate is of the type 2; only those for users (1) sign files",
    );
    let bounds = [1_700_000_000u64.to_be_bytes(), 4_000_000_000u64.to_be_bytes()].concat();
    let at = bytes.windows(16).position(|window| window == bounds).expect("there") + 16;
    let with = |list: &[u8], fields_before: usize| {
        let cut = at + 4 * fields_before;
        let len = (list.len() as u32).to_be_bytes();
        Certificate::decode(&[&bytes[..cut], &len, list, &bytes[cut + 4..]].concat())
    };
    let option = b"\0\0\0\x0dforce-command\0\0\0\x08\0\0\0\x04true";
    check(
        with(option, 0),
        "the certificate has the critical option `force-command`, which says nothing about files",
    );
    let extensions = b"\0\0\0\x01b\0\0\0\0\0\0\0\x01a\0\0\0\0";
    check(with(extensions, 1), "the certificate's extensions are not in rising order");
    check(with(b"x", 2), "the certificate's reserved field is not empty");
    let key = key_blob(&subkey(1, Purpose::Ssh).public());
    let kind = "the key is of the kind `ssh-ed25519`, and only `ssh-ed25519-cert-v01@openssh.com` is taken";
    check(Certificate::decode(&key), kind);
}

#[test]
fn lines_of_keys_survive() {
    let key = subkey(1, Purpose::Ssh).public();
    let line = key_line(&key, "a person\nssh-rsa");
    assert!(!line.contains('\n'));
    assert_eq!(parse_key_line(&line), Ok((key, "a personssh-rsa")));
    assert_eq!(parse_key_blob(&key_blob(&key)), Ok(key));
    let cert = certificate();
    assert_eq!(Certificate::parse_line(&cert.line("x")), Ok(cert));
    check(
        Certificate::parse_line(&line),
        "the key is of the kind `ssh-ed25519`, and only `ssh-ed25519` is taken",
    );
    check(
        parse_key_line("ssh-ed25519"),
        "a key's line has `ssh-ed25519`, base64, and perhaps a comment",
    );
    let mut weak = key_blob(&key);
    weak[19..].fill(0);
    check(
        parse_key_blob(&weak),
        "these 32 bytes are not an Ed25519 public key that can be relied upon",
    );
}

#[test]
fn a_list_of_signers_cannot_be_made_to_say_more() {
    let mut line = AllowedSigners {
        pattern: "*@0123abcd.vigil".into(),
        authority: subkey(1, Purpose::Ssh).public(),
        namespaces: vec!["git".into()],
        comment: "a person\n* ssh-ed25519 AAAA".into(),
    };
    let text = line.line().expect("sound words");
    assert_eq!(text.lines().count(), 1);
    line.pattern = "* cert-authority".into();
    check(line.line(), "`* cert-authority` cannot stand in a list of allowed signers");
    line.pattern = "*".into();
    line.namespaces = vec!["git\",principals=\"x".into()];
    check(line.line(), "`git\",principals=\"x` cannot stand in a list of allowed signers");
    line.namespaces.clear();
    check(line.line(), "a list of allowed signers needs at least one namespace");
}

#[test]
fn an_agent_can_tell_a_file_from_a_login() {
    let signed = sshsig_message("git", MESSAGE);
    assert_eq!(sshsig_namespace(&signed), Ok("git"));
    check(sshsig_namespace(b"\0\0\0\x20session"), "the bytes do not start with `SSHSIG`");
    check(sshsig_namespace(&signed[..20]), "the bytes end inside the field `hash algorithm`");
    check(sshsig_namespace(&signed[..signed.len() - 1]), "the bytes end inside the field `hash`");
    let longer = [&signed[..], b"x"].concat();
    check(sshsig_namespace(&longer), "bytes follow the field `hash`, which is the last");
}
