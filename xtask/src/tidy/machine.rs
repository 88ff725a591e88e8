//! Nothing in the tree names the machine that it was written on.
//!
//! What counts is home and work folders at the start of a path, and what the tree brings along as
//! private to this machine: its home, the checkout, and the hosts of registry mirrors.
//!
//! Invariant: the texts it looks for do not stand in this file, so it passes its own check.

use crate::outcome::Complaint;
use crate::tree::Tree;

/// First folders of paths that exist on one machine only.
const FOLDERS: [&str; 4] = ["home", "Users", "work", "root"];

/// Checks every text, test data included.
pub fn check(tree: &Tree) -> Vec<Complaint> {
    let mut found = Vec::new();
    for (path, text) in tree.texts() {
        for (index, line) in text.lines().enumerate() {
            for folder in FOLDERS.iter().filter(|folder| starts_path(line, folder)) {
                let text = format!("a path under the folder `{folder}` of one machine");
                found.push(Complaint::at(path, index + 1, text));
            }
            if tree.private().iter().any(|private| line.contains(private.as_str())) {
                // The text is not repeated: the complaint may end in a public log.
                let text = "this names the machine: its home, its checkout or its registry mirror";
                found.push(Complaint::at(path, index + 1, text));
            }
        }
    }
    found
}

/// Whether an absolute path into the folder begins on the line.
fn starts_path(line: &str, folder: &str) -> bool {
    let inside = |c: char| c.is_alphanumeric() || "._-$}])>/:*~".contains(c);
    line.match_indices(&format!("/{folder}/")).any(|(at, _)| !line[..at].ends_with(inside))
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::tidy::testing::expect;
    use crate::tree::Tree;

    /// Puts a path together, since this file must pass its own check.
    fn below(folder: &str) -> String {
        format!("/{folder}/x")
    }

    #[test]
    fn relative_and_foreign_paths_pass() {
        let text = format!("src{0} $HOME{0} ca://x{0} {1}ly\n", below("work"), below("homely"));
        expect(check, &[("a.md", &text)], &[]);
    }

    #[test]
    fn paths_of_this_machine_are_named() {
        let text = format!("fine\nsee {}\nin `{}`\n", below("work"), below("home"));
        expect(
            check,
            &[("a.md", &text)],
            &[
                "a.md:2: a path under the folder `work` of one machine",
                "a.md:3: a path under the folder `home` of one machine",
            ],
        );
        let tree = Tree::of(&[("a.md", "from mirror.example.net\n")]);
        let tree = tree.with_private("mirror.example.net");
        let found = check(&tree);
        assert_eq!(found.len(), 1);
        assert!(!found[0].text.contains("example"), "{}", found[0].text);
    }
}
