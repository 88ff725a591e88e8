//! Relative links in pages: the file must be there, and so must the heading.
//!
//! It never looks at the network.
//!
//! Invariant: what stands in a fenced block or in code is no link.

use crate::outcome::Complaint;
use crate::tree::{Tree, is_data};

/// Checks every relative link of every page.
pub fn check(tree: &Tree) -> Vec<Complaint> {
    let mut found = Vec::new();
    for (path, text) in tree.ending(".md").filter(|(path, _)| !is_data(path)) {
        for (line, target) in links(text) {
            if let Some(text) = broken(tree, path, &target) {
                found.push(Complaint::at(path, line, text));
            }
        }
    }
    found
}

/// Returns what is wrong with a link, if anything is.
fn broken(tree: &Tree, page: &str, target: &str) -> Option<String> {
    let foreign = target.contains("://") || target.starts_with("mailto:");
    if foreign {
        return None;
    }
    let (file, heading) = target.split_once('#').unwrap_or((target, ""));
    let Some(path) = resolve(page, file) else {
        return Some(format!("the link `{target}` leaves the project"));
    };
    if !tree.has(&path) {
        return Some(format!("the link `{target}` leads nowhere: there is no {path}"));
    }
    let there = tree.text(&path).filter(|_| !heading.is_empty() && path.ends_with(".md"))?;
    let known = headings(there).any(|known| known == heading);
    (!known).then(|| format!("the link `{target}` names no heading of {path}"))
}

/// Joins a link to the page it stands on; `None` when it climbs out of the project.
fn resolve(page: &str, file: &str) -> Option<String> {
    if file.is_empty() {
        return Some(page.to_owned());
    }
    let mut parts: Vec<&str> = page.split('/').collect();
    parts.pop();
    for part in file.trim_end_matches('/').split('/') {
        match part {
            "." | "" => {}
            ".." => {
                parts.pop()?;
            }
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

/// Returns the lines of a page that are prose, with their numbers.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut fenced = false;
    text.lines().enumerate().filter_map(move |(index, line)| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        (!fenced && !fence).then_some((index + 1, line))
    })
}

/// Returns the targets of inline links `[…](target)` and reference links `[…]: target`.
fn links(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (number, line) in prose(text) {
        let line = without_code(line);
        for (at, _) in line.match_indices("](") {
            let rest = &line[at + 2..];
            let end = rest.find([')', ' ']).unwrap_or(rest.len());
            found.push((number, rest[..end].to_owned()));
        }
        let reference = line.strip_prefix('[').and_then(|rest| rest.split_once("]: "));
        if let Some((_, target)) = reference {
            found.push((number, target.split(' ').next().unwrap_or_default().to_owned()));
        }
    }
    found
}

/// Drops what stands between backquotes.
fn without_code(line: &str) -> String {
    line.split('`').step_by(2).collect::<Vec<_>>().join("`")
}

/// Returns the anchors of a page's headings, made the way that forges make them.
fn headings(text: &str) -> impl Iterator<Item = String> {
    prose(text).filter(|(_, line)| line.starts_with('#')).map(|(_, line)| {
        let title = line.trim_start_matches('#').trim().to_lowercase();
        let kept = title.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::tidy::testing::expect;

    #[test]
    fn good_links_pass() {
        let page = "# A page\n[up](../README.md#two-words) [dir](design/) [self](#a-page)\n\
                    [out](https://example.org/x) `[no](link)`\n```\n[no](link)\n```\n\
                    [ref]: ../README.md\n";
        expect(
            check,
            &[
                ("docs/page.md", page),
                ("README.md", "## Two, words\n"),
                ("docs/design/a.md", ""),
                ("corpus/bad.md", "[x](nowhere)"),
            ],
            &[],
        );
    }

    #[test]
    fn broken_links_are_named() {
        expect(
            check,
            &[("docs/page.md", "text\n[a](gone.md) [b](../../etc)\n[c](#none)\n[r]: ../gone\n")],
            &[
                "docs/page.md:2: the link `../../etc` leaves the project",
                "docs/page.md:2: the link `gone.md` leads nowhere: there is no docs/gone.md",
                "docs/page.md:3: the link `#none` names no heading of docs/page.md",
                "docs/page.md:4: the link `../gone` leads nowhere: there is no gone",
            ],
        );
    }
}
