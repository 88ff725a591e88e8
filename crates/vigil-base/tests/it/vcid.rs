use expect_test::{Expect, expect};
use vigil_base::{Hasher, Vcid};

#[track_caller]
fn check_parse(text: &str, want: Expect) {
    match text.parse::<Vcid>() {
        Ok(vcid) => want.assert_eq(&vcid.to_string()),
        Err(error) => want.assert_eq(&error.to_string()),
    }
}

/// NIST's example for "abc" (FIPS 180-4 examples), and the well-known digest of nothing.
#[test]
fn is_plain_sha_256() {
    let abc = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    let nothing = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert_eq!(Vcid::of(b"abc").to_string(), abc);
    assert_eq!(Vcid::of(b"").to_string(), nothing);
    let mut hasher = Hasher::new();
    hasher.update(b"a");
    hasher.update(b"");
    hasher.update(b"bc");
    assert_eq!(hasher.finish(), Vcid::of(b"abc"));
}

#[test]
fn has_one_text() {
    let text = Vcid::of(b"x").to_string();
    assert_eq!(text.parse::<Vcid>().map(|vcid| vcid.to_string()), Ok(text.clone()));
    check_parse(
        &text.to_uppercase(),
        expect![
            "`SHA256:2D711642B726B04401627CA9FBAC32F5C8530FB1903CC4DB02258717921A4881` does not start with `sha256:`"
        ],
    );
    check_parse(
        &text.replace("2d71", "2D71"),
        expect!["character 1 of the digits is not one of 0-9 or a-f"],
    );
    check_parse("sha256:12", expect!["a SHA-256 has 64 hexadecimal digits, this one has 2"]);
    check_parse("", expect!["`` does not start with `sha256:`"]);
}
