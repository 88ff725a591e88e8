//! A batch of entries, signed once. Drawn in `docs/format/trust.md`.

use alloc::vec::Vec;
use core::fmt;

use vigil_base::cbor::{DecodeError, Decoder, Encoder, Fault};
use vigil_base::world::Moment;
use vigil_base::{Blame, Blamed, Hasher, Vcid};

use crate::keys::{KeyBytes, KeyError, Kind, SecretKey, Signature, VerifyError};

const HEADER: Kind = Kind::new("vigil.batch-header/1");
const BATCH: &str = "vigil.batch/1";

/// Most entries in one batch.
pub const BATCH_ENTRIES_MAX: usize = 1 << 16;

/// Most bytes of entries in one batch: what a machine may have to hold at once to check a signature.
pub const BATCH_BYTES_MAX: usize = 16 << 20;

/// One life of a machine's feed: 16 random bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Incarnation(pub [u8; 16]);

impl fmt::Display for Incarnation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Incarnation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Whose feed it is, and which of that machine's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FeedId {
    /// The machine's key.
    pub machine: KeyBytes,
    /// Which life of it.
    pub incarnation: Incarnation,
}

impl fmt::Display for FeedId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.machine, self.incarnation)
    }
}

/// What is signed for a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The feed.
    pub feed: FeedId,
    /// The position of the first entry, from 0.
    pub first: u64,
    /// How many entries there are; at least one.
    pub count: u32,
    /// The id of the batch before; none for the first.
    pub previous: Option<Vcid>,
    /// The SHA-256 of the entries' ids, one after another.
    pub root: Vcid,
    /// When the machine says that it was signed.
    pub at: Moment,
}

impl Header {
    /// Returns the position behind the last entry.
    pub fn end(&self) -> u64 {
        self.first + u64::from(self.count)
    }

    fn encode(&self) -> Vec<u8> {
        let mut encoder = Encoder::record(HEADER.as_str(), 8);
        encoder.bytes(&self.feed.machine.0);
        encoder.bytes(&self.feed.incarnation.0);
        encoder.unsigned(self.first);
        encoder.unsigned(u64::from(self.count));
        match &self.previous {
            Some(previous) => encoder.bytes(previous.as_bytes()),
            None => encoder.null(),
        }
        encoder.bytes(self.root.as_bytes());
        encoder.integer(self.at.0);
        encoder.finish()
    }

    fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut decoder = Decoder::record(bytes, HEADER.as_str(), 8)?;
        let machine = KeyBytes(decoder.byte_array()?);
        let incarnation = Incarnation(decoder.byte_array()?);
        let at_first = decoder.offset();
        let (first, count) = (decoder.unsigned()?, decoder.unsigned_32()?);
        let is_sound = count > 0
            && count as usize <= BATCH_ENTRIES_MAX
            && first.checked_add(u64::from(count)).is_some();
        if !is_sound {
            return decoder.fault(at_first, Fault::Range);
        }
        let at_previous = decoder.offset();
        let previous =
            if decoder.null() { None } else { Some(Vcid::from_bytes(decoder.byte_array()?)) };
        if previous.is_none() != (first == 0) {
            return decoder.fault(at_previous, Fault::Range);
        }
        let root = Vcid::from_bytes(decoder.byte_array()?);
        let at = Moment(decoder.integer()?);
        decoder.finish()?;
        Ok(Self { feed: FeedId { machine, incarnation }, first, count, previous, root, at })
    }
}

/// A header whose signature has been checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedHeader {
    header: Header,
    signature: Signature,
    id: Vcid,
}

impl SignedHeader {
    fn sign(key: &SecretKey, header: Header) -> Self {
        let bytes = header.encode();
        Self { header, signature: key.sign(HEADER, &bytes), id: Vcid::of(&bytes) }
    }

    /// Returns what was signed.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Returns the SHA-256 of what was signed, which is the batch's id.
    pub fn id(&self) -> Vcid {
        self.id
    }

    pub(super) fn encode_into(&self, encoder: &mut Encoder) {
        encoder.bytes(&self.header.encode());
        encoder.bytes(&self.signature.0);
    }

    pub(super) fn decode_from(decoder: &mut Decoder<'_>) -> Result<Self, BatchError> {
        let bytes = decoder.bytes()?;
        let signature = Signature(decoder.byte_array()?);
        let header = Header::decode(bytes)?;
        header.feed.machine.check()?.verify(HEADER, bytes, &signature)?;
        Ok(Self { header, signature, id: Vcid::of(bytes) })
    }
}

