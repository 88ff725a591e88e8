//! Where the project is, what its workspaces are, and what the machine allows.
//!
//! Invariant: the environment is read here and nowhere else.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The folders beside the root that are workspaces of their own, checked once they exist.
const OTHER_WORKSPACES: [&str; 2] = ["fuzz", "vectra"];

/// The project and the facts of this run.
#[derive(Clone, Debug)]
pub struct Project {
    /// The folder that holds the root manifest.
    pub root: PathBuf,
    /// Whether this is a run of record, in which nothing may be skipped (`CI=true`).
    pub ci: bool,
    /// The search path for programs.
    pub path: OsString,
    /// The user's home, for the texts that must not leak into the tree.
    pub home: Option<PathBuf>,
    /// Where cargo keeps its settings.
    pub cargo_home: Option<PathBuf>,
    cargo: OsString,
}

/// Why the project could not be found.
#[derive(Debug, thiserror::Error)]
#[error("cannot tell where the project is: run this as `cargo xtask`")]
pub struct NoProject;

impl Project {
    /// Reads the environment once.
    pub fn from_environment() -> Result<Project, NoProject> {
        let own = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from).ok_or(NoProject)?;
        let root = own.parent().ok_or(NoProject)?.to_path_buf();
        let home = std::env::var_os("HOME").map(PathBuf::from);
        let cargo_home = std::env::var_os("CARGO_HOME")
            .map(PathBuf::from)
            .or_else(|| home.as_ref().map(|home| home.join(".cargo")));
        Ok(Project {
            root,
            ci: std::env::var_os("CI").is_some_and(|value| value == "true" || value == "1"),
            path: std::env::var_os("PATH").unwrap_or_default(),
            home,
            cargo_home,
            cargo: std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()),
        })
    }

    /// Returns the folders of the workspaces that exist, the root (`""`) first.
    pub fn workspaces(&self) -> Vec<&'static str> {
        let others = OTHER_WORKSPACES.into_iter();
        let others = others.filter(|folder| self.root.join(folder).join("Cargo.toml").is_file());
        std::iter::once("").chain(others).collect()
    }

    /// Returns a cargo command that runs in the given workspace.
    ///
    /// All workspaces share one target folder, so that what they have in common is built once.
    pub fn cargo(&self, workspace: &str) -> Command {
        let mut command = Command::new(&self.cargo);
        command.current_dir(self.root.join(workspace));
        command.env("CARGO_TARGET_DIR", self.target());
        // What cargo sets for xtask itself; a build that saw it would be rebuilt for nothing.
        for (name, _) in std::env::vars_os() {
            let is_of = |start: &str| name.as_encoded_bytes().starts_with(start.as_bytes());
            if is_of("CARGO_PKG_") || is_of("CARGO_MANIFEST_") {
                command.env_remove(name);
            }
        }
        command
    }

    /// Returns a git command that runs in the root.
    pub fn git(&self) -> Command {
        let mut command = Command::new("git");
        command.current_dir(&self.root);
        command
    }

    /// Returns the folder that everything is built into.
    pub fn target(&self) -> PathBuf {
        self.root.join("target")
    }

    /// Returns where a program is, if it can be found.
    pub fn find_program(&self, name: &str) -> Option<PathBuf> {
        find_program(&self.path, name)
    }

    /// Whether this process may install Debian packages.
    pub fn may_install(&self) -> bool {
        let mut id = Command::new("id");
        let root = crate::run::capture(id.arg("-u")).is_ok_and(|text| text.trim() == "0");
        root && self.find_program("apt-get").is_some()
    }
}

fn find_program(path: &std::ffi::OsStr, name: &str) -> Option<PathBuf> {
    std::env::split_paths(path).map(|folder| folder.join(name)).find(|file| is_program(file))
}

#[cfg(unix)]
fn is_program(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    file.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_program(file: &Path) -> bool {
    file.is_file()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_an_executable_file_on_the_path() {
        let path = std::env::var_os("PATH").unwrap();
        assert!(find_program(&path, "bash").is_some());
        assert_eq!(find_program(&path, "no-such-program-here"), None);
        assert_eq!(find_program("".as_ref(), "bash"), None);
    }
}
