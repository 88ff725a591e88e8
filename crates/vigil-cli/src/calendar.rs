//! Days and dates of the proleptic Gregorian calendar, in UTC.

use std::fmt;

use vigil_base::world::Moment;

/// A date.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Date {
    pub year: i64,
    pub month: u8,
    pub day: u8,
}

const DAY_NANOSECONDS: i64 = 86_400 * 1_000_000_000;

impl Date {
    /// Returns the date of the day `day`, counted from 1970-01-01.
    ///
    /// The year is taken to start in March, so that the leap day is its last: then a month's first
    /// day is a linear function of its number, and 400 years have 146 097 days.
    pub fn of_day(day: i64) -> Self {
        let from_march_of_0 = day + 719_468;
        let era = from_march_of_0.div_euclid(146_097);
        let day_of_era = from_march_of_0.rem_euclid(146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
        let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        Self { year, month: month as u8, day: day as u8 }
    }

    pub fn of(at: Moment) -> Self {
        Self::of_day(day_number(at))
    }
}

/// Returns how many days have passed since 1970-01-01.
pub(crate) fn day_number(at: Moment) -> i64 {
    at.0.div_euclid(DAY_NANOSECONDS)
}

/// Returns the number of the week, which starts on Monday; 1970-01-01 was a Thursday.
pub(crate) fn week_number(at: Moment) -> i64 {
    (day_number(at) + 3).div_euclid(7)
}

/// Returns how many hours have passed since 1970.
pub(crate) fn hour_number(at: Moment) -> i64 {
    at.0.div_euclid(DAY_NANOSECONDS / 24)
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(day: i64, want: &str) {
        assert_eq!(Date::of_day(day).to_string(), want);
    }

    #[test]
    fn dates() {
        check(0, "1970-01-01");
        check(-1, "1969-12-31");
        check(59, "1970-03-01");
        check(11_016, "2000-02-29");
        check(11_017, "2000-03-01");
        check(20_454, "2026-01-01");
        check(-719_468, "0000-03-01");
    }

    /// Every day is the one after the day before it, through a leap year that is none and one that is.
    #[test]
    fn dates_follow_each_other() {
        let lengths = |year: i64| {
            let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            [31, 28 + u8::from(is_leap), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
        };
        let mut want = Date { year: 1899, month: 1, day: 1 };
        for day in -25_932..60_000 {
            assert_eq!(Date::of_day(day), want);
            want.day += 1;
            if want.day > lengths(want.year)[usize::from(want.month) - 1] {
                want = Date { day: 1, month: want.month + 1, ..want };
            }
            if want.month > 12 {
                want = Date { year: want.year + 1, month: 1, day: 1 };
            }
        }
    }

    #[test]
    fn weeks_start_on_monday() {
        let week = |day: i64| week_number(Moment(day * DAY_NANOSECONDS));
        assert_eq!(week(0), week(3));
        assert_eq!(week(3) + 1, week(4));
        assert_eq!(week(-3), week(0));
        assert_eq!(week(-4) + 1, week(-3));
    }
}
