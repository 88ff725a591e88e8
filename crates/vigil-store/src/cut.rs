//! Cutting a stream into content-defined chunks (FastCDC, Xia et al., 2020).

use std::io::{ErrorKind, Read};

use fastcdc::v2020::FastCDC;
use vigil_base::Hasher;

use crate::put::PutError;
use crate::tuning::ChunkBytes;

/// Holds a window of a stream and cuts it.
pub(crate) struct Cutter {
    bounds: ChunkBytes,
    buffer: Vec<u8>,
    /// Where the bytes that are not cut yet start and end in the buffer.
    start: usize,
    end: usize,
    /// Bytes cut so far.
    cut_bytes: u64,
    /// The stream has ended.
    pub is_at_end: bool,
}

/// The window holds this many of the longest chunks, so that moving its rest to the front is rare.
///
/// Half a window holds the longest of the coarsest chunks, so where a window ends never shows.
const WINDOW_CHUNKS: usize = 32;
const _: () = assert!(WINDOW_CHUNKS / 2 >= 1 << (2 * COARSER_BEHIND.len()));

/// Behind each of these offsets, chunks are four times as long: a blob of a terabyte has less than
/// two million chunks, and versions of one blob are still cut alike.
const COARSER_BEHIND: [u64; 2] = [8 << 30, 128 << 30];

impl Cutter {
    pub fn new(bounds: ChunkBytes) -> Self {
        let buffer = vec![0; bounds.max as usize * WINDOW_CHUNKS];
        Self { bounds, buffer, start: 0, end: 0, cut_bytes: 0, is_at_end: false }
    }

    /// Starts over with another stream.
    pub fn reset(&mut self) {
        (self.start, self.end, self.cut_bytes, self.is_at_end) = (0, 0, 0, false);
    }

    /// Returns the bytes that are not cut yet.
    pub fn rest(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Reads until the window is full or the stream ends; what is read goes through `hasher`.
    pub fn fill(&mut self, source: &mut dyn Read, hasher: &mut Hasher) -> Result<(), PutError> {
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        while self.end < self.buffer.len() && !self.is_at_end {
            match source.read(&mut self.buffer[self.end..]) {
                Ok(0) => self.is_at_end = true,
                Ok(count) => {
                    hasher.update(&self.buffer[self.end..self.end + count]);
                    self.end += count;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(PutError::Source(error)),
            }
        }
        Ok(())
    }

    /// Reads on where the window no longer surely holds a whole chunk.
    pub fn fill_if_low(
        &mut self,
        source: &mut dyn Read,
        hasher: &mut Hasher,
    ) -> Result<(), PutError> {
        let is_low = self.end - self.start < self.buffer.len() / 2;
        if is_low && !self.is_at_end { self.fill(source, hasher) } else { Ok(()) }
    }

    /// Returns the next chunk, or `None` at the stream's end.
    pub fn next_chunk(&mut self) -> Option<&[u8]> {
        let rest = &self.buffer[self.start..self.end];
        if rest.is_empty() {
            return None;
        }
        let coarser = COARSER_BEHIND.iter().filter(|&&behind| self.cut_bytes >= behind).count();
        let scale = |bytes: u32| (bytes as usize) << (2 * coarser);
        let ChunkBytes { min, average, max } = self.bounds;
        let cutter = FastCDC::new(rest, scale(min), scale(average), scale(max));
        let (_, cut) = cutter.cut(0, rest.len());
        let start = self.start;
        self.start += cut;
        self.cut_bytes += cut as u64;
        Some(&self.buffer[start..self.start])
    }
}
