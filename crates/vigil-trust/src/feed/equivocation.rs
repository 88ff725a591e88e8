//! Evidence that a machine said two things at one position of one feed.

use alloc::boxed::Box;
use alloc::vec::Vec;

use vigil_base::cbor::{DecodeError, Decoder, Encoder};
use vigil_base::{Blame, Blamed};

use super::batch::{BatchError, FeedId, Header, SignedHeader};

const TAG: &str = "vigil.equivocation/1";

/// Two headers, both signed by the machine, that cannot belong to one feed. Whoever holds the bytes can
/// convince anybody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Equivocation {
    // In the order of their ids, so that the same evidence has the same bytes.
    lesser: Box<SignedHeader>,
    greater: Box<SignedHeader>,
}

/// Why bytes are not evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EquivocationError {
    /// The bytes are not such a record.
    #[error("this is no evidence of equivocation")]
    Decode(#[from] DecodeError),
    /// A header in it does not hold.
    #[error("a header in the evidence does not hold")]
    Header(#[from] BatchError),
    /// The two headers may well belong to one feed.
    #[error("the two headers do not contradict each other")]
    NoContradiction,
}

impl Blamed for EquivocationError {
    fn blame(&self) -> Blame {
        Blame::Caller
    }
}

/// Says whether two different headers of one feed contradict each other: they overlap, or one follows
/// the other and names another batch as the one before.
fn contradict(one: &SignedHeader, two: &SignedHeader) -> bool {
    let (a, b) = (one.header(), two.header());
    let overlap = a.first < b.end() && b.first < a.end();
    let unlinked = |before: &SignedHeader, after: &Header| {
        before.header().end() == after.first && after.previous != Some(before.id())
    };
    overlap || unlinked(one, b) || unlinked(two, a)
}

impl Equivocation {
    /// Returns evidence if two headers are of one feed and contradict each other.
    pub fn between(one: &SignedHeader, two: &SignedHeader) -> Option<Self> {
        let is_one_feed = one.header().feed == two.header().feed && one.id() != two.id();
        if !is_one_feed || !contradict(one, two) {
            return None;
        }
        let (lesser, greater) = if one.id() < two.id() { (one, two) } else { (two, one) };
        Some(Self { lesser: Box::new(lesser.clone()), greater: Box::new(greater.clone()) })
    }

    /// Returns the feed that was forked.
    pub fn feed(&self) -> FeedId {
        self.lesser.header().feed
    }

    /// Returns the two headers.
    pub fn headers(&self) -> [&SignedHeader; 2] {
        [&self.lesser, &self.greater]
    }

    /// Returns the first position that cannot be relied upon.
    pub fn position(&self) -> u64 {
        let (a, b) = (self.lesser.header(), self.greater.header());
        a.first.max(b.first).min(a.end()).min(b.end())
    }

    /// Returns the bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut encoder = Encoder::record(TAG, 5);
        self.lesser.encode_into(&mut encoder);
        self.greater.encode_into(&mut encoder);
        encoder.finish()
    }

    /// Reads bytes, checks both signatures, and that they contradict each other.
    ///
    /// # Errors
    /// Fails for whatever convinces nobody.
    pub fn decode(bytes: &[u8]) -> Result<Self, EquivocationError> {
        let mut decoder = Decoder::record(bytes, TAG, 5)?;
        let one = SignedHeader::decode_from(&mut decoder)?;
        let two = SignedHeader::decode_from(&mut decoder)?;
        decoder.finish()?;
        match Self::between(&one, &two) {
            Some(evidence) if *evidence.lesser == one => Ok(evidence),
            _ => Err(EquivocationError::NoContradiction),
        }
    }
}
