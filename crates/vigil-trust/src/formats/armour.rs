//! Base64 (RFC 4648 §4), with padding and without spare bits, and the lines around it.

use alloc::string::String;
use alloc::vec::Vec;

use base64ct::{Base64, Encoding as _};

/// Encodes without line ends.
pub(super) fn encode(bytes: &[u8]) -> String {
    Base64::encode_string(bytes)
}

/// Decodes without line ends; `None` if the text is not the one encoding of some bytes.
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    Base64::decode_vec(text).ok()
}

/// Encodes in lines of `columns` characters, each with its end.
pub(super) fn encode_lines(bytes: &[u8], columns: usize) -> String {
    let text = encode(bytes);
    let mut lines = String::with_capacity(text.len() + text.len() / columns + 1);
    for (index, character) in text.chars().enumerate() {
        if index > 0 && index % columns == 0 {
            lines.push('\n');
        }
        lines.push(character);
    }
    lines.push('\n');
    lines
}
