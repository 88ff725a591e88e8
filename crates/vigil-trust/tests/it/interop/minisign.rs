//! minisign, both ways and both kinds.

use std::ffi::OsString;
use std::fs;

use vigil_trust::Purpose;
use vigil_trust::formats::{MinisignKey, MinisignSignature, Prehash};

use super::{accepts, program, refuses};
use crate::formats::{minisigned_as, subkey};

const MESSAGE: &[u8] = b"what is signed\n";

fn minisign() -> Option<OsString> {
    program("VIGIL_INTEROP_MINISIGN", "minisign", &["-v"], "apt-get install minisign")
}

#[test]
fn what_we_sign_it_verifies() {
    let Some(program) = minisign() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    let subkey = subkey(2, Purpose::Minisign);
    let key = MinisignKey::new(subkey.public());
    fs::write(path.join("key.pub"), key.text()).expect("a file");
    fs::write(path.join("file"), MESSAGE).expect("a file");
    let verify = ["-V", "-p", "key.pub", "-m", "file"];
    for prehash in [Prehash::Blake2b, Prehash::None] {
        let signed = minisigned_as(prehash, &subkey, MESSAGE, "sha256:ab, by laptop");
        fs::write(path.join("file.minisig"), signed.text()).expect("a file");
        let said = accepts(&program, path, &verify, b"");
        assert!(said.contains("Trusted comment: sha256:ab, by laptop"), "{said}");
        let mut altered = signed.clone();
        altered.trusted_comment.push('x');
        fs::write(path.join("file.minisig"), altered.text()).expect("a file");
        refuses(&program, path, &verify, b"", "Comment signature verification failed");
        fs::write(path.join("file.minisig"), signed.text()).expect("a file");
        fs::write(path.join("file"), b"what is signeD\n").expect("a file");
        refuses(&program, path, &verify, b"", "Signature verification failed");
        fs::write(path.join("file"), MESSAGE).expect("a file");
    }
}

#[test]
fn what_it_signs_we_verify() {
    let Some(program) = minisign() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    fs::write(path.join("file"), MESSAGE).expect("a file");
    accepts(&program, path, &["-G", "-W", "-p", "key.pub", "-s", "key"], b"");
    let read = |name: &str| fs::read_to_string(path.join(name)).expect("a file");
    let key = MinisignKey::parse(&read("key.pub")).expect("a key");
    for (flag, is_legacy) in [("-H", false), ("-l", true)] {
        let sign = ["-S", flag, "-s", "key", "-m", "file", "-t", "a word"];
        accepts(&program, path, &sign, b"");
        let text = read("file.minisig");
        let signature = MinisignSignature::parse(&text).expect("a signature");
        assert_eq!(signature.text(), text, "the same text, line for line");
        assert_eq!(signature.verify(&key, MESSAGE, true), Ok("a word"));
        assert_eq!(signature.verify(&key, MESSAGE, false).is_err(), is_legacy);
        assert!(signature.verify(&key, b"another", true).is_err());
    }
}
