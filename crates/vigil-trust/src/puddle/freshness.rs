//! Time, where it cannot be had for certain: a floor under a clock, and leases on what was heard.
//!
//! Times in statements are claims. What this machine's clock has shown before is a lower bound of now, and
//! goes on with the clock that nobody sets for as long as the machine runs: a clock that is set back brings
//! nothing back to life. A clock that runs ahead makes things expire early, which is the safe side.
//!
//! Where the Person signed later than it is here, one of two clocks is wrong, and nothing tells which. Then
//! the time is in doubt, and what depends on it is denied, until somebody sets the clock or says which one
//! to believe.

use vigil_base::cbor::{DecodeError, Decoder, Encoder, Fault};
use vigil_base::world::Moment;

/// Longest lease, in seconds: ten years.
const LEASE_SECONDS_MAX: u64 = 10 * 365 * 24 * 3600;

/// By how much honest clocks differ, in nanoseconds: five minutes, as Kerberos has it (RFC 4120 §5.6.1).
const SKEW_MAX: i64 = 5 * 60 * 1_000_000_000;

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

/// What a machine's clocks show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clocks {
    /// The clock that people set.
    pub wall: Moment,
    /// The clock that nobody sets, where there is one.
    pub steady: Option<Steady>,
}

/// What a clock shows that nobody sets: it counts from when the machine was started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Steady {
    /// Which start of the machine.
    pub start: [u8; 16],
    /// Nanoseconds since then, sleep included.
    pub nanoseconds: i64,
}

/// What a machine knows of the time by which its puddle is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeHere {
    /// The least that the time can be, when `since` was read.
    floor: Moment,
    since: Option<Steady>,
    /// When something that the Person signed was last heard for the first time, by the time here.
    heard: Moment,
    /// Dates up to here that lie ahead are known to be wrong.
    excused: Moment,
}

/// Whom to believe where the Person signed later than it is here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Believed {
    /// This machine's clock. What was signed later bears a wrong date.
    Clock,
    /// What was signed. This machine's clock is behind.
    Signed,
}

impl TimeHere {
    /// Begins with what the clocks show, and nothing heard.
    pub fn begin(clocks: &Clocks) -> Self {
        let never = Moment(i64::MIN);
        Self { floor: clocks.wall, since: clocks.steady, heard: never, excused: never }
    }

    /// Returns the time to judge by: the clock's, or where the floor is by now if the clock is behind it.
    pub fn now(&self, clocks: &Clocks) -> Moment {
        let passed = match (self.since, clocks.steady) {
            (Some(since), Some(now)) if since.start == now.start => {
                now.nanoseconds.saturating_sub(since.nanoseconds).max(0)
            }
            _ => 0,
        };
        clocks.wall.max(Moment(self.floor.0.saturating_add(passed)))
    }

    /// Remembers what time it is. The floor never sinks by it.
    ///
    /// What was read before the last reading that is remembered changes nothing: a command that waits for a
    /// passphrase has looked at the clocks long before it writes, and others have written meanwhile. Were
    /// `since` to go back, what has passed until then would be counted once more.
    pub fn pass(&mut self, clocks: &Clocks) {
        if let (Some(since), Some(read)) = (self.since, clocks.steady)
            && since.start == read.start
            && read.nanoseconds < since.nanoseconds
        {
            return;
        }
        (self.floor, self.since) = (self.now(clocks), clocks.steady);
    }

    /// Says by how many nanoseconds the clock is behind what it showed before, where that is more than
    /// honest clocks differ.
    pub fn behind(&self, clocks: &Clocks) -> Option<i64> {
        let behind = self.now(clocks).0.saturating_sub(clocks.wall.0);
        (behind > SKEW_MAX).then_some(behind)
    }

    /// Takes note that something was heard for the first time which the Person signed at `signed`. Whoever
    /// signed in the future is heard now.
    pub fn hear(&mut self, signed: Moment, clocks: &Clocks) {
        self.heard = self.heard.max(signed.min(self.now(clocks)));
    }

    /// Returns when something was last heard for the first time.
    pub fn heard(&self) -> Moment {
        self.heard
    }

    /// Returns the date that puts the time in doubt: the last that the Person signed, if it lies further
    /// ahead than honest clocks differ.
    pub fn doubt(&self, signed_at: Moment, clocks: &Clocks) -> Option<Moment> {
        let limit = Moment(self.now(clocks).0.saturating_add(SKEW_MAX)).max(self.excused);
        (signed_at > limit).then_some(signed_at)
    }

