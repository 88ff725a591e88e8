//! The statement: one envelope for whatever somebody vouches for.
//!
//! A statement is a claim and its author's signature. The claim names the author, when it says it was
//! made, and a body: any record, which begins with its own type tag. What a body means is decided where
//! it is folded, not here. The format is drawn in `docs/format/trust.md`.
//!
//! Invariants: holding a [`Statement`] means that the signature was checked; its id is the hash of the
//! claim, so that one claim has one id; the time is what the author says, and proves nothing.

use alloc::string::String;
use alloc::vec::Vec;

use vigil_base::cbor::{DecodeError, Decoder, Encoder, Fault, validate};
use vigil_base::world::Moment;
use vigil_base::{Blame, Blamed, Vcid};

use crate::keys::{CheckedKeys, KeyBytes, KeyError, Kind, SecretKey, Signature, VerifyError};

/// What is signed.
const CLAIM: Kind = Kind::new("vigil.claim/1");
/// The tag of claim and signature together.
const STATEMENT: &str = "vigil.statement/1";

/// Longest body, in bytes. Statements say things about bytes that lie elsewhere.
pub const BODY_BYTES_MAX: usize = 1 << 20;

/// Somebody's signed word. Its signature has been checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    author: KeyBytes,
    at: Moment,
    body: Vec<u8>,
    signature: Signature,
    id: Vcid,
}

