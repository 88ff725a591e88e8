//! Which versions of a name stay: the rules of restic's `forget`, so that people need learn no others.
//!
//! It decides and changes nothing.

use std::num::NonZeroU32;

use vigil_base::world::Moment;
use vigil_store::Version;

use crate::args::KeepArgs;
use crate::calendar::{Date, day_number, hour_number, week_number};

/// What is to become of one version of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Decision {
    /// How many versions back from the newest it is.
    pub back: usize,
    pub version: Version,
    /// The rules that keep it; none means that it goes.
    pub reasons: Vec<&'static str>,
}

/// Decides about `versions`, which run from the oldest to the newest; the decisions run the other way.
///
/// A version stays if one rule keeps it. Without rules all stay.
pub(crate) fn decide(rules: &KeepArgs, versions: &[Version]) -> Vec<Decision> {
    let mut decisions: Vec<Decision> = versions
        .iter()
        .rev()
        .enumerate()
        .map(|(back, version)| Decision { back, version: version.clone(), reasons: Vec::new() })
        .collect();
    if *rules == KeepArgs::default() {
        decisions.iter_mut().for_each(|decision| decision.reasons.push("no rule"));
        return decisions;
    }
    if let Some(count) = rules.keep_last {
        for decision in decisions.iter_mut().take(count.get() as usize) {
            decision.reasons.push("last");
        }
    }
    keep_buckets(&mut decisions, "hourly", rules.keep_hourly, hour_number);
    keep_buckets(&mut decisions, "daily", rules.keep_daily, day_number);
    keep_buckets(&mut decisions, "weekly", rules.keep_weekly, week_number);
    keep_buckets(&mut decisions, "monthly", rules.keep_monthly, |at| {
        let date = Date::of(at);
        date.year * 12 + i64::from(date.month)
    });
    keep_buckets(&mut decisions, "yearly", rules.keep_yearly, |at| Date::of(at).year);
    if let (Some(span), Some(newest)) = (rules.keep_within, decisions.first()) {
        // Counted from the newest version, as restic does: a machine that was switched off for a
        // month loses nothing when it comes back.
        let span = i64::try_from(span.as_nanos()).unwrap_or(i64::MAX);
        let since = newest.version.at.0.saturating_sub(span);
        for decision in decisions.iter_mut().filter(|decision| decision.version.at.0 >= since) {
            decision.reasons.push("within");
        }
    }
    decisions
}

/// Keeps the newest version of each of the newest `count` buckets that have one.
fn keep_buckets(
    decisions: &mut [Decision],
    reason: &'static str,
    count: Option<NonZeroU32>,
    bucket: impl Fn(Moment) -> i64,
) {
    let mut left = count.map_or(0, NonZeroU32::get);
    let mut last = None;
    for decision in decisions {
        if left == 0 {
            return;
        }
        let own = bucket(decision.version.at);
        if last != Some(own) {
            decision.reasons.push(reason);
            last = Some(own);
            left -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use vigil_base::{EntryKind, Vcid};

    use super::*;

    const HOUR: i64 = 3600 * 1_000_000_000;

    fn version(hours: i64) -> Version {
        let vcid = Vcid::of(&hours.to_le_bytes());
        Version { at: Moment(hours * HOUR), kind: EntryKind::Tree, vcid, metadata: None }
    }

    /// Shows, for versions made at `hours`, which are kept and why, the newest first.
    #[track_caller]
    fn check(rules: KeepArgs, hours: &[i64], want: &[&str]) {
        let versions: Vec<Version> = hours.iter().copied().map(version).collect();
        let decisions = decide(&rules, &versions);
        let got: Vec<String> = decisions.iter().map(|d| d.reasons.join(" ")).collect();
        assert_eq!(got, want);
    }

    fn count(count: u32) -> Option<NonZeroU32> {
        NonZeroU32::new(count)
    }

    #[test]
    fn without_rules_everything_stays() {
        check(KeepArgs::default(), &[1, 2], &["no rule", "no rule"]);
        check(KeepArgs::default(), &[], &[]);
    }

    #[test]
    fn the_last_ones_stay() {
        let rules = KeepArgs { keep_last: count(2), ..KeepArgs::default() };
        check(rules, &[1, 2, 3], &["last", "last", ""]);
    }

    #[test]
    fn the_newest_of_each_day_stays() {
        let rules = KeepArgs { keep_daily: count(2), ..KeepArgs::default() };
        check(rules, &[1, 23, 25, 30, 75], &["daily", "daily", "", "", ""]);
        check(rules, &[1, 23, 25, 30], &["daily", "", "daily", ""]);
    }

    #[test]
    fn rules_add_up() {
        let rules = KeepArgs { keep_last: count(1), keep_weekly: count(3), ..KeepArgs::default() };
        // Thursday the 1st, Sunday the 4th, Monday the 5th, Tuesday the 6th of January 1970.
        check(rules, &[0, 73, 97, 121], &["last weekly", "", "weekly", ""]);
    }

    #[test]
    fn months_and_years_follow_the_calendar() {
        let rules =
            KeepArgs { keep_monthly: count(9), keep_yearly: count(9), ..KeepArgs::default() };
        let day = |day: i64| day * 24;
        check(
            rules,
            &[day(0), day(30), day(31), day(364), day(365)],
            &["monthly yearly", "monthly yearly", "monthly", "monthly", ""],
        );
    }

    #[test]
    fn what_is_young_enough_stays() {
        let rules =
            KeepArgs { keep_within: Some(Duration::from_secs(2 * 3600)), ..KeepArgs::default() };
        check(rules, &[7, 8, 9, 10], &["within", "within", "within", ""]);
        let forever =
            KeepArgs { keep_within: Some(Duration::from_secs(u64::MAX)), ..KeepArgs::default() };
        check(forever, &[-7, 10], &["within", "within"]);
    }

    /// A clock that was set back does not make the newest version go.
    #[test]
    fn order_is_that_of_the_history() {
        let rules = KeepArgs { keep_daily: count(1), ..KeepArgs::default() };
        check(rules, &[100, 50], &["daily", ""]);
    }
}
