//! Dates, times of day and time zones, as the literals write them.
//!
//! Nothing here knows a clock. A value that exists is valid: construction refuses any other.

use std::fmt;

use crate::number::Natural;

/// A day of the proleptic Gregorian calendar, in the years 0 to 9999.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Date {
    year: u16,
    month: u8,
    day: u8,
}

impl Date {
    /// Returns the date, unless the calendar has no such day.
    #[must_use]
    pub fn new(year: u64, month: u64, day: u64) -> Option<Self> {
        let leap =
            year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
        let days = match month {
            1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
            4 | 6 | 9 | 11 => 30,
            2 if leap => 29,
            2 => 28,
            _ => return None,
        };
        if year > 9999 || day == 0 || day > days {
            return None;
        }
        let (year, month, day) =
            (year.try_into().ok()?, month.try_into().ok()?, day.try_into().ok()?);
        Some(Self { year, month, day })
    }

    /// Returns year, month and day.
    #[must_use]
    pub fn parts(self) -> (u16, u8, u8) {
        (self.year, self.month, self.day)
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

/// A time of day; its seconds keep every digit that was written.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Time {
    hour: u8,
    minute: u8,
    /// The seconds times ten to the power of `digits`.
    mantissa: Natural,
    digits: u32,
}

impl Time {
    /// Digits after the point that a time may carry: far past any clock, far below any harm.
    pub const DIGITS_MAX: u32 = 10_000;

    /// Returns the time, unless a part is out of range; `mantissa` is the seconds with `digits`
    /// decimals and without the point. There is no leap second.
    #[must_use]
    pub fn new(hour: u64, minute: u64, mantissa: Natural, digits: u32) -> Option<Self> {
        if hour > 23 || minute > 59 || digits > Self::DIGITS_MAX {
            return None;
        }
        let time =
            Self { hour: hour.try_into().ok()?, minute: minute.try_into().ok()?, mantissa, digits };
        let (whole, _) = time.seconds_text();
        (whole.len() == 2 && whole.as_str() < "60").then_some(time)
    }

    /// Returns hour and minute.
    #[must_use]
    pub fn hour_minute(&self) -> (u8, u8) {
        (self.hour, self.minute)
    }

    /// Returns the seconds as a mantissa and the number of its digits after the point.
    #[must_use]
    pub fn seconds(&self) -> (&Natural, u32) {
        (&self.mantissa, self.digits)
    }

    fn seconds_text(&self) -> (String, String) {
        let digits = self.digits as usize;
        let mut whole = format!("{:0>width$}", self.mantissa.to_string(), width = digits + 2);
        let fraction = whole.split_off(whole.len() - digits);
        (whole, fraction)
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, fraction) = self.seconds_text();
        write!(f, "{:02}:{:02}:{whole}", self.hour, self.minute)?;
        if fraction.is_empty() { Ok(()) } else { write!(f, ".{fraction}") }
    }
}

/// A distance from universal time, in hours and minutes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TimeZone {
    negative: bool,
    hour: u8,
    minute: u8,
}

impl TimeZone {
    /// Universal time, `+00:00`.
    pub const UTC: Self = Self { negative: false, hour: 0, minute: 0 };

    /// Returns the zone, unless a part is out of range. `-00:00` is not `+00:00`.
    #[must_use]
    pub fn new(negative: bool, hour: u64, minute: u64) -> Option<Self> {
        if hour > 23 || minute > 59 {
            return None;
        }
        Some(Self { negative, hour: hour.try_into().ok()?, minute: minute.try_into().ok()? })
    }

    /// Returns whether the zone lies west, and its hours and minutes.
    #[must_use]
    pub fn parts(self) -> (bool, u8, u8) {
        (self.negative, self.hour, self.minute)
    }
}

impl fmt::Display for TimeZone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.negative { '-' } else { '+' };
        write!(f, "{sign}{:02}:{:02}", self.hour, self.minute)
    }
}
