//! Room on the stack for recursion over trees that came from outside.
//!
//! Depth is bounded by [`crate::Limits::depth`]; within that bound recursion must not depend on
//! how much stack the caller's thread happens to have left. Every recursive walk passes through
//! [`deep`], which moves on to a fresh segment when the current one runs low.

/// Enough for the frames between two calls of [`deep`], also in an unoptimized build.
const RED_ZONE_BYTES: usize = 128 * 1024;

/// One segment holds some thousand frames, so that switching costs nothing that shows.
const SEGMENT_BYTES: usize = 4 * 1024 * 1024;

/// Runs `f` with at least [`RED_ZONE_BYTES`] of stack.
#[inline]
pub(crate) fn deep<R>(f: impl FnOnce() -> R) -> R {
    stacker::maybe_grow(RED_ZONE_BYTES, SEGMENT_BYTES, f)
}
