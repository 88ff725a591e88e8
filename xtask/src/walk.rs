//! The walk: manual pages whose commands are run and whose shown output is compared.
//!
//! `docs/walk/README.md` says how a page is written.
//!
//! Invariant: a page sees the `vigil` program of the dev profile, a fresh folder, and nothing of the
//! user's own home or settings; and every command of the program is run on some page.

mod coverage;
mod diff;
mod matcher;
mod page;
mod shell;

use crate::clients;
use crate::outcome::{Outcome, StepError};
use crate::project::Project;
use page::{Page, Step};
use shell::Shell;
use std::path::{Path, PathBuf};

const FOLDER: &str = "docs/walk";

/// What to do with the pages.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Pages by name or path; all of them when empty.
    pub pages: Vec<String>,
    /// Whether to write what came out into the pages.
    pub bless: bool,
}

/// Runs pages, one case for each command.
pub fn run(project: &Project, options: &Options) -> Result<Outcome, StepError> {
    let pages = find_pages(project, &options.pages)?;
    if pages.is_empty() {
        println!("walk: no pages in {FOLDER}");
        return Ok(Outcome::default());
    }
    let mut cargo = project.cargo("");
    // As the tests build it: alone, the program's dependencies would have other features, and the heavy
    // ones would be compiled once more.
    cargo.args(["build", "--workspace", "--bins", "--tests", "--locked"]);
    let built = crate::run::show(&mut cargo)?;
    if !built.success {
        return Ok(Outcome::one(false));
    }
    let mut outcome = Outcome::default();
    if options.pages.is_empty() {
        outcome.add(coverage::check(project, &pages)?);
    }
    for path in pages {
        outcome.add(run_page(project, &path, options.bless)?);
    }
    Ok(outcome)
}

/// Returns the programs that the pages ask for.
pub fn needs(project: &Project) -> Result<Vec<String>, StepError> {
    let mut programs = Vec::new();
    for path in find_pages(project, &[])? {
        let text = std::fs::read_to_string(&path);
        let text = text.map_err(|source| StepError::File { path, source })?;
        programs.extend(Page::parse(&text).needs);
    }
    Ok(programs)
}

/// Returns the pages that were asked for, or all.
fn find_pages(project: &Project, wanted: &[String]) -> Result<Vec<PathBuf>, StepError> {
    let folder = project.root.join(FOLDER);
    let listed = std::fs::read_dir(&folder)
        .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>, _>>())
        .map_err(|source| StepError::File { path: folder, source })?;
    let mut pages: Vec<PathBuf> = listed.into_iter().filter(|path| is_page(path)).collect();
    pages.sort();
    if wanted.is_empty() {
        return Ok(pages);
    }
    let mut chosen = Vec::new();
    for name in wanted {
        let stem = Path::new(name).file_stem().unwrap_or_default();
        match pages.iter().find(|page| page.file_stem() == Some(stem)) {
            Some(page) => chosen.push(page.clone()),
            None => return Err(StepError::Misuse(format!("there is no page {FOLDER}/{name}"))),
        }
    }
    Ok(chosen)
}

fn is_page(path: &Path) -> bool {
    let readme = path.file_stem().is_some_and(|stem| stem == "README");
    path.extension().is_some_and(|extension| extension == "md") && !readme
}

fn run_page(project: &Project, path: &Path, bless: bool) -> Result<Outcome, StepError> {
    let file = |source| StepError::File { path: path.to_path_buf(), source };
    let text = std::fs::read_to_string(path).map_err(file)?;
    let name = path.strip_prefix(&project.root).unwrap_or(path).display().to_string();
    let page = Page::parse(&text);
    if let Some(complaint) = page.complaint() {
        println!("{name}: {complaint}");
        return Ok(Outcome::one(false));
    }
    let missing = clients::missing(project, &page.needs);
    if !missing.is_empty() {
        let why = format!("{name} (needs {})", missing.join(", "));
        println!("walk: skipped {why}");
        return Ok(Outcome { skipped: vec![why], ..Outcome::default() });
    }
    let mut outcome = Outcome::default();
    let mut outputs = Vec::new();
    let mut shell = match Shell::start(project) {
        Ok(shell) => shell,
        Err(error) => {
            crate::outcome::print_error(&error);
            return Ok(Outcome::one(false));
        }
    };
    for step in page.steps() {
        match shell.run(&step.command) {
            Ok(output) => {
                let passed = bless || judge(&name, step, &output);
                outcome.add(Outcome::one(passed));
                outputs.push(output);
            }
            Err(error) => {
                println!("{name}:{}: $ {}\n  {error}", step.line, step.command);
                outcome.add(Outcome::one(false));
                // The state that later commands rely on is gone with the shell.
                let rest = page.steps().count() - outputs.len() - 1;
                outcome.failed += rest as u64;
                break;
            }
        }
    }
    println!("{name}: {} of {} commands as shown", outcome.passed, page.steps().count());
    if bless && outcome.failed == 0 {
        let blessed = page.bless(&outputs, shell.folder());
        if blessed != text {
            std::fs::write(path, blessed).map_err(file)?;
            println!("{name}: rewritten; review the difference");
        }
    }
    Ok(outcome)
}

/// Compares what came out with what the page shows, and prints the difference.
fn judge(name: &str, step: &Step, output: &shell::Output) -> bool {
    let exit_matches = output.exit == step.exit;
    if exit_matches && matcher::lines_match(&step.expected, &output.lines) {
        return true;
    }
    println!("{name}:{}: $ {}", step.line, step.command.replace('\n', "\n> "));
    for line in diff::diff(&step.expected, &output.lines) {
        println!("  {line}");
    }
    if !exit_matches {
        println!("  the page says [exit {}], it was [exit {}]", step.exit, output.exit);
    }
    false
}
