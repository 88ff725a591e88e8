//! Tidy: what a reader of the tree may rely on, as checks that need no compiler.
//!
//! Each check is a small module with one pure function from a [`Tree`] to complaints; a new one is
//! a module and a row in [`CHECKS`].
//!
//! Invariant: no check touches the disk, so each can be shown a bad tree in a test.

mod allowances;
mod crate_docs;
mod dependencies;
mod formats;
mod links;
mod machine;
mod manifests;
mod reexports;
mod sizes;
mod unsafe_reasons;
mod whitespace;
mod words;

use crate::outcome::{Complaint, Outcome, StepError};
use crate::project::Project;
use crate::tree::Tree;

/// One check of the tree.
struct Check {
    name: &'static str,
    holds: &'static str,
    run: fn(&Tree) -> Vec<Complaint>,
}

const CHECKS: &[Check] = &[
    Check {
        name: "sizes",
        holds: "no file over 600 lines, no function over 70, but for the shrinking exceptions",
        run: sizes::check,
    },
    Check {
        name: "whitespace",
        holds: "no tabs, no trailing blanks, one newline at the end",
        run: whitespace::check,
    },
    Check {
        name: "crate docs",
        holds: "each crate opens with what it is and an invariant",
        run: crate_docs::check,
    },
    Check { name: "links", holds: "each relative link in a page resolves", run: links::check },
    Check {
        name: "dependencies",
        holds: "each dependency has its sentence, and each sentence its dependency",
        run: dependencies::check,
    },
    Check {
        name: "manifests",
        holds: "versions stand once, in the root manifest, and every crate takes its lints",
        run: manifests::check,
    },
    Check {
        name: "formats",
        holds: "each format page that code names exists",
        run: formats::check,
    },
    Check { name: "words", holds: "nothing unfinished, nothing ignored", run: words::check },
    Check {
        name: "allowances",
        holds: "each lint that is switched off says why",
        run: allowances::check,
    },
    Check {
        name: "re-exports",
        holds: "what leaves a crate is named, name by name",
        run: reexports::check,
    },
    Check {
        name: "unsafe",
        holds: "each unsafe block says why it is there and why it holds",
        run: unsafe_reasons::check,
    },
    Check {
        name: "machine",
        holds: "nothing names the machine it was written on",
        run: machine::check,
    },
];

/// Runs every check over the project, one case each.
pub fn run(project: &Project) -> Result<Outcome, StepError> {
    let tree = Tree::read(project)?;
    let mut outcome = Outcome::default();
    for check in CHECKS {
        let mut complaints = (check.run)(&tree);
        complaints.sort();
        let what = format!("{} ({})", check.name, check.holds);
        outcome.add(Outcome::of_complaints(&what, &complaints));
    }
    Ok(outcome)
}

#[cfg(test)]
pub(crate) mod testing {
    use super::*;

    /// Checks that a tree draws exactly these complaints.
    #[track_caller]
    pub fn expect(check: fn(&Tree) -> Vec<Complaint>, files: &[(&str, &str)], want: &[&str]) {
        let mut complaints = check(&Tree::of(files));
        complaints.sort();
        let got: Vec<String> = complaints.iter().map(ToString::to_string).collect();
        assert_eq!(got, want);
    }
}
