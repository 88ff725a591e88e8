//! A signature made for one format is none in another.

use vigil_trust::formats::{
    Envelope, EnvelopeSignature, ForeignSigner as _, MinisignKey, MinisignSignature, Prehash,
    STATEMENT_MEDIA_TYPE, SignifyKey, SignifySignature, SshSignature, SshSigner, sign_envelope,
    sign_minisign, sign_signify, sign_ssh,
};
use vigil_trust::{ForeignKey, Purpose, SecretKey, SubkeyCertificate};

use super::{check, minisigned_as, subkey};

const MESSAGE: &[u8] = b"what is signed\n";

#[test]
fn a_key_signs_in_its_own_format_only() {
    for found in Purpose::ALL {
        let key = subkey(2, found);
        for want in Purpose::ALL {
            let signed = key.sign_foreign(want, MESSAGE);
            if want == found {
                assert!(signed.is_ok());
            } else {
                let public = key.public();
                let why =
                    format!("the key {public} is certified for {found} alone, not for {want}");
                check(signed, &why);
            }
        }
    }
    let minisign = subkey(2, Purpose::Minisign);
    let public = minisign.public();
    let why = |want| format!("the key {public} is certified for minisign alone, not for {want}");
    check(sign_signify(&minisign, MESSAGE, "x.pub"), &why("signify"));
    check(sign_envelope(&minisign, STATEMENT_MEDIA_TYPE, MESSAGE.into()), &why("dsse"));
    let signer = SshSigner::Key(public);
    check(sign_ssh(&minisign, signer, "git", MESSAGE), &why("ssh"));
    let signify = subkey(2, Purpose::Signify);
    let why =
        format!("the key {} is certified for signify alone, not for minisign", signify.public());
    check(sign_minisign(&signify, MESSAGE, ""), &why);
}

/// The certificate as somebody else reads it.
fn certified(purpose: Purpose) -> SubkeyCertificate {
    let bytes = SecretKey::from_seed(&[2; 32]).certify_subkey(purpose).encode();
    SubkeyCertificate::decode(&bytes).expect("sound")
}

/// A signature of each format over the same message, as raw bytes.
fn raw(purpose: Purpose, key: &ForeignKey) -> vigil_trust::Signature {
    match purpose {
        Purpose::Ssh => {
            let signer = SshSigner::Key(key.public());
            sign_ssh(key, signer, "git", MESSAGE).expect("the right key").signature
        }
        Purpose::Minisign => minisigned_as(Prehash::None, key, MESSAGE, "").signature,
        Purpose::Signify => sign_signify(key, MESSAGE, "x").expect("the right key").signature,
        _ => {
            let signed = sign_envelope(key, STATEMENT_MEDIA_TYPE, MESSAGE.into());
            let bytes = signed.expect("the right key").signatures.remove(0).signature;
            vigil_trust::Signature(bytes.try_into().expect("64 bytes"))
        }
    }
}

/// Presents a raw signature as one of another format, with the key that is certified for `by`.
fn present(raw: vigil_trust::Signature, by: &SubkeyCertificate, as_format: Purpose) -> bool {
    let Ok(key) = by.key_for(as_format) else { return false };
    match as_format {
        Purpose::Ssh => {
            let (signer, namespace) = (SshSigner::Key(*key), "git".to_owned());
            SshSignature { signer, namespace, signature: raw }.verify("git", MESSAGE).is_ok()
        }
        Purpose::Minisign => {
            let key = MinisignKey::new(*key);
            let signature = MinisignSignature {
                untrusted_comment: String::new(),
                number: key.number,
                prehash: Prehash::None,
                signature: raw,
                trusted_comment: String::new(),
                comment_signature: subkey(2, Purpose::Minisign).sign(&raw.0),
            };
            signature.verify(&key, MESSAGE, true).is_ok()
        }
        Purpose::Signify => {
            let key = SignifyKey::new(*key);
            SignifySignature::new(&key, raw, "x").expect("one line").verify(&key, MESSAGE).is_ok()
        }
        _ => {
            let signature = EnvelopeSignature {
                key_id: String::new(),
                signature: raw.0.to_vec(),
                certificate: None,
            };
            let envelope = Envelope {
                payload_type: STATEMENT_MEDIA_TYPE.into(),
                payload: MESSAGE.into(),
                signatures: vec![signature],
            };
            envelope.verify(STATEMENT_MEDIA_TYPE, key).is_ok()
        }
    }
}

#[test]
fn a_signature_of_one_format_is_none_in_another() {
    let formats = [Purpose::Ssh, Purpose::Minisign, Purpose::Signify, Purpose::Dsse];
    for made in formats {
        let raw = raw(made, &subkey(2, made));
        for shown in formats {
            for by in formats {
                let accepted = present(raw, &certified(by), shown);
                let is_honest = made == shown && by == shown;
                assert_eq!(accepted, is_honest, "{made} as {shown} with the key for {by}");
            }
        }
    }
}

#[test]
fn foreign_signatures_sign_no_statement_of_ours() {
    // Bytes that spell a record of ours are signed by a key that no record of ours is checked with.
    let owner = SecretKey::from_seed(&[2; 32]);
    let key = owner.subkey(Purpose::Signify);
    let kind = vigil_trust::Kind::new("vigil.test/1");
    let signature = key.sign(b"vigil/1 vigil.test/1\0bytes");
    assert!(owner.public().verify(kind, b"bytes", &signature).is_err());
    check(
        certified(Purpose::Signify).key_for(Purpose::Minisign),
        &format!("the key {} is certified for signify alone, not for minisign", key.public()),
    );
}
