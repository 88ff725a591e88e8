//! Outside clients: programs that nobody here wrote, which the tests make talk to ours.
//!
//! A test that needs one stands in `crates/CRATE/tests/it/interop/PROGRAM.rs`, in a module of the
//! same path, and takes the program's place from the variable `VIGIL_INTEROP_PROGRAM` (upper case,
//! `_` for `-`). A walk page names it in a line `<!-- needs: PROGRAM -->`. Servers to talk to are no
//! clients: those that tests start are dev-dependencies or test programs of the crate itself, since
//! `cargo install` would build them again for every fresh machine.
//!
//! Invariant: a client that a test needs is present, installed, or named as skipped.

mod python;
mod unpack;

use crate::outcome::{Outcome, StepError};
use crate::project::Project;
use crate::tree::Tree;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

/// One client and where it comes from.
struct Client {
    /// The program to look for.
    program: &'static str,
    /// What makes it say something and end with success, so that a broken one is not believed.
    probe: &'static [&'static str],
    /// Where it comes from.
    from: From,
}

/// Where a client comes from.
enum From {
    /// Debian packages, installed.
    Packages(&'static [&'static str]),
    /// A package of Debian's next release, unpacked into the target folder.
    NextRelease(&'static str),
    /// Python packages at these versions, in an environment of their own in the target folder. The
    /// program is that environment's `python3`.
    Python(&'static [&'static str]),
}

impl From {
    /// Returns what a person would look for.
    fn describe(&self) -> String {
        match self {
            Self::Packages(packages) => packages.join(" "),
            Self::NextRelease(package) => format!("{package} of the next release"),
            Self::Python(packages) => format!("python3-venv, {}", packages.join(", ")),
        }
    }
}

/// Every client that a test or a page may ask for.
const CLIENTS: &[Client] = &[
    Client { program: "aws", probe: &["--version"], from: From::Packages(&["awscli"]) },
    Client {
        program: "go",
        probe: &["version"],
        from: From::Packages(&["golang-go", "golang-golang-x-mod-dev"]),
    },
    Client {
        program: "duckdb",
        probe: &["-c", "import importlib.metadata; importlib.metadata.version('duckdb-cli')"],
        from: From::Python(&["duckdb-cli==1.5.6"]),
    },
    Client { program: "dhall", probe: &["version"], from: From::NextRelease("dhall") },
    Client { program: "git", probe: &["--version"], from: From::Packages(&["git"]) },
    Client {
        program: "in-toto",
        probe: &["-c", "import cryptography, in_toto, securesystemslib"],
        from: From::Python(&["securesystemslib[crypto]==1.6.0", "in-toto==3.1.0"]),
    },
    Client { program: "minisign", probe: &["-v"], from: From::Packages(&["minisign"]) },
    Client { program: MACHINE, probe: &["--version"], from: From::Packages(&["qemu-system-x86"]) },
    Client {
        program: "signify-openbsd",
        probe: SILENT,
        from: From::Packages(&["signify-openbsd"]),
    },
    Client { program: "ssh-keygen", probe: SILENT, from: From::Packages(&["openssh-client"]) },
];

/// For programs without a question that they answer with success: to start is enough.
const SILENT: &[&str] = &[];

/// What Vectra's kernel boots on. Its own tests find it, so it is needed wherever they are.
const MACHINE: &str = "qemu-system-x86_64";

/// Another process may hold apt's lock for as long as an installation takes.
const INSTALL_TRIES_MAX: u32 = 20;
const INSTALL_PAUSE: Duration = Duration::from_secs(15);

impl Client {
    /// Returns where the program is, if it is there and works.
    fn find(&self, project: &Project) -> Option<PathBuf> {
        let path = match self.from {
            // Whatever else has its name may be of another version.
            From::NextRelease(package) => unpack::program(project, package),
            From::Python(_) => python::program(project, self.program),
            From::Packages(_) => project.find_program(self.program)?,
        };
        let works = self.probe.is_empty()
            || crate::run::capture(Command::new(&path).args(self.probe)).is_ok();
        works.then_some(path)
    }
}

