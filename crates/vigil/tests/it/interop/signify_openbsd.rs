//! signify verifies the checksums that `vigil sign --as signify` signs.

use super::{Signing, program};

#[test]
fn it_verifies_what_we_sign_and_refuses_another_byte() {
    let (variable, name) = ("VIGIL_INTEROP_SIGNIFY_OPENBSD", "signify-openbsd");
    let hint = "apt-get install signify-openbsd";
    // It has no question that it answers with success.
    let Some(signify) = program(variable, name, &[], hint) else { return };
    let signing = Signing::start();
    let key = signing.vigil(&["agent", "key", "signify"]).out;
    signing.bench.write("laptop.pub", key);
    let signed = signing.vigil(&["sign", "@result", "--as", "signify"]).out;
    assert!(signed.starts_with("untrusted comment: verify with laptop.pub\n"), "{signed}");
    signing.bench.write("SHA256.sig", &signed);
    let verify = ["-C", "-p", "laptop.pub", "-x", "SHA256.sig", "result"];
    let said = signing.accepts(&signify, &verify, "");
    assert!(said.contains("Signature Verified") && said.contains("result: OK"), "{said}");
    signing.flip("result");
    let said = signing.refuses(&signify, &verify, "");
    assert!(said.contains("result: FAIL"), "{said}");
    signing.flip("result");
    // The list itself: another file's name for the same bytes.
    signing.bench.write("SHA256.sig", signed.replace("(result)", "(resulu)"));
    let said = signing.refuses(&signify, &verify, "");
    assert!(said.contains("signature verification failed"), "{said}");
    let wrong = ["sign", "@result", "--as", "signify", "--name", "a) = b", "--socket"];
    let wrong = signing.bench.vigil(&[&wrong[..], &["agent/agent.sock"]].concat());
    crate::bench::Ran::of(wrong).expect(1).says("cannot stand in a list of checksums");
}
