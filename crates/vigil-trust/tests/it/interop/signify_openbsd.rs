//! signify, both ways.

use std::ffi::OsString;
use std::fs;

use vigil_trust::Purpose;
use vigil_trust::formats::{SignifyKey, SignifySignature, sign_signify};

use super::{accepts, program, refuses};
use crate::formats::subkey;

const MESSAGE: &[u8] = b"what is signed\n";

fn signify() -> Option<OsString> {
    // It has no question that it answers with success.
    let hint = "apt-get install signify-openbsd";
    program("VIGIL_INTEROP_SIGNIFY_OPENBSD", "signify-openbsd", &[], hint)
}

#[test]
fn what_we_sign_it_verifies() {
    let Some(program) = signify() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    let subkey = subkey(2, Purpose::Signify);
    let key = SignifyKey::new(subkey.public());
    fs::write(path.join("laptop.pub"), key.text("laptop").expect("one line")).expect("a file");
    fs::write(path.join("file"), MESSAGE).expect("a file");
    let signed = sign_signify(&subkey, MESSAGE, "laptop.pub").expect("one line");
    fs::write(path.join("file.sig"), signed.text()).expect("a file");
    let verify = ["-V", "-p", "laptop.pub", "-m", "file"];
    assert!(accepts(&program, path, &verify, b"").contains("Signature Verified"));
    fs::write(path.join("file"), b"what is signeD\n").expect("a file");
    refuses(&program, path, &verify, b"", "signature verification failed");
    let mut other = signed;
    other.number[0] ^= 1;
    fs::write(path.join("file.sig"), other.text()).expect("a file");
    refuses(&program, path, &verify, b"", "");
}

#[test]
fn what_it_signs_we_verify() {
    let Some(program) = signify() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    fs::write(path.join("file"), MESSAGE).expect("a file");
    accepts(&program, path, &["-G", "-n", "-p", "key.pub", "-s", "key.sec"], b"");
    accepts(&program, path, &["-S", "-s", "key.sec", "-m", "file"], b"");
    let read = |name: &str| fs::read_to_string(path.join(name)).expect("a file");
    let key = SignifyKey::parse(&read("key.pub")).expect("a key");
    let signature = SignifySignature::parse(&read("file.sig")).expect("a signature");
    assert_eq!(signature.text(), read("file.sig"), "the same text, line for line");
    assert_eq!(signature.verify(&key, MESSAGE), Ok(()));
    assert!(signature.verify(&key, b"another").is_err());
}
