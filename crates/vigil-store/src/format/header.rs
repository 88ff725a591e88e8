//! The first 4096 bytes of an arena.

use super::{Check, array_at, check_of, u32_at, u64_at};

/// Bytes of the header: one page, so that the records start on one.
pub const HEADER_LEN: usize = 4096;

const MAGIC: [u8; 8] = *b"vigarena";
const VERSION: u32 = 1;

const VERSION_AT: usize = MAGIC.len();
const HEADER_LEN_AT: usize = VERSION_AT + 4;
const SITE_AT: usize = HEADER_LEN_AT + 4;
const SERIAL_AT: usize = SITE_AT + 16;
const CAPACITY_AT: usize = SERIAL_AT + 8;
const CREATED_AT: usize = CAPACITY_AT + 8;
const CLASS_LEN_AT: usize = CREATED_AT + 8;
const CLASS_AT: usize = CLASS_LEN_AT + 8; // 4 bytes kept zero
const KEY_AT: usize = CLASS_AT + Class::BYTES_MAX;
const CHECK_AT: usize = HEADER_LEN - size_of::<Check>();
const _: () = assert!(KEY_AT + 32 <= CHECK_AT);

/// The store in which an arena was made: 16 random bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Site(pub [u8; 16]);

impl std::fmt::Display for Site {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The random key of one arena's record checks.
///
/// It is no secret. It keeps bytes that somebody puts into a store from passing for records of it:
/// whoever makes them up beforehand does not know the key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ArenaKey(pub [u8; 32]);

impl std::fmt::Debug for ArenaKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ArenaKey")
    }
}

/// For whom an arena is kept: a subsystem and owner, `shared`, or `cache`.
///
/// Bytes are deduplicated only inside a class. Its text has 1 to 64 of `a-z 0-9 - . +`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Class(String);

/// Why a text is not a class.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a class has 1 to 64 of the characters a-z, 0-9, `-`, `.` and `+`, and does not start with `.`; `{text}` does not"
)]
pub struct ClassError {
    text: String,
}

impl Class {
    const BYTES_MAX: usize = 64;

    /// Checks `text`.
    pub fn new(text: &str) -> Result<Self, ClassError> {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-.+".contains(&b);
        let fine = (1..=Self::BYTES_MAX).contains(&text.len())
            && text.bytes().all(allowed)
            && !text.starts_with('.');
        if fine {
            Ok(Self(text.into()))
        } else {
            Err(ClassError { text: text.chars().take(80).collect() })
        }
    }

    /// Returns the class that everything goes to by default.
    pub fn shared() -> Self {
        Self("shared".into())
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What an arena says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Where it was made.
    pub site: Site,
    /// Its number there.
    pub serial: u64,
    /// Most bytes that the file may have, the seal not counted.
    pub capacity: u64,
    /// When it was made, in nanoseconds since 1970.
    pub created: i64,
    /// For whom it is kept.
    pub class: Class,
    /// The key of its record checks.
    pub key: ArenaKey,
}

/// Why bytes are not an arena's header.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HeaderError {
    /// The file does not start like an arena.
    #[error("it does not start with `vigarena`, as arenas do")]
    Magic,
    /// The arena is of a version that this program does not know.
    #[error("the arena is of version {found}, and this program knows version {VERSION}")]
    Version {
        /// The version.
        found: u32,
    },
    /// The checksum does not match.
    #[error("the arena's header is damaged")]
    Damaged,
}

impl Header {
    /// Returns the bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![0; HEADER_LEN];
        let mut put = |at: usize, field: &[u8]| bytes[at..at + field.len()].copy_from_slice(field);
        put(0, &MAGIC);
        put(VERSION_AT, &VERSION.to_le_bytes());
        put(HEADER_LEN_AT, &(HEADER_LEN as u32).to_le_bytes());
        put(SITE_AT, &self.site.0);
        put(SERIAL_AT, &self.serial.to_le_bytes());
        put(CAPACITY_AT, &self.capacity.to_le_bytes());
        put(CREATED_AT, &self.created.to_le_bytes());
        put(CLASS_LEN_AT, &(self.class.0.len() as u32).to_le_bytes());
        put(CLASS_AT, self.class.0.as_bytes());
        put(KEY_AT, &self.key.0);
        let check = check_of(&bytes[..CHECK_AT]);
        bytes[CHECK_AT..].copy_from_slice(&check);
        bytes
    }

    /// Reads the header at the start of `bytes`.
    pub fn decode(bytes: &[u8]) -> Result<Self, HeaderError> {
        if !bytes.starts_with(&MAGIC) {
            return Err(HeaderError::Magic);
        }
        let bytes = bytes.get(..HEADER_LEN).ok_or(HeaderError::Damaged)?;
        if check_of(&bytes[..CHECK_AT]) != bytes[CHECK_AT..] {
            return Err(HeaderError::Damaged);
        }
        match u32_at(bytes, VERSION_AT) {
            VERSION => {}
            found => return Err(HeaderError::Version { found }),
        }
        let class_len = u32_at(bytes, CLASS_LEN_AT) as usize;
        let class = bytes[CLASS_AT..KEY_AT]
            .get(..class_len)
            .and_then(|class| std::str::from_utf8(class).ok())
            .and_then(|class| Class::new(class).ok())
            .ok_or(HeaderError::Damaged)?;
        let header = Self {
            site: Site(array_at(bytes, SITE_AT)),
            serial: u64_at(bytes, SERIAL_AT),
            capacity: u64_at(bytes, CAPACITY_AT),
            created: u64_at(bytes, CREATED_AT) as i64,
            class,
            key: ArenaKey(array_at(bytes, KEY_AT)),
        };
        // Bytes that no field owns must be zero, so that one header has one encoding.
        if header.encode() == bytes { Ok(header) } else { Err(HeaderError::Damaged) }
    }
}
