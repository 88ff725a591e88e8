//! minisign and signify.

use vigil_trust::formats::{
    MinisignKey, MinisignSignature, Prehash, SignifyKey, SignifySignature, sign_minisign,
    sign_signify,
};
use vigil_trust::{Purpose, Signature};

use super::{check, minisigned_as, subkey};

const MESSAGE: &[u8] = b"what is signed\n";
const WRONG: &str = "the signature is not one of its key over this file";

fn minisigned(prehash: Prehash) -> (MinisignKey, MinisignSignature) {
    let key = subkey(2, Purpose::Minisign);
    let signature = minisigned_as(prehash, &key, MESSAGE, "a trusted word");
    (MinisignKey::new(key.public()), signature)
}

#[test]
fn minisign_files_survive_their_text() {
    for prehash in [Prehash::None, Prehash::Blake2b] {
        let (key, signature) = minisigned(prehash);
        assert_eq!(MinisignKey::parse(&key.text()), Ok(key));
        let line = key.text().lines().nth(1).expect("two lines").to_owned();
        assert_eq!(MinisignKey::parse(&line), Ok(key));
        assert_eq!(MinisignSignature::parse(&signature.text()), Ok(signature.clone()));
        assert_eq!(signature.verify(&key, MESSAGE, true), Ok("a trusted word"));
    }
}

#[test]
fn minisign_files_that_we_make_sign_a_hash() {
    let key = subkey(2, Purpose::Minisign);
    let signed = sign_minisign(&key, MESSAGE, "a trusted word").expect("one line");
    assert_eq!(signed, minisigned(Prehash::Blake2b).1);
    let key = MinisignKey::new(key.public());
    assert_eq!(signed.verify(&key, MESSAGE, false), Ok("a trusted word"));
}

#[test]
fn fields_of_a_minisign_file_are_refused_by_name() {
    let (key, _) = minisigned(Prehash::Blake2b);
    let altered = |alter: &dyn Fn(&mut MinisignSignature)| {
        let (_, mut signature) = minisigned(Prehash::Blake2b);
        alter(&mut signature);
        let signature = MinisignSignature::parse(&signature.text())?;
        signature.verify(&key, MESSAGE, false).map(str::to_owned)
    };
    let untrusted = altered(&|s| s.untrusted_comment = "anything".into());
    assert_eq!(untrusted, Ok("a trusted word".into()), "nobody signed that line");
    check(altered(&|s| s.signature.0[0] ^= 1), WRONG);
    let comment = "the trusted comment is not the one that was signed";
    check(altered(&|s| s.trusted_comment.push('x')), comment);
    check(altered(&|s| s.comment_signature.0[0] ^= 1), comment);
    check(altered(&|s| s.comment_signature = Signature([0; 64])), comment);
    let legacy = "the signature is of the legacy kind, over the file and not over its hash";
    check(altered(&|s| s.prehash = Prehash::None), legacy);
    let number = u64::from_le_bytes(key.number);
    let by = format!("the signature is by the key {:016X}, not by {number:016X}", number ^ 1);
    check(altered(&|s| s.number[0] ^= 1), &by);
    let (_, signature) = minisigned(Prehash::Blake2b);
    check(signature.verify(&key, b"what is signeD\n", false), WRONG);
    let stranger = MinisignKey { key: subkey(3, Purpose::Minisign).public(), ..key };
    check(signature.verify(&stranger, MESSAGE, false), WRONG);
}

#[test]
fn what_the_comment_signature_covers_is_taken_as_a_file_only_where_legacy_is_asked_for() {
    // The raw bytes under the second signature are a message of the legacy kind: minisign's own
    // format allows it, so that ours asks.
    let (key, signature) = minisigned(Prehash::Blake2b);
    let file = [&signature.signature.0[..], b"a trusted word"].concat();
    let mut moved = minisigned(Prehash::None).1;
    moved.signature = signature.comment_signature;
    let legacy = "the signature is of the legacy kind, over the file and not over its hash";
    check(moved.verify(&key, &file, false), legacy);
    check(moved.verify(&key, &file, true), "the trusted comment is not the one that was signed");
}

