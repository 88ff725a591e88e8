//! Cutting a stream into content-defined chunks (FastCDC, Xia et al., 2020).
//!
//! A stream passes through two windows in turn: while one is cut, and hashed by another thread, the
//! next bytes are read into the other. Where a window ends never shows in where chunks end.

use std::io::{ErrorKind, Read};

use fastcdc::v2020::FastCDC;

use crate::put::PutError;
use crate::tuning::ChunkBytes;

/// Cuts one stream after another. Its windows are kept, since they are large.
pub(crate) struct Cutter {
    bounds: ChunkBytes,
    now: Window,
    next: Window,
    /// Bytes cut so far.
    cut_bytes: u64,
}

/// Some bytes of a stream.
#[derive(Default)]
pub(crate) struct Window {
    buffer: Vec<u8>,
    /// Bytes at the front that were in the window before too.
    carried: usize,
    end: usize,
    /// The stream ends with this window.
    pub is_last: bool,
}

/// A window holds this many of the longest chunks, so that little of it is carried to the next.
const WINDOW_CHUNKS: usize = 32;
const _: () = assert!(WINDOW_CHUNKS / 2 >= 1 << (2 * COARSER_BEHIND.len()));

/// Behind each of these offsets, chunks are four times as long: a blob of a terabyte has less than
/// two million chunks, and versions of one blob are still cut alike.
const COARSER_BEHIND: [u64; 2] = [8 << 30, 128 << 30];

impl Window {
    /// Returns its bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.buffer[..self.end]
    }

    /// Takes `rest` and reads on until it is full or the stream ends.
    fn fill(&mut self, source: &mut dyn Read, rest: &[u8], len: usize) -> Result<(), PutError> {
        self.buffer.resize(len, 0);
        self.buffer[..rest.len()].copy_from_slice(rest);
        (self.carried, self.end, self.is_last) = (rest.len(), rest.len(), false);
        while self.end < len && !self.is_last {
            match source.read(&mut self.buffer[self.end..]) {
                Ok(0) => self.is_last = true,
                Ok(count) => self.end += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(PutError::Source(error)),
            }
        }
        Ok(())
    }
}

impl Cutter {
    pub fn new(bounds: ChunkBytes) -> Self {
        Self { bounds, now: Window::default(), next: Window::default(), cut_bytes: 0 }
    }

    fn window_bytes(&self) -> usize {
        self.bounds.max as usize * WINDOW_CHUNKS
    }

    /// Reads the first window of a stream.
    pub fn start(&mut self, source: &mut dyn Read) -> Result<(), PutError> {
        self.cut_bytes = 0;
        let len = self.window_bytes();
        self.now.fill(source, &[], len)
    }

    /// Returns the window that is to be cut.
    pub fn window(&self) -> &Window {
        &self.now
    }

    /// Returns the window that is to be cut, and the one that is to be filled meanwhile.
    pub fn split(&mut self) -> (Cutting<'_>, Filling<'_>) {
        let len = self.window_bytes();
        let is_last = self.now.is_last;
        let cutting = Cutting {
            bounds: self.bounds,
            window: &self.now,
            start: 0,
            cut_bytes: &mut self.cut_bytes,
        };
        (cutting, Filling { window: &mut self.next, len, is_behind_last: is_last })
    }

    /// Goes on with the window that was filled.
    pub fn swap(&mut self) {
        std::mem::swap(&mut self.now, &mut self.next);
    }
}

/// A window that is being cut.
pub(crate) struct Cutting<'a> {
    bounds: ChunkBytes,
    window: &'a Window,
    start: usize,
    cut_bytes: &'a mut u64,
}

impl<'a> Cutting<'a> {
    /// Returns the bytes that no earlier window had.
    pub fn fresh(&self) -> &'a [u8] {
        &self.window.bytes()[self.window.carried..]
    }

    /// Returns the bytes that are not cut yet.
    pub fn rest(&self) -> &'a [u8] {
        &self.window.bytes()[self.start..]
    }

    /// Returns whether the stream ends with this window.
    pub fn is_last(&self) -> bool {
        self.window.is_last
    }

    /// Returns the next chunk; `None` where the next window is needed to say where it ends, and at the
    /// stream's end.
    pub fn next_chunk(&mut self) -> Option<&'a [u8]> {
        let rest = self.rest();
        let coarser = COARSER_BEHIND.iter().filter(|&&behind| *self.cut_bytes >= behind).count();
        let scale = |bytes: u32| (bytes as usize) << (2 * coarser);
        let ChunkBytes { min, average, max } = self.bounds;
        if rest.is_empty() || (rest.len() < scale(max) && !self.window.is_last) {
            return None;
        }
        let cutter = FastCDC::new(rest, scale(min), scale(average), scale(max));
        let (_, cut) = cutter.cut(0, rest.len());
        self.start += cut;
        *self.cut_bytes += cut as u64;
        Some(&rest[..cut])
    }
}

/// A window that is being filled.
pub(crate) struct Filling<'a> {
    window: &'a mut Window,
    len: usize,
    is_behind_last: bool,
}

impl Filling<'_> {
    /// Takes what is left of the window before, and reads on; nothing comes behind the last window.
    pub fn fill(&mut self, source: &mut dyn Read, rest: &[u8]) -> Result<(), PutError> {
        if self.is_behind_last { Ok(()) } else { self.window.fill(source, rest, self.len) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives a few bytes at a time, never as many as are asked for.
    struct Trickle<'a>(&'a [u8], usize);

    impl Read for Trickle<'_> {
        fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
            let count = self.0.len().min(into.len()).min(self.1);
            into[..count].copy_from_slice(&self.0[..count]);
            self.0 = &self.0[count..];
            Ok(count)
        }
    }

    fn noise(len: usize) -> Vec<u8> {
        let mut state = 7_u64;
        let mut bytes = Vec::with_capacity(len);
        while bytes.len() < len {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            bytes.extend_from_slice(&(state >> 32).to_le_bytes()[..4]);
        }
        bytes.truncate(len);
        bytes
    }

    #[test]
    fn where_a_window_ends_does_not_show() {
        let bounds = ChunkBytes { min: 256, average: 1024, max: 4096 };
        let bytes = noise(1_000_003);
        let whole: Vec<usize> =
            FastCDC::new(&bytes, 256, 1024, 4096).map(|chunk| chunk.length).collect();
        for step in [1 << 20, 4096, 777] {
            let mut cutter = Cutter::new(bounds);
            let source = &mut Trickle(&bytes, step);
            cutter.start(source).unwrap();
            let (mut lengths, mut joined) = (Vec::new(), Vec::new());
            loop {
                let (mut cutting, mut filling) = cutter.split();
                joined.extend_from_slice(cutting.fresh());
                while let Some(chunk) = cutting.next_chunk() {
                    lengths.push(chunk.len());
                }
                filling.fill(source, cutting.rest()).unwrap();
                if cutting.is_last() {
                    break;
                }
                cutter.swap();
            }
            assert_eq!(lengths, whole, "{step} bytes at a time");
            assert!(joined == bytes, "{step} bytes at a time");
        }
    }
}
