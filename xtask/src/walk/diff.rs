//! The difference between what a page shows and what came out, line by line.
//!
//! Invariant: every line of both sides is in the difference, in order.

use super::matcher::{ANY_LINES, line_matches};

/// Longer outputs are compared by position: the table would not be worth its memory.
const CELLS_MAX: usize = 4_000_000;

/// Returns `-` lines that were expected, `+` lines that came, and `  ` lines that agree.
pub fn diff(patterns: &[String], lines: &[String]) -> Vec<String> {
    if (patterns.len() + 1) * (lines.len() + 1) > CELLS_MAX {
        let minus = patterns.iter().map(|line| format!("- {line}"));
        return minus.chain(lines.iter().map(|line| format!("+ {line}"))).collect();
    }
    let common = common_lengths(patterns, lines);
    let (mut p, mut l, mut out) = (0, 0, Vec::new());
    while p < patterns.len() || l < lines.len() {
        let agree = p < patterns.len() && l < lines.len() && agrees(&patterns[p], &lines[l]);
        let drop_pattern =
            p < patterns.len() && (l == lines.len() || common[p + 1][l] >= common[p][l + 1]);
        if agree && patterns[p] != ANY_LINES {
            out.push(format!("  {}", lines[l]));
            (p, l) = (p + 1, l + 1);
        } else if drop_pattern {
            // Any lines may be none: it is no difference in itself.
            let sign = if patterns[p] == ANY_LINES { ' ' } else { '-' };
            out.push(format!("{sign} {}", patterns[p]));
            p += 1;
        } else {
            out.push(format!("+ {}", lines[l]));
            l += 1;
        }
    }
    out
}

fn agrees(pattern: &str, line: &str) -> bool {
    pattern != ANY_LINES && line_matches(pattern, line)
}

/// For every pair of tails, how many lines they have in common at best.
fn common_lengths(patterns: &[String], lines: &[String]) -> Vec<Vec<u32>> {
    let mut common = vec![vec![0u32; lines.len() + 1]; patterns.len() + 1];
    for p in (0..patterns.len()).rev() {
        for l in (0..lines.len()).rev() {
            common[p][l] = if agrees(&patterns[p], &lines[l]) {
                common[p + 1][l + 1] + 1
            } else {
                common[p + 1][l].max(common[p][l + 1])
            };
        }
    }
    common
}

#[cfg(test)]
mod tests {
    use super::diff;

    #[track_caller]
    fn check(patterns: &[&str], lines: &[&str], want: &[&str]) {
        let owned = |texts: &[&str]| texts.iter().map(|t| (*t).to_owned()).collect::<Vec<_>>();
        assert_eq!(diff(&owned(patterns), &owned(lines)), want);
    }

    #[test]
    fn lines_are_lined_up() {
        check(&["a", "b", "c"], &["a", "x", "c"], &["  a", "- b", "+ x", "  c"]);
        check(&["n [..]", "b"], &["n 3"], &["  n 3", "- b"]);
        check(&["...", "z"], &["y"], &["  ...", "- z", "+ y"]);
        check(&[], &["x"], &["+ x"]);
    }

    #[test]
    fn long_outputs_are_not_lined_up() {
        let long = vec!["x"; 3000];
        let shown = vec!["y"; 3000];
        let want: Vec<String> = std::iter::repeat_n("- y".to_owned(), 3000)
            .chain(std::iter::repeat_n("+ x".to_owned(), 3000))
            .collect();
        check(&shown, &long, &want.iter().map(String::as_str).collect::<Vec<_>>());
    }
}
