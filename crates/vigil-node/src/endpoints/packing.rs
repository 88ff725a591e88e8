//! Packing and unpacking of one stream of bytes: gzip (RFC 1952) and zstd (RFC 8878).
//!
//! Invariant: what unpacks stops at a bound, since a few bytes may stand for very many.

use std::io::{self, BufReader};

use flate2::Compression;
use flate2::bufread::MultiGzDecoder;
use flate2::{GzBuilder, read};
use vigil_kernel::{Parameter, Produced, Refusal};

use super::unpacked::{Bounded, bound};
use super::{BYTES_TYPE, Conversion};
use crate::description::{Asked, Description, misuse, optional};

/// The media type of gzip (RFC 6713).
pub const GZIP_TYPE: &str = "application/gzip";
/// The media type of zstd (RFC 8878).
const ZSTD_TYPE: &str = "application/zstd";

/// Where unpacking ends.
pub const MAX: Parameter = optional(
    "max",
    "most bytes that come out: a size, or `auto` for 1 GiB and a hundred times what goes in",
    "auto",
);

/// There and back.
pub const ENDPOINTS: &[Description] = &[
    Description {
        name: "gzip",
        help: "bytes, packed with gzip; the same bytes give the same file",
        pattern: None,
        parameters: &[optional("level", "from 1, quick, to 9, small", "6")],
        gives: &[GZIP_TYPE],
        serve: |asked| Box::pin(gzip(asked)),
    },
    Description {
        name: "gunzip",
        help: "what was packed with gzip",
        pattern: None,
        parameters: &[MAX],
        gives: &[BYTES_TYPE],
        serve: |asked| Box::pin(gunzip(asked)),
    },
    Description {
        name: "zstd",
        help: "bytes, packed with zstd",
        pattern: None,
        parameters: &[optional("level", "from 1, quick, to 19, small", "3")],
        gives: &[ZSTD_TYPE],
        serve: |asked| Box::pin(zstd(asked)),
    },
    Description {
        name: "unzstd",
        help: "what was packed with zstd",
        pattern: None,
        parameters: &[MAX],
        gives: &[BYTES_TYPE],
        serve: |asked| Box::pin(unzstd(asked)),
    },
];

/// Between bytes and packed bytes.
pub const CONVERTERS: &[Conversion] = &[
    (BYTES_TYPE, GZIP_TYPE, 20, "gzip"),
    (GZIP_TYPE, BYTES_TYPE, 10, "gunzip"),
    (BYTES_TYPE, ZSTD_TYPE, 20, "zstd"),
    (ZSTD_TYPE, BYTES_TYPE, 10, "unzstd"),
];

async fn gzip(asked: Asked<'_>) -> Result<Produced, Refusal> {
    let given = asked.given().await?;
    let level = Compression::new(given.number_in("level", 1, 9)? as u32);
    // No time and no name in the header.
    let header = GzBuilder::new().mtime(0);
    let mut packed: read::GzEncoder<_> = header.read(asked.open(&given)?, level);
    asked.keep(GZIP_TYPE, &mut packed, "it cannot be packed")
}

async fn gunzip(asked: Asked<'_>) -> Result<Produced, Refusal> {
    let given = asked.given().await?;
    let max = bound(&given)?;
    let mut source = MultiGzDecoder::new(BufReader::new(asked.open(&given)?));
    let mut source = Bounded::new(&mut source, max);
    asked.keep(BYTES_TYPE, &mut source, &format!("{} cannot be unpacked with gzip", given.operand))
}

async fn zstd(asked: Asked<'_>) -> Result<Produced, Refusal> {
    let given = asked.given().await?;
    let level = given.number_in("level", 1, 19)? as i32;
    let packed = zstd::stream::read::Encoder::new(asked.open(&given)?, level);
    let mut packed = packed.map_err(|error| misuse(error.to_string()))?;
    asked.keep(ZSTD_TYPE, &mut packed, "it cannot be packed")
}

async fn unzstd(asked: Asked<'_>) -> Result<Produced, Refusal> {
    let given = asked.given().await?;
    let max = bound(&given)?;
    let what = format!("{} cannot be unpacked with zstd", given.operand);
    let packed = zstd::stream::read::Decoder::new(asked.open(&given)?);
    let mut source = packed.map_err(|error| misuse(format!("{what}: {error}")))?;
    let mut source = Bounded::new(&mut source, max);
    asked.keep(BYTES_TYPE, &mut source, &what)
}

/// What is said where a bound is met.
pub fn too_many(max: u64) -> io::Error {
    let text = format!("more than {max} bytes come out\nhint: `max=SIZE` allows more");
    io::Error::new(io::ErrorKind::FileTooLarge, text)
}
