//! The few shapes that lines of logs are made of: base64 and hashes in it.
//!
//! Invariant: one value has one text; whatever else decodes to it elsewhere is refused.

use alloc::string::String;
use alloc::vec::Vec;

use base64ct::{Base64, Encoding as _};

use super::tree::TreeHash;

/// Writes standard base64 with padding (RFC 4648, section 4).
pub(crate) fn base64(bytes: &[u8]) -> String {
    Base64::encode_string(bytes)
}

/// Reads standard base64 with padding.
pub(crate) fn from_base64(text: &str) -> Option<Vec<u8>> {
    Base64::decode_vec(text).ok()
}

/// Reads a hash in base64.
pub(crate) fn hash(text: &str) -> Option<TreeHash> {
    from_base64(text)?.try_into().ok().map(TreeHash)
}

/// Cuts a text for an error message.
pub(crate) fn excerpt(text: &str) -> String {
    text.chars().take(80).collect()
}