/// Returns where a program is; one that the registry knows must also work.
fn find(project: &Project, program: &str) -> Option<PathBuf> {
    match CLIENTS.iter().find(|client| client.program == program) {
        Some(client) => client.find(project),
        None => project.find_program(program),
    }
}

/// The tests of one client in one crate.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Tests {
    program: String,
    package: String,
}

/// Makes the clients that tests and pages need available, one case each.
pub fn prepare(project: &Project) -> Result<Outcome, StepError> {
    let mut outcome = Outcome::default();
    let needed = needed(project)?;
    let unknown = needed.iter().filter(|name| !CLIENTS.iter().any(|c| c.program == **name));
    for name in unknown {
        println!(
            "clients: `{name}` is asked for, but clients.rs does not know where it comes from"
        );
        outcome.failed += 1;
    }
    let wanted = || CLIENTS.iter().filter(|client| needed.contains(client.program));
    let absent: Vec<&Client> = wanted().filter(|client| client.find(project).is_none()).collect();
    if !absent.is_empty() && project.may_install() {
        install(project, &absent)?;
    }
    for client in wanted() {
        match client.find(project) {
            Some(path) => {
                println!("clients: {} is {}", client.program, path.display());
                outcome.passed += 1;
            }
            None => {
                let packages = client.from.describe();
                println!("clients: {} is missing; install {packages}", client.program);
                outcome.skipped.push(format!("{} (Debian: {packages})", client.program));
            }
        }
    }
    if needed.is_empty() {
        println!("clients: no test and no page needs one yet");
    }
    Ok(outcome)
}

/// Runs the tests of every client that is present.
pub fn interop(project: &Project) -> Result<Outcome, StepError> {
    let mut outcome = Outcome::default();
    for tests in find_tests(&Tree::read(project)?) {
        let Some(path) = find(project, &tests.program) else {
            let why = format!("{} with {}", tests.package, tests.program);
            println!("interop: skipped {why}, which is missing");
            outcome.skipped.push(why);
            continue;
        };
        let filter = format!("interop::{}::", module(&tests.program));
        let ran = crate::suite::run_tests(project, "", |command, nextest| {
            command.env(variable(&tests.program), &path);
            if nextest {
                // The whole workspace, as one package alone would have its dependencies compiled anew.
                let expression = format!("package(={}) & test(/(^|::){filter}/)", tests.package);
                command.args(["--workspace", "-E", &expression]);
            } else {
                command.args(["--package", &tests.package, "--test", "it", "--", &filter]);
            }
        })?;
        // Finding no test is failing: the file that promised some is there.
        let found_none = ran.passed + ran.failed == 0;
        outcome.add(if found_none { Outcome::one(false) } else { ran });
    }
    Ok(outcome)
}

/// Returns where a client is, installing it where that may be done; `None` where it cannot be had.
pub fn bring(project: &Project, program: &str) -> Result<Option<PathBuf>, StepError> {
    let known = CLIENTS.iter().find(|client| client.program == program);
    let Some(client) = known.filter(|client| client.find(project).is_none()) else {
        return Ok(find(project, program));
    };
    if project.may_install() {
        install(project, &[client])?;
    }
    Ok(client.find(project))
}

/// Returns those of some programs that cannot be found.
pub fn missing(project: &Project, programs: &[String]) -> Vec<String> {
    programs.iter().filter(|name| find(project, name).is_none()).cloned().collect()
}

/// The variable that tells a test where its client is.
fn variable(program: &str) -> String {
    format!("VIGIL_INTEROP_{}", module(program).to_uppercase())
}

/// The name of the test module of a program.
fn module(program: &str) -> String {
    program.replace(['-', '.'], "_")
}

