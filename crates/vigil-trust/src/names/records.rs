//! What a machine keeps about names as records: which puddle speaks for which domain, and what a name meant
//! when it was looked at.
//!
//! Invariant: what is decoded encodes to the same bytes.

use alloc::borrow::ToOwned as _;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use vigil_base::Vcid;
use vigil_base::cbor::{DecodeError, Decoder, Encoder, Fault};

use super::{Meaning, NameTarget, Pointer, check_domain};
use crate::feed::{FeedId, Incarnation};
use crate::keys::KeyBytes;

const DOMAINS_TAG: &str = "vigil.domains/1";

/// Which puddle speaks for which domain, where it is not the machine's own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Domains(pub BTreeMap<String, Vcid>);

impl Domains {
    /// Returns the record.
    pub fn encode(&self) -> Vec<u8> {
        let mut encoder = Encoder::record(DOMAINS_TAG, 2);
        encoder.array(self.0.len());
        for (domain, puddle) in &self.0 {
            encoder.array(2);
            encoder.text(domain);
            encoder.bytes(puddle.as_bytes());
        }
        encoder.finish()
    }

    /// Reads the record.
    ///
    /// # Errors
    /// Fails for other bytes, for what is no domain, and where domains do not rise.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut decoder = Decoder::record(bytes, DOMAINS_TAG, 2)?;
        let mut domains = BTreeMap::new();
        for _ in 0..decoder.array()? {
            decoder.array_of(2)?;
            let at = decoder.offset();
            let domain = decoder.text()?.to_owned();
            let is_next = domains.last_key_value().is_none_or(|(last, _)| *last < domain);
            if check_domain(&domain).is_err() || !is_next {
                return decoder.fault(at, Fault::KeyOrder);
            }
            domains.insert(domain, Vcid::from_bytes(decoder.byte_array()?));
        }
        decoder.finish()?;
        Ok(Self(domains))
    }
}

/// What a name means, as whoever asks for it sees it: with who said so, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameState {
    /// What it means.
    pub meaning: Meaning,
    /// What stands: to what, in which feed, at which position. Of what was forked, all sides.
    pub standing: Vec<(Option<NameTarget>, FeedId, u64)>,
}

impl From<&Pointer> for NameState {
    fn from(pointer: &Pointer) -> Self {
        let standing = pointer.standing.iter();
        let standing = standing.map(|setting| (setting.target, setting.feed, setting.position));
        Self { meaning: pointer.meaning.clone(), standing: standing.collect() }
    }
}

impl NameState {
    /// Writes what the meaning follows from. Where it is what it was before, but said anew, the bytes
    /// differ: whoever asks why is told who said it last.
    pub fn encode(&self) -> Vec<u8> {
        let mut encoder = Encoder::new();
        encoder.array(2);
        encoder.unsigned(match self.meaning {
            Meaning::Target(_) => 0,
            Meaning::Withdrawn => 1,
            Meaning::Conflict => 2,
            Meaning::Frozen => 3,
        });
        encoder.array(self.standing.len());
        for (target, feed, position) in &self.standing {
            encoder.array(4);
            NameTarget::encode_into(*target, &mut encoder);
            encoder.bytes(&feed.machine.0);
            encoder.bytes(&feed.incarnation.0);
            encoder.unsigned(*position);
        }
        encoder.finish()
    }

    /// Reads what [`NameState::encode`] wrote.
    ///
    /// # Errors
    /// Fails for other bytes.
    pub fn decode(state: &[u8]) -> Result<Self, DecodeError> {
        let mut decoder = Decoder::new(state)?;
        decoder.array_of(2)?;
        let at = decoder.offset();
        let code = decoder.unsigned()?;
        let mut standing = Vec::new();
        for _ in 0..decoder.array()? {
            decoder.array_of(4)?;
            let target = NameTarget::decode_from(&mut decoder)?;
            let machine = KeyBytes(decoder.byte_array()?);
            let incarnation = Incarnation(decoder.byte_array()?);
            standing.push((target, FeedId { machine, incarnation }, decoder.unsigned()?));
        }
        let first = standing.first().and_then(|(target, ..)| *target);
        let meaning = match (code, first) {
            (0, Some(target)) => Meaning::Target(target),
            (1, _) => Meaning::Withdrawn,
            (2, _) => Meaning::Conflict,
            (3, _) => Meaning::Frozen,
            _ => return decoder.fault(at, Fault::Range),
        };
        decoder.finish()?;
        Ok(Self { meaning, standing })
    }
}

#[cfg(test)]
mod tests {
    use vigil_base::EntryKind;

    use super::*;
    use crate::testing::Repeating;

    #[test]
    fn what_is_decoded_is_encoded_alike_and_nothing_else_is_taken() {
        let random = Repeating::new(5);
        let target = NameTarget { kind: EntryKind::File, vcid: Vcid::of(b"x") };
        let feed = FeedId { machine: KeyBytes([1; 32]), incarnation: Incarnation([2; 16]) };
        let meaning = Meaning::Target(target);
        let state = NameState { meaning, standing: [(Some(target), feed, 7)].into() };
        let domains = ["ada.example", "plant7.example"].map(|name| (name.into(), Vcid::of(b"p")));
        let domains = Domains(domains.into());
        assert_eq!(NameState::decode(&state.encode()).as_ref(), Ok(&state));
        assert_eq!(Domains::decode(&domains.encode()).as_ref(), Ok(&domains));
        for bytes in [state.encode(), domains.encode()] {
            for _ in 0..4000 {
                let mut altered = bytes.clone();
                altered[random.below(bytes.len())] ^= 1 << random.below(8);
                if let Ok(read) = NameState::decode(&altered) {
                    assert_eq!(read.encode(), altered);
                }
                if let Ok(read) = Domains::decode(&altered) {
                    assert_eq!(read.encode(), altered);
                }
            }
        }
        // What means something says what, and who speaks for a domain stands once.
        let nothing = NameState { meaning: Meaning::Target(target), standing: Vec::new() };
        assert!(NameState::decode(&nothing.encode()).is_err());
    }
}
