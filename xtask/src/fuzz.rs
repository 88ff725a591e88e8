//! Fuzzing: builds the programs of `fuzz/` and hands the work to them.
//!
//! `fuzz/` is a workspace of its own, so that nothing it needs weighs on the rest.
//!
//! Invariant: the runner's count of targets is taken from its closing line; without one it failed.

use crate::outcome::{Outcome, StepError};
use crate::project::Project;

/// What the runner prints before its counts.
const CLOSING: &str = "fuzz: targets passed ";

/// Runs the fuzzer with the given arguments.
pub fn run(project: &Project, arguments: &[String]) -> Result<Outcome, StepError> {
    if !project.root.join("fuzz/Cargo.toml").is_file() {
        return Err(StepError::Misuse("there is no fuzz/Cargo.toml".to_owned()));
    }
    let coverage = arguments.iter().any(|argument| argument == "--coverage");
    let mut cargo = project.cargo("fuzz");
    cargo.args(["run", "--quiet", "--locked"]);
    if coverage {
        instrument(project, &mut cargo)?;
    }
    cargo.arg("--");
    let mut names_a_file = false;
    for argument in arguments.iter().filter(|argument| *argument != "--coverage") {
        // The runner works in its own folder, and the path was typed in this one.
        let path = names_a_file.then(|| std::path::absolute(argument).ok()).flatten();
        match path {
            Some(path) => cargo.arg(path),
            None => cargo.arg(argument),
        };
        names_a_file = argument == "--replay";
    }
    let ran = crate::run::show(&mut cargo)?;
    let single = ["--list", "--replay", "--distill"];
    let single = arguments.iter().any(|argument| single.contains(&argument.as_str()));
    let counted = closing_counts(&ran.text).or((single && ran.success).then_some((1, 0)));
    let (passed, failed) = counted.unwrap_or((0, 1));
    let silent_failure = !ran.success && failed == 0;
    Ok(Outcome { passed, failed: failed + u64::from(silent_failure), skipped: Vec::new() })
}

/// Runs every target with its fixed small budget.
pub fn smoke(project: &Project) -> Result<Outcome, StepError> {
    run(project, &["--smoke".to_owned()])
}

/// Asks the compiler to count which edges run; the flags are stable, the runner reads the counters.
///
/// A build for an explicit target keeps the flags away from build scripts and macros, and a target
/// folder of its own keeps everything else from being built again.
fn instrument(project: &Project, cargo: &mut std::process::Command) -> Result<(), StepError> {
    let mut rustc = std::process::Command::new("rustc");
    let version = crate::run::capture(rustc.arg("-vV"))?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).unwrap_or_default();
    cargo.args(["--target", host, "--features", "coverage"]);
    cargo.env("CARGO_TARGET_DIR", project.target().join("fuzz-coverage"));
    cargo.env(
        "RUSTFLAGS",
        "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=3 \
         -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Ccodegen-units=1",
    );
    Ok(())
}

fn closing_counts(text: &str) -> Option<(u64, u64)> {
    let line = text.lines().rev().find_map(|line| line.strip_prefix(CLOSING))?;
    let (passed, failed) = line.split_once(", failed ")?;
    Some((passed.parse().ok()?, failed.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::closing_counts;

    #[test]
    fn the_closing_line_is_counted() {
        assert_eq!(closing_counts("x\nfuzz: targets passed 3, failed 1\n"), Some((3, 1)));
        assert_eq!(closing_counts("killed\n"), None);
    }
}
