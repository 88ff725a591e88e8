//! Sealing a secret key under a passphrase, for rest on a disk.
//!
//! Argon2id (RFC 9106) makes the passphrase expensive to guess, ChaCha20-Poly1305 (RFC 8439) seals, and
//! everything that stands in the clear, the costs among it, is authenticated. The format is drawn in
//! `docs/format/trust.md`.
//!
//! Invariants: no memory is taken before the costs were found to be within bounds; a key that comes out
//! is the one that the header names.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use argon2::Block;
use chacha20poly1305::aead::Aead as _;
use chacha20poly1305::aead::Payload;
use chacha20poly1305::{ChaCha20Poly1305, KeyInit as _};
use vigil_base::cbor::{DecodeError, Decoder, Encoder};
use vigil_base::world::{Moment, Randomness, RandomnessError};
use vigil_base::{Blame, Blamed, Name, Vcid};
use zeroize::{Zeroize as _, Zeroizing};

use crate::keys::{KeyBytes, SecretKey};

const MAGIC: [u8; 8] = *b"vigseal\x01";
const LEN_AT: usize = MAGIC.len();
const RECORD_AT: usize = LEN_AT + size_of::<u32>();
const CHECK_LEN: usize = 32;

/// Longest sealed file, in bytes: ten times what the largest one takes.
const FILE_BYTES_MAX: usize = 4096;

const RECORD: &str = "vigil.sealed/1";
const HEADER: &str = "vigil.sealed-header/1";

const SALT_LEN: usize = 32;
const NONCE_LEN: usize = 12;

/// Shortest passphrase that is taken, in bytes. It keeps out slips of the finger, not weak choices.
pub const PASSPHRASE_BYTES_MIN: usize = 8;

/// What guessing a passphrase costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Costs {
    /// Memory, in KiB.
    pub memory_kib: u32,
    /// Passes over it.
    pub passes: u32,
    /// Lanes that could run at once.
    pub lanes: u32,
}

impl Costs {
    /// 256 MiB, three passes, one lane: half a second on the machine that this was chosen on.
    pub const DEFAULT: Self = Self { memory_kib: 256 << 10, passes: 3, lanes: 1 };
    /// The least that is accepted: RFC 9106's second recommendation, with fewer lanes allowed.
    pub const LEAST: Self = Self { memory_kib: 64 << 10, passes: 3, lanes: 1 };
    /// The most that is accepted. A file that asks for more is hostile or broken: at these bounds
    /// opening takes 2 GiB of memory, or about a minute.
    const MOST: Self = Self { memory_kib: 2 << 20, passes: 16, lanes: 4 };

    /// Says whether a file with these costs is opened.
    pub fn is_accepted(self) -> bool {
        let within = |value: u32, least: u32, most: u32| (least..=most).contains(&value);
        within(self.memory_kib, Self::LEAST.memory_kib, Self::MOST.memory_kib)
            && within(self.passes, Self::LEAST.passes, Self::MOST.passes)
            && within(self.lanes, Self::LEAST.lanes, Self::MOST.lanes)
    }
}

/// Whose key is sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder {
    /// A Person.
    Person,
    /// A Machine.
    Machine,
}

impl Holder {
    fn as_str(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::Machine => "machine",
        }
    }
}

/// What stands in the clear, and is authenticated by opening only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedHeader {
    /// Whose key it is.
    pub holder: Holder,
    /// What the holder is called.
    pub name: Name,
    /// The public key of what is sealed.
    pub public: KeyBytes,
    /// When it was sealed, as that machine's clock had it.
    pub at: Moment,
    /// What guessing costs.
    pub costs: Costs,
}

/// Why a key could not be sealed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// The passphrase is too short.
    #[error("a passphrase has at least {PASSPHRASE_BYTES_MIN} bytes")]
    ShortPassphrase,
    /// The costs are out of bounds.
    #[error(
        "these costs are not accepted: at least 64 MiB and at most 2 GiB, 3 to 16 passes, 1 to 4 lanes"
    )]
    Costs,
    /// There is not as much memory.
    #[error("there are no {memory_kib} KiB of memory to derive the key with")]
    Memory {
        /// How much was needed.
        memory_kib: u32,
    },
    /// There is no randomness.
    #[error(transparent)]
    Randomness(#[from] RandomnessError),
}

