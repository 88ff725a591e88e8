//! Clients of Debian's next release, unpacked beside this one's.
//!
//! A package of the next release wants that release's C library, so that it cannot be installed here.
//! It is downloaded with everything it needs, unpacked into the target folder, and started with the
//! loader that came along. The archive and its keys are those that this machine uses anyway.
//!
//! Invariant: nothing outside the target folder changes.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::outcome::StepError;
use crate::project::Project;

/// Debian's release after the one that the images of this project are made of.
const RELEASE: &str = "trixie";
/// Where Debian puts its own keys.
const KEYS: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// Returns the folder of an unpacked client.
fn folder(project: &Project, package: &str) -> PathBuf {
    project.target().join("clients").join(package)
}

/// Returns where the program of an unpacked client is, whether it is there or not.
pub fn program(project: &Project, package: &str) -> PathBuf {
    folder(project, package).join(package)
}

/// Downloads and unpacks a package, whose program has its name.
pub fn unpack(project: &Project, package: &str) -> Result<(), StepError> {
    let folder = folder(project, package);
    let wrong = |source: io::Error| StepError::File { path: folder.clone(), source };
    let Some(archive) = archive()? else {
        println!("clients: apt knows no archive of Debian's, so that {package} cannot be had");
        return Ok(());
    };
    let apt = folder.join("apt");
    for below in ["lists/partial", "cache/archives/partial", "state"] {
        fs::create_dir_all(apt.join(below)).map_err(wrong)?;
    }
    let keys =
        if Path::new(KEYS).exists() { format!("[signed-by={KEYS}] ") } else { String::new() };
    let source = format!("deb {keys}{archive} {RELEASE} main\n");
    fs::write(apt.join("sources.list"), source).map_err(wrong)?;
    // Nothing is installed as far as this apt knows, so that it brings the C library, too.
    fs::write(apt.join("status"), "").map_err(wrong)?;
    let install = ["install", "--download-only", "--yes", "--no-install-recommends", package];
    for arguments in [&["update"][..], &install] {
        // What is still absent afterwards is named by the caller.
        crate::run::show(own_apt(&apt).args(arguments))?;
    }
    let root = folder.join("root");
    for entry in fs::read_dir(apt.join("cache/archives")).map_err(wrong)? {
        let path = entry.map_err(wrong)?.path();
        if path.extension().is_some_and(|extension| extension == "deb") {
            crate::run::capture(Command::new("dpkg").arg("-x").arg(&path).arg(&root))?;
        }
    }
    write_starter(&folder, &root, package).map_err(wrong)
}

/// Returns the address of the archive that this machine's own packages come from.
fn archive() -> Result<Option<String>, StepError> {
    let mut apt = Command::new("apt-get");
    apt.args(["indextargets", "--format", "$(REPO_URI)"]);
    apt.args(["Origin: Debian", "Label: Debian", "Created-By: Packages"]);
    let text = crate::run::capture(&mut apt)?;
    Ok(text.lines().map(str::trim).find(|line| !line.is_empty()).map(str::to_owned))
}

/// Returns an apt that knows and changes only what is below `apt`.
fn own_apt(apt: &Path) -> Command {
    let mut command = Command::new("apt-get");
    command.arg("-q");
    for (option, place) in [
        ("Dir::Etc::sourcelist", "sources.list"),
        ("Dir::State", "state"),
        ("Dir::State::lists", "lists"),
        ("Dir::State::status", "status"),
        ("Dir::Cache", "cache"),
    ] {
        command.arg("-o").arg(format!("{option}={}", apt.join(place).display()));
    }
    command.args(["-o", "Dir::Etc::sourceparts=-", "-o", "APT::Sandbox::User=root"]);
    command
}

/// Writes what starts the program with its own loader and libraries.
fn write_starter(folder: &Path, root: &Path, package: &str) -> io::Result<()> {
    let starts = |name: &str| name.starts_with("ld-linux");
    let loader = find(&root.join("usr"), &starts)?;
    let library = find(&root.join("usr/lib"), &|name| name == "libc.so.6")?;
    let (Some(loader), Some(library)) = (loader, library) else { return Ok(()) };
    let library = library.parent().unwrap_or(root);
    let program = root.join("usr/bin").join(package);
    let text = format!(
        "#!/bin/sh\nexport LC_ALL=C.UTF-8\nexec '{}' --library-path '{}' '{}' \"$@\"\n",
        loader.display(),
        library.display(),
        program.display()
    );
    let starter = folder.join(package);
    fs::write(&starter, text)?;
    fs::set_permissions(&starter, fs::Permissions::from_mode(0o755))
}

/// Returns a file below a folder, at most three folders deep.
fn find(folder: &Path, matches: &dyn Fn(&str) -> bool) -> io::Result<Option<PathBuf>> {
    let mut todo = vec![(folder.to_path_buf(), 0)];
    while let Some((folder, depth)) = todo.pop() {
        if !folder.is_dir() || depth > 3 {
            continue;
        }
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_dir() {
                todo.push((path, depth + 1));
            } else if matches(&name) {
                return Ok(Some(path));
            }
        }
    }
    Ok(None)
}
