use std::path::{Path, PathBuf};
use std::process::Command;

use vectra_core::Archive;

/// The one target that stock stable Rust has: the kernel and the Tasks are built for it, too.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// Every Task of the archive.
const TASKS: [&str; 17] = [
    "initd", "logd", "topod", "echod", "echo", "hog", "crasher", "notes", "vctl", "suite",
    "lockstep", "netd", "prices", "typist", "budgets", "timings", "roomy",
];

/// Folders whose files decide what is built, beside the manifest and the lock file.
pub const SOURCES: [&str; 5] = ["abi", "core", "kernel", "rt", "tasks"];

const KERNEL_FLAGS: &str = "-C relocation-model=static -C code-model=kernel -C no-redzone=yes";
const TASK_FLAGS: &str = "-C relocation-model=static";

/// Why an image could not be built.
#[derive(Debug)]
pub enum BuildError {
    /// Cargo could not be started, or a file not be read or written.
    Io(String, std::io::Error),
    /// Cargo failed; it has said why.
    Cargo(&'static str),
}

impl std::fmt::Display for BuildError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Io(what, _) => write!(f, "could not use {what}"),
            Self::Cargo(package) => {
                write!(f, "cargo could not build {package}; its words are above")
            }
        }
    }
}

impl std::error::Error for BuildError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(_, error) => Some(error),
            Self::Cargo(_) => None,
        }
    }
}

/// What builds it.
#[derive(Clone, Debug)]
pub struct Tools {
    /// Cargo.
    pub cargo: PathBuf,
    /// The compiler, if it is not the one that cargo finds.
    pub rustc: Option<PathBuf>,
    /// Where cargo keeps what it needs, if it is not where it looks.
    pub home: Option<PathBuf>,
}

impl Tools {
    /// Reads what cargo tells the programs that it starts.
    pub fn from_environment() -> Self {
        let path = |name: &str| std::env::var_os(name).map(PathBuf::from);
        let home = path("HOME").map(|home| home.join(".cargo"));
        Self {
            cargo: path("CARGO").unwrap_or_else(|| "cargo".into()),
            rustc: path("RUSTC"),
            home: path("CARGO_HOME").or(home),
        }
    }
}

/// A kernel and its boot archive.
#[derive(Clone, Debug)]
pub struct Image {
    /// The kernel's ELF file.
    pub kernel: PathBuf,
    /// The boot archive with every Task.
    pub archive: PathBuf,
}

/// Builds kernel and Tasks out of the workspace in `root`, and packs them. Each has a target folder of
/// its own, so that neither its flags nor its lock are in the way of the build that calls this.
pub fn build(root: &Path, tools: &Tools) -> Result<Image, BuildError> {
    let target = root.join("target");
    let kernel = cargo(root, tools, "vectra-kernel", KERNEL_FLAGS, &target.join("kernel"))?;
    let tasks = cargo(root, tools, "vectra-tasks", TASK_FLAGS, &target.join("tasks"))?;
    let archive = pack(&tasks, &target.join("vectra.archive"))?;
    Ok(Image { kernel: kernel.join("vectra-kernel"), archive })
}

fn cargo(
    root: &Path,
    tools: &Tools,
    package: &'static str,
    flags: &str,
    target: &Path,
) -> Result<PathBuf, BuildError> {
    let mut command = Command::new(&tools.cargo);
    command.envs(tools.rustc.iter().map(|path| ("RUSTC", path)));
    command.envs(tools.home.iter().map(|path| ("CARGO_HOME", path)));
    for (name, _) in std::env::vars_os() {
        if is_meant_for_another(&name.to_string_lossy()) {
            command.env_remove(name);
        }
    }
    let status = command
        .current_dir(root)
        .args(["build", "--quiet", "--release", "--locked", "--bins", "-p", package])
        .args(["--target", TARGET, "--target-dir"])
        .arg(target)
        .env("RUSTFLAGS", flags)
        .status()
        .map_err(|e| BuildError::Io("cargo".into(), e))?;
    if status.success() {
        Ok(target.join(TARGET).join("release"))
    } else {
        Err(BuildError::Cargo(package))
    }
}

/// Says whether a variable tells the surrounding build something that would change this one: its flags,
/// target and wrappers, or settings of its profile, which come before those of this workspace. Without
/// its own the kernel does not even link.
fn is_meant_for_another(name: &str) -> bool {
    name.starts_with("CARGO_PROFILE_")
        || matches!(
            name,
            "CARGO_ENCODED_RUSTFLAGS"
                | "CARGO_BUILD_TARGET"
                | "CARGO_INCREMENTAL"
                | "RUSTC_WRAPPER"
                | "RUSTC_WORKSPACE_WRAPPER"
        )
}

/// Packs all Tasks and returns the archive's path.
fn pack(tasks: &Path, archive: &Path) -> Result<PathBuf, BuildError> {
    let failed = |path: &Path| {
        let path = path.display().to_string();
        move |error| BuildError::Io(path, error)
    };
    let mut contents = Vec::new();
    for name in TASKS {
        let path = tasks.join(name);
        contents.push((name, std::fs::read(&path).map_err(failed(&path))?));
    }
    let lengths: Vec<_> = contents.iter().map(|(name, bytes)| (*name, bytes.len())).collect();
    let mut bytes = Vec::new();
    Archive::header(&lengths, &mut |part| bytes.extend_from_slice(part));
    contents.iter().for_each(|(_, part)| bytes.extend(part));
    // Whole pages: the archive becomes the pages of a Memory object, and QEMU says no exact length.
    bytes.resize(bytes.len().next_multiple_of(4096), 0);
    if std::fs::read(archive).is_ok_and(|old| old == bytes) {
        return Ok(archive.to_owned());
    }
    // Whoever reads it now goes on with the old one.
    let new = archive.with_extension(format!("new{}", std::process::id()));
    std::fs::write(&new, bytes).map_err(failed(&new))?;
    std::fs::rename(&new, archive).map_err(failed(archive))?;
    Ok(archive.to_owned())
}
