//! The libraries `securesystemslib` and `in-toto` verify the envelopes that `vigil attest` makes.

use super::{Signing, program};

/// Verifies an envelope with a key in PEM, and prints the statement in it.
const VERIFY: &str = r#"
import copy, json, sys
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from securesystemslib.dsse import Envelope
from securesystemslib.signer import SSlibKey
from in_toto.models.metadata import Envelope as InTotoEnvelope
document = json.load(open(sys.argv[1]))
public = load_pem_public_key(open(sys.argv[2], "rb").read())
keyid = document["signatures"][0]["keyid"]
key = SSlibKey.from_crypto(public, keyid=keyid)
# Reading one takes the document apart.
read = lambda kind: kind.from_dict(copy.deepcopy(document))
accepted = read(Envelope).verify([key], 1)
assert list(accepted) == [keyid], accepted
read(InTotoEnvelope).verify_signature(
    {"keyid": keyid, "keytype": "ed25519", "scheme": "ed25519", "keyval": key.keyval})
print(read(Envelope).payload.decode())
"#;

#[test]
fn they_verify_statements_and_provenance_and_refuse_another_byte() {
    let hint = "python3 with the packages securesystemslib[crypto] and in-toto, and git";
    let probe = ["-c", "import in_toto, securesystemslib, cryptography"];
    let Some(python) = program("VIGIL_INTEROP_IN_TOTO", "python3", &probe, hint) else { return };
    let signing = Signing::start();
    signing.bench.shell("git init -q vouched").expect(0);
    let key = signing.vigil(&["agent", "key", "dsse"]).out;
    signing.bench.write("key.pem", key);
    signing.bench.write("data.json", "{\"by\": \"two people\"}");
    let reviewed = "https://example.org/reviewed/v1";
    let into = ["--repository", "vouched"];
    let say = ["attest", "@result", "--predicate", reviewed, "--data", "data.json"];
    signing.vigil(&[&say[..], &into].concat());
    signing.vigil(&[&["attest", "@result | head 1", "--predicate", "slsa"][..], &into].concat());
    let digest = |file: &str| {
        let line = signing.bench.shell(&format!("sha256sum {file}")).expect(0).out;
        line.split(' ').next().expect("a digest").to_owned()
    };
    signing.bench.shell("head -n 1 result > line").expect(0);
    let files = signing.attestations();
    assert_eq!(files.len(), 2);
    let mut seen = Vec::new();
    for file in &files {
        let verify = ["-c", VERIFY, file, "key.pem"];
        let said = signing.accepts(&python, &verify, "");
        let statement: serde_json::Value = serde_json::from_str(said.trim()).expect("a statement");
        assert_eq!(statement["_type"], "https://in-toto.io/Statement/v1");
        let predicate = &statement["predicate"];
        let subject = &statement["subject"][0]["digest"]["sha256"];
        if statement["predicateType"] == reviewed {
            assert_eq!(
                (subject, &predicate["by"]),
                (&digest("result").into(), &"two people".into())
            );
        } else {
            assert_eq!(statement["predicateType"], "https://slsa.dev/provenance/v1");
            assert_eq!(subject, &serde_json::Value::from(digest("line")));
            let definition = &predicate["buildDefinition"];
            let read = definition["resolvedDependencies"].as_array().expect("a list");
            let read = read.iter().map(|one| one["digest"]["sha256"].as_str().expect("a digest"));
            assert_eq!(read.collect::<Vec<_>>(), [digest("result")]);
            let asked = definition["externalParameters"]["request"].as_str().expect("text");
            assert_eq!(asked, "active:head+1=1+of@%40result");
            let builder = predicate["runDetails"]["builder"]["id"].as_str().expect("a URI");
            assert!(builder.starts_with("urn:vigil:machine:"), "{builder}");
        }
        seen.push(statement["predicateType"].as_str().expect("text").to_owned());
        // One letter of the payload, in base64.
        let text = std::fs::read_to_string(signing.bench.join(file)).expect("a file");
        let at = text.find("\"payload\":\"").expect("a payload") + 40;
        let letter = if &text[at..=at] == "A" { "B" } else { "A" };
        signing.bench.write(file, format!("{}{letter}{}", &text[..at], &text[at + 1..]));
        let said = signing.refuses(&python, &verify, "");
        assert!(said.contains("VerificationError"), "{said}");
    }
    seen.sort();
    assert_eq!(seen, [reviewed, "https://slsa.dev/provenance/v1"]);
}
