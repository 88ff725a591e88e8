//! The libraries `securesystemslib` and `in-toto`, both ways: envelopes, statements, provenance.

use std::ffi::OsString;
use std::fs;

use vigil_base::Vcid;
use vigil_trust::formats::{Envelope, InTotoStatement, STATEMENT_MEDIA_TYPE, sign_envelope};
use vigil_trust::names::AttName;
use vigil_trust::package::{Need, Rebuild};
use vigil_trust::{PublicKey, Purpose};

use super::{accepts, program, refuses};
use crate::formats::{statement, subkey};

fn python() -> Option<OsString> {
    let hint = "python3 with the packages securesystemslib[crypto] and in-toto";
    let probe = ["-c", "import in_toto, securesystemslib, cryptography"];
    program("VIGIL_INTEROP_IN_TOTO", "python3", &probe, hint)
}

/// Verifies an envelope with a key, and checks the statement in it.
const VERIFY: &str = r#"
import json, sys
from securesystemslib.dsse import Envelope
from securesystemslib.signer import SSlibKey
envelope = Envelope.from_dict(json.load(open("envelope.json")))
public, keyid = sys.argv[1:3]
key = SSlibKey(keyid, "ed25519", "ed25519", {"public": public})
accepted = envelope.verify([key], 1)
assert list(accepted) == [keyid], accepted
statement = json.loads(envelope.payload)
assert statement["_type"] == "https://in-toto.io/Statement/v1", statement
assert statement["predicateType"] == "https://slsa.dev/provenance/v1", statement
from in_toto.models.metadata import Envelope as InTotoEnvelope
InTotoEnvelope.from_dict(json.load(open("envelope.json"))).verify_signature(
    {"keyid": keyid, "keytype": "ed25519", "scheme": "ed25519", "keyval": {"public": public}})
print("verified", envelope.payload_type)
"#;

/// Makes a key, signs with it, and writes what we need to verify.
const SIGN: &str = r#"
import json, sys
from securesystemslib.dsse import Envelope
from securesystemslib.signer import CryptoSigner
signer = CryptoSigner.generate_ed25519()
payload = open("statement.json", "rb").read()
envelope = Envelope(payload, "application/vnd.in-toto+json", {})
envelope.sign(signer)
json.dump(envelope.to_dict(), open("envelope.json", "w"), indent=1)
print(signer.public_key.keyval["public"])
"#;

/// Makes an in-toto link the way `in-toto-run --use-dsse` does.
const LINK: &str = r#"
import json
from in_toto.models.link import Link
from in_toto.models.metadata import Envelope
from securesystemslib.signer import CryptoSigner
signer = CryptoSigner.generate_ed25519()
link = Link(name="step", products={"file": {"sha256": "ab" * 32}})
envelope = Envelope.from_signable(link)
envelope.create_signature(signer)
envelope.dump("envelope.json")
print(signer.public_key.keyval["public"])
"#;

fn public_key(hex: &str) -> PublicKey {
    let bytes: Vec<u8> =
        (0..32).map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).expect("hex")).collect();
    PublicKey::from_bytes(&bytes.try_into().expect("32 bytes")).expect("a key")
}

#[test]
fn what_we_sign_it_verifies() {
    verifies(&statement());
}

#[test]
fn what_a_rebuilder_of_a_package_signs_it_verifies() {
    let key = subkey(2, Purpose::Dsse).public().bytes();
    let rebuild = Rebuild {
        package: AttName::parse("plant7.example/pump@1.0").expect("a name"),
        manifest: Vcid::of(b"manifest"),
        payload: Vcid::of(b"payload"),
        used: [Need::parse("clock").expect("a need")].into_iter().collect(),
    };
    verifies(&rebuild.statement(&key));
}

#[track_caller]
fn verifies(statement: &InTotoStatement) {
    let Some(program) = python() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    let key = subkey(2, Purpose::Dsse);
    let payload = statement.json().into_bytes();
    let signed = sign_envelope(&key, STATEMENT_MEDIA_TYPE, payload).expect("the right key");
    let (public, id) = (key.public().to_string(), Envelope::key_id(&key.public()));
    let verify = ["-c", VERIFY, &public, &id];
    fs::write(path.join("envelope.json"), signed.json()).expect("a file");
    let said = accepts(&program, path, &verify, b"");
    assert!(said.contains("verified application/vnd.in-toto+json"), "{said}");

    let mut altered = signed.clone();
    altered.payload[10] ^= 1;
    fs::write(path.join("envelope.json"), altered.json()).expect("a file");
    refuses(&program, path, &verify, b"", "VerificationError");
    let mut altered = signed;
    altered.payload_type.push('x');
    fs::write(path.join("envelope.json"), altered.json()).expect("a file");
    refuses(&program, path, &verify, b"", "VerificationError");
}

#[test]
fn what_they_sign_we_verify() {
    let Some(program) = python() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    fs::write(path.join("statement.json"), statement().json()).expect("a file");
    let public = public_key(accepts(&program, path, &["-c", SIGN], b"").trim());
    let text = fs::read(path.join("envelope.json")).expect("a file");
    let envelope = Envelope::parse(&text).expect("an envelope");
    let payload = envelope.verify(STATEMENT_MEDIA_TYPE, &public).expect("signed");
    assert_eq!(InTotoStatement::parse(payload), Ok(statement()));
    let stranger = subkey(2, Purpose::Dsse).public();
    assert!(envelope.verify(STATEMENT_MEDIA_TYPE, &stranger).is_err());

    let public = public_key(accepts(&program, path, &["-c", LINK], b"").trim());
    let text = fs::read(path.join("envelope.json")).expect("a file");
    let envelope = Envelope::parse(&text).expect("an envelope");
    let payload = envelope.verify(STATEMENT_MEDIA_TYPE, &public).expect("signed");
    // A link is of the time before statements, and is none.
    assert!(InTotoStatement::parse(payload).is_err());
}
