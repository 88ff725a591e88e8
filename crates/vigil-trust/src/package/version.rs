//! The order of versions: which of two is newer.

use core::cmp::Ordering;

/// Compares two versions of [`crate::names::AttName`]: parts between dots, numbers by their value and before
/// words; what follows a `-` comes before what has none; what follows a `+` comes last. Versions that differ
/// in anything never compare as equal, so that the newest is always one.
pub fn version_order(one: &str, two: &str) -> Ordering {
    let ((core, build), (other_core, other_build)) = (split(one, '+'), split(two, '+'));
    let ((main, early), (other_main, other_early)) = (split(core, '-'), split(other_core, '-'));
    parts(main, other_main)
        .then_with(|| match (early, other_early) {
            (None, None) => Ordering::Equal,
            (None, Some(_)) => Ordering::Greater,
            (Some(_), None) => Ordering::Less,
            (Some(early), Some(other)) => parts(early, other),
        })
        .then_with(|| match (build, other_build) {
            (Some(build), Some(other)) => parts(build, other),
            (build, other) => build.is_some().cmp(&other.is_some()),
        })
        .then_with(|| one.cmp(two))
}

fn split(text: &str, at: char) -> (&str, Option<&str>) {
    match text.split_once(at) {
        Some((before, after)) => (before, Some(after)),
        None => (text, None),
    }
}

fn parts(one: &str, two: &str) -> Ordering {
    one.split('.').map(Part).cmp(two.split('.').map(Part))
}

#[derive(PartialEq, Eq)]
struct Part<'a>(&'a str);

impl Part<'_> {
    fn number(&self) -> Option<&str> {
        let is_number = !self.0.is_empty() && self.0.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| self.0.trim_start_matches('0'))
    }
}

impl Ord for Part<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self.number(), other.number()) {
            // Of two numbers without leading zeros the longer is larger, however long they are.
            (Some(own), Some(others)) => own.len().cmp(&others.len()).then_with(|| own.cmp(others)),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => self.0.cmp(other.0),
        }
    }
}

impl PartialOrd for Part<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_rise() {
        let rising = [
            "0.9",
            "1.0-alpha",
            "1.0-alpha.1",
            "1.0-alpha.beta",
            "1.0-beta.2",
            "1.0-beta.11",
            "1.0",
            "1.0+build.2",
            "1.0+build.10",
            "1.0.0",
            "1.2",
            "1.10",
            "2",
            "10",
            "99999999999999999999",
            "100000000000000000000",
            "1a",
        ];
        for (at, one) in rising.iter().enumerate() {
            for (other_at, other) in rising.iter().enumerate() {
                assert_eq!(version_order(one, other), at.cmp(&other_at), "{one} and {other}");
            }
        }
        assert_ne!(version_order("1.0", "1.00"), Ordering::Equal);
    }
}