/// Returns the programs that tests and pages ask for.
fn needed(project: &Project) -> Result<BTreeSet<String>, StepError> {
    let tree = Tree::read(project)?;
    let mut programs: BTreeSet<String> =
        find_tests(&tree).into_iter().map(|tests| tests.program).collect();
    let has_machine = tree.rust().any(|(path, _)| path.starts_with("vectra/"));
    programs.extend(has_machine.then(|| MACHINE.to_owned()));
    programs.extend(crate::walk::needs(project)?);
    Ok(programs)
}

/// Finds the client tests of every crate.
fn find_tests(tree: &Tree) -> BTreeSet<Tests> {
    let known: BTreeMap<String, &str> =
        CLIENTS.iter().map(|client| (module(client.program), client.program)).collect();
    let mut found = BTreeSet::new();
    for (path, _) in tree.rust() {
        let parts: Vec<&str> = path.split('/').collect();
        if let ["crates", package, "tests", "it", "interop", file] = parts.as_slice()
            && let Some(stem) = file.strip_suffix(".rs").filter(|stem| *stem != "mod")
        {
            let program = known.get(stem).map_or(stem, |program| *program).to_owned();
            found.insert(Tests { program, package: (*package).to_owned() });
        }
    }
    found
}

/// Installs what is absent with one `apt-get update` and one `apt-get install`.
fn install(project: &Project, absent: &[&Client]) -> Result<(), StepError> {
    let mut packages = Vec::new();
    for client in absent {
        match client.from {
            From::Packages(names) => packages.extend_from_slice(names),
            From::NextRelease(package) => unpack::unpack(project, package)?,
            From::Python(wanted) => python::install(project, client.program, wanted)?,
        }
    }
    if packages.is_empty() {
        return Ok(());
    }
    let update = ["update"].into_iter().collect::<Vec<_>>();
    let install = ["install", "--yes", "--no-install-recommends"].into_iter().chain(packages);
    for arguments in [update, install.collect()] {
        for attempt in 1..=INSTALL_TRIES_MAX {
            let mut apt = Command::new("apt-get");
            apt.args(["-q", "-o", "DPkg::Lock::Timeout=300", "-o", "Dpkg::Use-Pty=0"]);
            apt.args(&arguments);
            apt.env("DEBIAN_FRONTEND", "noninteractive");
            let ran = crate::run::show(&mut apt)?;
            let locked = ran.text.contains("Could not get lock") || ran.text.contains("is held by");
            // What is still absent afterwards is named by the caller.
            if ran.success || !locked || attempt == INSTALL_TRIES_MAX {
                break;
            }
            println!("apt's lock is held; trying again ({attempt} of {INSTALL_TRIES_MAX})");
            std::thread::sleep(INSTALL_PAUSE);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_made_fit_for_modules_and_variables() {
        assert_eq!(variable("aws"), "VIGIL_INTEROP_AWS");
        assert_eq!(variable("ssh-keygen"), "VIGIL_INTEROP_SSH_KEYGEN");
        assert_eq!(module("ssh-keygen"), "ssh_keygen");
    }

    #[test]
    fn client_tests_are_found_by_where_they_stand() {
        let tree = Tree::of(&[
            ("crates/vigil-store/tests/it/interop/aws.rs", ""),
            ("crates/vigil-store/tests/it/interop/mod.rs", ""),
            ("crates/vigil-store/tests/it/interop/new_client.rs", ""),
            ("crates/vigil-store/src/interop/aws.rs", ""),
        ]);
        let found: Vec<String> = find_tests(&tree)
            .into_iter()
            .map(|tests| format!("{} for {}", tests.program, tests.package))
            .collect();
        assert_eq!(found, ["aws for vigil-store", "new_client for vigil-store"]);
    }

    #[test]
    fn every_client_comes_from_somewhere() {
        for client in CLIENTS {
            assert!(!client.from.describe().is_empty(), "{}", client.program);
        }
    }
}
