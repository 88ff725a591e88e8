//! Every bound in one place. A bound is part of a format: raising one is a visible change.

/// Bytes in a [`crate::Vcid`].
pub const VCID_LEN: usize = 32;

/// Deepest nesting of arrays and maps in canonical CBOR.
///
/// Our own records nest four deep; 32 leaves room and keeps every decoder's stack small.
pub const CBOR_DEPTH_MAX: usize = 32;

/// Longest canonical CBOR record, in bytes.
///
/// A tree of a million entries with 40-byte names is about 80 MB, so 256 MiB holds any directory that
/// people have, and still fits in the memory that one command may take.
pub const RECORD_BYTES_MAX: usize = 256 << 20;

/// Longest name of one tree entry, in bytes (Linux's `NAME_MAX`).
pub const ENTRY_NAME_BYTES_MAX: usize = 255;

/// Deepest nesting of trees: a path has at most this many names.
///
/// Linux's `PATH_MAX` of 4096 bytes allows 2047 one-letter names; nothing deeper can be restored
/// by an ordinary program.
pub const TREE_DEPTH_MAX: usize = 2048;

/// Longest text of a URI, in bytes: a path of `PATH_MAX` with each byte percent-encoded, and a root.
pub const URI_BYTES_MAX: usize = 16 << 10;

/// Longest local name (`@name`), in bytes.
pub const LOCAL_NAME_BYTES_MAX: usize = 128;

/// Longest target of a symbolic link, in bytes (Linux's `PATH_MAX`).
pub const SYMLINK_TARGET_BYTES_MAX: usize = 4096;
