//! The Vcid: the name of bytes by what they are.

use alloc::string::String;
use core::fmt;
use core::str::FromStr;

use sha2::Digest as _;

use crate::limits::VCID_LEN;

/// The SHA-256 (FIPS 180-4) of some bytes.
///
/// For a blob it is also the OCI digest, the Remote Execution digest, the S3 checksum, and what
/// `sha256sum` prints. Its text is `sha256:` and 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Vcid([u8; VCID_LEN]);

/// Why a text is not a [`Vcid`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VcidError {
    /// The text does not start with `sha256:`.
    #[error("`{text}` does not start with `sha256:`")]
    Prefix {
        /// The text, cut to 80 characters.
        text: String,
    },
    /// The text has another number of digits than 64.
    #[error("a SHA-256 has 64 hexadecimal digits, this one has {found}")]
    Length {
        /// How many bytes follow the prefix.
        found: usize,
    },
    /// A character is not a lower-case hexadecimal digit.
    #[error("character {at} of the digits is not one of 0-9 or a-f")]
    Digit {
        /// The position among the digits, from 0.
        at: usize,
    },
}

impl Vcid {
    /// Returns the id of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(sha2::Sha256::digest(bytes).into())
    }

    /// Takes a digest that was computed elsewhere, or read from a checked record.
    pub const fn from_bytes(digest: [u8; VCID_LEN]) -> Self {
        Self(digest)
    }

    /// Returns the 32 digest bytes.
    pub const fn as_bytes(&self) -> &[u8; VCID_LEN] {
        &self.0
    }

    /// Parses exactly 64 lower-case hexadecimal digits, without the prefix.
    pub fn from_hex(text: &str) -> Result<Self, VcidError> {
        let digits = text.as_bytes();
        if digits.len() != 2 * VCID_LEN {
            return Err(VcidError::Length { found: digits.len() });
        }
        let mut digest = [0; VCID_LEN];
        for (index, pair) in digits.chunks_exact(2).enumerate() {
            let high = hex_value(pair[0]).ok_or(VcidError::Digit { at: 2 * index })?;
            let low = hex_value(pair[1]).ok_or(VcidError::Digit { at: 2 * index + 1 })?;
            digest[index] = high << 4 | low;
        }
        Ok(Self(digest))
    }

    /// Returns the 64 lower-case hexadecimal digits, without the prefix.
    pub fn to_hex(&self) -> String {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut text = String::with_capacity(2 * VCID_LEN);
        for byte in self.0 {
            text.push(char::from(DIGITS[usize::from(byte >> 4)]));
            text.push(char::from(DIGITS[usize::from(byte & 15)]));
        }
        text
    }
}

/// Upper case is refused: one id has one text.
fn hex_value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

impl fmt::Display for Vcid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.to_hex())
    }
}

impl fmt::Debug for Vcid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Vcid {
    type Err = VcidError;

    fn from_str(text: &str) -> Result<Self, VcidError> {
        let digits = text
            .strip_prefix("sha256:")
            .ok_or_else(|| VcidError::Prefix { text: text.chars().take(80).collect() })?;
        Self::from_hex(digits)
    }
}

/// Computes a [`Vcid`] over bytes that come in pieces.
#[derive(Clone, Default)]
pub struct Hasher(sha2::Sha256);

impl Hasher {
    /// Starts with no bytes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Returns the id of all bytes taken.
    pub fn finish(self) -> Vcid {
        Vcid(self.0.finalize().into())
    }
}

impl fmt::Debug for Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hasher")
    }
}
