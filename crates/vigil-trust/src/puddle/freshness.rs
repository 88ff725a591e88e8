//! Time, where it cannot be had for certain: a floor under a clock, and leases on what was heard.
//!
//! Times in statements are claims. What the Person signed is a lower bound of now, and so is what this
//! machine's clock has shown before: a clock that is set back, or was never set, brings nothing back to
//! life. A clock that runs ahead makes things expire early, which is the safe side.

use vigil_base::cbor::{DecodeError, Decoder, Encoder, Fault};
use vigil_base::world::Moment;

/// Longest lease, in seconds: ten years.
const LEASE_SECONDS_MAX: u64 = 10 * 365 * 24 * 3600;

/// How long a machine may rely on what it last heard of the puddle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lease {
    /// For ever: for sites that nothing reaches.
    Never,
    /// So many seconds.
    Seconds(u64),
}

impl Lease {
    /// Checks a number of seconds.
    pub fn seconds(seconds: u64) -> Option<Self> {
        (1..=LEASE_SECONDS_MAX).contains(&seconds).then_some(Self::Seconds(seconds))
    }

    pub(super) fn encode_into(self, encoder: &mut Encoder) {
        match self {
            Self::Never => encoder.null(),
            Self::Seconds(seconds) => encoder.unsigned(seconds),
        }
    }

    pub(super) fn decode_from(decoder: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        if decoder.null() {
            return Ok(Self::Never);
        }
        let at = decoder.offset();
        let seconds = decoder.unsigned()?;
        Self::seconds(seconds).map_or_else(|| decoder.fault(at, Fault::Range), Ok)
    }
}

/// The least that the time can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TimeFloor(pub Moment);

impl TimeFloor {
    /// Raises the floor. It never sinks.
    pub fn raise(&mut self, to: Moment) {
        self.0 = self.0.max(to);
    }

    /// Returns the time to judge by: the clock's, or the floor if the clock is behind it.
    pub fn now(&self, clock: Moment) -> Moment {
        self.0.max(clock)
    }
}

/// Whether what is known is recent enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// It may be relied upon, until a moment if the lease ends.
    Fresh {
        /// When it ends.
        until: Option<Moment>,
    },
    /// Nothing has been heard for longer than the lease.
    Stale {
        /// When it ended.
        since: Moment,
    },
}

impl Lease {
    /// Judges by when something was last heard, and the time.
    pub fn judge(self, heard: Moment, now: Moment) -> Freshness {
        let Self::Seconds(seconds) = self else { return Freshness::Fresh { until: None } };
        let span = i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(1_000_000_000);
        // Who claims to have been heard in the future is taken to have been heard now.
        let end = Moment(heard.min(now).0.saturating_add(span));
        if now >= end {
            Freshness::Stale { since: end }
        } else {
            Freshness::Fresh { until: Some(end) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;

    #[test]
    fn a_lease_ends_and_never_does_not() {
        let lease = Lease::seconds(10).expect("ten seconds");
        let heard = Moment(100 * SECOND);
        let end = Moment(110 * SECOND);
        assert_eq!(lease.judge(heard, Moment(109 * SECOND)), Freshness::Fresh { until: Some(end) });
        assert_eq!(lease.judge(heard, end), Freshness::Stale { since: end });
        assert_eq!(Lease::Never.judge(heard, Moment(i64::MAX)), Freshness::Fresh { until: None });
        assert_eq!((Lease::seconds(0), Lease::seconds(u64::MAX)), (None, None));
    }

    #[test]
    fn a_clock_that_is_far_wrong_brings_nothing_back() {
        let lease = Lease::seconds(10).expect("ten seconds");
        let mut floor = TimeFloor(Moment(0));
        floor.raise(Moment(200 * SECOND));
        floor.raise(Moment(5));
        let set_back = floor.now(Moment(0));
        assert!(matches!(lease.judge(Moment(100 * SECOND), set_back), Freshness::Stale { .. }));
        // A claim from the far future lasts no longer than one of now.
        let now = Moment(200 * SECOND);
        let until = Some(Moment(210 * SECOND));
        assert_eq!(lease.judge(Moment(i64::MAX), now), Freshness::Fresh { until });
        assert!(matches!(lease.judge(Moment(i64::MIN), now), Freshness::Stale { .. }));
    }
}
