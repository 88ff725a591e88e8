//! Encrypted objects: a header, then segments that can be decrypted one by one.
//!
//! It knows bytes and keys, and does no I/O. As in STREAM (Hoang, Reyhanitabar, Rogaway and Vizár,
//! 2015), a segment's nonce is its number and whether it is the last, so that segments cannot be
//! moved, dropped or added. The key is each object's own: it is derived from the header, which has
//! a random salt and the object's name. `docs/format/tier.md` draws the bytes.

use chacha20poly1305::aead::AeadInOut as _;
use chacha20poly1305::{ChaCha20Poly1305, KeyInit as _};
use vigil_base::world::{Randomness, RandomnessError};

use crate::secret::{DERIVATION_LEN, Derivation, TierKey};

const MAGIC: [u8; 8] = *b"vigilenc";
const VERSION: u32 = 1;

const VERSION_AT: usize = MAGIC.len();
const HEADER_LEN_AT: usize = VERSION_AT + 4;
const DERIVATION_AT: usize = HEADER_LEN_AT + 4;
const KEY_ID_AT: usize = DERIVATION_AT + DERIVATION_LEN;
const NAME_AT: usize = KEY_ID_AT + 16;
const SALT_AT: usize = NAME_AT + 32;
const PLAIN_LEN_AT: usize = SALT_AT + 32;
const SEGMENT_LEN_AT: usize = PLAIN_LEN_AT + 8;
const CHECK_AT: usize = SEGMENT_LEN_AT + 8; // 4 bytes kept zero
/// Bytes before the first segment.
pub(crate) const HEADER_LEN: usize = CHECK_AT + 32;
const _: () = assert!(HEADER_LEN == 192);

/// Plain bytes of a segment: a range of 4 KiB costs at most twice this much to read, and the tags
/// take a 4096th of the object.
pub(crate) const SEGMENT_LEN: usize = 64 << 10;
const TAG_LEN: usize = 16;
/// Stored bytes of a segment.
pub(crate) const STORED_LEN: usize = SEGMENT_LEN + TAG_LEN;

/// What is wrong with an encrypted object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// It does not start like one of this version.
    NotOurs,
    /// It was made with another key.
    WrongKey,
    /// It was made under another name.
    Swapped,
    /// The bytes near this offset are not what was written.
    Altered(u64),
}

/// The derivation in a header or key record, which is not believed yet.
pub(crate) struct Claims {
    pub derivation: Derivation,
    pub key_id: [u8; 16],
}

/// Reads who can open an object, from its first bytes.
pub(crate) fn claims(header: &[u8]) -> Result<Claims, Flaw> {
    let header: &[u8; HEADER_LEN] = header.try_into().map_err(|_| Flaw::NotOurs)?;
    let mut front = [0; DERIVATION_AT];
    front[..8].copy_from_slice(&MAGIC);
    front[VERSION_AT..HEADER_LEN_AT].copy_from_slice(&VERSION.to_le_bytes());
    front[HEADER_LEN_AT..].copy_from_slice(&(HEADER_LEN as u32).to_le_bytes());
    if !header.starts_with(&front) {
        return Err(Flaw::NotOurs);
    }
    let derivation = Derivation::decode(&array_at(header, DERIVATION_AT)).ok_or(Flaw::NotOurs)?;
    Ok(Claims { derivation, key_id: array_at(header, KEY_ID_AT) })
}

fn array_at<const N: usize>(bytes: &[u8; HEADER_LEN], at: usize) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(&bytes[at..at + N]);
    array
}

/// One object's key and shape: encrypts and decrypts its segments.
pub(crate) struct Envelope {
    cipher: ChaCha20Poly1305,
    plain_len: u64,
}

impl Envelope {
    /// Starts a new object of `plain_len` bytes; returns its header too.
    pub fn make(
        key: &TierKey,
        name: [u8; 32],
        plain_len: u64,
        randomness: &dyn Randomness,
    ) -> Result<(Self, [u8; HEADER_LEN]), RandomnessError> {
        let mut header = [0; HEADER_LEN];
        let mut put = |at: usize, field: &[u8]| header[at..at + field.len()].copy_from_slice(field);
        put(0, &MAGIC);
        put(VERSION_AT, &VERSION.to_le_bytes());
        put(HEADER_LEN_AT, &(HEADER_LEN as u32).to_le_bytes());
        put(DERIVATION_AT, &key.derivation.encode());
        put(KEY_ID_AT, &key.id);
        put(NAME_AT, &name);
        put(PLAIN_LEN_AT, &plain_len.to_le_bytes());
        put(SEGMENT_LEN_AT, &(SEGMENT_LEN as u32).to_le_bytes());
        randomness.fill(&mut header[SALT_AT..PLAIN_LEN_AT])?;
        let check = key.header_check(&header[..CHECK_AT]);
        header[CHECK_AT..].copy_from_slice(check.as_bytes());
        Ok((Self::with(key, &header, plain_len), header))
    }