#[test]
fn text_that_is_no_minisign_file_is_refused() {
    let (key, signature) = minisigned(Prehash::Blake2b);
    let text = signature.text();
    let none = "the text is no minisign signature: an untrusted comment, base64, a trusted \
                comment, and base64 are expected";
    check(MinisignSignature::parse(""), none);
    check(MinisignSignature::parse(&text.replace("untrusted", "unknown")), none);
    check(MinisignSignature::parse(&format!("{text}x")), none);
    check(MinisignSignature::parse(&text.replace("RU", "R!")), none);
    for lines in 0..4 {
        let cut: Vec<&str> = text.lines().take(lines).collect();
        check(MinisignSignature::parse(&cut.join("\n")), none);
    }
    let algorithm = text.replace("\nRU", "\nQU");
    check(MinisignSignature::parse(&algorithm), "the algorithm is neither `Ed` nor `ED`");
    let none =
        "the text is no minisign key: an untrusted comment and a line of base64 are expected";
    check(MinisignKey::parse(&key.text().replace("RW", "QW")), none);
    let subkey = subkey(2, Purpose::Minisign);
    for comment in ["two\nlines", "bell\u{7}", &"x".repeat(1024)] {
        let signed = sign_minisign(&subkey, MESSAGE, comment);
        check(signed, "a comment is one line of less than 1024 bytes");
    }
}

fn signified() -> (SignifyKey, SignifySignature) {
    let key = subkey(2, Purpose::Signify);
    let signature = sign_signify(&key, MESSAGE, "laptop.pub").expect("one line");
    (SignifyKey::new(key.public()), signature)
}

#[test]
fn signify_files_survive_and_their_fields_are_refused_by_name() {
    let (key, signature) = signified();
    assert_eq!(SignifyKey::parse(&key.text("laptop").expect("one line")), Ok(key));
    assert_eq!(SignifySignature::parse(&signature.text()), Ok(signature.clone()));
    assert_eq!(signature.verify(&key, MESSAGE), Ok(()));
    check(signature.verify(&key, b"what is signeD\n"), WRONG);
    let mut altered = signature.clone();
    altered.signature.0[0] ^= 1;
    check(altered.verify(&key, MESSAGE), WRONG);
    let mut altered = signature.clone();
    altered.number[0] ^= 1;
    let by = format!(
        "the signature is by the key {:02x?}, not by {:02x?}",
        altered.number, signature.number
    );
    check(altered.verify(&key, MESSAGE), &by);
    let none =
        "the text is no signify signature: an untrusted comment and a line of base64 are expected";
    let text = signature.text();
    check(SignifySignature::parse(""), none);
    check(SignifySignature::parse(&format!("{text}x")), none);
    check(SignifySignature::parse(&text.replace("comment", "remark")), none);
    check(SignifySignature::parse(&text.replace("\nRW", "\nQW")), "the algorithm is not `Ed`");
    check(key.text("a\nb"), "a comment is one line of less than 1024 bytes");
}

#[test]
fn every_bit_of_the_signed_line_counts() {
    let (key, signature) = signified();
    let bytes = [b"Ed", &signature.number[..], &signature.signature.0].concat();
    let line = |bytes: &[u8]| format!("untrusted comment: x\n{}\n", crate::formats::base64(bytes));
    let accept = |bytes: &[u8]| {
        SignifySignature::parse(&line(bytes)).is_ok_and(|s| s.verify(&key, MESSAGE).is_ok())
    };
    assert!(accept(&bytes));
    for bit in 0..bytes.len() * 8 {
        let mut altered = bytes.clone();
        altered[bit / 8] ^= 1 << (bit % 8);
        assert!(!accept(&altered), "bit {bit}");
    }
}
