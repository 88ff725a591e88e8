//! The commands: one table gives the names, the help with examples, and the way in.
//!
//! Invariant: exit 0 means everything asked for passed, 1 that something failed, 2 misuse.

use crate::outcome::{Outcome, StepError, print_error};
use crate::project::Project;
use crate::{clients, fences, fuzz, licences, suite, tidy, walk};
use std::process::ExitCode;

const FAILED: u8 = 1;
const MISUSE: u8 = 2;
const WORLD: u8 = 3;

/// One command.
struct Command {
    name: &'static str,
    arguments: &'static str,
    does: &'static str,
    examples: &'static [&'static str],
    run: fn(&Project, &[String]) -> Result<Outcome, StepError>,
}

const COMMANDS: &[Command] = &[
    Command {
        name: "test",
        arguments: "[--fail-fast] [STEP…]",
        does: "Runs everything that must pass: format, lint, tidy, fences, licences, tests, walk \
               pages, a short fuzz, and interoperation with outside clients, which it installs \
               where it may. Ends with a table and a line `N passed, N failed`.",
        examples: &[
            "cargo xtask test",
            "cargo xtask test format tests walk",
            "CI=true cargo xtask test    # nothing may be skipped",
        ],
        run: run_test,
    },
    Command {
        name: "lint",
        arguments: "",
        does: "Checks the format and lints every workspace; a warning is an error.",
        examples: &["cargo xtask lint"],
        run: |project, arguments| {
            only_flags(arguments, &[])?;
            let mut outcome = suite::format(project)?;
            outcome.add(suite::lint(project)?);
            Ok(outcome)
        },
    },
    Command {
        name: "tidy",
        arguments: "",
        does: "Checks what needs no compiler: lengths, whitespace, links, crate docs, sentences \
               for dependencies, reasons for unsafe, and more. Takes a second; run it often.",
        examples: &["cargo xtask tidy"],
        run: |project, arguments| only_flags(arguments, &[]).and_then(|()| tidy::run(project)),
    },
    Command {
        name: "fences",
        arguments: "",
        does: "Checks who imports whom against the order of ARCHITECTURE.md, and that nothing \
               heavy comes with a light crate.",
        examples: &["cargo xtask fences"],
        run: |project, arguments| only_flags(arguments, &[]).and_then(|()| fences::run(project)),
    },
    Command {
        name: "licences",
        arguments: "",
        does: "Checks the licence of every package in every lock file against the list of \
               permissive ones, and names each offender.",
        examples: &["cargo xtask licences"],
        run: |project, arguments| only_flags(arguments, &[]).and_then(|()| licences::run(project)),
    },
    Command {
        name: "walk",
        arguments: "[--bless] [PAGE…]",
        does: "Runs the commands of the manual pages in docs/walk/ and compares what comes out \
               with what the page shows. --bless writes what came out into the page.",
        examples: &["cargo xtask walk", "cargo xtask walk --bless store"],
        run: run_walk,
    },
    Command {
        name: "fuzz",
        arguments: "[TARGET…] [--seconds N] [--seed N] [--smoke] [--list] \
                    [--replay FILE] [--distill] [--coverage]",
        does: "Feeds mutated input to every decoder, or to some. What it finds is saved in \
               fuzz/artifacts/, made small; mend the code, then move the file to fuzz/corpus/. \
               --coverage has the compiler count edges, and keeps inputs that reach new ones; \
               --distill then copies the smallest of those to the seeds.",
        examples: &[
            "cargo xtask fuzz --list",
            "cargo xtask fuzz uri --seconds 60 --coverage",
            "cargo xtask fuzz uri --distill --coverage",
            "cargo xtask fuzz uri --replay fuzz/artifacts/uri/crash-0123456789abcdef",
        ],
        run: fuzz::run,
    },
    Command {
        name: "clients",
        arguments: "",
        does: "Looks for the outside clients that tests and pages need, and installs them as root \
               with apt-get.",
        examples: &["cargo xtask clients"],
        run: |project, arguments| {
            only_flags(arguments, &[]).and_then(|()| clients::prepare(project))
        },
    },
    Command {
        name: "interop",
        arguments: "",
        does: "Runs the tests in which outside clients talk to ours.",
        examples: &["cargo xtask clients && cargo xtask interop"],
        run: |project, arguments| {
            only_flags(arguments, &[]).and_then(|()| clients::interop(project))
        },
    },
    Command {
        name: "bench",
        arguments: "NAME [ARGUMENT…]",
        does: "Runs a program of benches/, built for release. It prints ratios; it is no test.",
        examples: &[
            "cargo xtask bench store",
            "cargo xtask bench dhall",
            "cargo xtask bench query",
            "cargo xtask bench vectra",
            "cargo xtask bench trust",
        ],
        run: run_bench,
    },
];

