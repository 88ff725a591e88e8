//! The data types of SSH (RFC 4251 §5): big-endian integers, and strings with their length before them.

use alloc::vec::Vec;

/// Why bytes are not the SSH structure that was expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WireError {
    /// The bytes end inside a field.
    #[error("the bytes end inside the field `{field}`")]
    Truncated {
        /// The field.
        field: &'static str,
    },
    /// Something follows the last field.
    #[error("bytes follow the field `{field}`, which is the last")]
    Trailing {
        /// The last field.
        field: &'static str,
    },
    /// A field has another length than its type.
    #[error("the field `{field}` has {found} bytes, not {want}")]
    Length {
        /// The field.
        field: &'static str,
        /// How many bytes it has.
        found: usize,
        /// How many bytes it must have.
        want: usize,
    },
    /// A field that is text is not UTF-8.
    #[error("the field `{field}` is not UTF-8")]
    Utf8 {
        /// The field.
        field: &'static str,
    },
}

/// Reads fields one after another. Nothing is copied, so that a length that lies costs nothing.
#[derive(Clone, Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
    field: &'static str,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, field: "" }
    }

    pub(crate) fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    /// Reads `count` bytes as they are.
    pub(crate) fn raw(&mut self, count: usize, field: &'static str) -> Result<&'a [u8], WireError> {
        self.field = field;
        let (found, rest) =
            self.rest.split_at_checked(count).ok_or(WireError::Truncated { field })?;
        self.rest = rest;
        Ok(found)
    }

    fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], WireError> {
        let bytes = self.raw(N, field)?;
        fixed(bytes, field)
    }

    pub(crate) fn u32(&mut self, field: &'static str) -> Result<u32, WireError> {
        self.array(field).map(u32::from_be_bytes)
    }

    pub(crate) fn u64(&mut self, field: &'static str) -> Result<u64, WireError> {
        self.array(field).map(u64::from_be_bytes)
    }

    pub(crate) fn string(&mut self, field: &'static str) -> Result<&'a [u8], WireError> {
        let len = self.u32(field)?;
        let len = usize::try_from(len).map_err(|_| WireError::Truncated { field })?;
        self.raw(len, field)
    }

    pub(crate) fn text(&mut self, field: &'static str) -> Result<&'a str, WireError> {
        core::str::from_utf8(self.string(field)?).map_err(|_| WireError::Utf8 { field })
    }

    /// Takes everything that is left.
    pub(crate) fn rest(&mut self) -> &'a [u8] {
        core::mem::take(&mut self.rest)
    }

    pub(crate) fn finish(self) -> Result<(), WireError> {
        let field = self.field;
        if self.rest.is_empty() { Ok(()) } else { Err(WireError::Trailing { field }) }
    }
}

/// Takes a field of a fixed length.
pub(crate) fn fixed<const N: usize>(
    bytes: &[u8],
    field: &'static str,
) -> Result<[u8; N], WireError> {
    bytes.try_into().map_err(|_| WireError::Length { field, found: bytes.len(), want: N })
}

/// Appends a string. Nothing that is written here comes near 4 GiB.
pub(crate) fn put_string(out: &mut Vec<u8>, bytes: &[u8]) {
    let len = u32::try_from(bytes.len()).expect("an SSH string is shorter than 4 GiB");
    out.extend(len.to_be_bytes());
    out.extend_from_slice(bytes);
}