/// Why bytes are not a statement that holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StatementError {
    /// The bytes are not such a record.
    #[error("this is not a statement")]
    Decode(#[from] DecodeError),
    /// The author is no key.
    #[error("the author of a statement is not a key")]
    Author(#[from] KeyError),
    /// The author did not sign it.
    #[error("the author did not sign this statement")]
    Signature(#[from] VerifyError),
}

impl Blamed for StatementError {
    fn blame(&self) -> Blame {
        Blame::Caller
    }
}

fn encode_claim(author: &KeyBytes, at: Moment, body: &[u8]) -> Vec<u8> {
    let mut encoder = Encoder::record(CLAIM.as_str(), 4);
    encoder.bytes(&author.0);
    encoder.integer(at.0);
    encoder.bytes(body);
    encoder.finish()
}

/// Checks that a body is a record: one canonical array whose first item is a text.
fn check_body(body: &[u8]) -> Result<String, DecodeError> {
    if body.len() > BODY_BYTES_MAX {
        return Err(DecodeError { offset: BODY_BYTES_MAX, fault: Fault::Oversized });
    }
    validate(body)?;
    let mut decoder = Decoder::new(body)?;
    decoder.array()?;
    decoder.text().map(String::from)
}

impl Statement {
    /// Signs a body.
    ///
    /// # Panics
    /// Panics if the body is not a record of at most [`BODY_BYTES_MAX`] bytes: it is ours.
    pub fn sign(key: &SecretKey, at: Moment, body: Vec<u8>) -> Self {
        if let Err(error) = check_body(&body) {
            panic!("a body that is no record was to be signed: {error}");
        }
        let author = key.public().bytes();
        let claim = encode_claim(&author, at, &body);
        Self { author, at, body, signature: key.sign(CLAIM, &claim), id: Vcid::of(&claim) }
    }

    /// Returns who says it.
    pub fn author(&self) -> KeyBytes {
        self.author
    }

    /// Returns when the author says it was said.
    pub fn at(&self) -> Moment {
        self.at
    }

    /// Returns the record that is vouched for.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// Returns the body's type tag.
    pub fn tag(&self) -> &str {
        let mut decoder = Decoder::new(&self.body).expect("the body was checked");
        decoder.array().and_then(|_| decoder.text()).expect("the body was checked to be a record")
    }

    /// Returns the hash of the claim.
    pub fn id(&self) -> Vcid {
        self.id
    }

    /// Returns the bytes: the claim and the signature.
    pub fn encode(&self) -> Vec<u8> {
        let mut encoder = Encoder::record(STATEMENT, 3);
        encoder.bytes(&encode_claim(&self.author, self.at, &self.body));
        encoder.bytes(&self.signature.0);
        encoder.finish()
    }

    /// Reads bytes and checks the signature.
    ///
    /// # Errors
    /// Fails for bytes that are not canonical, for a body that is no record, and for a signature that
    /// does not hold.
    pub fn decode(bytes: &[u8]) -> Result<Self, StatementError> {
        Self::decode_among(bytes, &mut CheckedKeys::default())
    }

    /// Does what [`Statement::decode`] does, where authors may have been seen before.
    pub(crate) fn decode_among(
        bytes: &[u8],
        keys: &mut CheckedKeys,
    ) -> Result<Self, StatementError> {
        let mut outer = Decoder::record(bytes, STATEMENT, 3)?;
        let claim = outer.bytes()?;
        let signature = Signature(outer.byte_array()?);
        outer.finish()?;
        let mut decoder = Decoder::record(claim, CLAIM.as_str(), 4)?;
        let author = KeyBytes(decoder.byte_array()?);
        let at = Moment(decoder.integer()?);
        let body = decoder.bytes()?;
        decoder.finish()?;
        check_body(body)?;
        keys.check(&author)?.verify(CLAIM, claim, &signature)?;
        Ok(Self { author, at, body: body.to_vec(), signature, id: Vcid::of(claim) })
    }

    /// Says whether bytes carry the type tag of statements; nothing else is checked.
    pub fn is_tagged(bytes: &[u8]) -> bool {
        Decoder::record(bytes, STATEMENT, 3).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString as _;

    fn body() -> Vec<u8> {
        let mut encoder = Encoder::record("vigil.test/1", 2);
        encoder.text("hello");
        encoder.finish()
    }

    #[test]
    fn every_bit_of_a_statement_counts() {
        let key = SecretKey::from_seed(&[1; 32]);
        let statement = Statement::sign(&key, Moment(5), body());
        let bytes = statement.encode();
        assert_eq!(Statement::decode(&bytes), Ok(statement.clone()));
        assert_eq!((statement.tag(), statement.at()), ("vigil.test/1", Moment(5)));
        for bit in 0..bytes.len() * 8 {
            let mut altered = bytes.clone();
            altered[bit / 8] ^= 1 << (bit % 8);
            assert!(Statement::decode(&altered).is_err(), "bit {bit}");
        }
        assert!((0..bytes.len()).all(|cut| Statement::decode(&bytes[..cut]).is_err()));
    }

    #[test]
    fn each_field_that_is_altered_is_refused_for_its_own_reason() {
        let key = SecretKey::from_seed(&[1; 32]);
        let good = Statement::sign(&key, Moment(5), body());
        let refused = |statement: Statement| {
            Statement::decode(&statement.encode()).expect_err("a field was altered").to_string()
        };
        let unsigned = "the author did not sign this statement";
        assert_eq!(refused(Statement { at: Moment(6), ..good.clone() }), unsigned);
        let mut other = Encoder::record("vigil.test/1", 2);
        other.text("hellO");
        let with_body = |body| {
            let mut altered = good.clone();
            altered.body = body;
            altered
        };
        assert_eq!(refused(with_body(other.finish())), unsigned);
        let another = SecretKey::from_seed(&[2; 32]).public().bytes();
        assert_eq!(refused(Statement { author: another, ..good.clone() }), unsigned);
        let no_key = KeyBytes([0; 32]);
        let not_a_key = "the author of a statement is not a key";
        assert_eq!(refused(Statement { author: no_key, ..good.clone() }), not_a_key);
        assert_eq!(refused(with_body(alloc::vec![0x60])), "this is not a statement");
        assert_eq!(refused(Statement { signature: Signature([0; 64]), ..good }), unsigned);
    }

    #[test]
    fn a_signature_made_for_a_batch_or_a_subkey_is_none_of_a_statement() {
        let key = SecretKey::from_seed(&[1; 32]);
        let good = Statement::sign(&key, Moment(5), body());
        let claim = encode_claim(&good.author, good.at, &good.body);
        for kind in [
            Kind::new("vigil.batch/1"),
            Kind::new("vigil.subkey/1"),
            Kind::new("vigil.statement/1"),
        ] {
            let signature = key.sign(kind, &claim);
            let forged = Statement { signature, ..good.clone() };
            assert!(matches!(
                Statement::decode(&forged.encode()),
                Err(StatementError::Signature(_))
            ));
        }
        // Nor is what a subkey signs, even over the very same bytes.
        for purpose in crate::Purpose::ALL {
            let message = [b"vigil/1 vigil.claim/1\0".as_slice(), &claim].concat();
            let signature = key.subkey(purpose).sign(&message);
            let forged = Statement { signature, ..good.clone() };
            assert!(matches!(
                Statement::decode(&forged.encode()),
                Err(StatementError::Signature(_))
            ));
        }
    }
}
