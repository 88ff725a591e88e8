use std::path::{Path, PathBuf};
use std::process::Command;

use vectra_core::Archive;

/// The one target that stock stable Rust has: the kernel and the Tasks are built for it, too.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// Every Task of the archive; `initd` is made from the first.
const TASKS: [&str; 13] = [
    "initd", "logd", "topod", "echod", "echo", "hog", "crasher", "notes", "vctl", "suite",
    "lockstep", "netd", "prices",
];

const KERNEL_FLAGS: &str = "-C relocation-model=static -C code-model=kernel -C no-redzone=yes \
                            -C force-frame-pointers=yes";
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
            Self::Io(what, error) => write!(f, "{what}: {error}"),
            Self::Cargo(package) => {
                write!(f, "cargo could not build {package}; its words are above")
            }
        }
    }
}

impl std::error::Error for BuildError {}

/// A kernel and where its Tasks are.
#[derive(Clone, Debug)]
pub struct Image {
    /// The kernel's ELF file.
    pub kernel: PathBuf,
    /// The folder of Task files.
    pub tasks: PathBuf,
    /// The folder for what is made of them.
    pub work: PathBuf,
}

/// Builds kernel and Tasks. Each has a target folder of its own, so that neither its flags nor its
/// lock are in the way of the build that calls this.
pub fn image() -> Result<Image, BuildError> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let target = root.join("target");
    let kernel = cargo(&root, "vectra-kernel", KERNEL_FLAGS, &target.join("kernel"))?;
    let tasks = cargo(&root, "vectra-tasks", TASK_FLAGS, &target.join("tasks"))?;
    let work = target.join("archives");
    std::fs::create_dir_all(&work).map_err(|e| BuildError::Io(work.display().to_string(), e))?;
    Ok(Image { kernel: kernel.join("vectra-kernel"), tasks, work })
}

fn cargo(
    root: &Path,
    package: &'static str,
    flags: &str,
    target: &Path,
) -> Result<PathBuf, BuildError> {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(program)
        .current_dir(root)
        .args(["build", "--quiet", "--release", "--locked", "--bins", "-p", package])
        .args(["--target", TARGET, "--target-dir"])
        .arg(target)
        .env("RUSTFLAGS", flags)
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env_remove("RUSTC_WORKSPACE_WRAPPER")
        .status()
        .map_err(|e| BuildError::Io("cargo".into(), e))?;
    if status.success() {
        Ok(target.join(TARGET).join("release"))
    } else {
        Err(BuildError::Cargo(package))
    }
}

/// Builds the supervisor, which is a Linux program like any other.
pub fn hosted_program() -> Result<PathBuf, BuildError> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    Ok(cargo(&root, "vectra-host", "", &root.join("target/host"))?.join("vectra-host"))
}

/// Packs files into an archive and returns its path. `name` must be unlike any other that is in use
/// at the same time.
pub fn pack(image: &Image, name: &str, files: &[(&str, &str)]) -> Result<PathBuf, BuildError> {
    let mut contents = Vec::new();
    for (as_name, file) in files {
        let path = image.tasks.join(file);
        let bytes =
            std::fs::read(&path).map_err(|e| BuildError::Io(path.display().to_string(), e))?;
        contents.push((*as_name, bytes));
    }
    let lengths: Vec<_> = contents.iter().map(|(name, bytes)| (*name, bytes.len())).collect();
    let mut archive = Vec::new();
    Archive::header(&lengths, &mut |bytes| archive.extend_from_slice(bytes));
    contents.iter().for_each(|(_, bytes)| archive.extend(bytes));
    // Whole pages: the archive becomes the pages of a Memory object, and QEMU says no exact length.
    archive.resize(archive.len().next_multiple_of(4096), 0);
    let path = image.work.join(name);
    std::fs::write(&path, archive).map_err(|e| BuildError::Io(path.display().to_string(), e))?;
    Ok(path)
}

/// Packs all Tasks, with another one in the place of `initd`.
pub fn initd_archive(image: &Image, name: &str, initd: &str) -> Result<PathBuf, BuildError> {
    let files: Vec<_> =
        TASKS.iter().map(|&task| (task, if task == "initd" { initd } else { task })).collect();
    pack(image, name, &files)
}