    /// Settles a doubt, or a floor that a clock far ahead has left behind.
    pub fn settle(&mut self, believed: Believed, signed_at: Moment, clocks: &Clocks) {
        match believed {
            Believed::Clock => {
                (self.floor, self.since) = (clocks.wall, clocks.steady);
                self.heard = self.heard.min(clocks.wall);
                self.excused = signed_at;
            }
            Believed::Signed => {
                self.pass(clocks);
                self.floor = self.floor.max(signed_at);
            }
        }
    }

    /// How many items [`TimeHere::encode_into`] writes.
    pub(crate) const ITEMS: usize = 5;

    pub(crate) fn encode_into(&self, encoder: &mut Encoder) {
        encoder.integer(self.floor.0);
        match &self.since {
            Some(since) => {
                encoder.bytes(&since.start);
                encoder.integer(since.nanoseconds);
            }
            None => {
                encoder.null();
                encoder.null();
            }
        }
        encoder.integer(self.heard.0);
        encoder.integer(self.excused.0);
    }

    pub(crate) fn decode_from(decoder: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let floor = Moment(decoder.integer()?);
        let at = decoder.offset();
        let since = if decoder.null() {
            if !decoder.null() {
                return decoder.fault(at, Fault::Range);
            }
            None
        } else {
            Some(Steady { start: decoder.byte_array()?, nanoseconds: decoder.integer()? })
        };
        let (heard, excused) = (Moment(decoder.integer()?), Moment(decoder.integer()?));
        Ok(Self { floor, since, heard, excused })
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
    /// The Person signed later than it is here, so one of two clocks is wrong.
    Doubtful {
        /// When, as was signed.
        signed: Moment,
    },
}

impl Lease {
    /// Returns when a lease ends that began then; `None` for never.
    pub fn end(self, heard: Moment) -> Option<Moment> {
        let Self::Seconds(seconds) = self else { return None };
        let span = i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(1_000_000_000);
        Some(Moment(heard.0.saturating_add(span)))
    }

