//! The first endpoints: one list for each sort. None knows another.
//!
//! To add one, add an item to a list; nothing else has to be told.

mod archives;
mod jq;
mod json;
mod packing;
mod places;
mod shared;
mod text;
mod tolls;
mod unpacked;

use vigil_base::Vcid;
use vigil_kernel::Converter;

use crate::description::{Description, media_type};

/// The media type of a tree's record.
pub const TREE_TYPE: &str = "application/vnd.vigil.tree";
/// The media type of bytes of which nothing is known.
pub const BYTES_TYPE: &str = "application/octet-stream";
/// The media type of text in UTF-8.
pub const TEXT_TYPE: &str = "text/plain";
/// The media type of one JSON document (RFC 8259).
pub const JSON_TYPE: &str = "application/json";
/// The media type of JSON documents, one on each line.
pub const JSON_LINES_TYPE: &str = "application/x-ndjson";

/// The version of every endpoint here: the hash of all their sources, of what those are built on, and of the
/// compiler.
pub fn version() -> Vcid {
    Vcid::from_hex(env!("VIGIL_SOURCES")).expect("the build script gives a hash")
}

/// Returns all endpoints of a fresh node.
pub fn descriptions() -> impl Iterator<Item = &'static Description> {
    let lists = [
        places::ENDPOINTS,
        shared::ENDPOINTS,
        text::ENDPOINTS,
        packing::ENDPOINTS,
        archives::ENDPOINTS,
        json::ENDPOINTS,
    ];
    lists.into_iter().flatten()
}

/// Returns the converters of a fresh node: which calls lead from one media type to another.
pub fn converters() -> Vec<Converter> {
    let lists = [text::CONVERTERS, packing::CONVERTERS, archives::CONVERTERS, json::CONVERTERS];
    let all = lists.into_iter().flatten();
    all.map(|(from, to, cost, call)| Converter {
        from: media_type(from),
        to: media_type(to),
        cost: *cost,
        call: (*call).to_owned(),
    })
    .collect()
}

/// A converter: from, to, cost, call. Looking at all bytes costs 1, changing them more.
type Conversion = (&'static str, &'static str, u32, &'static str);
