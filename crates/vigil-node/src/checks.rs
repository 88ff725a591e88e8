//! What bytes of a media type start with: an endpoint that calls something what it is not is found out before
//! anybody relies on it.
//!
//! Only types are listed whose bytes show what they are. That a text is text, or an archive whole, is for
//! whoever reads it to say.

use std::collections::BTreeMap;

use vigil_base::Tree;
use vigil_kernel::{Check, MediaType};

use crate::description::media_type;
use crate::endpoints::{JSON_TYPE, TREE_TYPE};

/// Returns the checks of a fresh node.
pub fn checks() -> BTreeMap<MediaType, Check> {
    let list: [(&str, Check); 7] = [
        (TREE_TYPE, is_tree),
        (JSON_TYPE, is_json),
        ("application/gzip", |bytes| starts(bytes, &[b"\x1f\x8b"])),
        ("application/zstd", |bytes| starts(bytes, &[b"\x28\xb5\x2f\xfd"])),
        // An archive without entries has nothing but its end.
        ("application/zip", |bytes| starts(bytes, &[b"PK\x03\x04", b"PK\x05\x06"])),
        ("application/vnd.apache.arrow.file", |bytes| starts(bytes, &[b"ARROW1"])),
        ("application/vnd.apache.parquet", |bytes| starts(bytes, &[b"PAR1"])),
    ];
    list.into_iter().map(|(name, check)| (media_type(name), check)).collect()
}

fn starts(bytes: &[u8], with: &[&[u8]]) -> Result<(), String> {
    match with.iter().any(|start| bytes.starts_with(start)) {
        true => Ok(()),
        false => Err("they do not start as such bytes do".to_owned()),
    }
}

fn is_tree(bytes: &[u8]) -> Result<(), String> {
    match Tree::looks_like(bytes) {
        true => Ok(()),
        false => Err("they do not start as the record of a tree does".to_owned()),
    }
}

/// JSON starts with a value, behind white space (RFC 8259, section 2).
fn is_json(bytes: &[u8]) -> Result<(), String> {
    match bytes.iter().find(|byte| !b" \t\r\n".contains(byte)) {
        Some(b'{' | b'[' | b'"' | b'-' | b'0'..=b'9' | b't' | b'f' | b'n') => Ok(()),
        Some(_) => Err("no JSON value starts so".to_owned()),
        None => Err("there is no value in them".to_owned()),
    }
}
