//! Which commands the pages run: each command of the program has to be on one.
//!
//! The commands are those that the program has manual pages for, so a new one is missed at once.
//!
//! Invariant: it reads pages and names, and runs nothing but the program's own `man`.

use super::page::Page;
use crate::outcome::{Complaint, Outcome, StepError};
use crate::project::Project;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;

/// A command in words, such as `arena export`.
type Words = Vec<String>;

/// Checks that every command is run on some page, one case in all.
pub fn check(project: &Project, pages: &[PathBuf]) -> Result<Outcome, StepError> {
    let commands = commands(&man_pages(project)?);
    let mut missing = commands.clone();
    for path in pages {
        let text = std::fs::read_to_string(path)
            .map_err(|source| StepError::File { path: path.clone(), source })?;
        for step in Page::parse(&text).steps() {
            for run in commands_in(&step.command, &commands) {
                missing.remove(&run);
            }
        }
    }
    let complaint = |words: &Words| {
        let text = format!("no page runs `vigil {}`", words.join(" "));
        Complaint::about(super::FOLDER, text)
    };
    let complaints: Vec<Complaint> = missing.iter().map(complaint).collect();
    let what = format!("walk (each of {} commands is run on a page)", commands.len());
    Ok(Outcome::of_complaints(&what, &complaints))
}

/// Returns the names of the manual pages that the program writes.
fn man_pages(project: &Project) -> Result<Vec<String>, StepError> {
    let folder = project.target().join("walk-man-pages");
    let file = |source| StepError::File { path: folder.clone(), source };
    // What an older program has left there would count as commands of this one.
    if folder.exists() {
        std::fs::remove_dir_all(&folder).map_err(file)?;
    }
    let mut man = Command::new(project.target().join("debug/vigil"));
    crate::run::capture(man.arg("man").arg("-o").arg(&folder))?;
    let entries = std::fs::read_dir(&folder).map_err(file)?;
    let names = entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
    names.collect::<std::io::Result<_>>().map_err(file)
}

/// Returns the commands that the names of manual pages stand for; one with commands below it only
/// groups them.
fn commands(pages: &[String]) -> BTreeSet<Words> {
    let words = |name: &String| {
        let stem = name.strip_prefix("vigil-")?.strip_suffix(".1")?;
        Some(stem.split('-').map(str::to_owned).collect::<Words>())
    };
    let all: BTreeSet<Words> = pages.iter().filter_map(words).collect();
    let is_group = |words: &Words| {
        all.iter().any(|other| other.len() > words.len() && other.starts_with(words))
    };
    all.iter().filter(|words| !is_group(words)).cloned().collect()
}

/// Options that are followed by a value, and may stand before the command's own words.
const WITH_VALUE: [&str; 2] = ["--store", "--threads"];

/// Returns the commands of the program that a line of shell runs.
fn commands_in(line: &str, commands: &BTreeSet<Words>) -> Vec<Words> {
    let mut found = Vec::new();
    for part in line.split(|c: char| ";|&()`\n".contains(c)) {
        let mut words = part.split_whitespace().skip_while(|word| *word != "vigil").skip(1);
        let mut run = Words::new();
        while let Some(word) = words.next() {
            if WITH_VALUE.contains(&word) {
                words.next();
            } else if !word.starts_with('-') {
                // As in the names of the pages, where `to-json` looks like two words.
                run.extend(word.split('-').map(str::to_owned));
            }
        }
        let longest = (1..=run.len()).rev().map(|len| run[..len].to_vec());
        found.extend(longest.into_iter().find(|words| commands.contains(words)));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> BTreeSet<Words> {
        let pages = [
            "vigil.1",
            "vigil-add.1",
            "vigil-arena.1",
            "vigil-arena-list.1",
            "vigil-dhall.1",
            "vigil-dhall-to-json.1",
            "vigil-man.1",
        ];
        commands(&pages.map(str::to_owned))
    }

    #[test]
    fn groups_and_the_program_itself_are_no_commands() {
        let words: Vec<String> = known().iter().map(|words| words.join(" ")).collect();
        assert_eq!(words, ["add", "arena list", "dhall to json", "man"]);
    }

    #[track_caller]
    fn check(line: &str, want: &[&str]) {
        let found: Vec<String> =
            commands_in(line, &known()).iter().map(|words| words.join(" ")).collect();
        assert_eq!(found, want, "{line}");
    }

    #[test]
    fn commands_are_found_in_lines_of_shell() {
        check("vigil add arena list", &["add"]);
        check("vigil --store full -q arena list --json", &["arena list"]);
        check("head -c 9 x | vigil add - && vigil man -o m", &["add", "man"]);
        check("echo $(vigil arena list)", &["arena list"]);
        check("vigil dhall to-json add-this.dhall", &["dhall to json"]);
        check("export VIGIL_STORE=add; echo vigil", &[]);
        check("vigil arena; vigil --help", &[]);
    }
}
