//! Vectors of Project Wycheproof for what this crate relies on. They are found through
//! `VIGIL_CONFORMANCE`, and never skipped in a run of record.

use std::path::Path;

use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{ChaCha20Poly1305, KeyInit, XChaCha20Poly1305};
use serde_json::Value;
use vigil_trust::{ForeignKey, PublicKey, Signature};

#[expect(clippy::disallowed_methods, reason = "a test program resolves its own environment")]
fn groups(name: &str) -> Option<(Vec<Value>, u64)> {
    let folder = match std::env::var("VIGIL_CONFORMANCE") {
        Ok(folder) if !folder.is_empty() => folder,
        _ => {
            assert!(
                std::env::var("CI").as_deref() != Ok("true"),
                "under CI the conformance vectors must be there: set VIGIL_CONFORMANCE"
            );
            eprintln!("skipped: the Wycheproof vectors {name} (VIGIL_CONFORMANCE is not set)");
            return None;
        }
    };
    let path = Path::new(&folder).join("wycheproof").join(format!("{name}_test.json"));
    let bytes = std::fs::read(&path).expect("VIGIL_CONFORMANCE is set, so the vectors are there");
    let file: Value = serde_json::from_slice(&bytes).expect("the vectors are JSON");
    let groups = file["testGroups"].as_array().expect("a list of groups").clone();
    Some((groups, file["numberOfTests"].as_u64().expect("a number")))
}

fn bytes(value: &Value) -> Vec<u8> {
    let text = value.as_str().expect("a text of hexadecimal digits");
    let digit = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).expect("hexadecimal digits");
    (0..text.len()).step_by(2).map(digit).collect()
}

/// Runs `check` on each vector and its group, and sees that there were as many as the file says.
fn each(name: &str, mut check: impl FnMut(&Value, &Value, bool)) {
    let Some((groups, want)) = groups(name) else { return };
    let mut count = 0;
    for group in &groups {
        for test in group["tests"].as_array().expect("a list of tests") {
            check(group, test, test["result"] != "invalid");
            count += 1;
        }
    }
    assert_eq!(count, want, "{name}");
}

#[test]
fn ed25519_agrees() {
    each("ed25519", |group, test, is_valid| {
        let key: [u8; 32] = bytes(&group["publicKey"]["pk"]).try_into().expect("32 bytes");
        let signature: Result<[u8; 64], _> = bytes(&test["sig"]).try_into();
        let message = bytes(&test["msg"]);
        let got = match (PublicKey::from_bytes(&key), signature) {
            (Ok(key), Ok(signature)) => ForeignKey::verifies(&key, &message, &Signature(signature)),
            _ => false,
        };
        assert_eq!(got, is_valid, "{test}");
    });
}

#[test]
fn x25519_agrees() {
    each("x25519", |_, test, _| {
        let public: [u8; 32] = bytes(&test["public"]).try_into().expect("32 bytes");
        let private: [u8; 32] = bytes(&test["private"]).try_into().expect("32 bytes");
        let shared = curve25519_dalek::MontgomeryPoint(public).mul_clamped(private);
        assert_eq!(shared.to_bytes().to_vec(), bytes(&test["shared"]), "{test}");
    });
}

fn aead<C: KeyInit + Aead>(name: &str) {
    each(name, |_, test, is_valid| {
        let (key, nonce, aad) = (bytes(&test["key"]), bytes(&test["iv"]), bytes(&test["aad"]));
        let message = bytes(&test["msg"]);
        let sealed = [bytes(&test["ct"]), bytes(&test["tag"])].concat();
        let cipher = C::new_from_slice(&key).expect("all keys have 32 bytes");
        // A nonce of another length cannot even be handed in.
        let Ok(nonce) = nonce.as_slice().try_into() else {
            assert!(!is_valid, "{test}");
            return;
        };
        let opened = cipher.decrypt(nonce, Payload { msg: &sealed, aad: &aad });
        assert_eq!(opened.ok(), is_valid.then(|| message.clone()), "{test}");
        if is_valid {
            let made = cipher.encrypt(nonce, Payload { msg: &message, aad: &aad });
            assert_eq!(made.ok(), Some(sealed), "{test}");
        }
    });
}

#[test]
fn chacha20_poly1305_agrees() {
    aead::<ChaCha20Poly1305>("chacha20_poly1305");
}

#[test]
fn xchacha20_poly1305_agrees() {
    aead::<XChaCha20Poly1305>("xchacha20_poly1305");
}

#[test]
fn hkdf_sha256_agrees() {
    each("hkdf_sha256", |_, test, is_valid| {
        let (ikm, salt, info) = (bytes(&test["ikm"]), bytes(&test["salt"]), bytes(&test["info"]));
        let size = test["size"].as_u64().expect("a size") as usize;
        let mut made = vec![0; size];
        let expanded = hkdf::Hkdf::<sha2::Sha256>::new(Some(&salt), &ikm).expand(&info, &mut made);
        assert_eq!(expanded.is_ok(), is_valid, "{test}");
        if is_valid {
            assert_eq!(made, bytes(&test["okm"]), "{test}");
        }
    });
}
