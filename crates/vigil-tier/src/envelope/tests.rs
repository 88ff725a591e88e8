//! What is encrypted comes back, and nothing else passes for it.

use vigil_base::world::{Randomness, RandomnessError};

use super::{Envelope, Flaw, HEADER_LEN, SEGMENT_LEN, STORED_LEN, stored_len};
use crate::secret::{Derivation, Secret, TierKey};

struct Sevens;

impl Randomness for Sevens {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), RandomnessError> {
        bytes.fill(7);
        Ok(())
    }
}

fn key(byte: u8) -> TierKey {
    let secret = Secret::from_key_file(&[byte; 32]).expect("32 bytes");
    TierKey::derive(&secret, Derivation::KeyFile).expect("a key file needs no more")
}

const NAME: [u8; 32] = [9; 32];

fn plain(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at * 31 % 251) as u8).collect()
}

fn seal(bytes: &[u8]) -> Vec<u8> {
    let made = Envelope::make(&key(1), NAME, bytes.len() as u64, &Sevens);
    let (envelope, header) = made.expect("these bytes are at hand");
    let mut stored = header.to_vec();
    for number in 0..envelope.segments() {
        let start = number as usize * SEGMENT_LEN;
        let mut segment = bytes[start..bytes.len().min(start + SEGMENT_LEN)].to_vec();
        envelope.encrypt(number, &mut segment);
        stored.extend(segment);
    }
    stored
}

fn open(key: &TierKey, name: [u8; 32], stored: &[u8]) -> Result<Vec<u8>, Flaw> {
    let header = stored.get(..HEADER_LEN).ok_or(Flaw::NotOurs)?;
    let envelope = Envelope::open(key, name, header)?;
    // The lengths are compared by whoever fetches the object.
    assert_eq!(envelope.stored_len(), stored.len() as u64);
    let mut plain = Vec::new();
    for (number, segment) in stored[HEADER_LEN..].chunks(STORED_LEN).enumerate() {
        envelope.decrypt(number as u64, segment, &mut plain)?;
    }
    Ok(plain)
}

#[test]
fn objects_of_all_lengths_come_back() {
    for len in [0, 1, SEGMENT_LEN - 1, SEGMENT_LEN, SEGMENT_LEN + 1, 3 * SEGMENT_LEN] {
        let stored = seal(&plain(len));
        assert_eq!(stored.len() as u64, stored_len(len as u64));
        assert_eq!(open(&key(1), NAME, &stored), Ok(plain(len)));
    }
}

/// Every byte of header and tags counts, and a sample of the others.
#[test]
fn no_altered_byte_passes() {
    let stored = seal(&plain(SEGMENT_LEN + 100));
    let seams = (0..HEADER_LEN + 40).chain(HEADER_LEN + SEGMENT_LEN..HEADER_LEN + STORED_LEN + 116);
    for at in seams {
        let mut altered = stored.clone();
        altered[at] ^= 0x40;
        let flaw = open(&key(1), NAME, &altered).expect_err("altered");
        match flaw {
            Flaw::NotOurs => assert!(at < 64, "byte {at}"),
            Flaw::WrongKey => assert!((64..80).contains(&at), "byte {at}"),
            Flaw::Altered(0) => assert!((16..HEADER_LEN).contains(&at), "byte {at}"),
            Flaw::Altered(near) => {
                assert!(near as usize <= at && at < near as usize + STORED_LEN, "byte {at}");
            }
            Flaw::Swapped => panic!("byte {at} of the name was taken"),
        }
    }
}

#[test]
fn other_keys_and_names_are_told_apart() {
    let stored = seal(b"plain");
    assert_eq!(open(&key(2), NAME, &stored), Err(Flaw::WrongKey));
    assert_eq!(open(&key(1), [8; 32], &stored), Err(Flaw::Swapped));
    assert_eq!(open(&key(1), NAME, b"vigilenc"), Err(Flaw::NotOurs));
}

#[test]
fn segments_cannot_be_moved() {
    let mut stored = seal(&plain(2 * SEGMENT_LEN));
    let (first, second) = stored[HEADER_LEN..].split_at_mut(STORED_LEN);
    first.swap_with_slice(second);
    assert_eq!(open(&key(1), NAME, &stored), Err(Flaw::Altered(HEADER_LEN as u64)));
}

/// The bytes of version 1, so that nobody changes them by accident. The BLAKE3 below is what the
/// Python program in `docs/format/tier.md` prints, which shares no code with this one.
#[test]
fn the_format_stays() {
    let stored = seal(&plain(70_000));
    assert_eq!(stored[..16], *b"vigilenc\x01\0\0\0\xC0\0\0\0");
    expect_test::expect!["1fba45d8b170771d462f50b168d8ce38e534afffb381dc1153d00b9edff3d1e4"]
        .assert_eq(&blake3::hash(&stored).to_hex());
}
