//! `cargo xtask test`: everything that must pass, step by step, and a table at the end.
//!
//! Steps do not depend on each other's success: one run shows everything that is wrong.
//!
//! Invariants:
//! - a run that printed `N passed, 0 failed` ran every step to its end;
//! - in a run of record (`CI=true`) whatever is skipped counts as failed.

mod counts;

use crate::outcome::{Outcome, StepError, print_error};
use crate::project::Project;
use crate::tree::Tree;
use std::collections::BTreeSet;
use std::process::Command;
use std::time::{Duration, Instant};

/// One step of the suite.
struct Step {
    name: &'static str,
    run: fn(&Project) -> Result<Outcome, StepError>,
}

/// Cheap steps come first: who waits for the tests has read the complaints by then.
const STEPS: &[Step] = &[
    Step { name: "format", run: format },
    Step { name: "lint", run: lint },
    Step { name: "tidy", run: crate::tidy::run },
    Step { name: "fences", run: crate::fences::run },
    Step { name: "licences", run: crate::licences::run },
    Step { name: "clients", run: crate::clients::prepare },
    Step { name: "tests", run: tests },
    Step { name: "doctests", run: doc_tests },
    Step { name: "walk", run: |project| crate::walk::run(project, &Default::default()) },
    Step { name: "fuzz", run: crate::fuzz::smoke },
    Step { name: "interop", run: crate::clients::interop },
];

/// What became of one step.
struct Row {
    name: &'static str,
    outcome: Outcome,
    took: Duration,
}

/// Which steps to run.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Whether to stop at the first step that fails.
    pub fail_fast: bool,
    /// Steps by name; all of them when empty.
    pub only: Vec<String>,
}

/// Runs steps and returns the sum.
pub fn run(project: &Project, options: &Options) -> Result<Outcome, StepError> {
    let unknown = options.only.iter().find(|name| !STEPS.iter().any(|step| step.name == **name));
    if let Some(name) = unknown {
        let names: Vec<&str> = STEPS.iter().map(|step| step.name).collect();
        let text = format!("there is no step `{name}`; the steps are {}", names.join(", "));
        return Err(StepError::Misuse(text));
    }
    let chosen =
        |step: &&Step| options.only.is_empty() || options.only.iter().any(|o| o == step.name);
    let mut rows: Vec<Row> = Vec::new();
    for step in STEPS.iter().filter(chosen) {
        println!("\n━━━ {} ━━━", step.name);
        let start = Instant::now();
        let outcome = run_step(project, step);
        rows.push(Row { name: step.name, outcome, took: start.elapsed() });
        if let Some(row) = rows.last() {
            println!("━━━ {} took {:.1} s ━━━", row.name, row.took.as_secs_f64());
            if options.fail_fast && row.outcome.failed > 0 {
                println!("stopped at the first failure, as asked");
                break;
            }
        }
    }
    print!("{}", table(&rows));
    let mut sum = Outcome::default();
    for row in rows {
        sum.add(row.outcome);
    }
    println!("{} passed, {} failed", sum.passed, sum.failed);
    Ok(sum)
}

fn run_step(project: &Project, step: &Step) -> Outcome {
    let outcome = (step.run)(project).unwrap_or_else(|error| {
        print_error(&error);
        Outcome::one(false)
    });
    of_record(outcome, project.ci)
}

/// In a run of record, counts whatever was skipped as failed.
fn of_record(mut outcome: Outcome, is_of_record: bool) -> Outcome {
    if is_of_record {
        outcome.failed += outcome.skipped.len() as u64;
    }
    outcome
}

/// Draws the closing table and the list of what was skipped.
fn table(rows: &[Row]) -> String {
    let mut text = "\nstep         passed  failed  skipped    time\n".to_owned();
    for row in rows {
        let Outcome { passed, failed, skipped } = &row.outcome;
        let mark = if *failed > 0 { "  ← failed" } else { "" };
        text.push_str(&format!(
            "{:<10} {passed:>8} {failed:>7} {:>8} {:>6.1} s{mark}\n",
            row.name,
            skipped.len(),
            row.took.as_secs_f64()
        ));
    }
    for row in rows {
        for skipped in &row.outcome.skipped {
            text.push_str(&format!("skipped in {}: {skipped}\n", row.name));
        }
    }
    let took: Duration = rows.iter().map(|row| row.took).sum();
    text.push_str(&format!("all of it took {:.1} s\n\n", took.as_secs_f64()));
    text
}

/// Checks the format of every workspace.
pub fn format(project: &Project) -> Result<Outcome, StepError> {
    each_workspace(project, &["fmt", "--all", "--check"])
}

/// Lints every workspace; a warning is an error.
pub fn lint(project: &Project) -> Result<Outcome, StepError> {
    let arguments = ["clippy", "--workspace", "--all-targets", "--locked", "--quiet"];
    each_workspace(project, &[&arguments[..], &["--", "-D", "warnings"]].concat())
}

fn each_workspace(project: &Project, arguments: &[&str]) -> Result<Outcome, StepError> {
    let mut outcome = Outcome::default();
    for workspace in project.workspaces() {
        let ran = crate::run::show(project.cargo(workspace).args(arguments))?;
        outcome.add(Outcome::one(ran.success));
    }
    Ok(outcome)
}

