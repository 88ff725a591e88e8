//! Ed25519 public keys as everybody reads them: a SubjectPublicKeyInfo (RFC 8410 §4) in PEM (RFC 7468).

use alloc::string::String;
use alloc::vec::Vec;

use super::armour;
use crate::keys::PublicKey;

/// What stands before the 32 bytes: SEQUENCE { SEQUENCE { OID 1.3.101.112 }, BIT STRING with no bit unused }.
const PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
/// The length of a line (RFC 7468 §2).
const COLUMNS: usize = 64;

/// Returns the text of a `.pem` file with a public key.
pub fn public_key_pem(key: &PublicKey) -> String {
    let bytes: Vec<u8> = [&PREFIX[..], key.as_bytes()].concat();
    let body = armour::encode_lines(&bytes, COLUMNS);
    alloc::format!("-----BEGIN PUBLIC KEY-----\n{body}-----END PUBLIC KEY-----\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_rfc_is_written_as_it_stands_there() {
        // RFC 8410 §10.1.
        let text = "-----BEGIN PUBLIC KEY-----\n\
                    MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n\
                    -----END PUBLIC KEY-----\n";
        let der = armour::decode(text.lines().nth(1).expect("a line")).expect("base64");
        let key: [u8; 32] = der[PREFIX.len()..].try_into().expect("32 bytes");
        assert_eq!(public_key_pem(&PublicKey::from_bytes(&key).expect("a key")), text);
    }
}