    /// Opens the object `name` by its header.
    pub fn open(key: &TierKey, name: [u8; 32], header: &[u8]) -> Result<Self, Flaw> {
        let claims = claims(header)?;
        let header: &[u8; HEADER_LEN] = header.try_into().map_err(|_| Flaw::NotOurs)?;
        if claims.key_id != key.id {
            return Err(Flaw::WrongKey);
        }
        let check = blake3::Hash::from_bytes(array_at(header, CHECK_AT));
        // Compared in constant time.
        if key.header_check(&header[..CHECK_AT]) != check {
            return Err(Flaw::Altered(0));
        }
        if array_at(header, NAME_AT) != name {
            return Err(Flaw::Swapped);
        }
        // From here on, whoever wrote the header has the key; another version would say so above.
        if array_at(header, SEGMENT_LEN_AT) != (SEGMENT_LEN as u64).to_le_bytes() {
            return Err(Flaw::NotOurs);
        }
        Ok(Self::with(key, header, u64::from_le_bytes(array_at(header, PLAIN_LEN_AT))))
    }

    fn with(key: &TierKey, header: &[u8; HEADER_LEN], plain_len: u64) -> Self {
        let object_key = key.object_key(header);
        Self { cipher: ChaCha20Poly1305::new((&*object_key).into()), plain_len }
    }

    /// Returns the length of the plain bytes.
    pub fn plain_len(&self) -> u64 {
        self.plain_len
    }

    /// Returns how many segments there are: at least one, so that an empty object has a tag.
    pub fn segments(&self) -> u64 {
        self.plain_len.div_ceil(SEGMENT_LEN as u64).max(1)
    }

    /// Returns the length of the stored object.
    pub fn stored_len(&self) -> u64 {
        stored_len(self.plain_len)
    }

    /// Returns where segment `number` starts in the stored object.
    pub fn segment_at(number: u64) -> u64 {
        HEADER_LEN as u64 + number * STORED_LEN as u64
    }

    /// Encrypts segment `number` where it stands and appends its tag.
    pub fn encrypt(&self, number: u64, segment: &mut Vec<u8>) {
        let is_last = self.check_len(number, segment.len());
        let tag = self.cipher.encrypt_inout_detached(
            &nonce(number, is_last).into(),
            &[],
            segment.as_mut_slice().into(),
        );
        let tag = tag.expect("a segment is far shorter than the cipher's limit of 256 GiB");
        segment.extend_from_slice(&tag);
    }

    /// Decrypts segment `number`, given with its tag, and appends it to `into`.
    pub fn decrypt(&self, number: u64, stored: &[u8], into: &mut Vec<u8>) -> Result<(), Flaw> {
        let altered = Flaw::Altered(Self::segment_at(number));
        let (bytes, tag) = stored.split_last_chunk::<TAG_LEN>().ok_or(altered)?;
        let is_last = self.check_len(number, bytes.len());
        let start = into.len();
        into.extend_from_slice(bytes);
        let plain = self.cipher.decrypt_inout_detached(
            &nonce(number, is_last).into(),
            &[],
            (&mut into[start..]).into(),
            tag.into(),
        );
        plain.map_err(|_| {
            into.truncate(start);
            altered
        })
    }

    /// Returns whether segment `number` is the last; the caller gives each its length.
    fn check_len(&self, number: u64, len: usize) -> bool {
        let is_last = number + 1 == self.segments();
        let start = number * SEGMENT_LEN as u64;
        let want = if is_last { self.plain_len - start } else { SEGMENT_LEN as u64 };
        assert_eq!(len as u64, want, "segment {number} of {} bytes", self.plain_len);
        is_last
    }
}

/// Returns the length of the stored object with `plain_len` plain bytes.
pub(crate) fn stored_len(plain_len: u64) -> u64 {
    let segments = plain_len.div_ceil(SEGMENT_LEN as u64).max(1);
    (HEADER_LEN as u64).saturating_add(plain_len).saturating_add(segments * TAG_LEN as u64)
}

fn nonce(number: u64, is_last: bool) -> [u8; 12] {
    let mut nonce = [0; 12];
    nonce[..8].copy_from_slice(&number.to_le_bytes());
    nonce[8] = u8::from(is_last);
    nonce
}

/// The record `enc/key`: a header without an object, that says how the tier's key comes about.
pub(crate) fn key_record(
    key: &TierKey,
    randomness: &dyn Randomness,
) -> Result<[u8; HEADER_LEN], RandomnessError> {
    Envelope::make(key, key.name(KEY_RECORD_NAME), 0, randomness).map(|(_, header)| header)
}

/// Checks the record `enc/key` against a key.
pub(crate) fn check_key_record(key: &TierKey, record: &[u8]) -> Result<(), Flaw> {
    Envelope::open(key, key.name(KEY_RECORD_NAME), record).map(|_| ())
}

const KEY_RECORD_NAME: &[u8] = b"key";

#[cfg(test)]
mod tests;
