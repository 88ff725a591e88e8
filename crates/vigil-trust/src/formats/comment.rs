//! The two-line files that minisign and signify share: a comment, and a line of base64.

use alloc::string::String;
use alloc::vec::Vec;

use super::armour;

/// What stands before a comment that nobody signed.
pub(super) const UNTRUSTED: &str = "untrusted comment: ";
/// The algorithm of plain Ed25519, and of public keys of either kind.
pub(super) const PLAIN: [u8; 2] = *b"Ed";
/// The longest comment, so that a file cannot grow without bound (minisign's `COMMENTMAXBYTES`).
pub(super) const COMMENT_BYTES_MAX: usize = 1024;

/// The number by which both programs look keys up. It proves nothing.
pub(super) type KeyNumber = [u8; 8];

/// Returns whether a comment is one line, and short enough to be read back.
pub(super) fn is_comment(text: &str) -> bool {
    text.len() < COMMENT_BYTES_MAX && !text.chars().any(char::is_control)
}

/// Writes a comment and the base64 of `bytes`, a line each.
pub(super) fn write(comment: &str, bytes: &[u8]) -> String {
    let mut text = String::from(UNTRUSTED);
    text.push_str(comment);
    text.push('\n');
    text.push_str(&armour::encode(bytes));
    text.push('\n');
    text
}

/// Splits off one line; the last one may lack its end. A carriage return before the end is dropped,
/// as both programs do.
pub(super) fn split_line(text: &str) -> (&str, &str) {
    let (line, rest) = text.split_once('\n').unwrap_or((text, ""));
    (line.strip_suffix('\r').unwrap_or(line), rest)
}

/// Reads a comment and a line of base64; returns the bytes and what follows.
pub(super) fn read(text: &str) -> Option<(&str, Vec<u8>, &str)> {
    let (first, rest) = split_line(text);
    let comment = first.strip_prefix(UNTRUSTED).filter(|comment| is_comment(comment))?;
    let (second, rest) = split_line(rest);
    Some((comment, armour::decode(second)?, rest))
}