impl Blamed for SealError {
    fn blame(&self) -> Blame {
        match self {
            Self::ShortPassphrase | Self::Costs => Blame::Caller,
            Self::Memory { .. } | Self::Randomness(_) => Blame::World,
        }
    }
}

/// Why a sealed key could not be opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenSealedError {
    /// The file is something else.
    #[error("this is not a sealed key")]
    NotSealed,
    /// The file ends too early.
    #[error("the sealed key is cut: {found} of {want} bytes are there")]
    Truncated {
        /// How many bytes there are.
        found: usize,
        /// How many there should be.
        want: usize,
    },
    /// The bytes are not those that were written.
    #[error("the sealed key was altered: its checksum does not fit")]
    Altered,
    /// The bytes are those that were written, and mean nothing here.
    #[error("the sealed key cannot be read: it is malformed, or of a newer version")]
    Malformed(#[from] DecodeError),
    /// The file asks for costs that are not accepted.
    #[error("the sealed key asks for {} KiB, {} passes and {} lanes, which is not accepted", .0.memory_kib, .0.passes, .0.lanes)]
    Costs(Costs),
    /// There is not as much memory.
    #[error("there are no {memory_kib} KiB of memory to open the sealed key with")]
    Memory {
        /// How much was needed.
        memory_kib: u32,
    },
    /// The passphrase is another one.
    #[error("the passphrase is wrong")]
    WrongPassphrase,
    /// What came out is not the key that the header names.
    #[error("the sealed key holds another key than it says")]
    AnotherKey,
}

impl Blamed for OpenSealedError {
    fn blame(&self) -> Blame {
        match self {
            Self::WrongPassphrase | Self::NotSealed | Self::Costs(_) => Blame::Caller,
            _ => Blame::World,
        }
    }
}

impl OpenSealedError {
    /// Returns what to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::WrongPassphrase => {
                "try again; nobody can tell a passphrase that was lost. A Person comes back from its \
                 words, a machine is enrolled anew"
            }
            Self::Memory { .. } => "close other programs, or open it on a larger machine",
            Self::NotSealed | Self::Costs(_) => "use a file that `vigil` made",
            _ => "bring back the file from a backup; a Person comes back from its words",
        }
    }
}

fn encode_header(header: &SealedHeader, salt: &[u8; SALT_LEN], nonce: &[u8; NONCE_LEN]) -> Vec<u8> {
    let mut encoder = Encoder::record(HEADER, 10);
    encoder.text(header.holder.as_str());
    encoder.text(header.name.as_str());
    encoder.bytes(&header.public.0);
    encoder.integer(header.at.0);
    encoder.unsigned(u64::from(header.costs.memory_kib));
    encoder.unsigned(u64::from(header.costs.passes));
    encoder.unsigned(u64::from(header.costs.lanes));
    encoder.bytes(salt);
    encoder.bytes(nonce);
    encoder.finish()
}

/// The lid's parts: what is authenticated, what it says, and what is sealed under it.
struct Lid<'a> {
    header_bytes: &'a [u8],
    header: SealedHeader,
    salt: [u8; SALT_LEN],
    nonce: [u8; NONCE_LEN],
    sealed: &'a [u8],
}

fn decode(file: &[u8]) -> Result<Lid<'_>, OpenSealedError> {
    if file.len() < MAGIC.len() && MAGIC.starts_with(file) {
        return Err(OpenSealedError::Truncated { found: file.len(), want: RECORD_AT + CHECK_LEN });
    }
    if !file.starts_with(&MAGIC) {
        return Err(OpenSealedError::NotSealed);
    }
    let Some(length) = file.get(LEN_AT..RECORD_AT) else {
        return Err(OpenSealedError::Truncated { found: file.len(), want: RECORD_AT + CHECK_LEN });
    };
    let length = u32::from_le_bytes(length.try_into().expect("four bytes")) as usize;
    if !(RECORD_AT + CHECK_LEN..=FILE_BYTES_MAX).contains(&length) {
        return Err(OpenSealedError::Altered);
    }
    if file.len() < length {
        return Err(OpenSealedError::Truncated { found: file.len(), want: length });
    }
    let (checked, check) = file.split_at(length - CHECK_LEN);
    if Vcid::of(checked).as_bytes() != check {
        return Err(OpenSealedError::Altered);
    }
    let mut outer = Decoder::record(&checked[RECORD_AT..], RECORD, 3)?;
    let (header_bytes, sealed) = (outer.bytes()?, outer.bytes()?);
    outer.finish()?;
    decode_header(header_bytes).map(|(header, salt, nonce)| Lid {
        header_bytes,
        header,
        salt,
        nonce,
        sealed,
    })
}

