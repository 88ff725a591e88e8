//! Arena headers and layouts: fixed fields, strictly read.
//!
//! Invariant: what is accepted encodes to the very same bytes.

use vigil_store::Layout;
use vigil_store::format::{HEADER_LEN, Header, LOCATED_LEN, Located, TRAILER_LEN, Trailer};

/// Starts of headers and trailers.
pub const WORDS: &[&[u8]] =
    &[b"vigarena", b"vigarena\x01\0\0\0\0\x10\0\0", b"vrec", b"shared", b"vrec\x01\x01", b"\x10"];

/// Checks one input as a header, once as it is and once with its checksum made right.
pub fn run_header(input: &[u8]) {
    check_header(input);
    let mut mended = input.to_vec();
    mended.resize(HEADER_LEN, 0);
    let (fields, check) = mended.split_at_mut(HEADER_LEN - 16);
    check.copy_from_slice(&vigil_store::format::payload_check(fields));
    check_header(&mended);
}

fn check_header(bytes: &[u8]) {
    if let Ok(header) = Header::decode(bytes) {
        assert_eq!(header.encode(), bytes[..HEADER_LEN], "it was accepted with other bytes");
    }
}

/// Checks one input as a layout, and its pieces as entries and trailers.
pub fn run_layout(input: &[u8]) {
    if let Some(layout) = Layout::decode(input) {
        assert_eq!(layout.encode(), input, "it was accepted with other bytes");
        let sum: u64 = layout.chunks().iter().map(|(_, len)| u64::from(*len)).sum();
        assert_eq!(layout.blob_len(), sum);
        for index in 0..layout.chunks().len() {
            assert_eq!(layout.chunk_at(layout.start(index)), index);
        }
        assert_eq!(layout.chunk_at(sum - 1), layout.chunks().len() - 1);
    }
    if let Some(entry) = input.first_chunk::<LOCATED_LEN>()
        && let Some(located) = Located::decode(entry)
    {
        assert_eq!(&located.encode(), entry);
    }
    if let Some(bytes) = input.first_chunk::<TRAILER_LEN>()
        && let Ok(trailer) = Trailer::decode(bytes)
    {
        assert!(trailer.body_len() >= trailer.payload_len, "the body wraps around");
    }
}
