//! The one place that maps files into memory.
#![expect(
    unsafe_code,
    reason = "the operating system cannot promise that a mapped file stays as it is"
)]

use std::fs::File;
use std::io;

use memmap2::{Mmap, MmapOptions};
use vigil_base::world::Mapped;

/// A read-only mapping.
pub(crate) struct FileMap(Mmap);

impl Mapped for FileMap {
    fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Maps the first `len` bytes of `file`, which the caller has found to exist.
pub(crate) fn map(file: &File, len: usize) -> io::Result<FileMap> {
    // WHY: reading an index of 10 M entries into memory would cost 480 MB and a second; a raw extent
    // can be handed to a query engine only as mapped memory.
    // SAFETY: the files that are mapped (index runs, arenas) are written by this program only ahead
    // of what is mapped and are never cut or rewritten in place; they are removed by unlinking, which
    // keeps a mapping alive. Their bytes are checked against a hash before they are believed, and the
    // bytes are plain `u8`, for which every value is valid.
    unsafe { MmapOptions::new().len(len).map(file) }.map(FileMap)
}
