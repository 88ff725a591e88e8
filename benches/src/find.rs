//! Finding the tools on this machine, and bringing those that are missing.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::bench::say;
use crate::measure::show;
use crate::outside::{self, Known, Origin};
use crate::tool::Present;
use crate::vigil;

/// What to do about missing tools.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Whether packages may be installed.
    pub install: bool,
    /// Where crates with programs are installed; below the target folder.
    pub crates: PathBuf,
    /// The folders of `PATH`.
    pub search: Vec<PathBuf>,
}

/// The tools of a session.
#[derive(Debug)]
pub struct Found {
    /// Those that can be measured, vigil first.
    pub present: Vec<Present>,
    /// The names of those that cannot, and why.
    pub skipped: Vec<(&'static str, String)>,
}

/// Finds vigil (if wanted), every outside tool, and the limits that `helper` provides.
pub fn find(vigil: Option<PathBuf>, helper: &Path, policy: &Policy) -> Found {
    let mut found = Found { present: Vec::new(), skipped: Vec::new() };
    if let Some(program) = vigil {
        found.take(vigil::NAME, Present::look(vigil::tool(), program));
    }
    for known in outside::known() {
        let name = known.tool.name;
        let looked = policy.bring(&known).and_then(|program| Present::look(known.tool, program));
        found.take(name, looked);
    }
    found.take(outside::SHA_LIMIT, Present::look(outside::one_core(), helper.to_owned()));
    found
}

impl Found {
    fn take(&mut self, name: &'static str, looked: Result<Present, String>) {
        match looked {
            Ok(present) => self.present.push(present),
            Err(why) => self.skipped.push((name, why)),
        }
    }
}

impl Policy {
    /// Returns the tool's program, installed if it was missing and that is allowed.
    fn bring(&self, known: &Known) -> Result<PathBuf, String> {
        if let Some(program) = self.program(known.program) {
            return Ok(program);
        }
        if !self.install {
            return Err("not installed".to_owned());
        }
        match known.origin {
            Origin::Base => return Err("not installed".to_owned()),
            Origin::Debian(package) => self.apt(&[package])?,
            Origin::Crate(name, version, packages) => {
                self.apt(packages)?;
                let mut cargo = Command::new("cargo");
                cargo.args(["install", "--locked", "--version", version, name, "--root"]);
                succeed(cargo.arg(&self.crates))?;
            }
        }
        self.program(known.program).ok_or_else(|| "not found even after installing it".to_owned())
    }

    fn program(&self, name: &str) -> Option<PathBuf> {
        let own = self.crates.join("bin");
        let mut folders = self.search.iter().chain([&own]);
        folders.find_map(|folder| Some(folder.join(name)).filter(|program| program.is_file()))
    }

    fn apt(&self, packages: &[&str]) -> Result<(), String> {
        if !rustix::process::geteuid().is_root() || self.program("apt-get").is_none() {
            return Err(format!("needs Debian's {} (not root, or no apt)", packages.join(", ")));
        }
        let mut apt = Command::new("apt-get");
        apt.args(["install", "-y", "-q", "--no-install-recommends"]).args(packages);
        succeed(apt.env("DEBIAN_FRONTEND", "noninteractive"))
    }
}

/// Runs a command to its end; only its failure is of interest.
fn succeed(command: &mut Command) -> Result<(), String> {
    let shown = show(command);
    say(&format!("running {shown}"));
    let ended =
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::inherit()).status();
    match ended {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("`{shown}` ended with {status}")),
        Err(error) => Err(format!("`{shown}`: {error}")),
    }
}
