//! What a step came to: cases passed and failed, what was skipped, or why it could not run.
//!
//! Invariant: a step that reports nothing failed has run every one of its cases or names it as
//! skipped.

use crate::metadata::MetadataError;
use crate::run::RunError;
use std::fmt;
use std::path::PathBuf;

/// The result of one step, in cases.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Cases that did what they should.
    pub passed: u64,
    /// Cases that did not.
    pub failed: u64,
    /// Cases that could not run here, each named with its reason.
    pub skipped: Vec<String>,
}

impl Outcome {
    /// Returns the outcome of a single case.
    pub fn one(passed: bool) -> Outcome {
        Outcome { passed: passed.into(), failed: (!passed).into(), skipped: Vec::new() }
    }

    /// Adds the cases of another outcome.
    pub fn add(&mut self, other: Outcome) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped.extend(other.skipped);
    }

    /// Prints the complaints and returns one case: passed when there are none.
    pub fn of_complaints(what: &str, complaints: &[Complaint]) -> Outcome {
        for complaint in complaints {
            println!("{complaint}");
        }
        match complaints.len() {
            0 => println!("{what}: nothing to complain about"),
            1 => println!("{what}: 1 complaint"),
            count => println!("{what}: {count} complaints"),
        }
        Outcome::one(complaints.is_empty())
    }
}

/// One thing that is wrong in the tree, and where.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Complaint {
    /// The path from the project's root.
    pub path: String,
    /// The line, counted from 1, where there is one.
    pub line: Option<usize>,
    /// What is wrong and what to do about it.
    pub text: String,
}

impl Complaint {
    /// Complains about a line, counted from 1.
    pub fn at(path: &str, line: usize, text: impl Into<String>) -> Complaint {
        Complaint { path: path.to_owned(), line: Some(line), text: text.into() }
    }

    /// Complains about a whole file.
    pub fn about(path: &str, text: impl Into<String>) -> Complaint {
        Complaint { path: path.to_owned(), line: None, text: text.into() }
    }
}

impl fmt::Display for Complaint {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(out, "{}:{line}: {}", self.path, self.text),
            None => write!(out, "{}: {}", self.path, self.text),
        }
    }
}

/// Why a step could not run at all.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// The arguments make no sense.
    #[error("{0}")]
    Misuse(String),
    /// A program could not be started or failed where it must not.
    #[error(transparent)]
    Run(#[from] RunError),
    /// Cargo's description of a workspace could not be had.
    #[error(transparent)]
    Metadata(#[from] MetadataError),
    /// A file of the project could not be read or written.
    #[error("could not use {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

/// Prints an error with the chain of its causes.
pub fn print_error(error: &dyn std::error::Error) {
    eprintln!("error: {error}");
    let mut cause = error.source();
    while let Some(inner) = cause {
        eprintln!("  because: {inner}");
        cause = inner.source();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_add_up_and_complaints_name_their_line() {
        let mut sum = Outcome::one(true);
        sum.add(Outcome { passed: 2, failed: 1, skipped: vec!["aws".to_owned()] });
        assert_eq!(sum, Outcome { passed: 3, failed: 1, skipped: vec!["aws".to_owned()] });
        assert_eq!(Complaint::at("a.rs", 3, "long").to_string(), "a.rs:3: long");
        assert_eq!(Complaint::about("a.rs", "long").to_string(), "a.rs: long");
        assert_eq!(Outcome::of_complaints("t", &[Complaint::about("a", "b")]), Outcome::one(false));
    }
}