    /// Judges by what is known of the time here, and by the last date that the Person signed.
    pub fn judge(self, time: &TimeHere, signed_at: Moment, clocks: &Clocks) -> Freshness {
        if let Some(signed) = time.doubt(signed_at, clocks) {
            return Freshness::Doubtful { signed };
        }
        let now = time.now(clocks);
        // What was heard while the clock ran ahead was heard by now.
        let Some(end) = self.end(time.heard.min(now)) else {
            return Freshness::Fresh { until: None };
        };
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
    const DAY: i64 = 24 * 3600 * SECOND;

    fn wall(seconds: i64) -> Clocks {
        Clocks { wall: Moment(seconds * SECOND), steady: None }
    }

    fn steady(seconds: i64, start: u8, passed: i64) -> Clocks {
        let steady = Steady { start: [start; 16], nanoseconds: passed * SECOND };
        Clocks { steady: Some(steady), ..wall(seconds) }
    }

    fn lease() -> Lease {
        Lease::seconds(10).expect("ten seconds")
    }

    #[test]
    fn a_lease_ends_and_never_does_not() {
        let mut time = TimeHere::begin(&wall(100));
        let signed = Moment(100 * SECOND);
        time.hear(signed, &wall(100));
        let end = Moment(110 * SECOND);
        let judge = |lease: Lease, seconds| lease.judge(&time, signed, &wall(seconds));
        assert_eq!(judge(lease(), 109), Freshness::Fresh { until: Some(end) });
        assert_eq!(judge(lease(), 110), Freshness::Stale { since: end });
        assert_eq!(judge(Lease::Never, 1 << 33), Freshness::Fresh { until: None });
        assert_eq!((Lease::seconds(0), Lease::seconds(u64::MAX)), (None, None));
    }

    #[test]
    fn a_clock_that_is_set_back_brings_nothing_back() {
        let mut time = TimeHere::begin(&wall(100));
        time.hear(Moment(100 * SECOND), &wall(100));
        time.pass(&wall(200));
        time.pass(&wall(5));
        assert_eq!(time.now(&wall(0)), Moment(200 * SECOND));
        let judged = lease().judge(&time, Moment(100 * SECOND), &wall(0));
        assert!(matches!(judged, Freshness::Stale { .. }));
        assert_eq!(time.behind(&wall(0)), None, "three minutes are no matter");
        assert_eq!(time.behind(&wall(-200)), Some(400 * SECOND));
    }

    #[test]
    fn the_clock_that_nobody_sets_goes_on_while_the_machine_runs() {
        let mut time = TimeHere::begin(&steady(100, 1, 50));
        time.hear(Moment(100 * SECOND), &steady(100, 1, 50));
        // The clock was set back by a minute, and eleven seconds have passed.
        let now = steady(51, 1, 61);
        assert_eq!(time.now(&now), Moment(111 * SECOND));
        let judged = lease().judge(&time, Moment(100 * SECOND), &now);
        assert_eq!(judged, Freshness::Stale { since: Moment(110 * SECOND) });
        // After another start nothing is known of what has passed.
        assert_eq!(time.now(&steady(51, 2, 61)), Moment(100 * SECOND));
        assert_eq!(time.now(&steady(51, 1, 3)), Moment(100 * SECOND));
    }

    #[test]
    fn clocks_that_were_read_before_the_last_reading_change_nothing() {
        // A command reads the clocks and waits for a passphrase; meanwhile the agent writes.
        let minute = |minutes: i64| steady(60 * minutes, 1, 60 * minutes);
        let mut time = TimeHere::begin(&minute(-100));
        time.pass(&minute(9));
        time.pass(&minute(0));
        for minutes in [9, 10, 60, 1440] {
            let clocks = minute(minutes);
            assert_eq!((time.now(&clocks), time.behind(&clocks)), (clocks.wall, None));
        }
        // Nor does an older reading bring back a floor that was taken down since.
        time.settle(Believed::Clock, Moment(0), &steady(5, 1, 1200));
        time.pass(&steady(1 << 30, 1, 1100));
        assert_eq!(time.now(&steady(6, 1, 1201)), Moment(6 * SECOND));
        // After another start, what is counted from there is newer, however little it is.
        time.pass(&steady(1300, 2, 1));
        assert_eq!(time.now(&steady(0, 2, 11)), Moment(1310 * SECOND));
    }

    #[test]
    fn a_date_in_the_future_puts_the_time_in_doubt_and_no_lease_off() {
        let year = Moment(365 * DAY);
        let mut time = TimeHere::begin(&wall(0));
        time.hear(Moment(0), &wall(0));
        let near = Moment(SKEW_MAX);
        assert!(matches!(lease().judge(&time, near, &wall(0)), Freshness::Fresh { .. }));
        time.hear(year, &wall(0));
        let doubt = Freshness::Doubtful { signed: year };
        assert_eq!(lease().judge(&time, year, &wall(0)), doubt);
        assert_eq!(Lease::Never.judge(&time, year, &wall(0)), doubt);
        // The date was wrong: the lease goes by when it was heard, and ends.
        let mut by_clock = time;
        by_clock.settle(Believed::Clock, year, &wall(1));
        let judged = lease().judge(&by_clock, year, &wall(9));
        assert_eq!(judged, Freshness::Fresh { until: Some(Moment(10 * SECOND)) });
        assert!(matches!(lease().judge(&by_clock, year, &wall(11)), Freshness::Stale { .. }));
        // Another date, further ahead, is doubted again.
        let later = Moment(366 * DAY);
        assert_eq!(by_clock.doubt(later, &wall(11)), Some(later));
        // The clock was behind: it is as late as was signed.
        let mut by_signed = time;
        by_signed.settle(Believed::Signed, year, &wall(1));
        assert_eq!((by_signed.now(&wall(2)), by_signed.doubt(year, &wall(2))), (year, None));
    }

    #[test]
    fn a_floor_that_a_clock_far_ahead_has_left_can_be_taken_down() {
        let mut time = TimeHere::begin(&wall(0));
        time.pass(&wall(1 << 30));
        time.hear(Moment(1 << 60), &wall(1 << 30));
        assert!(time.behind(&wall(5)).is_some());
        time.settle(Believed::Clock, Moment(0), &wall(5));
        let clocks = wall(6);
        assert_eq!((time.behind(&clocks), time.now(&clocks)), (None, clocks.wall));
        assert_eq!(time.heard(), Moment(5 * SECOND));
    }

    #[test]
    fn what_is_kept_of_the_time_is_read_as_it_was() {
        for clocks in [wall(-7), steady(5, 3, 9)] {
            let mut time = TimeHere::begin(&clocks);
            time.hear(Moment(3), &clocks);
            let mut encoder = Encoder::new();
            time.encode_into(&mut encoder);
            let bytes = encoder.finish_part();
            let mut decoder = Decoder::new(&bytes).expect("short");
            assert_eq!(TimeHere::decode_from(&mut decoder), Ok(time));
        }
    }
}
