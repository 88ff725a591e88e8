//! Ed25519 public keys as OpenSSH writes them (RFC 8709 §4; one line of `authorized_keys`).

use alloc::string::String;
use alloc::vec::Vec;

use super::armour;
use super::wire::{Reader, WireError, fixed, put_string};
use crate::keys::{KeyError, PublicKey};

/// The name of the algorithm, of keys and of signatures.
pub(super) const ALGORITHM: &str = "ssh-ed25519";

/// Why something is not an Ed25519 key of SSH's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SshKeyError {
    /// The bytes are no such structure.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// The 32 bytes are no key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The key is of another kind.
    #[error("the key is of the kind `{found}`, and only `{ALGORITHM}` is taken")]
    Algorithm {
        /// The kind, cut to 64 characters.
        found: String,
    },
    /// The line is not `ssh-ed25519`, base64, and perhaps a comment.
    #[error("a key's line has `{ALGORITHM}`, base64, and perhaps a comment")]
    Line,
    /// The line names another kind than the key in it.
    #[error("the line and the key in it differ in kind")]
    Mismatch,
}

/// Cuts a text that somebody else wrote, so that an error stays short.
pub(super) fn excerpt(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(64)]).chars().take(64).collect()
}

/// Returns the key as SSH sends it.
pub fn key_blob(key: &PublicKey) -> Vec<u8> {
    let mut out = Vec::new();
    put_string(&mut out, ALGORITHM.as_bytes());
    put_string(&mut out, key.as_bytes());
    out
}

/// Reads a key as SSH sends it.
///
/// # Errors
/// Refuses every other algorithm, and every byte too many or too few.
pub fn parse_key_blob(blob: &[u8]) -> Result<PublicKey, SshKeyError> {
    let mut reader = Reader::new(blob);
    let algorithm = reader.string("algorithm")?;
    if algorithm != ALGORITHM.as_bytes() {
        return Err(SshKeyError::Algorithm { found: excerpt(algorithm) });
    }
    let key = fixed(reader.string("public key")?, "public key")?;
    reader.finish()?;
    Ok(PublicKey::from_bytes(&key)?)
}

/// Returns the key as a line of `authorized_keys` or `id.pub`, without its end. Whatever could end
/// the line early is left out of the comment.
pub fn key_line(key: &PublicKey, comment: &str) -> String {
    blob_line(ALGORITHM, &key_blob(key), comment)
}

/// Writes one line around a key or a certificate.
pub(super) fn blob_line(algorithm: &str, blob: &[u8], comment: &str) -> String {
    let mut line = String::from(algorithm);
    line.push(' ');
    line.push_str(&armour::encode(blob));
    let mut comment = comment.chars().filter(|c| !c.is_control()).peekable();
    if comment.peek().is_some() {
        line.push(' ');
        line.extend(comment);
    }
    line
}

/// Splits a line into the bytes of its key and the comment.
pub(super) fn parse_blob_line<'a>(
    algorithm: &str,
    line: &'a str,
) -> Result<(Vec<u8>, &'a str), SshKeyError> {
    let line = line.trim_end_matches(['\r', '\n']);
    let (found, rest) = line.split_once(' ').ok_or(SshKeyError::Line)?;
    if found != algorithm {
        return Err(SshKeyError::Algorithm { found: excerpt(found.as_bytes()) });
    }
    let (blob, comment) = rest.split_once(' ').unwrap_or((rest, ""));
    Ok((armour::decode(blob).ok_or(SshKeyError::Line)?, comment))
}

/// Reads a line such as that of `id.pub`; returns the key and the comment.
///
/// # Errors
/// Refuses what is not one such line, and a key of another kind.
pub fn parse_key_line(line: &str) -> Result<(PublicKey, &str), SshKeyError> {
    let (blob, comment) = parse_blob_line(ALGORITHM, line)?;
    match parse_key_blob(&blob) {
        Err(SshKeyError::Algorithm { .. }) => Err(SshKeyError::Mismatch),
        other => Ok((other?, comment)),
    }
}
