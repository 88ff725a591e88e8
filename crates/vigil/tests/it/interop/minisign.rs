//! minisign verifies what `vigil sign --as minisign` makes.

use super::{Signing, program};

#[test]
fn it_verifies_what_we_sign_and_refuses_another_byte() {
    let hint = "apt-get install minisign";
    let Some(minisign) = program("VIGIL_INTEROP_MINISIGN", "minisign", &["-v"], hint) else {
        return;
    };
    let signing = Signing::start();
    let key = signing.vigil(&["agent", "key", "minisign"]).out;
    signing.bench.write("laptop.pub", key);
    let signature = signing.vigil(&["sign", "@result", "--as", "minisign"]).out;
    signing.bench.write("result.minisig", signature);
    let verify = ["-V", "-p", "laptop.pub", "-m", "result"];
    let said = signing.accepts(&minisign, &verify, "");
    let vcid = signing.bench.fine("resolve @result --json");
    let vcid: serde_json::Value = serde_json::from_str(&vcid).expect("one document");
    let comment =
        format!("Trusted comment: result is {}, says laptop", vcid["vcid"].as_str().expect("text"));
    assert!(said.contains(&comment), "{said}");
    signing.flip("result");
    let said = signing.refuses(&minisign, &verify, "");
    assert!(said.contains("Signature verification failed"), "{said}");
    signing.flip("result");
    // What is longer than what is read at a time.
    signing.bench.write("long", vec![b'x'; (1 << 20) + 1]);
    signing.bench.fine("add long --name long");
    let signature = signing.vigil(&["sign", "@long", "--as", "minisign"]).out;
    signing.bench.write("long.minisig", signature);
    signing.accepts(&minisign, &["-V", "-p", "laptop.pub", "-m", "long"], "");
    signing.accepts(&minisign, &verify, "");
}
