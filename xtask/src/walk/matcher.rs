//! Whether output is what a page shows: `[..]` stands for anything within a line, a line `...` for
//! any lines.
//!
//! Invariant: matching takes time in the product of the two lengths, whatever the patterns.

/// Stands for any run of characters within a line.
pub const ANYTHING: &str = "[..]";
/// A line that stands for any number of lines.
pub const ANY_LINES: &str = "...";

/// Whether one line of output is what a line of the page shows.
pub fn line_matches(pattern: &str, line: &str) -> bool {
    let Some((first, rest)) = pattern.split_once(ANYTHING) else { return pattern == line };
    let Some(mut left) = line.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = rest.split(ANYTHING).collect();
    // `split` yields at least one part.
    let last = parts.pop().unwrap_or_default();
    // Taking each middle part at its first place leaves the most for what follows.
    for part in parts {
        match left.find(part) {
            Some(at) => left = &left[at + part.len()..],
            None => return false,
        }
    }
    left.ends_with(last)
}

/// Whether the output is what the page shows.
pub fn lines_match(patterns: &[String], lines: &[String]) -> bool {
    // reachable[n]: the patterns so far match the first n lines.
    let mut reachable = vec![false; lines.len() + 1];
    reachable[0] = true;
    for pattern in patterns {
        let mut next = vec![false; lines.len() + 1];
        if pattern == ANY_LINES {
            let first = reachable.iter().position(|reached| *reached).unwrap_or(next.len());
            next[first..].fill(true);
        } else {
            for (at, line) in lines.iter().enumerate() {
                next[at + 1] = reachable[at] && line_matches(pattern, line);
            }
        }
        reachable = next;
    }
    reachable[lines.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_line(pattern: &str, line: &str, want: bool) {
        assert_eq!(line_matches(pattern, line), want, "{pattern:?} against {line:?}");
    }

    #[track_caller]
    fn check_lines(patterns: &[&str], lines: &[&str], want: bool) {
        let owned = |texts: &[&str]| texts.iter().map(|t| (*t).to_owned()).collect::<Vec<_>>();
        assert_eq!(lines_match(&owned(patterns), &owned(lines)), want, "{patterns:?} {lines:?}");
    }

    #[test]
    fn plain_lines_match_themselves() {
        check_line("abc", "abc", true);
        check_line("abc", "abcd", false);
        check_line("", "", true);
        check_line("", "x", false);
        check_line("[.]", "x", false);
    }

    #[test]
    fn anything_matches_within_a_line() {
        check_line("a[..]c", "abc", true);
        check_line("a[..]c", "ac", true);
        check_line("a[..]c", "abcd", false);
        check_line("[..]", "", true);
        check_line("[..]b[..]d", "abcbcd", true);
        check_line("a[..]b[..]b", "ab", false);
        check_line("ab[..]bc", "abc", false);
        check_line("sha256:[..] [..] bytes", "sha256:0a 12 bytes", true);
    }

    #[test]
    fn three_points_match_any_lines() {
        check_lines(&["a", "...", "z"], &["a", "b", "c", "z"], true);
        check_lines(&["a", "...", "z"], &["a", "z"], true);
        check_lines(&["..."], &[], true);
        check_lines(&["...", "b", "..."], &["a", "b", "b"], true);
        check_lines(&["...", "c"], &["a", "b"], false);
        check_lines(&["a"], &["a", "b"], false);
        check_lines(&["a", "b"], &["a"], false);
        check_lines(&[], &["a"], false);
    }

    #[test]
    fn hostile_patterns_stay_quick() {
        let patterns = vec![ANY_LINES; 300];
        let lines = vec!["x"; 300];
        check_lines(&patterns, &lines, true);
        check_line(&"[..]a".repeat(200), &"b".repeat(10_000), false);
    }
}
