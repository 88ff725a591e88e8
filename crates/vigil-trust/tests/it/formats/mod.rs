//! Foreign formats without the foreign programs: what is altered is refused, for the right reason.

mod dsse;
mod purposes;
mod small_files;
mod ssh;

pub(crate) use dsse::statement;

use vigil_trust::formats::{
    Certificate, CertificateBody, MinisignKey, MinisignSignature, MinisignUnsigned, Prehash,
    sign_certificate,
};
use vigil_trust::{ForeignKey, Purpose, SecretKey};

/// A second that lies within every certificate here.
pub(crate) const NOW: u64 = 1_900_000_000;
/// Whom the certificates name.
pub(crate) const PRINCIPAL: &str = "laptop@0123abcd.vigil";

/// The subkey of a machine that exists in tests only.
pub(crate) fn subkey(seed: u8, purpose: Purpose) -> ForeignKey {
    SecretKey::from_seed(&[seed; 32]).subkey(purpose)
}

/// A minisign signature of either kind. We make only one of them, and verify both.
pub(crate) fn minisigned_as(
    prehash: Prehash,
    key: &ForeignKey,
    message: &[u8],
    comment: &str,
) -> MinisignSignature {
    let minisign = MinisignKey::new(key.public());
    let unsigned = MinisignUnsigned::new(&minisign, prehash, message, comment).expect("one line");
    let signature = key.sign(unsigned.signed_bytes());
    let unsealed = unsigned.sign_with(signature);
    let seal = key.sign(&unsealed.signed_bytes());
    unsealed.seal_with(seal)
}

/// A certificate of the Person 1 for the Machine 2.
pub(crate) fn certificate() -> Certificate {
    certificate_of(&subkey(2, Purpose::Ssh))
}

/// A certificate of the Person 1 for a key.
pub(crate) fn certificate_of(key: &ForeignKey) -> Certificate {
    let authority = subkey(1, Purpose::Ssh);
    let body = CertificateBody {
        nonce: vec![9; 32],
        key: key.public(),
        serial: 1,
        key_id: "laptop".into(),
        principals: vec![PRINCIPAL.into()],
        valid_after: 1_700_000_000,
        valid_before: 4_000_000_000,
        extensions: Vec::new(),
        authority: authority.public(),
    };
    sign_certificate(&authority, body).expect("a sound body")
}

/// Checks the text of an error.
#[track_caller]
pub(crate) fn check<T, E: std::fmt::Display>(got: Result<T, E>, want: &str) {
    match got {
        Ok(_) => panic!("not refused, but: {want}"),
        Err(error) => assert_eq!(error.to_string(), want),
    }
}

/// Encodes as `base64` does.
pub(crate) fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let padded = [group[0], *group.get(1).unwrap_or(&0), *group.get(2).unwrap_or(&0)];
        let word = u32::from_be_bytes([0, padded[0], padded[1], padded[2]]);
        for place in 0..4 {
            let digit = DIGITS[(word >> (18 - 6 * place) & 63) as usize];
            text.push(if place > group.len() { '=' } else { char::from(digit) });
        }
    }
    text
}
