//! Clients that are Python packages, in an environment of their own below the target folder.
//!
//! Invariant: nothing outside the target folder changes.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::outcome::StepError;
use crate::project::Project;

/// Returns the folder of an environment.
fn folder(project: &Project, program: &str) -> PathBuf {
    project.target().join("clients").join(program)
}

/// Returns where an environment's `python3` is, whether it is there or not.
pub fn program(project: &Project, program: &str) -> PathBuf {
    python(&folder(project, program))
}

/// Makes an environment and installs packages into it, as `name==version`.
pub fn install(project: &Project, program: &str, packages: &[&str]) -> Result<(), StepError> {
    let folder = folder(project, program);
    if project.find_program("python3").is_none() {
        println!("clients: {program} wants python3, which is missing");
        return Ok(());
    }
    // What is still absent afterwards is named by the caller.
    let made = crate::run::show(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
    if made.success {
        let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
        crate::run::show(Command::new(python(&folder)).args(pip).args(packages))?;
    }
    Ok(())
}

fn python(folder: &Path) -> PathBuf {
    folder.join("bin/python3")
}