/// Runs the unit and integration tests of every workspace but for those of outside clients.
fn tests(project: &Project) -> Result<Outcome, StepError> {
    let mut outcome = Outcome::default();
    for workspace in project.workspaces() {
        outcome.add(run_tests(project, workspace, |command, nextest| {
            command.arg("--workspace");
            if nextest {
                command.args(["--no-tests", "pass", "-E", "not test(/(^|::)interop::/)"]);
            } else {
                command.args(["--tests", "--", "--skip", "interop::"]);
            }
        })?);
    }
    Ok(outcome)
}

/// Runs tests with the runner that is there and returns its count.
///
/// The closure adds what to run; it is told whether it speaks to nextest or to `cargo test`.
pub fn run_tests(
    project: &Project,
    workspace: &str,
    what: impl FnOnce(&mut Command, bool),
) -> Result<Outcome, StepError> {
    let nextest = has_nextest(project);
    let mut command = project.cargo(workspace);
    if nextest {
        command.args(["nextest", "run", "--locked", "--no-fail-fast", "--hide-progress-bar"]);
        command.args(["--status-level", "slow", "--final-status-level", "fail"]);
    } else {
        command.args(["test", "--locked", "--no-fail-fast"]);
    }
    what(&mut command, nextest);
    let ran = crate::run::show(&mut command)?;
    let counted = if nextest { counts::of_nextest(&ran.text) } else { counts::of_cargo(&ran.text) };
    Ok(with_exit(counted, ran.success))
}

/// Counts a runner that failed without a failed test (it did not compile, say) as one failure.
fn with_exit(mut counted: Outcome, success: bool) -> Outcome {
    if !success && counted.failed == 0 {
        counted.failed = 1;
    }
    counted
}

fn has_nextest(project: &Project) -> bool {
    let mut cargo = project.cargo("");
    crate::run::capture(cargo.args(["nextest", "--version"])).is_ok()
}

/// Runs the examples in doc comments, in those crates of the root workspace that have any.
fn doc_tests(project: &Project) -> Result<Outcome, StepError> {
    let tree = Tree::read(project)?;
    let crates: BTreeSet<&str> = tree
        .rust()
        .filter(|(_, text)| has_doc_test(text))
        .filter_map(|(path, _)| path.strip_prefix("crates/")?.split('/').next())
        // Only a library has documentation that rustdoc runs.
        .filter(|name| tree.has(&format!("crates/{name}/src/lib.rs")))
        .collect();
    if crates.is_empty() {
        println!("no doc comment has an example");
        return Ok(Outcome::default());
    }
    let mut command = project.cargo("");
    command.args(["test", "--doc", "--locked", "--no-fail-fast"]);
    for name in crates {
        command.args(["--package", name]);
    }
    let ran = crate::run::show(&mut command)?;
    Ok(with_exit(counts::of_cargo(&ran.text), ran.success))
}

/// Whether a doc comment opens a block that rustdoc would run.
fn has_doc_test(text: &str) -> bool {
    let mut open = false;
    for line in text.lines() {
        let line = line.trim_start();
        let doc = line.strip_prefix("//!").or_else(|| line.strip_prefix("///"));
        let Some(info) = doc.and_then(|doc| doc.trim_start().strip_prefix("```")) else { continue };
        open = !open;
        let words: Vec<&str> = info.split([',', ' ']).filter(|word| !word.is_empty()).collect();
        let runs = ["rust", "should_panic", "no_run", "compile_fail"];
        if open && words.iter().all(|word| runs.contains(word)) {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_are_told_from_drawings() {
        assert!(has_doc_test("/// Text.\n/// ```\n/// f();\n/// ```\n"));
        assert!(has_doc_test("//! ```rust,no_run\n//! f();\n//! ```\n"));
        assert!(!has_doc_test("//! ```text\n//! +---+\n//! ```\nfn f() {}\n"));
        assert!(!has_doc_test("let fence = \"```\";\n"));
    }

    #[test]
    fn the_table_names_what_failed_and_what_was_skipped() {
        let outcome = Outcome { passed: 3, failed: 1, skipped: vec!["aws".to_owned()] };
        let rows = [Row { name: "interop", outcome, took: Duration::from_millis(1500) }];
        let text = table(&rows);
        assert!(text.contains("interop           3       1        1    1.5 s  ← failed"), "{text}");
        assert!(text.contains("skipped in interop: aws"), "{text}");
    }

    #[test]
    fn nothing_may_be_skipped_in_a_run_of_record() {
        let outcome = Outcome { passed: 1, failed: 0, skipped: vec!["aws".to_owned()] };
        assert_eq!(of_record(outcome.clone(), false).failed, 0);
        assert_eq!(of_record(outcome, true).failed, 1);
    }

    #[test]
    fn a_runner_that_fails_without_a_failed_test_is_a_failure() {
        assert_eq!(with_exit(Outcome::default(), false).failed, 1);
        assert_eq!(with_exit(Outcome::one(false), false).failed, 1);
        assert_eq!(with_exit(Outcome::one(true), true).failed, 0);
    }
}