/// Finds the command, runs it, and turns what came of it into an exit code.
pub fn dispatch(arguments: &[String]) -> ExitCode {
    let Some((name, rest)) = arguments.split_first() else {
        eprint!("{}", overview());
        return ExitCode::from(MISUSE);
    };
    let asks_for_help = |text: &String| text == "--help" || text == "-h";
    if asks_for_help(name) || name == "help" {
        print!("{}", overview());
        return ExitCode::SUCCESS;
    }
    let Some(command) = COMMANDS.iter().find(|command| command.name == name) else {
        eprintln!("error: there is no command `{name}`\nhint: `cargo xtask --help` lists them");
        return ExitCode::from(MISUSE);
    };
    if rest.iter().any(asks_for_help) {
        print!("{}", command.help());
        return ExitCode::SUCCESS;
    }
    let result = match Project::from_environment() {
        Ok(project) => (command.run)(&project, rest),
        Err(error) => {
            print_error(&error);
            return ExitCode::from(MISUSE);
        }
    };
    match result {
        Ok(outcome) if outcome.failed == 0 => ExitCode::SUCCESS,
        Ok(_) => ExitCode::from(FAILED),
        Err(error) => {
            print_error(&error);
            let misuse = matches!(error, StepError::Misuse(_));
            if misuse {
                eprintln!("hint: `cargo xtask {name} --help` shows how it is called");
            }
            ExitCode::from(if misuse { MISUSE } else { WORLD })
        }
    }
}

impl Command {
    fn help(&self) -> String {
        let head = format!("cargo xtask {} {}", self.name, self.arguments);
        let mut text = wrap(&head, 92).join("\n        ");
        text.push('\n');
        for line in wrap(self.does, 88) {
            text.push_str(&format!("    {line}\n"));
        }
        for example in self.examples {
            text.push_str(&format!("      $ {example}\n"));
        }
        text
    }
}

fn overview() -> String {
    let mut text =
        "The project's own tools. Each is run from anywhere in the checkout.\n".to_owned();
    for command in COMMANDS {
        text.push('\n');
        text.push_str(&command.help());
    }
    text
}

/// Breaks a text into lines of at most so many characters.
fn wrap(text: &str, width_max: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width_max => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

fn only_flags(arguments: &[String], known: &[&str]) -> Result<(), StepError> {
    match arguments.iter().find(|argument| !known.contains(&argument.as_str())) {
        Some(argument) => Err(StepError::Misuse(format!("`{argument}` means nothing here"))),
        None => Ok(()),
    }
}

fn run_test(project: &Project, arguments: &[String]) -> Result<Outcome, StepError> {
    let (flags, only) = split_flags(arguments);
    only_flags(&flags, &["--fail-fast"])?;
    suite::run(project, &suite::Options { fail_fast: !flags.is_empty(), only })
}

/// Tells flags from names.
fn split_flags(arguments: &[String]) -> (Vec<String>, Vec<String>) {
    arguments.iter().cloned().partition(|argument| argument.starts_with('-'))
}

fn run_walk(project: &Project, arguments: &[String]) -> Result<Outcome, StepError> {
    let (flags, pages) = split_flags(arguments);
    only_flags(&flags, &["--bless"])?;
    walk::run(project, &walk::Options { pages, bless: !flags.is_empty() })
}

fn run_bench(project: &Project, arguments: &[String]) -> Result<Outcome, StepError> {
    let Some((name, rest)) = arguments.split_first() else {
        return Err(StepError::Misuse("which benchmark? See the folder benches/".to_owned()));
    };
    let mut cargo = project.cargo("");
    if name == "query" {
        // It stands in its own crate, so that no other benchmark links DataFusion.
        cargo.args(["bench", "--locked", "--package", "vigil-query", "--bench", name, "--"]);
        if let Some(python) = clients::bring(project, "duckdb")? {
            cargo.arg("--duckdb").arg(python.with_file_name("duckdb"));
        }
    } else {
        let bin = ["--package", "vigil-bench", "--bin", name, "--"];
        cargo.args(["run", "--release", "--locked"]).args(bin);
    }
    let ran = crate::run::show(cargo.args(rest))?;
    Ok(Outcome::one(ran.success))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_is_explained_with_an_example() {
        let text = overview();
        for command in COMMANDS {
            assert!(!command.examples.is_empty(), "{}", command.name);
            assert!(text.contains(&format!("\ncargo xtask {}", command.name)), "{text}");
        }
        assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
    }

    #[test]
    fn unknown_arguments_are_refused() {
        let arguments = ["--fail-fast".to_owned(), "--fast".to_owned()];
        assert!(only_flags(&arguments[..1], &["--fail-fast"]).is_ok());
        assert!(matches!(only_flags(&arguments, &["--fail-fast"]), Err(StepError::Misuse(_))));
    }

    #[test]
    fn help_is_wrapped() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("", 7), Vec::<String>::new());
    }
}