type HeaderParts = (SealedHeader, [u8; SALT_LEN], [u8; NONCE_LEN]);

fn decode_header(bytes: &[u8]) -> Result<HeaderParts, OpenSealedError> {
    use vigil_base::cbor::Fault;
    let mut decoder = Decoder::record(bytes, HEADER, 10)?;
    let at = decoder.offset();
    let holder = match decoder.text()? {
        "person" => Holder::Person,
        "machine" => Holder::Machine,
        _ => return Ok(decoder.fault(at, Fault::Range)?),
    };
    let at = decoder.offset();
    let Ok(name) = Name::new(decoder.text()?) else { return Ok(decoder.fault(at, Fault::Range)?) };
    let public = KeyBytes(decoder.byte_array()?);
    let at = Moment(decoder.integer()?);
    let costs = Costs {
        memory_kib: decoder.unsigned_32()?,
        passes: decoder.unsigned_32()?,
        lanes: decoder.unsigned_32()?,
    };
    let (salt, nonce) = (decoder.byte_array()?, decoder.byte_array()?);
    decoder.finish()?;
    Ok((SealedHeader { holder, name, public, at, costs }, salt, nonce))
}

/// Reads what stands in the clear. Nothing of it is authenticated before [`open`].
///
/// # Errors
/// Fails for files that are cut, altered or something else.
pub fn read_header(file: &[u8]) -> Result<SealedHeader, OpenSealedError> {
    decode(file).map(|lid| lid.header)
}

/// Derives the key that seals. The memory is asked for, so that there being none is an error.
fn derive(
    passphrase: &[u8],
    salt: &[u8; SALT_LEN],
    costs: Costs,
) -> Result<Zeroizing<[u8; 32]>, u32> {
    let failed = |_| costs.memory_kib;
    let params = argon2::Params::new(costs.memory_kib, costs.passes, costs.lanes, Some(32))
        .map_err(|_| costs.memory_kib)?;
    let blocks = params.block_count();
    let argon = argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params);
    let mut memory: Vec<Block> = Vec::new();
    memory.try_reserve_exact(blocks).map_err(|_| costs.memory_kib)?;
    memory.resize(blocks, Block::default());
    let mut key = Zeroizing::new([0; 32]);
    let derived = argon.hash_password_into_with_memory(passphrase, salt, &mut *key, &mut memory);
    memory.zeroize();
    derived.map_err(failed)?;
    Ok(key)
}

/// Seals a key under a passphrase.
///
/// # Errors
/// Fails for passphrases that are too short, costs out of bounds, and where the world gives no memory
/// or randomness.
pub fn seal(
    key: &SecretKey,
    header: &SealedHeader,
    passphrase: &[u8],
    randomness: &dyn Randomness,
) -> Result<Vec<u8>, SealError> {
    assert_eq!(key.public().bytes(), header.public, "the header names the key that is sealed");
    if passphrase.len() < PASSPHRASE_BYTES_MIN {
        return Err(SealError::ShortPassphrase);
    }
    if !header.costs.is_accepted() {
        return Err(SealError::Costs);
    }
    let (mut salt, mut nonce) = ([0; SALT_LEN], [0; NONCE_LEN]);
    randomness.fill(&mut salt)?;
    randomness.fill(&mut nonce)?;
    let header_bytes = encode_header(header, &salt, &nonce);
    let sealing = derive(passphrase, &salt, header.costs)
        .map_err(|memory_kib| SealError::Memory { memory_kib })?;
    let payload = Payload { msg: &*key.seed(), aad: &header_bytes };
    let sealed = ChaCha20Poly1305::new((&*sealing).into())
        .encrypt((&nonce).into(), payload)
        .expect("32 bytes are within what the cipher takes");
    let mut encoder = Encoder::record(RECORD, 3);
    encoder.bytes(&header_bytes);
    encoder.bytes(&sealed);
    let record = encoder.finish();
    let length = RECORD_AT + record.len() + CHECK_LEN;
    let mut file = vec![0; 0];
    file.extend(MAGIC);
    file.extend((length as u32).to_le_bytes());
    file.extend(record);
    let check = Vcid::of(&file);
    file.extend(check.as_bytes());
    assert!(file.len() == length && length <= FILE_BYTES_MAX, "a sealed key is small");
    Ok(file)
}