/// Why bytes are not a batch that holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BatchError {
    /// The bytes are not such a record.
    #[error("this is not a batch of a feed")]
    Decode(#[from] DecodeError),
    /// The machine is no key.
    #[error("the machine of a batch is not a key")]
    Machine(#[from] KeyError),
    /// The machine did not sign it.
    #[error("the machine did not sign this batch")]
    Signature(#[from] VerifyError),
    /// The entries are not those that were signed.
    #[error("the entries of a batch are not those that were signed")]
    Entries,
}

impl Blamed for BatchError {
    fn blame(&self) -> Blame {
        Blame::Caller
    }
}

/// A signed header, and the entries that it vouches for. All of it has been checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    header: SignedHeader,
    /// The entries as one canonical array of byte strings.
    entries: Vec<u8>,
}

/// Computes the root of entries, and how many there are.
fn root_of<'a>(entries: impl Iterator<Item = &'a [u8]>) -> (Vcid, usize) {
    let mut hasher = Hasher::new();
    let mut count = 0;
    for entry in entries {
        hasher.update(Vcid::of(entry).as_bytes());
        count += 1;
    }
    (hasher.finish(), count)
}

fn encode_entries<E: AsRef<[u8]>>(entries: &[E]) -> Vec<u8> {
    let mut encoder = Encoder::new();
    encoder.array(entries.len());
    entries.iter().for_each(|entry| encoder.bytes(entry.as_ref()));
    encoder.finish_part()
}

impl Batch {
    /// Signs entries as the batch that follows `previous`.
    ///
    /// # Panics
    /// Panics where there are no entries, or more than a batch holds: the caller cuts them.
    pub fn sign<E: AsRef<[u8]>>(
        key: &SecretKey,
        incarnation: Incarnation,
        previous: Option<&SignedHeader>,
        at: Moment,
        entries: &[E],
    ) -> Self {
        assert!((1..=BATCH_ENTRIES_MAX).contains(&entries.len()), "a batch has 1 to 65536 entries");
        let (root, count) = root_of(entries.iter().map(AsRef::as_ref));
        let header = Header {
            feed: FeedId { machine: key.public().bytes(), incarnation },
            first: previous.map_or(0, |previous| previous.header.end()),
            count: count as u32,
            previous: previous.map(SignedHeader::id),
            root,
            at,
        };
        let entries = encode_entries(entries);
        assert!(entries.len() <= BATCH_BYTES_MAX, "a batch has at most 16 MiB");
        Self { header: SignedHeader::sign(key, header), entries }
    }

    /// Returns the header with its signature.
    pub fn signed_header(&self) -> &SignedHeader {
        &self.header
    }

    /// Returns what was signed.
    pub fn header(&self) -> &Header {
        &self.header.header
    }

    /// Returns the batch's id.
    pub fn id(&self) -> Vcid {
        self.header.id
    }

    /// Returns the entries with their positions.
    pub fn entries(&self) -> impl Iterator<Item = (u64, &[u8])> {
        let mut decoder = Decoder::new(&self.entries).expect("the entries were checked");
        let count = decoder.array().expect("the entries were checked");
        let first = self.header().first;
        (0..count as u64)
            .map(move |at| (first + at, decoder.bytes().expect("the entries were checked")))
    }

    /// Returns the bytes: header, signature, entries.
    pub fn encode(&self) -> Vec<u8> {
        let mut encoder = Encoder::record(BATCH, 4);
        self.header.encode_into(&mut encoder);
        encoder.bytes(&self.entries);
        encoder.finish_part()
    }

    /// Reads bytes, and checks the signature and that the entries are those that were signed.
    ///
    /// # Errors
    /// Fails for bytes that are not canonical, and for whatever does not hold.
    pub fn decode(bytes: &[u8]) -> Result<Self, BatchError> {
        let mut decoder = Decoder::record(bytes, BATCH, 4)?;
        let header = SignedHeader::decode_from(&mut decoder)?;
        let at = decoder.offset();
        let entries = decoder.bytes()?;
        if entries.len() > BATCH_BYTES_MAX {
            return Ok(decoder.fault(at, Fault::Oversized)?);
        }
        decoder.finish()?;
        let mut inner = Decoder::new(entries)?;
        let count = inner.array()?;
        if count != header.header.count as usize {
            return Err(BatchError::Entries);
        }
        let mut hasher = Hasher::new();
        for _ in 0..count {
            hasher.update(Vcid::of(inner.bytes()?).as_bytes());
        }
        inner.finish()?;
        if hasher.finish() != header.header.root {
            return Err(BatchError::Entries);
        }
        Ok(Self { header, entries: entries.to_vec() })
    }
}