/// Opens a sealed key.
///
/// # Errors
/// Says whether the file is cut, altered, too costly, or the passphrase is wrong.
pub fn open(file: &[u8], passphrase: &[u8]) -> Result<(SealedHeader, SecretKey), OpenSealedError> {
    let lid = decode(file)?;
    let costs = lid.header.costs;
    if !costs.is_accepted() {
        return Err(OpenSealedError::Costs(costs));
    }
    let sealing = derive(passphrase, &lid.salt, costs)
        .map_err(|memory_kib| OpenSealedError::Memory { memory_kib })?;
    let payload = Payload { msg: lid.sealed, aad: lid.header_bytes };
    let opened = ChaCha20Poly1305::new((&*sealing).into()).decrypt((&lid.nonce).into(), payload);
    let opened = Zeroizing::new(opened.map_err(|_| OpenSealedError::WrongPassphrase)?);
    let seed: Result<[u8; 32], _> = opened.as_slice().try_into();
    let seed = Zeroizing::new(seed.map_err(|_| OpenSealedError::AnotherKey)?);
    let key = SecretKey::from_seed(&seed);
    if key.public().bytes() != lid.header.public {
        return Err(OpenSealedError::AnotherKey);
    }
    Ok((lid.header, key))
}

/// Returns what people read about costs.
pub fn describe(costs: Costs) -> String {
    let Costs { memory_kib, passes, lanes } = costs;
    let plural = if lanes == 1 { "" } else { "s" };
    alloc::format!("Argon2id, {} MiB, {passes} passes, {lanes} lane{plural}", memory_kib >> 10)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Repeating;

    const COSTS: Costs = Costs::LEAST;

    fn sealed() -> (SecretKey, SealedHeader, Vec<u8>) {
        let key = SecretKey::from_seed(&[5; 32]);
        let header = SealedHeader {
            holder: Holder::Machine,
            name: Name::new("bench").expect("a name"),
            public: key.public().bytes(),
            at: Moment(17),
            costs: COSTS,
        };
        let file = seal(&key, &header, b"a long passphrase", &Repeating::new(1)).expect("sealed");
        (key, header, file)
    }

    /// Writes the checksum anew, as whoever alters a file deliberately would.
    fn check_again(file: &mut [u8]) {
        let at = file.len() - CHECK_LEN;
        let check = Vcid::of(&file[..at]);
        file[at..].copy_from_slice(check.as_bytes());
    }

    #[test]
    fn the_passphrase_opens_and_another_does_not() {
        let (key, header, file) = sealed();
        let (got, opened) = open(&file, b"a long passphrase").expect("it opens");
        assert_eq!((got, opened.public()), (header.clone(), key.public()));
        assert_eq!(read_header(&file), Ok(header));
        let wrong = open(&file, b"a long passphrasE").expect_err("another passphrase");
        assert_eq!(wrong, OpenSealedError::WrongPassphrase);
    }

    #[test]
    fn the_seed_is_nowhere_in_the_file() {
        let (key, _, file) = sealed();
        assert!(!file.windows(8).any(|window| window == &key.seed()[..8]));
    }

    #[test]
    fn cut_files_are_called_cut_and_altered_ones_altered() {
        let (_, _, file) = sealed();
        for cut in 1..file.len() {
            let refused = read_header(&file[..cut]).expect_err("it is cut");
            assert!(matches!(refused, OpenSealedError::Truncated { .. }), "{cut}: {refused:?}");
        }
        assert_eq!(read_header(b"something else"), Err(OpenSealedError::NotSealed));
        for at in RECORD_AT..file.len() {
            let mut altered = file.clone();
            altered[at] ^= 1;
            assert_eq!(read_header(&altered), Err(OpenSealedError::Altered), "byte {at}");
        }
    }

    #[test]
    fn what_stands_in_the_clear_is_authenticated() {
        let (_, _, file) = sealed();
        // The name's first letter, its checksum mended: only the passphrase's key shows it.
        let at = file.windows(5).position(|window| window == b"bench").expect("the name is there");
        let mut altered = file;
        altered[at] = b'w';
        check_again(&mut altered);
        assert_eq!(
            read_header(&altered).map(|header| header.name),
            Ok(Name::new("wench").expect("a name"))
        );
        let refused = open(&altered, b"a long passphrase").expect_err("it was altered");
        assert_eq!(refused, OpenSealedError::WrongPassphrase);
    }

    #[test]
    fn costs_out_of_bounds_are_refused_before_memory_is_taken() {
        let bad = |memory_kib, passes, lanes| Costs { memory_kib, passes, lanes };
        for costs in [
            bad(65535, 3, 1),
            bad(65536, 2, 1),
            bad(65536, 3, 0),
            bad(65536, 3, 5),
            bad(u32::MAX, 3, 1),
            bad(65536, u32::MAX, 1),
        ] {
            assert!(!costs.is_accepted(), "{costs:?}");
            let (key, mut header, _) = sealed_parts();
            header.costs = costs;
            let refused = seal(&key, &header, b"a long passphrase", &Repeating::new(1));
            assert_eq!(refused, Err(SealError::Costs));
            // A hostile file whose checksum is right.
            let header_bytes = encode_header(&header, &[0; SALT_LEN], &[0; NONCE_LEN]);
            let mut encoder = Encoder::record(RECORD, 3);
            encoder.bytes(&header_bytes);
            encoder.bytes(&[0; 48]);
            let record = encoder.finish();
            let length = RECORD_AT + record.len() + CHECK_LEN;
            let mut file = [&MAGIC[..], &(length as u32).to_le_bytes(), &record].concat();
            file.resize(length, 0);
            check_again(&mut file);
            let refused = open(&file, b"a long passphrase").expect_err("out of bounds");
            assert_eq!(refused, OpenSealedError::Costs(costs));
        }
        assert!(Costs::DEFAULT.is_accepted() && Costs::LEAST.is_accepted());
        assert!(bad(65536, 3, 4).is_accepted());
    }

    fn sealed_parts() -> (SecretKey, SealedHeader, ()) {
        let key = SecretKey::from_seed(&[5; 32]);
        let header = SealedHeader {
            holder: Holder::Person,
            name: Name::new("bench").expect("a name"),
            public: key.public().bytes(),
            at: Moment(17),
            costs: COSTS,
        };
        (key, header, ())
    }

    #[test]
    fn short_passphrases_are_refused() {
        let (key, header, ()) = sealed_parts();
        let refused = seal(&key, &header, b"seven..", &Repeating::new(1));
        assert_eq!(refused, Err(SealError::ShortPassphrase));
    }

    #[test]
    fn a_header_that_names_another_key_is_caught() {
        // Only whoever knows the passphrase can make such a file.
        let (key, mut header, ()) = sealed_parts();
        header.public = SecretKey::from_seed(&[6; 32]).public().bytes();
        let header_bytes = encode_header(&header, &[1; SALT_LEN], &[2; NONCE_LEN]);
        let sealing = derive(b"a long passphrase", &[1; SALT_LEN], COSTS).expect("memory");
        let payload = Payload { msg: &*key.seed(), aad: &header_bytes };
        let sealed = ChaCha20Poly1305::new((&*sealing).into())
            .encrypt((&[2; NONCE_LEN]).into(), payload)
            .expect("short");
        let mut encoder = Encoder::record(RECORD, 3);
        encoder.bytes(&header_bytes);
        encoder.bytes(&sealed);
        let record = encoder.finish();
        let length = RECORD_AT + record.len() + CHECK_LEN;
        let mut file = [&MAGIC[..], &(length as u32).to_le_bytes(), &record].concat();
        file.resize(length, 0);
        check_again(&mut file);
        let refused = open(&file, b"a long passphrase").expect_err("another key");
        assert_eq!(refused, OpenSealedError::AnotherKey);
    }
}
